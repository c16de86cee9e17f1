//! The guided minute: one way through *Set up*, from the input to a preset.
//!
//! Five steps, of which any can be skipped or done again. Each sets the same parameters and gives the
//! same commands as the whole page does, so that a host can lead through them by parameters as well.

mod dynamics;
mod techniques;

use std::sync::atomic::Ordering::Relaxed;

use egui::{Align, Align2, Button, FontId, Layout, RichText, ScrollArea, Sense, Stroke, Ui, vec2};
use nice_plug::context::gui::GuiContext;
use nice_plug::params::Param;

use super::palette::{self, ACCENT, BACKGROUND, FAINT, PANEL, RAISED, TEXT, WARNING};
use super::value::{choice, name, number, set};
use super::{Page, ToccoApp, bars, controls, errors, guitar, labels, lesson, velocity_curve};
use crate::params::voices::OFF_DB;
use crate::params::{self, ToccoParams};
use crate::service::{Shared, Status};
use crate::velocity_lesson::Step;
use dynamics::Dynamics;
use techniques::Techniques;
use tocco_recognizer::meters::LastNote;

/// Width of the list of steps.
const LIST_WIDTH: f32 = 150.0;

/// Height of a step in the list, and of the line with the buttons.
const STEP_HEIGHT: f32 = 40.0;
const BUTTONS_HEIGHT: f32 = 30.0;

/// Notes after which it is plain that something comes in.
const ENOUGH_NOTES: usize = 3;

/// Heights of the timeline and of a technique's bar.
const TIMELINE_HEIGHT: f32 = 150.0;
const BAR_HEIGHT: f32 = 20.0;

/// Height of the line with the last technique.
const HEADLINE: f32 = 46.0;

/// Level of the voices when they are switched on here, dB.
const VOICES_DB: f32 = -6.0;

const INVITATION: &str = "New here? One minute leads from the input to a preset: soft and hard, your techniques, your map.";
const HEAR_HINT: &str = "A built-in sound for each technique, beside the guitar.";
const WHAT_IS_KEPT: &str = "Your project keeps all of it: what Tocco learnt of you, velocity and map. A \
    preset is the map alone, as a file that you can load elsewhere and give away: notes, channels, voices, \
    controllers.";

/// The steps, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// Choose what is heard.
    #[default]
    Input,
    /// Play soft, play hard.
    Dynamics,
    /// Teach the techniques.
    Techniques,
    /// See and hear what was learnt.
    Trial,
    /// Save a preset.
    Preset,
}

impl Stage {
    const ALL: [Self; 5] = [
        Self::Input,
        Self::Dynamics,
        Self::Techniques,
        Self::Trial,
        Self::Preset,
    ];

    /// What stands in the list.
    fn title(self) -> &'static str {
        match self {
            Self::Input => "Input",
            Self::Dynamics => "Soft and hard",
            Self::Techniques => "Techniques",
            Self::Trial => "Try it",
            Self::Preset => "Preset",
        }
    }

    /// What stands above the step.
    fn heading(self) -> &'static str {
        match self {
            Self::Input => "Choose the input and play some notes",
            Self::Dynamics => "Play softly, then hard",
            Self::Techniques => "Teach the techniques that you use",
            Self::Trial => "Play, and look what Tocco makes of it",
            Self::Preset => "Save your map as a preset",
        }
    }

    fn place(self) -> usize {
        self as usize
    }

    fn next(self) -> Option<Self> {
        Self::ALL.get(self.place() + 1).copied()
    }

    fn before(self) -> Option<Self> {
        Self::ALL.get(self.place().checked_sub(1)?).copied()
    }
}

/// What the window remembers of it.
#[derive(Default)]
pub struct GuidedMinute {
    under_way: bool,
    stage: Stage,
    /// Which steps were done, and which were skipped.
    done: [bool; 5],
    skipped: [bool; 5],
    /// Notes since it began, and the number of the last one.
    notes: usize,
    last_onset: Option<u64>,
    dynamics: Dynamics,
    techniques: Techniques,
}

impl GuidedMinute {
    /// Whether it is in front.
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// Whether it waits for something that nobody does.
    pub fn moves(&self) -> bool {
        self.under_way && (self.dynamics.runs() || self.techniques.breathes())
    }

