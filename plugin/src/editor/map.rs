//! The map: a row for each technique, what is sent of it, how it sounds, and the button that teaches
//! it.

use std::sync::atomic::Ordering::Relaxed;

use egui::{Align, Checkbox, Layout, Rect, RichText, Sense, Ui, UiBuilder, pos2, vec2};
use nice_plug::context::gui::{GuiContext, ParamSetter};
use nice_plug::params::{BoolParam, Param};

use super::lesson::LessonPanel;
use super::palette::{FAINT, TEXT};
use super::value::{name, number, number_as, set};
use super::{bars, guitar};
use crate::calibration::CalibrationStatus;
use crate::params::technique::TechniqueParams;
use crate::service::Shared;

const ROW: f32 = 24.0;
const GAP: f32 = 6.0;
const WIDEST_GAP: f32 = 44.0;
const SMALL: f32 = 12.0;

/// A column: its head, its width, and what it is.
struct Head(&'static str, f32, &'static str);

const USED: usize = 0;
const SEND: usize = 1;
const NOTE: usize = 2;
const CHANNEL: usize = 3;
const LENGTH: usize = 4;
const GATE: usize = 5;
const HOLD: usize = 6;
const VOICE: usize = 7;
const TEACH: usize = 8;

const COLUMNS: [Head; 9] = [
    Head(
        "Use",
        186.0,
        "Untick a technique that you never play: it is then never answered.",
    ),
    Head("Send", 32.0, "Whether MIDI notes of it are sent."),
    Head("Note", 68.0, "Its MIDI note, by name and number. 60 is C4."),
    Head("Channel", 50.0, "Its MIDI channel."),
    Head(
        "Length",
        92.0,
        "From note on to note off; at 0 until the guitar has died away.",
    ),
    Head(
        "Gate",
        42.0,
        "Its notes that are named with less certainty are not played.",
    ),
    Head(
        "Hold",
        52.0,
        "Against double hits: it is not played again for so long.",
    ),
    Head(
        "Voice",
        34.0,
        "Whether its own sound is heard, if the voices are up.",
    ),
    Head("Lesson", 64.0, "What you play becomes examples: see below."),
];

/// Its head and a row for each of `labels`.
pub fn show(
    ui: &mut Ui,
    shared: &Shared,
    gui: &GuiContext,
    calibration: &CalibrationStatus,
    labels: &[String],
) {
    ui.spacing_mut().item_spacing.y = 0.0;
    // In a wide window the columns stand farther apart, but not so far that rows are lost.
    let gaps = (COLUMNS.len() - 1) as f32;
    let spare = ui.available_width() - least_width();
    let spare = (spare / gaps).clamp(0.0, WIDEST_GAP - GAP);
    head(ui, spare);
    for (class, label) in labels.iter().enumerate() {
        let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
        let cells = cells(row, spare);
        technique(ui, &cells, shared, gui, calibration, (class, label));
    }
    ui.spacing_mut().item_spacing.y = 6.0;
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        name(ui, "Cross fire window");
        let hint = "A note is not played that follows one of another technique so closely, unless \
            it is much louder. 30 ms are a good begin; 0 switches it off.";
        number(
            ui,
            &gui.param_setter(),
            &shared.params.cross_fire,
            90.0,
            hint,
        );
        let suppressed = &shared.suppressed;
        let (double, cross) = (
            suppressed.double.load(Relaxed),
            suppressed.cross.load(Relaxed),
        );
        let text = format!("suppressed so far: {double} double hits, {cross} cross hits");
        ui.label(RichText::new(text).size(SMALL).color(FAINT));
    });
}

fn least_width() -> f32 {
    let widths: f32 = COLUMNS.iter().map(|Head(_, width, _)| width).sum();
    widths + GAP * (COLUMNS.len() - 1) as f32
}

/// Where the columns are in `row`, `spare` farther apart than they need be.
fn cells(row: Rect, spare: f32) -> [Rect; COLUMNS.len()] {
    let mut left = row.left();
    std::array::from_fn(|column| {
        let width = COLUMNS[column].1;
        let cell = Rect::from_min_max(pos2(left, row.top()), pos2(left + width, row.bottom()));
        left += width + GAP + spare;
        cell
    })
}

fn head(ui: &mut Ui, spare: f32) {
    let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), 18.0), Sense::hover());
    for (Head(text, _, hint), cell) in COLUMNS.iter().zip(cells(row, spare)) {
        within(ui, cell, |ui| {
            let text = RichText::new(*text).size(SMALL).color(FAINT);
            ui.label(text).on_hover_text(*hint);
        });
    }
}

fn technique(
    ui: &mut Ui,
    cells: &[Rect; COLUMNS.len()],
    shared: &Shared,
    gui: &GuiContext,
    calibration: &CalibrationStatus,
    (class, label): (usize, &String),
) {
    let own: &TechniqueParams = &shared.params.techniques.of_class[class];
    let setter = &gui.param_setter();
    let hint = |column: usize| COLUMNS[column].2;
    let width = |column: usize| COLUMNS[column].1;
    bars::swatch(ui, cells[USED], class);
    within(
        ui,
        cells[USED].with_min_x(cells[USED].left() + 18.0),
        |ui| {
            let colour = if own.used.value() { TEXT } else { FAINT };
            let text = RichText::new(label).size(14.0).color(colour);
            LessonPanel::used(ui, shared, Some(gui), calibration, class, text);
        },
    );
    // Where the name's own tooltip says what the tick does, the swatch says where to play.
    let swatch = cells[USED].with_max_x(cells[USED].left() + 16.0);
    let response = ui.interact(swatch, ui.scope_id().with(("place", class)), Sense::hover());
    bars::explain(response, class);
    within(ui, cells[SEND], |ui| {
        tick(ui, setter, &own.send, hint(SEND))
    });
    within(ui, cells[NOTE], |ui| {
        let text = format!("{}  {}", own.note, own.note.value());
        number_as(ui, setter, &own.note, &text, width(NOTE), hint(NOTE));
    });
    within(ui, cells[CHANNEL], |ui| {
        number(ui, setter, &own.channel, width(CHANNEL), hint(CHANNEL));
    });
    within(ui, cells[LENGTH], |ui| {
        number(ui, setter, &own.length, width(LENGTH), hint(LENGTH));
    });
    within(ui, cells[GATE], |ui| {
        number(ui, setter, &own.gate, width(GATE), hint(GATE));
    });
    within(ui, cells[HOLD], |ui| {
        number(ui, setter, &own.hold, width(HOLD), hint(HOLD));
    });
    within(ui, cells[VOICE], |ui| {
        tick(ui, setter, &own.voice, hint(VOICE))
    });
    within(ui, cells[TEACH].shrink2(vec2(0.0, 1.5)), |ui| {
        LessonPanel::teach(ui, shared, calibration, class, guitar::place(class));
    });
}

fn tick(ui: &mut Ui, setter: &ParamSetter<'_>, param: &BoolParam, hint: &str) {
    let mut on = param.value();
    let response = ui.add(Checkbox::without_text(&mut on));
    if response
        .on_hover_text(format!("{}\n{hint}", param.name()))
        .changed()
    {
        set(setter, param, on);
    }
}

/// Draws `content` in `rect`, from left to right.
fn within(ui: &mut Ui, rect: Rect, content: impl FnOnce(&mut Ui)) {
    let builder = UiBuilder::new().max_rect(rect);
    let builder = builder.layout(Layout::left_to_right(Align::Center));
    content(&mut ui.new_child(builder));
}
