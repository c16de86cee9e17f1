//! Presets: the map as a file that can be shared.
//!
//! A preset is TOML: `format = 1`, and a table `[parameters]` of what is sent of each technique and of
//! the controllers, of the voices and the guitar's body, of what is suppressed and corrected, by the
//! parameters' ids. What it does not name is as delivered. What belongs to the player, the guitar and the
//! machine is not in it: model, engine, input, sensitivity, lessons, which techniques are used, the ends
//! of the velocity, thresholds.
//!
//! All of it reads files or allocates: not for the audio thread.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nice_plug::prelude::*;
use tocco_engines::bounded_read::{read_file, write_file};
use toml::de::{DeTable, DeValue};

use crate::configuration::value_of;
use crate::params::ToccoParams;

/// The version that is written, and the newest that is read.
pub const FORMAT: i64 = 1;

/// Bytes of the largest preset that is read.
const LARGEST: u64 = 64 << 10;

/// Presets of a folder that are listed.
const MOST: usize = 200;

/// Longest name, characters.
const LONGEST_NAME: usize = 40;

/// Ids of the parameters of each technique that a preset has; in it the number of the class follows.
const OF_TECHNIQUE: [&str; 11] = [
    "note",
    "send",
    "channel",
    "length",
    "own-gate",
    "hold",
    "voice",
    "body-low",
    "body-mid",
    "body-high",
    "body-squeeze",
];

/// Ids of the others.
const OTHERS: [&str; 13] = [
    "cross",
    "correct",
    "voices",
    "dry",
    "body",
    "cc-probability",
    "cc-axis",
    "axis-from",
    "axis-to",
    "cc-brightness",
    "cc-level",
    "cc-channel",
    "cc-smoothing",
];

/// The presets that Tocco brings along: their names and texts.
pub const FACTORY: [(&str, &str); 5] = [
    ("As delivered", "format = 1\n[parameters]\n"),
    // Ordinary playing is no drum.
    (
        "General MIDI drums",
        "format = 1\n[parameters]\n\
         note_1 = 36\nnote_2 = 38\nnote_3 = 45\nnote_4 = 37\n\
         note_5 = 51\nnote_6 = 42\nnote_7 = 46\nsend_8 = false\nvoice_8 = false\n\
         channel_1 = 10\nchannel_2 = 10\nchannel_3 = 10\nchannel_4 = 10\n\
         channel_5 = 10\nchannel_6 = 10\nchannel_7 = 10\nchannel_8 = 10\n\
         hold_1 = 40\nhold_2 = 40\nhold_3 = 40\nhold_4 = 40\ncross = 30\n",
    ),
    (
        "Percussion only",
        "format = 1\n[parameters]\n\
         send_5 = false\nsend_6 = false\nsend_7 = false\nsend_8 = false\n\
         voice_5 = false\nvoice_6 = false\nvoice_7 = false\nvoice_8 = false\n\
         hold_1 = 40\nhold_2 = 40\nhold_3 = 40\nhold_4 = 40\ncross = 30\n",
    ),
    (
        "Harmonics trigger",
        "format = 1\n[parameters]\n\
         send_1 = false\nsend_2 = false\nsend_3 = false\nsend_4 = false\n\
         send_6 = false\nsend_7 = false\nsend_8 = false\n\
         voice_1 = false\nvoice_2 = false\nvoice_3 = false\nvoice_4 = false\n\
         voice_6 = false\nvoice_7 = false\nvoice_8 = false\n\
         own-gate_5 = 0.6\nlength_5 = 0\nhold_5 = 100\n",
    ),
    // What is written down may come late, but is to be right, and as long as it sounded.
    (
        "Notation log",
        "format = 1\n[parameters]\ncorrect = true\ncross = 30\n\
         length_1 = 0\nlength_2 = 0\nlength_3 = 0\nlength_4 = 0\n\
         length_5 = 0\nlength_6 = 0\nlength_7 = 0\nlength_8 = 0\n\
         voice_1 = false\nvoice_2 = false\nvoice_3 = false\nvoice_4 = false\n\
         voice_5 = false\nvoice_6 = false\nvoice_7 = false\nvoice_8 = false\n",
    ),
];

/// Why there is no such preset.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    /// The file cannot be read or written.
    #[error("{0}")]
    File(String),
    /// The file is no preset.
    #[error("{file}: {fault}")]
    Content {
        /// The file, or the preset's name.
        file: String,
        /// What is wrong with it: the field, what is expected and what was found.
        fault: String,
    },
    /// The name is none for a file.
    #[error(
        "name: expected 1 to {LONGEST_NAME} letters, digits, spaces, - and _, found {found:?}; type \
         another one"
    )]
    Name {
        /// What was typed.
        found: String,
    },
}

