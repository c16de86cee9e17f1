//! A small VST3 host in this process, on the bindings of the crate `vst3`.
//!
//! [`Vst3Host`] makes its calls in the order that the format asks for, as DAWs do; [`SushiHost`]
//! makes those of Sushi.

mod component_handler;
mod event_list;
mod memory_stream;
mod parameter_changes;
mod stream;
mod sushi;

use std::ffi::c_char;
use std::path::Path;
use std::ptr::{addr_of_mut, null_mut};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use libloading::Library;
use vst3::Steinberg::Vst::BusDirections_::{kInput, kOutput};
use vst3::Steinberg::Vst::MediaTypes_::{kAudio, kEvent};
use vst3::Steinberg::Vst::ParameterInfo_::ParameterFlags_::{kIsBypass, kIsReadOnly};
use vst3::Steinberg::Vst::ProcessModes_::{kOffline, kRealtime};
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use vst3::Steinberg::Vst::{
    BusInfo, IAudioProcessor, IAudioProcessorTrait, IComponent, IComponentHandler, IComponentTrait,
    IEditController, IEditControllerTrait, ParameterInfo, ProcessSetup, SpeakerArr,
    SpeakerArrangement, String128,
};
use vst3::Steinberg::{
    FUnknown, IBStream, IPluginBaseTrait, IPluginFactory, IPluginFactoryTrait, PClassInfo, int32,
    kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComWrapper, Interface};

use crate::plugin_host::{Parameter, PluginHost, StreamFormat};
use component_handler::ComponentHandler;
use memory_stream::MemoryStream;

pub use stream::Vst3Stream;
pub use sushi::{SushiHost, SushiStream, UID as SUSHI_UID};

/// The category under which a factory lists what processes audio.
const AUDIO_EFFECT: &str = "Audio Module Class";

/// What the folder and the file in a bundle are called, and the entry of the module's end.
#[cfg(not(windows))]
const SYSTEM: &str = "linux";
#[cfg(not(windows))]
const EXTENSION: &str = "so";
#[cfg(not(windows))]
const EXIT: &[u8] = b"ModuleExit";
#[cfg(windows)]
const SYSTEM: &str = "win";
#[cfg(windows)]
const EXTENSION: &str = "vst3";
#[cfg(windows)]
const EXIT: &[u8] = b"ExitDll";

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
            "Contents/{}-{SYSTEM}/{name}.{EXTENSION}",
            std::env::consts::ARCH
        ));
        // SAFETY: this runs the library's initialisers; the host is only ever pointed at plugin
        // bundles, whose entry is sound by the VST3 contract.
        let library = unsafe { Library::new(&file) }
            .with_context(|| format!("{} does not load", file.display()))?;
        let module = Self { library };
        ensure!(
            module.enter()?,
            "{}: its entry reports a failure",
            file.display()
        );
        Ok(module)
    }

    /// Calls the entry of the module, and returns what that says.
    #[cfg(not(windows))]
    fn enter(&self) -> Result<bool> {
        // SAFETY: the signature of `ModuleEntry` on Linux, as the VST3 SDK documents it.
        unsafe {
            let entry: libloading::Symbol<
                unsafe extern "system" fn(*mut std::ffi::c_void) -> bool,
            > = self
                .library
                .get(b"ModuleEntry")
                .context("the module has no ModuleEntry")?;
            // The argument is the library's handle, which our plugins do not use.
            Ok(entry(null_mut()))
        }
    }

    /// Calls the entry of the module, which it may do without, and returns what that says.
    #[cfg(windows)]
    fn enter(&self) -> Result<bool> {
        // SAFETY: the signature of `InitDll` on Windows, as the VST3 SDK documents it.
        unsafe {
            let entry = self
                .library
                .get::<unsafe extern "system" fn() -> bool>(b"InitDll");
            Ok(entry.map_or(true, |entry| entry()))
        }
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
        // SAFETY: the signature of the module's exit; every object of the module is gone, because each
        // holds the module alive.
        unsafe {
            if let Ok(exit) = self
                .library
                .get::<unsafe extern "system" fn() -> bool>(EXIT)
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
    handler: ComWrapper<ComponentHandler>,
    active: bool,
    module: Arc<Module>,
}

impl Vst3Host {
    /// As [`PluginHost::restore_state`], from a stream that reads at most `piece` bytes a call.
    ///
    /// # Errors
    /// If the plugin refuses the state.
    pub fn restore_in_pieces(&mut self, state: &[u8], piece: usize) -> Result<()> {
        self.restore_from(MemoryStream::new(state.to_vec()).in_pieces(piece))
    }

    /// The plugin called `name` of the bundle at `path`.
    ///
    /// # Errors
    /// If the bundle does not load, or has no such plugin.
    pub fn load_named(path: &Path, name: &str) -> Result<Self> {
        let host = Self::instance(path, |info| is(&info.name, name), null_mut())?;
        host.set_component_handler()?;
        Ok(host)
    }

    fn restore_from(&mut self, stream: MemoryStream) -> Result<()> {
        let stream = ComWrapper::new(stream);
        let pointer = interface::<_, IBStream>(&stream)?;
        // SAFETY: main thread; the stream outlives the call.
        unsafe { check(self.component.setState(pointer.as_ptr()), "setState") }
    }

    /// An instance of the first class of the bundle at `path` that `choose` chooses; `context` is
    /// the host's object, or null.
    fn instance(
        path: &Path,
        choose: impl Fn(&PClassInfo) -> bool,
        context: *mut FUnknown,
    ) -> Result<Self> {
        let module = Arc::new(Module::load(path)?);
        let factory = module.factory()?;
        // SAFETY: indices below the count, and a live structure to write to.
        let class = unsafe {
            (0..factory.countClasses()).find_map(|index| {
                let mut info: PClassInfo = std::mem::zeroed();
                (factory.getClassInfo(index, &mut info) == kResultOk && choose(&info))
                    .then_some(info)
            })
        };
        let class = class.with_context(|| format!("{} holds no audio effect", path.display()))?;
        let component: ComPtr<IComponent> = create(&factory, &class)?;
        // SAFETY: a fresh component is initialised once, here; a host context is optional.
        unsafe { check(component.initialize(context), "IComponent::initialize")? };
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
            handler: ComWrapper::new(ComponentHandler),
            active: false,
            module,
        })
    }

    /// Channels of each output: `main` of the main one, which comes first.
    fn output_channels(&self, main: usize) -> Result<Vec<usize>> {
        let (media, direction) = (kAudio as int32, kOutput as int32);
        // SAFETY: main thread; indices below the count, and a live structure to write to.
        unsafe {
            (0..self.component.getBusCount(media, direction))
                .map(|index| {
                    if index == 0 {
                        return Ok(main);
                    }
                    let mut info: BusInfo = std::mem::zeroed();
                    check(
                        (self.component).getBusInfo(media, direction, index, &mut info),
                        "IComponent::getBusInfo",
                    )?;
                    Ok(usize::try_from(info.channelCount)?)
                })
                .collect()
        }
    }

    /// Tells the plugin where to report to.
    fn set_component_handler(&self) -> Result<()> {
        let handler = interface::<_, IComponentHandler>(&self.handler)?;
        // SAFETY: main thread; the plugin takes a reference of its own.
        unsafe {
            check(
                self.controller.setComponentHandler(handler.as_ptr()),
                "IEditController::setComponentHandler",
            )
        }
    }

    /// The plugin's component, for a test that makes its own calls.
    pub fn component(&self) -> &ComPtr<IComponent> {
        &self.component
    }

    /// The plugin's controller, for a test that makes its own calls.
    pub fn controller(&self) -> &ComPtr<IEditController> {
        &self.controller
    }

    /// The plugin's processor, for a test that makes its own calls.
    ///
    /// # Errors
    /// If there is none.
    pub fn processor(&self) -> Result<ComPtr<IAudioProcessor>> {
        self.component
            .cast()
            .context("the component does not process audio")
    }
}

