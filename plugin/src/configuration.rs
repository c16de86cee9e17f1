//! `tocco.toml`: what a plugin without a window is told.
//!
//! It is looked for in the file that [`VARIABLE`] names, else beside the bundle, else in the user's
//! configuration directory; the first that there is counts, alone. It says what an instance begins
//! with. What the host sets afterwards, a saved state or a parameter, wins.
//!
//! What cannot be is refused with its line and the reason, and the rest is used. All fields are in
//! `docs/configuration.md`.

mod saved_lessons;
mod settings;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use nice_plug::params::persist::PersistentField;
use nice_plug::prelude::Enum;
use tocco_dsp::Technique;
use tocco_engines::bounded_read::{append_file, read_file};
use tocco_engines::discovery;
use tocco_recognizer::adaptation::{LARGEST_PROFILE, Profile, second_profile};
use tocco_recognizer::classification::MAX_CLASSES;
use toml::de::{DeTable, DeValue};

use crate::calibration::profile_name;
use crate::osc::settings::{Form, OscSettings};
use crate::params::{EngineChoice, ModelChoice, ToccoParams, set};
use settings::Field;
pub use settings::Settings;
pub(crate) use settings::read as value_of;

/// Environment variable that names the file; set to nothing, none is read.
pub const VARIABLE: &str = "TOCCO_CONFIG";

/// Its name everywhere else.
pub const FILE_NAME: &str = "tocco.toml";

/// Bytes of the largest file that is read.
const LARGEST: u64 = 64 << 10;

/// The techniques as the file names them.
const TECHNIQUES: &str = "kick, snare-1, tom, snare-2, natural-harmonics, palm-mute, \
     pick-near-bridge and pick-over-the-sound-hole";

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// The model.
    pub model: Option<ModelChoice>,
    /// The engine.
    pub engine: Option<EngineChoice>,
    /// Folder of the user's own model.
    pub user_model: Option<PathBuf>,
    /// Folder of the user's own sounds, or an SFZ file.
    pub sounds: Option<PathBuf>,
    /// Whether the VST3 has [`MultiOutput`](crate::multi_output::MultiOutput), too.
    pub vst3_outputs: bool,
    /// Profiles of the calibration to begin with.
    pub profiles: Vec<PathBuf>,
    /// The folder that lessons are saved to, and found in again.
    pub lessons: Option<PathBuf>,
    /// The folder that the sound of lessons is written to, and the player's name for it.
    pub recordings: Option<(PathBuf, String)>,
    /// The MIDI note of each class.
    pub notes: [Option<u8>; MAX_CLASSES],
    /// Other parameters.
    pub settings: Settings,
    /// Open Sound Control.
    pub osc: OscSettings,
    /// The file that the log is appended to.
    pub log: Option<PathBuf>,
    /// What was refused, in words.
    pub refused: Vec<String>,
}

type Entry<'a> = toml::Spanned<DeValue<'a>>;

impl Configuration {
    /// The one in force; without a file all is as it is delivered. Reads the environment and files: not
    /// for the audio thread.
    #[must_use]
    pub fn find() -> Self {
        match file() {
            Some(path) => Self::read(&path),
            None => Self::default(),
        }
    }