    /// The line that offers it.
    pub fn invite(&mut self, ui: &mut Ui, last: Option<LastNote>) {
        ui.horizontal(|ui| {
            if ui.button("Guide me").clicked() {
                *self = Self {
                    under_way: true,
                    last_onset: last.map(|note| note.onset_id),
                    ..Self::default()
                };
            }
            ui.label(RichText::new(INVITATION).size(12.0).color(FAINT));
        });
    }

    /// Forgets what was under way in a window that was closed. It ended with that window: what is under
    /// way now was begun by the host, but for a half that the host had not yet set when it was closed.
    pub fn forget(&mut self, params: &ToccoParams, gui: &GuiContext) {
        if self.dynamics.waits_for_the_host() {
            set(&gui.param_setter(), &params.velocity_lesson, Step::Off);
        }
        self.dynamics = Dynamics::default();
        self.techniques = Techniques::default();
    }

    /// Leaves word of what is to end when the window is closed.
    pub fn tell(&self, shared: &Shared) {
        let guided = self.dynamics.leads(&shared.params);
        shared.guided.store(guided, Relaxed);
    }

    /// The page is left: what is under way in a step ends, as nobody sees any more what is heard for it. A
    /// lesson that the host began goes on.
    pub fn leave_page(&mut self, shared: &Shared, gui: &GuiContext) {
        self.dynamics.end(&shared.params, &gui.param_setter());
        lesson::leave(shared);
        self.techniques = Techniques::default();
    }

    /// Ends what is under way.
    fn interrupt(&mut self, shared: &Shared, gui: &GuiContext) {
        self.dynamics.end(&shared.params, &gui.param_setter());
        self.techniques.end(shared);
    }

    fn take_note(&mut self, last: Option<LastNote>) {
        if let Some(note) = last
            && self.last_onset != Some(note.onset_id)
        {
            self.last_onset = Some(note.onset_id);
            self.notes += 1;
        }
    }

    /// Goes to `stage`; what runs in the step before ends.
    fn go(&mut self, stage: Stage, shared: &Shared, gui: &GuiContext) {
        self.interrupt(shared, gui);
        self.stage = stage;
    }

    /// The list of steps; the one that was clicked.
    fn list(&self, ui: &mut Ui) -> Option<Stage> {
        let mut wanted = None;
        ui.spacing_mut().item_spacing.y = 0.0;
        for stage in Stage::ALL {
            let size = vec2(LIST_WIDTH, STEP_HEIGHT);
            let (row, response) = ui.allocate_exact_size(size, Sense::click());
            if response.clicked() {
                wanted = Some(stage);
            }
            let here = stage == self.stage;
            let done = self.done[stage.place()];
            let painter = ui.painter();
            if here || response.hovered() || response.has_focus() {
                painter.rect_filled(row.shrink2(vec2(0.0, 3.0)), 6.0, PANEL);
            }
            let centre = row.left_center() + vec2(20.0, 0.0);
            let (fill, ink) = match (done, here) {
                (true, _) => (ACCENT, BACKGROUND),
                (false, true) => (BACKGROUND, TEXT),
                (false, false) => (RAISED, FAINT),
            };
            painter.circle_filled(centre, 11.0, fill);
            if here {
                painter.circle_stroke(centre, 11.0, Stroke::new(2.0, ACCENT));
            }
            let number = (stage.place() + 1).to_string();
            let font = FontId::proportional(13.0);
            painter.text(centre, Align2::CENTER_CENTER, number, font, ink);
            let skipped = self.skipped[stage.place()] && !done;
            let up = if skipped { 7.0 } else { 0.0 };
            let at = row.left_center() + vec2(42.0, -up);
            let colour = if here { TEXT } else { FAINT };
            let font = FontId::proportional(14.0);
            painter.text(at, Align2::LEFT_CENTER, stage.title(), font, colour);
            if skipped {
                let font = FontId::proportional(11.0);
                let at = row.left_center() + vec2(42.0, 9.0);
                painter.text(at, Align2::LEFT_CENTER, "skipped", font, FAINT);
            }
        }
        wanted
    }
}

/// The window is closed: a step of the velocity's lesson that it began ends. One that the host began
/// goes on.
pub fn leave(shared: &Shared) {
    if shared.guided.swap(false, Relaxed) {
        params::set(&shared.params.velocity_lesson, Step::Off);
        shared.params.unsaved.add_values();
    }
}

