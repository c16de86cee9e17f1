//! The order of a host's calls, from the set-up to the last block.
//!
//! The format has one: bus arrangements and set-up while inactive, then active, then processing.
//! Carla activates before the set-up when it looks at a plugin, others set up what is active. All of
//! it ends in the same state here: active if the host said so and the set-up is known. A set-up or an
//! arrangement that comes while active restarts the plugin.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

use nice_plug::prelude::Vst3Plugin;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::BusDirections_::kInput;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::{
    BusDirection, IAudioProcessorTrait, IComponentTrait, ProcessSetup, SpeakerArrangement,
};
use nice_plug::wrapper::vst3::vst3::Steinberg::{int32, kInvalidArgument, kResultOk, tresult};

use super::Component;
use crate::is_possible_rate;

/// Where an instance is in its life. Set on the main thread, read on the audio thread.
#[derive(Debug, Default)]
pub(super) struct LifeCycle {
    /// Whether the set-up is known.
    set_up: AtomicBool,
    /// Whether the host wants it active.
    wanted: AtomicBool,
    /// Channels in and out while it is active, otherwise 0.
    channels: AtomicUsize,
}

impl LifeCycle {
    /// The channels in and out that were agreed; `None` while it may not process. Real-time safe.
    pub(super) fn channels(&self) -> Option<usize> {
        match self.channels.load(Acquire) {
            0 => None,
            channels => Some(channels),
        }
    }
}

impl<P: Vst3Plugin> Component<P> {
    /// Takes a set-up, and activates if the host wanted that before.
    ///
    /// # Safety
    /// `setup` must be null or valid.
    pub(super) unsafe fn set_up(&self, setup: *mut ProcessSetup) -> tresult {
        // SAFETY: the caller's promise.
        let Some(wanted) = (unsafe { setup.as_ref() }) else {
            return kInvalidArgument;
        };
        let is_possible = wanted.symbolicSampleSize == kSample32 as int32
            && wanted.maxSamplesPerBlock >= 0
            && is_possible_rate(wanted.sampleRate);
        if !is_possible {
            return kInvalidArgument;
        }
        self.stop();
        // SAFETY: it is stopped, and a host that sets it up processes nothing meanwhile.
        unsafe { self.spare.make_room(wanted.maxSamplesPerBlock as usize) };
        // The first call leaves the process mode behind, the second one takes it up.
        // SAFETY: the caller's promise is passed on.
        let result = unsafe {
            match self.wrapper.setupProcessing(setup) {
                kResultOk => self.wrapper.setupProcessing(setup),
                refused => refused,
            }
        };
        if result != kResultOk {
            return result;
        }
        self.life.set_up.store(true, Release);
        self.start_if_wanted()
    }

    /// Takes an arrangement of the buses.
    ///
    /// # Safety
    /// As the format asks for.
    pub(super) unsafe fn arrange(
        &self,
        inputs: *mut SpeakerArrangement,
        n_inputs: int32,
        outputs: *mut SpeakerArrangement,
        n_outputs: int32,
    ) -> tresult {
        let before = self.arranged_channels();
        // SAFETY: the caller's promise is passed on.
        let result = unsafe {
            let wrapper = &self.wrapper;
            wrapper.setBusArrangements(inputs, n_inputs, outputs, n_outputs)
        };
        if result == kResultOk && self.arranged_channels() != before {
            self.stop();
            return self.start_if_wanted();
        }
        result
    }

    /// Activates or deactivates, as soon as the set-up is known.
    pub(super) fn set_active(&self, active: bool) -> tresult {
        self.life.wanted.store(active, Release);
        if active {
            return self.start_if_wanted();
        }
        self.stop();
        kResultOk
    }

    /// Makes the framework active if it is to be and is not.
    fn start_if_wanted(&self) -> tresult {
        let is_due = self.life.wanted.load(Acquire) && self.life.set_up.load(Acquire);
        if !is_due || self.life.channels().is_some() {
            return kResultOk;
        }
        // SAFETY: no promise is needed.
        let result = unsafe { self.wrapper.setActive(1) };
        if result == kResultOk {
            self.life.channels.store(self.arranged_channels(), Release);
        }
        result
    }

    /// Makes the framework inactive if it is not.
    pub(super) fn stop(&self) {
        self.values.settle();
        if self.life.channels.swap(0, AcqRel) > 0 {
            // SAFETY: no promise is needed.
            unsafe { self.wrapper.setActive(0) };
        }
    }

    /// Channels of the input, which are as many as of the output.
    fn arranged_channels(&self) -> usize {
        let mut arrangement = 0;
        // SAFETY: a live variable to write to.
        unsafe {
            let input = kInput as BusDirection;
            self.wrapper.getBusArrangement(input, 0, &mut arrangement);
        }
        arrangement.count_ones() as usize
    }
}
