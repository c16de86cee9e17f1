//! The calls of Sushi (1.2.0, and the same in 0.10.3 to 1.1.0), in its order.
//!
//! Sushi is the host of Elk Audio OS. It has ways of its own: it looks for a class by its name,
//! initialises a single object twice, activates the *output* event bus as an input, sets the bus
//! arrangements after the processing, one direction at a time, always runs in real-time mode, and
//! sets a parameter once on the controller while processing and once more in the next block.
//!
//! Like the other hosts here it is told the parameters before it activates; they are set when Sushi
//! would set them, after that.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use vst3::Steinberg::Vst::BusDirections_::{kInput, kOutput};
use vst3::Steinberg::Vst::BusTypes_::kMain;
use vst3::Steinberg::Vst::ControllerNumbers_::{kAfterTouch, kCtrlModWheel, kPitchBend};
use vst3::Steinberg::Vst::MediaTypes_::{kAudio, kEvent};
use vst3::Steinberg::Vst::ProcessContext_::StatesAndFlags_::kPlaying;
use vst3::Steinberg::Vst::ProcessModes_::kRealtime;
use vst3::Steinberg::Vst::SpeakerArr;
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use vst3::Steinberg::Vst::{
    BusInfo, IAudioProcessorTrait, IComponentTrait, IEditController, IEditControllerTrait,
    IHostApplication, IHostApplicationTrait, IMidiMapping, IMidiMappingTrait, IUnitInfo, ParamID,
    ParamValue, ProcessContext, ProcessSetup, SpeakerArrangement, String128,
};
use vst3::Steinberg::{
    FUnknown, IBStream, IPluginBaseTrait, TUID, int32, kNoInterface, kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComWrapper};

use super::event_list::EventList;
use super::memory_stream::MemoryStream;
use super::parameter_changes::StateChanges;
use super::stream::BlockInput;
use super::{Vst3Host, Vst3Stream, arrangement, check, interface, is};
use crate::plugin_host::{
    Automated, MidiOut, Parameter, ParameterOut, PluginHost, PluginStream, StreamFormat,
};

/// The `uid` in Sushi's configuration: the name of the class.
pub const UID: &str = "Tocco";

/// Events in one of Sushi's lists.
const EVENTS: usize = 256;

/// Sushi, as far as the plugin sees it.
pub struct SushiHost {
    host: Vst3Host,
    /// Parameters and normalised values to be set when the stream runs.
    initial_state: Vec<(ParamID, ParamValue)>,
    /// The plugin holds no reference to it that it does not count.
    _application: ComWrapper<HostApplication>,
}

/// The running side of a [`SushiHost`]. Blocks have the length of the longest, always.
pub struct SushiStream {
    stream: Vst3Stream,
    controller: ComPtr<IEditController>,
    events_in: ComWrapper<EventList>,
    context: ProcessContext,
    /// For the next block.
    state: Vec<(ParamID, ParamValue)>,
    last: Vec<ParameterOut>,
    block: usize,
}

// SAFETY: as for the stream inside; Sushi calls the controller from another thread while it
// processes, which the format allows.
unsafe impl Send for SushiStream {}

/// The host object that the plugin is initialised with.
struct HostApplication;

impl Class for HostApplication {
    type Interfaces = (IHostApplication,);
}

impl IHostApplicationTrait for HostApplication {
    unsafe fn getName(&self, name: *mut String128) -> tresult {
        let mut text: String128 = [0; 128];
        for (place, unit) in text.iter_mut().zip("Sushi".encode_utf16()) {
            *place = unit;
        }
        // SAFETY: the caller hands in a place for the name.
        unsafe { name.write(text) };
        kResultOk
    }

    unsafe fn createInstance(
        &self,
        _class: *mut TUID,
        _interface: *mut TUID,
        _object: *mut *mut std::ffi::c_void,
    ) -> tresult {
        kNoInterface
    }
}

