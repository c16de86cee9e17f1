//! A small VST3 host in this process, on the bindings of the crate `vst3`.
#![expect(
    non_upper_case_globals,
    reason = "the constants keep the names they have in the VST3 headers"
)]

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};
use std::path::Path;
use std::ptr::{addr_of_mut, null_mut};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use libloading::Library;
use vst3::Steinberg::IBStream_::IStreamSeekMode_::{kIBSeekCur, kIBSeekEnd, kIBSeekSet};
use vst3::Steinberg::Vst::BusDirections_::{kInput, kOutput};
use vst3::Steinberg::Vst::Event_::EventTypes_::{kNoteOffEvent, kNoteOnEvent, kPolyPressureEvent};
use vst3::Steinberg::Vst::MediaTypes_::{kAudio, kEvent};
use vst3::Steinberg::Vst::ProcessModes_::{kOffline, kRealtime};
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, Event, IAudioProcessor, IAudioProcessorTrait,
    IComponent, IComponentTrait, IEditController, IEditControllerTrait, IEventList,
    IEventListTrait, ParameterInfo, ProcessData, ProcessSetup, SpeakerArr, SpeakerArrangement,
    String128,
};
use vst3::Steinberg::{
    IBStream, IBStreamTrait, IPluginBaseTrait, IPluginFactory, IPluginFactoryTrait, PClassInfo,
    TUID, int32, int64, kInvalidArgument, kResultFalse, kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComWrapper, Interface};

use crate::plugin_host::{MidiMessage, MidiOut, Parameter, PluginHost, PluginStream, StreamFormat};

/// More events than a block of the largest size can bring: room is made before the stream runs.
const EVENT_CAPACITY: usize = 4096;

/// The category under which a factory lists what processes audio.
const AUDIO_EFFECT: &str = "Audio Module Class";

/// The shared library inside the bundle; unloaded when the last stream and host are gone.
struct Module {
    library: Library,
}

impl Module {
    fn load(bundle: &Path) -> Result<Self> {
        let name = bundle
            .file_stem()
            .context("a VST3 bundle needs a name")?
            .to_string_lossy();
        let file = bundle.join(format!(
            "Contents/{}-linux/{name}.so",
            std::env::consts::ARCH
        ));
        // SAFETY: this runs the library's initialisers; the host is only ever pointed at plugin
        // bundles, whose entry is sound by the VST3 contract.
        let library = unsafe { Library::new(&file) }
            .with_context(|| format!("{} does not load", file.display()))?;
        // SAFETY: the signature of `ModuleEntry` on Linux, as the VST3 SDK documents it.
        let entered = unsafe {
            let entry: libloading::Symbol<unsafe extern "system" fn(*mut c_void) -> bool> = library
                .get(b"ModuleEntry")
                .with_context(|| format!("{} has no ModuleEntry", file.display()))?;
            // The argument is the library's handle, which our plugins do not use.
            entry(null_mut())
        };
        ensure!(entered, "{}: ModuleEntry reports a failure", file.display());
        Ok(Self { library })
    }

    fn factory(&self) -> Result<ComPtr<IPluginFactory>> {
        // SAFETY: the signature of `GetPluginFactory`; it hands over one reference.
        unsafe {
            let get: libloading::Symbol<unsafe extern "system" fn() -> *mut IPluginFactory> = self
                .library
                .get(b"GetPluginFactory")
                .context("the module has no GetPluginFactory")?;
            ComPtr::from_raw(get()).context("the module has no factory")
        }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: the signature of `ModuleExit`; every object of the module is gone, because each
        // holds the module alive.
        unsafe {
            if let Ok(exit) = self
                .library
                .get::<unsafe extern "system" fn() -> bool>(b"ModuleExit")
            {
                exit();
            }
        }
    }
}

/// A plugin instance loaded from a `.vst3` bundle.
pub struct Vst3Host {
    // Before `module`: fields are dropped in this order, and the module must outlive its objects.
    controller: ComPtr<IEditController>,
    component: ComPtr<IComponent>,
    active: bool,
    module: Arc<Module>,
}

