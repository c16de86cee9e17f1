//! What listens, and how: model, engine and the settings of the ear.

use std::sync::atomic::Ordering::Relaxed;

use egui::{Key, RichText, TextEdit, Ui};
use nice_plug::context::gui::GuiContext;
use nice_plug::params::Param;

use super::file_chooser::{FileChooser, Kind};
use super::palette::FAINT;
use super::value::{choice, name, number, switch};
use crate::params::ModelChoice;
use crate::service::Shared;

/// Width of what is chosen or dragged.
const WIDTH: f32 = 170.0;

pub const MODEL_HINT: &str = "What names the notes. Tocco is made for players it has never heard; Tocco-sure \
    knows strings better and answers 7 ms later; A, B and C are those of the paper.";
const ENGINE_HINT: &str = "What computes the model. native is always there.";
pub const INPUT_HINT: &str = "What is heard of a stereo track.";
pub const SENSITIVITY_HINT: &str =
    "How soft a touch is still a note. 50 % is what the model was made for.";
const INTERVAL_HINT: &str = "Two notes are at least so far apart.";
const GATE_HINT: &str = "Notes that are named with less certainty are not played.";
const FOREIGN_HINT: &str = "Speech, taps, rubs and squeaks are not played: the higher, the more of them, and \
    the more notes are lost with them. 0 plays everything.";
const FOLDER_HINT: &str = "Choose the folder of your model.";
const SECOND_HINT: &str = "150 ms after a note a second network has heard how it rings on, and corrects \
    its name in window and log.";
const CORRECT_HINT: &str =
    "Corrects the MIDI note that was played, too. For notation, not for drums.";
const MIDI_HINT: &str = "Whether notes go to the host.";

/// What adapting does, and what becomes of it.
const ADAPT_HINT: &str = "Tocco learns how you play from its own decisions: each note it names moves \
    what it takes for such a note a little towards yours. Switched off it forgets all that it learnt \
    so, and so it does when a model is loaded or the project is opened again.";

/// Two columns of names and values. `folder` is the user's folder while it is typed.
pub(super) fn show(
    ui: &mut Ui,
    shared: &Shared,
    gui: &GuiContext,
    folder: &mut String,
    chooser: &mut FileChooser,
) {
    ui.columns_const(|[left, right]| {
        ear(left, shared, gui, folder, chooser);
        decisions(right, shared, gui);
    });
    if shared.status().model_error.is_some() && ui.button("Try again").clicked() {
        shared.load_again();
    }
}

fn grid(ui: &mut Ui, id: &str, content: impl FnOnce(&mut Ui)) {
    let grid = egui::Grid::new(id).num_columns(2).spacing([12.0, 6.0]);
    grid.show(ui, content);
}

fn ear(
    ui: &mut Ui,
    shared: &Shared,
    gui: &GuiContext,
    folder: &mut String,
    chooser: &mut FileChooser,
) {
    let setter = gui.param_setter();
    let params = &shared.params;
    grid(ui, "ear", |ui| {
        name(ui, params.input.name());
        choice(ui, &setter, &params.input, WIDTH, INPUT_HINT);
        ui.end_row();
        name(ui, params.sensitivity.name());
        number(ui, &setter, &params.sensitivity, WIDTH, SENSITIVITY_HINT);
        ui.end_row();
        name(ui, params.minimum_inter_onset.name());
        number(
            ui,
            &setter,
            &params.minimum_inter_onset,
            WIDTH,
            INTERVAL_HINT,
        );
        ui.end_row();
        name(ui, params.gate.name());
        number(ui, &setter, &params.gate, WIDTH, GATE_HINT);
        ui.end_row();
        name(ui, params.strictness.name());
        number(ui, &setter, &params.strictness, WIDTH, FOREIGN_HINT);
        ui.end_row();
        if params.model.value() == ModelChoice::User {
            name(ui, "Folder");
            ui.horizontal(|ui| {
                let edit = TextEdit::singleline(folder).hint_text("folder with model.toml");
                if ui.add(edit.desired_width(WIDTH - 48.0)).lost_focus() {
                    match ui.input(|input| input.key_pressed(Key::Escape)) {
                        true => *folder = params.user_package.path(),
                        false => params.choose_package(folder.clone()),
                    }
                }
                chooser.button(ui, "…", FOLDER_HINT, Kind::Folder, folder);
            });
            ui.end_row();
        }
    });
}

fn decisions(ui: &mut Ui, shared: &Shared, gui: &GuiContext) {
    let setter = gui.param_setter();
    let params = &shared.params;
    grid(ui, "decisions", |ui| {
        name(ui, params.model.name());
        choice(ui, &setter, &params.model, WIDTH, MODEL_HINT);
        ui.end_row();
        name(ui, params.engine.name());
        choice(ui, &setter, &params.engine, WIDTH, ENGINE_HINT);
        ui.end_row();
        name(ui, params.second.name());
        let possible = params.model.value().may_have_second();
        ui.horizontal(|ui| {
            switch(ui, &setter, &params.second, "on", possible, SECOND_HINT);
            let possible = possible && params.second.value() && params.midi.value();
            switch(
                ui,
                &setter,
                &params.correct,
                "corrects MIDI",
                possible,
                CORRECT_HINT,
            );
        });
        ui.end_row();
        name(ui, params.adapt.name());
        let possible = params.model.value().may_adapt();
        ui.horizontal(|ui| {
            switch(ui, &setter, &params.adapt, "on", possible, ADAPT_HINT);
            if let Some(text) = adapted(shared.telemetry.adapted.load(Relaxed)) {
                ui.label(RichText::new(text).size(12.0).color(FAINT));
            }
        });
        ui.end_row();
        name(ui, params.midi.name());
        switch(
            ui,
            &setter,
            &params.midi,
            "notes to the host",
            true,
            MIDI_HINT,
        );
        ui.end_row();
    });
}

/// How far the model in use has come; nothing before its first note.
fn adapted(notes: u64) -> Option<String> {
    match notes {
        0 => None,
        1 => Some("adapted to 1 note".to_owned()),
        _ => Some(format!("adapted to {notes} notes")),
    }
}
