//! The host as the framework sees it: with every extension and function that it calls unasked.
//!
//! nice-plug 0.4.2 opens no window without the host's `clap.gui`, but panics, and so it does where a
//! function of an extension is missing. It is given this host instead of the real one, which it is
//! asked about once, at `init`.

use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};

use clap_sys::ext::gui::{CLAP_EXT_GUI, clap_host_gui};
use clap_sys::ext::note_ports::{
    CLAP_EXT_NOTE_PORTS, CLAP_NOTE_DIALECT_CLAP, CLAP_NOTE_DIALECT_MIDI,
    CLAP_NOTE_DIALECT_MIDI_MPE, clap_host_note_ports,
};
use clap_sys::ext::params::{
    CLAP_EXT_PARAMS, CLAP_PARAM_RESCAN_VALUES, clap_host_params, clap_param_clear_flags,
    clap_param_rescan_flags,
};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_host_state};
use clap_sys::ext::thread_check::{CLAP_EXT_THREAD_CHECK, clap_host_thread_check};
use clap_sys::id::clap_id;
use nice_plug::wrapper::clap::clap_host;

use super::call;

/// The real host and what it offers.
#[repr(C)]
pub(super) struct Host {
    /// What the framework holds. First: its address is the host's.
    clap: clap_host,
    real: *const clap_host,
    gui: Extension<clap_host_gui>,
    params: Extension<clap_host_params>,
    thread_check: Extension<clap_host_thread_check>,
    note_ports: Extension<clap_host_note_ports>,
    state: Extension<clap_host_state>,
    /// Whether its note ports take MIDI and no CLAP notes.
    wants_midi: AtomicBool,
}

/// One of the host's extensions, null until `init` and if it has none.
struct Extension<T>(AtomicPtr<T>);

impl<T> Extension<T> {
    const fn none() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// # Safety
    /// The host lives, and its extension is a `T`.
    unsafe fn get<'a>(&self) -> Option<&'a T> {
        // SAFETY: the caller's promise.
        unsafe { self.0.load(Acquire).as_ref() }
    }
}

/// Calls a function of one of the real host's extensions; what it returns, or the default if the
/// host does not have it.
macro_rules! ask {
    ($host:expr, $extension:ident, $name:ident($($argument:expr),*)) => {
        match Host::of($host) {
            Some(host) => match host.$extension.get() {
                Some(extension) => call!(extension, $name(host.real $(, $argument)*)),
                None => Default::default(),
            },
            None => Default::default(),
        }
    };
}

impl Host {
    /// # Safety
    /// `real` is a host that lives as long as this one.
    pub(super) unsafe fn new(real: *const clap_host) -> Box<Self> {
        // SAFETY: the caller's promise.
        let description = unsafe { *real };
        Box::new(Self {
            clap: clap_host {
                host_data: std::ptr::null_mut(),
                get_extension: Some(get_extension),
                request_restart: Some(request_restart),
                request_process: Some(request_process),
                request_callback: Some(request_callback),
                ..description
            },
            real,
            gui: Extension::none(),
            params: Extension::none(),
            thread_check: Extension::none(),
            note_ports: Extension::none(),
            state: Extension::none(),
            wants_midi: AtomicBool::new(false),
        })
    }

    /// What the framework is given.
    pub(super) fn as_clap(&self) -> *const clap_host {
        std::ptr::from_ref(self).cast()
    }

    /// # Safety
    /// `clap` is null or [`as_clap`](Self::as_clap) of a host that lives.
    unsafe fn of<'a>(clap: *const clap_host) -> Option<&'a Self> {
        // SAFETY: the address of the first field is the host's.
        unsafe { clap.cast::<Self>().as_ref() }
    }

