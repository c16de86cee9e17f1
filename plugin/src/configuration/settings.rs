//! Fields of the file that are parameters under another name: what they may be the parameters say.

use std::collections::BTreeMap;

use nice_plug::prelude::*;
use tocco_recognizer::classification::MAX_CLASSES;
use toml::de::DeValue;

use crate::params::{TeachChoice, ToccoParams};

/// A field, and the id of its parameter.
pub(super) type Field = (&'static str, &'static str);

/// The fields of each table.
pub(super) const TABLES: [(&str, &[Field]); 2] = [
    (
        "velocity",
        &[
            ("soft", "soft-end"),
            ("hard", "hard-end"),
            ("curve", "velocity-curve"),
            ("by-technique", "velocity-by-technique"),
        ],
    ),
    (
        "control",
        &[
            ("probability", "cc-probability"),
            ("axis", "cc-axis"),
            ("axis-from", "axis-from"),
            ("axis-to", "axis-to"),
            ("brightness", "cc-brightness"),
            ("level", "cc-level"),
            ("channel", "cc-channel"),
            ("smoothing", "cc-smoothing"),
        ],
    ),
];

/// Fields of `[voices]` beside the sounds.
pub(super) const VOICES: [Field; 3] = [("level", "voices"), ("dry", "dry"), ("body", "body")];

/// Fields of `[midi]` beside the notes.
pub(super) const MIDI: [Field; 1] = [("cross-fire", "cross")];

/// Fields of the table of each technique; the ids end in the number of its class from 1 on.
pub(super) const OF_TECHNIQUE: [Field; 13] = [
    ("send", "send"),
    ("channel", "channel"),
    ("length", "length"),
    ("gate", "own-gate"),
    ("threshold", "threshold"),
    ("hold", "hold"),
    ("soft", "soft"),
    ("hard", "hard"),
    ("voice", "voice"),
    ("body-low", "body-low"),
    ("body-mid", "body-mid"),
    ("body-high", "body-high"),
    ("body-squeeze", "body-squeeze"),
];

/// Normalised values of parameters by their ids.
pub type Settings = BTreeMap<String, f32>;

/// The class that `field` names: as the parameter *Teach* does.
pub(super) fn class(field: &str) -> Option<usize> {
    let names = TeachChoice::ids().unwrap_or_default();
    // First comes "off".
    let class = names.iter().skip(1).position(|name| *name == field);
    class.filter(|class| *class < MAX_CLASSES)
}

/// The names of `fields`, for people.
pub(super) fn names(fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// The normalised value that `written` means for the parameter `id`.
///
/// # Errors
/// What it should be.
pub(crate) fn read(id: &str, written: &DeValue<'_>) -> Result<f32, String> {
    let params = ToccoParams::default();
    let map = params.param_map();
    let Some((_, param, _)) = map.iter().find(|(known, ..)| known == id) else {
        return Err("nothing: it has no parameter".to_owned()); // never
    };
    // SAFETY: the parameters live as long as `params`.
    let (least, most, steps) = unsafe {
        (
            param.preview_plain(0.0),
            param.preview_plain(1.0),
            param.step_count(),
        )
    };
    // SAFETY: as above.
    let text_at = |normalized: f32| unsafe { param.normalized_value_to_string(normalized, true) };
    let number = match written {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .map(|integer| integer as f64),
        DeValue::Float(float) if matches!(param, ParamPtr::FloatParam(_)) => {
            float.as_str().parse::<f64>().ok()
        }
        _ => None,
    };
    let in_range = |number: &f64| (f64::from(least)..=f64::from(most)).contains(number);
    match (param, written) {
        (ParamPtr::BoolParam(_), DeValue::Boolean(on)) => Ok(f32::from(u8::from(*on))),
        (ParamPtr::BoolParam(_), _) => Err("true or false".to_owned()),
        (ParamPtr::EnumParam(_), _) => {
            let last = steps.unwrap_or(1).max(1);
            let choices = (0..=last).map(|step| step as f32 / last as f32);
            let choices: Vec<(f32, String)> = choices
                .map(|value| (value, text_at(value).to_lowercase().replace(' ', "-")))
                .collect();
            let named = written.as_str();
            let chosen = choices.iter().find(|(_, name)| Some(&**name) == named);
            chosen.map(|(value, _)| *value).ok_or_else(|| {
                let quoted: Vec<String> = choices
                    .iter()
                    .map(|(_, name)| format!("\"{name}\""))
                    .collect();
                format!("one of {}", quoted.join(", "))
            })
        }
        _ => {
            if let Some(number) = number.filter(in_range) {
                // SAFETY: as above.
                return Ok(unsafe { param.preview_normalized(number as f32) });
            }
            // What has a word at its least value may be told by that.
            let word = text_at(0.0);
            let word = word
                .chars()
                .all(|c| c.is_alphabetic() || c == ' ')
                .then_some(word);
            if let (Some(word), Some(written)) = (&word, written.as_str())
                && word == written
            {
                return Ok(0.0);
            }
            let kind = match param {
                ParamPtr::IntParam(_) => "a whole number",
                _ => "a number",
            };
            let or = word.map_or_else(String::new, |word| format!(", or \"{word}\""));
            Err(format!("{kind} from {least} to {most}{or}"))
        }
    }
}

/// Sets what was read.
pub(super) fn apply(settings: &Settings, params: &ToccoParams) {
    for (id, param, _) in params.param_map() {
        if let Some(value) = settings.get(&id) {
            // SAFETY: the parameters outlive the loop, and their values are atomic.
            unsafe { param._internal_set_normalized_value(*value) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_parameter() {
        let params = ToccoParams::default();
        let ids: Vec<String> = params.param_map().into_iter().map(|(id, ..)| id).collect();
        let of_technique = OF_TECHNIQUE.map(|(_, id)| format!("{id}_8"));
        let tables = TABLES.iter().flat_map(|(_, fields)| *fields);
        let others = tables
            .chain(&MIDI)
            .chain(&VOICES)
            .map(|(_, id)| (*id).to_owned());
        for id in others.chain(of_technique) {
            assert!(ids.contains(&id), "{id}");
        }
    }
}
