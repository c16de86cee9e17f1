//! The plugin's extensions: the framework's, with ours in the place of some of their functions.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_char};

use clap_sys::events::{clap_input_events, clap_output_events};
use clap_sys::ext::audio_ports_config::{
    CLAP_EXT_AUDIO_PORTS_CONFIG, clap_plugin_audio_ports_config,
};
use clap_sys::ext::gui::{CLAP_EXT_GUI, clap_plugin_gui, clap_window};
use clap_sys::ext::note_ports::{
    CLAP_EXT_NOTE_PORTS, CLAP_NOTE_DIALECT_CLAP, CLAP_NOTE_DIALECT_MIDI, clap_note_port_info,
    clap_plugin_note_ports,
};
use clap_sys::ext::params::{
    CLAP_EXT_PARAMS, CLAP_PARAM_IS_ENUM, CLAP_PARAM_IS_MODULATABLE,
    CLAP_PARAM_IS_MODULATABLE_PER_NOTE_ID, CLAP_PARAM_IS_READONLY, CLAP_PARAM_IS_STEPPED,
    clap_param_info, clap_plugin_params,
};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_plugin_state};
use clap_sys::id::clap_id;
use clap_sys::stream::{clap_istream, clap_ostream};
use nice_plug::params::internals::ParamPtr;
use nice_plug::wrapper::clap::clap_plugin;

use super::events::Output;
use super::{Instance, call, state_stream};
use crate::outputs::parameters::{COUNT, OutputParameter};

/// The tables that the host is given, and the framework's behind them.
pub(super) struct Extensions {
    framework: Tables,
    pub(super) gui: clap_plugin_gui,
    pub(super) params: clap_plugin_params,
    pub(super) state: clap_plugin_state,
    pub(super) note_ports: clap_plugin_note_ports,
    pub(super) audio_ports_config: clap_plugin_audio_ports_config,
    /// The parameters that are enumerations.
    enumerations: HashSet<clap_id>,
}

/// The framework's tables; all functions missing where it does not have one.
struct Tables {
    gui: clap_plugin_gui,
    params: clap_plugin_params,
    state: clap_plugin_state,
    note_ports: clap_plugin_note_ports,
    audio_ports_config: clap_plugin_audio_ports_config,
}

/// Which of the parameters are enumerations.
pub(super) fn enumerations(ids: &HashMap<ParamPtr, u32>) -> HashSet<clap_id> {
    ids.iter()
        .filter(|(param, _)| matches!(param, ParamPtr::EnumParam(_)))
        .map(|(_, id)| *id)
        .collect()
}

impl Extensions {
    /// # Safety
    /// `framework` is the framework's plugin.
    pub(super) unsafe fn of(framework: &clap_plugin, enumerations: HashSet<clap_id>) -> Self {
        /// # Safety
        /// `framework` is the framework's plugin, and `T`, all of whose fields are function pointers
        /// that may be missing, its extension `id`.
        unsafe fn table<T: Copy>(framework: &clap_plugin, id: &CStr) -> T {
            // SAFETY: the caller's promise; zeros are functions that are missing.
            unsafe {
                let table = call!(framework, get_extension(framework, id.as_ptr()));
                table
                    .cast::<T>()
                    .as_ref()
                    .copied()
                    .unwrap_or_else(|| std::mem::zeroed())
            }
        }
        // SAFETY: the caller's promise.
        let tables = unsafe {
            Tables {
                gui: table(framework, CLAP_EXT_GUI),
                params: table(framework, CLAP_EXT_PARAMS),
                state: table(framework, CLAP_EXT_STATE),
                note_ports: table(framework, CLAP_EXT_NOTE_PORTS),
                audio_ports_config: table(framework, CLAP_EXT_AUDIO_PORTS_CONFIG),
            }
        };
        Self {
            gui: clap_plugin_gui {
                is_api_supported: Some(gui_is_api_supported),
                create: Some(gui_create),
                adjust_size: Some(gui_adjust_size),
                set_parent: Some(gui_set_parent),
                ..tables.gui
            },
            params: clap_plugin_params {
                count: Some(params_count),
                get_info: Some(params_get_info),
                get_value: Some(params_get_value),
                value_to_text: Some(params_value_to_text),
                text_to_value: Some(params_text_to_value),
                flush: Some(params_flush),
            },
            state: clap_plugin_state {
                save: Some(state_save),
                load: Some(state_load),
            },
            note_ports: clap_plugin_note_ports {
                get: Some(note_ports_get),
                ..tables.note_ports
            },
            audio_ports_config: clap_plugin_audio_ports_config {
                select: Some(audio_ports_config_select),
                ..tables.audio_ports_config
            },
            framework: tables,
            enumerations,
        }
    }
}