impl SushiHost {
    /// Activates the main audio buses, and the event buses as Sushi does.
    fn set_up_buses(&self) -> Result<()> {
        let component = &self.host.component;
        // SAFETY: main thread, indices below the count, a live structure to write to.
        unsafe {
            let count = |media, direction| component.getBusCount(media, direction);
            for direction in [kInput, kOutput] {
                let (media, direction) = (kAudio as int32, direction as int32);
                let mut info: BusInfo = std::mem::zeroed();
                for index in 0..count(media, direction) {
                    let known = component.getBusInfo(media, direction, index, &mut info);
                    if known == kResultOk && info.busType == kMain as int32 {
                        check(
                            component.activateBus(media, direction, index, 1),
                            "IComponent::activateBus of an audio bus",
                        )?;
                        break;
                    }
                }
            }
            let media = kEvent as int32;
            for direction in [kInput as int32, kOutput as int32] {
                for index in 0..count(media, direction) {
                    // The direction is input in both cases.
                    check(
                        component.activateBus(media, kInput as int32, index, 1),
                        "IComponent::activateBus of an event bus",
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Gives the component's state to the controller.
    fn synchronise(&self) -> Result<()> {
        let stream = ComWrapper::new(MemoryStream::default());
        let pointer = interface::<_, IBStream>(&stream)?;
        // SAFETY: main thread; the stream outlives the calls.
        unsafe {
            check(self.host.component.getState(pointer.as_ptr()), "getState")?;
            stream.rewind();
            check(
                self.host.controller.setComponentState(pointer.as_ptr()),
                "setComponentState",
            )
        }
    }

    /// Asks for controllers that could be mapped to parameters.
    fn query_midi_mapping(&self) {
        let Some(mapping) = self.host.controller.cast::<IMidiMapping>() else {
            return;
        };
        for controller in [kCtrlModWheel, kPitchBend, kAfterTouch] {
            let mut parameter = 0;
            // SAFETY: main thread, a live variable to write to.
            unsafe { mapping.getMidiControllerAssignment(0, 0, controller as i16, &mut parameter) };
        }
    }
}

impl PluginHost for SushiHost {
    type Stream = SushiStream;

    fn load(path: &Path) -> Result<Self> {
        let application = ComWrapper::new(HostApplication);
        let context: *mut FUnknown = interface::<_, FUnknown>(&application)?.as_ptr();
        let host = Vst3Host::instance(path, |info| is(&info.name, UID), context)?;
        // SAFETY: Sushi initialises the controller too, though it is the same object.
        unsafe { check(host.controller.initialize(context), "second initialize")? };
        // Queried and only kept.
        let _ = host.controller.cast::<IUnitInfo>();
        let sushi = Self {
            host,
            initial_state: Vec::new(),
            _application: application,
        };
        sushi.set_up_buses()?;
        sushi.host.set_component_handler()?;
        sushi.synchronise()?;
        Ok(sushi)
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>> {
        self.host.parameters()
    }

    fn value_to_text(&mut self, parameter: &Parameter, value: f64) -> Result<String> {
        self.host.value_to_text(parameter, value)
    }

    fn text_to_value(&mut self, parameter: &Parameter, text: &str) -> Result<f64> {
        self.host.text_to_value(parameter, text)
    }

    fn value(&mut self, parameter: &Parameter) -> Result<f64> {
        self.host.value(parameter)
    }

    fn set_value(&mut self, parameter: &Parameter, value: f64) -> Result<()> {
        self.initial_state
            .push((parameter.id, value / parameter.maximum));
        Ok(())
    }

    fn save_state(&mut self) -> Result<Vec<u8>> {
        self.host.save_state()
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        let stream = ComWrapper::new(MemoryStream::new(state.to_vec()));
        let pointer = interface::<_, IBStream>(&stream)?;
        // SAFETY: main thread; the stream outlives the calls.
        unsafe {
            check(
                self.host.controller.setComponentState(pointer.as_ptr()),
                "setComponentState",
            )?;
            stream.rewind();
            check(self.host.component.setState(pointer.as_ptr()), "setState")
        }
    }

    fn activate(&mut self, format: StreamFormat) -> Result<SushiStream> {
        ensure!(!self.host.active, "the plugin is active already");
        let processor = self.host.processor()?;
        let mode = kRealtime as int32;
        let mut setup = ProcessSetup {
            processMode: mode,
            symbolicSampleSize: kSample32 as int32,
            maxSamplesPerBlock: int32::try_from(format.max_block)?,
            sampleRate: format.sample_rate,
        };
        let channels: SpeakerArrangement = arrangement(format.channels)?;
        // SAFETY: main thread.
        unsafe {
            check(processor.setupProcessing(&mut setup), "setupProcessing")?;
            let parameters = self.host.parameters()?.len();
            ensure!(parameters > 0, "there are no parameters to register");
            self.query_midi_mapping();
            // The track gives the plugin its inputs and then its outputs. Sushi does not mind that
            // half of an arrangement is refused.
            let (mut input, mut none) = (channels, SpeakerArr::kEmpty);
            processor.setBusArrangements(&mut input, 1, &mut none, 1);
            let (mut input, mut output) = (channels, channels);
            check(
                processor.setBusArrangements(&mut input, 1, &mut output, 1),
                "setBusArrangements after setupProcessing",
            )?;
            check(self.host.component.setActive(1), "setActive")?;
            check(processor.setProcessing(1), "setProcessing")?;
        }
        self.host.active = true;
        let state = std::mem::take(&mut self.initial_state);
        for (id, value) in &state {
            // SAFETY: main thread.
            let set = unsafe { self.host.controller.setParamNormalized(*id, *value) };
            check(set, "setParamNormalized while processing")?;
        }
        let module = Arc::clone(&self.host.module);
        Ok(SushiStream {
            stream: Vst3Stream::new(processor, format, &[format.channels], mode, module)
                .with_event_capacity(EVENTS),
            controller: self.host.controller.clone(),
            events_in: ComWrapper::new(EventList::new(EVENTS)),
            // SAFETY: plain numbers, of which none is the state that says nothing is valid.
            context: ProcessContext {
                sampleRate: format.sample_rate,
                tempo: 120.0,
                timeSigNumerator: 4,
                timeSigDenominator: 4,
                ..unsafe { std::mem::zeroed() }
            },
            state,
            last: Vec::with_capacity(EVENTS),
            block: format.max_block,
        })
    }

    fn deactivate(&mut self, stream: SushiStream) {
        self.host.deactivate(stream.stream);
    }

    fn idle(&mut self) {}
}

impl Automated for SushiStream {
    fn automate(&mut self, parameter: &Parameter, value: f64) {
        let value = value / parameter.maximum;
        // SAFETY: allowed at any time. Sushi does not look at the answer.
        unsafe { self.controller.setParamNormalized(parameter.id, value) };
        self.state.push((parameter.id, value));
    }

    /// The last value of each parameter: Sushi passes no other on.
    fn parameters(&self) -> &[ParameterOut] {
        &self.last
    }
}

impl PluginStream for SushiStream {
    fn input(&mut self, channel: usize) -> &mut [f32] {
        self.stream.input(channel)
    }

    fn output(&self, channel: usize) -> &[f32] {
        self.stream.output(channel)
    }

    fn process(&mut self, frames: usize) -> Result<()> {
        ensure!(
            frames == self.block,
            "Sushi has blocks of {} samples, not of {frames}",
            self.block
        );
        let position = self.stream.position() as i64;
        // These constants are signed on Windows.
        #[allow(clippy::unnecessary_cast)]
        let playing = kPlaying as u32;
        self.context.state = playing;
        self.context.projectTimeSamples = position;
        self.context.continousTimeSamples = position;
        let state = std::mem::take(&mut self.state);
        let state = (!state.is_empty()).then(|| ComWrapper::new(StateChanges::new(state)));
        let changes = match &state {
            Some(state) => Some(interface(state)?),
            None => None,
        };
        let block = BlockInput {
            changes,
            events: Some(interface(&self.events_in)?),
            context: Some(&mut self.context),
        };
        self.stream.process_with(frames, block)?;
        // What changed is told to the controller too, from a thread that is not the audio thread.
        let (controller, last) = (&self.controller, &mut self.last);
        last.clear();
        let position = self.stream.position();
        let mut refused = None;
        self.stream.changes_out.for_each_last(|id, value| {
            last.push(ParameterOut {
                position,
                id,
                value,
            });
            // SAFETY: allowed at any time.
            if unsafe { controller.setParamNormalized(id, value) } != kResultOk {
                refused = Some(id);
            }
        });
        ensure!(
            refused.is_none(),
            "the controller refuses output parameter {refused:?}"
        );
        Ok(())
    }

    fn midi(&self) -> &[MidiOut] {
        self.stream.midi()
    }

    fn position(&self) -> u64 {
        self.stream.position()
    }
}
