//! A small CLAP host in this process, on `clack-host`.

use std::ffi::{CStr, CString};
use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clack_extensions::audio_ports::{AudioPortInfoBuffer, PluginAudioPorts};
use clack_extensions::audio_ports_config::{AudioPortsConfigBuffer, PluginAudioPortsConfig};
#[cfg(windows)]
use clack_extensions::gui::{GuiApiType, GuiConfiguration, PluginGui, Window};
use clack_extensions::params::{ParamInfoBuffer, ParamInfoFlags, PluginParams};
use clack_extensions::render::{PluginRender, RenderMode};
use clack_extensions::state::PluginState;
use clack_host::events::Match;
use clack_host::events::event_types::{NoteExpressionType, ParamValueEvent};
use clack_host::events::spaces::CoreEventSpace;
use clack_host::prelude::*;

use crate::plugin_host::{
    Automated, GivenOutputs, MidiMessage, MidiOut, Parameter, ParameterOut, PluginHost,
    PluginStream, StreamFormat, SwitchedOff,
};

/// More events than a block of the largest size can bring: room is made before the stream runs.
const EVENT_CAPACITY: usize = 4096;

/// What the plugin can call from any thread.
struct Shared {
    callback_requested: AtomicBool,
}

impl SharedHandler<'_> for Shared {
    // This host is never restarted by the plugin, and it is always processing while active.
    fn request_restart(&self) {}
    fn request_process(&self) {}
    fn request_callback(&self) {
        self.callback_requested.store(true, Ordering::Release);
    }
}

/// Ties the handlers together for clack.
struct Handlers;

impl HostHandlers for Handlers {
    type Shared<'a> = Shared;
    type MainThread<'a> = ();
    type AudioProcessor<'a> = ();
}

/// A plugin instance loaded from a `.clap` file.
pub struct ClapHost {
    instance: PluginInstance<Handlers>,
    params: PluginParams,
    state: PluginState,
}

/// The running side of a [`ClapHost`].
pub struct ClapStream {
    processor: StartedPluginAudioProcessor<Handlers>,
    /// `[channels][max_block]`.
    input: Vec<Vec<f32>>,
    /// Of the main output, which comes first, and of the others: `[ports][channels][max_block]`.
    outputs: Vec<Vec<Vec<f32>>>,
    given: GivenOutputs,
    /// Samples of the last block.
    frames: usize,
    input_ports: AudioPorts,
    output_ports: AudioPorts,
    events_in: EventBuffer,
    events_out: EventBuffer,
    midi: Vec<MidiOut>,
    parameters: Vec<ParameterOut>,
    position: u64,
}

impl ClapHost {
    /// The plugin called `name` of the bundle at `path`.
    ///
    /// # Errors
    /// If the bundle does not load, or has no such plugin.
    pub fn load_named(path: &Path, name: &str) -> Result<Self> {
        Self::instance(path, Some(name))
    }

    /// An instance of the first plugin of the bundle at `path`, or of the first one of that `name`.
    fn instance(path: &Path, name: Option<&str>) -> Result<Self> {
        // SAFETY: this runs the library's own initialisation; the host is only ever pointed at
        // plugin bundles, whose entry is sound by the CLAP contract.
        let entry = unsafe { PluginEntry::load(path) }
            .map_err(|e| anyhow!("{} is not a CLAP plugin: {e}", path.display()))?;
        let factory = entry
            .get_plugin_factory()
            .with_context(|| format!("{} has no plugin factory", path.display()))?;
        let is_wanted = |found: Option<&CStr>| {
            name.is_none_or(|name| found.is_some_and(|found| found.to_bytes() == name.as_bytes()))
        };
        let id = factory
            .plugin_descriptors()
            .filter(|descriptor| is_wanted(descriptor.name()))
            .find_map(|descriptor| descriptor.id().map(ToOwned::to_owned))
            .with_context(|| match name {
                Some(name) => format!("{} holds no plugin {name}", path.display()),
                None => format!("{} holds no plugin", path.display()),
            })?;
        let info = HostInfo::new(
            "tocco-bench",
            "Tocco",
            "https://example.invalid",
            env!("CARGO_PKG_VERSION"),
        )?;
        let mut instance = PluginInstance::<Handlers>::new(
            |()| Shared {
                callback_requested: AtomicBool::new(false),
            },
            |_| (),
            &entry,
            &id,
            &info,
        )
        .map_err(|e| anyhow!("{} makes no instance: {e}", path.display()))?;
        let handle = instance.plugin_handle();
        let params = handle
            .get_extension()
            .context("the plugin has no parameters")?;
        let state = handle.get_extension().context("the plugin has no state")?;
        Ok(Self {
            instance,
            params,
            state,
        })
    }

