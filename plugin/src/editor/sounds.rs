//! How loud the voices and the guitar are, whether the guitar is reshaped, and the controllers.

use egui::{CollapsingHeader, Key, TextEdit, Ui};
use nice_plug::context::gui::GuiContext;
use nice_plug::params::Param;

use super::file_chooser::{FileChooser, Kind};
use super::value::{choice, name, number, switch};
use crate::params::ToccoParams;

const WIDTH: f32 = 120.0;

const VOICES_HINT: &str =
    "Level of the sounds, one for each technique: the built-in ones or your own.";
const SOUNDS_HINT: &str = "WAV or FLAC files, each named after its technique: kick.wav, snare-1.flac. \
    Several of one technique take turns; kick v60.wav answers velocities up to 60. Of an SFZ file the \
    keys are the techniques' MIDI notes. Empty: the built-in sounds.";
const FOLDER_HINT: &str = "Choose a folder of WAV or FLAC files.";
const SFZ_HINT: &str = "Choose an SFZ file.";
const AGAIN_HINT: &str = "Reads the files once more.";
const DRY_HINT: &str = "Level of the guitar itself.";
const BODY_HINT: &str = "The guitar's own sound gets an equaliser and a compressor, set for each technique: \
    a note sounds so from its decision on. Off, the sound passes untouched.";
const NUMBER_HINT: &str = "Number of the controller that is sent; off at 0.";
const PROBABILITY_HINT: &str = "Number of the first of eight controllers: how sure Tocco is of each \
    technique. Off at 0.";
const AXIS_HINT: &str = "The controller goes from 0, at one technique, to 127, at the other.";

/// The levels, and where the user's own sounds lie; `path` is that while it is typed.
pub(super) fn voices(
    ui: &mut Ui,
    params: &ToccoParams,
    gui: &GuiContext,
    path: &mut String,
    chooser: &mut FileChooser,
) {
    let setter = &gui.param_setter();
    ui.horizontal(|ui| {
        name(ui, params.voices.voices.name());
        number(ui, setter, &params.voices.voices, WIDTH, VOICES_HINT);
        ui.add_space(16.0);
        name(ui, params.voices.dry.name());
        number(ui, setter, &params.voices.dry, WIDTH, DRY_HINT);
        ui.add_space(16.0);
        let body = &params.voices.body;
        name(ui, body.name());
        switch(ui, setter, body, "by technique", true, BODY_HINT);
    });
    ui.horizontal(|ui| {
        name(ui, "Own sounds");
        let edit = TextEdit::singleline(path).hint_text("a folder with kick.wav …, or an SFZ file");
        let edit = ui.add(edit.desired_width(ui.available_width() - 232.0));
        if edit.on_hover_text(SOUNDS_HINT).lost_focus() && *path != params.sounds.path() {
            match ui.input(|input| input.key_pressed(Key::Escape)) {
                true => *path = params.sounds.path(),
                false => params.choose_sounds(path.clone()),
            }
        }
        chooser.button(ui, "Folder…", FOLDER_HINT, Kind::Folder, path);
        chooser.button(ui, "SFZ…", SFZ_HINT, Kind::File("sfz"), path);
        if ui.button("Read again").on_hover_text(AGAIN_HINT).clicked() {
            params.choose_sounds(params.sounds.path());
        }
    });
}

/// The controllers, folded away.
pub fn controllers(ui: &mut Ui, params: &ToccoParams, gui: &GuiContext) {
    let setter = &gui.param_setter();
    let control = &params.control;
    CollapsingHeader::new("Controllers").show(ui, |ui| {
        ui.columns_const(|[left, right]| {
            let grid = |id| egui::Grid::new(id).num_columns(2).spacing([12.0, 6.0]);
            grid("numbers").show(left, |ui| {
                for (param, hint) in [
                    (&control.probability, PROBABILITY_HINT),
                    (&control.axis, AXIS_HINT),
                    (&control.brightness, NUMBER_HINT),
                    (&control.level, NUMBER_HINT),
                ] {
                    name(ui, param.name());
                    number(ui, setter, param, WIDTH, hint);
                    ui.end_row();
                }
            });
            grid("axis").show(right, |ui| {
                for param in [&control.axis_from, &control.axis_to] {
                    name(ui, param.name());
                    choice(ui, setter, param, 180.0, AXIS_HINT);
                    ui.end_row();
                }
                for (param, hint) in [
                    (&control.channel, "Their MIDI channel."),
                    (&control.smoothing, "Time to go most of the way."),
                ] {
                    name(ui, param.name());
                    number(ui, setter, param, WIDTH, hint);
                    ui.end_row();
                }
            });
        });
    });
}
