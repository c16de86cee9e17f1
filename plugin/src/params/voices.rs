//! How loud the voices and the guitar are, and whether the guitar's own sound is reshaped.

use std::sync::Arc;

use nice_plug::prelude::*;

/// Level at which nothing is left, dB.
pub const OFF_DB: f32 = -60.0;

/// What that is called.
const OFF: &str = "off";

/// The parameters of what is heard.
#[derive(Params)]
pub struct VoiceParams {
    /// Level of the voices, dB, or [`OFF_DB`].
    #[id = "voices"]
    pub voices: FloatParam,
    /// Level of the guitar, dB, or [`OFF_DB`].
    #[id = "dry"]
    pub dry: FloatParam,
    /// Whether the guitar's own sound is [reshaped](crate::body) by technique.
    #[id = "body"]
    pub body: BoolParam,
}

impl Default for VoiceParams {
    fn default() -> Self {
        let level = |name: &str, default| {
            let range = FloatRange::Linear {
                min: OFF_DB,
                max: 6.0,
            };
            FloatParam::new(name, default, range)
                .with_value_to_string(Arc::new(text_of_level))
                .with_string_to_value(Arc::new(level_of_text))
        };
        Self {
            voices: level("Voices", OFF_DB),
            dry: level("Dry", 0.0),
            body: BoolParam::new("Body", false),
        }
    }
}

impl VoiceParams {
    /// Whether the voices are up. Real-time safe.
    #[must_use]
    pub fn are_on(&self) -> bool {
        self.voices.value() > OFF_DB
    }

    /// Factors of the voices and of the guitar. Real-time safe.
    #[must_use]
    pub fn levels(&self) -> (f32, f32) {
        (factor(self.voices.value()), factor(self.dry.value()))
    }
}

/// 1 at 0 dB exactly.
fn factor(db: f32) -> f32 {
    match db > OFF_DB {
        true => 10f32.powf(db / 20.0),
        false => 0.0,
    }
}

fn text_of_level(db: f32) -> String {
    match db > OFF_DB {
        // Without a negative zero.
        true if db.abs() < 0.05 => "0.0 dB".to_owned(),
        true => format!("{db:.1} dB"),
        false => OFF.to_owned(),
    }
}

fn level_of_text(text: &str) -> Option<f32> {
    let text = text.trim();
    if text.eq_ignore_ascii_case(OFF) {
        return Some(OFF_DB);
    }
    text.strip_suffix("dB").unwrap_or(text).trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_delivered_there_is_the_guitar_alone() {
        let params = VoiceParams::default();
        assert!(!params.are_on());
        assert_eq!(params.levels(), (0.0, 1.0));
        for (db, text) in [(-60.0, "off"), (-59.5, "-59.5 dB"), (6.0, "6.0 dB")] {
            assert_eq!(text_of_level(db), text);
            assert_eq!(level_of_text(text), Some(db));
        }
        assert_eq!(text_of_level(-0.01), "0.0 dB");
        assert_eq!(level_of_text("loud"), None);
    }
}
