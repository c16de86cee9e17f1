//! The parameters: everything the host sees, automates and saves.

pub mod body;
mod choices;
pub mod control;
mod saved_path;
pub mod technique;
pub mod voices;

use std::path::PathBuf;
use std::sync::Arc;

use nice_plug::params::persist::PersistentField;
use nice_plug::prelude::*;
use tocco_dsp::OnsetConfig;

use crate::calibration::{CalibrationState, Requests, Saved};
use crate::model::{ModelSource, Selection};
use crate::outputs::midi::{ClassMidi, MidiSettings};
use crate::outputs::retrigger::Rules;
use crate::outputs::velocity::{Curve, HARDEST_DB, SOFTEST_DB};
use crate::unsaved::UnsavedChanges;
use crate::velocity_lesson::{Ends, Learnt, Step};
pub use choices::{EngineChoice, InputSide, ModelChoice, TeachChoice};
use control::ControlParams;
pub use saved_path::SavedPath;
use technique::{LOWEST_DB, Techniques};
use tocco_recognizer::classification::MAX_CLASSES;
use tocco_recognizer::pipeline::Settings;
use tocco_recognizer::rejection::DEFAULT_STRICTNESS;
use voices::VoiceParams;

/// All parameters.
#[derive(Params)]
pub struct ToccoParams {
    /// Folder of the user's own model.
    #[persist = "user-package"]
    pub user_package: SavedPath,
    /// Folder of the user's own sounds, or an SFZ file.
    #[persist = "sounds"]
    pub sounds: SavedPath,
    /// What the models were taught.
    #[persist = "calibration"]
    pub calibration: CalibrationState,
    /// Whether the plugin gives out nothing but the sound. The hosts' own switch.
    #[id = "bypass"]
    pub bypass: BoolParam,
    /// The engine.
    #[id = "engine"]
    pub engine: EnumParam<EngineChoice>,
    /// The model.
    #[id = "model"]
    pub model: EnumParam<ModelChoice>,
    /// What is heard of a stereo track.
    #[id = "input"]
    pub input: EnumParam<InputSide>,
    /// Sensitivity of the onset detector, percent: see [`onset_config`].
    #[id = "sensitivity"]
    pub sensitivity: FloatParam,
    /// Shortest time between two onsets, milliseconds.
    #[id = "interonset"]
    pub minimum_inter_onset: FloatParam,
    /// Least probability for a note to make MIDI, 0 to 1.
    #[id = "gate"]
    pub gate: FloatParam,
    /// How strictly onsets are rejected that are no notes: from 0, not at all, to 1.
    #[id = "foreign"]
    pub strictness: FloatParam,
    /// Whether MIDI is given out.
    #[id = "midi"]
    pub midi: BoolParam,
    /// Whether a second network amends the answers of a model that names one.
    #[id = "second"]
    pub second: BoolParam,
    /// Whether an amended answer corrects the MIDI of the first.
    #[id = "correct"]
    pub correct: BoolParam,
    /// Whether the networks learn their player by listening.
    #[id = "adapt"]
    pub adapt: BoolParam,
    /// Level of the softest velocity, dB full scale.
    #[id = "soft-end"]
    pub soft_end: FloatParam,
    /// Level of the hardest velocity, dB full scale.
    #[id = "hard-end"]
    pub hard_end: FloatParam,
    /// How the velocity is bent between its ends: see [`Curve::bend`].
    #[id = "velocity-curve"]
    pub velocity_curve: FloatParam,
    /// Leads through the lesson of the velocity. It acts when it changes: see
    /// [`velocity_lesson`](crate::velocity_lesson).
    #[id = "velocity-lesson"]
    pub velocity_lesson: EnumParam<Step>,
    /// Whether that lesson gives techniques ends of their own.
    #[id = "velocity-by-technique"]
    pub velocity_by_technique: BoolParam,
    /// Time from a note in which one of another technique is not played, milliseconds.
    #[id = "cross"]
    pub cross_fire: IntParam,
    /// What every note is an example of. It asks for a lesson when it changes, and says nothing of
    /// how that goes: see [`requests`](Self::requests).
    #[id = "teach"]
    pub teach: EnumParam<TeachChoice>,
    /// Forgets the last example when it rises.
    #[id = "undo"]
    pub undo: BoolParam,
    /// Forgets all examples when it rises.
    #[id = "forget"]
    pub forget_all: BoolParam,
    /// Saves the map as a preset when it rises.
    #[id = "save-preset"]
    pub save_preset: BoolParam,
    /// Saves the notes of the last minute as a MIDI file when it rises.
    #[id = "save-minute"]
    pub save_minute: BoolParam,
    /// Whether each decision makes a spike in the sound: see [`spike`](crate::outputs::spike).
    #[id = "spike"]
    pub spike: BoolParam,
    /// Controllers.
    #[nested(group = "Continuous control")]
    pub control: ControlParams,
    /// Voices.
    #[nested(group = "Voices")]
    pub voices: VoiceParams,
    /// What is set for each technique by itself.
    #[nested]
    pub techniques: Techniques,
    /// What the host asked of the lesson by these.
    pub requests: Arc<Requests>,
    /// What changed without the host's knowledge: see [`choose_package`](Self::choose_package).
    pub unsaved: UnsavedChanges,
}

