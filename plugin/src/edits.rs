//! Edits of parameters in the window.
//!
//! In CLAP and in the program without a host nice-plug 0.4.2 queues an edit for the audio thread, which sets it
//! after a block and posts a notice to the window for each value: in CLAP by a call of the host, after a
//! question for the thread that allocates where the host has no answer, in the program by a lock and a
//! system call. Here the window sets the parameter itself, and the CLAP entry tells the host with the
//! next block or flush.
//!
//! A VST3 host is told by the framework, on the window's thread, and sends the value back with a block. Until
//! then the entry has it wait with those of the controller: a host that saves before has it in the state.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::*};
use std::sync::{Arc, Mutex};

use nice_plug::prelude::{ParamPtr, Params};

use crate::params::ToccoParams;

/// What a host is told of one parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Edit {
    /// A gesture begins.
    Begin,
    /// The value, normalised.
    Value(f32),
    /// The gesture ends.
    End,
}

/// A gesture has begun, and the host was not told.
const BEGUN: u8 = 1;

/// A value was set, and the host was not told.
const SET: u8 = 2;

/// A gesture has ended, and the host was not told.
const ENDED: u8 = 4;

/// Called after each edit, on the window's thread.
type Listener = Box<dyn Fn(ParamPtr, Edit) + Send>;

struct Parameter {
    pointer: ParamPtr,
    /// What the host is to be told.
    untold: AtomicU8,
}

/// The edits of one instance that its host was not told of. Of several values that a parameter had since, it
/// is told the last.
pub(crate) struct Edits {
    parameters: Vec<Parameter>,
    /// Whether there may be one at all: most blocks need not look further.
    any: AtomicBool,
    listener: Mutex<Option<Listener>>,
    /// The pointers point into it.
    _params: Arc<ToccoParams>,
}

impl Edits {
    /// Of `params`. Allocates.
    pub(crate) fn new(params: Arc<ToccoParams>) -> Self {
        let parameter = |(_, pointer, _): (String, ParamPtr, String)| Parameter {
            pointer,
            untold: AtomicU8::new(0),
        };
        Self {
            parameters: params.param_map().into_iter().map(parameter).collect(),
            any: AtomicBool::new(false),
            listener: Mutex::new(None),
            _params: params,
        }
    }

    /// Has `listener` called after each edit, in place of the one before; with `None` nobody. After this
    /// returns the former one is not called any more. Takes a lock: not for the audio thread.
    pub(crate) fn listen(&self, listener: Option<Listener>) {
        *self.listener.lock().unwrap_or_else(|e| e.into_inner()) = listener;
    }

    /// Hands all edits to `tell`, those of a parameter in their order, with the value that it has now: what
    /// the plugin set since, or a state that was loaded, is not undone. An edit for which `tell` answers no
    /// comes again the next time. To be called before what the host sends is set, so that of an edit and
    /// an answer to the one before the host knows the edit. For the thread that processes or flushes;
    /// real-time safe as far as `tell` is.
    pub(crate) fn give_out(&self, mut tell: impl FnMut(ParamPtr, Edit) -> bool) {
        if !self.any.swap(false, AcqRel) {
            return;
        }
        for parameter in &self.parameters {
            let untold = parameter.untold.swap(0, AcqRel);
            if untold == 0 {
                continue;
            }
            let pointer = parameter.pointer;
            // SAFETY: the parameter lives as long as `_params`; its value is atomic.
            let value = unsafe { pointer.unmodulated_normalized_value() };
            let mut refused = 0;
            for (bit, edit) in [
                (BEGUN, Edit::Begin),
                (SET, Edit::Value(value)),
                (ENDED, Edit::End),
            ] {
                // What follows a refused one waits with it.
                if untold & bit != 0 && (refused != 0 || !tell(pointer, edit)) {
                    refused |= bit;
                }
            }
            if refused != 0 {
                parameter.untold.fetch_or(refused, AcqRel);
                self.any.store(true, Release);
            }
        }
    }
}

#[cfg(feature = "editor")]
mod window {
    use std::sync::Arc;
    use std::sync::atomic::Ordering::*;

    use nice_plug::context::PluginApi;
    use nice_plug::context::gui::{GuiContext, GuiContextInner};
    use nice_plug::plugin::PluginState;
    use nice_plug::prelude::ParamPtr;

    use super::{BEGUN, ENDED, Edit, Edits, SET};
    use crate::service::Shared;

