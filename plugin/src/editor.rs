//! The window: what was heard last, how sure we are, what is running and how well.
//!
//! It reads atomics and the service's status, sets parameters through the host, and gives the service
//! commands for the calibration: nothing it does reaches the audio thread otherwise.

mod bars;
mod controls;
mod counters;
mod lesson;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Color32, Event, Modifiers, PointerButton, Rect, RichText, Ui};
use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::editor::dpi::LogicalSize;
use nice_plug::params::internals::ParamPtr;
use nice_plug::plugin::PluginState;
use nice_plug_egui::baseview::HandlerError;
use nice_plug_egui::{
    EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier, create_egui_editor,
};

use crate::service::{Shared, Status};
use lesson::Lesson;
use tocco_recognizer::meters::LastNote;

/// The window's size, logical pixels.
const SIZE: LogicalSize<f32> = LogicalSize {
    width: 720.0,
    height: 728.0,
};

/// Time between two looks at the meters.
const REFRESH: Duration = Duration::from_millis(33);

/// How long a note stays lit.
const AFTERGLOW: Duration = Duration::from_millis(1500);

const BACKGROUND: Color32 = Color32::from_rgb(0x17, 0x15, 0x13);
const PANEL: Color32 = Color32::from_rgb(0x22, 0x1f, 0x1c);
const TRACK: Color32 = Color32::from_rgb(0x2e, 0x2a, 0x26);
const TEXT: Color32 = Color32::from_rgb(0xec, 0xe4, 0xd8);
const FAINT: Color32 = Color32::from_rgb(0x9a, 0x90, 0x84);
const ACCENT: Color32 = Color32::from_rgb(0xe0, 0x9a, 0x4a);
const WARNING: Color32 = Color32::from_rgb(0xf0, 0x6a, 0x55);

pub use window::{ToccoEditor, ToccoWindow, WindowError};

/// The editor of a plugin instance.
#[must_use]
pub fn create(shared: Arc<Shared>) -> Option<ToccoEditor> {
    let egui = create_egui_editor(
        EguiEditorState::from_size(SIZE, 1.0),
        RepaintNotifier::new(),
        EguiNiceSettings::new().with_tile("Tocco"),
        ToccoApp::new(shared),
    )?;
    Some(ToccoEditor(egui))
}

/// What the window shows and remembers.
pub struct ToccoApp {
    shared: Arc<Shared>,
    gui: Option<GuiContext>,
    /// The user's folder while it is typed.
    folder: String,
    /// The last note and when it was first drawn.
    last: Option<(LastNote, Instant)>,
    lesson: Lesson,
}

