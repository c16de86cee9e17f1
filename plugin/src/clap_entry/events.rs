//! Events on their way out, sorted by time, as the format wants them: what was edited in the window, notes in
//! the dialect that the host takes, for nice-plug 0.4.2 only knows CLAP's, and the output parameters, which it
//! does not know.

use std::cell::Cell;
use std::ffi::c_void;
use std::mem::size_of;

use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_IS_LIVE, CLAP_EVENT_MIDI, CLAP_EVENT_NOTE_EXPRESSION,
    CLAP_EVENT_NOTE_OFF, CLAP_EVENT_NOTE_ON, CLAP_EVENT_PARAM_GESTURE_BEGIN,
    CLAP_EVENT_PARAM_GESTURE_END, CLAP_EVENT_PARAM_VALUE, CLAP_NOTE_EXPRESSION_PRESSURE,
    clap_event_header, clap_event_midi, clap_event_note, clap_event_note_expression,
    clap_event_param_gesture, clap_event_param_value, clap_output_events,
};
use clap_sys::id::{CLAP_INVALID_ID, clap_id};

use super::values;
use crate::edits::Edit;
use crate::outputs::parameters::OutputParameters;

/// A change of no parameter.
const NOTHING: clap_event_param_value = clap_event_param_value {
    header: clap_event_header {
        size: size_of::<clap_event_param_value>() as u32,
        time: 0,
        space_id: CLAP_CORE_EVENT_SPACE_ID,
        type_: CLAP_EVENT_PARAM_VALUE,
        flags: 0,
    },
    param_id: CLAP_INVALID_ID,
    cookie: std::ptr::null_mut(),
    note_id: -1,
    port_index: -1,
    channel: -1,
    key: -1,
    value: 0.0,
};

/// The host's list of what the plugin sends, as the framework sees it. Real-time safe.
pub(super) struct Output<'a> {
    host: *const clap_output_events,
    midi: bool,
    parameters: &'a OutputParameters,
    table: Cell<clap_output_events>,
}

impl<'a> Output<'a> {
    /// For a host that takes notes as MIDI alone, or not, and an instance's `parameters`. Nothing if
    /// the host's list is none.
    ///
    /// # Safety
    /// `host` is null or the host's list, and lives as long as this.
    pub(super) unsafe fn of(
        host: *const clap_output_events,
        midi: bool,
        parameters: &'a OutputParameters,
    ) -> Option<Self> {
        // SAFETY: the caller's promise.
        if let Some(list) = unsafe { host.as_ref() }
            && list.try_push.is_none()
        {
            return None;
        }
        let table = clap_output_events {
            ctx: std::ptr::null_mut(),
            try_push: Some(try_push),
        };
        Some(Self {
            host,
            midi,
            parameters,
            table: Cell::new(table),
        })
    }

    fn push(&self, event: *const clap_event_header) -> bool {
        // SAFETY: the host's list lives and has its function; the event is one of ours or the
        // framework's.
        unsafe {
            let Some(host) = self.host.as_ref() else {
                return false;
            };
            host.try_push.is_some_and(|try_push| try_push(host, event))
        }
    }

    /// Sends an `edit` of the parameter `id`, which has so many `steps` or none, at the start of the block.
    /// Whether the host took it.
    pub(super) fn send_edit(&self, id: clap_id, steps: Option<usize>, edit: Edit) -> bool {
        let header = |size: usize, type_| clap_event_header {
            size: size as u32,
            type_,
            flags: CLAP_EVENT_IS_LIVE,
            ..NOTHING.header
        };
        let gesture = |type_| {
            let event = clap_event_param_gesture {
                header: header(size_of::<clap_event_param_gesture>(), type_),
                param_id: id,
            };
            self.push((&raw const event).cast())
        };
        match edit {
            Edit::Begin => gesture(CLAP_EVENT_PARAM_GESTURE_BEGIN),
            Edit::Value(normalized) => {
                let event = clap_event_param_value {
                    header: header(size_of::<clap_event_param_value>(), CLAP_EVENT_PARAM_VALUE),
                    param_id: id,
                    value: values::plain(normalized, steps),
                    ..NOTHING
                };
                self.push((&raw const event).cast())
            }
            Edit::End => gesture(CLAP_EVENT_PARAM_GESTURE_END),
        }
    }

    /// Sends the output parameters that are new and lie no later than `until`; without it all of the
    /// block, which ends with that.
    pub(super) fn send_parameters(&self, until: Option<u32>) {
        self.parameters.give_out(until, |offset, parameter, value| {
            let event = clap_event_param_value {
                header: clap_event_header {
                    time: offset,
                    ..NOTHING.header
                },
                param_id: parameter.id(),
                value: parameter.plain(f64::from(value)),
                ..NOTHING
            };
            self.push(&event.header);
        });
    }

    /// What the framework is given: null if the host gave none. It must not be used after this was
    /// moved.
    pub(super) fn as_clap(&self) -> *const clap_output_events {
        if self.host.is_null() {
            return std::ptr::null();
        }
        let mut table = self.table.get();
        table.ctx = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
        self.table.set(table);
        self.table.as_ptr()
    }
}

unsafe extern "C" fn try_push(
    list: *const clap_output_events,
    event: *const clap_event_header,
) -> bool {
    // SAFETY: the framework's list is ours and its events are what their headers say; the host's
    // list has its function.
    unsafe {
        let output = list
            .as_ref()
            .and_then(|list| list.ctx.cast::<Output>().as_ref());
        let (Some(output), Some(header)) = (output, event.as_ref()) else {
            return false; // never
        };
        output.send_parameters(Some(header.time));
        match midi(header).filter(|_| output.midi) {
            Some(midi) => output.push(&midi.header),
            None => output.push(event),
        }
    }
}

/// A note on, a note off or a pressure as the MIDI message it stands for; nothing for another event.
///
/// # Safety
/// The event is what its header says.
unsafe fn midi(header: &clap_event_header) -> Option<clap_event_midi> {
    // Of a share of 1.
    let seven_bits = |value: f64| (value * 127.0).round().clamp(0.0, 127.0) as u8;
    let event = std::ptr::from_ref(header);
    let (status, channel, key, value) = match (header.space_id, header.type_) {
        (CLAP_CORE_EVENT_SPACE_ID, kind @ (CLAP_EVENT_NOTE_ON | CLAP_EVENT_NOTE_OFF)) => {
            // SAFETY: the caller's promise.
            let note = unsafe { &*event.cast::<clap_event_note>() };
            let velocity = seven_bits(note.velocity);
            match kind {
                // A note on of velocity 0 would be a note off.
                CLAP_EVENT_NOTE_ON => (0x90, note.channel, note.key, velocity.max(1)),
                _ => (0x80, note.channel, note.key, velocity),
            }
        }
        (CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_NOTE_EXPRESSION) => {
            // SAFETY: the caller's promise.
            let change = unsafe { &*event.cast::<clap_event_note_expression>() };
            if change.expression_id != CLAP_NOTE_EXPRESSION_PRESSURE {
                return None;
            }
            (0xa0, change.channel, change.key, seven_bits(change.value))
        }
        _ => return None,
    };
    let channel = u8::try_from(channel).ok().filter(|channel| *channel < 16)?;
    let key = u8::try_from(key).ok().filter(|key| *key < 128)?;
    Some(clap_event_midi {
        header: clap_event_header {
            size: size_of::<clap_event_midi>() as u32,
            type_: CLAP_EVENT_MIDI,
            ..*header
        },
        port_index: 0,
        data: [status | channel, key, value],
    })
}