    impl Edits {
        /// Makes an edit of the parameter `pointer`, of which the host is to be told. A gesture that begins
        /// before the host was told of the end of the last one continues that; a value that is no number is
        /// none. Takes a lock.
        fn make(&self, pointer: ParamPtr, edit: Edit) {
            let mut parameters = self.parameters.iter();
            let Some(parameter) = parameters.find(|parameter| parameter.pointer == pointer) else {
                return; // never: the window has these
            };
            match edit {
                Edit::Begin => {
                    if parameter.untold.fetch_and(!ENDED, AcqRel) & ENDED == 0 {
                        parameter.untold.fetch_or(BEGUN, AcqRel);
                    }
                }
                Edit::Value(value) if !value.is_finite() => return,
                Edit::Value(value) => {
                    // SAFETY: the parameter lives as long as `_params`; its value is atomic.
                    unsafe { pointer._internal_set_normalized_value(value) };
                    parameter.untold.fetch_or(SET, AcqRel);
                }
                Edit::End => {
                    parameter.untold.fetch_or(ENDED, AcqRel);
                }
            }
            self.any.store(true, Release);
            self.call_listener(pointer, edit);
        }

        fn call_listener(&self, pointer: ParamPtr, edit: Edit) {
            if let Some(listener) = &*self.listener.lock().unwrap_or_else(|e| e.into_inner()) {
                listener(pointer, edit);
            }
        }
    }

    /// The framework's context of a window, and what is done otherwise.
    struct Context {
        framework: GuiContext,
        shared: Arc<Shared>,
    }

    impl Context {
        /// Whether the framework tells the host of edits, which sends them back.
        fn by_framework(&self) -> bool {
            self.framework.plugin_api() == PluginApi::Vst3
        }
    }

    impl GuiContextInner for Context {
        fn plugin_api(&self) -> PluginApi {
            self.framework.plugin_api()
        }

        unsafe fn raw_begin_set_parameter(&self, parameter: ParamPtr) {
            if self.by_framework() {
                // SAFETY: the caller's promise is passed on.
                unsafe { self.framework.raw_begin_set_parameter(parameter) };
            } else {
                self.shared.edits.make(parameter, Edit::Begin);
            }
        }

        unsafe fn raw_set_parameter_normalized(&self, parameter: ParamPtr, normalized: f32) {
            let (edits, edit) = (&self.shared.edits, Edit::Value(normalized));
            if self.by_framework() {
                let framework = &self.framework;
                // SAFETY: the caller's promise is passed on.
                unsafe { framework.raw_set_parameter_normalized(parameter, normalized) };
                // After that, which sets it at once where nothing is processed.
                edits.call_listener(parameter, edit);
            } else {
                edits.make(parameter, edit);
            }
        }

        unsafe fn raw_end_set_parameter(&self, parameter: ParamPtr) {
            if self.by_framework() {
                // SAFETY: the caller's promise is passed on.
                unsafe { self.framework.raw_end_set_parameter(parameter) };
            } else {
                self.shared.edits.make(parameter, Edit::End);
            }
        }

        fn get_state(&self) -> PluginState {
            self.framework.get_state()
        }

        fn set_state(&self, state: PluginState) {
            self.framework.set_state(state);
        }

        fn request_restart(&self) {
            self.framework.request_restart();
        }
    }

    /// What a new window has instead of the `framework`'s context.
    pub(crate) fn gui_context(shared: &Arc<Shared>, framework: GuiContext) -> GuiContext {
        let shared = Arc::clone(shared);
        GuiContext::new(Arc::new(Context { framework, shared }))
    }
}

#[cfg(feature = "editor")]
pub(crate) use window::gui_context;

