//! The parameters in the window.

use std::sync::atomic::Ordering::Relaxed;

use egui::{Checkbox, ComboBox, Response, RichText, Slider, TextEdit, Ui};
use nice_plug::context::gui::{GuiContext, ParamSetter};
use nice_plug::params::enums::{Enum, EnumParam};
use nice_plug::params::{BoolParam, FloatParam, Param};

use super::FAINT;
use crate::params::ModelChoice;
use crate::service::Shared;

/// What adapting does, and what becomes of it.
const ADAPT_HINT: &str = "Tocco learns how you play from its own decisions: each note it names moves \
    what it takes for such a note a little towards yours. Switched off it forgets all that it learnt \
    so, and so it does when a model is loaded or the project is opened again.";

/// Model, engine and the settings of the ear. `folder` is the user's folder while it is typed.
pub fn show(ui: &mut Ui, shared: &Shared, gui: &GuiContext, folder: &mut String) {
    let setter = gui.param_setter();
    let params = &shared.params;
    egui::Grid::new("controls")
        .num_columns(2)
        .spacing([12.0, 8.0])
        .show(ui, |ui| {
            choice(ui, &setter, &params.model);
            choice(ui, &setter, &params.engine);
            if params.model.value() == ModelChoice::User {
                name(ui, "Folder");
                let edit = TextEdit::singleline(folder).hint_text("folder with model.toml");
                let response = ui.add(edit.desired_width(180.0));
                if response.lost_focus() {
                    params.choose_package(folder.clone());
                }
                ui.end_row();
            }
            choice(ui, &setter, &params.input);
            slider(ui, &setter, &params.sensitivity);
            slider(ui, &setter, &params.minimum_inter_onset);
            slider(ui, &setter, &params.gate);
            name(ui, params.second.name());
            let possible = params.model.value().may_have_second();
            ui.horizontal(|ui| {
                switch(ui, &setter, &params.second, "on", possible);
                let possible = possible && params.second.value() && params.midi.value();
                switch(ui, &setter, &params.correct, "corrects MIDI", possible);
            });
            ui.end_row();
            name(ui, params.adapt.name());
            let possible = params.model.value().may_adapt();
            ui.horizontal(|ui| {
                switch(ui, &setter, &params.adapt, "on", possible).on_hover_text(ADAPT_HINT);
                if let Some(text) = adapted(shared.gauges.adapted.load(Relaxed)) {
                    ui.label(RichText::new(text).size(12.0).color(FAINT));
                }
            });
            ui.end_row();
            name(ui, params.midi.name());
            switch(ui, &setter, &params.midi, "notes to the host", true);
            ui.end_row();
        });
    if shared.status().model_error.is_some() && ui.button("Try again").clicked() {
        shared.load_again();
    }
}

fn name(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).color(FAINT));
}

fn choice<T: Enum + PartialEq + 'static>(
    ui: &mut Ui,
    setter: &ParamSetter<'_>,
    param: &EnumParam<T>,
) {
    name(ui, param.name());
    let chosen = param.value().to_index();
    let variants = T::variants();
    ComboBox::from_id_salt(param.name())
        .width(180.0)
        .selected_text(variants[chosen])
        .show_ui(ui, |ui| {
            for (index, variant) in variants.iter().enumerate() {
                if ui.selectable_label(index == chosen, *variant).clicked() && index != chosen {
                    set(setter, param, T::from_index(index));
                }
            }
        });
    ui.end_row();
}

fn slider(ui: &mut Ui, setter: &ParamSetter<'_>, param: &FloatParam) {
    name(ui, param.name());
    let mut value = param.unmodulated_normalized_value();
    ui.horizontal(|ui| {
        let response = ui.add(Slider::new(&mut value, 0.0..=1.0).show_value(false));
        if response.drag_started() {
            setter.begin_set_parameter(param);
        }
        if response.changed() {
            if response.dragged() {
                setter.set_parameter_normalized(param, value);
            } else {
                // By a click or a key, which begin no drag.
                set(setter, param, param.preview_plain(value));
            }
        }
        if response.drag_stopped() {
            setter.end_set_parameter(param);
        }
        ui.label(param.to_string());
    });
    ui.end_row();
}

/// A box to tick; a greyed one if it would have no effect.
fn switch(
    ui: &mut Ui,
    setter: &ParamSetter<'_>,
    param: &BoolParam,
    text: &str,
    possible: bool,
) -> Response {
    let mut on = param.value();
    let tick = Checkbox::new(&mut on, text);
    let response = ui.add_enabled(possible, tick);
    if response.changed() {
        set(setter, param, on);
    }
    response
}

/// How far the model in use has come; nothing before its first note.
fn adapted(notes: u64) -> Option<String> {
    match notes {
        0 => None,
        1 => Some("adapted to 1 note".to_owned()),
        _ => Some(format!("adapted to {notes} notes")),
    }
}

/// Sets a parameter by way of the host.
pub fn set<P: Param>(setter: &ParamSetter<'_>, param: &P, value: P::Plain) {
    setter.begin_set_parameter(param);
    setter.set_parameter(param, value);
    setter.end_set_parameter(param);
}
