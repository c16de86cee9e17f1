//! The step of the techniques: one is taught after the other.

use egui::{Align, Button, Layout, RichText, Sense, Stroke, Ui, UiBuilder, vec2};
use nice_plug::context::gui::GuiContext;

use crate::calibration::lesson::ENOUGH;
use crate::calibration::{CalibrationStatus, Command};
use crate::editor::lesson::LessonPanel;
use crate::editor::palette::{self, ACCENT, FAINT, TEXT, TRACK};
use crate::editor::{bars, guitar, lesson};
use crate::service::{Shared, Status};
use tocco_recognizer::classification::MAX_CLASSES;

/// Seconds between two techniques: what rings on, or comes once more, is an example of neither.
const BREATH: f64 = 2.0;

/// Seconds within which the examples are counted once a lesson has ended.
const COUNT: f64 = 0.5;

/// Examples of a technique from which on there is something to learn.
const SOME: usize = 3;

/// Heights of the line with what is to be played, and of a technique.
const HEADLINE: f32 = 54.0;
const ROW: f32 = 25.0;

/// Widths of a technique's name and of its button.
const NAME_WIDTH: f32 = 216.0;
const BUTTON_WIDTH: f32 = 76.0;

const HOW: &str = "Untick what you never play and press Start. Each technique is played five times; after \
    the fifth the next one follows by itself.";
const OVER: &str =
    "That was the last one. Whatever sounds wrong in the next step can be taught again.";

/// How far the step is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Phase {
    #[default]
    Idle,
    /// Notes are examples of that class until there are so many.
    Teaches { class: usize, goal: usize },
    /// The lesson of that class has ended: perhaps with enough examples.
    Counts {
        class: usize,
        goal: usize,
        until: f64,
    },
    /// The class is next, at that second.
    Breath { next: usize, at: f64 },
    /// The last one was taught.
    Over,
}

/// What is remembered of the step.
#[derive(Debug, Default)]
pub struct Techniques {
    phase: Phase,
}

impl Techniques {
    /// Whether it waits until it goes on.
    pub fn breathes(&self) -> bool {
        matches!(self.phase, Phase::Counts { .. } | Phase::Breath { .. })
    }

    /// Goes on when it is time to. Whoever teaches, host or window: it follows.
    pub fn attend(&mut self, shared: &Shared, status: &Status, now: f64) {
        let calibration = &status.calibration;
        let taught = shared.telemetry.teaching.class();
        let examples = |class: usize| calibration.examples.get(class).copied().unwrap_or(0);
        self.phase = match (taught, self.phase) {
            (
                Some(class),
                Phase::Teaches {
                    class: before,
                    goal,
                },
            ) if class == before => Phase::Teaches { class, goal },
            (Some(class), _) => Phase::Teaches {
                class,
                goal: examples(class) + ENOUGH,
            },
            (None, Phase::Teaches { class, goal }) => Phase::Counts {
                class,
                goal,
                until: now + COUNT,
            },
            (None, Phase::Counts { class, goal, .. }) if examples(class) >= goal => {
                match next(shared, calibration, class) {
                    Some(next) => Phase::Breath {
                        next,
                        at: now + BREATH,
                    },
                    None => Phase::Over,
                }
            }
            // Somebody ended it before.
            (None, Phase::Counts { until, .. }) if now >= until => Phase::Idle,
            (None, Phase::Breath { next, at }) if now >= at => {
                // It may have been unticked meanwhile.
                match used(shared, calibration).find(|class| *class >= next) {
                    Some(class) => {
                        lesson::begin(shared, class);
                        Phase::Teaches {
                            class,
                            goal: examples(class) + ENOUGH,
                        }
                    }
                    None => Phase::Over,
                }
            }
            (None, phase) => phase,
        };
    }

    /// Ends a lesson that is under way.
    pub fn end(&mut self, shared: &Shared) {
        if matches!(self.phase, Phase::Teaches { .. }) {
            shared.calibrate(Command::Teach(None));
        }
        self.phase = Phase::Idle;
    }

