//! The window: what was heard last, how sure we are, what is running and how well.
//!
//! Two pages. *Play* is what a player looks at: the technique, the eight bars, the input with its
//! notes. *Set up* has everything that can be set, and the counters at its end.
//!
//! It reads atomics and the service's status, sets parameters through the host, and gives the service
//! commands for the calibration: nothing it does reaches the audio thread otherwise.

mod bars;
mod body;
mod controls;
mod counters;
mod file_chooser;
mod font;
mod guided_minute;
mod guitar;
mod keys;
mod lesson;
mod map;
mod offscreen;
mod palette;
mod play;
mod preset_menu;
mod rasterizer;
mod save_last_minute;
mod setup;
mod sounds;
mod timeline;
mod value;
mod velocity;
mod velocity_curve;
mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Align, Button, Layout, RichText, ScrollArea, Ui, vec2};
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::ResizeHint;
use nice_plug::editor::dpi::LogicalSize;
use nice_plug_egui::baseview::HandlerError;
use nice_plug_egui::{
    EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier, create_egui_editor,
};

use crate::calibration::Command;
use crate::service::{Action, Shared, Status};
use file_chooser::FileChooser;
use guided_minute::GuidedMinute;
use lesson::LessonPanel;
use palette::{ACCENT, BACKGROUND, FAINT, PANEL, RAISED, TEXT, TRACK, WARNING};
use preset_menu::PresetMenu;
use save_last_minute::SaveLastMinute;
use timeline::Timeline;
use tocco_dsp::Technique;
use tocco_recognizer::meters::LastNote;

/// The window's size when it opens, logical pixels: with a host's frame it fits a screen of 768.
pub const SIZE: LogicalSize<f32> = LogicalSize {
    width: 720.0,
    height: 600.0,
};

/// The least that it can be made, logical pixels.
pub const LEAST: LogicalSize<f32> = LogicalSize {
    width: 720.0,
    height: 480.0,
};

/// Time between two frames while something moves.
const REFRESH: Duration = Duration::from_millis(33);

/// Time between two frames while nothing does: what is neither sound nor input of the user's, such as
/// an error, is seen so much later.
const IDLE: Duration = Duration::from_millis(500);

/// How long a note stays lit.
const AFTERGLOW: Duration = Duration::from_millis(1500);

/// Distance of everything from the window's edge.
const MARGIN: i8 = 16;

pub use offscreen::{Offscreen, Piece};
pub use rasterizer::Picture;
#[cfg(feature = "standalone")]
pub(crate) use window::check_own_screen;
pub use window::{ToccoEditor, ToccoWindow, WindowError};

/// The editor of a plugin instance.
#[must_use]
pub fn create(shared: Arc<Shared>) -> Option<ToccoEditor> {
    let resizable = ResizeHint::resizable().with_min_logical_size(LEAST);
    let egui = create_egui_editor(
        EguiEditorState::from_size(SIZE, 1.0),
        RepaintNotifier::new(),
        EguiNiceSettings::new()
            .with_tile("Tocco")
            .with_resize_hint(resizable),
        ToccoApp::new(Arc::clone(&shared)),
    )?;
    Some(ToccoEditor { egui, shared })
}

/// What is in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Play,
    SetUp,
}

/// What the window shows and remembers.
pub struct ToccoApp {
    shared: Arc<Shared>,
    gui: Option<GuiContext>,
    page: Page,
    /// The user's folder while it is typed, and how often it was chosen by then.
    folder: String,
    folder_changes: u32,
    folder_chooser: FileChooser,
    /// The path of the user's sounds while it is typed, and how often it was chosen by then.
    sounds: String,
    sounds_changes: u32,
    sounds_chooser: FileChooser,
    /// The last note and when it was first drawn.
    last: Option<(LastNote, Instant)>,
    timeline: Timeline,
    lesson: LessonPanel,
    presets: PresetMenu,
    guide: GuidedMinute,
    save_last_minute: SaveLastMinute,
}