/// A preset that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// Normalised values by the parameters' ids.
    values: BTreeMap<String, f32>,
}

/// Whether `id` is that of a technique being used, which earlier presets had: it is the player's now.
fn is_of_old(id: &str) -> bool {
    id.strip_prefix("use_")
        .is_some_and(|class| class.parse::<u8>().is_ok())
}

/// Whether a preset has the parameter `id`.
fn belongs(id: &str) -> bool {
    let of_technique = |(kind, class): (&str, &str)| {
        OF_TECHNIQUE.contains(&kind) && class.len() == 1 && class.parse::<u8>().is_ok()
    };
    OTHERS.contains(&id) || id.rsplit_once('_').is_some_and(of_technique)
}

impl Preset {
    /// What `text` says, which is that of `file`.
    ///
    /// # Errors
    /// When it is no preset, or one of a later version.
    pub fn parse(text: &str, file: &str) -> Result<Self, PresetError> {
        let fault = |fault: String| PresetError::Content {
            file: file.to_owned(),
            fault,
        };
        let document = DeTable::parse(text).map_err(|error| fault(error.message().to_owned()))?;
        let document = document.get_ref();
        let format = document.get("format").map(toml::Spanned::get_ref);
        let format = match format {
            Some(DeValue::Integer(number)) => number.as_str().parse::<i64>().ok(),
            _ => None,
        };
        match format {
            Some(1..=FORMAT) => {}
            Some(newer) if newer > FORMAT => {
                return Err(fault(format!(
                    "`format`: expected at most {FORMAT}, found {newer}: a newer Tocco wrote it; \
                     update Tocco to load it"
                )));
            }
            _ => {
                return Err(fault(format!(
                    "`format`: expected a number from 1 to {FORMAT}; it is no preset of Tocco"
                )));
            }
        }
        let mut values = BTreeMap::new();
        let parameters = document.get("parameters").map(toml::Spanned::get_ref);
        let Some(DeValue::Table(parameters)) = parameters else {
            return Err(fault("`parameters`: expected a table".to_owned()));
        };
        for (id, written) in parameters {
            let id = id.get_ref().to_string();
            if is_of_old(&id) {
                continue;
            }
            if !belongs(&id) {
                let text = format!("`{id}`: a preset has no such parameter; take the line out");
                return Err(fault(text));
            }
            let value = value_of(&id, written.get_ref()).map_err(|expected| {
                let found = &text[written.span()];
                fault(format!("`{id}`: expected {expected}, found {found}"))
            })?;
            values.insert(id, value);
        }
        Ok(Self { values })
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is no preset.
    pub fn read(path: &Path) -> Result<Self, PresetError> {
        let bytes = read_file(path, LARGEST).map_err(|e| PresetError::File(e.to_string()))?;
        let file = path.display().to_string();
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&text, &file),
            Err(error) => Err(PresetError::Content {
                file,
                fault: format!("it is no text: {error}"),
            }),
        }
    }

    /// Every parameter that a preset has, and the normalised value that it gets.
    #[must_use]
    pub fn targets(&self, params: &ToccoParams) -> Vec<(ParamPtr, f32)> {
        let map = params.param_map();
        let own = map.into_iter().filter(|(id, ..)| belongs(id));
        let target = |(id, param, _): (String, ParamPtr, String)| {
            // SAFETY: the parameters live as long as `params`.
            let default = unsafe { param.default_normalized_value() };
            (param, self.values.get(&id).copied().unwrap_or(default))
        };
        own.map(target).collect()
    }
}

/// The preset that the parameters are, as text.
#[must_use]
pub fn write(params: &ToccoParams) -> String {
    let mut text = format!("format = {FORMAT}\n\n[parameters]\n");
    for (id, param, _) in params.param_map() {
        if !belongs(&id) {
            continue;
        }
        // SAFETY: the parameters live as long as `params`.
        let (plain, words) = unsafe {
            let value = param.unmodulated_normalized_value();
            (
                param.preview_plain(value),
                param.normalized_value_to_string(value, true),
            )
        };
        let value = match param {
            ParamPtr::BoolParam(_) => (plain > 0.5).to_string(),
            ParamPtr::IntParam(_) => format!("{plain:.0}"),
            // What is rounded is the same once more when it is saved again.
            ParamPtr::FloatParam(_) => format!("{:?}", (f64::from(plain) * 1e4).round() / 1e4),
            ParamPtr::EnumParam(_) => format!("\"{}\"", words.to_lowercase().replace(' ', "-")),
        };
        text += &format!("{id} = {value}\n");
    }
    text
}

