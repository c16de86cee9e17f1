//! A CLAP host by hand: it makes the calls that `clack-host` rightly does not, and hosts do.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};

use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::entry::clap_plugin_entry;
use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_MIDI, CLAP_EVENT_NOTE_EXPRESSION, CLAP_EVENT_NOTE_OFF,
    CLAP_EVENT_NOTE_ON, CLAP_EVENT_PARAM_VALUE, clap_event_header, clap_event_midi,
    clap_event_note, clap_event_note_expression, clap_event_param_value, clap_input_events,
    clap_output_events,
};
use clap_sys::ext::audio_ports_config::{
    CLAP_EXT_AUDIO_PORTS_CONFIG, clap_plugin_audio_ports_config,
};
use clap_sys::ext::gui::{CLAP_EXT_GUI, clap_host_gui};
use clap_sys::ext::note_ports::{
    CLAP_EXT_NOTE_PORTS, CLAP_NOTE_DIALECT_CLAP, CLAP_NOTE_DIALECT_MIDI,
    CLAP_NOTE_DIALECT_MIDI_MPE, clap_host_note_ports,
};
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_param_info, clap_plugin_params};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_host_state, clap_plugin_state};
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::{clap_plugin, clap_plugin_descriptor};
use clap_sys::process::{clap_process, clap_process_status};
use clap_sys::stream::{clap_istream, clap_ostream};
use clap_sys::version::CLAP_VERSION;
use tocco_bench::plugin_host::bundle_path;

/// What the host offers to the plugin.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offers {
    /// Whether it has `clap.gui`.
    pub gui: bool,
    /// Which notes its port takes, if it says so.
    pub dialects: Option<u32>,
    /// Whether it has `clap.state`.
    pub state: bool,
}

/// What is known of a host's side.
struct Data {
    offers: Offers,
    callback: AtomicBool,
    dirty: AtomicU32,
    sent: Mutex<Vec<Sent>>,
}

/// What the plugin sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sent {
    /// A note on, as a CLAP note or as MIDI: its offset in the block, key and velocity, 0 to 1.
    On(u32, u8, f64),
    /// A note off.
    Off(u32, u8),
    /// A pressure, 0 to 1.
    Pressure(u32, u8, f64),
}

/// A plugin instance and the host that holds it.
pub struct RawHost {
    /// Null when destroyed.
    plugin: *const clap_plugin,
    data: Box<Data>,
    host: Box<clap_host>,
    descriptor: *const clap_plugin_descriptor,
    factory: *const clap_plugin_factory,
}

/// Calls a function of a table, which must be there.
macro_rules! call {
    ($table:expr, $name:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: the table is the plugin's, and the arguments live through the call.
        unsafe { ((*$table).$name.expect("a function is missing"))($($argument),*) }
    };
}

impl RawHost {
    /// The bundle's first plugin, initialised.
    pub fn load(offers: Offers) -> Self {
        Self::load_from(&bundle_path("Tocco.clap").unwrap(), 0, offers)
    }

    /// The one with an output for each technique.
    pub fn load_multi_output() -> Self {
        Self::load_from(&bundle_path("Tocco.clap").unwrap(), 1, Offers::default())
    }