/// The running side of a [`Vst3Host`].
pub struct Vst3Stream {
    processor: ComPtr<IAudioProcessor>,
    input: Vec<Vec<f32>>,
    output: Vec<Vec<f32>>,
    input_pointers: Vec<*mut f32>,
    output_pointers: Vec<*mut f32>,
    events: ComWrapper<EventList>,
    midi: Vec<MidiOut>,
    mode: int32,
    position: u64,
    _module: Arc<Module>,
}

// SAFETY: VST3 lets `process` run on any one thread while the component is active; the pointers
// refer to the vectors beside them and are written anew before each use.
unsafe impl Send for Vst3Stream {}

impl PluginHost for Vst3Host {
    type Stream = Vst3Stream;

    fn load(path: &Path) -> Result<Self> {
        let module = Arc::new(Module::load(path)?);
        let factory = module.factory()?;
        let class = audio_class(&factory)
            .with_context(|| format!("{} holds no audio effect", path.display()))?;
        let component: ComPtr<IComponent> = create(&factory, &class)?;
        // SAFETY: a fresh component is initialised once, here; a host context is optional.
        unsafe { check(component.initialize(null_mut()), "IComponent::initialize")? };
        let controller = match component.cast::<IEditController>() {
            Some(controller) => controller,
            None => bail!(
                "{}: component and controller are separate objects, which this host does not drive",
                path.display()
            ),
        };
        Ok(Self {
            controller,
            component,
            active: false,
            module,
        })
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>> {
        // SAFETY: called on the main thread with indices below the count and a live structure.
        unsafe {
            (0..self.controller.getParameterCount())
                .map(|index| {
                    let mut info: ParameterInfo = std::mem::zeroed();
                    check(
                        self.controller.getParameterInfo(index, &mut info),
                        "IEditController::getParameterInfo",
                    )?;
                    Ok(Parameter {
                        id: info.id,
                        name: text_of(&info.title),
                        minimum: 0.0,
                        maximum: f64::from(info.stepCount.max(1)),
                        stepped: info.stepCount > 0,
                    })
                })
                .collect()
        }
    }

    fn value_to_text(&mut self, parameter: &Parameter, value: f64) -> Result<String> {
        let mut text: String128 = [0; 128];
        // SAFETY: main thread; `text` is the array the call writes to.
        unsafe {
            check(
                self.controller.getParamStringByValue(
                    parameter.id,
                    value / parameter.maximum,
                    &mut text,
                ),
                "IEditController::getParamStringByValue",
            )?;
        }
        Ok(text_of(&text))
    }

    fn text_to_value(&mut self, parameter: &Parameter, text: &str) -> Result<f64> {
        let mut utf16: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut value = 0.0;
        // SAFETY: main thread; the text ends with a zero.
        let result = unsafe {
            self.controller.getParamValueByString(
                parameter.id,
                utf16.as_mut_ptr().cast(),
                &mut value,
            )
        };
        check(result, "IEditController::getParamValueByString")
            .with_context(|| format!("parameter '{}' cannot be '{text}'", parameter.name))?;
        Ok(value * parameter.maximum)
    }

    fn value(&mut self, parameter: &Parameter) -> Result<f64> {
        // SAFETY: main thread.
        Ok(unsafe { self.controller.getParamNormalized(parameter.id) } * parameter.maximum)
    }

    fn set_value(&mut self, parameter: &Parameter, value: f64) -> Result<()> {
        ensure!(
            !self.active,
            "parameters are set while the plugin is not active"
        );
        // SAFETY: main thread.
        unsafe {
            check(
                self.controller
                    .setParamNormalized(parameter.id, value / parameter.maximum),
                "IEditController::setParamNormalized",
            )
        }
    }

    fn save_state(&mut self) -> Result<Vec<u8>> {
        let stream = ComWrapper::new(MemoryStream::default());
        let pointer = interface::<_, IBStream>(&stream)?;
        // SAFETY: main thread; the stream outlives the call.
        unsafe { check(self.component.getState(pointer.as_ptr()), "getState")? };
        Ok(stream.bytes.take())
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        let stream = ComWrapper::new(MemoryStream {
            bytes: RefCell::new(state.to_vec()),
            position: Cell::new(0),
        });
        let pointer = interface::<_, IBStream>(&stream)?;
        // SAFETY: main thread; the stream outlives the call.
        unsafe { check(self.component.setState(pointer.as_ptr()), "setState") }
    }

    fn activate(&mut self, format: StreamFormat) -> Result<Vst3Stream> {
        ensure!(!self.active, "the plugin is active already");
        let processor: ComPtr<IAudioProcessor> = self
            .component
            .cast()
            .context("the component does not process audio")?;
        let mut arrangement: SpeakerArrangement = match format.channels {
            1 => SpeakerArr::kMono,
            2 => SpeakerArr::kStereo,
            other => bail!("{other} channels: this host knows 1 and 2"),
        };
        let mut output_arrangement = arrangement;
        let mode = if format.offline { kOffline } else { kRealtime } as int32;
        let mut setup = ProcessSetup {
            processMode: mode,
            symbolicSampleSize: kSample32 as int32,
            maxSamplesPerBlock: int32::try_from(format.max_block)?,
            sampleRate: format.sample_rate,
        };
        // SAFETY: main thread, in the order that the VST3 life cycle asks for.
        unsafe {
            check(
                processor.setBusArrangements(&mut arrangement, 1, &mut output_arrangement, 1),
                "IAudioProcessor::setBusArrangements",
            )?;
            check(
                processor.setupProcessing(&mut setup),
                "IAudioProcessor::setupProcessing",
            )?;
            for (media, direction) in [(kAudio, kInput), (kAudio, kOutput), (kEvent, kOutput)] {
                if self
                    .component
                    .getBusCount(media as int32, direction as int32)
                    > 0
                {
                    check(
                        self.component
                            .activateBus(media as int32, direction as int32, 0, 1),
                        "IComponent::activateBus",
                    )?;
                }
            }
            check(self.component.setActive(1), "IComponent::setActive")?;
            check(processor.setProcessing(1), "IAudioProcessor::setProcessing")?;
        }
        self.active = true;
        let buffers = || vec![vec![0.0; format.max_block]; format.channels];
        Ok(Vst3Stream {
            processor,
            input: buffers(),
            output: buffers(),
            input_pointers: vec![null_mut(); format.channels],
            output_pointers: vec![null_mut(); format.channels],
            events: ComWrapper::new(EventList::default()),
            midi: Vec::with_capacity(EVENT_CAPACITY),
            mode,
            position: 0,
            _module: Arc::clone(&self.module),
        })
    }

    fn deactivate(&mut self, stream: Vst3Stream) {
        // SAFETY: main thread; the stream was made by this component and ends here.
        unsafe {
            stream.processor.setProcessing(0);
            self.component.setActive(0);
        }
        self.active = false;
    }

    // A VST3 plugin asks its host for run-loop callbacks only through an open editor.
    fn idle(&mut self) {}
}

impl Drop for Vst3Host {
    fn drop(&mut self) {
        // SAFETY: initialised once in `load`, terminated once here.
        unsafe {
            self.component.terminate();
        }
    }
}

impl PluginStream for Vst3Stream {
    fn input(&mut self, channel: usize) -> &mut [f32] {
        &mut self.input[channel]
    }