    /// What is to be played, and how far each technique is.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        gui: &GuiContext,
        calibration: &CalibrationStatus,
        labels: &[String],
    ) {
        if !calibration.possible {
            let why = calibration.error.clone().unwrap_or_default();
            ui.label(RichText::new(why).color(FAINT));
            return;
        }
        self.headline(ui, shared, calibration, labels);
        ui.spacing_mut().item_spacing.y = 0.0;
        for (class, label) in labels.iter().enumerate().take(MAX_CLASSES) {
            self.row(ui, shared, gui, calibration, class, label);
        }
    }

    /// What is to be played now, where, and the button that goes on.
    fn headline(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        calibration: &CalibrationStatus,
        labels: &[String],
    ) {
        // The model may be another one by now, with fewer techniques.
        let label = |class: usize| labels.get(class).map_or("", String::as_str);
        let (class, large, small) = match self.phase {
            Phase::Idle => (None, String::new(), HOW),
            Phase::Over => (None, String::new(), OVER),
            Phase::Teaches { class, .. } => {
                let text = format!("Play: {}", label(class));
                (Some(class), text, guitar::place(class))
            }
            Phase::Counts { class, .. } => (Some(class), "Good.".to_owned(), ""),
            Phase::Breath { next, .. } => {
                let text = format!("Next: {} …", label(next));
                (Some(next), text, guitar::place(next))
            }
        };
        let size = vec2(ui.available_width(), HEADLINE);
        ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
            ui.set_min_size(size);
            let drawing = vec2(HEADLINE * guitar::ASPECT, HEADLINE);
            let (rect, _) = ui.allocate_exact_size(drawing, Sense::hover());
            let colour = class.map_or(FAINT, palette::of_class);
            guitar::draw(ui.painter(), rect, class, colour);
            ui.with_layout(Layout::top_down(Align::LEFT), |ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                if !large.is_empty() {
                    ui.label(RichText::new(large).size(20.0).color(TEXT));
                }
                ui.label(RichText::new(small).size(13.0).color(FAINT));
            });
        });
        ui.horizontal(|ui| {
            let mut button = |text: &str| {
                ui.add(Button::new(text).min_size(vec2(72.0, 26.0)))
                    .clicked()
            };
            match self.phase {
                Phase::Idle | Phase::Over => {
                    if button("Start") {
                        self.teach(shared, first(shared, calibration));
                    }
                }
                Phase::Teaches { class, .. } => {
                    if button("Next technique") {
                        shared.calibrate(Command::Teach(None));
                        self.teach(shared, next(shared, calibration, class));
                    }
                    if button("Stop") {
                        self.end(shared);
                    }
                }
                Phase::Counts { .. } | Phase::Breath { .. } => {
                    if button("Stop") {
                        self.end(shared);
                    }
                }
            }
        });
    }

    fn teach(&mut self, shared: &Shared, class: Option<usize>) {
        self.phase = Phase::Over;
        if let Some(class) = class {
            lesson::begin(shared, class);
            self.phase = Phase::Idle; // until it is seen that it is taught
        }
    }

    fn row(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        gui: &GuiContext,
        calibration: &CalibrationStatus,
        class: usize,
        label: &str,
    ) {
        let size = vec2(ui.available_width(), ROW);
        let (row, _) = ui.allocate_exact_size(size, Sense::hover());
        let (teaches, goal) = match self.phase {
            Phase::Teaches {
                class: taught,
                goal,
            } => (taught == class, goal),
            _ => (false, ENOUGH),
        };
        if teaches {
            ui.painter().rect_filled(row, 4.0, TRACK);
        }
        bars::swatch(ui, row.with_min_x(row.left() + 4.0), class);
        let within = |ui: &mut Ui, left: f32, right: f32| {
            let rect = row.with_min_x(left).with_max_x(right);
            let builder = UiBuilder::new().max_rect(rect);
            ui.new_child(builder.layout(Layout::left_to_right(Align::Center)))
        };
        let left = row.left() + 22.0;
        let colour = if teaches { TEXT } else { FAINT };
        let name = RichText::new(label).size(14.0).color(colour);
        let mut child = within(ui, left, left + NAME_WIDTH);
        LessonPanel::used(&mut child, shared, Some(gui), calibration, class, name);
        let examples = calibration.examples.get(class).copied().unwrap_or(0);
        // The dots of a lesson that adds to one before.
        let shown = match teaches {
            true => (examples + ENOUGH).saturating_sub(goal),
            false => examples,
        };
        let painter = ui.painter();
        for dot in 0..ENOUGH {
            let at = egui::pos2(left + NAME_WIDTH + 14.0 + 18.0 * dot as f32, row.center().y);
            match dot < shown {
                true => painter.circle_filled(at, 5.0, palette::of_class(class)),
                false => painter.circle_stroke(at, 5.0, Stroke::new(1.0, FAINT)),
            };
        }
        let mut child = within(ui, row.right() - BUTTON_WIDTH - 4.0, row.right() - 4.0);
        let text = match (teaches, examples) {
            (true, _) => "Stop",
            (false, 0) => "Teach",
            (false, _) => "Again",
        };
        let used = shared.params.techniques.of_class[class].used.value();
        let button = Button::new(RichText::new(text).size(12.0)).selected(teaches);
        let button = button.min_size(vec2(BUTTON_WIDTH, 20.0));
        let button = if teaches {
            button.stroke(Stroke::new(1.0, ACCENT))
        } else {
            button
        };
        if child.add_enabled(used, button).clicked() {
            match teaches {
                true => self.end(shared),
                false => lesson::begin(shared, class),
            }
        }
    }
}

