//! How the guitar's own sound is reshaped from where a technique is heard.

use std::sync::Arc;

use nice_plug::prelude::*;
use tocco_recognizer::classification::MAX_CLASSES;

use super::{level, share_of_text};
use crate::body::reshaping::Shape;

/// Most that a band takes or gives, dB.
pub const MOST_DB: f32 = 15.0;

/// As delivered, `[MAX_CLASSES]`: the bands in dB, and the squeeze. What is hit gets the place in a drum kit
/// that its name promises; what has a pitch stays as it is.
const DELIVERED: [([f32; 3], f32); MAX_CLASSES] = [
    ([6.0, -3.0, -6.0], 0.5), // kick
    ([-3.0, 3.0, 5.0], 0.3),  // snare 1
    ([4.0, 2.0, -3.0], 0.3),  // tom
    ([-4.0, 2.0, 6.0], 0.3),  // snare 2
    ([0.0; 3], 0.0),
    ([0.0; 3], 0.0),
    ([0.0; 3], 0.0),
    ([0.0; 3], 0.0),
];

/// The parameters of one technique. Their names begin with *Body*: a *Low Tom* would be a drum.
#[derive(Params)]
pub struct BodyParams {
    /// Gain of the low shelf, dB.
    #[id = "body-low"]
    pub low: FloatParam,
    /// Gain of the bell in the middle, dB.
    #[id = "body-mid"]
    pub mid: FloatParam,
    /// Gain of the high shelf, dB.
    #[id = "body-high"]
    pub high: FloatParam,
    /// Amount of the compressor, from 0, none, to 1.
    #[id = "body-squeeze"]
    pub squeeze: FloatParam,
}

impl BodyParams {
    /// Those of `class`, whose parameters `name` names.
    pub(super) fn new(name: impl Fn(&str) -> String, class: usize) -> Self {
        let ([low, mid, high], squeeze) = DELIVERED[class];
        let band = |what: &str, default| level(&name(what), default, -MOST_DB, MOST_DB);
        let share = FloatRange::Linear { min: 0.0, max: 1.0 };
        Self {
            low: band("Body low", low),
            mid: band("Body mid", mid),
            high: band("Body high", high),
            squeeze: FloatParam::new(name("Body squeeze"), squeeze, share)
                .with_value_to_string(formatters::v2s_f32_rounded(2))
                .with_string_to_value(Arc::new(share_of_text)),
        }
    }

    /// How the sound is to be. Real-time safe.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let [low, mid, high, squeeze] =
            [&self.low, &self.mid, &self.high, &self.squeeze].map(|param| {
                let value = param.value();
                // A host may set what is no number.
                if value.is_finite() { value } else { 0.0 }
            });
        Shape {
            gains_db: [low, mid, high],
            squeeze,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{ToccoParams, set};
    use tocco_dsp::Technique;

    #[test]
    fn as_delivered_it_is_off_and_what_has_a_pitch_is_neutral_beside_it() {
        let params = ToccoParams::default();
        assert!(!params.voices.body.value());
        let shapes = params.techniques.shapes();
        for (technique, shape) in Technique::ALL.into_iter().zip(shapes) {
            let is_hit = technique.class() < 4;
            assert_eq!(shape != Shape::NEUTRAL, is_hit, "{technique}");
        }
        // Loading what was saved makes nothing of it.
        let low = &params.techniques.of_class[7].body.low;
        set(low, low.default_plain_value());
        assert_eq!(params.techniques.shapes()[7], Shape::NEUTRAL);
    }

    #[test]
    fn what_is_no_number_shapes_nothing_and_texts_say_what_is_set() {
        let params = ToccoParams::default();
        let body = &params.techniques.of_class[0].body;
        set(&body.mid, f32::NAN);
        set(&body.squeeze, 0.75);
        let shape = body.shape();
        assert!(shape.gains_db.iter().all(|gain| gain.is_finite()));
        assert_eq!(shape.squeeze, 0.75);
        assert_eq!(body.low.to_string(), "6.0 dB");
        assert_eq!(body.squeeze.to_string(), "0.75");
        let half = body.low.string_to_normalized_value("0 dB");
        assert_eq!(half, Some(0.5));
        let half = body.squeeze.string_to_normalized_value("50 %");
        assert_eq!(half, Some(0.5));
    }
}
