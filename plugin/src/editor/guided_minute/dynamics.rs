//! The step of the velocity: some seconds soft, some seconds hard, learnt.

use egui::{Button, ProgressBar, RichText, Ui, vec2};
use nice_plug::context::gui::{GuiContext, ParamSetter};

use crate::editor::palette::{ACCENT, FAINT, TEXT, WARNING};
use crate::editor::value::{set, switch};
use crate::editor::velocity::{BY_TECHNIQUE, BY_TECHNIQUE_HINT, take_step};
use crate::params::ToccoParams;
use crate::velocity_lesson::{LEAST_HITS, Standing, Step};

/// Seconds of a half, from its first hit on: the hands have to find the guitar first.
const HALF: f64 = 5.0;

/// Seconds that a host may take to set a parameter as the window asked: some do it with a later block.
const HOST: f64 = 2.0;

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
    /// Until that second the step that was begun last may still have to be set.
    until_set: Option<f64>,
}

impl Dynamics {
    /// Whether a half is under way.
    pub fn runs(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Whether it leads through the half that is heard: the host may have gone on elsewhere.
    pub fn leads(&self, params: &ToccoParams) -> bool {
        matches!(
            (self.phase, params.requests.velocity.standing()),
            (Phase::Soft(_), Standing::Soft) | (Phase::Hard(_), Standing::Hard)
        )
    }

    /// Whether it asked the host for a half that was not yet set when it was looked at last.
    pub fn waits_for_the_host(&self) -> bool {
        matches!(self.phase, Phase::Soft(_) | Phase::Hard(_)) && self.until_set.is_some()
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
        let is_set = match self.phase {
            Phase::Soft(_) => standing == Standing::Soft,
            Phase::Hard(_) => standing == Standing::Hard,
            Phase::Learns => standing != Standing::Hard,
            _ => true,
        };
        if is_set {
            self.until_set = None;
        } else if self.until_set.is_some_and(|until| now < until) {
            return;
        }
        self.phase = match self.phase {
            // Somebody else leads through the lesson.
            Phase::Soft(_) | Phase::Hard(_) if !is_set => Phase::Idle,
            Phase::Soft(since) if over(since) => {
                set(setter, &params.velocity_lesson, Step::Off);
                Phase::Breath(now + BREATH)
            }
            Phase::Breath(until) if now >= until => {
                set(setter, &params.velocity_lesson, Step::Hard);
                self.until_set = Some(now + HOST);
                Phase::Hard(None)
            }
            Phase::Hard(since) if over(since) => {
                set(setter, &params.velocity_lesson, Step::Done);
                self.until_set = Some(now + HOST);
                Phase::Learns
            }
            Phase::Soft(since) => Phase::Soft(first(since)),
            Phase::Hard(since) => Phase::Hard(first(since)),
            Phase::Learns if !lesson.waits() => Phase::Idle,
            phase => phase,
        };
    }

    fn begin(&mut self, params: &ToccoParams, setter: &ParamSetter<'_>) {
        take_step(params, setter, Step::Soft);
        self.until_set = Some(self.now + HOST);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use nice_plug::context::PluginApi;
    use nice_plug::context::gui::GuiContextInner;
    use nice_plug::params::internals::ParamPtr;
    use nice_plug::plugin::PluginState;

    use super::*;

    /// A host that sets parameters with a later block, each to the last value that it was given.
    #[derive(Default)]
    struct SlowHost(Mutex<Vec<(ParamPtr, f32)>>);

    impl SlowHost {
        fn block(&self) {
            for (param, value) in self.0.lock().unwrap().drain(..) {
                // SAFETY: the parameters outlive the host.
                unsafe { param._internal_set_normalized_value(value) };
            }
        }
    }

    impl GuiContextInner for SlowHost {
        fn plugin_api(&self) -> PluginApi {
            PluginApi::Clap
        }
        unsafe fn raw_begin_set_parameter(&self, _: ParamPtr) {}
        unsafe fn raw_set_parameter_normalized(&self, param: ParamPtr, value: f32) {
            let mut given = self.0.lock().unwrap();
            given.retain(|(other, _)| *other != param);
            given.push((param, value));
        }
        unsafe fn raw_end_set_parameter(&self, _: ParamPtr) {}
        fn get_state(&self) -> PluginState {
            PluginState {
                version: String::new(),
                params: BTreeMap::new(),
                fields: BTreeMap::new(),
            }
        }
        fn set_state(&self, _: PluginState) {}
        fn request_restart(&self) {}
    }

    #[test]
    fn a_step_once_more_begins_anew_whatever_a_host_makes_of_two_values_in_a_block() {
        let params = ToccoParams::default();
        let lesson = &params.requests.velocity;
        let host = Arc::new(SlowHost::default());
        let gui = GuiContext::new(host.clone());
        let setter = &gui.param_setter();
        let step = |step| {
            take_step(&params, setter, step);
            host.block();
        };
        for (half, standing) in [(Step::Soft, Standing::Soft), (Step::Hard, Standing::Hard)] {
            step(half);
            lesson.hear(0, -20.0);
            assert_eq!((lesson.standing(), lesson.hits()), (standing, 1));
            step(half);
            assert_eq!((lesson.standing(), lesson.hits()), (standing, 0));
        }
        for count in 1..3 {
            step(Step::Done);
            assert_eq!(lesson.waiting(), count);
        }
        step(Step::Soft);
        lesson.hear(0, -20.0);
        Dynamics::default().begin(&params, setter);
        host.block();
        assert_eq!((lesson.standing(), lesson.hits()), (Standing::Soft, 0));
    }

    #[test]
    fn the_lesson_waits_for_a_host_with_long_blocks_but_not_for_ever() {
        let params = ToccoParams::default();
        let lesson = &params.requests.velocity;
        let host = Arc::new(SlowHost::default());
        let gui = GuiContext::new(host.clone());
        let setter = &gui.param_setter();
        let mut dynamics = Dynamics::default();
        dynamics.attend(&params, setter, 10.0);
        dynamics.begin(&params, setter);
        for frame in 0..6 {
            dynamics.attend(&params, setter, 10.0 + f64::from(frame) * 0.016);
            assert!(dynamics.runs(), "{frame}");
        }
        host.block();
        for hit in 0..LEAST_HITS {
            lesson.hear(hit, -30.0);
        }
        dynamics.attend(&params, setter, 10.2);
        dynamics.attend(&params, setter, 10.3 + HALF);
        host.block();
        let hard = 10.4 + HALF + BREATH;
        dynamics.attend(&params, setter, hard);
        // The soft hits count for nothing in the half that is yet to be set.
        dynamics.attend(&params, setter, hard + 0.1);
        assert_eq!(dynamics.phase, Phase::Hard(None));
        host.block();
        dynamics.attend(&params, setter, hard + 0.2);
        assert_eq!(dynamics.phase, Phase::Hard(None));
        lesson.hear(0, -5.0);
        dynamics.attend(&params, setter, hard + 0.3);
        assert_eq!(dynamics.phase, Phase::Hard(Some(hard + 0.3)));

        // Somebody else ends it; and a host that sets nothing.
        lesson.step(Step::Off);
        dynamics.attend(&params, setter, hard + 0.4);
        assert!(!dynamics.runs());
        dynamics.begin(&params, setter);
        dynamics.attend(&params, setter, hard + 1.5);
        assert!(dynamics.runs());
        dynamics.attend(&params, setter, hard + 0.5 + HOST);
        assert!(!dynamics.runs());
    }
}
