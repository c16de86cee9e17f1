//! The CLAP entry: nice-plug's own, with guards before it and what it leaves out.
//!
//! ```text
//! host -> Instance (guards: order of calls, buffers, events) -> nice-plug's wrapper -> Tocco or MultiOutput
//! host <- Host (guards: extensions and functions that are missing) <-'
//! ```
//!
//! nice-plug 0.4.2 panics on what only a faulty host does, and a panic in a function that C calls
//! ends the host's process. It also resets the plugin at each start, sends notes to hosts whose port
//! takes MIDI, declares every parameter modulatable, has no output parameters, refuses a state for one bad value in it, never
//! marks the project as changed, and sets what a block carries and what the window edits by calls that are not
//! real-time safe ([`values`], [`edits`](crate::edits)). What is wrong there, and where, is in `docs/upstream.md`;
//! each guard can go when it is right there.
//!
//! The host's `clap_plugin` is the first field of an [`Instance`], and its `plugin_data` is the
//! framework's. So the framework's functions take it as their own, and those of ours find the
//! instance.

mod events;
mod extensions;
mod host;
mod state_stream;
mod values;

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, OnceLock};

use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::events::clap_input_events;
use clap_sys::ext::audio_ports::{
    CLAP_EXT_AUDIO_PORTS, clap_audio_port_info, clap_plugin_audio_ports,
};
use clap_sys::ext::audio_ports_config::CLAP_EXT_AUDIO_PORTS_CONFIG;
use clap_sys::ext::gui::CLAP_EXT_GUI;
use clap_sys::ext::note_ports::CLAP_EXT_NOTE_PORTS;
use clap_sys::ext::params::CLAP_EXT_PARAMS;
use clap_sys::ext::state::CLAP_EXT_STATE;
use clap_sys::id::clap_id;
use clap_sys::process::{
    CLAP_PROCESS_CONTINUE, CLAP_PROCESS_ERROR, clap_process, clap_process_status,
};
use nice_plug::prelude::{ClapPlugin, ParamPtr};
use nice_plug::wrapper::clap::{
    CLAP_PLUGIN_FACTORY_ID, CLAP_VERSION, PluginDescriptor, Wrapper, clap_host, clap_plugin,
    clap_plugin_descriptor, clap_plugin_entry, clap_plugin_factory,
};

use crate::Tocco;
use crate::instance_capture;
use crate::multi_output::MultiOutput;
use crate::service::Shared;
use crate::spare_buses::{MOST_BUSES, SpareBuses};
use events::Output;
use extensions::Extensions;
use host::Host;
use values::Values;

/// One plugin instance as the host holds it.
#[repr(C)]
struct Instance {
    /// Ours, with the framework's `plugin_data`. First: its address is the instance's.
    plugin: clap_plugin,
    /// The framework's.
    framework: clap_plugin,
    extensions: Extensions,
    /// What the framework takes for the host.
    host: Box<Host>,
    shared: Arc<Shared>,
    values: Values,
    /// The ids of the parameters.
    ids: HashMap<ParamPtr, clap_id>,
    spare: SpareBuses,
    /// Channels in and out while active, otherwise 0.
    channels: AtomicU32,
    /// How many unsaved changes the host was told of.
    told: AtomicU64,
}

/// Calls a function of the framework's vtable or of one of its extensions, which has them all;
/// without it, the default.
macro_rules! call {
    ($table:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match $table.$name {
            Some(function) => function($($argument),*),
            None => Default::default(),
        }
    };
}
use call;

