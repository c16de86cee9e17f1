//! What the plugin tells its host.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use vst3::Class;
use vst3::Steinberg::Vst::{
    IComponentHandler, IComponentHandler2, IComponentHandler2Trait, IComponentHandlerTrait,
    ParamID, ParamValue,
};
use vst3::Steinberg::{FIDString, TBool, int32, kResultFalse, kResultOk, tresult};

/// Counts what it is told. Atomic, because a plugin may tell from a thread of its own.
#[derive(Default)]
pub(super) struct ComponentHandler {
    /// How often the project was said to differ from what is saved.
    pub(super) dirty: AtomicU32,
}

impl Class for ComponentHandler {
    type Interfaces = (IComponentHandler, IComponentHandler2);
}

impl IComponentHandlerTrait for ComponentHandler {
    unsafe fn beginEdit(&self, _id: ParamID) -> tresult {
        kResultOk
    }

    unsafe fn performEdit(&self, _id: ParamID, _value: ParamValue) -> tresult {
        kResultOk
    }

    unsafe fn endEdit(&self, _id: ParamID) -> tresult {
        kResultOk
    }

    unsafe fn restartComponent(&self, _flags: int32) -> tresult {
        kResultOk
    }
}

impl IComponentHandler2Trait for ComponentHandler {
    unsafe fn setDirty(&self, state: TBool) -> tresult {
        self.dirty.fetch_add(u32::from(state != 0), Relaxed);
        kResultOk
    }

    unsafe fn requestOpenEditor(&self, _name: FIDString) -> tresult {
        kResultFalse
    }

    unsafe fn startGroupEdit(&self) -> tresult {
        kResultFalse
    }

    unsafe fn finishGroupEdit(&self) -> tresult {
        kResultFalse
    }
}