/// The folder of the user's presets, which need not be there.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    dirs::data_dir().map(|data| data.join("tocco").join("presets"))
}

/// The presets in `folder`, by name.
#[must_use]
pub fn list(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| {
        let file = entry.file_name().into_string().ok()?;
        let name = file.strip_suffix(".toml")?.to_owned();
        is_name(&name).then_some(name)
    };
    let mut names: Vec<String> = entries.filter_map(name).take(MOST).collect();
    names.sort();
    names
}

/// The file of the preset `name` in `folder`.
///
/// # Errors
/// When no file can be called so.
pub fn path(folder: &Path, name: &str) -> Result<PathBuf, PresetError> {
    match is_name(name) {
        true => Ok(folder.join(format!("{name}.toml"))),
        false => Err(PresetError::Name {
            found: name.to_owned(),
        }),
    }
}

/// Names that every system can have for a file.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || " -_".contains(c);
    let reserved = ["con", "prn", "aux", "nul"];
    let lower = name.to_lowercase();
    let port = lower.len() == 4 && (lower.starts_with("com") || lower.starts_with("lpt"));
    (1..=LONGEST_NAME).contains(&name.chars().count())
        && name.trim() == name
        && name.chars().all(allowed)
        && !reserved.contains(&&*lower)
        && !port
}

/// Saves what the parameters are as the preset `name` in `folder`, in the place of one of that name.
/// A file is there whole or not at all.
///
/// # Errors
/// When the name is none, or the file cannot be written.
pub fn save(folder: &Path, name: &str, params: &ToccoParams) -> Result<PathBuf, PresetError> {
    let path = path(folder, name)?;
    std::fs::create_dir_all(folder).map_err(|error| {
        PresetError::File(format!("{}: it cannot be made: {error}", folder.display()))
    })?;
    write_file(&path, write(params).as_bytes()).map_err(|e| PresetError::File(e.to_string()))?;
    Ok(path)
}

