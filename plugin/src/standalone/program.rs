//! The plugin as the framework's standalone wants it: with a window or without, prepared before the
//! framework makes it, and with its notes sent by a port of ours as well.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard};

use nice_plug::context::process::SendEventError;
use nice_plug::editor::Editor;
use nice_plug::prelude::*;
use tocco_dsp::denormals;

use super::end::End;
use super::midi_port::MidiQueue;
#[cfg(feature = "editor")]
use super::window::EndingEditor;
use crate::Tocco;
use crate::service::Shared;

/// What the framework is to get when it makes a plugin.
pub struct Prepared {
    /// The plugin.
    pub tocco: Tocco,
    /// Where its notes go besides.
    pub midi: Option<MidiQueue>,
    /// Who asks for the program's end, and is told of the blocks.
    pub end: Arc<End>,
}

/// The framework makes plugins by `Default` alone.
static PREPARED: Mutex<Option<Prepared>> = Mutex::new(None);

fn prepared() -> MutexGuard<'static, Option<Prepared>> {
    PREPARED.lock().unwrap_or_else(|e| e.into_inner())
}

/// The next plugin that the framework makes is this one.
pub fn prepare(next: Prepared) {
    *prepared() = Some(next);
}

/// Whether the framework has not made it.
pub fn is_waiting() -> bool {
    prepared().is_some()
}

/// With a window or without.
pub trait Face: Send + 'static {
    /// The window.
    type Editor: Editor;

    /// It, if there is one. To close it is the program's `end`.
    fn editor(shared: &Arc<Shared>, end: &Arc<End>) -> Option<Self::Editor>;
}

/// With a window.
#[cfg(feature = "editor")]
pub struct Windowed;

#[cfg(feature = "editor")]
impl Face for Windowed {
    type Editor = EndingEditor<crate::editor::ToccoEditor>;

    fn editor(shared: &Arc<Shared>, end: &Arc<End>) -> Option<Self::Editor> {
        Some(EndingEditor {
            editor: crate::editor::create(Arc::clone(shared))?,
            end: Arc::clone(end),
        })
    }
}

/// Without.
pub struct Windowless;

impl Face for Windowless {
    type Editor = ();

    fn editor(_: &Arc<Shared>, _: &Arc<End>) -> Option<()> {
        None
    }
}

/// The plugin in the program.
pub struct Program<F> {
    tocco: Tocco,
    midi: Option<MidiQueue>,
    end: Arc<End>,
    face: PhantomData<fn() -> F>,
}

impl<F> Default for Program<F> {
    fn default() -> Self {
        let next = prepared().take();
        let Prepared { tocco, midi, end } = next.unwrap_or_else(|| Prepared {
            tocco: Tocco::default(),
            midi: None,
            end: Arc::default(),
        });
        Self {
            tocco,
            midi,
            end,
            face: PhantomData,
        }
    }
}

impl<F: Face> Plugin for Program<F> {
    const NAME: &'static str = Tocco::NAME;
    const VENDOR: &'static str = Tocco::VENDOR;
    const URL: &'static str = Tocco::URL;
    const EMAIL: &'static str = Tocco::EMAIL;
    const VERSION: &'static str = Tocco::VERSION;
    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = Tocco::AUDIO_IO_LAYOUTS;
    const MIDI_OUTPUT: MidiConfig = Tocco::MIDI_OUTPUT;

    type Editor = F::Editor;
    type SysExMessage = ();
    type BackgroundTask = ();

    fn setup_logger() -> Option<bool> {
        Tocco::setup_logger()
    }

    fn params(&self) -> Arc<dyn Params> {
        self.tocco.params()
    }

    fn editor(&mut self, _: AsyncExecutor<Self>) -> Option<F::Editor> {
        F::editor(self.tocco.shared(), &self.end)
    }

    fn activate(
        &mut self,
        layout: &AudioIOLayout,
        buffers: &BufferConfig,
        context: &mut impl ActivateContext<Self>,
    ) -> bool {
        self.tocco
            .activate(layout, buffers, &mut Activating(context, PhantomData))
    }

    fn reset(&mut self) {
        self.tocco.reset();
    }

    fn deactivate(&mut self) {
        self.tocco.deactivate();
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        aux: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        let Self {
            tocco, midi, end, ..
        } = self;
        let context = &mut Processing {
            context,
            midi,
            program: PhantomData::<Self>,
        };
        let status = if end.is_asked() {
            // A note that began now would have no end.
            let Tocco {
                params,
                shared,
                performance,
                ..
            } = tocco;
            let mut send = |event: NoteEvent<()>| context.try_send_event(event).is_ok();
            performance.end_notes(buffer.samples(), &mut send);
            denormals::flush(|| performance.mix(params, shared, buffer.as_slice()));
            ProcessStatus::Normal
        } else {
            tocco.process(buffer, aux, context)
        };
        end.count_block();
        status
    }
}

/// What Tocco is told at an activation.
struct Activating<'a, C, P>(&'a mut C, PhantomData<fn() -> P>);

impl<C: ActivateContext<P>, P: Plugin<BackgroundTask = ()>> ActivateContext<Tocco>
    for Activating<'_, C, P>
{
    fn plugin_api(&self) -> PluginApi {
        self.0.plugin_api()
    }
    fn execute(&self, (): ()) {
        self.0.execute(());
    }
    fn set_latency_samples(&self, samples: u32) {
        self.0.set_latency_samples(samples);
    }
    fn set_current_voice_capacity(&self, capacity: u32) {
        self.0.set_current_voice_capacity(capacity);
    }
}

/// What Tocco is told with each block, and where its notes go.
struct Processing<'a, C, P> {
    context: &'a mut C,
    midi: &'a mut Option<MidiQueue>,
    program: PhantomData<P>,
}

impl<C, P> ProcessContext<Tocco> for Processing<'_, C, P>
where
    C: ProcessContext<P>,
    P: Plugin<BackgroundTask = (), SysExMessage = ()>,
{
    fn plugin_api(&self) -> PluginApi {
        self.context.plugin_api()
    }
    fn execute_background(&self, (): ()) {
        self.context.execute_background(());
    }
    fn execute_gui(&self, (): ()) {
        self.context.execute_gui(());
    }
    fn transport(&self) -> &Transport {
        self.context.transport()
    }
    fn next_event(&mut self) -> Option<NoteEvent<()>> {
        self.context.next_event()
    }
    fn try_send_event(
        &mut self,
        event: NoteEvent<()>,
    ) -> Result<(), (NoteEvent<()>, SendEventError)> {
        if let Some(midi) = self.midi {
            midi.send(&event);
        }
        self.context.try_send_event(event)
    }
    fn set_latency_samples(&self, samples: u32) {
        self.context.set_latency_samples(samples);
    }
    fn request_restart(&self) {
        self.context.request_restart();
    }
    fn set_current_voice_capacity(&self, capacity: u32) {
        self.context.set_current_voice_capacity(capacity);
    }
}
