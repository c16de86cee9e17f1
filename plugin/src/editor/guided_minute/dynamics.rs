//! The step of the velocity: some seconds soft, some seconds hard, learnt.

use egui::{Button, ProgressBar, RichText, Ui, vec2};
use nice_plug::context::gui::{GuiContext, ParamSetter};

use crate::editor::palette::{ACCENT, FAINT, TEXT, WARNING};
use crate::editor::value::{set, switch};
use crate::editor::velocity::{BY_TECHNIQUE, BY_TECHNIQUE_HINT};
use crate::params::ToccoParams;
use crate::velocity_lesson::{LEAST_HITS, Standing, Step};

/// Seconds of a half, from its first hit on: the hands have to find the guitar first.
const HALF: f64 = 5.0;

/// Seconds between the halves. What is still played softly belongs to neither.
const BREATH: f64 = 1.5;

const HOW: &str = "Press Start, then play softly for five seconds and hard for five: all techniques that \
    you use. The clock waits for your first note.";
const ALIKE: &str = "Soft and hard were alike. Play softer, then harder, and try it again.";

/// How far the step is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Phase {
    #[default]
    Idle,
    /// Soft hits are heard; the first one at that second.
    Soft(Option<f64>),
    /// Until that second nothing is heard.
    Breath(f64),
    Hard(Option<f64>),
    /// The service thread learns.
    Learns,
}

/// What is remembered of the step.
#[derive(Debug, Default)]
pub struct Dynamics {
    phase: Phase,
    now: f64,
}

impl Dynamics {
    /// Whether a half is under way.
    pub fn runs(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Whether there are ends that were learnt.
    pub fn has_learnt(&self, params: &ToccoParams) -> bool {
        self.phase == Phase::Idle && params.requests.velocity.standing() == Standing::Learnt
    }

    /// Goes on when it is time to.
    pub fn attend(&mut self, params: &ToccoParams, setter: &ParamSetter<'_>, now: f64) {
        self.now = now;
        let lesson = &params.requests.velocity;
        let (standing, hits) = (lesson.standing(), lesson.hits());
        // A half is over when there was time and there are hits enough.
        let over = |since: Option<f64>| {
            since.is_some_and(|since| now - since >= HALF) && hits >= LEAST_HITS
        };
        let first = |since: Option<f64>| since.or((hits > 0).then_some(now));
        self.phase = match self.phase {
            // Somebody else leads through the lesson.
            Phase::Soft(_) if standing != Standing::Soft => Phase::Idle,
            Phase::Hard(_) if standing != Standing::Hard => Phase::Idle,
            Phase::Soft(since) if over(since) => {
                set(setter, &params.velocity_lesson, Step::Off);
                Phase::Breath(now + BREATH)
            }
            Phase::Breath(until) if now >= until => {
                set(setter, &params.velocity_lesson, Step::Hard);
                Phase::Hard(None)
            }
            Phase::Hard(since) if over(since) => {
                set(setter, &params.velocity_lesson, Step::Done);
                Phase::Learns
            }
            Phase::Soft(since) => Phase::Soft(first(since)),
            Phase::Hard(since) => Phase::Hard(first(since)),
            Phase::Learns if !lesson.waits() => Phase::Idle,
            phase => phase,
        };
    }

    fn begin(&mut self, params: &ToccoParams, setter: &ParamSetter<'_>) {
        // A parameter acts when it changes.
        set(setter, &params.velocity_lesson, Step::Off);
        set(setter, &params.velocity_lesson, Step::Soft);
        self.phase = Phase::Soft(None);
    }

    /// Gives up a half that is under way.
    pub fn end(&mut self, params: &ToccoParams, setter: &ParamSetter<'_>) {
        if matches!(
            self.phase,
            Phase::Soft(_) | Phase::Breath(_) | Phase::Hard(_)
        ) {
            set(setter, &params.velocity_lesson, Step::Off);
        }
        self.phase = Phase::Idle;
    }

    /// What is to be played, how long yet, and what came of it.
    pub fn show(&mut self, ui: &mut Ui, params: &ToccoParams, gui: &GuiContext) {
        let setter = &gui.param_setter();
        let lesson = &params.requests.velocity;
        let standing = lesson.standing();
        let (large, small, colour) = match (self.phase, standing) {
            (Phase::Soft(_), _) => ("Play softly".to_owned(), hits(lesson.hits()), ACCENT),
            (Phase::Breath(_), _) => ("Now hard …".to_owned(), String::new(), TEXT),
            (Phase::Hard(_), _) => ("Play hard".to_owned(), hits(lesson.hits()), ACCENT),
            (Phase::Learns, _) => ("…".to_owned(), String::new(), TEXT),
            (Phase::Idle, Standing::Learnt) => {
                let (soft, hard) = (params.soft_end.value(), params.hard_end.value());
                let text = format!(
                    "Velocity 1 is {soft:.0} dB, 127 is {hard:.0} dB; found in {}.",
                    hits(lesson.hits())
                );
                ("Learnt".to_owned(), text, FAINT)
            }
            (Phase::Idle, Standing::Alike) => (String::new(), ALIKE.to_owned(), WARNING),
            (Phase::Idle, _) => (String::new(), HOW.to_owned(), FAINT),
        };
        if !large.is_empty() {
            let colour = if colour == FAINT { TEXT } else { colour };
            ui.label(RichText::new(large).size(26.0).color(colour));
        }
        let passed = |since: Option<f64>| since.map_or(0.0, |since| (self.now - since) / HALF);
        match self.phase {
            Phase::Soft(since) | Phase::Hard(since) => {
                let bar = ProgressBar::new(passed(since).min(1.0) as f32).fill(ACCENT);
                ui.add(bar.desired_height(8.0));
            }
            Phase::Breath(_) | Phase::Learns => {
                ui.add(ProgressBar::new(0.0).desired_height(8.0));
            }
            Phase::Idle => {}
        }
        ui.label(RichText::new(small).size(13.0).color(colour));
        ui.horizontal(|ui| {
            let text = match (self.phase, standing) {
                (Phase::Idle, Standing::Learnt | Standing::Alike) => "Again",
                (Phase::Idle, _) => "Start",
                _ => "Stop",
            };
            if ui
                .add(Button::new(text).min_size(vec2(72.0, 26.0)))
                .clicked()
            {
                match self.phase {
                    Phase::Idle => self.begin(params, setter),
                    _ => self.end(params, setter),
                }
            }
            let by_technique = &params.velocity_by_technique;
            switch(
                ui,
                setter,
                by_technique,
                BY_TECHNIQUE,
                true,
                BY_TECHNIQUE_HINT,
            );
        });
    }
}

/// So many hits, in words.
fn hits(count: usize) -> String {
    match count {
        1 => "1 hit".to_owned(),
        _ => format!("{count} hits"),
    }
}