    /// Chooses the plugin's port configuration with that many channels in and out of the main ports.
    /// Returns the channels of each output, the main one first.
    fn select_ports(&mut self, channels: usize) -> Result<Vec<usize>> {
        let handle = self.instance.plugin_handle();
        if let Some(configurations) = handle.get_extension::<PluginAudioPortsConfig>() {
            let mut buffer = AudioPortsConfigBuffer::new();
            for index in 0..configurations.count(&handle) {
                let Some(found) = configurations.get(&handle, index, &mut buffer) else {
                    continue;
                };
                let main_channels = |port: &Option<_>| match port {
                    Some(clack_extensions::audio_ports_config::MainPortInfo {
                        channel_count,
                        ..
                    }) => *channel_count as usize,
                    None => 0,
                };
                if main_channels(&found.main_input) == channels
                    && main_channels(&found.main_output) == channels
                {
                    let id = found.id;
                    configurations.select(&handle, id)?;
                    break;
                }
            }
        }
        let ports: PluginAudioPorts = handle
            .get_extension()
            .context("the plugin has no audio ports")?;
        let mut buffer = AudioPortInfoBuffer::new();
        let mut channels_of = |is_input: bool| -> Vec<usize> {
            (0..ports.count(&handle, is_input))
                .map(|index| {
                    let port = ports.get(&handle, index, is_input, &mut buffer);
                    port.map_or(0, |port| port.channel_count as usize)
                })
                .collect()
        };
        let (inputs, outputs) = (channels_of(true), channels_of(false));
        ensure!(
            inputs == [channels] && outputs.first() == Some(&channels),
            "the plugin offers no configuration with a port of {channels} channel(s) in and a main one out: \
             its ports have {inputs:?} in and {outputs:?} out"
        );
        Ok(outputs)
    }
}

#[cfg(windows)]
impl ClapHost {
    /// Opens the plugin's window inside `parent`, and returns its width and height in pixels.
    ///
    /// # Errors
    /// If the plugin opens none.
    ///
    /// # Safety
    /// `parent` is a window that stays until [`close_window`](Self::close_window).
    pub unsafe fn open_window(&mut self, parent: *mut std::ffi::c_void) -> Result<(u32, u32)> {
        let handle = self.instance.plugin_handle();
        let gui: PluginGui = handle.get_extension().context("the plugin has no window")?;
        let configuration = GuiConfiguration {
            api_type: GuiApiType::WIN32,
            is_floating: false,
        };
        gui.create(&handle, configuration)?;
        let size = gui.get_size(&handle).context("the window has no size")?;
        // SAFETY: the caller's promise.
        unsafe { gui.set_parent(&handle, Window::from_win32_hwnd(parent))? };
        gui.show(&handle)?;
        Ok((size.width, size.height))
    }

    /// Closes the window that [`open_window`](Self::open_window) opened.
    ///
    /// # Errors
    /// If the plugin has none.
    pub fn close_window(&mut self) -> Result<()> {
        let handle = self.instance.plugin_handle();
        let gui: PluginGui = handle.get_extension().context("the plugin has no window")?;
        gui.destroy(&handle);
        Ok(())
    }
}

impl PluginHost for ClapHost {
    type Stream = ClapStream;