impl Instance {
    /// An instance of `P` for `host`, or nothing if the framework makes none.
    ///
    /// # Safety
    /// `host` is null, or a host that lives until the instance is destroyed.
    unsafe fn create<P: ClapPlugin>(host: *const clap_host) -> *const clap_plugin {
        if host.is_null() {
            return std::ptr::null();
        }
        // SAFETY: the caller's promise.
        let host = unsafe { Host::new(host) };
        // SAFETY: the boxed host outlives the wrapper: both are the instance's.
        let (wrapper, shared) =
            instance_capture::capture(|| unsafe { Wrapper::<P>::new(host.as_clap()) });
        let Some(shared) = shared else {
            return std::ptr::null(); // never: a wrapper has a plugin
        };
        let enumerations = extensions::enumerations(&wrapper.param_ptr_to_hash);
        let values = Values::of(&wrapper.param_ptr_to_hash);
        let ids = wrapper.param_ptr_to_hash.clone();
        // The framework's destroy takes this reference back.
        let framework = *wrapper.clap_plugin.borrow();
        let _ = Arc::into_raw(wrapper);
        let plugin = clap_plugin {
            desc: framework.desc,
            plugin_data: framework.plugin_data,
            init: Some(init),
            destroy: Some(destroy),
            activate: Some(activate),
            deactivate: Some(deactivate),
            start_processing: Some(start_processing),
            stop_processing: framework.stop_processing,
            reset: framework.reset,
            process: Some(process),
            get_extension: Some(get_extension),
            on_main_thread: Some(on_main_thread),
        };
        // SAFETY: the framework's own plugin.
        let extensions = unsafe { Extensions::of(&framework, enumerations) };
        let instance = Box::new(Self {
            plugin,
            framework,
            extensions,
            host,
            shared,
            values,
            ids,
            spare: SpareBuses::of::<P>(),
            channels: AtomicU32::new(0),
            told: AtomicU64::new(0),
        });
        Box::into_raw(instance).cast()
    }

    /// Sets the parameters as `events` has them. Whether that is a list. Real-time safe as far as the
    /// host's list is.
    ///
    /// # Safety
    /// `events` is null or the host's list, whose events are as long as they say.
    unsafe fn take_values(&self, events: *const clap_input_events) -> bool {
        // SAFETY: the caller's promise; the parameters live as long as `shared`.
        let changed = unsafe { self.values.take(events) };
        if changed == Some(true) {
            self.shared.repaint.note_values();
        }
        changed.is_some()
    }

    /// Tells the host what was edited in the window, before its own values are taken. Real-time safe as far as the host's list is.
    fn tell_edits(&self, output: &Output<'_>) {
        self.shared.edits.give_out(|parameter, edit| {
            let Some(id) = self.ids.get(&parameter) else {
                return true; // never
            };
            // SAFETY: the parameters live as long as `shared`.
            let steps = unsafe { parameter.step_count() };
            output.send_edit(*id, steps, edit)
        });
    }

    /// The instance whose `plugin` this is.
    ///
    /// # Safety
    /// `plugin` is null or came from [`create`](Self::create) and is not destroyed.
    unsafe fn of<'a>(plugin: *const clap_plugin) -> Option<&'a Self> {
        // SAFETY: the address of the first field is the instance's.
        unsafe { plugin.cast::<Self>().as_ref() }
    }

    fn is_active(&self) -> bool {
        self.channels.load(Acquire) > 0
    }

    /// Channels of the main port, in and out.
    ///
    /// # Safety
    /// `plugin` is this instance's.
    unsafe fn port_channels(&self, plugin: *const clap_plugin) -> u32 {
        // SAFETY: the framework's functions take the plugin as theirs; the information may be all
        // zeros, and the extension is what its name says.
        unsafe {
            let ports = call!(
                self.framework,
                get_extension(plugin, CLAP_EXT_AUDIO_PORTS.as_ptr())
            );
            let Some(ports) = ports.cast::<clap_plugin_audio_ports>().as_ref() else {
                return 0;
            };
            let mut info: clap_audio_port_info = std::mem::zeroed();
            call!(ports, get(plugin, 0, false, &mut info));
            info.channel_count
        }
    }
}