impl ToccoApp {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            folder: shared.params.user_package.folder(),
            shared,
            gui: None,
            last: None,
            lesson: Lesson::default(),
        }
    }

    fn look(&mut self) {
        let Some(note) = self.shared.gauges.meters.last_note() else {
            return;
        };
        match &mut self.last {
            // An amended note is lit anew only if it has become another.
            Some((last, _)) if last.onset_id == note.onset_id && last.class == note.class => {
                *last = note;
            }
            last => *last = Some((note, Instant::now())),
        }
    }

    /// How much of the last note's light is left, 0 to 1.
    fn glow(&self) -> f32 {
        self.last.map_or(0.0, |(_, since)| {
            1.0 - (since.elapsed().as_secs_f32() / AFTERGLOW.as_secs_f32()).min(1.0)
        })
    }

    fn draw(&mut self, ui: &mut Ui) {
        self.look();
        // VST3 knows no better way to the host than from a thread that it knows.
        self.shared.params.unsaved.tell();
        let status = self.shared.status().clone();
        let frame = egui::Frame::new().fill(BACKGROUND).inner_margin(16);
        egui::CentralPanel::default().frame(frame).show(ui, |ui| {
            ui.spacing_mut().item_spacing = egui::vec2(12.0, 10.0);
            self.headline(ui, &status);
            let labels = status.models.back().map(|info| info.labels.as_slice());
            let labels = labels.unwrap_or_default();
            let note = self.last.map(|(note, _)| note);
            let glow = self.glow();
            let (shared, calibration) = (&self.shared, &status.calibration);
            let lesson = (&**shared, self.gui.as_ref(), calibration);
            bars::show(ui, labels, note, glow, lesson);
            ui.columns_const(|[left, right]| {
                panel(left, |ui| {
                    if let Some(gui) = self.gui.clone() {
                        controls::show(ui, &self.shared, &gui, &mut self.folder);
                    }
                    running(ui, &status);
                });
                panel(right, |ui| {
                    counters::show(ui, &self.shared.gauges.counters);
                    ui.add_space(6.0);
                    self.lesson.show(ui, &self.shared, calibration, labels);
                });
            });
        });
    }

    /// The last technique, large, and how it came about, small.
    fn headline(&self, ui: &mut Ui, status: &Status) {
        ui.horizontal(|ui| {
            let (name, detail, amended) = match &self.last {
                None => ("Play a note".to_owned(), String::new(), None),
                Some((note, _)) => {
                    let info = status.model(note.model);
                    let name = info.and_then(|info| info.labels.get(note.class));
                    let probability = 100.0 * note.probabilities[note.class];
                    let gated = if note.gated {
                        "  ·  under the gate"
                    } else {
                        ""
                    };
                    let amended = note.amended.map(|amended| {
                        let was = info.and_then(|info| info.labels.get(amended.was));
                        let from = match was {
                            Some(was) if amended.was != note.class => format!("from {was} "),
                            _ => String::new(),
                        };
                        format!("amended {from}after {:.0} ms", amended.after_ms)
                    });
                    let detail = format!("{probability:.0} %  ·  {:.0} dB{gated}", note.peak_db);
                    (name.cloned().unwrap_or_default(), detail, amended)
                }
            };
            let lit = TEXT.lerp_to_gamma(FAINT, 0.7 * (1.0 - self.glow()));
            ui.label(RichText::new(name).size(30.0).color(lit));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.label(RichText::new("Tocco").size(18.0).color(ACCENT));
                // Two lines: beside the longest name there is no room for one.
                ui.with_layout(egui::Layout::top_down(egui::Align::Max), |ui| {
                    ui.spacing_mut().item_spacing.y = 2.0;
                    ui.label(RichText::new(detail).size(15.0).color(FAINT));
                    let amended = amended.unwrap_or_default();
                    ui.label(RichText::new(amended).size(12.0).color(FAINT));
                });
            });
        });
    }
}

impl NiceEguiApp for ToccoApp {
    fn build(
        &mut self,
        context: egui::Context,
        gui: GuiContext,
        _frame: &mut Frame,
    ) -> Result<(), HandlerError> {
        style(&context);
        self.gui = Some(gui);
        self.folder = self.shared.params.user_package.folder();
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut Frame) {
        self.draw(ui);
        ui.ctx().request_repaint_after(REFRESH);
    }

    fn editor_closed(&mut self) {
        lesson::leave(&self.shared);
        self.gui = None;
    }
}

/// What runs at present, and in words what does not.
fn running(ui: &mut Ui, status: &Status) {
    let (text, color) = match (&status.activation_error, status.models.back()) {
        (Some(error), _) => (format!("Not listening: {error}"), WARNING),
        (None, None) => (
            "Not running: the host has not started the plugin yet.".to_owned(),
            FAINT,
        ),
        (None, Some(info)) => (format!("Running: {info}."), FAINT),
    };
    ui.label(RichText::new(text).size(12.0).color(color));
    let errors = [&status.model_error, &status.other_error];
    // One is enough to look at the log.
    for error in errors.into_iter().flatten().chain(status.refused.first()) {
        ui.label(RichText::new(error).size(12.0).color(WARNING));
    }
}

fn panel(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let frame = egui::Frame::new()
        .fill(PANEL)
        .corner_radius(6)
        .inner_margin(12);
    frame.show(ui, |ui| {
        ui.set_min_size(ui.available_size());
        // The columns justify text, which tears short lines apart.
        ui.with_layout(egui::Layout::top_down(egui::Align::LEFT), content);
    });
}