/// A function of one of the host's tables: calls the framework's one of the same table if `guard`,
/// over the instance, holds, and returns the default otherwise.
macro_rules! guarded {
    ($table:ident, $name:ident as $function:ident, ($($argument:ident: $type:ty),*) $(-> $result:ty)?,
     |$instance:pat_param| $guard:expr) => {
        unsafe extern "C" fn $function(
            plugin: *const clap_plugin,
            $($argument: $type),*
        ) $(-> $result)? {
            // SAFETY: the host's plugin is ours, its pointers are null or what their types say.
            unsafe {
                match Instance::of(plugin) {
                    Some(instance) if (|$instance: &Instance| $guard)(instance) => {
                        call!(instance.extensions.framework.$table, $name(plugin $(, $argument)*))
                    }
                    _ => Default::default(),
                }
            }
        }
    };
}

guarded!(gui, is_api_supported as gui_is_api_supported, (api: *const c_char, is_floating: bool) -> bool,
    |_| !api.is_null());
guarded!(gui, create as gui_create, (api: *const c_char, is_floating: bool) -> bool,
    |_| !api.is_null());
guarded!(gui, adjust_size as gui_adjust_size, (width: *mut u32, height: *mut u32) -> bool,
    |_| !width.is_null() && !height.is_null());
guarded!(gui, set_parent as gui_set_parent, (window: *const clap_window) -> bool,
    |_| window.as_ref().is_some_and(|window| !window.api.is_null()));

guarded!(state, save as state_save, (stream: *const clap_ostream) -> bool,
    |_| stream.as_ref().is_some_and(|stream| stream.write.is_some()));

// The buffers are made for the layout of the activation.
guarded!(audio_ports_config, select as audio_ports_config_select, (config: clap_id) -> bool,
    |instance| !instance.is_active());

unsafe extern "C" fn state_load(plugin: *const clap_plugin, stream: *const clap_istream) -> bool {
    // SAFETY: the host's plugin is ours, the stream null or the host's.
    unsafe {
        let (Some(instance), Some(stream)) = (Instance::of(plugin), stream.as_ref()) else {
            return false;
        };
        let state = &instance.extensions.framework.state;
        let requests = &instance.shared.params.requests;
        state_stream::with_mended(&instance.shared, stream, |mended| {
            requests.unheard(|| call!(state, load(plugin, mended)))
        })
    }
}

unsafe extern "C" fn params_get_info(
    plugin: *const clap_plugin,
    index: u32,
    info: *mut clap_param_info,
) -> bool {
    // SAFETY: the host's plugin is ours, the information null or a place for it.
    unsafe {
        let Some(instance) = Instance::of(plugin) else {
            return false;
        };
        let params = &instance.extensions.framework.params;
        let count = call!(params, count(plugin));
        if let Some(output) = index.checked_sub(count) {
            let parameter = OutputParameter::all().get(output as usize).copied();
            let described = parameter.filter(|_| !info.is_null()).map(output_info);
            if let Some(described) = described {
                info.write(described);
            }
            return described.is_some();
        }
        if !call!(params, get_info(plugin, index, info)) {
            return false;
        }
        let Some(info) = info.as_mut() else {
            return false; // never
        };
        // The framework declares what it can, not what makes sense.
        info.flags &= !(CLAP_PARAM_IS_MODULATABLE | CLAP_PARAM_IS_MODULATABLE_PER_NOTE_ID);
        if instance.extensions.enumerations.contains(&info.id) {
            info.flags |= CLAP_PARAM_IS_ENUM | CLAP_PARAM_IS_STEPPED;
        }
        // A whole number, as the value is told.
        if info.flags & CLAP_PARAM_IS_STEPPED != 0 {
            info.default_value = info.default_value.round();
        }
        true
    }
}

/// What the host is told of `parameter`.
fn output_info(parameter: OutputParameter) -> clap_param_info {
    let stepped = match parameter.steps() {
        0 => 0,
        _ => CLAP_PARAM_IS_STEPPED | CLAP_PARAM_IS_ENUM,
    };
    // SAFETY: plain numbers, texts and a pointer, which may be null.
    let mut info: clap_param_info = unsafe { std::mem::zeroed() };
    info.id = parameter.id();
    info.flags = CLAP_PARAM_IS_READONLY | stepped;
    info.max_value = parameter.maximum();
    write_text(&parameter.name(), &mut info.name);
    info
}

