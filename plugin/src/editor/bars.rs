//! A row for each class: its name, the bar of its probability, and the button that teaches it.

use egui::{Align, Align2, FontId, Layout, Rect, RichText, Sense, Ui, UiBuilder, pos2, vec2};

use nice_plug::context::gui::GuiContext;

use super::lesson::Lesson;
use super::{ACCENT, FAINT, TEXT, TRACK};
use crate::calibration::CalibrationStatus;
use crate::service::Shared;
use tocco_recognizer::classification::MAX_CLASSES;
use tocco_recognizer::meters::LastNote;

const HEIGHT: f32 = 22.0;
const LABEL_WIDTH: f32 = 200.0;
const NUMBER_WIDTH: f32 = 52.0;
const BUTTON_WIDTH: f32 = 72.0;
const GAP: f32 = 12.0;

/// A row for each of `labels`: name, bar and per cent of the last note, bright while `glow` (0 to
/// 1) is left of it, and what of the `lesson` belongs to it.
pub fn show(
    ui: &mut Ui,
    labels: &[String],
    note: Option<LastNote>,
    glow: f32,
    (shared, gui, calibration): (&Shared, Option<&GuiContext>, &CalibrationStatus),
) {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        // The same height with and without a model, so that nothing jumps.
        for class in 0..MAX_CLASSES {
            let size = vec2(ui.available_width(), HEIGHT);
            let (row, _) = ui.allocate_exact_size(size, Sense::hover());
            let Some(label) = labels.get(class) else {
                continue;
            };
            let probability = note.map_or(0.0, |note| note.probabilities[class]);
            let won = note.is_some_and(|note| note.class == class && !note.gated);
            let colour = if won { TEXT } else { FAINT };
            let name = row.with_max_x(row.left() + LABEL_WIDTH);
            let label = RichText::new(label).size(14.0).color(colour);
            within(ui, name, |ui| {
                Lesson::used(ui, shared, gui, calibration, class, label)
            });
            let button = row.with_min_x(row.right() - BUTTON_WIDTH);
            within(ui, button, |ui| {
                Lesson::teach(ui, shared, calibration, class)
            });
            let rest = row.with_min_x(name.right()).with_max_x(button.left() - GAP);
            bar(ui, rest, probability, won, glow);
        }
    });
}

/// Draws `content` in `rect`, from left to right.
fn within(ui: &mut Ui, rect: Rect, content: impl FnOnce(&mut Ui)) {
    let builder = UiBuilder::new().max_rect(rect);
    let builder = builder.layout(Layout::left_to_right(Align::Center));
    content(&mut ui.new_child(builder));
}

fn bar(ui: &Ui, rect: Rect, probability: f32, won: bool, glow: f32) {
    let painter = ui.painter();
    let font = FontId::proportional(14.0);
    let colour = if won { TEXT } else { FAINT };
    let middle = rect.center().y;
    let mut track = rect.shrink2(vec2(0.0, 4.0));
    track.max.x -= NUMBER_WIDTH;
    painter.rect_filled(track, 3.0, TRACK);
    let mut bar = track;
    bar.max.x = bar.min.x + track.width() * probability.clamp(0.0, 1.0);
    if bar.width() >= 1.0 {
        let strength = if won { 1.0 } else { 0.55 };
        let fill = ACCENT.gamma_multiply(strength * (0.35 + 0.65 * glow));
        painter.rect_filled(bar, 3.0, fill);
    }
    painter.text(
        pos2(rect.right(), middle),
        Align2::RIGHT_CENTER,
        format!("{:.0} %", 100.0 * probability),
        font,
        colour,
    );
}