    fn load_from(path: &Path, index: u32, offers: Offers) -> Self {
        // SAFETY: the bundle's entry is sound. It is never unloaded.
        let entry = unsafe {
            let library = Box::leak(Box::new(libloading::Library::new(path).unwrap()));
            *library
                .get::<*const clap_plugin_entry>(b"clap_entry\0")
                .unwrap()
        };
        let file = CString::new(path.to_str().unwrap()).unwrap();
        assert!(call!(entry, init(file.as_ptr())));
        let factory = call!(entry, get_factory(CLAP_PLUGIN_FACTORY_ID.as_ptr()));
        let factory = factory.cast::<clap_plugin_factory>();
        assert_eq!(call!(factory, get_plugin_count(factory)), 2);
        let descriptor = call!(factory, get_plugin_descriptor(factory, index));
        assert!(call!(factory, get_plugin_descriptor(factory, 2)).is_null());
        // SAFETY: the descriptor lives as long as the library.
        let id = unsafe { (*descriptor).id };

        let data = Box::new(Data {
            offers,
            callback: AtomicBool::new(false),
            dirty: AtomicU32::new(0),
            sent: Mutex::default(),
        });
        let host = Box::new(clap_host {
            clap_version: CLAP_VERSION,
            host_data: std::ptr::from_ref(&*data).cast_mut().cast(),
            name: c"Raw".as_ptr(),
            vendor: c"Tocco".as_ptr(),
            url: c"".as_ptr(),
            version: c"1".as_ptr(),
            get_extension: Some(get_extension),
            request_restart: Some(nothing),
            request_process: None, // hosts forget some
            request_callback: Some(request_callback),
        });
        let plugin = call!(factory, create_plugin(factory, &*host, id));
        assert!(!plugin.is_null());
        assert!(call!(plugin, init(plugin)));
        Self {
            plugin,
            data,
            host,
            descriptor,
            factory,
        }
    }

    /// The plugin, for calls that have no method.
    pub fn plugin(&self) -> *const clap_plugin {
        self.plugin
    }

    /// Whether the factory makes a plugin of this name, with a host or without.
    pub fn makes(&self, id: &CStr, with_host: bool) -> bool {
        let host = match with_host {
            true => &raw const *self.host,
            false => std::ptr::null(),
        };
        let plugin = call!(self.factory, create_plugin(self.factory, host, id.as_ptr()));
        if !plugin.is_null() {
            call!(plugin, destroy(plugin));
        }
        !plugin.is_null()
    }

    /// What the plugin says of itself.
    pub fn descriptor(&self) -> &clap_plugin_descriptor {
        // SAFETY: it lives as long as the library.
        unsafe { &*self.descriptor }
    }

    /// The extension of that name, which is a `T`.
    pub fn extension<T>(&self, id: &CStr) -> Option<&T> {
        let extension = call!(self.plugin, get_extension(self.plugin, id.as_ptr()));
        // SAFETY: the tables live as long as the instance.
        unsafe { extension.cast::<T>().as_ref() }
    }

    /// Selects one channel or two.
    pub fn select(&self, channels: u32) -> bool {
        let configs = self.extension::<clap_plugin_audio_ports_config>(CLAP_EXT_AUDIO_PORTS_CONFIG);
        let configs = std::ptr::from_ref(configs.unwrap());
        // Stereo comes first.
        call!(configs, select(self.plugin, u32::from(channels == 1)))
    }

    /// Activates.
    pub fn activate(&self, rate: f64, max_frames: u32) -> bool {
        call!(self.plugin, activate(self.plugin, rate, 1, max_frames))
    }

    /// Deactivates.
    pub fn deactivate(&self) {
        call!(self.plugin, deactivate(self.plugin));
    }

    /// Starts processing.
    pub fn start(&self) -> bool {
        call!(self.plugin, start_processing(self.plugin))
    }

    /// Stops processing.
    pub fn stop(&self) {
        call!(self.plugin, stop_processing(self.plugin));
    }

    /// Forgets everything.
    pub fn reset(&self) {
        call!(self.plugin, reset(self.plugin));
    }

    /// Calls the plugin on the main thread if it asked for it; whether it did.
    pub fn idle(&self) -> bool {
        let asked = self.data.callback.swap(false, AcqRel);
        if asked {
            call!(self.plugin, on_main_thread(self.plugin));
        }
        asked
    }

    /// How many times the plugin said that the project is not saved.
    pub fn times_dirty(&self) -> u32 {
        self.data.dirty.load(Acquire)
    }