fn style(context: &egui::Context) {
    context.set_theme(egui::Theme::Dark);
    context.all_styles_mut(|style| {
        let visuals = &mut style.visuals;
        visuals.override_text_color = Some(TEXT);
        visuals.panel_fill = BACKGROUND;
        visuals.window_fill = PANEL;
        visuals.extreme_bg_color = BACKGROUND;
        visuals.selection.bg_fill = ACCENT.gamma_multiply(0.5);
        visuals.slider_trailing_fill = true;
    });
}

/// The window without a screen, for tests and the audit: each frame reads all that an open window
/// reads.
pub struct Offscreen {
    app: ToccoApp,
    context: egui::Context,
}

impl Offscreen {
    /// The window of a plugin instance.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        let context = egui::Context::default();
        style(&context);
        let mut app = ToccoApp::new(shared);
        app.gui = Some(GuiContext::new(Arc::new(NoHost)));
        Self { app, context }
    }

    /// Draws a frame and returns all text in it, a line for each piece.
    pub fn frame(&mut self) -> String {
        let pieces = self.pieces(Vec::new());
        pieces.iter().map(|(text, _)| format!("{text}\n")).collect()
    }

    /// Clicks on the piece of text `text`, of several on the one numbered `nth` from 0, and draws what
    /// follows.
    ///
    /// # Errors
    /// When there is no such piece; what there is instead.
    pub fn click(&mut self, text: &str, nth: usize) -> Result<(), String> {
        let pieces = self.pieces(Vec::new());
        let Some((_, rect)) = pieces.iter().filter(|(piece, _)| piece == text).nth(nth) else {
            return Err(format!("no {text:?} number {nth} in {pieces:?}"));
        };
        let pos = rect.center();
        let button = |pressed| Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        };
        for event in [Event::PointerMoved(pos), button(true), button(false)] {
            self.pieces(vec![event]);
        }
        Ok(())
    }

    /// Draws a frame in which `events` happen and returns the pieces of text in it, and where they
    /// are, logical pixels.
    fn pieces(&mut self, events: Vec<Event>) -> Vec<(String, Rect)> {
        fn collect(shape: &egui::Shape, pieces: &mut Vec<(String, Rect)>) {
            match shape {
                egui::Shape::Text(shape) => {
                    let rect = shape.galley.rect.translate(shape.pos.to_vec2());
                    pieces.push((shape.galley.text().to_owned(), rect));
                }
                egui::Shape::Vec(shapes) => shapes.iter().for_each(|s| collect(s, pieces)),
                _ => {}
            }
        }
        let input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(
                egui::Pos2::ZERO,
                egui::vec2(SIZE.width, SIZE.height),
            )),
            events,
            ..egui::RawInput::default()
        };
        let app = &mut self.app;
        let mut output = self.context.run_ui(input, |ui| app.draw(ui));
        let mut pieces = Vec::new();
        for clipped in &output.shapes {
            collect(&clipped.shape, &mut pieces);
        }
        output.textures_delta.clear();
        pieces
    }
}

/// A host that sets what its window asks for, and nothing else.
struct NoHost;

