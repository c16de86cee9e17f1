//! Values that the host gives: the controller while the plugin processes, and the processor with a block.
//!
//! A VST3 host sets a parameter twice: on the controller at once, and on the processor with a block
//! that is to come. nice-plug 0.4.2 has one value for both and ignores the first while it processes,
//! so that a host that saves before the block comes saves the old value. Here the controller's value
//! waits until the block that carries it; who asks the controller meanwhile gets it, and what is
//! saved has it. What is edited in the window, which the host sends with a block too, waits likewise. What
//! the parameter has already waits for nothing.
//!
//! The values of a block are set here, too, and the framework sees none of them: it posts a notice to
//! the window for each, by a lock and a system call on the audio thread. On Linux another thread executes
//! that, which panics while the window opens or closes, and takes the host along when the last instance
//! goes. The window is woken by [`RepaintRequest`](crate::repaint_request::RepaintRequest) instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

use nice_plug::prelude::{ParamPtr, Params, Plugin};
use nice_plug::wrapper::vst3::vst3::ComRef;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::{
    IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait, ParamID, ParamValue,
};
use nice_plug::wrapper::vst3::vst3::Steinberg::kResultOk;

use crate::Tocco;
use crate::params::ToccoParams;

// All values of a block take effect at its start: the framework is to cut none at them.
const _: () = assert!(!<Tocco as Plugin>::SAMPLE_ACCURATE_AUTOMATION);

/// Bits of a value that is none: not a number.
const NONE: u64 = u64::MAX;

/// One value for each parameter.
pub(super) struct ControllerValues {
    waiting: Vec<Waiting>,
    /// Whether there may be one at all: most blocks need not look further.
    any: AtomicBool,
    /// The pointers point into it.
    _params: Arc<ToccoParams>,
}

struct Waiting {
    id: ParamID,
    parameter: ParamPtr,
    /// Bits of the normalised value, or [`NONE`].
    value: AtomicU64,
}

impl ControllerValues {
    /// For parameters that the host knows by `ids`, in the order of `params`.
    pub(super) fn new(params: Arc<ToccoParams>, ids: impl Iterator<Item = ParamID>) -> Self {
        let parameters = params.param_map().into_iter();
        let mut waiting: Vec<Waiting> = ids
            .zip(parameters)
            .map(|(id, (_, parameter, _))| Waiting {
                id,
                parameter,
                value: AtomicU64::new(NONE),
            })
            .collect();
        // To be found quickly: a block may carry all of them.
        waiting.sort_by_key(|waiting| waiting.id);
        Self {
            waiting,
            any: AtomicBool::new(false),
            _params: params,
        }
    }

    /// The same as [`set`](Self::set), of the parameter that is `edited` in the window.
    pub(super) fn set_edited(&self, edited: ParamPtr, value: ParamValue) {
        let mut waiting = self.waiting.iter();
        if let Some(waiting) = waiting.find(|waiting| waiting.parameter == edited) {
            self.set(waiting.id, value);
        }
    }

    fn of(&self, id: ParamID) -> Option<&Waiting> {
        let place = self.waiting.binary_search_by_key(&id, |waiting| waiting.id);
        self.waiting.get(place.ok()?)
    }

    /// Remembers a value that was set, unless the parameter has it; `false` if there is no such parameter or
    /// value.
    pub(super) fn set(&self, id: ParamID, value: ParamValue) -> bool {
        let Some(waiting) = self.of(id).filter(|_| value.is_finite()) else {
            return false;
        };
        let value = value.clamp(0.0, 1.0);
        let parameter = &waiting.parameter;
        // SAFETY: the parameter lives as long as `_params`; its value is atomic.
        let is_there =
            unsafe { parameter.preview_plain(value as f32) == parameter.unmodulated_plain_value() };
        if is_there {
            waiting.value.store(NONE, Relaxed);
        } else {
            waiting.value.store(value.to_bits(), Relaxed);
            self.any.store(true, Release);
        }
        true
    }