    /// What the file at `path` says.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let text = read_file(path, LARGEST).map_err(|error| error.to_string());
        let text = text.and_then(|bytes| {
            String::from_utf8(bytes)
                .map_err(|error| format!("{}: it is no text: {error}", path.display()))
        });
        match text {
            Ok(text) => Self::parse(&text, path),
            Err(error) => Self {
                refused: vec![error],
                ..Self::default()
            },
        }
    }

    /// What `text` says, which is that of `file`: paths are relative to its folder.
    #[must_use]
    pub fn parse(text: &str, file: &Path) -> Self {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader {
            text,
            file,
            read: Self::default(),
        };
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.refuse(at, error.message());
        }
        for (key, value) in document.get_ref() {
            let at = key.span().start;
            match key.get_ref().as_ref() {
                "model" => reader.read.model = reader.choice(value, "model"),
                "engine" => reader.read.engine = reader.choice(value, "engine"),
                "user-model" => reader.read.user_model = reader.path(value, "user-model"),
                "lesson" => reader.table(value, "lesson", Reader::lesson),
                "midi" => reader.table(value, "midi", Reader::midi),
                "osc" => reader.table(value, "osc", Reader::osc),
                "log" => reader.table(value, "log", Reader::log),
                "voices" => reader.table(value, "voices", Reader::voices),
                "technique" => reader.table(value, "technique", Reader::technique),
                other => match settings::TABLES.iter().find(|(table, _)| *table == other) {
                    Some((table, fields)) => reader.settings(value, table, fields, ""),
                    None => {
                        let tables = settings::TABLES.map(|(table, _)| format!("[{table}]"));
                        let tables = tables.join(", ");
                        let known = format!(
                            "model, engine, user-model, [lesson], [midi], {tables}, [voices], \
                             [technique.<name>], [osc] and [log]"
                        );
                        reader.unknown(at, other, &known);
                    }
                },
            }
        }
        reader.read
    }

    /// Sets what a new instance begins with. What cannot be read of the profiles is added to what is
    /// refused.
    pub(crate) fn apply(&mut self, params: &ToccoParams) {
        if let Some(model) = self.model {
            set(&params.model, model);
        }
        if let Some(engine) = self.engine {
            set(&params.engine, engine);
        }
        if let Some(folder) = &self.user_model {
            params.user_package.set(folder.display().to_string());
        }
        if let Some(path) = &self.sounds {
            params.sounds.set(path.display().to_string());
        }
        settings::apply(&self.settings, params);
        for (param, note) in params.techniques.of_class.iter().zip(self.notes) {
            if let Some(note) = note {
                set(&param.note, i32::from(note));
            }
        }
        if let Some(Err(error)) = self.log.as_deref().map(append_file) {
            self.refused.push(error.to_string());
        }
        let profiles = self.read_profiles();
        if !profiles.is_empty() {
            params
                .calibration
                .update(params.calibration.changes(), |saved| {
                    saved.profiles = profiles;
                    // The profiles tell them.
                    saved.masks_are_parameters = false;
                });
        }
    }

    /// The texts of the profiles, by their names in the host's state. A lesson that was saved goes before
    /// a profile that is named: it began with that.
    fn read_profiles(&mut self) -> BTreeMap<String, String> {
        let (mut profiles, mut refused) = match &self.lessons {
            Some(folder) => saved_lessons::read(folder),
            None => Default::default(),
        };
        // The name of what was read at `path`; `first` is that of the profile which it lies beside.
        let mut add = |path: &Path, first: Option<String>| match read_profile(path) {
            Ok((profile, text)) => {
                let name = match first {
                    Some(first) => profile_name::second(&first, &profile.model),
                    None => profile.model,
                };
                profiles.entry(name.clone()).or_insert(text);
                Some(name)
            }
            Err(error) => {
                refused.push(error);
                None
            }
        };
        for path in &self.profiles {
            let first = add(path, None);
            let second = second_profile(path);
            if second.exists() {
                add(&second, first);
            }
        }
        self.refused.append(&mut refused);
        profiles
    }
}

/// Whether the trainer reads `name` as a player's in the name of a file.
fn is_player(name: &str) -> bool {
    let is_technique = |t: &Technique| t.file_token().eq_ignore_ascii_case(name);
    (2..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphabetic())
        && !Technique::ALL.iter().any(is_technique)
}

/// The file that counts, if there is one.
fn file() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return Some(PathBuf::from(named)).filter(|file| !file.as_os_str().is_empty());
    }
    let user = dirs::config_dir().map(|dir| dir.join("tocco"));
    let places = [discovery::bundle_dir(), user];
    let files = places.into_iter().flatten().map(|dir| dir.join(FILE_NAME));
    files.into_iter().find(|file| file.exists())
}