impl GuiContextInner for NoHost {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Clap
    }
    unsafe fn raw_begin_set_parameter(&self, _: ParamPtr) {}
    unsafe fn raw_set_parameter_normalized(&self, param: ParamPtr, value: f32) {
        // SAFETY: the window's parameters live as long as it does.
        unsafe { param._internal_set_normalized_value(value) };
    }
    unsafe fn raw_end_set_parameter(&self, _: ParamPtr) {}
    fn get_state(&self) -> PluginState {
        PluginState {
            version: String::new(),
            params: BTreeMap::new(),
            fields: BTreeMap::new(),
        }
    }
    fn set_state(&self, _: PluginState) {}
    fn request_restart(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    use crate::params::{ModelChoice, ToccoParams};
    use crate::service::{Activation, Service};
    use nice_plug::params::Param;
    use tocco_recognizer::adaptation::LeftOut;
    use tocco_recognizer::classification::{Classification, Decision, ModelSerial};

    #[test]
    fn the_window_names_what_runs_and_why_the_rest_does_not() {
        let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
        let mut window = Offscreen::new(Arc::clone(&shared));
        assert!(window.frame().contains("has not started"));

        let service = Service::start(Arc::clone(&shared)).unwrap();
        let activation = Activation {
            host_rate: 48_000.0,
            max_block: 64,
            offline: false,
        };
        let _pipeline = service.activate(activation, None).unwrap();
        shared.status().model_error = Some("weights.safetensors: it is broken".to_owned());
        let text = window.frame();
        assert!(text.contains("on the audio thread"), "{text}");
        assert!(text.contains("it is broken"), "{text}");
        assert!(text.contains("Palm mute"), "{text}");
        assert!(text.contains("Play a note"), "{text}");
        assert!(text.contains("amended by Tocco late"), "{text}");
        assert!(text.contains("Adapt while playing"), "{text}");
        shared.status().activation_error = Some("host sample rate: found 384000".to_owned());
        let text = window.frame();
        assert!(text.contains("Not listening: host sample rate"), "{text}");
        assert!(!text.contains("on the audio thread"), "{text}");
        shared.status().activation_error = None;
        // All that there can be is in the window.
        let doubt = LeftOut {
            class: 7,
            answer: 6,
            probability: 0.9,
        };
        {
            let calibration = &mut shared.status().calibration;
            calibration.report = vec![doubt; 40];
            calibration.error =
                Some("technique 9: the model has only 8, counted from 0".to_owned());
        }
        let model = &shared.params.model;
        let user = model.preview_normalized(ModelChoice::User);
        for value in [model.unmodulated_normalized_value(), user] {
            // SAFETY: the parameter outlives the call.
            unsafe { model.as_ptr()._internal_set_normalized_value(value) };
            let pieces = window.pieces(Vec::new());
            assert!(pieces.iter().any(|(text, _)| text.contains("it is broken")));
            for (piece, rect) in pieces {
                // Widths are rounded to whole pixels.
                let (right, bottom) = (SIZE.width - 15.0, SIZE.height - 16.0);
                assert!(rect.bottom() <= bottom, "{piece:?} ends at {rect}");
                assert!(rect.right() <= right, "{piece:?} ends at {rect}");
            }
        }
    }

    #[test]
    fn the_window_says_how_far_it_has_adapted() {
        let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
        let mut window = Offscreen::new(Arc::clone(&shared));
        for (notes, expected) in [
            (0, None),
            (1, Some("adapted to 1 note")),
            (57, Some("adapted to 57 notes")),
        ] {
            shared.gauges.adapted.store(notes, Relaxed);
            let text = window.frame();
            let adapted = text.lines().find(|line| line.starts_with("adapted "));
            assert_eq!(adapted, expected, "{text}");
        }
    }

    #[test]
    fn the_window_says_how_the_last_note_was_amended() {
        let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
        let service = Service::start(Arc::clone(&shared)).unwrap();
        let activation = Activation {
            host_rate: 48_000.0,
            max_block: 64,
            offline: false,
        };
        let _pipeline = service.activate(activation, None).unwrap();
        let mut window = Offscreen::new(Arc::clone(&shared));
        let meters = &shared.gauges.meters;
        let note = |onset_id: u64, class: usize, decision: Decision| Classification {
            decision,
            class,
            seen: 7_248,
            model: ModelSerial(0),
            ..Classification::numbered(onset_id)
        };
        let second = |was: usize| Decision::Second {
            was,
            was_gated: false,
        };
        for (id, class, decision, expected) in [
            (1, 0, Decision::First, None),
            (1, 5, second(0), Some("amended from Kick after 151 ms")),
            (2, 5, Decision::First, None),
            (1, 0, second(5), None), // of the note before
            (2, 5, second(5), Some("amended after 151 ms")),
        ] {
            meters.show(&note(id, class, decision), 48_000.0);
            let text = window.frame();
            let amended = text.lines().find(|line| line.starts_with("amended "));
            assert_eq!(amended, expected, "{text}");
        }
    }
}
