//! The velocity: its ends, its curve, and the lesson that finds them.

use egui::{
    Align2, Button, CollapsingHeader, FontId, Rect, RichText, Sense, Shape, Stroke, Ui, pos2, vec2,
};
use nice_plug::context::gui::{GuiContext, ParamSetter};
use nice_plug::params::Param;

use super::bars;
use super::palette::{self, ACCENT, BACKGROUND, FAINT, TEXT, TRACK, WARNING};
use super::value::{name, number, set, switch};
use crate::outputs::velocity::Curve;
use crate::params::ToccoParams;
use crate::params::technique::LOWEST_DB;
use crate::velocity_lesson::{Standing, Step};
use tocco_recognizer::meters::LastNote;

const WIDTH: f32 = 120.0;
const CURVE_HEIGHT: f32 = 176.0;

const SOFT_HINT: &str = "Level of the softest velocity.";
const HARD_HINT: &str = "Level of the hardest velocity.";
const BEND_HINT: &str = "Bends what lies between the ends: above 0 soft notes become louder.";
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
        curve(right, params, last);
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

/// Velocity over level: the curve of all, those of techniques with ends of their own in their colours,
/// and where the last note lies.
pub fn curve(ui: &mut Ui, params: &ToccoParams, last: Option<LastNote>) {
    let size = vec2(ui.available_width(), CURVE_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.on_hover_text("Velocity by the level of a note. The dot is the last note.");
    let painter = ui.painter();
    painter.rect_filled(rect, 3.0, BACKGROUND);
    let plot = Rect::from_min_max(rect.min + vec2(30.0, 10.0), rect.max - vec2(10.0, 18.0));
    let x = |db: f32| plot.left() + (db - LOWEST_DB) / -LOWEST_DB * plot.width();
    let y = |velocity: f32| plot.bottom() - velocity * plot.height();
    let small = || FontId::proportional(10.0);
    for db in [-80, -60, -40, -20, 0] {
        painter.vline(x(db as f32), plot.y_range(), Stroke::new(1.0, TRACK));
        let text = if db == 0 {
            "0 dB".to_owned()
        } else {
            format!("{db}")
        };
        let at = pos2(x(db as f32).min(rect.right() - 14.0), rect.bottom() - 3.0);
        painter.text(at, Align2::CENTER_BOTTOM, text, small(), FAINT);
    }
    for velocity in [1, 64, 127] {
        let at = y(velocity as f32 / 127.0);
        painter.hline(plot.x_range(), at, Stroke::new(1.0, TRACK));
        let text = velocity.to_string();
        painter.text(
            pos2(plot.left() - 4.0, at),
            Align2::RIGHT_CENTER,
            text,
            small(),
            FAINT,
        );
    }
    let line = |curve: &Curve| -> Vec<_> {
        let levels = (0..=160).map(|step| LOWEST_DB + step as f32 * 0.5);
        levels
            .map(|db| pos2(x(db), y(curve.velocity(db))))
            .collect()
    };
    let of_class = params.midi_settings();
    let has_own = |class: usize| {
        let own = &params.techniques.of_class[class];
        own.soft.value() > LOWEST_DB || own.hard.value() > LOWEST_DB
    };
    for (class, midi) in of_class
        .iter()
        .enumerate()
        .filter(|(class, _)| has_own(*class))
    {
        let stroke = Stroke::new(1.0, palette::of_class(class));
        painter.add(Shape::line(line(&midi.curve), stroke));
    }
    let all = Curve {
        soft_db: params.soft_end.value(),
        hard_db: params.hard_end.value(),
        bend: params.velocity_curve.value(),
    };
    painter.add(Shape::line(line(&all), Stroke::new(2.0, TEXT)));
    if let Some(note) = last {
        let velocity = of_class[note.class].curve.velocity(note.peak_db);
        let at = pos2(x(note.peak_db.clamp(LOWEST_DB, 0.0)), y(velocity));
        painter.circle_filled(at, 5.0, palette::of_class(note.class));
        let text = format!("{:.0}", velocity * 127.0);
        painter.text(
            at - vec2(7.0, 5.0),
            Align2::RIGHT_BOTTOM,
            text,
            FontId::proportional(12.0),
            TEXT,
        );
    }
}
