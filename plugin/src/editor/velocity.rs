//! The velocity: its ends, its curve, and the lesson that finds them.

use egui::{Button, CollapsingHeader, RichText, Sense, Ui, vec2};
use nice_plug::context::gui::{GuiContext, ParamSetter};
use nice_plug::params::Param;

use super::palette::{ACCENT, FAINT, WARNING};
use super::value::{name, number, set, switch};
use super::{bars, velocity_curve};
use crate::params::ToccoParams;
use crate::velocity_lesson::{Standing, Step};
use tocco_recognizer::meters::LastNote;

const WIDTH: f32 = 120.0;

pub const SOFT_HINT: &str = "Level of the softest velocity.";
pub const HARD_HINT: &str = "Level of the hardest velocity.";
pub const BEND_HINT: &str = "Bends what lies between the ends: above 0 soft notes become louder.";
/// The name of what gives each technique ends of its own.
pub const BY_TECHNIQUE: &str = "Learn the ends of each technique";
pub const BY_TECHNIQUE_HINT: &str = "The lesson gives each technique ends of its own.";
const THRESHOLD_HINT: &str = "Notes of it that are softer are not played.";
const OWN_HINT: &str = "As all: the ends of all techniques count.";

/// The steps of the lesson: what is on the button, and what it is for.
const STEPS: [(Step, &str, &str); 3] = [
    (
        Step::Soft,
        "Play soft",
        "Press it and play softly for some seconds, all techniques that you use.",
    ),
    (
        Step::Hard,
        "Play hard",
        "Press it and play hard for some seconds.",
    ),
    (Step::Done, "Done", "Finds the ends in what you played."),
];

/// Numbers at the left, the curve at the right; the ends and the threshold of each of `labels` folded away.
pub fn show(
    ui: &mut Ui,
    params: &ToccoParams,
    gui: &GuiContext,
    labels: &[String],
    last: Option<LastNote>,
) {
    let setter = &gui.param_setter();
    ui.columns_const(|[left, right]| {
        lesson(left, params, setter);
        left.add_space(4.0);
        let grid = egui::Grid::new("velocity")
            .num_columns(2)
            .spacing([12.0, 6.0]);
        grid.show(left, |ui| {
            name(ui, params.soft_end.name());
            number(ui, setter, &params.soft_end, WIDTH, SOFT_HINT);
            ui.end_row();
            name(ui, params.hard_end.name());
            number(ui, setter, &params.hard_end, WIDTH, HARD_HINT);
            ui.end_row();
            name(ui, params.velocity_curve.name());
            number(ui, setter, &params.velocity_curve, WIDTH, BEND_HINT);
            ui.end_row();
        });
        switch(
            left,
            setter,
            &params.velocity_by_technique,
            BY_TECHNIQUE,
            true,
            BY_TECHNIQUE_HINT,
        );
        velocity_curve::show(right, params, setter, last);
    });
    let folded = CollapsingHeader::new("Levels of each technique").id_salt("own ends");
    folded.show(ui, |ui| own_ends(ui, params, setter, labels));
}

/// Goes to `step` of the lesson; the same once more begins anew.
pub fn take_step(params: &ToccoParams, setter: &ParamSetter<'_>, step: Step) {
    if params.velocity_lesson.value() == step {
        // The parameter acts when it changes. To set another value in between would not do: of each block
        // VST3 hosts give the last one.
        params.requests.velocity_step(step);
    } else {
        set(setter, &params.velocity_lesson, step);
    }
}

fn lesson(ui: &mut Ui, params: &ToccoParams, setter: &ParamSetter<'_>) {
    let lesson = &params.requests.velocity;
    let standing = lesson.standing();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        for (step, text, hint) in STEPS {
            let runs = matches!(
                (step, standing),
                (Step::Soft, Standing::Soft) | (Step::Hard, Standing::Hard)
            );
            let button = Button::new(text).selected(runs);
            if ui.add(button).on_hover_text(hint).clicked() {
                take_step(params, setter, step);
            }
        }
    });
    let (text, colour) = match (standing, lesson.hits()) {
        (Standing::AsSet, 0) => (
            "Velocity follows your hand once you have played soft, played hard and pressed Done."
                .to_owned(),
            FAINT,
        ),
        (Standing::Soft | Standing::Hard, hits) => {
            (format!("{}: {hits} hits", standing.text()), ACCENT)
        }
        (Standing::TooFew | Standing::Alike, _) => (standing.text().to_owned(), WARNING),
        (_, hits) => (format!("{}, from {hits} hits", standing.text()), FAINT),
    };
    ui.label(RichText::new(text).size(12.0).color(colour));
}

fn own_ends(ui: &mut Ui, params: &ToccoParams, setter: &ParamSetter<'_>, labels: &[String]) {
    let grid = egui::Grid::new("own ends")
        .num_columns(4)
        .spacing([12.0, 4.0]);
    grid.show(ui, |ui| {
        for head in ["", "Soft", "Hard", "Threshold"] {
            name(ui, head);
        }
        ui.end_row();
        for (class, label) in labels.iter().enumerate() {
            let own = &params.techniques.of_class[class];
            ui.horizontal(|ui| {
                let (row, _) = ui.allocate_exact_size(vec2(14.0, 20.0), Sense::hover());
                bars::swatch(ui, row, class);
                name(ui, label);
            });
            number(
                ui,
                setter,
                &own.soft,
                WIDTH,
                &format!("{SOFT_HINT} {OWN_HINT}"),
            );
            number(
                ui,
                setter,
                &own.hard,
                WIDTH,
                &format!("{HARD_HINT} {OWN_HINT}"),
            );
            number(ui, setter, &own.threshold, WIDTH, THRESHOLD_HINT);
            ui.end_row();
        }
    });
}
