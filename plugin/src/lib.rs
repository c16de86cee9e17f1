//! Tocco as a VST3 and CLAP plugin: hears how an acoustic guitar is played and says so within
//! 20 ms, in MIDI and in its window, while the sound passes through untouched.
//!
//! ```text
//! audio thread       Tocco::process -> tocco_recognizer::pipeline -> outputs::performance
//! classifier thread  tocco_recognizer::runner, one for each model that is too large for the audio thread
//! service thread     service: loads and frees models, writes the event log
//! OSC thread         osc, if it is on: sends notes, takes commands
//! window             editor: reads meters, counters and status, sets parameters
//! ```
//!
//! The audio thread makes no allocation, takes no lock and calls no system function; whatever it
//! needs arrives through queues and is freed by the service thread.

pub mod body;
pub mod calibration;
mod clap_entry;
pub mod configuration;
pub mod continuity;
mod edits;
mod instance_capture;
mod join;
pub mod last_minute;
mod log_file;
pub mod model;
pub mod multi_output;
pub mod osc;
pub mod outputs;
pub mod params;
pub mod presets;
pub mod repaint_request;
pub mod service;
pub mod shipped;
mod spare_buses;
pub mod state;
pub mod status_summary;
pub mod unsaved;
pub mod velocity_lesson;
pub mod voices;
mod vst3_entry;

#[cfg(feature = "editor")]
pub mod editor;
#[cfg(feature = "standalone")]
pub mod standalone;

use std::sync::Arc;

use nice_plug::prelude::*;
use tocco_dsp::{HopStream, HopStreamError, InputChoice, denormals};
use tocco_recognizer::pipeline::{Pipeline, PipelineError};

use configuration::Configuration;
use osc::Osc;
use outputs::performance::Performance;
use params::ToccoParams;
use service::{Activation, Service, Shared};

/// The plugin.
pub struct Tocco {
    params: Arc<ToccoParams>,
    shared: Arc<Shared>,
    performance: Performance,
    offline: bool,
    // In this order: the pipeline is freed before the thread that served it ends.
    pipeline: Option<Box<Pipeline>>,
    service: Option<Service>,
}

impl Default for Tocco {
    /// As `tocco.toml` has it.
    fn default() -> Self {
        Self::configured(Configuration::find())
    }
}

impl Tocco {
    /// One that begins with what `configuration` says. Reads files.
    #[must_use]
    pub fn configured(mut configuration: Configuration) -> Self {
        let params = Arc::new(ToccoParams::default());
        configuration.apply(&params);
        let shared = Arc::new(Shared::configured(Arc::clone(&params), configuration));
        instance_capture::announce(&shared);
        Self {
            shared,
            params,
            performance: Performance::new(f64::from(tocco_dsp::SAMPLE_RATE)),
            offline: false,
            pipeline: None,
            service: None,
        }
    }

    /// What the plugin shares with its editor and its service thread.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// See [`Plugin::activate`]: whether there is a stream as `buffers` has it, heard or not.
    fn begin(&mut self, buffers: &BufferConfig) -> bool {
        let host_rate = f64::from(buffers.sample_rate);
        let rates = HopStream::MINIMUM_HOST_RATE..=HopStream::MAXIMUM_HOST_RATE;
        let started = if rates.contains(&host_rate) {
            self.start(Activation {
                host_rate,
                max_block: buffers.max_buffer_size as usize,
                offline: buffers.process_mode == ProcessMode::Offline,
            })
        } else {
            // What it heard at another rate.
            self.pipeline = None;
            Err(PipelineError::from(HopStreamError::HostRate { found: host_rate }).into())
        };
        // At a rate that there can be, the sound passes through unheard.
        let unheard = is_possible_rate(host_rate)
            && matches!(
                started,
                Err(service::ActivationError::Pipeline(PipelineError::Stream(_)))
            );
        let error = started.err().map(|error| match unheard {
            true => format!("{error}. Until then the sound passes through unheard."),
            false => error.to_string(),
        });
        if let Some(error) = &error {
            nice_error!("Tocco does not listen: {error}");
        }
        let running = error.is_none();
        self.shared.status().activation_error = error;
        self.shared.tell_outputs();
        running || unheard
    }