unsafe extern "C" fn init(plugin: *const clap_plugin) -> bool {
    // SAFETY: the host's plugin is ours; its extensions may be asked for from now on.
    unsafe {
        let Some(instance) = Instance::of(plugin) else {
            return false;
        };
        instance.host.init();
        if let Some(requester) = instance.host.callback_requester() {
            let unsaved = &instance.shared.params.unsaved;
            unsaved.listen(Some(Box::new(move || requester.request())));
        }
        let requester = instance.host.flush_requester();
        let edits = &instance.shared.edits;
        edits.listen(Some(Box::new(move |_, _| requester.request())));
        call!(instance.framework, init(plugin))
    }
}

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    // SAFETY: the host's plugin is ours, and this is its last call.
    unsafe {
        let Some(instance) = Instance::of(plugin) else {
            return;
        };
        // The host may be gone before the last one that holds `shared`.
        instance.shared.params.unsaved.listen(None);
        instance.shared.edits.listen(None);
        call!(instance.framework, destroy(plugin));
        drop(Box::from_raw(plugin.cast::<Instance>().cast_mut()));
    }
}

unsafe extern "C" fn activate(
    plugin: *const clap_plugin,
    sample_rate: f64,
    min_frames: u32,
    max_frames: u32,
) -> bool {
    // SAFETY: the host's plugin is ours.
    unsafe {
        let Some(instance) = Instance::of(plugin) else {
            return false;
        };
        instance.channels.store(0, Release);
        instance.host.ask_dialects();
        instance.spare.make_room(max_frames as usize);
        let activated = call!(
            instance.framework,
            activate(plugin, sample_rate, min_frames, max_frames)
        );
        if activated {
            let channels = instance.port_channels(plugin);
            instance.channels.store(channels, Release);
        }
        activated
    }
}

unsafe extern "C" fn deactivate(plugin: *const clap_plugin) {
    // SAFETY: the host's plugin is ours.
    unsafe {
        let Some(instance) = Instance::of(plugin) else {
            return;
        };
        instance.channels.store(0, Release);
        call!(instance.framework, deactivate(plugin));
    }
}

unsafe extern "C" fn start_processing(plugin: *const clap_plugin) -> bool {
    // SAFETY: the host's plugin is ours.
    unsafe {
        let Some(instance) = Instance::of(plugin) else {
            return false;
        };
        if !instance.is_active() {
            return false;
        }
        let continuity = &instance.shared.continuity;
        continuity.start(|| call!(instance.framework, start_processing(plugin)))
    }
}

