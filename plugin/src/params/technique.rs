//! What is set for each technique by itself: in the host a group of parameters for each.

use std::sync::Arc;

use nice_plug::prelude::*;
use tocco_dsp::Technique;
use tocco_recognizer::classification::MAX_CLASSES;

use super::body::BodyParams;
use super::{level, milliseconds, milliseconds_of_text, share_of_text};
use crate::body::reshaping::Shape;
use crate::outputs::midi::{DEFAULT_NOTES, Length, NOTE_LENGTH_MS};

/// Longest note, milliseconds.
pub const LONGEST_NOTE_MS: i32 = 2_000;

/// Longest hold, milliseconds.
pub const LONGEST_HOLD_MS: i32 = 500;

/// Lowest level that an end of a velocity curve may have, dB full scale. Of one technique it says
/// that the ends of all techniques count, and as its threshold that there is none.
pub const LOWEST_DB: f32 = -80.0;

/// What a note length of 0 is called.
const SOUNDING: &str = "while it sounds";

/// What [`LOWEST_DB`] is called where it says that the ends of all techniques count.
const AS_ALL: &str = "as all";

/// What it is called where it says that there is no threshold.
const OFF: &str = "off";

/// The parameters of one technique.
#[derive(Params)]
pub struct TechniqueParams {
    /// Whether the player uses it: one that is not used is never answered.
    #[id = "use"]
    pub used: BoolParam,
    /// MIDI note number, 0 to 127. Its text follows the convention in which middle C, 60, is C4.
    #[id = "note"]
    pub note: IntParam,
    /// Whether MIDI of it is sent.
    #[id = "send"]
    pub send: BoolParam,
    /// MIDI channel, 1 to 16.
    #[id = "channel"]
    pub channel: IntParam,
    /// Length of its notes in milliseconds, or 0: see [`length`](Self::length).
    #[id = "length"]
    pub length: IntParam,
    /// Least probability for a note of it to be played, 0 to 1.
    #[id = "own-gate"]
    pub gate: FloatParam,
    /// Least level of a note of it to be played, dB full scale, or [`LOWEST_DB`].
    #[id = "threshold"]
    pub threshold: FloatParam,
    /// Time in which it is not played again, milliseconds.
    #[id = "hold"]
    pub hold: IntParam,
    /// Level of its softest velocity, dB full scale, or [`LOWEST_DB`].
    #[id = "soft"]
    pub soft: FloatParam,
    /// Level of its hardest velocity, dB full scale, or [`LOWEST_DB`].
    #[id = "hard"]
    pub hard: FloatParam,
    /// Whether its voice is heard, if the voices are up.
    #[id = "voice"]
    pub voice: BoolParam,
    /// How the guitar's own sound is reshaped, if that is on.
    #[nested]
    pub body: BodyParams,
}

impl TechniqueParams {
    fn new(class: usize) -> Self {
        let name = |what: &str| format!("{what} {}", Technique::ALL[class]);
        let linear = |min, max| IntRange::Linear { min, max };
        // The unit is in the text, which may be a word.
        let own_level = |what: &str, lowest: &'static str| {
            level(&name(what), LOWEST_DB, LOWEST_DB, 0.0)
                .with_unit("")
                .with_value_to_string(Arc::new(|db| text_of_level(db, lowest)))
                .with_string_to_value(Arc::new(|text| level_of_text(text, lowest)))
        };
        Self {
            used: BoolParam::new(name("Use"), true),
            note: IntParam::new(
                name("Note"),
                i32::from(DEFAULT_NOTES[class]),
                linear(0, 127),
            )
            .with_value_to_string(formatters::v2s_i32_key_formatter())
            .with_string_to_value(Arc::new(note_of_text)),
            send: BoolParam::new(name("Send"), true),
            channel: IntParam::new(name("Channel"), 1, linear(1, 16)),
            length: IntParam::new(
                name("Length"),
                NOTE_LENGTH_MS as i32,
                linear(0, LONGEST_NOTE_MS),
            )
            .with_value_to_string(Arc::new(text_of_length))
            .with_string_to_value(Arc::new(length_of_text)),
            gate: FloatParam::new(name("Gate"), 0.0, FloatRange::Linear { min: 0.0, max: 1.0 })
                .with_value_to_string(formatters::v2s_f32_rounded(2))
                .with_string_to_value(Arc::new(share_of_text)),
            threshold: own_level("Threshold", OFF),
            hold: milliseconds(&name("Hold"), 0, LONGEST_HOLD_MS),
            soft: own_level("Soft", AS_ALL),
            hard: own_level("Hard", AS_ALL),
            voice: BoolParam::new(name("Voice"), true),
            body: BodyParams::new(name, class),
        }
    }

    /// Least level of a note of it to be played, dB full scale; without a threshold any is enough.
    /// Real-time safe.
    #[must_use]
    pub fn threshold(&self) -> f32 {
        match self.threshold.value() {
            ..=LOWEST_DB => f32::NEG_INFINITY,
            db => db,
        }
    }

    /// When its notes end. Real-time safe.
    #[must_use]
    pub fn length(&self) -> Length {
        match self.length.value() {
            ..=0 => Length::Sounding,
            ms => Length::Fixed(ms as u32),
        }
    }
}

