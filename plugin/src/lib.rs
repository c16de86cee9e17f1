//! Tocco as a VST3 and CLAP plugin: hears how an acoustic guitar is played and says so within
//! 20 ms, in MIDI and in its window, while the sound passes through untouched.
//!
//! ```text
//! audio thread       Tocco::process -> tocco_recognizer::pipeline -> outputs::midi
//! classifier thread  tocco_recognizer::runner, one for each model that is too large for the audio thread
//! service thread     service: loads and frees models, writes the event log
//! OSC thread         osc, if it is on: sends notes, takes commands
//! window             editor: reads meters, counters and status, sets parameters
//! ```
//!
//! The audio thread makes no allocation, takes no lock and calls no system function; whatever it
//! needs arrives through queues and is freed by the service thread.

pub mod attention;
pub mod calibration;
mod clap_entry;
pub mod condition;
pub mod configuration;
pub mod continuity;
pub mod last_minute;
mod log_file;
pub mod model;
mod newborn;
pub mod osc;
pub mod outputs;
pub mod params;
pub mod presets;
pub mod service;
pub mod shipped;
pub mod state;
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
use tocco_dsp::{HopStream, HopStreamError, denormals};
use tocco_recognizer::counters::add;
use tocco_recognizer::pipeline::{Pipeline, PipelineError};

use configuration::Configuration;
use osc::Osc;
use outputs::brightness::Brightness;
use outputs::control::{Control, ControlSettings};
use outputs::midi::{self, MidiOut};
use outputs::retrigger::{Amendment, Retrigger, Verdict};
use params::ToccoParams;
use service::{Activation, Service, Shared};
use voices::bank::Bank;
use voices::player::Player;

/// The plugin.
pub struct Tocco {
    params: Arc<ToccoParams>,
    shared: Arc<Shared>,
    retrigger: Retrigger,
    midi: MidiOut,
    control: Control,
    brightness: Brightness,
    player: Player,
    bank: Option<Box<Bank>>,
    offline: bool,
    /// Hz.
    host_rate: f64,
    osc: Option<Osc>,
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
        newborn::announce(&shared);
        let host_rate = f64::from(tocco_dsp::SAMPLE_RATE);
        Self {
            shared,
            params,
            retrigger: Retrigger::default(),
            midi: MidiOut::new(host_rate),
            control: Control::new(host_rate),
            brightness: Brightness::new(host_rate),
            player: Player::new(host_rate),
            bank: None,
            offline: false,
            host_rate,
            osc: None,
            pipeline: None,
            service: None,
        }
    }

    /// What the plugin shares with its editor and its service thread.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn start(&mut self, activation: Activation) -> Result<(), service::ActivationError> {
        self.shared.continuity.begin();
        self.bank = self
            .bank
            .take()
            .filter(|bank| bank.rate == activation.host_rate);
        let has = self.bank.as_ref().map(|bank| bank.rate);
        self.shared.workshop.open(activation.host_rate, has);
        if self.osc.is_none() {
            let (osc, errors) = Osc::start(self.shared.configuration.osc, &self.shared);
            self.osc = osc;
            for error in errors {
                self.shared.refuse(error.to_string());
            }
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
        self.retrigger.reset();
        self.midi = MidiOut::new(activation.host_rate);
        self.control = Control::new(activation.host_rate);
        self.brightness = Brightness::new(activation.host_rate);
        self.player = Player::new(activation.host_rate);
        self.set_voice_levels();
        self.player.reset();
        self.offline = activation.offline;
        self.host_rate = activation.host_rate;
        Ok(())
    }
}

impl Tocco {
    /// The levels as they are set, but for a bypass. Real-time safe.
    fn set_voice_levels(&mut self) {
        let (wet, dry) = match self.params.bypass.value() {
            true => (0.0, 1.0),
            false => self.params.voices.levels(),
        };
        self.player.set_levels(wet, dry);
    }
}

/// Moves the controllers up to and including `offset`, and ends the notes that are due meanwhile: a
/// host is told all in the order of time. Real-time safe.
fn move_controllers(
    control: &mut Control,
    midi: &mut MidiOut,
    settings: &ControlSettings,
    offset: usize,
    send: &mut impl FnMut(NoteEvent<()>) -> bool,
) {
    while let Some(step) = control.next_step(offset, settings) {
        midi.end_notes(step, send);
        control.step(step, settings, send);
    }
    midi.end_notes(offset, send);
}

