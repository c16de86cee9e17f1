//! A lesson in the window: which notes are examples of which technique, and what came of it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use egui::{Button, Checkbox, RichText, Ui};
use nice_plug::context::gui::GuiContext;

use super::file_chooser::{FileChooser, Kind};
use super::palette::{ACCENT, FAINT, WARNING};
use super::value;
use crate::calibration::lesson::ENOUGH;
use crate::calibration::{CalibrationStatus, Command};
use crate::service::Shared;

/// How long *Forget all* waits to be pressed again.
const CONFIRMATION: Duration = Duration::from_secs(3);

/// Examples of which it is said that they sound like something else.
const DOUBTS_SHOWN: usize = 2;

const INVITATION: &str = "Not right about you? Press Teach beside a technique and play it three to five \
    times, then go on to the next one.";
const TEACH_HINT: &str = "Press it, then play this technique three to five times as you play it in \
    music: soft and loud, on several strings. After five notes, or when you press it again, the lesson of \
    this technique ends.";
const FORGET_HINT: &str = "Was it a slip, or no note of yours at all? If it was meant so, keep it: of \
    such examples there is most to learn.";
const SAVE_HINT: &str = "Writes your lesson of this model to a file, to be loaded in another project or on \
    another machine. What the second decision was taught lies beside it, in a file that ends in .second.json.";
const LOAD_HINT: &str =
    "Puts a lesson of this model that was saved to a file in the place of what was taught.";
const USE_HINT: &str = "Untick a technique that you never play: it is then never answered.";

/// What the window remembers of a lesson.
#[derive(Default)]
pub struct LessonPanel {
    /// When *Forget all* was pressed once.
    forgetting: Option<Instant>,
    /// Where the lesson is to be saved.
    pub(super) save_chooser: FileChooser,
    /// From where one is to be loaded.
    pub(super) load_chooser: FileChooser,
    /// The file that was chosen last: dialogs begin there.
    pub(super) profile: String,
}

impl LessonPanel {
    /// Whether the technique is used at all, and its name.
    pub fn used(
        ui: &mut Ui,
        shared: &Shared,
        gui: Option<&GuiContext>,
        calibration: &CalibrationStatus,
        class: usize,
        name: RichText,
    ) {
        let param = &shared.params.techniques.of_class[class].used;
        let mut used = param.value();
        let tick = Checkbox::new(&mut used, name);
        let response = ui.add_enabled(calibration.possible && gui.is_some(), tick);
        if response.on_hover_text(USE_HINT).changed()
            && let Some(gui) = gui
        {
            value::set(&gui.param_setter(), param, used);
        }
    }

    /// The button that begins and ends the teaching of a technique, which is played as `place` says,
    /// and how many examples there are.
    pub fn teach(
        ui: &mut Ui,
        shared: &Shared,
        calibration: &CalibrationStatus,
        class: usize,
        place: &str,
    ) {
        let examples = calibration.examples.get(class).copied().unwrap_or(0);
        let teaching = shared.telemetry.teaching.class() == Some(class);
        let text = match (teaching, examples) {
            // Until the service has begun it.
            (true, _) => {
                let ends_at = calibration.ends_at.unwrap_or(examples + ENOUGH);
                format!("{examples} of {ends_at}")
            }
            (false, 0) => "Teach".to_owned(),
            (false, _) => format!("Teach · {examples}"),
        };
        let text = RichText::new(text).size(12.0);
        let button = Button::new(text).selected(teaching);
        let button = button.min_size(ui.available_size());
        if ui
            .add_enabled(calibration.possible, button)
            .on_hover_text(format!("{place}\n{TEACH_HINT}"))
            .clicked()
        {
            match teaching {
                true => end(shared),
                false => begin(shared, class),
            }
        }
    }