/// All of them, `[MAX_CLASSES]`.
pub struct Techniques {
    /// The parameters of each class.
    pub of_class: [TechniqueParams; MAX_CLASSES],
}

impl Default for Techniques {
    fn default() -> Self {
        Self {
            of_class: std::array::from_fn(TechniqueParams::new),
        }
    }
}

impl Techniques {
    /// How the guitar's own sound is reshaped by each. Real-time safe.
    #[must_use]
    pub fn shapes(&self) -> [Shape; MAX_CLASSES] {
        std::array::from_fn(|class| self.of_class[class].body.shape())
    }
}

// SAFETY: the pointers are those of the parts, which live as long as this.
unsafe impl Params for Techniques {
    /// The ids end in the number of the class from 1 on, as of the framework's arrays; the groups are
    /// the techniques' names, which those do not have.
    fn param_map(&self) -> Vec<(String, ParamPtr, String)> {
        let of_class = self.of_class.iter().zip(Technique::ALL).enumerate();
        of_class
            .flat_map(|(class, (params, technique))| {
                let group = technique.label();
                params.param_map().into_iter().map(move |(id, param, _)| {
                    (format!("{id}_{}", class + 1), param, group.to_owned())
                })
            })
            .collect()
    }
}

/// A note by its name or by its number.
fn note_of_text(text: &str) -> Option<i32> {
    let number = text.trim().parse().ok();
    number.or_else(|| formatters::s2v_i32_key_formatter()(text))
}

fn text_of_length(ms: i32) -> String {
    match ms {
        ..=0 => SOUNDING.to_owned(),
        ms => format!("{ms} ms"),
    }
}

fn length_of_text(text: &str) -> Option<i32> {
    let text = text.trim();
    if text.eq_ignore_ascii_case(SOUNDING) {
        return Some(0);
    }
    milliseconds_of_text(text)
}

/// A level, or what the lowest one is called.
fn text_of_level(db: f32, lowest: &str) -> String {
    if db <= LOWEST_DB {
        return lowest.to_owned();
    }
    // Rounded first, and without a negative zero.
    format!("{:.1} dB", (db * 10.0).round() / 10.0 + 0.0)
}

fn level_of_text(text: &str, lowest: &str) -> Option<f32> {
    let text = text.trim();
    if text.eq_ignore_ascii_case(lowest) {
        return Some(LOWEST_DB);
    }
    text.strip_suffix("dB").unwrap_or(text).trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_groups_tell_the_techniques_apart() {
        let techniques = Techniques::default();
        let map = techniques.param_map();
        let ids: std::collections::BTreeSet<&str> = map.iter().map(|(id, ..)| &**id).collect();
        assert_eq!(ids.len(), map.len());
        for (class, technique) in Technique::ALL.into_iter().enumerate() {
            let own = map.iter().filter(|(.., group)| group == technique.label());
            assert_eq!(own.clone().count() * MAX_CLASSES, map.len());
            for (id, param, _) in own {
                assert!(id.ends_with(&format!("_{}", class + 1)), "{id}");
                // SAFETY: the parameters live.
                let name = unsafe { param.name() };
                assert!(name.ends_with(technique.label()), "{name}");
            }
        }
        // What states of the first versions have.
        for id in ["use_1", "use_8", "note_1", "note_8"] {
            assert!(ids.contains(id), "{id}");
        }
    }

    #[test]
    fn what_has_a_word_is_read_by_it() {
        for (ms, text) in [(0, "while it sounds"), (1, "1 ms"), (2_000, "2000 ms")] {
            assert_eq!(text_of_length(ms), text);
            assert_eq!(length_of_text(text), Some(ms));
        }
        assert_eq!(length_of_text(" 70 "), Some(70));
        assert_eq!(length_of_text("long"), None);
        for (text, note) in [("60", 60), (" C4 ", 60), ("c#2", 37), ("0", 0)] {
            assert_eq!(note_of_text(text), Some(note), "{text}");
        }
        assert_eq!(note_of_text("H4"), None);
        for (db, text) in [(-80.0, "as all"), (-79.5, "-79.5 dB"), (0.0, "0.0 dB")] {
            assert_eq!(text_of_level(db, AS_ALL), text);
            assert_eq!(level_of_text(text, AS_ALL), Some(db));
        }
        for db in [-0.0, -0.04] {
            assert_eq!(text_of_level(db, AS_ALL), "0.0 dB");
        }
        assert_eq!(level_of_text("-20", OFF), Some(-20.0));
        assert_eq!(level_of_text(" Off", OFF), Some(LOWEST_DB));
        assert_eq!(text_of_level(LOWEST_DB, OFF), OFF);
        assert_eq!(level_of_text("loud", OFF), None);
    }
}
