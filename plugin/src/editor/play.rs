//! The page to look at while playing.

use egui::{Align, Layout, RichText, Sense, Ui, vec2};

use super::palette::{self, FAINT, TEXT};
use super::{ToccoApp, bars, counters, errors, guitar, labels};
use crate::service::Status;

/// Height of the line with the last technique.
const HEADLINE: f32 = 62.0;

/// Heights of a bar with its surroundings.
const LEAST_BAR: f32 = 20.0;
const LARGEST_BAR: f32 = 30.0;

/// Least height of the timeline.
const LEAST_TIMELINE: f32 = 110.0;

/// Height of the line below everything.
const FOOT: f32 = 18.0;

/// Largest share of the height that the bars take.
const BARS_SHARE: f32 = 0.52;

impl ToccoApp {
    pub(super) fn play(&mut self, ui: &mut Ui, status: &Status) {
        self.headline(ui, status);
        errors(ui, status);
        let spacing = ui.spacing().item_spacing.y;
        let height = ui.available_height() - FOOT - 2.0 * spacing;
        let labels = &labels(status);
        let bar = (height * BARS_SHARE / 8.0)
            .min((height - LEAST_TIMELINE) / 8.0)
            .clamp(LEAST_BAR, LARGEST_BAR);
        let note = self.last.map(|(note, _)| note);
        let glow = self.glow();
        ui.scope(|ui| bars::show(ui, labels, note, glow, bar));
        let rest = (height - 8.0 * bar).max(LEAST_TIMELINE);
        let feed = &self.shared.telemetry.levels;
        self.timeline.show(ui, feed, rest);
        self.foot(ui, status);
    }

    /// The last technique, large, where it is played, and how it came about, small.
    fn headline(&self, ui: &mut Ui, status: &Status) {
        let size = vec2(ui.available_width(), HEADLINE);
        ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_size(size);
            let (name, lines, class) = match &self.last {
                None => (
                    "Play a note".to_owned(),
                    [String::new(), String::new()],
                    None,
                ),
                Some((note, _)) => {
                    let info = status.model(note.model);
                    let label = |class: usize| info.and_then(|info| info.labels.get(class));
                    let probability = 100.0 * note.probabilities[note.class];
                    let gated = match (note.rejected, note.gated) {
                        (true, _) => "  ·  foreign",
                        (false, true) => "  ·  under the gate",
                        (false, false) => "",
                    };
                    let amended = note.amended.map_or(String::new(), |amended| {
                        let from = match label(amended.was) {
                            Some(was) if amended.was != note.class => format!("from {was} "),
                            _ => String::new(),
                        };
                        format!("amended {from}after {:.0} ms", amended.after_ms)
                    });
                    let detail = format!("{probability:.0} %  ·  {:.0} dB{gated}", note.peak_db);
                    let name = label(note.class).cloned().unwrap_or_default();
                    (name, [detail, amended], Some(note.class))
                }
            };
            let lit = TEXT.lerp_to_gamma(FAINT, 0.7 * (1.0 - self.glow()));
            let drawing = vec2(HEADLINE * guitar::ASPECT, HEADLINE);
            ui.label(RichText::new(name).size(38.0).color(lit));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let (rect, _) = ui.allocate_exact_size(drawing, Sense::hover());
                let colour = class.map_or(FAINT, palette::of_class);
                guitar::draw(ui.painter(), rect, class, colour);
                // Two lines: beside the longest name there is no room for one.
                ui.with_layout(Layout::top_down(Align::Max), |ui| {
                    ui.spacing_mut().item_spacing.y = 2.0;
                    ui.add_space(HEADLINE / 2.0 - 16.0);
                    let [detail, amended] = lines;
                    ui.label(RichText::new(detail).size(14.0).color(FAINT));
                    ui.label(RichText::new(amended).size(12.0).color(FAINT));
                });
            });
        });
    }

    /// What listens, and how fast it answers.
    fn foot(&mut self, ui: &mut Ui, status: &Status) {
        let small = |text: String| RichText::new(text).size(12.0).color(FAINT);
        ui.horizontal(|ui| {
            ui.set_height(FOOT);
            if self.save_last_minute.tell(ui) {
                return;
            }
            let text = match (&status.activation_error, status.models.back()) {
                (Some(_), _) => "Not listening".to_owned(),
                (None, None) => "Not running: the host has not started the plugin yet.".to_owned(),
                (None, Some(info)) => format!("Listening with {}", info.stages.first.title),
            };
            ui.label(small(text));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let text = counters::summary(&self.shared.telemetry.counters);
                let hint = "From onset to result. Late: more than 20 ms.";
                ui.label(small(text)).on_hover_text(hint);
            });
        });
    }
}
