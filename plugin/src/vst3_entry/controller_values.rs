//! Values that the host gave the controller while the plugin processes.
//!
//! A VST3 host sets a parameter twice: on the controller at once, and on the processor with a block
//! that is to come. nice-plug 0.4.2 has one value for both and ignores the first while it processes,
//! so that a host that saves before the block comes saves the old value. Here the controller's value
//! waits until the block that carries it; who asks the controller meanwhile gets it, and what is
//! saved has it. What the parameter has already waits for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

use nice_plug::prelude::{ParamPtr, Params};
use nice_plug::wrapper::vst3::vst3::ComRef;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::{
    IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait, ParamID, ParamValue,
};

use crate::params::ToccoParams;

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
        Self {
            waiting: ids
                .zip(parameters)
                .map(|(id, (_, parameter, _))| Waiting {
                    id,
                    parameter,
                    value: AtomicU64::new(NONE),
                })
                .collect(),
            any: AtomicBool::new(false),
            _params: params,
        }
    }

    fn of(&self, id: ParamID) -> Option<&Waiting> {
        self.waiting.iter().find(|waiting| waiting.id == id)
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

    /// Forgets what a block carries: from here on the block's own values are newer. For the audio
    /// thread; real-time safe.
    ///
    /// # Safety
    /// `changes` must be null or the block's changes of parameters.
    pub(super) unsafe fn forget_carried(&self, changes: *mut IParameterChanges) {
        if !self.any.load(Acquire) {
            return;
        }
        // SAFETY: the caller's promise; a queue is lent until the block is done.
        unsafe {
            let Some(changes) = ComRef::from_raw(changes) else {
                return;
            };
            for index in 0..changes.getParameterCount() {
                let queue = ComRef::from_raw(changes.getParameterData(index));
                let id = queue.map(|queue| queue.getParameterId());
                if let Some(waiting) = id.and_then(|id| self.of(id)) {
                    waiting.value.store(NONE, Relaxed);
                }
            }
        }
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
    use nice_plug::params::Param;

    use super::*;
    use crate::params::set;

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
