//! From the level of a note to its velocity.
//!
//! Two levels are the ends of the scale, the softest velocity and the hardest; between them it is
//! linear in dB, or bent. As delivered the ends are far apart, since nobody knows how loud an
//! instrument comes in: what one player plays fills a third of the scale. A
//! [lesson](crate::velocity_lesson) finds the ends that fit.

/// Level of the softest velocity unless the user chooses another, dB full scale.
pub const SOFTEST_DB: f32 = -54.0;

/// Level of the hardest velocity unless the user chooses another, dB full scale.
pub const HARDEST_DB: f32 = 0.0;

/// Least distance of the two ends, dB: nearer ones are taken to be so far apart.
pub const LEAST_SPAN_DB: f32 = 1.0;

/// Least velocity of a note: 0 would end it.
const LEAST: f32 = 1.0 / 127.0;

/// How levels become velocities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Level of the softest velocity, dB full scale.
    pub soft_db: f32,
    /// Level of the hardest velocity, dB full scale.
    pub hard_db: f32,
    /// From -1, where only hard notes are loud, over 0, linear in dB, to 1, where all but the softest
    /// are.
    pub bend: f32,
}

impl Default for Curve {
    fn default() -> Self {
        Self {
            soft_db: SOFTEST_DB,
            hard_db: HARDEST_DB,
            bend: 0.0,
        }
    }
}

impl Curve {
    /// Velocity (1/127 to 1) of a note with its peak at `peak_db` dB full scale. Real-time safe.
    #[must_use]
    pub fn velocity(&self, peak_db: f32) -> f32 {
        let soft_db = self.soft_db.min(self.hard_db - LEAST_SPAN_DB);
        let linear = 1.0 - (peak_db - self.hard_db) / (soft_db - self.hard_db);
        if linear.is_nan() {
            return LEAST;
        }
        let velocity = match self.bend {
            0.0 => linear,
            bend => linear.clamp(0.0, 1.0).powf((-2.0 * bend).exp2()),
        };
        velocity.clamp(LEAST, 1.0)
    }

    /// The bend with which a note in the middle between the ends, in dB, has `velocity`, or comes nearest
    /// to it. Real-time safe.
    #[must_use]
    pub fn bend_through(velocity: f32) -> f32 {
        // What `velocity` has there, 0.5 ^ (2 ^ (-2 bend)), solved for the bend.
        let exponent = -velocity.clamp(LEAST, 1.0).log2();
        (-0.5 * exponent.log2()).clamp(-1.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What versions before the curve sent.
    fn before(peak_db: f32) -> f32 {
        let velocity = 1.0 - peak_db / -54.0;
        if velocity.is_nan() {
            return 1.0 / 127.0;
        }
        velocity.clamp(1.0 / 127.0, 1.0)
    }

    #[test]
    fn as_delivered_it_is_what_it_was_to_the_bit() {
        let curve = Curve::default();
        for step in -12_000..3_000 {
            let peak_db = step as f32 / 100.0;
            assert_eq!(
                curve.velocity(peak_db).to_bits(),
                before(peak_db).to_bits(),
                "{peak_db} dB"
            );
        }
        for strange in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(curve.velocity(strange), before(strange));
        }
    }

    #[test]
    fn every_curve_rises_from_end_to_end() {
        for (soft_db, hard_db) in [(-54.0, 0.0), (-30.0, -12.0), (-12.0, -30.0), (-20.0, -20.0)] {
            for bend in [-1.0, -0.3, 0.0, 0.5, 1.0] {
                let curve = Curve {
                    soft_db,
                    hard_db,
                    bend,
                };
                let at = |peak_db| curve.velocity(peak_db);
                assert_eq!(at(hard_db), 1.0);
                assert_eq!(at(hard_db + 20.0), 1.0);
                assert_eq!(at(soft_db.min(hard_db - 1.0)), 1.0 / 127.0);
                assert_eq!(at(-120.0), 1.0 / 127.0);
                let levels = (-400..0).map(|step| at(step as f32 / 4.0));
                assert!(levels.is_sorted(), "{curve:?}");
                assert_eq!(at(f32::NAN), 1.0 / 127.0);
            }
        }
    }

    #[test]
    fn the_bend_lifts_or_lowers_what_lies_between() {
        let middle = |bend| {
            let curve = Curve {
                bend,
                ..Curve::default()
            };
            curve.velocity(-27.0)
        };
        assert_eq!(middle(0.0), 0.5);
        assert!((middle(1.0) - 0.5f32.powf(0.25)).abs() < 1e-6);
        assert!((middle(-1.0) - 0.5f32.powi(4)).abs() < 1e-6);
        for bend in [-1.0, -0.4, 0.0, 0.3, 1.0] {
            let found = Curve::bend_through(middle(bend));
            assert!((found - bend).abs() < 1e-5, "{bend}: {found}");
        }
        let beyond = [-3.0, 0.0, 1.0, 3.0].map(Curve::bend_through);
        assert_eq!(beyond, [-1.0, -1.0, 1.0, 1.0]);
    }
}
