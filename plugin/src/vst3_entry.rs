//! The VST3 entry: nice-plug's own, except that the process mode arrives in time.
//!
//! nice-plug 0.4.2 keeps, in `setupProcessing`, the process mode of the call *before*. A host that
//! calls it once for each activation, as they do, would have a bounce run as real time (answers of
//! the classifier thread come when they come, and every bounce is another one) and the real time
//! after it as a bounce (the audio thread waits for models to be loaded). [`Component`] is the
//! framework's object with that call made twice; everything else is passed on as it is.
//!
//! The factory is what `nice_export_vst3!` would make for this one plugin. Both can go when the
//! framework keeps the mode of the call itself.
#![expect(
    non_upper_case_globals,
    reason = "the constants keep the names they have in the VST3 headers"
)]

use std::ffi::c_void;

use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::ChannelContext::{
    IInfoListener, IInfoListenerTrait,
};
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::{
    BusDirection, BusInfo, CString, CtrlNumber, IAttributeList, IAudioProcessor,
    IAudioProcessorTrait, IComponent, IComponentHandler, IComponentTrait, IEditController,
    IEditControllerTrait, IMidiMapping, IMidiMappingTrait, INoteExpressionController,
    INoteExpressionControllerTrait, IProcessContextRequirements, IProcessContextRequirementsTrait,
    IUnitInfo, IUnitInfoTrait, IoMode, MediaType, NoteExpressionTypeID, NoteExpressionTypeInfo,
    NoteExpressionValue, ParamID, ParamValue, ParameterInfo, ProcessData, ProcessSetup,
    ProgramListID, ProgramListInfo, RoutingInfo, SpeakerArrangement, String128, TChar, UnitID,
    UnitInfo,
};
use nice_plug::wrapper::vst3::vst3::Steinberg::{
    FIDString, FUnknown, IBStream, IPlugView, IPluginBaseTrait, IPluginFactory, IPluginFactory2,
    IPluginFactory2Trait, IPluginFactory3, IPluginFactory3Trait, IPluginFactoryTrait, PClassInfo,
    PClassInfo2, PClassInfoW, PFactoryInfo, TBool, TUID, int16, int32, kInvalidArgument, kResultOk,
    tresult, uint32,
};
use nice_plug::wrapper::vst3::vst3::{Class, ComWrapper};
use nice_plug::wrapper::vst3::{PluginInfo, Wrapper};

use crate::Tocco;

/// The framework's VST3 object, told the process mode in time.
struct Component(Wrapper<Tocco>);

impl Class for Component {
    type Interfaces = (
        IComponent,
        IEditController,
        IAudioProcessor,
        IMidiMapping,
        INoteExpressionController,
        IProcessContextRequirements,
        IUnitInfo,
        IInfoListener,
    );
}

/// Implements an interface by passing each call on.
macro_rules! pass_on {
    ($interface:ident { $(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)* }) => {
        impl $interface for Component {
            $(unsafe fn $name(&self, $($argument: $type),*) $(-> $result)? {
                // SAFETY: the caller's promise is passed on.
                unsafe { <Wrapper<Tocco> as $interface>::$name(&self.0, $($argument),*) }
            })*
        }
    };
}

impl IAudioProcessorTrait for Component {
    unsafe fn setupProcessing(&self, setup: *mut ProcessSetup) -> tresult {
        // The first call leaves the mode behind, the second one takes it up.
        // SAFETY: the caller's promise is passed on.
        unsafe {
            match self.0.setupProcessing(setup) {
                kResultOk => self.0.setupProcessing(setup),
                refused => refused,
            }
        }
    }

    unsafe fn setBusArrangements(
        &self,
        inputs: *mut SpeakerArrangement,
        n_inputs: int32,
        outputs: *mut SpeakerArrangement,
        n_outputs: int32,
    ) -> tresult {
        // SAFETY: the caller's promise is passed on.
        unsafe {
            self.0
                .setBusArrangements(inputs, n_inputs, outputs, n_outputs)
        }
    }

    unsafe fn getBusArrangement(
        &self,
        direction: BusDirection,
        index: int32,
        arrangement: *mut SpeakerArrangement,
    ) -> tresult {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.getBusArrangement(direction, index, arrangement) }
    }

    unsafe fn canProcessSampleSize(&self, size: int32) -> tresult {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.canProcessSampleSize(size) }
    }

    unsafe fn getLatencySamples(&self) -> uint32 {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.getLatencySamples() }
    }

    unsafe fn setProcessing(&self, state: TBool) -> tresult {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.setProcessing(state) }
    }

    unsafe fn process(&self, data: *mut ProcessData) -> tresult {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.process(data) }
    }

    unsafe fn getTailSamples(&self) -> uint32 {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.getTailSamples() }
    }
}

pass_on!(IPluginBaseTrait {
    fn initialize(context: *mut FUnknown) -> tresult;
    fn terminate() -> tresult;
});