/// Real-time safe as far as the plugin is.
unsafe extern "C" fn process(
    plugin: *const clap_plugin,
    process: *const clap_process,
) -> clap_process_status {
    // SAFETY: the host's plugin is ours; of its buffers and events only what it says is there is
    // looked at.
    unsafe {
        let (Some(instance), Some(process)) = (Instance::of(plugin), process.as_ref()) else {
            return CLAP_PROCESS_ERROR;
        };
        let channels = instance.channels.load(Acquire);
        if channels == 0 {
            return CLAP_PROCESS_ERROR; // not active
        }
        let (midi, outputs) = (instance.host.wants_midi(), &instance.shared.outputs);
        let Some(output) = Output::of(process.out_events, midi, outputs) else {
            return CLAP_PROCESS_ERROR;
        };
        // At the start of the block, and so before its notes.
        instance.tell_edits(&output);
        if !instance.take_values(process.in_events) {
            return CLAP_PROCESS_ERROR;
        }
        if process.frames_count == 0 {
            // Nothing to hear, but parameters may change.
            output.send_parameters(None);
            return CLAP_PROCESS_CONTINUE;
        }
        let (sources, sinks) = (process.audio_inputs, process.audio_outputs);
        let n_sinks = process.audio_outputs_count;
        if !fits(sources, process.audio_inputs_count, channels) || !fits(sinks, n_sinks, channels) {
            return CLAP_PROCESS_ERROR;
        }
        for sink in 0..n_sinks as usize {
            // What stands there is of the block before, or of the plugin before.
            (*sinks.add(sink)).constant_mask = 0;
        }
        // The first one is the main output, which is there.
        let main = *sinks;
        let length = process.frames_count as usize;
        let given = |bus: usize| match bus + 1 < n_sinks as usize {
            true => auxiliary(&*sinks.add(bus + 1), length),
            false => None,
        };
        let Some(mut buses) = instance.spare.complete(length, given) else {
            return CLAP_PROCESS_ERROR;
        };
        let mut outputs = [main; 1 + MOST_BUSES];
        for (output, channels) in outputs.iter_mut().skip(1).zip(buses.channels()) {
            *output = clap_audio_buffer {
                data32: channels.as_mut_ptr(),
                data64: std::ptr::null_mut(),
                channel_count: channels.len() as u32,
                latency: 0,
                constant_mask: 0,
            };
        }
        let clock = (process.steady_time >= 0).then_some(process.steady_time);
        let continuity = &instance.shared.continuity;
        let reset = || call!(instance.framework, reset(plugin));
        continuity.before_block(clock, process.frames_count, reset);
        let guarded = clap_process {
            audio_outputs: outputs.as_mut_ptr(),
            audio_outputs_count: 1 + instance.spare.count() as u32,
            in_events: std::ptr::null(),
            out_events: output.as_clap(),
            ..*process
        };
        let status = call!(instance.framework, process(plugin, &guarded));
        if status != CLAP_PROCESS_ERROR {
            let main = std::slice::from_raw_parts(main.data32, channels as usize);
            buses.add_spare_to(main, length);
        }
        output.send_parameters(None);
        status
    }
}

/// Whether the first of `count` ports has as many channels of 32-bit samples as it should.
///
/// # Safety
/// `ports` is null or has `count` ports, and each its `channel_count` pointers or none.
unsafe fn fits(ports: *const clap_audio_buffer, count: u32, channels: u32) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let port = match ports.as_ref() {
            Some(port) if count > 0 => port,
            _ => return false,
        };
        port.channel_count == channels
            && !port.data32.is_null()
            && (0..channels as usize).all(|channel| !(*port.data32.add(channel)).is_null())
    }
}

/// The channels of an auxiliary output for a block of `length` samples, if it has two of 32-bit
/// samples; silences those of one that is otherwise. Real-time safe.
///
/// # Safety
/// The port has its `channel_count` pointers or none, and those that are not null hold the block.
unsafe fn auxiliary(port: &clap_audio_buffer, length: usize) -> Option<[*mut f32; 2]> {
    if port.data32.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe {
        let channels = std::slice::from_raw_parts(port.data32, port.channel_count as usize);
        if let [left, right] = *channels
            && !left.is_null()
            && !right.is_null()
        {
            return Some([left, right]);
        }
        for channel in channels.iter().filter(|channel| !channel.is_null()) {
            channel.write_bytes(0, length);
        }
    }
    None
}

unsafe extern "C" fn get_extension(plugin: *const clap_plugin, id: *const c_char) -> *const c_void {
    // SAFETY: the host's plugin is ours, the id a C string.
    unsafe {
        let Some(instance) = Instance::of(plugin) else {
            return std::ptr::null();
        };
        if id.is_null() {
            return std::ptr::null();
        }
        let ours = &instance.extensions;
        let theirs = call!(instance.framework, get_extension(plugin, id));
        // What the framework does not offer we do not either.
        match CStr::from_ptr(id) {
            _ if theirs.is_null() => theirs,
            id if id == CLAP_EXT_GUI => (&raw const ours.gui).cast(),
            id if id == CLAP_EXT_PARAMS => (&raw const ours.params).cast(),
            id if id == CLAP_EXT_STATE => (&raw const ours.state).cast(),
            id if id == CLAP_EXT_NOTE_PORTS => (&raw const ours.note_ports).cast(),
            id if id == CLAP_EXT_AUDIO_PORTS_CONFIG => (&raw const ours.audio_ports_config).cast(),
            _ => theirs,
        }
    }
}