impl PluginHost for Vst3Host {
    type Stream = Vst3Stream;

    fn load(path: &Path) -> Result<Self> {
        let is_effect = |info: &PClassInfo| is(&info.category, AUDIO_EFFECT);
        let host = Self::instance(path, is_effect, null_mut())?;
        host.set_component_handler()?;
        Ok(host)
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
                        output: info.flags & kIsReadOnly as int32 != 0,
                        bypass: info.flags & kIsBypass as int32 != 0,
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
        Ok(stream.take())
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        self.restore_from(MemoryStream::new(state.to_vec()))
    }

    fn activate(&mut self, format: StreamFormat) -> Result<Vst3Stream> {
        ensure!(!self.active, "the plugin is active already");
        let processor = self.processor()?;
        let outputs = self.output_channels(format.channels)?;
        let mut input_arrangement = arrangement(format.channels)?;
        let arrangements = outputs.iter().map(|channels| arrangement(*channels));
        let mut output_arrangements = arrangements.collect::<Result<Vec<_>>>()?;
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
                processor.setBusArrangements(
                    &mut input_arrangement,
                    1,
                    output_arrangements.as_mut_ptr(),
                    int32::try_from(output_arrangements.len())?,
                ),
                "IAudioProcessor::setBusArrangements",
            )?;
            check(
                processor.setupProcessing(&mut setup),
                "IAudioProcessor::setupProcessing",
            )?;
            for (media, direction) in [(kAudio, kInput), (kAudio, kOutput), (kEvent, kOutput)] {
                let (media, direction) = (media as int32, direction as int32);
                for bus in 0..self.component.getBusCount(media, direction) {
                    check(
                        self.component.activateBus(media, direction, bus, 1),
                        "IComponent::activateBus",
                    )?;
                }
            }
            check(self.component.setActive(1), "IComponent::setActive")?;
            check(processor.setProcessing(1), "IAudioProcessor::setProcessing")?;
        }
        self.active = true;
        let module = Arc::clone(&self.module);
        Ok(Vst3Stream::new(processor, format, &outputs, mode, module))
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

/// Whether a fixed array of characters holds `expected`.
fn is(text: &[c_char], expected: &str) -> bool {
    let text = text.iter().take_while(|c| **c != 0);
    text.map(|c| *c as u8).eq(expected.bytes())
}

fn arrangement(channels: usize) -> Result<SpeakerArrangement> {
    Ok(match channels {
        1 => SpeakerArr::kMono,
        2 => SpeakerArr::kStereo,
        other => bail!("{other} channels: this host knows 1 and 2"),
    })
}

/// An instance of a class, seen through interface `I`.
fn create<I: Interface>(factory: &ComPtr<IPluginFactory>, class: &PClassInfo) -> Result<ComPtr<I>> {
    let mut object = null_mut();
    // SAFETY: both ids are 16 bytes long, and a returned object carries one reference for us.
    unsafe {
        check(
            factory.createInstance(
                class.cid.as_ptr().cast(),
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
