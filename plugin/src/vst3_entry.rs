//! The VST3 entry: nice-plug's own, with what hosts expect of it and it does not do.
//!
//! [`Component`] is the framework's object; most calls are passed on as they are. What nice-plug
//! 0.4.2 does otherwise than hosts need:
//!
//! - It keeps, in `setupProcessing`, the process mode of the call *before*. A host that calls it once
//!   for each activation, as they do, would have a bounce run as real time and the real time after
//!   it as a bounce. The call is made twice.
//! - It is not active before it is set up, has no answer to a set-up while it is active, and does not
//!   survive every block: see [`life_cycle`] and [`block`].
//! - Sushi activates the *output* event bus by the call for an input, of which there is none. It gives
//!   up when that is refused.
//! - It ignores what is set on the controller while it processes, and tells the window of a block's
//!   values from the audio thread: see [`controller_values`].
//! - It refuses a state for one bad value in it, and takes one for saved that is not: see [`state_stream`].
//! - It has no output parameters: see [`output_parameters`].
//! - It tells no host that the project differs from what is saved: see
//!   [`unsaved`](crate::unsaved).
//! - It resets the plugin at every start: see [`continuity`](crate::continuity).
//! - It processes nothing where one auxiliary output is missing: see
//!   [`spare_buses`](crate::spare_buses).
//!
//! All of it can go when the framework does it (`docs/upstream.md`).
#![expect(
    non_upper_case_globals,
    reason = "the constants keep the names they have in the VST3 headers"
)]

mod block;
mod controller_values;
mod factory;
mod life_cycle;
mod output_parameters;
mod state_stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::*};

use nice_plug::prelude::Vst3Plugin;
use nice_plug::wrapper::vst3::Wrapper;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::BusDirections_::{kInput, kOutput};
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::ChannelContext::{
    IInfoListener, IInfoListenerTrait,
};
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::IProcessContextRequirements_::Flags_::kNeedContinousTimeSamples;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::MediaTypes_::{kAudio, kEvent};
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::ProcessContext_::StatesAndFlags_::kContTimeValid;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::RestartFlags_::kParamValuesChanged;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, BusDirection, BusInfo, CString, CtrlNumber,
    IAttributeList, IAudioProcessor, IAudioProcessorTrait, IComponent, IComponentHandler,
    IComponentHandler2, IComponentHandler2Trait, IComponentHandlerTrait, IComponentTrait,
    IEditController, IEditControllerTrait, IMidiMapping, IMidiMappingTrait,
    INoteExpressionController, INoteExpressionControllerTrait, IProcessContextRequirements,
    IProcessContextRequirementsTrait, IUnitInfo, IUnitInfoTrait, IoMode, MediaType,
    NoteExpressionTypeID, NoteExpressionTypeInfo, NoteExpressionValue, ParamID, ParamValue,
    ParameterInfo, ProcessData, ProcessSetup, ProgramListID, ProgramListInfo, RoutingInfo,
    SpeakerArrangement, String128, TChar, UnitID, UnitInfo,
};
use nice_plug::wrapper::vst3::vst3::Steinberg::{
    FIDString, FUnknown, IBStream, IPlugView, IPluginBaseTrait, TBool, TUID, int16, int32,
    kInvalidArgument, kNotInitialized, kResultFalse, kResultOk, tresult, uint32,
};
use nice_plug::wrapper::vst3::vst3::{Class, ComPtr, ComRef};

use crate::edits::Edit;
use crate::instance_capture;
use crate::outputs::parameters::{COUNT, OutputParameter};
use crate::service::Shared;
use crate::spare_buses::{MOST_BUSES, SpareBuses};
use block::Verdict;
use controller_values::ControllerValues;
use life_cycle::LifeCycle;

/// The framework's VST3 object for the plugin `P`, and what is added to it.
struct Component<P: Vst3Plugin> {
    wrapper: Wrapper<P>,
    shared: Arc<Shared>,
    life: LifeCycle,
    values: Arc<ControllerValues>,
    spare: SpareBuses,
    /// The auxiliary outputs that the host switched off, one bit for each.
    switched_off: AtomicU32,
}

