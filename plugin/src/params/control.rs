//! What is set of the controllers.

use std::sync::Arc;

use nice_plug::prelude::*;
use tocco_recognizer::classification::MAX_CLASSES;

use super::{TeachChoice, milliseconds};
use crate::outputs::control::{ControlSettings, HIGHEST};

/// Longest time to go most of the way, milliseconds.
const LONGEST_MS: i32 = 2_000;

/// What the number 0 is called.
const OFF: &str = "off";

/// The parameters of the controllers.
#[derive(Params)]
pub struct ControlParams {
    /// Number of the controller of the first class's probability, and those behind it of the others;
    /// 0 if none is sent.
    #[id = "cc-probability"]
    pub probability: IntParam,
    /// Number of the axis' controller, or 0.
    #[id = "cc-axis"]
    pub axis: IntParam,
    /// Where the axis begins.
    #[id = "axis-from"]
    pub axis_from: EnumParam<TeachChoice>,
    /// Where the axis ends.
    #[id = "axis-to"]
    pub axis_to: EnumParam<TeachChoice>,
    /// Number of the brightness' controller, or 0.
    #[id = "cc-brightness"]
    pub brightness: IntParam,
    /// Number of the level's controller, or 0.
    #[id = "cc-level"]
    pub level: IntParam,
    /// Channel, 1 to 16.
    #[id = "cc-channel"]
    pub channel: IntParam,
    /// Time to go most of the way, milliseconds.
    #[id = "cc-smoothing"]
    pub smoothing: IntParam,
}

impl Default for ControlParams {
    fn default() -> Self {
        let linear = |min, max| IntRange::Linear { min, max };
        let number = |name: &str, highest: u8| {
            IntParam::new(name, 0, linear(0, i32::from(highest)))
                .with_value_to_string(Arc::new(text_of_number))
                .with_string_to_value(Arc::new(number_of_text))
        };
        Self {
            probability: number("CC probability", HIGHEST + 1 - MAX_CLASSES as u8),
            axis: number("CC axis", HIGHEST),
            axis_from: EnumParam::new("Axis from", TeachChoice::PickNearBridge),
            axis_to: EnumParam::new("Axis to", TeachChoice::PickOverSoundHole),
            brightness: number("CC brightness", HIGHEST),
            level: number("CC level", HIGHEST),
            channel: IntParam::new("CC channel", 1, linear(1, 16)),
            smoothing: milliseconds("CC smoothing", 50, LONGEST_MS),
        }
    }
}

impl ControlParams {
    /// What they say. Real-time safe.
    #[must_use]
    pub fn settings(&self) -> ControlSettings {
        let number = |param: &IntParam| param.value().clamp(0, i32::from(HIGHEST)) as u8;
        let ends = (self.axis_from.value().class(), self.axis_to.value().class());
        ControlSettings {
            numbers: ControlSettings::numbers(
                number(&self.probability),
                number(&self.axis),
                number(&self.brightness),
                number(&self.level),
            ),
            axis: match ends {
                (Some(from), Some(to)) if from != to => Some((from, to)),
                _ => None,
            },
            channel: (self.channel.value() - 1).clamp(0, 15) as u8,
            smoothing: f64::from(self.smoothing.value()) / 1000.0,
        }
    }
}

fn text_of_number(number: i32) -> String {
    match number {
        0 => OFF.to_owned(),
        number => format!("CC {number}"),
    }
}

fn number_of_text(text: &str) -> Option<i32> {
    let text = text.trim();
    if text.eq_ignore_ascii_case(OFF) {
        return Some(0);
    }
    text.strip_prefix("CC").unwrap_or(text).trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_delivered_nothing_is_sent() {
        let settings = ControlParams::default().settings();
        assert!(!settings.any() && !settings.brightness());
        assert_eq!(settings.axis, Some((6, 7)));
        for (number, text) in [(0, "off"), (1, "CC 1"), (119, "CC 119")] {
            assert_eq!(text_of_number(number), text);
            assert_eq!(number_of_text(text), Some(number));
        }
        assert_eq!(number_of_text("many"), None);
    }
}