/// Sensitivity at which the model's way to find onsets is set as it was made, percent.
pub const DEFAULT_SENSITIVITY: f32 = 50.0;

/// Onset settings at `sensitivity` percent: every 25 points halve the threshold and lower the
/// silence level by 10 dB. With the paper's method 50 % is its 1.21 and -53 dB; 0 % is 4.84 and
/// -33 dB, 100 % is 0.30 and -73 dB.
///
/// Real-time safe.
#[must_use]
pub fn onset_config(sensitivity: f32, minimum_inter_onset_ms: f32) -> OnsetConfig {
    let steps = (sensitivity - DEFAULT_SENSITIVITY) / 25.0;
    OnsetConfig {
        threshold_factor: (-steps).exp2(),
        silence_offset_db: -10.0 * steps,
        minimum_inter_onset_ms,
        second_look: true,
    }
}

/// Longest window of cross hits, milliseconds.
const LONGEST_CROSS_MS: i32 = 100;

/// A level, dB full scale.
fn level(name: &str, default: f32, min: f32, max: f32) -> FloatParam {
    FloatParam::new(name, default, FloatRange::Linear { min, max })
        .with_unit(" dB")
        .with_value_to_string(formatters::v2s_f32_rounded(1))
}

/// A time of up to `most` whole milliseconds. The unit is in the text, so that every format has it.
fn milliseconds(name: &str, default: i32, most: i32) -> IntParam {
    IntParam::new(name, default, IntRange::Linear { min: 0, max: most })
        .with_value_to_string(Arc::new(|ms| format!("{ms} ms")))
        .with_string_to_value(Arc::new(milliseconds_of_text))
}

fn milliseconds_of_text(text: &str) -> Option<i32> {
    let text = text.trim();
    text.strip_suffix("ms").unwrap_or(text).trim().parse().ok()
}

/// A share from text: `0.5`, or `50 %`.
fn share_of_text(text: &str) -> Option<f32> {
    match text.trim().strip_suffix('%') {
        Some(percent) => Some(percent.trim().parse::<f32>().ok()? / 100.0),
        None => text.trim().parse().ok(),
    }
}

/// Nothing is rejected at 0, and that is said in a word.
fn text_of_strictness(strictness: f32) -> String {
    if strictness > 0.0 {
        format!("{strictness:.2}")
    } else {
        "off".to_owned()
    }
}

fn strictness_of_text(text: &str) -> Option<f32> {
    if text.trim().eq_ignore_ascii_case("off") {
        return Some(0.0);
    }
    share_of_text(text)
}