/// Writes a text and a zero behind it, cut where there is no more room.
fn write_text(text: &str, place: &mut [c_char]) {
    let mut length = text.len().min(place.len().saturating_sub(1));
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    let bytes = text.as_bytes()[..length].iter().chain(&[0]);
    for (place, byte) in place.iter_mut().zip(bytes) {
        *place = *byte as c_char;
    }
}

unsafe extern "C" fn params_count(plugin: *const clap_plugin) -> u32 {
    // SAFETY: the host's plugin is ours.
    unsafe {
        match Instance::of(plugin) {
            Some(instance) => {
                let params = &instance.extensions.framework.params;
                call!(params, count(plugin)) + COUNT as u32
            }
            None => 0,
        }
    }
}

unsafe extern "C" fn params_get_value(
    plugin: *const clap_plugin,
    id: clap_id,
    value: *mut f64,
) -> bool {
    // SAFETY: the host's plugin is ours, the value null or a place for one; the parameters live as long
    // as the instance.
    unsafe {
        let (Some(instance), Some(place)) = (Instance::of(plugin), value.as_mut()) else {
            return false;
        };
        let found = match OutputParameter::with_id(id) {
            Some(parameter) => {
                let normalized = instance.shared.outputs.value(parameter);
                Some(parameter.plain(f64::from(normalized)))
            }
            None => instance.values.value(id),
        };
        found.map(|value| *place = value).is_some()
    }
}

unsafe extern "C" fn params_value_to_text(
    plugin: *const clap_plugin,
    id: clap_id,
    value: f64,
    text: *mut c_char,
    size: u32,
) -> bool {
    // SAFETY: the host's plugin is ours, the text null or as long as it says.
    unsafe {
        let Some(instance) = Instance::of(plugin) else {
            return false;
        };
        if !value.is_finite() || text.is_null() || size == 0 {
            return false;
        }
        let Some(parameter) = OutputParameter::with_id(id) else {
            let params = &instance.extensions.framework.params;
            return call!(params, value_to_text(plugin, id, value, text, size));
        };
        let mut written = parameter.text(value / parameter.maximum());
        if !parameter.unit().is_empty() {
            written = format!("{written} {}", parameter.unit());
        }
        let place = std::slice::from_raw_parts_mut(text, size as usize);
        write_text(&written, place);
        true
    }
}

unsafe extern "C" fn params_text_to_value(
    plugin: *const clap_plugin,
    id: clap_id,
    text: *const c_char,
    value: *mut f64,
) -> bool {
    // SAFETY: the host's plugin is ours, its pointers are null or what their types say.
    unsafe {
        let (Some(instance), false, Some(value)) =
            (Instance::of(plugin), text.is_null(), value.as_mut())
        else {
            return false;
        };
        if let Some(parameter) = OutputParameter::with_id(id) {
            let read = parameter.value(&CStr::from_ptr(text).to_string_lossy());
            if let Some(read) = read {
                *value = parameter.plain(read);
            }
            return read.is_some();
        }
        let mut read = 0.0;
        let params = &instance.extensions.framework.params;
        // "nan" is a number to Rust, but no value.
        let is_value =
            call!(params, text_to_value(plugin, id, text, &mut read)) && read.is_finite();
        if is_value {
            *value = instance.values.whole(id, read);
        }
        is_value
    }
}

unsafe extern "C" fn params_flush(
    plugin: *const clap_plugin,
    input: *const clap_input_events,
    output: *const clap_output_events,
) {
    // SAFETY: the host's plugin is ours, and its lists live through the call.
    unsafe {
        let Some(instance) = Instance::of(plugin) else {
            return;
        };
        let Some(output) = Output::of(output, false, &instance.shared.outputs) else {
            return;
        };
        instance.tell_edits(&output);
        if instance.take_values(input) {
            output.send_parameters(None);
        }
    }
}

unsafe extern "C" fn note_ports_get(
    plugin: *const clap_plugin,
    index: u32,
    is_input: bool,
    info: *mut clap_note_port_info,
) -> bool {
    // SAFETY: the host's plugin is ours, the information null or a place for it.
    unsafe {
        let (Some(instance), false) = (Instance::of(plugin), info.is_null()) else {
            return false;
        };
        let note_ports = &instance.extensions.framework.note_ports;
        if !call!(note_ports, get(plugin, index, is_input, info)) {
            return false;
        }
        let Some(info) = info.as_mut() else {
            return false; // never
        };
        info.supported_dialects = CLAP_NOTE_DIALECT_CLAP | CLAP_NOTE_DIALECT_MIDI;
        instance.host.ask_dialects();
        info.preferred_dialect = match instance.host.wants_midi() {
            true => CLAP_NOTE_DIALECT_MIDI,
            false => CLAP_NOTE_DIALECT_CLAP,
        };
        true
    }
}