impl<P: Vst3Plugin> Component<P> {
    /// A new instance; `None` if the framework made none.
    fn new() -> Option<Self> {
        let (wrapper, shared) = instance_capture::capture(Wrapper::<P>::new);
        let shared = shared?;
        // SAFETY: indices below the count, and a live structure to write to.
        let ids = unsafe {
            (0..wrapper.getParameterCount()).map(|index| {
                let mut info: ParameterInfo = std::mem::zeroed();
                wrapper.getParameterInfo(index, &mut info);
                info.id
            })
        };
        let values = Arc::new(ControllerValues::new(Arc::clone(&shared.params), ids));
        let waiting = Arc::clone(&values);
        shared.edits.listen(Some(Box::new(move |parameter, edit| {
            if let Edit::Value(value) = edit {
                waiting.set_edited(parameter, f64::from(value));
            }
        })));
        Some(Self {
            wrapper,
            shared,
            life: LifeCycle::default(),
            values,
            spare: SpareBuses::of::<P>(),
            switched_off: AtomicU32::new(0),
        })
    }

    /// Processes a block that has room for sound, with all auxiliary outputs. Real-time safe as far as
    /// the plugin is.
    ///
    /// # Safety
    /// As the format asks for, and the main output is as it was agreed.
    unsafe fn sound(&self, mut block: ProcessData) -> tresult {
        // SAFETY: the caller's promise. The spare buses are used by one block at a time, as the host's are.
        unsafe {
            let length = block.numSamples as usize;
            let off = self.switched_off.load(Acquire);
            let given = |bus: usize| block::auxiliary(&block, bus, off & (1 << bus) == 0);
            let Some(mut buses) = self.spare.complete(length, given) else {
                block::pass_through(&block);
                block::silence_auxiliaries(&block);
                return kInvalidArgument;
            };
            self.follow_clock(&block);
            let main = *block.outputs;
            let mut outputs = [main; 1 + MOST_BUSES];
            for (output, channels) in outputs.iter_mut().skip(1).zip(buses.channels()) {
                *output = AudioBusBuffers {
                    numChannels: channels.len() as int32,
                    silenceFlags: 0,
                    __field0: AudioBusBuffers__type0 {
                        channelBuffers32: channels.as_mut_ptr(),
                    },
                };
            }
            block.outputs = outputs.as_mut_ptr();
            block.numOutputs = 1 + self.spare.count() as int32;
            let result = self.wrapper.process(&mut block);
            if result == kResultOk {
                buses.add_spare_to(block::channels(&main), length);
            }
            result
        }
    }

    /// Resets the plugin if a new stream begins with `block`, as the host's clock has it. Real-time safe.
    ///
    /// # Safety
    /// The block's context must be null or valid.
    unsafe fn follow_clock(&self, block: &ProcessData) {
        // SAFETY: the caller's promise.
        let context = unsafe { block.processContext.as_ref() };
        let context = context.filter(|context| context.state & kContTimeValid as uint32 != 0);
        let clock = context.map(|context| context.continousTimeSamples);
        let reset = || {
            // The framework's way to reset the plugin.
            // SAFETY: it is between two blocks, and takes any value.
            unsafe { self.wrapper.setProcessing(1) };
        };
        let continuity = &self.shared.continuity;
        continuity.before_block(clock, block.numSamples as u32, reset);
    }
}

/// The host, as far as it wants to be told that the project differs from what is saved.
struct Host(ComPtr<IComponentHandler2>);

// SAFETY: hosts count references atomically. It is called on the main thread and on the window's,
// from which the framework calls the host too.
unsafe impl Send for Host {}

impl Host {
    fn set_dirty(&self) {
        // SAFETY: a live object of the host.
        unsafe { self.0.setDirty(1) };
    }

    fn rescan_values(&self) {
        if let Some(handler) = self.0.cast::<IComponentHandler>() {
            // SAFETY: a live object of the host.
            unsafe { handler.restartComponent(kParamValuesChanged as int32) };
        }
    }
}