    /// Processes a block with these ports and events, whatever they are; `clock` is its
    /// `steady_time`.
    pub fn process(
        &self,
        input: &[clap_audio_buffer],
        output: &mut [clap_audio_buffer],
        frames: u32,
        clock: i64,
        events: *const clap_input_events,
    ) -> clap_process_status {
        let out_events = clap_output_events {
            ctx: std::ptr::from_ref(&*self.data).cast_mut().cast(),
            try_push: Some(try_push),
        };
        let block = clap_process {
            steady_time: clock,
            frames_count: frames,
            transport: std::ptr::null(),
            audio_inputs: match input {
                [] => std::ptr::null(),
                ports => ports.as_ptr(),
            },
            audio_inputs_count: input.len() as u32,
            audio_outputs_count: output.len() as u32,
            audio_outputs: match output {
                [] => std::ptr::null_mut(),
                ports => ports.as_mut_ptr(),
            },
            in_events: events,
            out_events: &out_events,
        };
        call!(self.plugin, process(self.plugin, &block))
    }

    /// Processes `samples` on each of `channels`, checks that they come out, and returns what was
    /// sent.
    pub fn block(&mut self, samples: &[f32], channels: usize, clock: i64) -> Vec<Sent> {
        let mut input = samples.to_vec();
        let mut rows = vec![vec![-9.0_f32; samples.len()]; channels];
        let mut sources = vec![input.as_mut_ptr(); channels];
        let mut sinks: Vec<_> = rows.iter_mut().map(|row| row.as_mut_ptr()).collect();
        let frames = samples.len() as u32;
        let status = self.process(
            &[port(&mut sources)],
            &mut [port(&mut sinks)],
            frames,
            clock,
            std::ptr::null(),
        );
        assert_ne!(status, clap_sys::process::CLAP_PROCESS_ERROR);
        for row in rows {
            assert!(row == samples, "the sound was altered");
        }
        self.take_sent()
    }

    /// What was sent since the last time.
    pub fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.data.sent.lock().unwrap())
    }

    /// The plugin's parameters.
    pub fn params(&self) -> &clap_plugin_params {
        self.extension(CLAP_EXT_PARAMS).unwrap()
    }

    /// All that is said of each parameter.
    pub fn infos(&self) -> Vec<clap_param_info> {
        let params = std::ptr::from_ref(self.params());
        let count = call!(params, count(self.plugin));
        (0..count)
            .map(|index| {
                // SAFETY: plain data, for which zeros are valid.
                let mut info = unsafe { std::mem::zeroed() };
                assert!(call!(params, get_info(self.plugin, index, &mut info)));
                info
            })
            .collect()
    }

    /// A parameter's value.
    pub fn value(&self, id: u32) -> f64 {
        let mut value = f64::NAN;
        let params = std::ptr::from_ref(self.params());
        assert!(call!(params, get_value(self.plugin, id, &mut value)));
        value
    }

    /// Sets the parameter of that name outside of a block.
    pub fn set(&self, name: &str, value: f64) {
        let infos = self.infos();
        let info = infos.iter().find(|info| text(&info.name) == name);
        let event = change(info.expect(name).id, value, 0);
        self.flush(Events::new(vec![&event.header]).as_clap());
    }

    /// Gives the plugin these events outside of a block.
    pub fn flush(&self, events: *const clap_input_events) {
        let params = std::ptr::from_ref(self.params());
        call!(params, flush(self.plugin, events, std::ptr::null()));
    }

    /// The state, written in pieces of at most `piece` bytes.
    pub fn save(&self, piece: usize) -> Vec<u8> {
        unsafe extern "C" fn write(
            stream: *const clap_ostream,
            bytes: *const c_void,
            size: u64,
        ) -> i64 {
            // SAFETY: the stream is the one below, the bytes are the plugin's.
            unsafe {
                let (written, piece) = &mut *(*stream).ctx.cast::<(Vec<u8>, usize)>();
                let size = (size as usize).min(*piece);
                written.extend_from_slice(std::slice::from_raw_parts(bytes.cast(), size));
                size as i64
            }
        }
        let mut written = (Vec::new(), piece);
        let stream = clap_ostream {
            ctx: std::ptr::from_mut(&mut written).cast(),
            write: Some(write),
        };
        let state = self.extension::<clap_plugin_state>(CLAP_EXT_STATE).unwrap();
        assert!(call!(std::ptr::from_ref(state), save(self.plugin, &stream)));
        written.0
    }

    /// Gives the plugin a state, read in pieces of at most `piece` bytes.
    pub fn restore(&self, state: &[u8], piece: usize) -> bool {
        unsafe extern "C" fn read(
            stream: *const clap_istream,
            bytes: *mut c_void,
            size: u64,
        ) -> i64 {
            // SAFETY: the stream is the one below, the room is the plugin's.
            unsafe {
                let (rest, piece) = &mut *(*stream).ctx.cast::<(&[u8], usize)>();
                let size = (size as usize).min(*piece).min(rest.len());
                let (now, later) = rest.split_at(size);
                std::ptr::copy_nonoverlapping(now.as_ptr(), bytes.cast(), size);
                *rest = later;
                size as i64
            }
        }
        let mut source = (state, piece);
        let stream = clap_istream {
            ctx: std::ptr::from_mut(&mut source).cast(),
            read: Some(read),
        };
        let extension = self.extension::<clap_plugin_state>(CLAP_EXT_STATE).unwrap();
        call!(std::ptr::from_ref(extension), load(self.plugin, &stream))
    }
}