/// The first technique that is used and wants examples; where none does, the first that is used.
fn first(shared: &Shared, calibration: &CalibrationStatus) -> Option<usize> {
    let wants = |class: &usize| calibration.examples[*class] < SOME;
    used(shared, calibration)
        .find(wants)
        .or(used(shared, calibration).next())
}

/// The next one after `class` that is used.
fn next(shared: &Shared, calibration: &CalibrationStatus, class: usize) -> Option<usize> {
    used(shared, calibration).find(|next| *next > class)
}

fn used(shared: &Shared, calibration: &CalibrationStatus) -> impl Iterator<Item = usize> {
    let masked = shared.params.masked();
    (0..calibration.examples.len().min(MAX_CLASSES)).filter(move |class| !masked[*class])
}

/// How many techniques have examples to learn from.
pub fn taught(calibration: &CalibrationStatus) -> usize {
    calibration.examples.iter().filter(|n| **n >= SOME).count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::params::{ToccoParams, set};

    #[test]
    fn what_is_unticked_before_its_turn_is_passed_over() {
        let shared = Shared::new(Arc::new(ToccoParams::default()));
        let mut status = Status::default();
        status.calibration.examples = vec![0; MAX_CLASSES];
        let turn = |unused: &[usize]| {
            for (class, params) in shared.params.techniques.of_class.iter().enumerate() {
                set(&params.used, !unused.contains(&class));
            }
            shared.telemetry.teaching.set(None);
            let mut techniques = Techniques {
                phase: Phase::Breath { next: 5, at: 1.0 },
            };
            techniques.attend(&shared, &status, 1.0);
            (shared.telemetry.teaching.class(), techniques.phase)
        };
        let teaches = |class| {
            (
                Some(class),
                Phase::Teaches {
                    class,
                    goal: ENOUGH,
                },
            )
        };
        assert_eq!(turn(&[]), teaches(5));
        assert_eq!(turn(&[5]), teaches(6));
        assert_eq!(turn(&[5, 6, 7]), (None, Phase::Over));
    }
}
