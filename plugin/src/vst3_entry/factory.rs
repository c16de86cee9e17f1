//! The module and its factory: what `nice_export_vst3!` would make.

use std::ffi::c_void;

use nice_plug::prelude::Vst3Plugin;
use nice_plug::wrapper::vst3::PluginInfo;
use nice_plug::wrapper::vst3::vst3::Steinberg::{
    FIDString, FUnknown, IPluginFactory, IPluginFactory2, IPluginFactory2Trait, IPluginFactory3,
    IPluginFactory3Trait, IPluginFactoryTrait, PClassInfo, PClassInfo2, PClassInfoW, PFactoryInfo,
    TUID, int32, kInternalError, kInvalidArgument, kResultOk, tresult,
};
use nice_plug::wrapper::vst3::vst3::{Class, ComPtr, ComWrapper};

use super::Component;
use crate::Tocco;
use crate::configuration::Configuration;
use crate::multi_output::MultiOutput;

/// A plugin that there is, and what makes an instance of it.
struct Made {
    info: PluginInfo,
    create: fn() -> Option<ComPtr<FUnknown>>,
}

impl Made {
    fn of<P: Vst3Plugin>() -> Self {
        Self {
            info: PluginInfo::for_plugin::<P>(),
            create: || {
                let component = Component::<P>::new().map(ComWrapper::new)?;
                component.to_com_ptr::<FUnknown>()
            },
        }
    }
}

/// Makes instances of the plugins.
struct Factory(Vec<Made>);

impl Factory {
    /// Hosts that do not ask take the first. Some ask which of several, or refuse the file: there is one,
    /// but where the user wants the other, too. Reads files.
    fn new() -> Self {
        let mut plugins = vec![Made::of::<Tocco>()];
        if Configuration::find().vst3_outputs {
            plugins.push(Made::of::<MultiOutput>());
        }
        Self(plugins)
    }
}

impl Class for Factory {
    type Interfaces = (IPluginFactory, IPluginFactory2, IPluginFactory3);
}

impl Factory {
    /// Fills `info` with what `make` tells of class number `index`.
    ///
    /// # Safety
    /// `info` must be null or writable.
    unsafe fn describe<T>(
        &self,
        index: int32,
        info: *mut T,
        make: fn(&PluginInfo) -> T,
    ) -> tresult {
        let made = usize::try_from(index)
            .ok()
            .and_then(|index| self.0.get(index));
        let Some(made) = made.filter(|_| !info.is_null()) else {
            return kInvalidArgument;
        };
        // SAFETY: not null, so it is writable by the caller's promise.
        unsafe { info.write(make(&made.info)) };
        kResultOk
    }
}

impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        // SAFETY: the caller hands in a place for the information.
        unsafe { self.describe(0, info, PluginInfo::create_factory_info) }
    }

    unsafe fn countClasses(&self) -> int32 {
        self.0.len() as int32
    }

    unsafe fn getClassInfo(&self, index: int32, info: *mut PClassInfo) -> tresult {
        // SAFETY: the caller hands in a place for the information.
        unsafe { self.describe(index, info, PluginInfo::create_class_info) }
    }

    unsafe fn createInstance(
        &self,
        class: FIDString,
        interface: FIDString,
        object: *mut *mut c_void,
    ) -> tresult {
        if class.is_null() || interface.is_null() || object.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: not null, so it is a class id, which has 16 bytes.
        let class = unsafe { &*class.cast::<[u8; 16]>() };
        let Some(made) = self.0.iter().find(|made| made.info.cid == class) else {
            return kInvalidArgument;
        };
        let Some(created) = (made.create)() else {
            return kInternalError;
        };
        let unknown = created.as_ptr();
        // SAFETY: a live object; the interface's id and the place for the pointer are the caller's.
        unsafe { ((*(*unknown).vtbl).queryInterface)(unknown, interface.cast::<TUID>(), object) }
    }
}

impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        // SAFETY: the caller hands in a place for the information.
        unsafe { self.describe(index, info, PluginInfo::create_class_info_2) }
    }
}

impl IPluginFactory3Trait for Factory {
    unsafe fn getClassInfoUnicode(&self, index: int32, info: *mut PClassInfoW) -> tresult {
        // SAFETY: the caller hands in a place for the information.
        unsafe { self.describe(index, info, PluginInfo::create_class_info_unicode) }
    }

    unsafe fn setHostContext(&self, _context: *mut FUnknown) -> tresult {
        kResultOk // nothing is needed from it
    }
}

/// The module's factory, with one reference for the host. Called by the host.
#[unsafe(no_mangle)]
pub extern "system" fn GetPluginFactory() -> *mut c_void {
    let factory = ComWrapper::new(Factory::new());
    let pointer = factory.to_com_ptr::<IPluginFactory>();
    pointer.map_or(std::ptr::null_mut(), |pointer| pointer.into_raw().cast())
}

/// Called by the host when the module is loaded.
#[cfg(all(unix, not(target_os = "macos")))]
#[unsafe(no_mangle)]
pub extern "C" fn ModuleEntry(_library: *mut c_void) -> bool {
    nice_plug::wrapper::setup_logger::<Tocco>();
    true
}

/// Called by the host before the module is unloaded.
#[cfg(all(unix, not(target_os = "macos")))]
#[unsafe(no_mangle)]
pub extern "C" fn ModuleExit() -> bool {
    true
}

/// Called by the host when the module is loaded.
#[cfg(target_os = "macos")]
#[unsafe(no_mangle)]
pub extern "C" fn bundleEntry(_bundle: *mut c_void) -> bool {
    nice_plug::wrapper::setup_logger::<Tocco>();
    true
}

/// Called by the host before the module is unloaded.
#[cfg(target_os = "macos")]
#[unsafe(no_mangle)]
pub extern "C" fn bundleExit() -> bool {
    true
}

/// Called by the host when the module is loaded.
#[cfg(windows)]
#[unsafe(no_mangle)]
pub extern "system" fn InitDll() -> bool {
    nice_plug::wrapper::setup_logger::<Tocco>();
    true
}

/// Called by the host before the module is unloaded.
#[cfg(windows)]
#[unsafe(no_mangle)]
pub extern "system" fn ExitDll() -> bool {
    true
}