/// A list of events for the plugin.
pub struct Events {
    events: Vec<*const clap_event_header>,
    table: clap_input_events,
}

impl Events {
    /// These, which must live as long as the list; null pointers are given as they are.
    pub fn new(events: Vec<*const clap_event_header>) -> Box<Self> {
        let table = clap_input_events {
            ctx: std::ptr::null_mut(),
            size: Some(size),
            get: Some(get),
        };
        let mut list = Box::new(Self { events, table });
        list.table.ctx = std::ptr::from_mut(&mut *list).cast();
        list
    }

    /// The list for the plugin.
    pub fn as_clap(&self) -> *const clap_input_events {
        &self.table
    }
}

unsafe extern "C" fn size(list: *const clap_input_events) -> u32 {
    // SAFETY: the list is one of the above.
    unsafe { (*(*list).ctx.cast::<Events>()).events.len() as u32 }
}

unsafe extern "C" fn get(list: *const clap_input_events, index: u32) -> *const clap_event_header {
    // SAFETY: the list is one of the above.
    unsafe { (&(*(*list).ctx.cast::<Events>()).events)[index as usize] }
}

/// A parameter's new value, `time` samples into the block.
pub fn change(id: u32, value: f64, time: u32) -> clap_event_param_value {
    clap_event_param_value {
        header: clap_event_header {
            size: size_of::<clap_event_param_value>() as u32,
            time,
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
        value,
    }
}

/// A text in an array of C characters.
pub fn text(characters: &[c_char]) -> String {
    let bytes: Vec<u8> = characters.iter().map(|c| *c as u8).collect();
    CStr::from_bytes_until_nul(&bytes)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

// SAFETY: a test calls the plugin on one thread at a time.
unsafe impl Send for RawHost {}

impl Drop for RawHost {
    fn drop(&mut self) {
        call!(self.plugin, destroy(self.plugin));
    }
}

/// A port of these channels.
pub fn port(channels: &mut [*mut f32]) -> clap_audio_buffer {
    clap_audio_buffer {
        data32: channels.as_mut_ptr(),
        data64: std::ptr::null_mut(),
        channel_count: channels.len() as u32,
        latency: 0,
        constant_mask: 0,
    }
}

unsafe extern "C" fn nothing(_: *const clap_host) {}

/// # Safety
/// `host` is one of this file's.
unsafe fn data<'a>(host: *const clap_host) -> &'a Data {
    // SAFETY: the caller's promise.
    unsafe { &*(*host).host_data.cast::<Data>() }
}

unsafe extern "C" fn request_callback(host: *const clap_host) {
    // SAFETY: the plugin's host is this one.
    unsafe { data(host).callback.store(true, Release) };
}

unsafe extern "C" fn mark_dirty(host: *const clap_host) {
    // SAFETY: the plugin's host is this one.
    unsafe { data(host).dirty.fetch_add(1, AcqRel) };
}

unsafe extern "C" fn supported_dialects(host: *const clap_host) -> u32 {
    // SAFETY: the plugin's host is this one.
    unsafe { data(host).offers.dialects.unwrap_or(0) }
}

static STATE: clap_host_state = clap_host_state {
    mark_dirty: Some(mark_dirty),
};
static NOTE_PORTS: clap_host_note_ports = clap_host_note_ports {
    supported_dialects: Some(supported_dialects),
    rescan: None,
};
// As it is in hosts that leave out what they think nobody calls.
static GUI: clap_host_gui = clap_host_gui {
    resize_hints_changed: None,
    request_resize: None,
    request_show: None,
    request_hide: None,
    closed: None,
};

unsafe extern "C" fn get_extension(host: *const clap_host, id: *const c_char) -> *const c_void {
    // SAFETY: the plugin's host is this one, and an id is a C string.
    let (offers, id) = unsafe { (data(host).offers, CStr::from_ptr(id)) };
    match id {
        id if id == CLAP_EXT_STATE && offers.state => (&raw const STATE).cast(),
        id if id == CLAP_EXT_NOTE_PORTS && offers.dialects.is_some() => {
            (&raw const NOTE_PORTS).cast()
        }
        id if id == CLAP_EXT_GUI && offers.gui => (&raw const GUI).cast(),
        _ => std::ptr::null(),
    }
}

unsafe extern "C" fn try_push(
    list: *const clap_output_events,
    event: *const clap_event_header,
) -> bool {
    // SAFETY: the list is the one of `process`, an event is what its header says.
    unsafe {
        let data = &*(*list).ctx.cast::<Data>();
        let header = &*event;
        assert_eq!(header.space_id, CLAP_CORE_EVENT_SPACE_ID);
        let (takes_clap, takes_midi) = match data.offers.dialects {
            None => (true, false),
            Some(dialects) => (
                dialects & CLAP_NOTE_DIALECT_CLAP != 0,
                dialects & (CLAP_NOTE_DIALECT_MIDI | CLAP_NOTE_DIALECT_MIDI_MPE) != 0,
            ),
        };
        let time = header.time;
        let sent = match header.type_ {
            CLAP_EVENT_NOTE_ON | CLAP_EVENT_NOTE_OFF => {
                let note = &*event.cast::<clap_event_note>();
                match header.type_ {
                    CLAP_EVENT_NOTE_ON => Sent::On(time, note.key as u8, note.velocity),
                    _ => Sent::Off(time, note.key as u8),
                }
            }
            CLAP_EVENT_NOTE_EXPRESSION => {
                let change = &*event.cast::<clap_event_note_expression>();
                Sent::Pressure(time, change.key as u8, change.value)
            }
            CLAP_EVENT_MIDI => {
                let [status, key, value] = (*event.cast::<clap_event_midi>()).data;
                let share = f64::from(value) / 127.0;
                match status & 0xf0 {
                    0x90 => Sent::On(time, key, share),
                    0x80 => Sent::Off(time, key),
                    0xa0 => Sent::Pressure(time, key, share),
                    // Controllers, which are off unless a test has them on.
                    0xb0 => return true,
                    _ => panic!("status {status:#x}"),
                }
            }
            // What the output parameters are: `headless` reads them.
            CLAP_EVENT_PARAM_VALUE => return true,
            other => panic!("event {other}"),
        };
        // What the host's port does not take is lost, as in such a host.
        let takes = match header.type_ {
            CLAP_EVENT_MIDI => takes_midi,
            _ => takes_clap,
        };
        if takes {
            data.sent.lock().unwrap().push(sent);
        }
        true
    }
}