    /// Asks the real host for its extensions, which is allowed from the plugin's `init` on. On the
    /// main thread.
    ///
    /// # Safety
    /// The real host lives.
    pub(super) unsafe fn init(&self) {
        // SAFETY: the caller's promise; an extension is what its name says.
        unsafe {
            self.find(&self.gui, CLAP_EXT_GUI);
            self.find(&self.params, CLAP_EXT_PARAMS);
            self.find(&self.thread_check, CLAP_EXT_THREAD_CHECK);
            self.find(&self.note_ports, CLAP_EXT_NOTE_PORTS);
            self.find(&self.state, CLAP_EXT_STATE);
        }
    }

    /// # Safety
    /// The real host lives, and `id` is the name of a `T`.
    unsafe fn find<T>(&self, extension: &Extension<T>, id: &CStr) {
        // SAFETY: the caller's promise.
        if let Some(get) = unsafe { (*self.real).get_extension } {
            // SAFETY: as above.
            let found = unsafe { get(self.real, id.as_ptr()) };
            extension.0.store(found.cast::<T>().cast_mut(), Release);
        }
    }

    /// Asks the host which notes it takes. On the main thread.
    ///
    /// # Safety
    /// The real host lives.
    pub(super) unsafe fn ask_dialects(&self) {
        // SAFETY: the caller's promise.
        let dialects = unsafe { ask!(self.as_clap(), note_ports, supported_dialects()) };
        // One that says nothing takes what our port prefers.
        let midi = dialects & (CLAP_NOTE_DIALECT_MIDI | CLAP_NOTE_DIALECT_MIDI_MPE) != 0;
        let clap = dialects & CLAP_NOTE_DIALECT_CLAP != 0;
        self.wants_midi.store(midi && !clap, Release);
    }

    /// Whether notes must be sent as MIDI, as far as [`ask_dialects`](Self::ask_dialects) knows.
    /// Real-time safe.
    pub(super) fn wants_midi(&self) -> bool {
        self.wants_midi.load(Acquire)
    }

    /// Tells the host that its project has changed. On the main thread.
    ///
    /// # Safety
    /// The real host lives.
    pub(super) unsafe fn mark_dirty(&self) {
        // SAFETY: the caller's promise.
        unsafe { ask!(self.as_clap(), state, mark_dirty()) }
    }

    /// Tells the host that the plugin changed values of parameters by itself. On the main thread.
    ///
    /// # Safety
    /// The real host lives.
    pub(super) unsafe fn rescan_values(&self) {
        // SAFETY: the caller's promise.
        unsafe { ask!(self.as_clap(), params, rescan(CLAP_PARAM_RESCAN_VALUES)) }
    }

    /// What asks the host to fetch changes of parameters, by a block or a flush.
    ///
    /// # Safety
    /// It must not be used after this host or the real one ended.
    pub(super) unsafe fn flush_requester(&self) -> FlushRequester {
        FlushRequester(self.as_clap())
    }

    /// What asks the host for a call on its main thread, from any thread; nothing if the host has no
    /// use for it.
    ///
    /// # Safety
    /// It must not be used after the real host ended.
    pub(super) unsafe fn callback_requester(&self) -> Option<CallbackRequester> {
        // SAFETY: the host lives.
        let (state, params) = unsafe { (self.state.get(), self.params.get()) };
        (state.is_some() || params.is_some()).then_some(CallbackRequester(self.real))
    }
}

/// See [`Host::flush_requester`].
pub(super) struct FlushRequester(*const clap_host);

// SAFETY: the one function called on it may be called on any thread but the audio thread.
unsafe impl Send for FlushRequester {}

impl FlushRequester {
    /// Not for the audio thread.
    pub(super) fn request(&self) {
        // SAFETY: both hosts live, as promised when this was made.
        unsafe { ask!(self.0, params, request_flush()) }
    }
}

/// See [`Host::callback_requester`].
pub(super) struct CallbackRequester(*const clap_host);

// SAFETY: the one function called on it may be called on any thread.
unsafe impl Send for CallbackRequester {}

impl CallbackRequester {
    pub(super) fn request(&self) {
        // SAFETY: the host lives, as promised when this was made.
        unsafe { call!((*self.0), request_callback(self.0)) }
    }
}