    fn load(path: &Path) -> Result<Self> {
        Self::instance(path, None)
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>> {
        let handle = self.instance.plugin_handle();
        let mut buffer = ParamInfoBuffer::new();
        (0..self.params.count(&handle))
            .map(|index| {
                let info = self
                    .params
                    .get_info(&handle, index, &mut buffer)
                    .with_context(|| format!("the plugin does not describe parameter {index}"))?;
                Ok(Parameter {
                    id: info.id.get(),
                    name: String::from_utf8_lossy(info.name).into_owned(),
                    minimum: info.min_value,
                    maximum: info.max_value,
                    stepped: info.flags.contains(ParamInfoFlags::IS_STEPPED),
                    output: info.flags.contains(ParamInfoFlags::IS_READONLY),
                    bypass: info.flags.contains(ParamInfoFlags::IS_BYPASS),
                })
            })
            .collect()
    }

    fn value_to_text(&mut self, parameter: &Parameter, value: f64) -> Result<String> {
        let handle = self.instance.plugin_handle();
        let mut buffer = [0; 256];
        let text = self
            .params
            .value_to_text(&handle, ClapId::new(parameter.id), value, &mut buffer)
            .map_err(|_| anyhow!("parameter '{}' has no text for {value}", parameter.name))?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn text_to_value(&mut self, parameter: &Parameter, text: &str) -> Result<f64> {
        let handle = self.instance.plugin_handle();
        self.params
            .text_to_value(&handle, ClapId::new(parameter.id), &CString::new(text)?)
            .with_context(|| format!("parameter '{}' cannot be '{text}'", parameter.name))
    }

    fn value(&mut self, parameter: &Parameter) -> Result<f64> {
        let handle = self.instance.plugin_handle();
        self.params
            .get_value(&handle, ClapId::new(parameter.id))
            .with_context(|| format!("the plugin does not know parameter '{}'", parameter.name))
    }

    fn set_value(&mut self, parameter: &Parameter, value: f64) -> Result<()> {
        let mut changes = EventBuffer::new();
        changes.push(&ParamValueEvent::new(
            0,
            ClapId::new(parameter.id),
            Pckn::match_all(),
            value,
        ));
        let mut handle = self
            .instance
            .inactive_plugin_handle()
            .context("parameters are set by the stream while the plugin is active")?;
        let mut answer = EventBuffer::new();
        self.params.flush(
            &mut handle,
            &InputEvents::from_buffer(&changes),
            &mut OutputEvents::from_buffer(&mut answer),
        );
        Ok(())
    }

    fn save_state(&mut self) -> Result<Vec<u8>> {
        let handle = self.instance.plugin_handle();
        let mut bytes = Vec::new();
        self.state.save(&handle, &mut bytes)?;
        Ok(bytes)
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        let handle = self.instance.plugin_handle();
        self.state.load(&handle, &mut Cursor::new(state))?;
        Ok(())
    }

    fn activate(&mut self, format: StreamFormat) -> Result<ClapStream> {
        let outputs = self.select_ports(format.channels)?;
        let handle = self.instance.plugin_handle();
        let mode = if format.offline {
            RenderMode::Offline
        } else {
            RenderMode::Realtime
        };
        match handle.get_extension::<PluginRender>() {
            Some(render) => render.set(&handle, mode)?,
            None if format.offline => bail!("the plugin does not know offline rendering"),
            None => {}
        }
        let processor = self
            .instance
            .activate(
                |_, _| (),
                PluginAudioConfiguration {
                    sample_rate: format.sample_rate,
                    min_frames_count: 1,
                    max_frames_count: u32::try_from(format.max_block)?,
                },
            )
            .map_err(|e| anyhow!("the plugin refuses {format:?}: {e}"))?
            .start_processing()
            .map_err(|e| anyhow!("the plugin does not start: {e}"))?;
        let buffers = |channels: usize| vec![vec![0.0; format.max_block]; channels];
        Ok(ClapStream {
            processor,
            input: buffers(format.channels),
            input_ports: AudioPorts::with_capacity(format.channels, 1),
            output_ports: AudioPorts::with_capacity(outputs.iter().sum(), outputs.len()),
            outputs: outputs.into_iter().map(buffers).collect(),
            given: GivenOutputs::All,
            frames: 0,
            events_in: EventBuffer::with_capacity(EVENT_CAPACITY),
            events_out: EventBuffer::with_capacity(EVENT_CAPACITY),
            midi: Vec::with_capacity(EVENT_CAPACITY),
            parameters: Vec::with_capacity(EVENT_CAPACITY),
            position: 0,
        })
    }

    fn deactivate(&mut self, stream: ClapStream) {
        self.instance.deactivate(stream.processor.stop_processing());
    }

    fn idle(&mut self) {
        let requested = self.instance.access_shared_handler(|shared| {
            shared.callback_requested.swap(false, Ordering::AcqRel)
        });
        if requested {
            self.instance.call_on_main_thread_callback();
        }
    }
}

impl Automated for ClapStream {
    fn automate(&mut self, parameter: &Parameter, value: f64) {
        self.events_in.push(&ParamValueEvent::new(
            0,
            ClapId::new(parameter.id),
            Pckn::match_all(),
            value,
        ));
    }

    fn parameters(&self) -> &[ParameterOut] {
        &self.parameters
    }

    fn give_outputs(&mut self, given: GivenOutputs) {
        self.given = given;
    }

    fn is_heard_apart(&self) -> bool {
        self.given.is_heard_apart(&self.outputs, self.frames)
    }
}

impl PluginStream for ClapStream {
    fn input(&mut self, channel: usize) -> &mut [f32] {
        &mut self.input[channel]
    }

    fn output(&self, channel: usize) -> &[f32] {
        &self.outputs[0][channel]
    }

    fn process(&mut self, frames: usize) -> Result<()> {
        let n_given = self.given.count(self.outputs.len());
        let input = self.input_ports.with_input_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_input_only(
                self.input
                    .iter_mut()
                    .map(|channel| InputChannel::variable(&mut channel[..frames])),
            ),
        }]);
        let ports = self.outputs[..n_given].iter_mut().map(|channels| {
            let channels = channels
                .iter_mut()
                .map(move |channel| &mut channel[..frames]);
            AudioPortBuffer {
                latency: 0,
                channels: AudioPortBufferType::f32_output_only(channels),
            }
        });
        let mut output = self.output_ports.with_output_buffers(ports);
        for (index, port) in output.as_raw_buffers().iter_mut().enumerate() {
            match self.given.off(index) {
                Some(SwitchedOff::Null) => port.data32 = std::ptr::null_mut(),
                Some(SwitchedOff::NoChannels) => port.channel_count = 0,
                None => {}
            }
        }
        self.events_out.clear();
        let result = self.processor.process(
            &input,
            &mut output,
            &InputEvents::from_buffer(&self.events_in),
            &mut OutputEvents::from_buffer(&mut self.events_out),
            Some(self.position),
            None,
        );
        self.frames = frames;
        self.events_in.clear();
        self.midi.clear();
        self.parameters.clear();
        let mut before = 0;
        let mut unsorted = false;
        for event in &self.events_out {
            let sent = midi_out(event, self.position);
            self.midi.extend(sent);
            self.parameters.extend(parameter_out(event, self.position));
            unsorted |= event.header().time() < before;
            before = event.header().time();
        }
        ensure!(
            !unsorted,
            "events that are not sorted at sample {}",
            self.position
        );
        self.position += frames as u64;
        result.map_err(|e| anyhow!("the plugin fails at sample {}: {e}", self.position))?;
        Ok(())
    }

    fn midi(&self) -> &[MidiOut] {
        &self.midi
    }

    fn position(&self) -> u64 {
        self.position
    }
}