    /// What came of it so far, how to take it back, and how to keep it as a file.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        calibration: &CalibrationStatus,
        labels: &[String],
    ) {
        ui.spacing_mut().item_spacing.y = 5.0;
        let small = |text: &str, colour| RichText::new(text).size(12.0).color(colour);
        let examples = calibration.report.len();
        let taught = shared
            .telemetry
            .teaching
            .class()
            .and_then(|class| labels.get(class));
        let (text, colour) = match taught {
            Some(name) => {
                let text = format!("Each note that you play is an example of {name}.");
                (text, ACCENT)
            }
            // Why not is no fault of the user's.
            None if !calibration.possible => (calibration.error.clone().unwrap_or_default(), FAINT),
            None if examples == 0 => (INVITATION.to_owned(), FAINT),
            None => (summary(calibration), FAINT),
        };
        ui.label(small(&text, colour));
        for (index, doubt) in doubts(calibration, labels) {
            ui.horizontal(|ui| {
                let button = ui.small_button(format!("Forget {}", index + 1));
                if button.on_hover_text(FORGET_HINT).clicked() {
                    shared.calibrate(Command::Forget(index));
                }
                ui.label(small(&doubt, FAINT));
            });
        }
        if let (Some(error), true) = (&calibration.error, calibration.possible) {
            ui.label(small(error, WARNING));
        }
        if let Some(told) = &calibration.told {
            ui.label(small(told, FAINT));
        }
        let untouched = examples == 0 && !calibration.masked.contains(&true);
        if untouched {
            self.forgetting = None;
        }
        ui.horizontal(|ui| {
            if !untouched {
                self.take_back(ui, shared, calibration);
            }
            self.files(ui, calibration.possible, untouched);
        });
    }

    /// What was taught as a file.
    fn files(&mut self, ui: &mut Ui, possible: bool, untouched: bool) {
        let place = &self.profile;
        ui.add_enabled_ui(possible && !untouched, |ui| {
            let kind = Kind::NewFile("lesson.json", "json");
            let chooser = &mut self.save_chooser;
            chooser.button(ui, "Save profile…", SAVE_HINT, kind, place);
        });
        ui.add_enabled_ui(possible, |ui| {
            let kind = Kind::File("json");
            let chooser = &mut self.load_chooser;
            chooser.button(ui, "Load profile…", LOAD_HINT, kind, place);
        });
    }

    /// How to take back what was taught.
    fn take_back(&mut self, ui: &mut Ui, shared: &Shared, calibration: &CalibrationStatus) {
        let examples = calibration.report.len();
        if ui
            .add_enabled(examples > 0, Button::new("Undo"))
            .on_hover_text("Forget the last example")
            .clicked()
        {
            shared.calibrate(Command::Undo);
        }
        self.forgetting = self
            .forgetting
            .filter(|since| since.elapsed() < CONFIRMATION);
        let text = if self.forgetting.is_some() {
            "Really?"
        } else {
            "Forget all"
        };
        if ui.add_enabled(examples > 0, Button::new(text)).clicked() {
            if self.forgetting.take().is_some() {
                end(shared);
                shared.calibrate(Command::Reset);
            } else {
                self.forgetting = Some(Instant::now());
            }
        }
        let mut in_use = calibration.in_use;
        let response = ui.checkbox(&mut in_use, "in use");
        if response
            .on_hover_text("Whether the model is what the lesson made of it, or as it was")
            .changed()
        {
            shared.calibrate(Command::Apply(in_use));
        }
    }
}

/// From now on each note is an example of `class`, at the longest until the window is closed.
pub fn begin(shared: &Shared, class: usize) {
    shared.calibrate(Command::Teach(Some(class)));
    shared.window_teaches.store(true, Relaxed);
}

/// From now on no note is an example, if one was.
fn end(shared: &Shared) {
    if shared.telemetry.teaching.class().is_some() {
        shared.calibrate(Command::Teach(None));
    }
}

/// The window is closed: nobody sees any more that what is played is taken for an example. A lesson
/// that the host began, or a program by OSC, goes on.
pub fn leave(shared: &Shared) {
    if shared.window_teaches.swap(false, Relaxed) {
        end(shared);
    }
}

/// How many examples there are and how they fit together.
fn summary(calibration: &CalibrationStatus) -> String {
    let report = &calibration.report;
    let right = report
        .iter()
        .filter(|left_out| left_out.answer == left_out.class)
        .count();
    let examples = match report.len() {
        1 => "1 example".to_owned(),
        n => format!("{n} examples"),
    };
    format!("{examples}; {right} would be named rightly had they not been taught.")
}

/// The last examples that sound like something else to a model that was taught all but them: their
/// numbers in the order of teaching, from 0, and what they sound like.
fn doubts(calibration: &CalibrationStatus, labels: &[String]) -> Vec<(usize, String)> {
    let wrong = calibration.report.iter().enumerate().rev();
    let wrong = wrong.filter(|(_, left_out)| left_out.answer != left_out.class);
    let doubt = |(i, left_out): (usize, &tocco_recognizer::adaptation::LeftOut)| {
        let (class, answer) = (labels.get(left_out.class)?, labels.get(left_out.answer)?);
        Some((i, format!("{class} that sounds like {answer}")))
    };
    wrong.filter_map(doubt).take(DOUBTS_SHOWN).collect()
}