#[cfg(all(test, feature = "editor"))]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicU32;

    use nice_plug::context::PluginApi;
    use nice_plug::context::gui::{GuiContext, GuiContextInner};
    use nice_plug::params::Param;
    use nice_plug::plugin::PluginState;

    use super::*;
    use crate::params::set;
    use crate::service::Shared;

    /// A context of the framework's that counts the edits that reach it.
    pub(crate) struct Framework(PluginApi, AtomicU32);

    impl Framework {
        /// Of a window in `api`.
        pub(crate) fn of(api: PluginApi) -> Arc<Self> {
            Arc::new(Self(api, AtomicU32::new(0)))
        }

        pub(crate) fn edits(&self) -> u32 {
            self.1.load(Relaxed)
        }
    }

    impl GuiContextInner for Framework {
        fn plugin_api(&self) -> PluginApi {
            self.0
        }
        unsafe fn raw_begin_set_parameter(&self, _: ParamPtr) {
            self.1.fetch_add(1, Relaxed);
        }
        unsafe fn raw_set_parameter_normalized(&self, _: ParamPtr, _: f32) {
            self.1.fetch_add(1, Relaxed);
        }
        unsafe fn raw_end_set_parameter(&self, _: ParamPtr) {
            self.1.fetch_add(1, Relaxed);
        }
        fn get_state(&self) -> PluginState {
            PluginState {
                version: String::new(),
                params: BTreeMap::new(),
                fields: BTreeMap::new(),
            }
        }
        fn set_state(&self, _: PluginState) {}
        fn request_restart(&self) {}
    }

    fn shared() -> Arc<Shared> {
        Arc::new(Shared::new(Arc::new(ToccoParams::default())))
    }

    /// All that the host is told of the parameter `of`; of others there is nothing to be told.
    fn told(shared: &Shared, of: ParamPtr) -> Vec<Edit> {
        let mut told = Vec::new();
        shared.edits.give_out(|pointer, edit| {
            assert_eq!(pointer, of);
            told.push(edit);
            true
        });
        told
    }

    #[test]
    fn in_vst3_alone_the_framework_hears_of_an_edit() {
        for (api, expected) in [
            (PluginApi::Vst3, 3),
            (PluginApi::Clap, 0),
            (PluginApi::Standalone, 0),
        ] {
            let (shared, framework) = (shared(), Framework::of(api));
            let gui = gui_context(&shared, GuiContext::new(framework.clone()));
            assert_eq!(gui.plugin_api(), api);
            let (setter, gate) = (gui.param_setter(), &shared.params.gate);
            setter.begin_set_parameter(gate);
            setter.set_parameter(gate, 0.25);
            setter.end_set_parameter(gate);
            assert_eq!(framework.edits(), expected, "{api}");
            assert_eq!(gate.value() == 0.25, expected == 0, "{api}");
        }
    }

    #[test]
    fn a_host_is_told_the_last_value_within_its_gesture() {
        use Edit::{Begin, End, Value};

        let shared = shared();
        let heard = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&heard);
        shared.edits.listen(Some(Box::new(move |_, _| {
            count.fetch_add(1, Relaxed);
        })));
        let framework = Framework::of(PluginApi::Clap);
        let gui = gui_context(&shared, GuiContext::new(framework));
        let (setter, gate) = (gui.param_setter(), &shared.params.gate);
        let pointer = gate.as_ptr();
        assert_eq!(told(&shared, pointer), []);
        setter.begin_set_parameter(gate);
        setter.set_parameter(gate, 0.25);
        setter.set_parameter(gate, 0.5);
        assert_eq!(told(&shared, pointer), [Begin, Value(0.5)]);
        setter.set_parameter(gate, 0.75);
        setter.end_set_parameter(gate);
        // It goes on before the host hears of the end.
        setter.begin_set_parameter(gate);
        assert_eq!(told(&shared, pointer), [Value(0.75)]);
        setter.end_set_parameter(gate);
        assert_eq!(told(&shared, pointer), [End]);
        assert_eq!(heard.load(Relaxed), 7);
        setter.set_parameter_normalized(gate, f32::NAN);
        assert_eq!(told(&shared, pointer), []);
        assert_eq!(gate.value(), 0.75);
        // What a state or the plugin itself set since stays, and is told.
        setter.set_parameter(gate, 1.0);
        set(gate, 0.125);
        assert_eq!(told(&shared, pointer), [Value(0.125)]);
        assert_eq!(gate.value(), 0.125);
    }

    #[test]
    fn what_a_host_has_no_room_for_comes_again() {
        let shared = shared();
        let framework = Framework::of(PluginApi::Clap);
        let gui = gui_context(&shared, GuiContext::new(framework));
        let (setter, bypass) = (gui.param_setter(), &shared.params.bypass);
        setter.begin_set_parameter(bypass);
        setter.set_parameter(bypass, true);
        setter.end_set_parameter(bypass);
        let mut asked = Vec::new();
        shared.edits.give_out(|_, edit| {
            asked.push(edit);
            asked.len() < 2
        });
        assert_eq!(asked, [Edit::Begin, Edit::Value(1.0)]);
        // What the host sets later is not overwritten.
        set(bypass, false);
        let rest = told(&shared, bypass.as_ptr());
        assert_eq!(rest, [Edit::Value(0.0), Edit::End]);
        assert!(!bypass.value());
        assert_eq!(told(&shared, bypass.as_ptr()), []);
    }
}