pass_on!(IComponentTrait {
    fn getControllerClassId(class: *mut TUID) -> tresult;
    fn setIoMode(mode: IoMode) -> tresult;
    fn getBusCount(media: MediaType, direction: BusDirection) -> int32;
    fn getBusInfo(
        media: MediaType,
        direction: BusDirection,
        index: int32,
        info: *mut BusInfo,
    ) -> tresult;
    fn getRoutingInfo(input: *mut RoutingInfo, output: *mut RoutingInfo) -> tresult;
    fn activateBus(
        media: MediaType,
        direction: BusDirection,
        index: int32,
        state: TBool,
    ) -> tresult;
    fn setActive(state: TBool) -> tresult;
    fn setState(state: *mut IBStream) -> tresult;
    fn getState(state: *mut IBStream) -> tresult;
});

pass_on!(IEditControllerTrait {
    fn setComponentState(state: *mut IBStream) -> tresult;
    fn setState(state: *mut IBStream) -> tresult;
    fn getState(state: *mut IBStream) -> tresult;
    fn getParameterCount() -> int32;
    fn getParameterInfo(index: int32, info: *mut ParameterInfo) -> tresult;
    fn getParamStringByValue(id: ParamID, value: ParamValue, text: *mut String128) -> tresult;
    fn getParamValueByString(id: ParamID, text: *mut TChar, value: *mut ParamValue) -> tresult;
    fn normalizedParamToPlain(id: ParamID, value: ParamValue) -> ParamValue;
    fn plainParamToNormalized(id: ParamID, value: ParamValue) -> ParamValue;
    fn getParamNormalized(id: ParamID) -> ParamValue;
    fn setParamNormalized(id: ParamID, value: ParamValue) -> tresult;
    fn setComponentHandler(handler: *mut IComponentHandler) -> tresult;
    fn createView(name: FIDString) -> *mut IPlugView;
});

pass_on!(IMidiMappingTrait {
    fn getMidiControllerAssignment(
        bus: int32,
        channel: int16,
        controller: CtrlNumber,
        parameter: *mut ParamID,
    ) -> tresult;
});

pass_on!(INoteExpressionControllerTrait {
    fn getNoteExpressionCount(bus: int32, channel: int16) -> int32;
    fn getNoteExpressionInfo(
        bus: int32,
        channel: int16,
        index: int32,
        info: *mut NoteExpressionTypeInfo,
    ) -> tresult;
    fn getNoteExpressionStringByValue(
        bus: int32,
        channel: int16,
        id: NoteExpressionTypeID,
        value: NoteExpressionValue,
        text: *mut String128,
    ) -> tresult;
    fn getNoteExpressionValueByString(
        bus: int32,
        channel: int16,
        id: NoteExpressionTypeID,
        text: *const TChar,
        value: *mut NoteExpressionValue,
    ) -> tresult;
});

pass_on!(IProcessContextRequirementsTrait {
    fn getProcessContextRequirements() -> uint32;
});

pass_on!(IUnitInfoTrait {
    fn getUnitCount() -> int32;
    fn getUnitInfo(index: int32, info: *mut UnitInfo) -> tresult;
    fn getProgramListCount() -> int32;
    fn getProgramListInfo(index: int32, info: *mut ProgramListInfo) -> tresult;
    fn getProgramName(list: ProgramListID, index: int32, name: *mut String128) -> tresult;
    fn getProgramInfo(
        list: ProgramListID,
        index: int32,
        attribute: CString,
        value: *mut String128,
    ) -> tresult;
    fn hasProgramPitchNames(list: ProgramListID, index: int32) -> tresult;
    fn getProgramPitchName(
        list: ProgramListID,
        index: int32,
        pitch: int16,
        name: *mut String128,
    ) -> tresult;
    fn getSelectedUnit() -> UnitID;
    fn selectUnit(unit: UnitID) -> tresult;
    fn getUnitByBus(
        media: MediaType,
        direction: BusDirection,
        bus: int32,
        channel: int32,
        unit: *mut UnitID,
    ) -> tresult;
    fn setUnitProgramData(list_or_unit: int32, program: int32, data: *mut IBStream) -> tresult;
});

pass_on!(IInfoListenerTrait {
    fn setChannelContextInfos(list: *mut IAttributeList) -> tresult;
});

/// Makes instances of the plugin.
struct Factory(PluginInfo);

impl Class for Factory {
    type Interfaces = (IPluginFactory, IPluginFactory2, IPluginFactory3);
}

impl Factory {
    /// Fills `info` with what `make` tells of class number `index`; there is one.
    ///
    /// # Safety
    /// `info` must be null or writable.
    unsafe fn describe<T>(
        &self,
        index: int32,
        info: *mut T,
        make: fn(&PluginInfo) -> T,
    ) -> tresult {
        if index != 0 || info.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: not null, so it is writable by the caller's promise.
        unsafe { info.write(make(&self.0)) };
        kResultOk
    }
}

impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        // SAFETY: the caller hands in a place for the information.
        unsafe { self.describe(0, info, PluginInfo::create_factory_info) }
    }

    unsafe fn countClasses(&self) -> int32 {
        1
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
        if unsafe { &*class.cast::<[u8; 16]>() } != self.0.cid {
            return kInvalidArgument;
        }
        let component = ComWrapper::new(Component(Wrapper::new()));
        let Some(unknown) = component.as_com_ref::<FUnknown>() else {
            return kInvalidArgument;
        };
        let unknown = unknown.as_ptr();
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
    let factory = ComWrapper::new(Factory(PluginInfo::for_plugin::<Tocco>()));
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