unsafe extern "C" fn on_main_thread(plugin: *const clap_plugin) {
    // SAFETY: the host's plugin is ours.
    unsafe {
        let Some(instance) = Instance::of(plugin) else {
            return;
        };
        let changes = instance.shared.params.unsaved.count();
        if instance.told.swap(changes, Relaxed) != changes {
            if instance.shared.params.unsaved.take_values() {
                instance.host.rescan_values();
            }
            instance.host.mark_dirty();
        }
        call!(instance.framework, on_main_thread(plugin));
    }
}

/// What the host may choose from. Hosts that do not ask take the first.
fn descriptors() -> &'static [PluginDescriptor; 2] {
    static DESCRIPTORS: OnceLock<[PluginDescriptor; 2]> = OnceLock::new();
    DESCRIPTORS.get_or_init(|| {
        [
            PluginDescriptor::for_plugin::<Tocco>(),
            PluginDescriptor::for_plugin::<MultiOutput>(),
        ]
    })
}

/// What makes an instance of each of them.
const CREATE: [unsafe fn(*const clap_host) -> *const clap_plugin; 2] =
    [Instance::create::<Tocco>, Instance::create::<MultiOutput>];

static FACTORY: clap_plugin_factory = clap_plugin_factory {
    get_plugin_count: Some(get_plugin_count),
    get_plugin_descriptor: Some(get_plugin_descriptor),
    create_plugin: Some(create_plugin),
};

unsafe extern "C" fn get_plugin_count(_factory: *const clap_plugin_factory) -> u32 {
    descriptors().len() as u32
}

unsafe extern "C" fn get_plugin_descriptor(
    _factory: *const clap_plugin_factory,
    index: u32,
) -> *const clap_plugin_descriptor {
    match descriptors().get(index as usize) {
        Some(descriptor) => descriptor.clap_plugin_descriptor(),
        None => std::ptr::null(),
    }
}

unsafe extern "C" fn create_plugin(
    _factory: *const clap_plugin_factory,
    host: *const clap_host,
    id: *const c_char,
) -> *const clap_plugin {
    // SAFETY: not null, so it is a C string; the host outlives its plugins.
    unsafe {
        if id.is_null() {
            return std::ptr::null();
        }
        let id = CStr::from_ptr(id);
        let mut plugins = descriptors().iter().zip(CREATE);
        match plugins.find(|(descriptor, _)| descriptor.clap_id() == id) {
            Some((_, create)) => create(host),
            None => std::ptr::null(),
        }
    }
}

unsafe extern "C" fn entry_init(_path: *const c_char) -> bool {
    nice_plug::wrapper::setup_logger::<Tocco>();
    true
}

unsafe extern "C" fn entry_deinit() {}

unsafe extern "C" fn get_factory(id: *const c_char) -> *const c_void {
    // SAFETY: not null, so it is a C string.
    if id.is_null() || unsafe { CStr::from_ptr(id) } != CLAP_PLUGIN_FACTORY_ID {
        return std::ptr::null();
    }
    (&raw const FACTORY).cast()
}