impl Default for ToccoParams {
    fn default() -> Self {
        let percent = FloatRange::Linear {
            min: 0.0,
            max: 100.0,
        };
        let interval = FloatRange::Skewed {
            min: 10.0,
            max: 200.0,
            factor: FloatRange::skew_factor(-1.0),
        };
        let share = FloatRange::Linear { min: 0.0, max: 1.0 };
        let requests = Arc::<Requests>::default();
        let [teach, undo, forget_all, step, preset, minute] =
            std::array::from_fn(|_| Arc::clone(&requests));
        let bend = FloatRange::Linear {
            min: -1.0,
            max: 1.0,
        };
        Self {
            user_package: SavedPath::default(),
            sounds: SavedPath::default(),
            calibration: CalibrationState::default(),
            bypass: BoolParam::new("Bypass", false).make_bypass(),
            engine: EnumParam::new("Engine", EngineChoice::Native),
            model: EnumParam::new("Model", ModelChoice::Tocco),
            input: EnumParam::new("Input", InputSide::Automatic),
            sensitivity: FloatParam::new("Sensitivity", DEFAULT_SENSITIVITY, percent)
                .with_unit(" %")
                .with_value_to_string(formatters::v2s_f32_rounded(0)),
            minimum_inter_onset: FloatParam::new("Minimum inter-onset", 20.0, interval)
                .with_unit(" ms")
                .with_value_to_string(formatters::v2s_f32_rounded(1)),
            gate: FloatParam::new("Confidence gate", 0.0, share)
                .with_value_to_string(formatters::v2s_f32_rounded(2))
                .with_string_to_value(Arc::new(share_of_text)),
            strictness: FloatParam::new("Reject foreign sounds", DEFAULT_STRICTNESS, share)
                .with_value_to_string(Arc::new(text_of_strictness))
                .with_string_to_value(Arc::new(strictness_of_text)),
            midi: BoolParam::new("MIDI", true),
            second: BoolParam::new("Second decision", true),
            correct: BoolParam::new("Correct MIDI notes", false),
            adapt: BoolParam::new("Adapt while playing", true),
            soft_end: level("Soft end", SOFTEST_DB, LOWEST_DB, 0.0),
            hard_end: level("Hard end", HARDEST_DB, LOWEST_DB, 0.0),
            velocity_curve: FloatParam::new("Velocity curve", 0.0, bend)
                .with_value_to_string(formatters::v2s_f32_rounded(2)),
            velocity_lesson: EnumParam::new("Velocity lesson", Step::Off)
                .with_callback(Arc::new(move |next| step.velocity_step(next))),
            velocity_by_technique: BoolParam::new("Velocity by technique", false),
            cross_fire: milliseconds("Cross fire window", 0, LONGEST_CROSS_MS),
            teach: EnumParam::new("Teach", TeachChoice::Off)
                .with_callback(Arc::new(move |choice| teach.teach(choice.class()))),
            undo: BoolParam::new("Undo", false).with_callback(Arc::new(move |on| undo.undo(on))),
            forget_all: BoolParam::new("Forget all", false)
                .with_callback(Arc::new(move |on| forget_all.forget_all(on))),
            save_preset: BoolParam::new("Save preset", false)
                .with_callback(Arc::new(move |on| preset.save_preset(on))),
            save_minute: BoolParam::new("Save last minute", false)
                .with_callback(Arc::new(move |on| minute.save_minute(on))),
            spike: BoolParam::new("Measuring spike", false),
            control: ControlParams::default(),
            voices: VoiceParams::default(),
            techniques: Techniques::default(),
            requests,
            unsaved: UnsavedChanges::default(),
        }
    }
}

impl ToccoParams {
    /// Sets the folder of the user's package on behalf of the user: the host hears of it. Not for the
    /// audio thread.
    pub fn choose_package(&self, folder: String) {
        if folder != self.user_package.path() {
            self.user_package.set(folder);
            self.unsaved.add();
        }
    }

    /// Sets where the user's own sounds lie on behalf of the user, and has them read again: the host
    /// hears of it. Not for the audio thread.
    pub fn choose_sounds(&self, path: String) {
        if path != self.sounds.path() {
            self.unsaved.add();
        }
        self.sounds.set(path);
    }

    /// Changes what will be saved of the calibration, unless the host has restored another one since it
    /// had done so `of` times: the host hears of it. Not for the audio thread.
    pub(crate) fn save_calibration(&self, of: u32, change: impl FnOnce(&mut Saved)) {
        if self.calibration.update(of, change) {
            self.unsaved.add();
        }
    }

    /// Which classes the player does not use. Real-time safe.
    #[must_use]
    pub fn masked(&self) -> [bool; MAX_CLASSES] {
        std::array::from_fn(|class| !self.techniques.of_class[class].used.value())
    }

    /// The same as bits. Real-time safe.
    #[must_use]
    pub fn masked_bits(&self) -> u32 {
        let bits = self.masked().into_iter().enumerate();
        bits.fold(0, |bits, (class, masked)| bits | u32::from(masked) << class)
    }

    /// Sets which classes the player does not use on behalf of the user, as far as `masked` goes: the
    /// host hears of it. Not for the audio thread.
    pub(crate) fn tell_masked(&self, masked: &[bool]) {
        let mut changed = false;
        for (class, masked) in self.techniques.of_class.iter().zip(masked) {
            changed |= class.used.value() == *masked;
            set(&class.used, !masked);
        }
        if changed {
            self.unsaved.add_values();
        }
    }