    /// See [`Plugin::process`]; voices go to `buses`, if there are any: see
    /// [`Performance::mix_with_buses`]. `send` gives an event to the host, and says whether it took it.
    /// Real-time safe as far as `send` is.
    fn listen(
        &mut self,
        buffer: &mut Buffer,
        buses: &mut [Buffer<'_>],
        mut send: impl FnMut(NoteEvent<()>) -> bool,
    ) -> ProcessStatus {
        let Self {
            params,
            shared,
            performance,
            offline,
            pipeline,
            service,
        } = self;
        performance.set_voice_levels(params);
        let Some(pipeline) = pipeline else {
            // Nothing else ends the notes that began at another rate.
            performance.end_notes(buffer.samples(), &mut send);
            return ProcessStatus::Normal;
        };
        shared.attend_teach();
        // In a bounce a changed model is loaded before the next sample. `offline` is what the host
        // said at this activation, in both formats (see `vst3_entry`). In a bounce that the host did
        // not announce the pipeline waits, as far as it is ahead: in real time nothing waits.
        if *offline && let Some(service) = service {
            service.settle();
        }
        let is_settled = || *offline || shared.is_settled();
        let settings = params.settings();
        let mut block = performance.begin_block(params, shared);
        // Until all is heard the buffer is read and nothing else.
        let channels = buffer.as_slice_immutable();
        let sides = heard(channels, settings.input);
        pipeline.process_when(channels, &settings, is_settled, |result, offset| {
            block.hear(result, offset, sides, &mut send);
        });
        // The pipeline flushes them while it listens; what follows listens, too.
        denormals::flush(|| block.end(sides, buffer.samples(), &mut send));
        // As delivered the output is the input.
        denormals::flush(|| performance.mix_with_buses(params, shared, buffer.as_slice(), buses));
        // Silence tells us nothing new, but results may be on their way and notes may have to end.
        ProcessStatus::KeepAlive
    }

    fn start(&mut self, activation: Activation) -> Result<(), service::ActivationError> {
        self.shared.continuity.begin();
        let performance = &mut self.performance;
        performance.restart(activation.host_rate);
        let exchange = &self.shared.bank_exchange;
        exchange.open(activation.host_rate, performance.bank_rate());
        let failed = (self.shared.status().failed).contains_key(&service::Action::OpenOsc);
        // What was not to be had may be now; a socket of its own is in nobody's way when it is gone.
        if failed {
            performance.osc = None;
        }
        if performance.osc.is_none() {
            let (osc, errors) = Osc::start(self.shared.configuration.osc, &self.shared);
            performance.osc = osc;
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let outcome = match errors.is_empty() {
                true => Ok(()),
                false => Err(errors.join("; ")),
            };
            self.shared.tell(service::Action::OpenOsc, outcome);
        }
        let service = match self.service.take() {
            Some(service) => service,
            None => Service::start(Arc::clone(&self.shared))?,
        };
        match service.activate(activation, self.pipeline.take()) {
            // It has ended, or hangs: the next start gets another one.
            Err(error @ service::ActivationError::Service(_)) => return Err(error),
            Err(error) => {
                self.service = Some(service);
                return Err(error);
            }
            Ok(mut pipeline) => {
                // The player is the same, but a bounce gives the same notes every time.
                if activation.offline {
                    pipeline.forget_player();
                }
                self.service = Some(service);
                self.pipeline = Some(pipeline);
            }
        }
        self.performance.reset(&self.params);
        self.offline = activation.offline;
        Ok(())
    }
}

/// Whether there can be a stream of `host_rate` Hz, in the framework's precision. At one that Tocco
/// does not listen at the sound passes through unheard; any other is refused.
fn is_possible_rate(host_rate: f64) -> bool {
    let host_rate = host_rate as f32;
    host_rate.is_finite() && host_rate > 0.0
}

/// The channels that `input` hears: who sings on the other side neither keeps a note alive nor is its
/// brightness. Which side is followed automatically only the stream knows: then it is both. Real-time
/// safe.
fn heard<C>(channels: &[C], input: InputChoice) -> &[C] {
    match (input, channels) {
        (InputChoice::Left, [left, _]) => std::slice::from_ref(left),
        (InputChoice::Right, [_, right]) => std::slice::from_ref(right),
        _ => channels,
    }
}

impl Plugin for Tocco {
    const NAME: &'static str = "Tocco";
    const VENDOR: &'static str = "Tocco";
    // Reserved names (RFC 2606), until the project has a page and an address of its own.
    const URL: &'static str = "https://tocco.example";
    const EMAIL: &'static str = "maintainers@tocco.example";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[
        AudioIOLayout {
            main_input_channels: NonZeroU32::new(2),
            main_output_channels: NonZeroU32::new(2),
            ..AudioIOLayout::const_default()
        },
        AudioIOLayout {
            main_input_channels: NonZeroU32::new(1),
            main_output_channels: NonZeroU32::new(1),
            ..AudioIOLayout::const_default()
        },
    ];

    const MIDI_OUTPUT: MidiConfig = MidiConfig::MidiCCs;

    #[cfg(feature = "editor")]
    type Editor = editor::ToccoEditor;
    #[cfg(not(feature = "editor"))]
    type Editor = ();
    type SysExMessage = ();
    type BackgroundTask = ();

    fn setup_logger() -> Option<bool> {
        log_file::set_up(Configuration::find().log.as_deref()?)
    }

    fn params(&self) -> Arc<dyn Params> {
        Arc::clone(&self.params) as Arc<dyn Params>
    }

    #[cfg(feature = "editor")]
    fn editor(&mut self, _executor: AsyncExecutor<Self>) -> Option<Self::Editor> {
        editor::create(Arc::clone(&self.shared))
    }

    fn activate(
        &mut self,
        _layout: &AudioIOLayout,
        buffers: &BufferConfig,
        _context: &mut impl ActivateContext<Self>,
    ) -> bool {
        self.begin(buffers)
    }

    fn reset(&mut self) {
        // The framework resets at every start.
        if self.shared.continuity.is_starting() {
            return;
        }
        self.shared.continuity.begin();
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.reset();
            if self.offline {
                pipeline.forget_player();
            }
        }
        self.performance.reset(&self.params);
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        _aux: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        self.listen(buffer, &mut [], |event| {
            context.try_send_event(event).is_ok()
        })
    }

    fn deactivate(&mut self) {
        if let Some(service) = &self.service {
            service.flush();
        }
    }
}

impl ClapPlugin for Tocco {
    const CLAP_ID: &'static str = "org.tocco.tocco";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("Hears how an acoustic guitar is played and says so within 20 ms");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::AudioEffect,
        ClapFeature::NoteDetector,
        ClapFeature::Analyzer,
        ClapFeature::Mono,
        ClapFeature::Stereo,
    ];
}

impl Vst3Plugin for Tocco {
    const VST3_CLASS_ID: [u8; 16] = *b"ToccoGuitarTouch";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] =
        &[Vst3SubCategory::Fx, Vst3SubCategory::Analyzer];
}