    /// The value that waits for its block.
    pub(super) fn get(&self, id: ParamID) -> Option<ParamValue> {
        let bits = self.of(id)?.value.load(Relaxed);
        (bits != NONE).then(|| f64::from_bits(bits))
    }

    /// Sets what a block carries, point by point, and forgets what waited for it: from here on the
    /// block's own values are newer. Whether a parameter has another value now. For the audio thread;
    /// real-time safe.
    ///
    /// # Safety
    /// `changes` must be null or the block's changes of parameters.
    pub(super) unsafe fn take_carried(&self, changes: *mut IParameterChanges) -> bool {
        let mut any = false;
        // SAFETY: the caller's promise; a queue is lent until the block is done. The parameters live as
        // long as `_params`; their values are atomic.
        unsafe {
            let Some(changes) = ComRef::from_raw(changes) else {
                return false;
            };
            for index in 0..changes.getParameterCount() {
                let Some(queue) = ComRef::from_raw(changes.getParameterData(index)) else {
                    continue;
                };
                let Some(waiting) = self.of(queue.getParameterId()) else {
                    continue;
                };
                waiting.value.store(NONE, Relaxed);
                for point in 0..queue.getPointCount() {
                    let (mut offset, mut value) = (0, 0.0);
                    let result = queue.getPoint(point, &mut offset, &mut value);
                    let value = value as f32;
                    if result == kResultOk && value.is_finite() {
                        any |= waiting.parameter._internal_set_normalized_value(value);
                    }
                }
            }
        }
        any
    }

    /// Forgets all: something newer was loaded.
    pub(super) fn forget_all(&self) {
        self.any.store(false, Relaxed);
        for waiting in &self.waiting {
            waiting.value.store(NONE, Relaxed);
        }
    }