    /// What the user wants to be heard with. Not for the audio thread.
    #[must_use]
    pub fn selection(&self) -> Selection {
        Selection {
            model: match self.model.value() {
                ModelChoice::A => ModelSource::A,
                ModelChoice::B => ModelSource::B,
                ModelChoice::C => ModelSource::C,
                ModelChoice::Tocco => ModelSource::Tocco,
                ModelChoice::ToccoSure => ModelSource::ToccoSure,
                ModelChoice::ToccoLate => ModelSource::ToccoLate,
                ModelChoice::User => {
                    ModelSource::Folder(PathBuf::from(self.user_package.path().trim()))
                }
            },
            engine: self.engine.value().into(),
            second: self.second.value(),
        }
    }

    /// A number that changes whenever [`selection`](Self::selection) does, or the host restores a
    /// calibration. Real-time safe.
    #[must_use]
    pub fn selection_key(&self) -> u64 {
        let (engine, model) = (self.engine.value(), self.model.value());
        let folder = match model {
            ModelChoice::User => self.user_package.changes(),
            _ => 0,
        };
        let second = u64::from(model.may_have_second() && self.second.value()) << 7;
        let calibration = u64::from(self.calibration.changes()) << 48;
        calibration
            | second
            | u64::from(folder) << 16
            | (engine.to_index() as u64) << 8
            | model.to_index() as u64
    }

    /// What the pipeline needs to know of them. Real-time safe.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            onset: onset_config(self.sensitivity.value(), self.minimum_inter_onset.value()),
            gate: self.gate.value(),
            strictness: self.strictness.value(),
            input: self.input.value().into(),
            adapt: self.adapt.value(),
        }
    }

    /// What MIDI is sent of each class. Real-time safe.
    #[must_use]
    pub fn midi_settings(&self) -> MidiSettings {
        let all = Curve {
            soft_db: self.soft_end.value(),
            hard_db: self.hard_end.value(),
            bend: self.velocity_curve.value(),
        };
        std::array::from_fn(|class| {
            let own = &self.techniques.of_class[class];
            let end = |own: f32, all| if own > LOWEST_DB { own } else { all };
            ClassMidi {
                send: own.send.value(),
                key: own.note.value().clamp(0, 127) as u8,
                channel: (own.channel.value() - 1).clamp(0, 15) as u8,
                length: own.length(),
                curve: Curve {
                    soft_db: end(own.soft.value(), all.soft_db),
                    hard_db: end(own.hard.value(), all.hard_db),
                    ..all
                },
            }
        })
    }

    /// Which notes are played, at `host_rate` Hz. Real-time safe.
    #[must_use]
    pub fn rules(&self, host_rate: f64) -> Rules {
        let samples = |ms: i32| (f64::from(ms) / 1000.0 * host_rate) as u64;
        let of_class = &self.techniques.of_class;
        Rules {
            gate: std::array::from_fn(|class| of_class[class].gate.value()),
            threshold: std::array::from_fn(|class| of_class[class].threshold()),
            hold: std::array::from_fn(|class| samples(of_class[class].hold.value())),
            cross: samples(self.cross_fire.value()),
        }
    }

    /// Sets what the lesson of the velocity found: the host hears of it. Not for the audio thread.
    pub(crate) fn learn_velocity(&self, learnt: &Learnt) {
        let Ends { soft_db, hard_db } = learnt.all;
        set(&self.soft_end, soft_db.clamp(LOWEST_DB, 0.0));
        set(&self.hard_end, hard_db.clamp(LOWEST_DB, 0.0));
        for (own, ends) in self.techniques.of_class.iter().zip(learnt.of_class) {
            match ends {
                Some(Ends { soft_db, hard_db }) => {
                    // At the lowest it would be none of its own.
                    set(&own.soft, soft_db.clamp(LOWEST_DB + 0.5, 0.0));
                    set(&own.hard, hard_db.clamp(LOWEST_DB + 0.5, 0.0));
                }
                // Of a lesson for all, another scale of one technique's own is of an earlier one.
                None if !learnt.by_class => {
                    set(&own.soft, LOWEST_DB);
                    set(&own.hard, LOWEST_DB);
                }
                None => {}
            }
        }
        self.unsaved.add_values();
    }
}

