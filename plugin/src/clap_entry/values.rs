//! Values that the host sets, with a block or without one.
//!
//! They are set here, and the framework sees none of them: nice-plug 0.4.2 asks for each on which thread it
//! is, which allocates where the host has no thread check and the thread is the host's own, and posts a
//! notice to the window by a call of the host. The window is woken by
//! [`RepaintRequest`](crate::repaint_request::RepaintRequest) instead.

use std::collections::HashMap;
use std::mem::size_of;

use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, clap_event_param_value, clap_input_events,
};
use clap_sys::id::clap_id;
use nice_plug::prelude::{ParamPtr, Plugin};

use crate::Tocco;

// All values of a block take effect at its start: the framework is to cut none at them.
const _: () = assert!(!<Tocco as Plugin>::SAMPLE_ACCURATE_AUTOMATION);

/// The parameters of an instance by their ids.
pub(super) struct Values(HashMap<clap_id, ParamPtr>);

impl Values {
    /// Of the framework's `ids`.
    pub(super) fn of(ids: &HashMap<ParamPtr, clap_id>) -> Self {
        Self(ids.iter().map(|(param, id)| (*id, *param)).collect())
    }

    /// Sets what `events` sets, in that order; other events, and values that are none, are left out. Whether
    /// a parameter has another value now; nothing if the list is none. Real-time safe as far as the
    /// host's list is.
    ///
    /// # Safety
    /// `events` is null or the host's list, whose events are as long as they say. The parameters live.
    pub(super) unsafe fn take(&self, events: *const clap_input_events) -> Option<bool> {
        // SAFETY: the caller's promise.
        unsafe {
            let Some(list) = events.as_ref() else {
                return Some(false);
            };
            let (size, get) = (list.size?, list.get?);
            let mut any = false;
            for index in 0..size(list) {
                let Some(header) = get(list, index).as_ref() else {
                    continue;
                };
                if header.space_id != CLAP_CORE_EVENT_SPACE_ID
                    || header.type_ != CLAP_EVENT_PARAM_VALUE
                    || (header.size as usize) < size_of::<clap_event_param_value>()
                {
                    continue;
                }
                let event = *std::ptr::from_ref(header).cast::<clap_event_param_value>();
                any |= self.set(event.param_id, event.value);
            }
            Some(any)
        }
    }

    /// The value of the parameter `id` as CLAP has it, if there is one. Real-time safe.
    ///
    /// # Safety
    /// The parameters live.
    pub(super) unsafe fn value(&self, id: clap_id) -> Option<f64> {
        let param = self.0.get(&id)?;
        // SAFETY: the caller's promise.
        unsafe {
            let normalized = param.unmodulated_normalized_value();
            Some(plain(normalized, param.step_count()))
        }
    }

    /// `value` of the parameter `id`, as CLAP has it: whole where there are steps.
    ///
    /// # Safety
    /// The parameters live.
    pub(super) unsafe fn whole(&self, id: clap_id, value: f64) -> f64 {
        // SAFETY: the caller's promise.
        let steps = self
            .0
            .get(&id)
            .and_then(|param| unsafe { param.step_count() });
        steps.map_or(value, |_| value.round())
    }

    /// # Safety
    /// The parameters live.
    unsafe fn set(&self, id: clap_id, value: f64) -> bool {
        let Some(param) = self.0.get(&id) else {
            return false;
        };
        if !value.is_finite() {
            return false;
        }
        // SAFETY: the caller's promise.
        unsafe {
            // CLAP counts the steps of what has steps.
            let normalized = value / param.step_count().unwrap_or(1) as f64;
            param._internal_set_normalized_value(normalized.clamp(0.0, 1.0) as f32)
        }
    }
}

/// A `normalized` value as CLAP has it, which counts the steps of what has steps. They are whole numbers,
/// since hosts cut off what is behind the point. Real-time safe.
pub(super) fn plain(normalized: f32, steps: Option<usize>) -> f64 {
    let normalized = f64::from(normalized);
    steps.map_or(normalized, |steps| (normalized * steps as f64).round())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::c_void;

    use clap_sys::events::{CLAP_EVENT_TRANSPORT, clap_event_header};
    use nice_plug::prelude::Params;

    use crate::params::ToccoParams;

    unsafe extern "C" fn size(list: *const clap_input_events) -> u32 {
        // SAFETY: the list is that of `list`.
        unsafe { (*(*list).ctx.cast::<Vec<clap_event_param_value>>()).len() as u32 }
    }

    /// Nothing in the place of an event for nobody.
    unsafe extern "C" fn get(list: *const clap_input_events, at: u32) -> *const clap_event_header {
        // SAFETY: the list is that of `list`.
        let event = unsafe { &(&*(*list).ctx.cast::<Vec<clap_event_param_value>>())[at as usize] };
        match event.param_id {
            0 => std::ptr::null(),
            _ => &event.header,
        }
    }

    fn list(events: &mut Vec<clap_event_param_value>) -> clap_input_events {
        clap_input_events {
            ctx: std::ptr::from_mut(events).cast::<c_void>(),
            size: Some(size),
            get: Some(get),
        }
    }

    fn event(param_id: clap_id, value: f64) -> clap_event_param_value {
        clap_event_param_value {
            header: clap_event_header {
                size: size_of::<clap_event_param_value>() as u32,
                time: 77,
                space_id: CLAP_CORE_EVENT_SPACE_ID,
                type_: CLAP_EVENT_PARAM_VALUE,
                flags: 0,
            },
            param_id,
            cookie: std::ptr::null_mut(),
            note_id: -1,
            port_index: -1,
            channel: -1,
            key: -1,
            value,
        }
    }

    #[test]
    fn what_a_list_sets_is_set_in_its_order_and_the_rest_left_out() {
        let params = ToccoParams::default();
        let map = params.param_map();
        let id = |name: &str| 1 + map.iter().position(|(id, ..)| id == name).unwrap() as clap_id;
        let ids = map.iter().zip(1..).map(|((_, param, _), id)| (*param, id));
        let values = Values::of(&ids.collect());
        let (gate, note) = (id("gate"), id("note_1"));
        let mut other = event(gate, 0.9);
        other.header.type_ = CLAP_EVENT_TRANSPORT;
        let mut foreign = event(gate, 0.9);
        foreign.header.space_id = 7;
        let mut short = event(gate, 0.9);
        short.header.size -= 1;
        let mut events = vec![
            event(gate, 0.25),
            event(note, 60.0),
            event(0, 0.0),
            event(9_999, 1.0),
            event(gate, f64::NAN),
            event(gate, f64::INFINITY),
            event(gate, 0.5),
            other,
            foreign,
            short,
        ];
        // SAFETY: the lists are whole, and the parameters live.
        unsafe {
            assert_eq!(values.take(&list(&mut events)), Some(true));
            assert_eq!(
                (
                    params.gate.value(),
                    params.techniques.of_class[0].note.value()
                ),
                (0.5, 60)
            );
            assert_eq!(values.take(&list(&mut vec![event(gate, 0.5)])), Some(false));
            for (beyond, end) in [(1e300, 1.0), (-7.0, 0.0)] {
                assert_eq!(
                    values.take(&list(&mut vec![event(gate, beyond)])),
                    Some(true)
                );
                assert_eq!(params.gate.value(), end);
            }
            assert_eq!(values.take(std::ptr::null()), Some(false));
            for (size, get) in [(None, Some(get as _)), (Some(size as _), None)] {
                let none = clap_input_events {
                    size,
                    get,
                    ..list(&mut events)
                };
                assert_eq!(values.take(&none), None);
            }
        }
    }
}
