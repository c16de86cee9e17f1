//! Values that the host gave the controller while the plugin processes.
//!
//! A VST3 host sets a parameter twice: on the controller at once, and on the processor with a block
//! that is to come. nice-plug 0.4.2 has one value for both and ignores the first while it processes,
//! so that a host that saves before the block comes saves the old value. Here the controller's value
//! waits until the block that carries it; who asks the controller meanwhile gets it, and what is
//! saved has it.

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

    /// Remembers a value that was set; `false` if there is no such parameter or value.
    pub(super) fn set(&self, id: ParamID, value: ParamValue) -> bool {
        let Some(waiting) = self.of(id).filter(|_| value.is_finite()) else {
            return false;
        };
        waiting
            .value
            .store(value.clamp(0.0, 1.0).to_bits(), Relaxed);
        self.any.store(true, Release);
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