    fn output(&self, channel: usize) -> &[f32] {
        &self.output[channel]
    }

    fn process(&mut self, frames: usize) -> Result<()> {
        let max_block = self.input[0].len();
        ensure!(
            frames <= max_block,
            "{frames} frames, but blocks have at most {max_block}"
        );
        let mut input = bus(&mut self.input, &mut self.input_pointers);
        let mut output = bus(&mut self.output, &mut self.output_pointers);
        self.events.events.borrow_mut().clear();
        let events = self
            .events
            .as_com_ref::<IEventList>()
            .context("the event list has no IEventList")?;
        let mut data = ProcessData {
            processMode: self.mode,
            symbolicSampleSize: kSample32 as int32,
            numSamples: frames as int32,
            numInputs: 1,
            numOutputs: 1,
            inputs: &mut input,
            outputs: &mut output,
            inputParameterChanges: null_mut(),
            outputParameterChanges: null_mut(),
            inputEvents: null_mut(),
            outputEvents: events.as_ptr(),
            processContext: null_mut(),
        };
        // SAFETY: the buffers hold `frames` samples each, as checked above, and everything lives
        // until the call returns.
        let result = unsafe { self.processor.process(&mut data) };
        self.midi.clear();
        for event in self.events.events.borrow().iter() {
            self.midi.extend(midi_out(event, self.position));
        }
        self.position += frames as u64;
        check(result, "IAudioProcessor::process")
    }

