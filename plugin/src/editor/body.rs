//! How the guitar's own sound is reshaped: a row for each technique.

use egui::{CollapsingHeader, Grid, Sense, Ui, vec2};
use nice_plug::context::gui::GuiContext;

use super::bars;
use super::value::{name, number};
use crate::params::ToccoParams;

const WIDTH: f32 = 96.0;

/// The columns: their heads, and what they are.
const LOW: (&str, &str) = ("Low", "Gain below 120 Hz.");
const MID: (&str, &str) = ("Mid", "Gain around 800 Hz.");
const HIGH: (&str, &str) = ("High", "Gain above 4.5 kHz.");
const SQUEEZE: (&str, &str) = (
    "Squeeze",
    "Compressor: 0 is none, 1 holds loud notes and their ringing closest together.",
);

/// The bands and the compressor of each of `labels`, folded away.
pub fn show(ui: &mut Ui, params: &ToccoParams, gui: &GuiContext, labels: &[String]) {
    let setter = &gui.param_setter();
    let folded = CollapsingHeader::new("Body of each technique");
    folded.show(ui, |ui| {
        let grid = Grid::new("body").num_columns(5).spacing([8.0, 4.0]);
        grid.show(ui, |ui| {
            name(ui, "");
            for (head, _) in [LOW, MID, HIGH, SQUEEZE] {
                name(ui, head);
            }
            ui.end_row();
            let of_class = params.techniques.of_class.iter().zip(labels);
            for (class, (technique, label)) in of_class.enumerate() {
                ui.horizontal(|ui| {
                    let (row, _) = ui.allocate_exact_size(vec2(14.0, 20.0), Sense::hover());
                    bars::swatch(ui, row, class);
                    name(ui, label);
                });
                let body = &technique.body;
                for (param, (_, hint)) in [
                    (&body.low, LOW),
                    (&body.mid, MID),
                    (&body.high, HIGH),
                    (&body.squeeze, SQUEEZE),
                ] {
                    number(ui, setter, param, WIDTH, hint);
                }
                ui.end_row();
            }
        });
    });
}