/// Where the host begins.
#[unsafe(no_mangle)]
#[used]
pub static clap_entry: clap_plugin_entry = clap_plugin_entry {
    clap_version: CLAP_VERSION,
    init: Some(entry_init),
    deinit: Some(entry_deinit),
    get_factory: Some(get_factory),
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    use crate::calibration::Command;
    use clap_sys::events::clap_output_events;
    use clap_sys::ext::state::clap_host_state;

    static ASKED: AtomicBool = AtomicBool::new(false);
    static DIRTY: AtomicU32 = AtomicU32::new(0);
    static STATE: clap_host_state = clap_host_state {
        mark_dirty: Some(mark_dirty),
    };

    unsafe extern "C" fn mark_dirty(_host: *const clap_host) {
        DIRTY.fetch_add(1, AcqRel);
    }

    unsafe extern "C" fn request_callback(_host: *const clap_host) {
        ASKED.store(true, Release);
    }

    unsafe extern "C" fn host_extension(_: *const clap_host, id: *const c_char) -> *const c_void {
        // SAFETY: an id is a C string.
        match unsafe { CStr::from_ptr(id) } {
            id if id == CLAP_EXT_STATE => (&raw const STATE).cast(),
            _ => std::ptr::null(),
        }
    }

    /// A host with these functions.
    fn host(
        get_extension: unsafe extern "C" fn(*const clap_host, *const c_char) -> *const c_void,
        request_callback: unsafe extern "C" fn(*const clap_host),
    ) -> clap_host {
        clap_host {
            clap_version: CLAP_VERSION,
            host_data: std::ptr::null_mut(),
            name: c"test".as_ptr(),
            vendor: c"".as_ptr(),
            url: c"".as_ptr(),
            version: c"".as_ptr(),
            get_extension: Some(get_extension),
            request_restart: None,
            request_process: None,
            request_callback: Some(request_callback),
        }
    }

    /// What a block of 64 samples in both channels is refused with, if it is; `output` takes its events, and
    /// `mask` stands in the host's output before and after.
    ///
    /// # Safety
    /// The plugin is active, and the list lives.
    unsafe fn play(
        plugin: *const clap_plugin,
        output: *const clap_output_events,
        mask: &mut u64,
    ) -> clap_process_status {
        let mut samples = [[0.0f32; 64]; 4];
        let mut channels = samples.each_mut().map(|channel| channel.as_mut_ptr());
        let (ins, outs) = channels.split_at_mut(2);
        let [input, mut output_port] = [ins, outs].map(|channels| clap_audio_buffer {
            data32: channels.as_mut_ptr(),
            data64: std::ptr::null_mut(),
            channel_count: 2,
            latency: 0,
            constant_mask: *mask,
        });
        let block = clap_process {
            steady_time: -1,
            frames_count: 64,
            transport: std::ptr::null(),
            audio_inputs: &raw const input,
            audio_outputs: &raw mut output_port,
            audio_inputs_count: 1,
            audio_outputs_count: 1,
            in_events: std::ptr::null(),
            out_events: output,
        };
        // SAFETY: the caller's promise; the block is what it says.
        let status = unsafe { process(plugin, &raw const block) };
        *mask = output_port.constant_mask;
        status
    }

    #[test]
    fn what_stood_in_the_hosts_output_says_nothing_of_its_sound() {
        unsafe extern "C" fn nothing(_: *const clap_host, _: *const c_char) -> *const c_void {
            std::ptr::null()
        }
        unsafe extern "C" fn ignore(_: *const clap_host) {}
        let host = host(nothing, ignore);
        // SAFETY: the host outlives the plugin, which is destroyed last.
        unsafe {
            let plugin = Instance::create::<Tocco>(&host);
            assert!(init(plugin) && activate(plugin, 48_000.0, 1, 64));
            let mut mask = 3;
            let status = play(plugin, std::ptr::null(), &mut mask);
            assert_ne!(status, CLAP_PROCESS_ERROR);
            assert_eq!(mask, 0);
            deactivate(plugin);
            destroy(plugin);
        }
    }

    #[cfg(feature = "editor")]
    #[test]
    fn an_edit_in_the_window_is_there_at_once_and_told_with_the_next_block() {
        use std::cell::RefCell;

        use clap_sys::events::{
            CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_GESTURE_BEGIN, CLAP_EVENT_PARAM_GESTURE_END,
            CLAP_EVENT_PARAM_VALUE, clap_event_header, clap_event_param_value,
        };
        use clap_sys::ext::params::{clap_host_params, clap_plugin_params};
        use nice_plug::context::PluginApi;
        use nice_plug::context::gui::GuiContext;
        use nice_plug::params::Param;

        use crate::edits::{self, tests::Framework};

        static CALLBACKS: AtomicU32 = AtomicU32::new(0);
        static FLUSHES: AtomicU32 = AtomicU32::new(0);
        static PARAMS: clap_host_params = clap_host_params {
            rescan: None,
            clear: None,
            request_flush: Some(request_flush),
        };
        unsafe extern "C" fn request_flush(_: *const clap_host) {
            FLUSHES.fetch_add(1, AcqRel);
        }
        unsafe extern "C" fn request_callback(_: *const clap_host) {
            CALLBACKS.fetch_add(1, AcqRel);
        }
        unsafe extern "C" fn extension(_: *const clap_host, id: *const c_char) -> *const c_void {
            // SAFETY: an id is a C string.
            match unsafe { CStr::from_ptr(id) } {
                id if id == CLAP_EXT_PARAMS => (&raw const PARAMS).cast(),
                _ => std::ptr::null(),
            }
        }
        /// Time and kind of each event, and its parameter and value if it has one.
        type Kept = RefCell<Vec<(u32, u16, clap_id, f64)>>;
        unsafe extern "C" fn keep(
            list: *const clap_output_events,
            event: *const clap_event_header,
        ) -> bool {
            // SAFETY: the list has its own memory, and an event is what its header says.
            unsafe {
                let header = *event;
                let (id, value) = match header.type_ {
                    CLAP_EVENT_PARAM_VALUE => {
                        let event = *event.cast::<clap_event_param_value>();
                        (event.param_id, event.value)
                    }
                    _ => (0, 0.0),
                };
                let kept = &*(*list).ctx.cast::<Kept>();
                kept.borrow_mut()
                    .push((header.time, header.type_, id, value));
            }
            true
        }

        unsafe extern "C" fn one(_: *const clap_input_events) -> u32 {
            1
        }
        unsafe extern "C" fn context(
            list: *const clap_input_events,
            _: u32,
        ) -> *const clap_event_header {
            // SAFETY: the list's memory is its only event.
            unsafe { (*list).ctx.cast() }
        }

        let kept = Kept::default();
        let list = clap_output_events {
            ctx: std::ptr::from_ref(&kept).cast_mut().cast(),
            try_push: Some(keep),
        };
        let host = host(extension, request_callback);
        // SAFETY: the host and the list outlive the plugin, which is destroyed last.
        unsafe {
            let plugin = Instance::create::<Tocco>(&host);
            assert!(init(plugin) && activate(plugin, 48_000.0, 1, 64));
            assert!(start_processing(plugin));
            let instance = Instance::of(plugin).unwrap();
            let shared = Arc::clone(&instance.shared);
            let window = GuiContext::new(Framework::of(PluginApi::Clap));
            let window = edits::gui_context(&shared, window);
            let (setter, note) = (
                window.param_setter(),
                &shared.params.techniques.of_class[0].note,
            );
            let id = instance.ids[&note.as_ptr()];
            setter.begin_set_parameter(note);
            for value in 40..60 {
                setter.set_parameter(note, value);
            }
            setter.end_set_parameter(note);
            assert_eq!((note.value(), FLUSHES.load(Acquire)), (59, 22));
            let mut mask = 0;
            let status = play(plugin, &raw const list, &mut mask);
            assert_ne!(status, CLAP_PROCESS_ERROR);
            let expected = [
                (0, CLAP_EVENT_PARAM_GESTURE_BEGIN, 0, 0.0),
                (0, CLAP_EVENT_PARAM_VALUE, id, 59.0),
                (0, CLAP_EVENT_PARAM_GESTURE_END, 0, 0.0),
            ];
            assert_eq!(kept.borrow()[..3], expected);
            assert_eq!(CALLBACKS.load(Acquire), 0);
            // Without a block: by a flush, after which there is nothing more to tell.
            setter.set_parameter(note, 36);
            let params = get_extension(plugin, CLAP_EXT_PARAMS.as_ptr());
            let params = &*params.cast::<clap_plugin_params>();
            // Whole numbers, as hosts read them.
            for expected in [Some(36.0), None] {
                let mut value = 0.0;
                assert!(params.get_value.unwrap()(plugin, id, &mut value));
                assert_eq!(value, 36.0);
                kept.borrow_mut().clear();
                params.flush.unwrap()(plugin, std::ptr::null(), &raw const list);
                let values = kept.borrow();
                let mut values = values.iter().filter(|(_, _, of, _)| *of == id);
                assert_eq!(values.next().map(|(.., value)| *value), expected);
            }
            let mut value = 0.0;
            assert!(params.text_to_value.unwrap()(
                plugin,
                id,
                c"59".as_ptr(),
                &mut value
            ));
            assert_eq!(value, 59.0);
            // The host knows the edit before its own value takes effect, and that stays.
            let mut event = clap_event_param_value {
                header: clap_event_header {
                    size: size_of::<clap_event_param_value>() as u32,
                    time: 0,
                    space_id: CLAP_CORE_EVENT_SPACE_ID,
                    type_: CLAP_EVENT_PARAM_VALUE,
                    flags: 0,
                },
                param_id: id,
                cookie: std::ptr::null_mut(),
                note_id: -1,
                port_index: -1,
                channel: -1,
                key: -1,
                value: 40.0,
            };
            let sent = clap_input_events {
                ctx: (&raw mut event).cast(),
                size: Some(one),
                get: Some(context),
            };
            setter.set_parameter(note, 38);
            kept.borrow_mut().clear();
            params.flush.unwrap()(plugin, &raw const sent, &raw const list);
            let told = kept
                .borrow()
                .iter()
                .find(|told| told.2 == id)
                .map(|told| told.3);
            assert_eq!((told, note.value()), (Some(38.0), 40));
            deactivate(plugin);
            destroy(plugin);
            // The window may hold what is shared longer than the host holds the plugin.
            let asked = FLUSHES.load(Acquire);
            setter.set_parameter(note, 37);
            assert_eq!(FLUSHES.load(Acquire), asked);
        }
    }

    #[test]
    fn what_the_host_cannot_notice_marks_its_project_as_changed() {
        let host = host(host_extension, request_callback);
        // As the host does: on its main thread, if it was asked to.
        let told = |plugin: *const clap_plugin| {
            if ASKED.swap(false, AcqRel) {
                // SAFETY: the plugin is alive.
                unsafe { on_main_thread(plugin) };
            }
            DIRTY.load(Acquire)
        };
        // SAFETY: the host outlives the plugin, which is destroyed last.
        unsafe {
            let plugin = Instance::create::<Tocco>(&host);
            let instance = Instance::of(plugin).unwrap();
            assert!(init(plugin));
            assert!(activate(plugin, 48_000.0, 1, 64));
            let shared = Arc::clone(&instance.shared);
            assert_eq!(told(plugin), 0);

            shared.params.choose_package("/home/me/my model".to_owned());
            assert_eq!(told(plugin), 1);
            // A lesson: what the service thread saves of it.
            let mut expected = 1;
            let mask = |masked| Command::Mask { class: 1, masked };
            for command in [mask(true), mask(false), Command::Apply(false)] {
                shared.calibrate(command);
                expected += 1;
                let start = Instant::now();
                while told(plugin) < expected && start.elapsed() < Duration::from_secs(20) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                assert_eq!(told(plugin), expected);
            }
            // What changes nothing marks nothing.
            shared.calibrate(Command::Apply(false));
            while !shared.is_settled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(told(plugin), expected);
            deactivate(plugin);
            destroy(plugin);
            // The window may hold what is shared longer than the host holds the plugin.
            shared.params.choose_package(String::new());
            assert!(!ASKED.load(Acquire));
        }
    }
}
