//! The presets in the window: a list to choose from, and a name to save under.

use std::path::PathBuf;

use egui::{ComboBox, RichText, TextEdit, Ui};
use nice_plug::context::gui::GuiContext;

use super::palette::{FAINT, WARNING};
use super::value::name;
use crate::params::ToccoParams;
use crate::presets::{self, FACTORY, Preset, PresetError};

const WIDTH: f32 = 180.0;

const HINT: &str = "What is sent and sounds of each technique, the controllers and what is suppressed. \
    Model, lessons and the ends of the velocity stay as they are.";

/// What the window remembers of the presets.
pub struct PresetMenu {
    /// The user's presets.
    pub(super) folder: Option<PathBuf>,
    names: Vec<String>,
    /// Whether the pointer or the keys are at their list.
    near: bool,
    /// The one that was chosen or saved last.
    chosen: Option<String>,
    /// What is typed.
    name: String,
    /// What came of it, and whether it went wrong.
    told: Option<(String, bool)>,
    /// Whether one was saved.
    saved: bool,
    /// The name under which there is one already: to save it once more replaces that.
    replaces: Option<String>,
}

impl Default for PresetMenu {
    fn default() -> Self {
        Self {
            folder: presets::folder(),
            names: Vec::new(),
            near: false,
            chosen: None,
            name: String::new(),
            told: None,
            saved: false,
            replaces: None,
        }
    }
}

impl PresetMenu {
    /// The list, the name and the button, in a line; below what came of it.
    pub fn show(&mut self, ui: &mut Ui, params: &ToccoParams, gui: &GuiContext) {
        ui.horizontal(|ui| {
            self.choose(ui, params, gui);
            ui.add_space(12.0);
            self.field(ui, params);
        });
        self.tell(ui);
    }

    /// The list, in a line.
    pub fn choose(&mut self, ui: &mut Ui, params: &ToccoParams, gui: &GuiContext) {
        ui.horizontal(|ui| {
            name(ui, "Preset");
            self.list(ui, params, gui);
        });
    }

    /// The name and the button.
    pub fn field(&mut self, ui: &mut Ui, params: &ToccoParams) {
        ui.horizontal(|ui| {
            let field = TextEdit::singleline(&mut self.name).hint_text("name of a new one");
            ui.add(field.desired_width(WIDTH));
            if ui.button("Save").on_hover_text(self.place()).clicked() {
                self.save(params);
            }
        });
    }

    /// Whether one was saved since the window was made.
    pub fn has_saved(&self) -> bool {
        self.saved
    }

    /// What came of it.
    pub fn tell(&self, ui: &mut Ui) {
        if let Some((text, wrong)) = &self.told {
            let colour = if *wrong { WARNING } else { FAINT };
            ui.label(RichText::new(text).size(12.0).color(colour));
        } else {
            // What is below has the same ids, or a drag would be lost.
            ui.skip_ahead_auto_ids(1);
        }
    }

    fn place(&self) -> String {
        let Some(folder) = &self.folder else {
            return "There is no folder for the data of programs.".to_owned();
        };
        format!("Saves a file in {}", folder.display())
    }

    fn list(&mut self, ui: &mut Ui, params: &ToccoParams, gui: &GuiContext) {
        let mut wanted = None;
        // What opens remembers its height: another number of names is another list.
        let list = ComboBox::from_id_salt(("preset", self.names.len()))
            .width(WIDTH)
            .selected_text(self.chosen.as_deref().unwrap_or("choose"))
            .show_ui(ui, |ui| {
                for (name, text) in FACTORY {
                    if ui.selectable_label(false, name).clicked() {
                        wanted = Some((name.to_owned(), Preset::parse(text, name)));
                    }
                }
                ui.separator();
                for name in &self.names {
                    if ui.selectable_label(false, name).clicked() {
                        wanted = Some((name.clone(), self.read(name)));
                    }
                }
            });
        // Files may have come or gone; the list is made before it opens, or it would not grow.
        let near = list.response.hovered() || list.response.has_focus();
        list.response.on_hover_text(HINT);
        if near && !self.near {
            let names = self.folder.as_deref().map(presets::list);
            self.names = names.unwrap_or_default();
        }
        self.near = near;
        match wanted {
            Some((name, Ok(preset))) => {
                for (param, value) in preset.targets(params) {
                    // SAFETY: the parameters are the plugin's, and live as long as the window.
                    unsafe {
                        gui.raw_begin_set_parameter(param);
                        gui.raw_set_parameter_normalized(param, value);
                        gui.raw_end_set_parameter(param);
                    }
                }
                self.told = Some((format!("{name} is loaded."), false));
                self.chosen = Some(name);
            }
            Some((_, Err(error))) => self.told = Some((error.to_string(), true)),
            None => {}
        }
    }

    fn read(&self, name: &str) -> Result<Preset, PresetError> {
        let folder = self.folder.as_deref().unwrap_or(std::path::Path::new(""));
        Preset::read(&presets::path(folder, name)?)
    }

    fn save(&mut self, params: &ToccoParams) {
        let Some(folder) = &self.folder else {
            self.told = Some((self.place(), true));
            return;
        };
        let name = self.name.trim().to_owned();
        let there = presets::path(folder, &name).is_ok_and(|path| path.exists());
        if there && self.replaces.as_ref() != Some(&name) {
            let text = format!("There is a preset {name}. Save once more to replace it.");
            self.told = Some((text, true));
            self.replaces = Some(name);
            return;
        }
        self.replaces = None;
        self.told = Some(match presets::save(folder, &name, params) {
            Ok(path) => {
                self.chosen = Some(name);
                self.name.clear();
                self.saved = true;
                (format!("Saved as {}", path.display()), false)
            }
            Err(error) => (error.to_string(), true),
        });
    }
}