/// A profile, and its text.
fn read_profile(path: &Path) -> Result<(Profile, String), String> {
    let bytes = read_file(path, LARGEST_PROFILE).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("{}: it is no text: {error}", path.display()))?;
    let profile = Profile::parse(&text, &path.display().to_string());
    let profile = profile.map_err(|error| error.to_string())?;
    Ok((profile, text))
}

/// Reads one document.
struct Reader<'a> {
    text: &'a str,
    file: &'a Path,
    read: Configuration,
}

impl Reader<'_> {
    /// Refuses what begins at byte `at`, unless something of the same line was refused: a line that is
    /// no TOML has no values either.
    fn refuse(&mut self, at: usize, reason: &str) {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let place = format!("{}, line {line}: ", self.file.display());
        let refused = &mut self.read.refused;
        if !refused.iter().any(|reason| reason.starts_with(&place)) {
            refused.push(format!("{place}{reason}"));
        }
    }

    fn unknown(&mut self, at: usize, found: &str, known: &str) {
        self.refuse(
            at,
            &format!("{found}: there is no such field; there are {known}"),
        );
    }

    fn wrong(&mut self, value: &Entry<'_>, field: &str, expected: &str) {
        let kind = value.get_ref().type_str();
        let written = self.text.get(value.span()).unwrap_or_default();
        let written: String = written.chars().take(60).collect();
        let reason = format!("{field}: expected {expected}, found {written} ({kind})");
        self.refuse(value.span().start, &reason);
    }

    /// Each field of a table goes to `field`, which says what fields there are if that is none.
    fn table(
        &mut self,
        value: &Entry<'_>,
        name: &str,
        field: fn(&mut Self, &str, &Entry<'_>) -> Result<(), String>,
    ) {
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong(value, name, "a table");
        };
        for (key, value) in table {
            if let Err(known) = field(self, key.get_ref(), value) {
                self.unknown(
                    key.span().start,
                    &format!("{name}.{}", key.get_ref()),
                    &known,
                );
            }
        }
    }

    fn choice<T: Enum>(&mut self, value: &Entry<'_>, field: &str) -> Option<T> {
        let ids = T::ids().unwrap_or_default();
        let named = value.get_ref().as_str();
        let index = named.and_then(|named| ids.iter().position(|id| *id == named));
        if index.is_none() {
            let quoted: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
            self.wrong(value, field, &format!("one of {}", quoted.join(", ")));
        }
        index.map(T::from_index)
    }

    fn path(&mut self, value: &Entry<'_>, field: &str) -> Option<PathBuf> {
        let text = value.get_ref().as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.wrong(value, field, "a path in quotes");
        }
        let folder = self.file.parent().unwrap_or(Path::new(""));
        text.map(|text| folder.join(text))
    }

    fn number(&mut self, value: &Entry<'_>, field: &str, expected: &str) -> Option<u16> {
        let number = value.get_ref().as_integer();
        let number = number.and_then(|n| u16::from_str_radix(n.as_str(), n.radix()).ok());
        if number.is_none() {
            self.wrong(value, field, expected);
        }
        number
    }

    fn lesson(&mut self, field: &str, value: &Entry<'_>) -> Result<(), String> {
        match field {
            "load" => match value.get_ref().as_array() {
                Some(paths) => {
                    for path in paths.iter() {
                        let path = self.path(path, "lesson.load");
                        self.read.profiles.extend(path);
                    }
                }
                None => self.wrong(value, "lesson.load", "a list of paths"),
            },
            "save" => self.read.lessons = self.path(value, "lesson.save"),
            "record" => self.read.recordings = self.recordings(value),
            _ => return Err("load, save and record".to_owned()),
        }
        Ok(())
    }

    /// Where the sound of lessons goes: `{ folder = "takes", player = "AnnAri" }`.
    fn recordings(&mut self, value: &Entry<'_>) -> Option<(PathBuf, String)> {
        let entries = value.get_ref().as_table();
        for (key, _) in entries.into_iter().flatten() {
            if !["folder", "player"].contains(&key.get_ref().as_ref()) {
                let field = format!("lesson.record.{}", key.get_ref());
                self.unknown(key.span().start, &field, "folder and player");
            }
        }
        let entry = |name: &str| entries?.iter().find(|(key, _)| key.get_ref() == name);
        let (folder, player) = (entry("folder"), entry("player"));
        let (Some((_, folder)), Some((_, player))) = (folder, player) else {
            self.wrong(value, "lesson.record", "{ folder = PATH, player = NAME }");
            return None;
        };
        let name = player.get_ref().as_str().filter(|name| is_player(name));
        let Some(name) = name.map(str::to_owned) else {
            let expected =
                "a name of 2 to 32 letters, A to Z, that is no technique's: files have it";
            self.wrong(player, "lesson.record.player", expected);
            return None;
        };
        Some((self.path(folder, "lesson.record.folder")?, name))
    }

    /// A field that is a parameter: `id`.
    fn setting(&mut self, value: &Entry<'_>, field: &str, id: String) {
        match settings::read(&id, value.get_ref()) {
            Ok(setting) => {
                self.read.settings.insert(id, setting);
            }
            Err(expected) => self.wrong(value, field, &expected),
        }
    }

    /// A table of such fields; their ids end in `suffix`.
    fn settings(&mut self, value: &Entry<'_>, name: &str, fields: &[Field], suffix: &str) {
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong(value, name, "a table");
        };
        for (key, value) in table {
            let field = format!("{name}.{}", key.get_ref());
            let known = fields.iter().find(|(name, _)| name == key.get_ref());
            match known {
                Some((_, id)) => self.setting(value, &field, format!("{id}{suffix}")),
                None => self.unknown(key.span().start, &field, &settings::names(fields)),
            }
        }
    }

    fn technique(&mut self, field: &str, value: &Entry<'_>) -> Result<(), String> {
        let class = settings::class(field).ok_or(TECHNIQUES)?;
        let name = format!("technique.{field}");
        let suffix = format!("_{}", class + 1);
        self.settings(value, &name, &settings::OF_TECHNIQUE, &suffix);
        Ok(())
    }

    fn voices(&mut self, field: &str, value: &Entry<'_>) -> Result<(), String> {
        match field {
            "sounds" => self.read.sounds = self.path(value, "voices.sounds"),
            "vst3-outputs" => match value.get_ref() {
                DeValue::Boolean(on) => self.read.vst3_outputs = *on,
                _ => self.wrong(value, "voices.vst3-outputs", "true or false"),
            },
            _ => {
                let Some((name, id)) = settings::VOICES.iter().find(|(name, _)| *name == field)
                else {
                    let names = settings::names(&settings::VOICES);
                    return Err(format!("sounds, vst3-outputs, {names}"));
                };
                self.setting(value, &format!("voices.{name}"), (*id).to_owned());
            }
        }
        Ok(())
    }

    fn midi(&mut self, field: &str, value: &Entry<'_>) -> Result<(), String> {
        if let Some((name, id)) = settings::MIDI.iter().find(|(name, _)| *name == field) {
            self.setting(value, &format!("midi.{name}"), (*id).to_owned());
            return Ok(());
        }
        let Some(class) = settings::class(field) else {
            return Err(format!(
                "{TECHNIQUES}, and {}",
                settings::names(&settings::MIDI)
            ));
        };
        let name = Technique::ALL[class];
        let field = format!("midi.{field}");
        let expected = format!("the number of a MIDI note for {name}, 0 to 127");
        if let Some(note) = self.number(value, &field, &expected) {
            match u8::try_from(note).ok().filter(|note| *note < 128) {
                Some(note) => self.read.notes[class] = Some(note),
                None => self.wrong(value, &field, &expected),
            }
        }
        Ok(())
    }

    fn osc(&mut self, field: &str, value: &Entry<'_>) -> Result<(), String> {
        const PORT: &str = "the number of a port, 1 to 65535";
        match field {
            "send-to" => match target(value.get_ref()) {
                Ok(target) => self.read.osc.target = Some(target),
                Err(expected) => self.wrong(value, "osc.send-to", expected),
            },
            "form" => match value.get_ref().as_str() {
                Some("best") => self.read.osc.form = Form::Best,
                Some("all") => self.read.osc.form = Form::All,
                Some("bundle") => self.read.osc.form = Form::Bundle,
                _ => self.wrong(value, "osc.form", "\"best\", \"all\" or \"bundle\""),
            },
            "receive-on" => match self.number(value, "osc.receive-on", PORT) {
                Some(0) => self.wrong(value, "osc.receive-on", PORT),
                port => self.read.osc.port = port,
            },
            _ => return Err("send-to, form and receive-on".to_owned()),
        }
        Ok(())
    }

    fn log(&mut self, field: &str, value: &Entry<'_>) -> Result<(), String> {
        match field {
            "file" => self.read.log = self.path(value, "log.file"),
            _ => return Err("file".to_owned()),
        }
        Ok(())
    }
}