impl<P: Vst3Plugin> Class for Component<P> {
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

/// Implements an interface by passing each call on, but for those that are written out.
macro_rules! pass_on {
    ($interface:ident {
        $(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*
        $(.. $($written:tt)*)?
    }) => {
        impl<P: Vst3Plugin> $interface for Component<P> {
            $(unsafe fn $name(&self, $($argument: $type),*) $(-> $result)? {
                // SAFETY: the caller's promise is passed on.
                unsafe { <Wrapper<P> as $interface>::$name(&self.wrapper, $($argument),*) }
            })*
            $($($written)*)?
        }
    };
}

pass_on!(IAudioProcessorTrait {
    fn getBusArrangement(
        direction: BusDirection,
        index: int32,
        arrangement: *mut SpeakerArrangement,
    ) -> tresult;
    fn canProcessSampleSize(size: int32) -> tresult;
    fn getLatencySamples() -> uint32;
    fn getTailSamples() -> uint32;
    ..
    unsafe fn setupProcessing(&self, setup: *mut ProcessSetup) -> tresult {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.set_up(setup) }
    }

    unsafe fn setBusArrangements(
        &self,
        inputs: *mut SpeakerArrangement,
        n_inputs: int32,
        outputs: *mut SpeakerArrangement,
        n_outputs: int32,
    ) -> tresult {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.arrange(inputs, n_inputs, outputs, n_outputs) }
    }

    unsafe fn setProcessing(&self, state: TBool) -> tresult {
        if state == 0 {
            self.values.settle();
        }
        // SAFETY: the caller's promise is passed on.
        let pass_on = || unsafe { self.wrapper.setProcessing(state) };
        match state {
            0 => pass_on(),
            _ => self.shared.continuity.start(pass_on),
        }
    }

    unsafe fn process(&self, data: *mut ProcessData) -> tresult {
        // SAFETY: the caller's promise.
        let Some(block) = (unsafe { data.as_ref() }) else {
            return kInvalidArgument;
        };
        let Some(channels) = self.life.channels() else {
            return kNotInitialized;
        };
        // SAFETY: the caller's promise. What is passed on has the agreed number of channels, none
        // of them null, or no channels at all.
        unsafe {
            if self.values.take_carried(block.inputParameterChanges) {
                self.shared.repaint.note_values();
            }
            block::clear_silence_flags(block);
            let mut block = *block;
            block.inputParameterChanges = std::ptr::null_mut();
            let result = match block::judge(&block, channels) {
                Verdict::Process => self.sound(block),
                Verdict::Silence => {
                    block.numInputs = 0;
                    block::pass_through(&block);
                    self.sound(block)
                }
                Verdict::Flush => {
                    block::silence_auxiliaries(&block);
                    block.numInputs = 0;
                    block.numOutputs = 0;
                    self.wrapper.process(&mut block)
                }
                Verdict::Refuse => {
                    block::pass_through(&block);
                    block::silence_auxiliaries(&block);
                    return kInvalidArgument;
                }
            };
            output_parameters::give_out(&self.shared.outputs, block.outputParameterChanges);
            result
        }
    }
});

pass_on!(IPluginBaseTrait {
    fn initialize(context: *mut FUnknown) -> tresult;
    ..
    unsafe fn terminate(&self) -> tresult {
        self.stop();
        // SAFETY: the caller's promise is passed on.
        unsafe { self.wrapper.terminate() }
    }
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
    ..
    unsafe fn activateBus(
        &self,
        media: MediaType,
        direction: BusDirection,
        index: int32,
        state: TBool,
    ) -> tresult {
        // Sushi means the event output.
        if (media, direction, index) == (kEvent as MediaType, kInput as BusDirection, 0) {
            return kResultOk;
        }
        // SAFETY: the caller's promise is passed on.
        let result = unsafe { self.wrapper.activateBus(media, direction, index, state) };
        let is_output = (media, direction) == (kAudio as MediaType, kOutput as BusDirection);
        // The framework does not keep it. The first one is the main output.
        if result == kResultOk && is_output && index > 0 {
            let bit = 1u32.checked_shl(index as u32 - 1).unwrap_or(0);
            match state {
                0 => self.switched_off.fetch_or(bit, AcqRel),
                _ => self.switched_off.fetch_and(!bit, AcqRel),
            };
        }
        result
    }

    unsafe fn setActive(&self, state: TBool) -> tresult {
        self.shared.params.unsaved.tell();
        self.set_active(state != 0)
    }

    unsafe fn setState(&self, state: *mut IBStream) -> tresult {
        // SAFETY: the caller's promise is passed on.
        let result = unsafe {
            state_stream::with_mended(&self.shared, state, |mended| {
                let set_state = || IComponentTrait::setState(&self.wrapper, mended);
                self.shared.params.requests.unheard(set_state)
            })
        };
        if result == kResultOk {
            self.values.forget_all();
        }
        result
    }

    unsafe fn getState(&self, state: *mut IBStream) -> tresult {
        self.values.settle();
        // SAFETY: the caller's promise is passed on.
        unsafe {
            let get_state = |ours| IComponentTrait::getState(&self.wrapper, ours);
            state_stream::with_saved(state, get_state)
        }
    }
});