unsafe extern "C" fn get_extension(host: *const clap_host, id: *const c_char) -> *const c_void {
    // SAFETY: the framework's host is ours, its ids are C strings.
    unsafe {
        let Some(host) = Host::of(host) else {
            return std::ptr::null();
        };
        match CStr::from_ptr(id) {
            // Windows are opened without it, too.
            id if id == CLAP_EXT_GUI => (&raw const GUI).cast(),
            id if id == CLAP_EXT_PARAMS => (&raw const PARAMS).cast(),
            id if id == CLAP_EXT_THREAD_CHECK => match host.thread_check.get() {
                Some(check) if check.is_main_thread.is_some() => (&raw const THREAD_CHECK).cast(),
                _ => std::ptr::null(),
            },
            // Nothing else is used.
            _ => std::ptr::null(),
        }
    }
}

/// Passes a request of the framework on to the real host.
macro_rules! pass_on {
    ($($name:ident),*) => {
        $(unsafe extern "C" fn $name(host: *const clap_host) {
            // SAFETY: the framework's host is ours, and the real one lives.
            unsafe {
                if let Some(host) = Host::of(host) {
                    call!((*host.real), $name(host.real));
                }
            }
        })*
    };
}
pass_on!(request_restart, request_process, request_callback);

static GUI: clap_host_gui = {
    unsafe extern "C" fn resize_hints_changed(host: *const clap_host) {
        // SAFETY: the framework's host is ours, and the real one lives.
        unsafe { ask!(host, gui, resize_hints_changed()) }
    }
    unsafe extern "C" fn request_resize(host: *const clap_host, width: u32, height: u32) -> bool {
        // SAFETY: as above.
        unsafe { ask!(host, gui, request_resize(width, height)) }
    }
    unsafe extern "C" fn request_show(host: *const clap_host) -> bool {
        // SAFETY: as above.
        unsafe { ask!(host, gui, request_show()) }
    }
    unsafe extern "C" fn request_hide(host: *const clap_host) -> bool {
        // SAFETY: as above.
        unsafe { ask!(host, gui, request_hide()) }
    }
    unsafe extern "C" fn closed(host: *const clap_host, was_destroyed: bool) {
        // SAFETY: as above.
        unsafe { ask!(host, gui, closed(was_destroyed)) }
    }
    clap_host_gui {
        resize_hints_changed: Some(resize_hints_changed),
        request_resize: Some(request_resize),
        request_show: Some(request_show),
        request_hide: Some(request_hide),
        closed: Some(closed),
    }
};

static PARAMS: clap_host_params = {
    unsafe extern "C" fn rescan(host: *const clap_host, flags: clap_param_rescan_flags) {
        // SAFETY: the framework's host is ours, and the real one lives.
        unsafe { ask!(host, params, rescan(flags)) }
    }
    unsafe extern "C" fn clear(
        host: *const clap_host,
        param: clap_id,
        flags: clap_param_clear_flags,
    ) {
        // SAFETY: as above.
        unsafe { ask!(host, params, clear(param, flags)) }
    }
    unsafe extern "C" fn request_flush(host: *const clap_host) {
        // SAFETY: as above.
        unsafe { ask!(host, params, request_flush()) }
    }
    clap_host_params {
        rescan: Some(rescan),
        clear: Some(clear),
        request_flush: Some(request_flush),
    }
};

static THREAD_CHECK: clap_host_thread_check = {
    unsafe extern "C" fn is_main_thread(host: *const clap_host) -> bool {
        // SAFETY: the framework's host is ours, and the real one lives.
        unsafe { ask!(host, thread_check, is_main_thread()) }
    }
    unsafe extern "C" fn is_audio_thread(host: *const clap_host) -> bool {
        // SAFETY: as above.
        unsafe { ask!(host, thread_check, is_audio_thread()) }
    }
    clap_host_thread_check {
        is_main_thread: Some(is_main_thread),
        is_audio_thread: Some(is_audio_thread),
    }
};