/// Whether there can be a stream of `host_rate` Hz, in the framework's precision. At one that Tocco
/// does not listen at the sound passes through unheard; any other is refused.
fn is_possible_rate(host_rate: f64) -> bool {
    let host_rate = host_rate as f32;
    host_rate.is_finite() && host_rate > 0.0
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
        self.retrigger.reset();
        self.midi.reset();
        self.control.reset();
        self.brightness.reset();
        self.set_voice_levels();
        self.player.reset();
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        _aux: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        self.set_voice_levels();
        let Some(pipeline) = &mut self.pipeline else {
            return ProcessStatus::Normal;
        };
        // In a bounce a changed model is loaded before the next sample. `offline` is what the host
        // said at this activation, in both formats (see `vst3_entry`). In a bounce that the host did
        // not announce the pipeline waits, as far as it is ahead: in real time nothing waits.
        let shared = &self.shared;
        shared.attend_teach();
        if self.offline
            && let Some(service) = &self.service
        {
            service.settle();
        }
        let is_settled = || self.offline || shared.is_settled();
        let settings = self.params.settings();
        let midi_settings = self.params.midi_settings();
        let any_sounding = midi::any_sounding(&midi_settings);
        let control_settings = self.params.control.settings();
        let rules = self.params.rules(self.host_rate);
        let midi_on = self.params.midi.value();
        let correct = self.params.correct.value();
        let bypassed = self.params.bypass.value();
        let (retrigger, midi) = (&mut self.retrigger, &mut self.midi);
        let (control, brightness) = (&mut self.control, &mut self.brightness);
        let (player, techniques) = (&mut self.player, &self.params.techniques.of_class);
        let voices_on = self.params.voices.are_on();
        let controls = midi_on && !bypassed && control_settings.any();
        if bypassed {
            midi.end_all();
        }
        let (outputs, host_rate) = (&shared.outputs, self.host_rate);
        let (suppressed, teaching) = (&shared.suppressed, &shared.gauges.teaching);
        let velocity_lesson = &self.params.requests.velocity;
        let osc = &mut self.osc;
        let mut refused = 0;
        // Until all is heard the buffer is read and nothing else.
        let channels = buffer.as_slice_immutable();
        pipeline.process_when(channels, &settings, is_settled, |result, offset| {
            // It goes on listening, to be there at once when the bypass ends, and says nothing.
            if bypassed {
                return;
            }
            outputs.record(result, offset, host_rate);
            if let Some(osc) = osc {
                osc.tell(result, host_rate);
            }
            if any_sounding {
                midi.hear(channels, offset + 1);
            }
            let mut send = |event| context.try_send_event(event).is_ok();
            if controls {
                let bright = control_settings.brightness().then(|| {
                    brightness.hear_until(channels, offset + 1);
                    brightness.of_last(result.latency())
                });
                move_controllers(control, midi, &control_settings, offset, &mut send);
                control.hear(result, offset, bright, &control_settings);
                // What is not smoothed comes before its note.
                move_controllers(control, midi, &control_settings, offset, &mut send);
            }
            if !result.is_second() {
                if !result.gated {
                    velocity_lesson.hear(result.class, result.note.peak_db);
                }
                if let Some(class) = teaching.class() {
                    velocity_lesson.hear_taught(class, result.note.peak_db);
                }
                if retrigger.first(result, &rules, suppressed) == Verdict::Play {
                    if voices_on && techniques[result.class].voice.value() {
                        let curve = &midi_settings[result.class].curve;
                        let velocity = curve.velocity(result.note.peak_db);
                        player.start(offset, result.class, velocity * velocity);
                    }
                    if midi_on {
                        refused += midi.note(result, offset, &midi_settings, &mut send);
                    }
                }
            } else if correct && midi_on {
                refused += match retrigger.second(result, &rules, suppressed) {
                    Amendment::Nothing => 0,
                    Amendment::Pressures => midi.press(result, offset, &midi_settings, &mut send),
                    Amendment::Play => midi.replace(result, offset, &midi_settings, &mut send),
                };
            }
        });
        let length = buffer.samples();
        // The pipeline flushes them while it listens; what follows listens, too.
        denormals::flush(|| {
            let mut send = |event| context.try_send_event(event).is_ok();
            if any_sounding {
                midi.hear(channels, length);
            }
            if controls {
                if control_settings.brightness() {
                    brightness.hear_until(channels, length);
                }
                if let Some(last) = length.checked_sub(1) {
                    move_controllers(control, midi, &control_settings, last, &mut send);
                }
            }
            control.end_block(length);
            brightness.end_block();
            midi.end_block(length, &mut send);
        });
        if refused > 0 {
            add(&self.shared.gauges.counters.midi_refused, refused);
        }
        // As delivered the output is the input.
        shared.workshop.fetch(&mut self.bank, host_rate);
        if bypassed {
            player.fade_out();
        }
        denormals::flush(|| player.mix(self.bank.as_deref(), buffer.as_slice()));
        // Silence tells us nothing new, but results may be on their way and notes may have to end.
        ProcessStatus::KeepAlive
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