    fn midi(&self) -> &[MidiOut] {
        &self.midi
    }

    fn position(&self) -> u64 {
        self.position
    }
}

/// Where the plugin puts the events of one block.
struct EventList {
    events: RefCell<Vec<Event>>,
}

impl Default for EventList {
    fn default() -> Self {
        Self {
            events: RefCell::new(Vec::with_capacity(EVENT_CAPACITY)),
        }
    }
}

impl Class for EventList {
    type Interfaces = (IEventList,);
}

impl IEventListTrait for EventList {
    unsafe fn getEventCount(&self) -> int32 {
        self.events.borrow().len() as int32
    }

    unsafe fn getEvent(&self, index: int32, event: *mut Event) -> tresult {
        match self.events.borrow().get(index as usize) {
            Some(found) => {
                // SAFETY: the caller hands in a place for an event.
                unsafe { event.write(*found) };
                kResultOk
            }
            None => kInvalidArgument,
        }
    }

    unsafe fn addEvent(&self, event: *mut Event) -> tresult {
        let mut events = self.events.borrow_mut();
        if events.len() == events.capacity() {
            return kResultFalse;
        }
        // SAFETY: the caller hands in a valid event.
        events.push(unsafe { event.read() });
        kResultOk
    }
}

/// A state in memory.
#[derive(Default)]
struct MemoryStream {
    bytes: RefCell<Vec<u8>>,
    position: Cell<usize>,
}

impl Class for MemoryStream {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for MemoryStream {
    unsafe fn read(&self, buffer: *mut c_void, wanted: int32, read: *mut int32) -> tresult {
        let bytes = self.bytes.borrow();
        let rest = &bytes[self.position.get().min(bytes.len())..];
        let count = rest.len().min(wanted.max(0) as usize);
        // SAFETY: the caller's buffer holds `wanted` bytes, and `read` is null or writable.
        unsafe {
            std::ptr::copy_nonoverlapping(rest.as_ptr(), buffer.cast(), count);
            if !read.is_null() {
                read.write(count as int32);
            }
        }
        self.position.set(self.position.get() + count);
        kResultOk
    }

    unsafe fn write(&self, buffer: *mut c_void, count: int32, written: *mut int32) -> tresult {
        let mut bytes = self.bytes.borrow_mut();
        // SAFETY: the caller's buffer holds `count` bytes, and `written` is null or writable.
        unsafe {
            let new = std::slice::from_raw_parts(buffer.cast::<u8>(), count.max(0) as usize);
            let position = self.position.get();
            bytes.truncate(position);
            bytes.extend_from_slice(new);
            self.position.set(position + new.len());
            if !written.is_null() {
                written.write(count);
            }
        }
        kResultOk
    }

    unsafe fn seek(&self, offset: int64, mode: int32, result: *mut int64) -> tresult {
        let base = match mode as u32 {
            kIBSeekSet => 0,
            kIBSeekCur => self.position.get() as int64,
            kIBSeekEnd => self.bytes.borrow().len() as int64,
            _ => return kInvalidArgument,
        };
        let Ok(position) = usize::try_from(base + offset) else {
            return kInvalidArgument;
        };
        self.position.set(position);
        if !result.is_null() {
            // SAFETY: not null, so it is the caller's variable.
            unsafe { result.write(position as int64) };
        }
        kResultOk
    }