    /// Gives the parameters what waits for a block that may never come: before the state is saved,
    /// and when processing ends. Not for the audio thread.
    pub(super) fn settle(&self) {
        if !self.any.swap(false, AcqRel) {
            return;
        }
        for waiting in &self.waiting {
            let bits = waiting.value.swap(NONE, Relaxed);
            if bits != NONE {
                let value = f64::from_bits(bits) as f32;
                // SAFETY: the parameter lives as long as `_params`; its value is atomic.
                unsafe { waiting.parameter._internal_set_normalized_value(value) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use nice_plug::params::Param;
    use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::IParamValueQueue;
    use nice_plug::wrapper::vst3::vst3::Steinberg::{int32, kResultFalse, tresult};
    use nice_plug::wrapper::vst3::vst3::{Class, ComWrapper};

    use super::*;
    use crate::params::set;

    /// A block's values of one parameter.
    struct Queue {
        id: ParamID,
        values: Vec<ParamValue>,
    }

    impl Class for Queue {
        type Interfaces = (IParamValueQueue,);
    }

    impl IParamValueQueueTrait for Queue {
        unsafe fn getParameterId(&self) -> ParamID {
            self.id
        }

        unsafe fn getPointCount(&self) -> int32 {
            // One more than there are: what is refused is no value.
            self.values.len() as int32 + 1
        }

        unsafe fn getPoint(&self, index: int32, _: *mut int32, value: *mut ParamValue) -> tresult {
            let Some(found) = self.values.get(index as usize) else {
                return kResultFalse;
            };
            // SAFETY: the caller hands in a place for it.
            unsafe { value.write(*found) };
            kResultOk
        }

        unsafe fn addPoint(&self, _: int32, _: ParamValue, _: *mut int32) -> tresult {
            kResultFalse
        }
    }

    /// A block's values; `None` is a queue that is null.
    struct Changes {
        queues: Vec<Option<ComWrapper<Queue>>>,
        asked: Cell<usize>,
    }

    impl Class for Changes {
        type Interfaces = (IParameterChanges,);
    }

    impl IParameterChangesTrait for Changes {
        unsafe fn getParameterCount(&self) -> int32 {
            self.queues.len() as int32
        }

        unsafe fn getParameterData(&self, index: int32) -> *mut IParamValueQueue {
            self.asked.set(self.asked.get() + 1);
            let queue = self.queues[index as usize].as_ref();
            let queue = queue.and_then(|queue| queue.as_com_ref::<IParamValueQueue>());
            queue.map_or(std::ptr::null_mut(), |queue| queue.as_ptr())
        }

        unsafe fn addParameterData(
            &self,
            _: *const ParamID,
            _: *mut int32,
        ) -> *mut IParamValueQueue {
            std::ptr::null_mut()
        }
    }

    #[test]
    fn what_a_block_carries_is_set_in_order_and_newer_than_what_waits() {
        let params = Arc::new(ToccoParams::default());
        let count = params.param_map().len() as ParamID;
        // Ids that are in another order than the parameters.
        let values = ControllerValues::new(Arc::clone(&params), (0..count).rev());
        let id = |parameter: ParamPtr| {
            let mut parameters = params.param_map().into_iter();
            let index = parameters.position(|(_, found, _)| found == parameter);
            count - 1 - index.unwrap() as ParamID
        };
        let (gate, undo) = (id(params.gate.as_ptr()), id(params.undo.as_ptr()));
        let queue = |id, values: &[ParamValue]| {
            let values = values.to_vec();
            Some(ComWrapper::new(Queue { id, values }))
        };
        let changes = ComWrapper::new(Changes {
            queues: vec![
                queue(count, &[1.0]),
                None,
                queue(gate, &[0.5, f64::NAN, f64::INFINITY, 0.75]),
                // Pressed and let go within a block.
                queue(undo, &[1.0, 0.0]),
                queue(id(params.bypass.as_ptr()), &[1.0]),
            ],
            asked: Cell::new(0),
        });
        assert!(values.set(gate, 0.25));
        let pointer = changes.as_com_ref::<IParameterChanges>().unwrap().as_ptr();
        // SAFETY: null, or a live list.
        unsafe {
            values.take_carried(std::ptr::null_mut());
            assert_eq!(values.get(gate), Some(0.25));
            values.take_carried(pointer);
        }
        assert_eq!(changes.asked.get(), 5);
        assert_eq!((values.get(gate), params.gate.value()), (None, 0.75));
        assert_eq!(
            (params.requests.waiting(), params.undo.value()),
            ((1, 0), false)
        );
        assert!(params.bypass.value());
        values.settle();
        assert_eq!(params.gate.value(), 0.75);
    }

    #[test]
    fn only_what_the_parameter_has_not_waits_and_nothing_newer_is_lost() {
        let params = Arc::new(ToccoParams::default());
        let count = params.param_map().len() as ParamID;
        let values = ControllerValues::new(Arc::clone(&params), 0..count);
        let of = |parameter: ParamPtr| {
            let parameters = params.param_map().into_iter();
            let index = parameters.map(|(_, p, _)| p).position(|p| p == parameter);
            index.unwrap() as ParamID
        };
        let (gate, model) = (of(params.gate.as_ptr()), of(params.model.as_ptr()));
        assert!(values.set(gate, 0.25) && !values.set(gate, f64::NAN) && !values.set(count, 0.0));
        assert_eq!(values.get(gate), Some(0.25));
        values.settle();
        assert_eq!((values.get(gate), params.gate.value()), (None, 0.25));
        // The host tells the controller what a block has set; then the window sets another value.
        assert!(values.set(gate, 0.25));
        set(&params.gate, 0.6);
        assert_eq!(values.get(gate), None);
        values.settle();
        assert_eq!(params.gate.value(), 0.6);
        // Back, before the block comes that had another.
        assert!(values.set(gate, 0.1) && values.set(gate, f64::from(0.6_f32)));
        assert_eq!(values.get(gate), None);
        // Of one with steps each has many values.
        let value = f64::from(params.model.unmodulated_normalized_value());
        assert!(values.set(model, value + 0.01));
        assert_eq!(values.get(model), None);
    }
}