/// What a line of buttons asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Back,
    Skip,
    Next,
    Leave,
}

impl ToccoApp {
    /// The step that is under way, with the list of all beside it.
    pub(super) fn guided_minute(&mut self, ui: &mut Ui, status: &Status) {
        let Some(gui) = self.gui.clone() else {
            return;
        };
        let last = self.last.map(|(note, _)| note);
        self.guide.take_note(last);
        let now = ui.input(|input| input.time);
        self.guide
            .dynamics
            .attend(&self.shared.params, &gui.param_setter(), now);
        self.guide.techniques.attend(&self.shared, status, now);
        errors(ui, status);
        let (mut way, mut wanted) = (None, None);
        let height = ui.available_height();
        ui.horizontal_top(|ui| {
            ui.allocate_ui_with_layout(
                vec2(LIST_WIDTH, height),
                Layout::top_down(Align::LEFT),
                |ui| wanted = self.guide.list(ui),
            );
            let size = vec2(ui.available_width(), height);
            ui.allocate_ui_with_layout(size, Layout::top_down(Align::LEFT), |ui| {
                ui.set_width(size.x);
                let frame = egui::Frame::new().fill(PANEL).corner_radius(6);
                frame.inner_margin(12).show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    let heading = self.guide.stage.heading();
                    ui.label(RichText::new(heading).size(18.0).color(TEXT));
                    let spacing = ui.spacing().item_spacing.y;
                    let room = ui.available_height() - BUTTONS_HEIGHT - 2.0 * spacing;
                    let area = ScrollArea::vertical().id_salt(self.guide.stage.place());
                    area.auto_shrink(false).max_height(room).show(ui, |ui| {
                        ui.set_max_width(ui.available_width());
                        self.stage(ui, status, &gui);
                    });
                    way = self.ways(ui);
                });
            });
        });
        self.guide.done[self.guide.stage.place()] |= self.is_done(status);
        if let Some(stage) = wanted {
            self.guide.go(stage, &self.shared, &gui);
        }
        if let Some(way) = way {
            self.follow(way, &gui);
        }
    }

    fn follow(&mut self, way: Way, gui: &GuiContext) {
        let stage = self.guide.stage;
        self.guide.skipped[stage.place()] = way == Way::Skip;
        let to = match way {
            Way::Back => stage.before(),
            Way::Skip | Way::Next => stage.next(),
            Way::Leave => None,
        };
        self.guide.go(to.unwrap_or(stage), &self.shared, gui);
        if to.is_none() {
            self.guide.under_way = false;
            if way != Way::Leave {
                self.page = Page::Play;
            }
        }
    }

    /// The buttons below the step; the one that was clicked.
    fn ways(&self, ui: &mut Ui) -> Option<Way> {
        let stage = self.guide.stage;
        let done = self.guide.done[stage.place()];
        let mut way = None;
        let size = vec2(ui.available_width(), BUTTONS_HEIGHT);
        ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            let mut button = |ui: &mut Ui, text: &str, of: Way, possible: bool| {
                let bright = of == Way::Next && possible;
                let colour = if bright { BACKGROUND } else { TEXT };
                let mut button = Button::new(RichText::new(text).color(colour));
                if bright {
                    button = button.fill(ACCENT);
                }
                let button = button.min_size(vec2(72.0, 26.0));
                if ui.add_enabled(possible, button).clicked() {
                    way = Some(of);
                }
            };
            button(ui, "Back", Way::Back, stage.before().is_some());
            button(ui, "All settings", Way::Leave, true);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let text = if stage.next().is_some() {
                    "Next"
                } else {
                    "Finish"
                };
                button(ui, text, Way::Next, done);
                button(ui, "Skip", Way::Skip, !done);
            });
        });
        way
    }

    /// Whether what the step is for has come about.
    fn is_done(&self, status: &Status) -> bool {
        match self.guide.stage {
            Stage::Input => self.guide.notes >= ENOUGH_NOTES,
            Stage::Dynamics => self.guide.dynamics.has_learnt(&self.shared.params),
            Stage::Techniques => techniques::taught(&status.calibration) > 0,
            Stage::Trial => true,
            Stage::Preset => self.presets.has_saved(),
        }
    }

    fn stage(&mut self, ui: &mut Ui, status: &Status, gui: &GuiContext) {
        let labels = labels(status);
        let last = self.last.map(|(note, _)| note);
        let params = &self.shared.params;
        match self.guide.stage {
            Stage::Input => self.input(ui, gui),
            Stage::Dynamics => {
                self.guide.dynamics.show(ui, params, gui);
                ui.add_space(4.0);
                velocity_curve::show(ui, params, &gui.param_setter(), last);
            }
            Stage::Techniques => {
                let guide = &mut self.guide.techniques;
                guide.show(ui, &self.shared, gui, &status.calibration, &labels);
            }
            Stage::Trial => {
                let glow = self.glow();
                heard(ui, &labels, last, glow);
                ui.scope(|ui| bars::show(ui, &labels, last, glow, BAR_HEIGHT));
                hear(ui, params, gui);
                self.lesson
                    .show(ui, &self.shared, &status.calibration, &labels);
            }
            Stage::Preset => {
                ui.label(RichText::new(WHAT_IS_KEPT).size(13.0).color(FAINT));
                ui.add_space(6.0);
                self.presets.choose(ui, params, gui);
                self.presets.field(ui, params);
                self.presets.tell(ui);
            }
        }
    }

    /// The step of the input: the choices, what comes in, and what is to be said of it.
    fn input(&mut self, ui: &mut Ui, gui: &GuiContext) {
        let (setter, params) = (gui.param_setter(), &self.shared.params);
        let grid = egui::Grid::new("guided input");
        grid.num_columns(4).spacing([12.0, 6.0]).show(ui, |ui| {
            name(ui, params.input.name());
            choice(ui, &setter, &params.input, 110.0, controls::INPUT_HINT);
            name(ui, params.model.name());
            choice(ui, &setter, &params.model, 110.0, controls::MODEL_HINT);
            ui.end_row();
            name(ui, params.sensitivity.name());
            let sensitivity = &params.sensitivity;
            number(ui, &setter, sensitivity, 117.0, controls::SENSITIVITY_HINT);
            ui.end_row();
        });
        let feed = &self.shared.telemetry.levels;
        let (text, colour) = match (self.guide.notes, self.timeline.clips(feed)) {
            (_, true) => (
                "It is too loud: turn the guitar down where it comes in, then click the lamp."
                    .to_owned(),
                WARNING,
            ),
            (0, false) => (
                "Each note should get a mark. No bar moves? Look which input the track has."
                    .to_owned(),
                FAINT,
            ),
            (1, false) => ("1 note was heard.".to_owned(), TEXT),
            (notes, false) => (
                format!(
                    "{notes} notes were heard. Soft ones without a mark want more sensitivity."
                ),
                TEXT,
            ),
        };
        ui.label(RichText::new(text).size(13.0).color(colour));
        let height = ui.available_height().max(TIMELINE_HEIGHT);
        self.timeline.show(ui, feed, height);
    }
}