    unsafe fn tell(&self, position: *mut int64) -> tresult {
        // SAFETY: the caller hands in a variable.
        unsafe { position.write(self.position.get() as int64) };
        kResultOk
    }
}

/// The bus made of `channels`; `pointers` is the room for the addresses.
fn bus(channels: &mut [Vec<f32>], pointers: &mut [*mut f32]) -> AudioBusBuffers {
    for (pointer, channel) in pointers.iter_mut().zip(channels.iter_mut()) {
        *pointer = channel.as_mut_ptr();
    }
    AudioBusBuffers {
        numChannels: pointers.len() as int32,
        silenceFlags: 0,
        __field0: AudioBusBuffers__type0 {
            channelBuffers32: pointers.as_mut_ptr(),
        },
    }
}

/// The message in an event, if it is one about notes; `block_start` in samples.
fn midi_out(event: &Event, block_start: u64) -> Option<MidiOut> {
    // SAFETY: `type` says which member of the union was written.
    let (key, message) = unsafe {
        match u32::from(event.r#type) {
            kNoteOnEvent => (
                event.__field0.noteOn.pitch,
                MidiMessage::NoteOn {
                    velocity: event.__field0.noteOn.velocity,
                    note_id: event.__field0.noteOn.noteId,
                },
            ),
            kNoteOffEvent => (event.__field0.noteOff.pitch, MidiMessage::NoteOff),
            kPolyPressureEvent => (
                event.__field0.polyPressure.pitch,
                MidiMessage::PolyPressure(event.__field0.polyPressure.pressure),
            ),
            _ => return None,
        }
    };
    Some(MidiOut {
        position: block_start + u64::try_from(event.sampleOffset).ok()?,
        key: u8::try_from(key).ok()?,
        message,
    })
}

/// The id of the first class that processes audio.
fn audio_class(factory: &ComPtr<IPluginFactory>) -> Option<TUID> {
    // SAFETY: indices below the count, and a live structure to write to.
    unsafe {
        (0..factory.countClasses()).find_map(|index| {
            let mut info: PClassInfo = std::mem::zeroed();
            (factory.getClassInfo(index, &mut info) == kResultOk
                && category_is(&info.category, AUDIO_EFFECT))
            .then_some(info.cid)
        })
    }
}

fn category_is(category: &[c_char], expected: &str) -> bool {
    category
        .iter()
        .take_while(|c| **c != 0)
        .map(|c| *c as u8)
        .eq(expected.bytes())
}

/// An instance of a class, seen through interface `I`.
fn create<I: Interface>(factory: &ComPtr<IPluginFactory>, class: &TUID) -> Result<ComPtr<I>> {
    let mut object = null_mut();
    // SAFETY: both ids are 16 bytes long, and a returned object carries one reference for us.
    unsafe {
        check(
            factory.createInstance(
                class.as_ptr().cast(),
                I::IID.as_ptr().cast(),
                addr_of_mut!(object),
            ),
            "IPluginFactory::createInstance",
        )?;
        ComPtr::from_raw(object.cast()).context("the factory made nothing")
    }
}

fn interface<'a, C: Class, I: Interface>(object: &'a ComWrapper<C>) -> Result<vst3::ComRef<'a, I>> {
    object
        .as_com_ref()
        .context("an object of this host lacks its interface")
}

fn text_of(text: &String128) -> String {
    let units: Vec<u16> = text.iter().take_while(|c| **c != 0).copied().collect();
    String::from_utf16_lossy(&units)
}

/// Turns anything but `kResultOk` into an error that names the call.
fn check(result: tresult, call: &str) -> Result<()> {
    ensure!(
        result == kResultOk,
        "{call} answers {result} instead of kResultOk"
    );
    Ok(())
}