/// The value in an event, if it is one of a parameter; `block_start` in samples.
fn parameter_out(event: &UnknownEvent, block_start: u64) -> Option<ParameterOut> {
    let CoreEventSpace::ParamValue(value) = event.as_core_event()? else {
        return None;
    };
    Some(ParameterOut {
        position: block_start + u64::from(event.header().time()),
        id: value.param_id()?.get(),
        value: value.value(),
    })
}

/// The message in an event, if it is one about notes; `block_start` in samples.
fn midi_out(event: &UnknownEvent, block_start: u64) -> Option<MidiOut> {
    let specific = |key: Match<u16>| match key {
        Match::Specific(key) => u8::try_from(key).ok(),
        Match::All => None,
    };
    let (channel, key, message) = match event.as_core_event()? {
        CoreEventSpace::NoteOn(on) => (
            specific(on.channel())?,
            specific(on.key())?,
            MidiMessage::NoteOn {
                velocity: on.velocity() as f32,
                note_id: match on.note_id() {
                    Match::Specific(id) => i32::try_from(id).unwrap_or(-1),
                    Match::All => -1,
                },
            },
        ),
        CoreEventSpace::NoteOff(off) => (
            specific(off.channel())?,
            specific(off.key())?,
            MidiMessage::NoteOff,
        ),
        CoreEventSpace::NoteExpression(change)
            if change.expression_type() == Some(NoteExpressionType::Pressure) =>
        {
            (
                specific(change.channel())?,
                specific(change.key())?,
                MidiMessage::PolyPressure(change.value() as f32),
            )
        }
        CoreEventSpace::Midi(raw) => {
            let [status, key, value] = raw.data();
            let message = match (status & 0xf0, value) {
                (0x90, 1..) => MidiMessage::NoteOn {
                    velocity: f32::from(value) / 127.0,
                    note_id: -1,
                },
                (0x80 | 0x90, _) => MidiMessage::NoteOff,
                (0xa0, _) => MidiMessage::PolyPressure(f32::from(value) / 127.0),
                (0xb0, _) => MidiMessage::Controller(value),
                _ => return None,
            };
            (status & 0x0f, key, message)
        }
        _ => return None,
    };
    Some(MidiOut {
        position: block_start + u64::from(event.header().time()),
        channel,
        key,
        message,
    })
}