/// Sets a parameter past the host.
pub(crate) fn set<P: Param>(param: &P, value: P::Plain) {
    let value = param.preview_normalized(value);
    // SAFETY: the parameter outlives the call, and its value is atomic.
    unsafe { param.as_ptr()._internal_set_normalized_value(value) };
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::*};

    use super::*;
    use tocco_dsp::OnsetMethod;
    use tocco_recognizer::adaptation::Learner;

    #[test]
    fn a_velocity_lesson_for_all_is_for_those_with_ends_of_their_own_too() {
        use crate::velocity_lesson::{Ends, Learnt};

        let params = ToccoParams::default();
        let ends = |soft_db, hard_db| Ends { soft_db, hard_db };
        let mut learnt = Learnt {
            all: ends(-40.0, -10.0),
            of_class: [None; 8],
            by_class: true,
        };
        learnt.of_class[2] = Some(ends(-50.0, -20.0));
        params.learn_velocity(&learnt);
        // By technique again: what was not played keeps its own.
        learnt.of_class[2] = None;
        params.learn_velocity(&learnt);
        let soft = |class: usize| params.midi_settings()[class].curve.soft_db;
        assert_eq!([soft(1), soft(2)], [-40.0, -50.0]);
        learnt = Learnt {
            all: ends(-30.0, -5.0),
            by_class: false,
            ..learnt
        };
        params.learn_velocity(&learnt);
        assert!((0..8).all(|class| soft(class) == -30.0));
    }

    #[test]
    fn the_middle_of_the_sensitivity_is_the_methods_own_and_all_of_it_is_valid() {
        let params = ToccoParams::default();
        assert_eq!(params.settings().onset, OnsetConfig::default());
        for sensitivity in 0..=100 {
            let config = onset_config(sensitivity as f32, 10.0);
            assert!(tocco_dsp::OnsetDetector::new(OnsetMethod::Mkl, &config).is_ok());
        }
        assert_eq!(onset_config(0.0, 20.0).threshold_factor, 4.0);
        assert_eq!(onset_config(100.0, 20.0).silence_offset_db, -20.0);
    }

    #[test]
    fn the_gate_says_the_same_in_text_and_in_number() {
        let gate = &ToccoParams::default().gate;
        let text = |value: f32| gate.normalized_value_to_string(value, true);
        assert_eq!([0.0, 0.5, 1.0].map(text), ["0.00", "0.50", "1.00"]);
        for (text, value) in [("0.5", 0.5), ("50 %", 0.5), ("100%", 1.0), ("1", 1.0)] {
            assert_eq!(gate.string_to_normalized_value(text), Some(value), "{text}");
        }
        assert_eq!(gate.string_to_normalized_value("much"), None);
    }

    #[test]
    fn rejection_is_off_at_zero_and_says_so() {
        let strictness = &ToccoParams::default().strictness;
        let text = |value: f32| strictness.normalized_value_to_string(value, true);
        assert_eq!([0.0, 0.5, 1.0].map(text), ["off", "0.50", "1.00"]);
        for (text, value) in [("off", 0.0), ("Off", 0.0), ("0.5", 0.5), ("70 %", 0.7)] {
            let found = strictness.string_to_normalized_value(text);
            assert_eq!(found, Some(value), "{text}");
        }
        assert_eq!(strictness.string_to_normalized_value("strict"), None);
        assert_eq!(ToccoParams::default().settings(), Settings::default());
    }

    #[test]
    fn middle_c_is_c4() {
        let params = ToccoParams::default();
        let note = &params.techniques.of_class[0].note;
        assert_eq!(note.value(), 36);
        assert_eq!(note.normalized_value_to_string(36.0 / 127.0, true), "C2");
        assert_eq!(note.string_to_normalized_value("C4"), Some(60.0 / 127.0));
    }

    #[test]
    fn what_rises_asks_once() {
        let params = ToccoParams::default();
        let requests = &params.requests;
        assert_eq!((requests.take_teach(), requests.wait()), (None, false));
        for on in [true, true, false, false, true, false] {
            set(&params.undo, on);
        }
        assert_eq!(requests.waiting(), (2, 0));
        set(&params.forget_all, true);
        requests.done((2, 0));
        assert_eq!(requests.waiting(), (0, 1));
        requests.done(requests.waiting());
        assert!(!requests.wait());
        for (choice, class) in [
            (TeachChoice::Tom, Some(Some(2))),
            (TeachChoice::Tom, None),
            (TeachChoice::Off, Some(None)),
            (TeachChoice::Off, None),
        ] {
            set(&params.teach, choice);
            assert_eq!(requests.take_teach(), class);
        }
        // A state brings the values back.
        requests.unheard(|| {
            set(&params.teach, TeachChoice::Kick);
            for param in [&params.undo, &params.forget_all] {
                set(param, false);
                set(param, true);
            }
        });
        assert_eq!((requests.take_teach(), requests.wait()), (None, false));
        set(&params.teach, TeachChoice::Kick);
        assert_eq!(requests.take_teach(), None);
    }

    #[test]
    fn what_the_plugin_masks_itself_the_host_hears_of() {
        let params = ToccoParams::default();
        assert_eq!(params.masked_bits(), 0);
        params.tell_masked(&[false, true, false]);
        assert_eq!(params.masked_bits(), 2);
        assert_eq!(
            (params.unsaved.count(), params.unsaved.take_values()),
            (1, true)
        );
        params.tell_masked(&[false, true]);
        assert_eq!(
            (params.unsaved.count(), params.unsaved.take_values()),
            (1, false)
        );
    }

    #[test]
    fn the_folder_is_part_of_the_state() {
        let params = ToccoParams::default();
        params.user_package.set("/home/me/my model".to_owned());
        let fields = params.serialize_fields();
        let restored = ToccoParams::default();
        restored.deserialize_fields(&fields);
        assert_eq!(restored.user_package.path(), "/home/me/my model");
    }

    #[test]
    fn what_the_user_changes_beside_the_parameters_is_unsaved_what_the_host_restores_is_not() {
        let params = ToccoParams::default();
        let heard = std::sync::Arc::new(AtomicU32::new(0));
        let listener = std::sync::Arc::clone(&heard);
        params.unsaved.listen(Some(Box::new(move || {
            listener.fetch_add(1, Relaxed);
        })));
        let count = |expected: u32| {
            assert_eq!(params.unsaved.count(), u64::from(expected));
            assert_eq!(heard.load(Relaxed), expected);
        };
        params.choose_package("/home/me/my model".to_owned());
        count(1);
        params.choose_package("/home/me/my model".to_owned());
        count(1);
        params.save_calibration(0, |saved| saved.in_use = true); // as it was
        count(1);
        params.save_calibration(0, |saved| saved.in_use = false);
        count(2);
        params.deserialize_fields(&params.serialize_fields());
        count(2);
        params.unsaved.listen(None);
        params.choose_package(String::new());
        assert_eq!(params.unsaved.count(), 3);
        assert_eq!(heard.load(Relaxed), 2);
    }

    #[test]
    fn the_key_changes_with_the_folder_only_for_the_users_model() {
        let params = ToccoParams::default();
        let before = params.selection_key();
        params.user_package.set("/somewhere".to_owned());
        assert_eq!(params.selection_key(), before);
        assert_eq!(params.user_package.path(), "/somewhere");
    }

    #[test]
    fn built_in_models_may_adapt_if_they_can() {
        let params = ToccoParams::default();
        for model in (0..ModelChoice::variants().len()).map(ModelChoice::from_index) {
            let value = params.model.preview_normalized(model);
            // SAFETY: the parameter outlives the call.
            unsafe { params.model.as_ptr()._internal_set_normalized_value(value) };
            let expected = match params.selection().model.package() {
                Ok(package) => Learner::new(&package).unwrap().is_some(),
                Err(_) => true, // the user's: not known
            };
            assert_eq!(model.may_adapt(), expected, "{model:?}");
        }
    }

    #[test]
    fn the_key_changes_with_the_second_decision_only_for_models_that_can_have_one() {
        let params = ToccoParams::default();
        let set = |on: bool, model: ModelChoice| {
            for (param, value) in [
                (params.second.as_ptr(), f32::from(u8::from(on))),
                (
                    params.model.as_ptr(),
                    params.model.preview_normalized(model),
                ),
            ] {
                // SAFETY: the parameters outlive the call.
                unsafe { param._internal_set_normalized_value(value) };
            }
            params.selection_key()
        };
        for model in (0..ModelChoice::variants().len()).map(ModelChoice::from_index) {
            let differs = set(true, model) != set(false, model);
            set(true, model);
            let source = params.selection().model;
            let expected = match source.package() {
                Ok(package) => source.second(&package).unwrap().is_some(),
                Err(_) => true, // the user's: not known
            };
            assert_eq!(differs, expected, "{model:?}");
        }
    }
}
