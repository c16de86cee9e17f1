//! A row for each technique: its colour, its name, and the bar of its probability.

use egui::{Align2, FontId, Rect, Response, Sense, Ui, pos2, vec2};

use super::guitar;
use super::palette::{self, FAINT, TEXT, TRACK};
use tocco_recognizer::classification::MAX_CLASSES;
use tocco_recognizer::meters::LastNote;

const SWATCH: f32 = 10.0;
const LABEL_WIDTH: f32 = 196.0;
const NUMBER_WIDTH: f32 = 52.0;

/// A row of `height` for each of `labels`: name, bar and per cent of the last note, bright while
/// `glow` (0 to 1) is left of it. The same height with and without a model, so that nothing jumps.
pub fn show(ui: &mut Ui, labels: &[String], note: Option<LastNote>, glow: f32, height: f32) {
    ui.spacing_mut().item_spacing.y = 0.0;
    for class in 0..MAX_CLASSES {
        let size = vec2(ui.available_width(), height);
        let (row, response) = ui.allocate_exact_size(size, Sense::hover());
        let Some(label) = labels.get(class) else {
            continue;
        };
        let probability = note.map_or(0.0, |note| note.probabilities[class]);
        let won = note.is_some_and(|note| note.class == class && !note.gated);
        let colour = if won { TEXT } else { FAINT };
        swatch(ui, row, class);
        let painter = ui.painter();
        let font = FontId::proportional(15.0);
        let at = pos2(row.left() + SWATCH + 8.0, row.center().y);
        painter.text(at, Align2::LEFT_CENTER, label, font.clone(), colour);
        let track = Rect::from_min_max(
            pos2(row.left() + LABEL_WIDTH, row.top() + 4.0),
            pos2(row.right() - NUMBER_WIDTH, row.bottom() - 4.0),
        );
        bar(ui, track, class, probability, won, glow);
        let text = format!("{:.0} %", 100.0 * probability);
        let at = pos2(row.right(), row.center().y);
        ui.painter()
            .text(at, Align2::RIGHT_CENTER, text, font, colour);
        explain(response, class);
    }
}

/// The colour of `class` at the left of `row`.
pub fn swatch(ui: &Ui, row: Rect, class: usize) {
    let at = pos2(row.left(), row.center().y - SWATCH / 2.0);
    let rect = Rect::from_min_size(at, vec2(SWATCH, SWATCH));
    ui.painter()
        .rect_filled(rect, 2.0, palette::of_class(class));
}

/// Says and draws where `class` is played while the pointer is there.
pub fn explain(response: Response, class: usize) -> Response {
    response.on_hover_ui(|ui| {
        ui.set_max_width(240.0);
        ui.label(guitar::place(class));
        let size = vec2(230.0, 230.0 / guitar::ASPECT);
        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
        guitar::draw(ui.painter(), rect, Some(class), palette::of_class(class));
    })
}

fn bar(ui: &Ui, track: Rect, class: usize, probability: f32, won: bool, glow: f32) {
    let painter = ui.painter();
    painter.rect_filled(track, 3.0, TRACK);
    let mut bar = track;
    bar.max.x = bar.min.x + track.width() * probability.clamp(0.0, 1.0);
    if bar.width() >= 1.0 {
        let strength = if won { 1.0 } else { 0.6 };
        let fill = palette::of_class(class).gamma_multiply(strength * (0.35 + 0.65 * glow));
        painter.rect_filled(bar, 3.0, fill);
    }
}