/// Saves what the parameters are for a host, which has no name for it: as `From the host 1`, or the next
/// number that is free.
///
/// # Errors
/// When the user has no folder for it, or the file cannot be written.
pub fn save_next(params: &ToccoParams) -> Result<PathBuf, PresetError> {
    let folder = folder().ok_or_else(|| {
        PresetError::File("there is no folder for the data of programs".to_owned())
    })?;
    let mut names = (1..).map(|number| format!("From the host {number}"));
    let free = |name: &String| !folder.join(format!("{name}.toml")).exists();
    let name = names.find(free).unwrap_or_default();
    save(&folder, &name, params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{TeachChoice, set};

    fn apply(preset: &Preset, params: &ToccoParams) {
        for (param, value) in preset.targets(params) {
            // SAFETY: the parameters outlive the loop.
            unsafe { param._internal_set_normalized_value(value) };
        }
    }

    fn fault(text: &str) -> String {
        Preset::parse(text, "mine.toml").unwrap_err().to_string()
    }

    #[test]
    fn what_is_saved_comes_back_and_nothing_else_is_touched() {
        let params = ToccoParams::default();
        let kick = &params.techniques.of_class[0];
        set(&kick.note, 99);
        set(&kick.gate, 0.337);
        set(&kick.send, false);
        set(&params.voices.voices, -12.3);
        set(&params.voices.body, true);
        set(&kick.body.low, -12.34);
        set(&kick.body.squeeze, 0.61);
        set(&params.control.axis_from, TeachChoice::PickOverSoundHole);
        let other = ToccoParams::default();
        set(&other.techniques.of_class[4].used, false);
        set(&other.techniques.of_class[3].hold, 77);
        set(&other.sensitivity, 80.0);
        set(&other.soft_end, -40.0);
        let folder = tempfile::tempdir().unwrap();
        let path = save(&folder.path().join("new"), "My map", &params).unwrap();
        apply(&Preset::read(&path).unwrap(), &other);
        assert_eq!(write(&other), write(&params));
        assert!((other.techniques.of_class[0].gate.value() - 0.337).abs() < 1e-4);
        assert_eq!(other.techniques.of_class[3].hold.value(), 0, "as delivered");
        assert!(other.voices.body.value());
        assert!((other.techniques.of_class[0].body.low.value() + 12.34).abs() < 1e-4);
        assert!(!other.techniques.of_class[4].used.value());
        let old = "format = 1\n[parameters]\nuse_4 = true\n";
        apply(&Preset::parse(old, "old.toml").unwrap(), &other);
        assert!(!other.techniques.of_class[4].used.value());
        apply(&Preset::read(&path).unwrap(), &other);
        assert_eq!(
            (other.sensitivity.value(), other.soft_end.value()),
            (80.0, -40.0)
        );
        // In the place of the one before, and no draft is left.
        set(&kick.note, 40);
        save(&folder.path().join("new"), "My map", &params).unwrap();
        assert_eq!(list(&folder.path().join("new")), ["My map"]);
        assert_eq!(
            std::fs::read_dir(folder.path().join("new"))
                .unwrap()
                .count(),
            1
        );
    }

    #[test]
    fn every_parameter_of_the_map_is_in_the_text() {
        let text = write(&ToccoParams::default());
        let lines = text.lines().filter(|line| line.contains('=')).count();
        assert_eq!(lines, 1 + OF_TECHNIQUE.len() * 8 + OTHERS.len());
        assert!(
            text.contains("\naxis-to = \"pick-over-the-sound-hole\"\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_by_file_field_expected_and_found() {
        for (text, expected) in [
            ("", "mine.toml: `format`: expected a number from 1 to 1"),
            (
                "format = 2\n[parameters]\n",
                "expected at most 1, found 2: a newer Tocco wrote it",
            ),
            ("format = 0\n[parameters]\n", "`format`: expected a number"),
            ("format = 1\n", "`parameters`: expected a table"),
            (
                "format = 1\n[parameters]\nmodel = \"a\"\n",
                "`model`: a preset has no such",
            ),
            ("format = 1\n[parameters]\nnote_9 = 1\n", "`note_9`"),
            (
                "format = 1\n[parameters]\nnote_1 = 128\n",
                "`note_1`: expected a whole number from 0 to 127, found 128",
            ),
            (
                "format = 1\n[parameters]\nsend_1 = 1\n",
                "expected true or false, found 1",
            ),
            ("format = [\n", "mine.toml: "),
        ] {
            let found = fault(text);
            assert!(found.contains(expected), "{found}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(format|=| |1|\\[parameters\\]|\n|\"|\\PC){0,60}") {
            drop(Preset::parse(&text, "mine.toml"));
        }

        #[test]
        fn any_value_is_refused_or_within_its_range(
            id in "(note|gate|own-gate|length|hold|channel|voice)_[0-9]|dry|voices|axis-to|cc-axis",
            value in "-?[0-9]{1,25}(\\.[0-9]{1,25})?(e[0-9]{1,3})?|[+-]?(inf|nan)|true|false|\"[a-z -]{0,12}\"|\\[1\\]",
        ) {
            let text = format!("format = 1\n[parameters]\n{id} = {value}\n");
            if let Ok(preset) = Preset::parse(&text, "mine.toml") {
                for value in preset.values.values() {
                    assert!((0.0..=1.0).contains(value), "{text}");
                }
            }
        }
    }

    #[test]
    fn names_are_names_of_files_and_of_no_other_folder() {
        let folder = Path::new("presets");
        for name in ["Mine", "a b-c_9", "Gitarre für Lüder"] {
            assert!(path(folder, name).is_ok(), "{name}");
        }
        let long = "x".repeat(LONGEST_NAME + 1);
        for name in [
            "", " a", "a/b", "..", "a\\b", "con", "LPT1", "a.b", "a\0", &long,
        ] {
            let error = path(folder, name).unwrap_err().to_string();
            assert!(error.contains("name: expected 1 to 40 letters"), "{error}");
        }
        assert_eq!(list(Path::new("/no/such/folder")), Vec::<String>::new());
    }

    #[test]
    fn the_presets_that_come_along_are_what_they_say() {
        let params = ToccoParams::default();
        let load = |name: &str| {
            let (_, text) = FACTORY.iter().find(|(known, _)| *known == name).unwrap();
            apply(&Preset::parse(text, name).unwrap(), &params);
            params.midi_settings()
        };
        let drums = load("General MIDI drums");
        assert!(drums.iter().all(|midi| midi.channel == 9));
        assert_eq!(
            drums
                .map(|midi| midi.send)
                .iter()
                .filter(|send| **send)
                .count(),
            7
        );
        assert_eq!([drums[0].key, drums[1].key], [36, 38]);
        let percussion = load("Percussion only").map(|midi| midi.send);
        assert_eq!(
            percussion,
            [true, true, true, true, false, false, false, false]
        );
        let harmonics = load("Harmonics trigger").map(|midi| midi.send);
        assert_eq!(harmonics.iter().filter(|send| **send).count(), 1);
        assert!(harmonics[4]);
        let delivered = load("As delivered");
        assert_eq!(delivered, ToccoParams::default().midi_settings());
    }
}
