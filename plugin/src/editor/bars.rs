//! A bar for the probability of each class.

use egui::{Align2, FontId, Sense, Ui, pos2, vec2};

use super::{ACCENT, FAINT, TEXT, TRACK};
use crate::classification::MAX_CLASSES;
use crate::meters::LastNote;

const HEIGHT: f32 = 22.0;
const LABEL_WIDTH: f32 = 190.0;
const NUMBER_WIDTH: f32 = 52.0;

/// A row for each of `labels`: name, bar and per cent of the last note, bright while `glow` (0 to
/// 1) is left of it.
pub fn show(ui: &mut Ui, labels: &[String], note: Option<LastNote>, glow: f32) {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        // The same height with and without a model, so that nothing jumps.
        for class in 0..MAX_CLASSES {
            let label = labels.get(class).map_or("", String::as_str);
            let probability = note.map_or(0.0, |note| note.probabilities[class]);
            let won = note.is_some_and(|note| note.class == class && !note.gated);
            row(ui, label, probability, won, glow);
        }
    });
}

fn row(ui: &mut Ui, label: &str, probability: f32, won: bool, glow: f32) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    if label.is_empty() {
        return;
    }
    let painter = ui.painter();
    let font = FontId::proportional(14.0);
    let colour = if won { TEXT } else { FAINT };
    let middle = rect.center().y;
    painter.text(
        pos2(rect.left(), middle),
        Align2::LEFT_CENTER,
        label,
        font.clone(),
        colour,
    );
    let mut track = rect.shrink2(vec2(0.0, 4.0));
    track.min.x += LABEL_WIDTH;
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