impl ToccoApp {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            folder: String::new(),
            folder_changes: u32::MAX,
            folder_chooser: FileChooser::default(),
            sounds: String::new(),
            sounds_changes: u32::MAX,
            sounds_chooser: FileChooser::default(),
            shared,
            gui: None,
            page: Page::Play,
            last: None,
            timeline: Timeline::default(),
            lesson: LessonPanel::default(),
            presets: PresetMenu::default(),
            guide: GuidedMinute::default(),
            save_last_minute: SaveLastMinute::default(),
        }
    }

    /// Somebody looks from now on.
    fn open(&mut self, gui: GuiContext) {
        // The time of each window begins anew.
        self.guide.forget(&self.shared.params, &gui);
        // What a dialog of the window before has for an answer is older than what was restored meanwhile.
        for chooser in [
            &mut self.folder_chooser,
            &mut self.sounds_chooser,
            &mut self.lesson.save_chooser,
            &mut self.lesson.load_chooser,
        ] {
            chooser.forget();
        }
        self.gui = Some(gui);
        self.timeline = self.timeline.begun_anew();
        self.shared.telemetry.levels.open(true);
    }

    /// Shows the paths that were chosen elsewhere: by a dialog, or the host that restored a state.
    fn follow_paths(&mut self) {
        let params = &self.shared.params;
        for (chosen, shown, changes) in [
            (
                &params.user_package,
                &mut self.folder,
                &mut self.folder_changes,
            ),
            (&params.sounds, &mut self.sounds, &mut self.sounds_changes),
        ] {
            let now = chosen.changes();
            if *changes != now {
                *changes = now;
                *shown = chosen.path();
            }
        }
    }

    /// Takes what is new; whether something moves.
    fn look(&mut self) -> bool {
        let moves = self.timeline.take(&self.shared.telemetry.levels);
        let Some(note) = self.shared.telemetry.meters.last_note() else {
            return moves || self.guide.moves();
        };
        match &mut self.last {
            // An amended note is lit anew only if it has become another.
            Some((last, _)) if last.onset_id == note.onset_id && last.class == note.class => {
                *last = note;
            }
            last => *last = Some((note, Instant::now())),
        }
        moves || self.glow() > 0.0 || self.guide.moves()
    }

    /// How much of the last note's light is left, 0 to 1.
    fn glow(&self) -> f32 {
        self.last.map_or(0.0, |(_, since)| {
            1.0 - (since.elapsed().as_secs_f32() / AFTERGLOW.as_secs_f32()).min(1.0)
        })
    }

    fn draw(&mut self, ui: &mut Ui) {
        let moves = self.look();
        // VST3 knows no better way to the host than from a thread that it knows.
        self.shared.params.unsaved.tell();
        self.take_chosen();
        self.follow_paths();
        let status = self.shared.status().clone();
        let frame = egui::Frame::new().fill(BACKGROUND).inner_margin(MARGIN);
        egui::CentralPanel::default().frame(frame).show(ui, |ui| {
            ui.spacing_mut().item_spacing = vec2(12.0, 8.0);
            let margins = 2.0 * f32::from(MARGIN);
            let least = vec2(LEAST.width - margins, LEAST.height - margins);
            if ui.available_size().min(least) == least {
                return self.page(ui, &status);
            }
            // A host need not ask how small it may be.
            ScrollArea::both().id_salt("all").show(ui, |ui| {
                ui.set_min_size(least);
                ui.set_max_width(least.x);
                ui.set_max_height(least.y);
                self.page(ui, &status);
            });
        });
        self.guide.tell(&self.shared);
        self.shared.repaint.rest(!moves);
        let pause = if moves { REFRESH } else { IDLE };
        ui.ctx().request_repaint_after(pause);
    }

    /// Takes what was chosen in dialogs.
    fn take_chosen(&mut self) {
        let shared = &self.shared;
        let chosen = |chooser: &mut FileChooser| {
            let closed = chooser.take()?;
            shared.tell(Action::ShowDialog, closed).flatten()
        };
        if let Some(path) = chosen(&mut self.folder_chooser) {
            shared.params.choose_package(path);
        }
        if let Some(path) = chosen(&mut self.sounds_chooser) {
            shared.params.choose_sounds(path);
        }
        if let Some(path) = chosen(&mut self.lesson.save_chooser) {
            self.lesson.profile.clone_from(&path);
            shared.calibrate(Command::Save(path.into()));
        }
        if let Some(path) = chosen(&mut self.lesson.load_chooser) {
            self.lesson.profile.clone_from(&path);
            shared.calibrate(Command::Load(path.into()));
        }
    }

    fn page(&mut self, ui: &mut Ui, status: &Status) {
        self.pages(ui);
        if self.page == Page::SetUp {
            self.save_last_minute.tell(ui);
        }
        match self.page {
            Page::Play => self.play(ui, status),
            Page::SetUp if self.guide.is_under_way() => self.guided_minute(ui, status),
            Page::SetUp => self.set_up(ui, status),
        }
    }

    fn turn_to(&mut self, page: Page) {
        if self.page == Page::SetUp
            && page != Page::SetUp
            && self.guide.is_under_way()
            && let Some(gui) = &self.gui
        {
            self.guide.leave_page(&self.shared, gui);
        }
        self.page = page;
    }

    /// The line that leads from page to page.
    fn pages(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            for (page, text) in [(Page::Play, "Play"), (Page::SetUp, "Set up")] {
                let front = self.page == page;
                let colour = if front { TEXT } else { FAINT };
                let text = RichText::new(text).size(14.0).color(colour);
                let button = Button::new(text).selected(front);
                if ui.add(button.min_size(vec2(76.0, 26.0))).clicked() {
                    self.turn_to(page);
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(RichText::new("Tocco").size(18.0).color(ACCENT));
                ui.add_space(8.0);
                self.save_last_minute.button(ui, &self.shared);
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
        dress(&context);
        self.open(gui);
        let waker = move || context.request_repaint();
        self.shared.repaint.listen(Some(Box::new(waker)));
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut Frame) {
        self.draw(ui);
        keys::leave_to_the_host(ui.ctx(), frame);
    }
}

/// The window is closed: nothing is measured for it, nobody wakes it, and a lesson that it began ends.
fn nobody_looks(shared: &Shared) {
    shared.repaint.listen(None);
    shared.telemetry.levels.open(false);
    lesson::leave(shared);
    guided_minute::leave(shared);
}

/// The names of the classes; before a model is there those that most models have.
fn labels(status: &Status) -> Vec<String> {
    match status.models.back() {
        Some(info) => info.labels.clone(),
        None => Technique::ALL.map(|t| t.label().to_owned()).to_vec(),
    }
}

/// Lines that [`errors`] may have: of the activation, model, sounds, something else, and what failed.
const MOST_ERRORS: usize = 5;

/// What is wrong, a line each. The page below has the same ids whatever is said, or a line that comes or
/// goes would end a drag without the host's knowing.
fn errors(ui: &mut Ui, status: &Status) {
    let mut lines_left = MOST_ERRORS;
    let mut line = |ui: &mut Ui, text: &str| {
        ui.label(RichText::new(text).size(12.0).color(WARNING));
        lines_left -= 1;
    };
    if let Some(error) = &status.activation_error {
        line(ui, &format!("Not listening: {error}"));
    }
    let errors = [
        &status.model_error,
        &status.sounds_error,
        &status.other_error,
    ];
    // One of these is enough to look at the log; what was done last counts for more.
    let other = status.failed.values().chain(&status.refused).next();
    for error in errors.into_iter().flatten().chain(other) {
        line(ui, error);
    }
    ui.skip_ahead_auto_ids(lines_left);
}

/// Colours and behaviour of everything.
fn dress(context: &egui::Context) {
    context.set_fonts(font::definitions());
    context.add_plugin(keys::SpaceIsTheHosts);
    context.set_theme(egui::Theme::Dark);
    context.all_styles_mut(|style| {
        let visuals = &mut style.visuals;
        visuals.override_text_color = Some(TEXT);
        visuals.panel_fill = BACKGROUND;
        visuals.window_fill = PANEL;
        visuals.extreme_bg_color = BACKGROUND;
        visuals.selection.bg_fill = ACCENT.gamma_multiply(0.5);
        visuals.widgets.inactive.weak_bg_fill = RAISED;
        visuals.widgets.inactive.bg_fill = TRACK;
        style.interaction.tooltip_delay = 0.4;
    });
}

#[cfg(test)]
mod tests;