/// Where notes are sent: a port of this machine, or an address and a port.
///
/// # Errors
/// What it should be.
fn target(value: &DeValue<'_>) -> Result<SocketAddr, &'static str> {
    const EXPECTED: &str = "a port of this machine, as 9000, or an address in numbers and a port, as \
        \"192.168.1.20:9000\"";
    let target = match value {
        DeValue::Integer(port) => {
            let port = u16::from_str_radix(port.as_str(), port.radix());
            SocketAddr::from((Ipv4Addr::LOCALHOST, port.map_err(|_| EXPECTED)?))
        }
        DeValue::String(text) => text.parse().map_err(|_| EXPECTED)?,
        _ => return Err(EXPECTED),
    };
    if target.port() == 0 {
        return Err("a port that is not 0");
    }
    if target.ip().is_unspecified() || target.ip() == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err("the address of one machine");
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nice_plug::prelude::{ParamPtr, Params};

    fn parse(text: &str) -> Configuration {
        Configuration::parse(text, Path::new("/udata/tocco.toml"))
    }

    /// The example in the documentation, as it stands there.
    fn example() -> String {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        let text = std::fs::read_to_string(document).unwrap();
        let block = text.split("```toml\n").nth(1).unwrap();
        block.split("```").next().unwrap().to_owned()
    }

    #[test]
    fn the_documented_example_says_all_there_is_to_say() {
        let read = parse(&example());
        assert_eq!(read.refused, [""; 0]);
        assert_eq!(read.model, Some(ModelChoice::Tocco));
        assert_eq!(read.engine, Some(EngineChoice::Native));
        assert_eq!(read.user_model, Some(PathBuf::from("/udata/my-model")));
        assert!(!read.vst3_outputs && parse("[voices]\nvst3-outputs = true").vst3_outputs);
        assert_eq!(read.profiles, [PathBuf::from("/udata/me.json")]);
        assert_eq!(read.lessons, Some(PathBuf::from("/udata/lessons")));
        let takes = (PathBuf::from("/udata/takes"), "AnnAri".to_owned());
        assert_eq!(read.recordings, Some(takes));
        let notes: Vec<u8> = read.notes.into_iter().flatten().collect();
        assert_eq!(notes, crate::outputs::midi::DEFAULT_NOTES);
        let documented: Vec<&String> = read.settings.keys().collect();
        let all = |suffix: &str, fields: &[Field]| -> Vec<String> {
            fields
                .iter()
                .map(|(_, id)| format!("{id}{suffix}"))
                .collect()
        };
        let mut expected = all("_1", &settings::OF_TECHNIQUE);
        expected.extend(all("", &settings::MIDI));
        expected.extend(all("", &settings::VOICES));
        for (_, fields) in settings::TABLES {
            expected.extend(all("", fields));
        }
        expected.sort();
        assert_eq!(documented, expected.iter().collect::<Vec<_>>());
        // The example has the delivered values, but for one technique.
        let (params, delivered) = (ToccoParams::default(), ToccoParams::default());
        settings::apply(&read.settings, &params);
        for ((id, set, _), (_, delivered, _)) in
            params.param_map().into_iter().zip(delivered.param_map())
        {
            // SAFETY: the parameters live.
            let (set, delivered) = unsafe {
                let text = |param: ParamPtr| {
                    param.normalized_value_to_string(param.unmodulated_normalized_value(), true)
                };
                (text(set), text(delivered))
            };
            assert!(set == delivered || id.ends_with("_1"), "{id}: {set}");
        }
        let osc = OscSettings {
            target: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9000))),
            form: Form::Bundle,
            port: Some(9001),
        };
        assert_eq!(read.osc, osc);
        assert_eq!(read.log, Some(PathBuf::from("/udata/tocco.log")));
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_line_and_the_rest_is_used() {
        let good = "\n[midi]\ntom = 61\n";
        for (bad, line, reason) in [
            (
                "model = \"d\"",
                1,
                "expected one of \"a\", \"b\", \"c\", \"tocco-sure\", \"tocco\"",
            ),
            ("model = 7", 1, "found 7 (integer)"),
            ("\nengine = \"gpu\"", 2, "\"native-fixed\""),
            (
                "modle = \"a\"",
                1,
                "modle: there is no such field; there are model",
            ),
            ("user-model = \"\"", 1, "a path in quotes"),
            ("lesson = 1", 1, "lesson: expected a table"),
            ("[lesson]\nload = \"me.json\"", 2, "a list of paths"),
            ("[lesson]\nload = [\n  1]", 3, "a path in quotes"),
            (
                "[lesson]\nrecord = \"takes\"",
                2,
                "{ folder = PATH, player = NAME }",
            ),
            (
                "[lesson]\nrecord = { folder = \"a\", player = \"Ann 2\" }",
                2,
                "lesson.record.player: expected a name",
            ),
            (
                "[lesson]\nrecord = { folder = \"a\", player = \"kick\" }",
                2,
                "no technique's",
            ),
            (
                "[lesson]\nkeep = true",
                2,
                "lesson.keep: there is no such field",
            ),
            ("[midi]\nkick = 128", 2, "0 to 127"),
            ("[midi]\nkick = -1", 2, "0 to 127"),
            ("[midi]\nclap = 3", 2, "there are kick"),
            (
                "[osc]\nsend-to = \"stage.local:9000\"",
                2,
                "an address in numbers",
            ),
            ("[osc]\nsend-to = \"127.0.0.1\"", 2, "an address in numbers"),
            ("[osc]\nsend-to = 70000", 2, "an address in numbers"),
            ("[osc]\nsend-to = 0", 2, "a port that is not 0"),
            ("[osc]\nsend-to = \"0.0.0.0:9000\"", 2, "of one machine"),
            (
                "[osc]\nform = \"worst\"",
                2,
                "\"best\", \"all\" or \"bundle\"",
            ),
            ("[osc]\nreceive-on = \"9001\"", 2, "the number of a port"),
            ("[osc]\nreceive-on = 0", 2, "the number of a port"),
            ("[log]\nfile = 1", 2, "a path in quotes"),
            ("velocity = 3", 1, "velocity: expected a table"),
            ("[velocity]\nsoft = 7", 2, "a number from -80 to 0"),
            (
                "[velocity]\nsoft = \"as all\"",
                2,
                "a number from -80 to 0, found",
            ),
            ("[velocity]\ncurve = true", 2, "a number from -1 to 1"),
            ("[velocity]\nby-technique = 1", 2, "true or false"),
            (
                "[velocity]\nloud = 1",
                2,
                "there are soft, hard, curve and by-technique",
            ),
            ("[technique.clap]\nhold = 1", 1, "there are kick"),
            (
                "[technique]\nkick = 1",
                2,
                "technique.kick: expected a table",
            ),
            (
                "[technique.kick]\nhold = 0.5",
                2,
                "a whole number from 0 to 500",
            ),
            (
                "[technique.kick]\nlength = \"long\"",
                2,
                "a whole number from 0 to 2000, or \"while it sounds\"",
            ),
            (
                "[technique.kick]\nsoft = \"low\"",
                2,
                "a number from -80 to 0, or \"as all\"",
            ),
            ("[technique.kick]\nnote = 3", 2, "there are send, channel"),
            ("engine = ", 1, ""),
        ] {
            let doubled = bad.starts_with("[midi]");
            let rest = if doubled { "\ntom = 61\n" } else { good };
            let read = parse(&format!("{bad}{rest}"));
            assert_eq!(read.refused.len(), 1, "{bad}: {:?}", read.refused);
            let refused = &read.refused[0];
            let start = format!("/udata/tocco.toml, line {line}: ");
            assert!(refused.starts_with(&start), "{refused}");
            assert!(refused.contains(reason), "{refused}");
            assert_eq!(read.notes[2], Some(61), "{bad}");
            let rest = Configuration {
                notes: read.notes,
                refused: read.refused.clone(),
                ..Configuration::default()
            };
            assert_eq!(read, rest, "{bad}");
        }
    }

    #[test]
    fn what_is_unknown_of_a_record_is_refused_and_the_record_is_kept() {
        let read = parse("[lesson.record]\nfolder = \"a\"\nplayer = \"Bo\"\nrate = 1\n");
        let place = (PathBuf::from("/udata/a"), "Bo".to_owned());
        assert_eq!(read.recordings, Some(place));
        let [refused] = &read.refused[..] else {
            panic!("{:?}", read.refused);
        };
        assert!(
            refused.contains("line 4: lesson.record.rate: there is no such field"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_set_of_a_technique_is_set_of_that_alone() {
        let mut read = parse(
            "[midi]\ncross-fire = 30\n[velocity]\nsoft = -40\nhard = -6.5\nby-technique = true\n\
             [technique.tom]\nsend = false\nchannel = 10\nlength = \"while it sounds\"\n\
             gate = 0.5\nthreshold = -50\nhold = 70\nsoft = -30.0\nhard = \"as all\"\n",
        );
        assert_eq!(read.refused, [""; 0]);
        let params = ToccoParams::default();
        read.apply(&params);
        let near = |value: f32, expected: f32| assert!((value - expected).abs() < 1e-4);
        near(params.soft_end.value(), -40.0);
        near(params.hard_end.value(), -6.5);
        assert!(params.velocity_by_technique.value());
        let rules = params.rules(48_000.0);
        assert_eq!(rules.cross, 1_440);
        for (class, midi) in params.midi_settings().into_iter().enumerate() {
            let tom = class == 2;
            assert_eq!(midi.send, !tom);
            assert_eq!(midi.channel, if tom { 9 } else { 0 });
            assert_eq!(midi.length == crate::outputs::midi::Length::Sounding, tom);
            assert_eq!(rules.gate[class], if tom { 0.5 } else { 0.0 });
            let threshold = if tom { -50.0 } else { f32::NEG_INFINITY };
            assert_eq!(rules.threshold[class], threshold);
            assert_eq!(rules.hold[class], if tom { 3_360 } else { 0 });
            near(midi.curve.soft_db, if tom { -30.0 } else { -40.0 });
            near(midi.curve.hard_db, -6.5);
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.toml");
        std::fs::write(&large, " ".repeat(LARGEST as usize + 1)).unwrap();
        let binary = folder.path().join("binary.toml");
        std::fs::write(&binary, [0xff, 0xfe]).unwrap();
        for (path, reason) in [
            (folder.path().to_path_buf(), "found a folder"),
            (folder.path().join("none.toml"), "cannot be read"),
            (large, "at most 65536 bytes"),
            (binary, "it is no text"),
        ] {
            let read = Configuration::read(&path);
            assert_eq!(read.refused.len(), 1);
            assert!(read.refused[0].contains(reason), "{:?}", read.refused);
        }
    }

    proptest::proptest! {
        #[test]
        fn text_of_any_kind_does_no_harm(text in "[a-z\\[\\]{}=\"'#.,0-9 \n-]{0,200}") {
            let _ = parse(&text);
        }
    }
}
