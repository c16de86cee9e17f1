//! The button that saves the last minute's notes as a MIDI file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::{RichText, Ui};

use super::palette::{FAINT, TEXT, WARNING};
use crate::last_minute::{self, LastMinuteError};
use crate::service::Shared;

/// How long it is said what came of it.
const TOLD: Duration = Duration::from_secs(12);

const HINT: &str = "Saves what you played in the last minute as a MIDI file, with keys, channels and \
    velocities as they are set now. Drag the file from your folder into a track.";

/// What the window remembers of it.
#[derive(Default)]
pub struct SaveLastMinute {
    /// Where files go, if not where the system has music.
    pub(super) folder: Option<PathBuf>,
    /// What came of it, whether it went wrong, and when.
    told: Option<(String, bool, Instant)>,
}

impl SaveLastMinute {
    /// The button.
    pub fn button(&mut self, ui: &mut Ui, shared: &Shared) {
        let text = RichText::new("Save last minute").size(12.0).color(FAINT);
        if ui.button(text).on_hover_text(HINT).clicked() {
            let (text, wrong) = match self.save(shared) {
                Ok(text) => (text, false),
                Err(error) => (error.to_string(), true),
            };
            self.told = Some((text, wrong, Instant::now()));
        }
    }

    fn save(&self, shared: &Shared) -> Result<String, LastMinuteError> {
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => last_minute::folder()?,
        };
        let (path, notes) = shared.last_minute.save(&folder, &shared.params)?;
        let notes = match notes {
            1 => "1 note".to_owned(),
            _ => format!("{notes} notes"),
        };
        Ok(format!("{notes} saved as {}", path.display()))
    }

    /// What came of it, for some seconds; whether there was something to say.
    pub fn tell(&mut self, ui: &mut Ui) -> bool {
        self.told = self.told.take().filter(|told| told.2.elapsed() < TOLD);
        let Some((text, wrong, _)) = &self.told else {
            // What is below has the same ids, or a drag would be lost.
            ui.skip_ahead_auto_ids(1);
            return false;
        };
        let colour = if *wrong { WARNING } else { TEXT };
        let text = RichText::new(text).size(12.0).color(colour);
        ui.add(egui::Label::new(text).truncate());
        true
    }
}
