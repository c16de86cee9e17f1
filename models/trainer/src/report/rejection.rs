//! How well foreign sounds are kept out: the figures of [`crate::evaluation::rejection`], as JSON and as
//! text for people.

use std::fmt::Write;

use serde::Serialize;
use tocco_recognizer::rejection::DEFAULT_STRICTNESS;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The models, first and second.
    pub(crate) models: Vec<String>,
    pub(crate) protocol: &'static str,
    /// Whether kinds of made sounds were left out of the training where they test.
    pub(crate) kinds_left_out: bool,
    /// Of all that follows but for the last table.
    pub(crate) strictness: f32,
    /// Each onset alone, by network: kinds that were left out.
    pub(crate) curve: Vec<Vec<Point>>,
    /// Takes as recorded and performances.
    pub(crate) as_recorded: Share,
    pub(crate) performances: Share,
    /// By player, as recorded and in performances, and whether the player counts; last come those who are
    /// only trained on and do not.
    pub(crate) players: Vec<(String, Share, Share, bool)>,
    /// By technique, as recorded and in performances.
    pub(crate) techniques: Vec<(&'static str, Share, Share)>,
    /// Made sounds of kinds that were left out, and of the same kinds known.
    pub(crate) kinds: Vec<Foreign>,
    /// Recorded sounds.
    pub(crate) recorded: Vec<Foreign>,
    /// Playing and foreign sounds in turn: notes lost and onsets held back.
    pub(crate) in_turn: (Share, Share),
    /// By strictness: notes lost as recorded and in performances, notes a minute in left-out kinds and in
    /// recorded sounds.
    pub(crate) strictnesses: Vec<(f32, f64, f64, f64, f64)>,
}

/// A point of the curve.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Point {
    pub(crate) lost: f64,
    pub(crate) held_back: f64,
}

/// Some of all, by first and second decision.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Share {
    pub(crate) all: usize,
    pub(crate) first: usize,
    pub(crate) second: usize,
}

/// What became of foreign sounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Foreign {
    pub(crate) name: String,
    pub(crate) minutes: f64,
    /// Rejected onsets.
    pub(crate) rejected: Share,
    /// The same where the kind was known to the networks; only of made sounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) known: Option<Share>,
}

impl Share {
    pub(crate) fn count(&mut self, [first, second]: [bool; 2]) {
        self.all += 1;
        self.first += usize::from(first);
        self.second += usize::from(second);
    }

    pub(crate) fn first(&self) -> f64 {
        self.first as f64 / self.all.max(1) as f64
    }

    pub(crate) fn second(&self) -> f64 {
        self.second as f64 / self.all.max(1) as f64
    }
}

impl Foreign {
    /// Onsets a minute, and those of them that make MIDI.
    pub(crate) fn a_minute(&self) -> [f64; 2] {
        let Share { all, first, .. } = self.rejected;
        [all, all - first].map(|n| n as f64 / self.minutes.max(1e-9))
    }
}

impl Report {
    /// As text for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let out = &mut text;
        // Writing into memory does not fail.
        let _ = writeln!(
            out,
            "Rejection of {}, {}\n",
            self.models.join(" and "),
            self.protocol
        );
        let kinds = if self.kinds_left_out {
            "left out"
        } else {
            "known"
        };
        let _ = writeln!(out, "Each onset alone, kinds of made sounds {kinds}");
        for (model, curve) in self.models.iter().zip(&self.curve) {
            let _ = write!(out, "  {model:12}");
            for point in curve {
                let (lost, held) = (100.0 * point.lost, point.held_back);
                let _ = write!(out, "  {lost:.1} % lost: {held:.3} held back");
            }
            let _ = writeln!(out);
        }
        let share = |share: &Share| {
            format!(
                "{:.4} / {:.4} of {}",
                share.first(),
                share.second(),
                share.all
            )
        };
        let _ = writeln!(
            out,
            "\nStrictness {}{}: notes lost, first / second decision",
            self.strictness,
            if self.strictness == DEFAULT_STRICTNESS {
                ", as delivered"
            } else {
                ""
            }
        );
        for (name, one) in [
            ("as recorded", &self.as_recorded),
            ("performances", &self.performances),
        ] {
            let _ = writeln!(out, "  {name:26} {}", share(one));
        }
        let players = self
            .players
            .iter()
            .map(|(name, r, p, _)| (name.as_str(), r, p));
        let techniques = self.techniques.iter().map(|(name, r, p)| (*name, r, p));
        for (name, recorded, performances) in players.chain(techniques) {
            let (recorded, performances) = (share(recorded), share(performances));
            let _ = writeln!(out, "  {name:26} {recorded}, performances {performances}");
        }
        let _ = writeln!(
            out,
            "\nForeign sounds: onsets a minute, those that make MIDI, held back by the first / second decision"
        );
        for one in self.kinds.iter().chain(&self.recorded) {
            let [onsets, midi] = one.a_minute();
            let known = one.known.map_or(String::new(), |known| {
                format!(", known: {:.3} / {:.3}", known.first(), known.second())
            });
            let _ = writeln!(
                out,
                "  {:26} {onsets:6.1} {midi:6.1}  {:.3} / {:.3}{known}",
                one.name,
                one.rejected.first(),
                one.rejected.second()
            );
        }
        let (lost, held) = &self.in_turn;
        let _ = writeln!(
            out,
            "\nPlaying and foreign sounds in turn: lost {}, held back {}",
            share(lost),
            share(held)
        );
        let _ = writeln!(
            out,
            "\nStrictness: lost as recorded, in performances; MIDI notes a minute in made sounds, in recorded ones"
        );
        for (strictness, recorded, performances, made, foreign) in &self.strictnesses {
            let _ = writeln!(
                out,
                "  {strictness:.2}  {recorded:.4} {performances:.4}  {made:.1} {foreign:.1}"
            );
        }
        text
    }
}