pass_on!(IEditControllerTrait {
    fn setComponentState(state: *mut IBStream) -> tresult;
    fn setState(state: *mut IBStream) -> tresult;
    fn getState(state: *mut IBStream) -> tresult;
    fn createView(name: FIDString) -> *mut IPlugView;
    ..
    unsafe fn setComponentHandler(&self, handler: *mut IComponentHandler) -> tresult {
        // SAFETY: null, or an object of the host.
        let second = unsafe { ComRef::from_raw(handler) }.and_then(|handler| handler.cast());
        let messenger = second.map(|handler| {
            let host = Host(handler);
            let shared = Arc::downgrade(&self.shared);
            Box::new(move || {
                let shared = shared.upgrade();
                if shared.is_some_and(|shared| shared.params.unsaved.take_values()) {
                    host.rescan_values();
                }
                host.set_dirty();
            }) as Box<dyn Fn() + Send>
        });
        self.shared.params.unsaved.send_by(messenger);
        // SAFETY: the caller's promise is passed on.
        unsafe { self.wrapper.setComponentHandler(handler) }
    }

    unsafe fn getParameterCount(&self) -> int32 {
        // SAFETY: no promise is needed.
        unsafe { self.wrapper.getParameterCount() + COUNT as int32 }
    }

    unsafe fn getParameterInfo(&self, index: int32, info: *mut ParameterInfo) -> tresult {
        if info.is_null() || index < 0 {
            return kInvalidArgument;
        }
        // SAFETY: the caller's promise is passed on; `info` is the caller's structure.
        unsafe {
            let own = self.wrapper.getParameterCount();
            if index < own {
                return self.wrapper.getParameterInfo(index, info);
            }
            match OutputParameter::all().get((index - own) as usize) {
                Some(parameter) => info.write(output_parameters::info(*parameter)),
                None => return kInvalidArgument,
            }
        }
        kResultOk
    }

    unsafe fn getParamStringByValue(
        &self,
        id: ParamID,
        value: ParamValue,
        text: *mut String128,
    ) -> tresult {
        match OutputParameter::with_id(id) {
            Some(parameter) if !text.is_null() => {
                // SAFETY: not null, so it is the caller's array.
                unsafe { text.write(output_parameters::text(&parameter.text(value))) };
                kResultOk
            }
            // SAFETY: the caller's promise is passed on.
            _ => unsafe { self.wrapper.getParamStringByValue(id, value, text) },
        }
    }

    unsafe fn getParamValueByString(
        &self,
        id: ParamID,
        text: *mut TChar,
        value: *mut ParamValue,
    ) -> tresult {
        match OutputParameter::with_id(id) {
            Some(parameter) if !text.is_null() && !value.is_null() => {
                // SAFETY: not null, so the text ends with a zero and the value is a variable.
                unsafe {
                    let length = (0..128).take_while(|i| *text.add(*i) != 0).count();
                    let units = std::slice::from_raw_parts(text.cast::<u16>(), length);
                    match parameter.value(&String::from_utf16_lossy(units)) {
                        Some(read) => value.write(read),
                        None => return kResultFalse,
                    }
                }
                kResultOk
            }
            _ if value.is_null() => kInvalidArgument,
            _ => {
                let mut read = 0.0;
                // SAFETY: the caller's promise is passed on; the place is not null.
                unsafe {
                    let result = self.wrapper.getParamValueByString(id, text, &mut read);
                    // "nan" is a number to Rust, but no value.
                    if result == kResultOk && !read.is_finite() {
                        return kResultFalse;
                    }
                    if result == kResultOk {
                        value.write(read);
                    }
                    result
                }
            }
        }
    }

    unsafe fn normalizedParamToPlain(&self, id: ParamID, value: ParamValue) -> ParamValue {
        match OutputParameter::with_id(id) {
            Some(parameter) => parameter.plain(value),
            // SAFETY: no promise is needed.
            None => unsafe { self.wrapper.normalizedParamToPlain(id, value) },
        }
    }

    unsafe fn plainParamToNormalized(&self, id: ParamID, value: ParamValue) -> ParamValue {
        match OutputParameter::with_id(id) {
            Some(parameter) => value / parameter.maximum(),
            // SAFETY: no promise is needed.
            None => unsafe { self.wrapper.plainParamToNormalized(id, value) },
        }
    }

    unsafe fn getParamNormalized(&self, id: ParamID) -> ParamValue {
        if let Some(parameter) = OutputParameter::with_id(id) {
            return f64::from(self.shared.outputs.value(parameter));
        }
        let waiting = self.values.get(id);
        // SAFETY: no promise is needed.
        waiting.unwrap_or_else(|| unsafe { self.wrapper.getParamNormalized(id) })
    }

    unsafe fn setParamNormalized(&self, id: ParamID, value: ParamValue) -> tresult {
        // A host tells the controller what the processor gave out; both are one here.
        if OutputParameter::with_id(id).is_some() {
            return kResultOk;
        }
        // SAFETY: no promise is needed.
        let result = unsafe { self.wrapper.setParamNormalized(id, value) };
        // After that, which sets it at once where nothing is processed.
        if !self.values.set(id, value) {
            return kInvalidArgument;
        }
        self.shared.params.unsaved.tell();
        result
    }
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
    ..
    unsafe fn getProcessContextRequirements(&self) -> uint32 {
        // SAFETY: no promise is needed.
        let framework = unsafe { self.wrapper.getProcessContextRequirements() };
        framework | kNeedContinousTimeSamples as uint32
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tocco;
    use nice_plug::wrapper::vst3::vst3::ComWrapper;
    use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::ParameterInfo_::ParameterFlags_::kIsReadOnly;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// A host that counts how often it was told that its project changed, and that values did.
    #[derive(Default)]
    struct Handler(AtomicU32, AtomicU32);

    impl Class for Handler {
        type Interfaces = (IComponentHandler, IComponentHandler2);
    }

    impl IComponentHandlerTrait for Handler {
        unsafe fn beginEdit(&self, _id: ParamID) -> tresult {
            kResultOk
        }

        unsafe fn performEdit(&self, _id: ParamID, _value: ParamValue) -> tresult {
            kResultOk
        }

        unsafe fn endEdit(&self, _id: ParamID) -> tresult {
            kResultOk
        }

        unsafe fn restartComponent(&self, flags: int32) -> tresult {
            let values = flags & kParamValuesChanged as int32 != 0;
            self.1.fetch_add(u32::from(values), Relaxed);
            kResultOk
        }
    }

    impl IComponentHandler2Trait for Handler {
        unsafe fn setDirty(&self, state: TBool) -> tresult {
            self.0.fetch_add(u32::from(state), Relaxed);
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

    #[test]
    fn the_host_is_told_once_of_what_it_cannot_see() {
        let component = Component::<Tocco>::new().unwrap();
        let params = &component.shared.params;
        let handler = ComWrapper::new(Handler::default());
        let told = || handler.0.load(Relaxed);
        let pointer = handler.as_com_ref::<IComponentHandler>().unwrap().as_ptr();
        // SAFETY: a live object, or none.
        unsafe {
            assert_eq!(component.setComponentHandler(pointer), kResultOk);
            component.setActive(0);
            assert_eq!(told(), 0);
            params.choose_package("/home/me/my model".to_owned());
            component.setActive(0);
            component.setActive(0);
            assert_eq!(told(), 1);
            params.save_calibration(params.calibration.changes(), |saved| saved.in_use = false);
            params.unsaved.tell(); // as the window does
            assert_eq!(told(), 2);
            assert_eq!(
                component.setComponentHandler(std::ptr::null_mut()),
                kResultOk
            );
            params.choose_package(String::new());
            component.setActive(0);
            assert_eq!(told(), 2);
        }
    }

    #[test]
    fn a_host_that_asks_for_the_state_is_told_of_what_changed_before() {
        let component = Component::<Tocco>::new().unwrap();
        let handler = ComWrapper::new(Handler::default());
        let pointer = handler.as_com_ref::<IComponentHandler>().unwrap().as_ptr();
        // SAFETY: a live object; a stream that is none is refused.
        unsafe {
            assert_eq!(component.setComponentHandler(pointer), kResultOk);
            component.shared.params.tell_masked(&[true]);
            IComponentTrait::getState(&component, std::ptr::null_mut());
            component.setActive(0);
            component.setComponentHandler(std::ptr::null_mut());
        }
        let told = [&handler.0, &handler.1].map(|count| count.load(Relaxed));
        assert_eq!(told, [1, 1]);
    }

    #[cfg(feature = "editor")]
    #[test]
    fn an_edit_in_the_window_is_saved_before_its_block_comes() {
        use nice_plug::context::PluginApi;
        use nice_plug::context::gui::GuiContext;

        use crate::edits::{self, tests::Framework};

        let component = Component::<Tocco>::new().unwrap();
        let params = &component.shared.params;
        // A host that processes: the framework tells it, and sets nothing.
        let framework = Framework::of(PluginApi::Vst3);
        let window = edits::gui_context(&component.shared, GuiContext::new(framework.clone()));
        let setter = window.param_setter();
        setter.begin_set_parameter(&params.gate);
        setter.set_parameter(&params.gate, 0.25);
        setter.end_set_parameter(&params.gate);
        assert_eq!((framework.edits(), params.gate.value()), (3, 0.0));
        // SAFETY: a stream that is none is refused.
        unsafe { IComponentTrait::getState(&component, std::ptr::null_mut()) };
        assert_eq!(params.gate.value(), 0.25);
    }

    #[test]
    fn a_text_that_is_no_number_is_no_value() {
        let component = Component::<Tocco>::new().unwrap();
        // SAFETY: indices below the count, a text that ends with a zero, and live variables to write to.
        unsafe {
            for index in 0..component.getParameterCount() {
                let mut info: ParameterInfo = std::mem::zeroed();
                component.getParameterInfo(index, &mut info);
                for text in ["nan", "-NaN", "inf", ""] {
                    let mut units: Vec<TChar> = text.encode_utf16().chain([0]).collect();
                    let (text, mut value) = (units.as_mut_ptr(), 0.5);
                    component.getParamValueByString(info.id, text, &mut value);
                    assert!((0.0..=1.0).contains(&value), "parameter {index}: {value}");
                    let nowhere = std::ptr::null_mut();
                    let result = component.getParamValueByString(info.id, text, nowhere);
                    assert_ne!(result, kResultOk);
                }
            }
        }
    }

    #[test]
    fn ids_of_output_parameters_are_nobody_elses() {
        let component = Component::<Tocco>::new().unwrap();
        let mut ids = std::collections::BTreeSet::new();
        // SAFETY: indices below the count, and a live structure to write to.
        unsafe {
            let count = component.getParameterCount();
            for index in 0..count {
                let mut info: ParameterInfo = std::mem::zeroed();
                assert_eq!(component.getParameterInfo(index, &mut info), kResultOk);
                assert!(info.id < 1 << 31, "the upper half is the host's");
                assert!(ids.insert(info.id), "{} is there twice", info.id);
                let is_output = info.flags & kIsReadOnly as int32 != 0;
                assert_eq!(is_output, OutputParameter::with_id(info.id).is_some());
            }
        }
        assert!(ids.len() > COUNT);
    }
}