/// The last technique and where it is played.
fn heard(ui: &mut Ui, labels: &[String], last: Option<LastNote>, glow: f32) {
    let class = last.map(|note| note.class);
    let name = class.and_then(|class| labels.get(class));
    let size = vec2(ui.available_width(), HEADLINE);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_size(size);
        let lit = TEXT.lerp_to_gamma(FAINT, 0.7 * (1.0 - glow));
        let text = name.map_or("Play a note", String::as_str);
        ui.label(RichText::new(text).size(26.0).color(lit));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let drawing = vec2(HEADLINE * guitar::ASPECT, HEADLINE);
            let (rect, _) = ui.allocate_exact_size(drawing, Sense::hover());
            let colour = class.map_or(FAINT, palette::of_class);
            guitar::draw(ui.painter(), rect, class, colour);
        });
    });
}

/// Switches the voices on and off.
fn hear(ui: &mut Ui, params: &ToccoParams, gui: &GuiContext) {
    let on = params.voices.are_on();
    ui.horizontal(|ui| {
        let text = if on { "Sounds are on" } else { "Hear it" };
        let button = ui.add(Button::new(text).selected(on));
        if button.on_hover_text(HEAR_HINT).clicked() {
            let level = if on { OFF_DB } else { VOICES_DB };
            set(&gui.param_setter(), &params.voices.voices, level);
        }
        ui.label(RichText::new(HEAR_HINT).size(12.0).color(FAINT));
    });
}
