//! A folder of recordings with labels.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::composed::composed;
use crate::matching::match_onsets;
use crate::wav::convert;
use crate::{
    CorpusError, Heard, HeardNote, LABELS_CSV, LabelRow, Listener, Recording, TakeName, Technique,
    parse_labels_csv, parse_onset_labels,
};

/// The endings of recordings that must be made WAV first.
const OTHER_SOUND: [&str; 9] = [
    "flac", "mp3", "aif", "aiff", "ogg", "opus", "m4a", "w64", "caf",
];

/// The labelled recordings of one or more folders.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// The takes in the order of their file names, whatever their folders.
    pub takes: Vec<Take>,
    /// The folders that were scanned, as they were given.
    pub folders: Vec<PathBuf>,
}

/// One recording with its labels.
#[derive(Debug, Clone)]
pub struct Take {
    /// The WAV file.
    pub path: PathBuf,
    /// Its name without folder and ending, in composed Unicode; notes of one take resemble each other.
    pub name: String,
    /// The name of the take that it is a piece of, its own if it is whole: a take may have been cut
    /// into `NAME_crop7` and `NAME_rest1`, whose notes resemble each other as well. With its folder if a
    /// table describes it: such names say little, and are the same in many folders.
    pub whole: String,
    /// Which of [`Corpus::folders`] it lies in.
    pub folder: usize,
    /// Who plays: never split one player's notes between training and test.
    pub player: String,
    /// Which sitting of that player.
    pub session: String,
    /// The labelled notes in the order of time.
    pub labels: Vec<LabelledNote>,
}

/// A note as labelled by hand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelledNote {
    /// Onset time, seconds from the recording's start.
    pub time_s: f64,
    /// What is played.
    pub technique: Technique,
}

impl Corpus {
    /// Finds all WAV files under `folder` and reads their labels.
    ///
    /// A recording that `labels.csv` in its folder mentions has its labels from there; any other
    /// has its technique and player in its name ([`TakeName`]) and its onsets in a text file of
    /// the same name beside it.
    ///
    /// # Errors
    /// When there are no recordings, a recording has no labels, or a label file or name is wrong.
    pub fn scan(folder: &Path) -> Result<Self, CorpusError> {
        Self::scan_all(&[folder])
    }

    /// As [`scan`](Self::scan), of several folders together.
    ///
    /// # Errors
    /// As [`scan`](Self::scan), of each folder; when a recording lies in two of them, and when the codes of
    /// two players differ in capitals alone.
    pub fn scan_all<P: AsRef<Path>>(folders: &[P]) -> Result<Self, CorpusError> {
        let mut takes: Vec<Take> = Vec::new();
        for (index, folder) in folders.iter().enumerate() {
            let folder = folder.as_ref();
            let before = takes.len();
            scan_folder(folder, &mut takes)?;
            if takes.len() == before {
                return Err(CorpusError::malformed(
                    folder.display(),
                    "folder",
                    "WAV files with labels",
                    "none",
                    format_args!(
                        "give the folder of the recordings; beside each NAME.wav lies NAME.txt \
                         with the onset times, or a {LABELS_CSV} describes them"
                    ),
                ));
            }
            takes[before..].iter_mut().for_each(|t| t.folder = index);
        }
        // A recording that is there twice would be heard in training and in the test.
        let mut files = BTreeMap::new();
        for take in &takes {
            let file = fs::canonicalize(&take.path);
            let file = file.map_err(|error| CorpusError::read(&take.path, error))?;
            if let Some(other) = files.insert(file, &take.path) {
                return Err(CorpusError::malformed(
                    take.path.display(),
                    "recording",
                    "each recording once",
                    format_args!("the same file as {}", other.display()),
                    "give each folder once, and none that lies in another",
                ));
            }
        }
        // One player by two names would be tested by networks that have heard that player.
        let mut players: BTreeMap<String, &Take> = BTreeMap::new();
        for take in &takes {
            let other = *players.entry(take.player.to_lowercase()).or_insert(take);
            if other.player != take.player {
                return Err(CorpusError::malformed(
                    take.path.display(),
                    "player",
                    format_args!("{:?}, as of {}", other.player, other.path.display()),
                    format_args!("{:?}", take.player),
                    "write the player's code in one way everywhere; two players need codes that differ in \
                     more than capitals",
                ));
            }
        }
        fn place(take: &Take) -> (&str, &str, &Path) {
            (whole(&take.name), &take.name, &take.path)
        }
        takes.sort_by(|a, b| place(a).cmp(&place(b)));
        let folders = folders.iter().map(|f| f.as_ref().to_owned()).collect();
        Ok(Self { takes, folders })
    }

    /// For each take the index of the first one that is a piece of the same whole, `[n_takes]`:
    /// pieces of a take are one take wherever takes are counted, drawn or left out.
    pub fn wholes(&self) -> Vec<usize> {
        let mut first = BTreeMap::new();
        let takes = self.takes.iter().enumerate();
        takes
            .map(|(i, take)| *first.entry((&take.player, &take.whole)).or_insert(i))
            .collect()
    }

    /// The players, in alphabetical order.
    pub fn players(&self) -> Vec<String> {
        let mut players: Vec<String> = self.takes.iter().map(|t| t.player.clone()).collect();
        players.sort();
        players.dedup();
        players
    }
}

fn scan_folder(folder: &Path, takes: &mut Vec<Take>) -> Result<(), CorpusError> {
    let entries = fs::read_dir(folder).map_err(|error| CorpusError::read(folder, error))?;
    // By their names in composed form, under which tables and label files know them.
    let mut paths = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(|error| CorpusError::read(folder, error))?;
        let name = composed(&entry.file_name().to_string_lossy());
        // Names with a dot in front are other programs' business, such as macOS's ._NAME.wav.
        if !name.starts_with('.') {
            paths.insert(name, entry.path());
        }
    }

    let mut described = described_takes(folder)?;
    for (name, path) in &paths {
        if path.is_dir() {
            scan_folder(path, takes)?;
            continue;
        }
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let labels = ["txt", "TXT"].map(|extension| format!("{stem}.{extension}"));
        let labels = labels.iter().find_map(|name| paths.get(name));
        if extension.eq_ignore_ascii_case("wav") {
            takes.push(match described.remove(name) {
                Some(rows) => Take::described(path.clone(), &rows)?,
                None => Take::named(path.clone(), labels.map(PathBuf::as_path))?,
            });
        } else if OTHER_SOUND
            .iter()
            .any(|other| extension.eq_ignore_ascii_case(other))
            && (labels.is_some() || described.contains_key(name))
            && !["wav", "WAV"]
                .iter()
                .any(|wav| paths.contains_key(&format!("{stem}.{wav}")))
        {
            return Err(CorpusError::malformed(
                path.display(),
                "file",
                "a WAV file, since it has labels",
                format_args!("a name with .{extension}"),
                convert(&path.display().to_string()),
            ));
        }
    }
    match described.keys().next() {
        None => Ok(()),
        Some(file) => Err(CorpusError::malformed(
            folder.join(LABELS_CSV).display(),
            "file",
            "recordings in this folder",
            format_args!("{file}, which is not there"),
            "correct the name, or remove its rows",
        )),
    }
}

/// The rows of the folder's `labels.csv`, if it has one, by recording.
fn described_takes(folder: &Path) -> Result<BTreeMap<String, Vec<LabelRow>>, CorpusError> {
    let path = folder.join(LABELS_CSV);
    let mut takes: BTreeMap<String, Vec<LabelRow>> = BTreeMap::new();
    if path.exists() {
        for row in parse_labels_csv(&read_text(&path)?, &path.display().to_string())? {
            takes.entry(row.file.clone()).or_default().push(row);
        }
    }
    Ok(takes)
}

fn read_text(path: &Path) -> Result<String, CorpusError> {
    let bytes = fs::read(path).map_err(|error| CorpusError::read(path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        CorpusError::malformed(
            path.display(),
            "text",
            "UTF-8",
            error.utf8_error(),
            "save the file as plain text in UTF-8",
        )
    })
}

impl Take {
    fn named(path: PathBuf, labels: Option<&Path>) -> Result<Self, CorpusError> {
        let TakeName {
            technique,
            player,
            session,
        } = TakeName::parse(&path)?;
        let Some(labels_path) = labels else {
            return Err(CorpusError::malformed(
                path.display(),
                "labels",
                format_args!("{} beside it", path.with_extension("txt").display()),
                "no such file",
                format_args!(
                    "write the onset times into it, seconds, one a line, or add the recording to \
                     a {LABELS_CSV} in its folder, or move it away"
                ),
            ));
        };
        let text = read_text(labels_path)?;
        let times = parse_onset_labels(&text, &labels_path.display().to_string())?;
        let labels = times
            .into_iter()
            .map(|time_s| LabelledNote { time_s, technique });
        let name = stem(&path);
        Ok(Self {
            whole: whole(&name).to_owned(),
            name,
            folder: 0,
            labels: labels.collect(),
            path,
            player,
            session,
        })
    }

    fn described(path: PathBuf, rows: &[LabelRow]) -> Result<Self, CorpusError> {
        let player = rows.first().map_or("", |row| &row.player).to_owned();
        if let Some(other) = rows.iter().find(|row| row.player != player) {
            return Err(CorpusError::malformed(
                path.with_file_name(LABELS_CSV).display(),
                format_args!("player of {}", other.file),
                format_args!("{player:?}, as in its first row"),
                format_args!("{:?}", other.player),
                "one recording has one player: split it, or correct the rows",
            ));
        }
        let mut labels: Vec<LabelledNote> = rows
            .iter()
            .map(|row| LabelledNote {
                time_s: row.time_s,
                technique: row.technique,
            })
            .collect();
        labels.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
        if let Some(twice) = labels
            .windows(2)
            .find(|pair| pair[0].time_s == pair[1].time_s)
        {
            let file = &rows.first().map_or("", |row| &row.file);
            return Err(CorpusError::malformed(
                path.with_file_name(LABELS_CSV).display(),
                format_args!("times of {file}"),
                "each note once",
                format_args!("{} s twice", twice[0].time_s),
                "take one of the two rows out",
            ));
        }
        let name = stem(&path);
        let in_folder = path.with_file_name(whole(&name));
        Ok(Self {
            whole: in_folder.to_string_lossy().into_owned(),
            name,
            folder: 0,
            path,
            session: player.clone(),
            player,
            labels,
        })
    }

    /// Reads the recording and hears it with `listener`.
    ///
    /// The second value has an entry for each label, `[n_labels]`: the index of its note.
    ///
    /// # Errors
    /// When the recording cannot be read or heard, or a label lies behind its end.
    pub fn hear(&self, listener: &Listener) -> Result<(Heard, Vec<Option<usize>>), CorpusError> {
        self.hear_as(&Recording::read(&self.path)?, listener)
    }

    /// As [`hear`](Self::hear), with `recording` in place of the file: the same take as it would
    /// have sounded elsewhere.
    ///
    /// # Errors
    /// When the recording cannot be heard, or a label lies behind its end.
    pub fn hear_as(
        &self,
        recording: &Recording,
        listener: &Listener,
    ) -> Result<(Heard, Vec<Option<usize>>), CorpusError> {
        if let Some(last) = self.labels.last()
            && last.time_s > recording.duration_s()
        {
            return Err(CorpusError::malformed(
                self.path.display(),
                "labels",
                format_args!("times within its {:.3} s", recording.duration_s()),
                format_args!("{} s", last.time_s),
                "check that labels and recording belong together and that the file is complete",
            ));
        }
        let heard = listener.hear(recording, &self.path)?;
        let labels_s: Vec<f64> = self.labels.iter().map(|label| label.time_s).collect();
        let matches = match_onsets(&labels_s, &onset_times(&heard.notes));
        Ok((heard, matches))
    }
}

fn onset_times(notes: &[HeardNote]) -> Vec<f64> {
    notes.iter().map(|note| note.onset_s).collect()
}

/// The name of the take of which the recording `name` is a piece: without the words `rest`, `crop`,
/// `part` and `extract`, numbered or not, at its end.
fn whole(name: &str) -> &str {
    let is_piece = |word: &str| {
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
        ["rest", "crop", "part", "extract"].contains(&word)
    };
    let mut whole = name;
    while let Some((before, word)) = whole.rsplit_once('_') {
        if !is_piece(word) {
            break;
        }
        whole = before;
    }
    whole
}

fn stem(path: &Path) -> String {
    composed(&path.file_stem().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_take_have_its_name() {
        for (name, expected) in [
            ("keybed_f_DomSte_20200818_crop7", "keybed_f_DomSte_20200818"),
            ("keybed_f_DomSte_20200818_rest1", "keybed_f_DomSte_20200818"),
            ("kick_p_DomSte_20200818", "kick_p_DomSte_20200818"),
            (
                "harmonics_AnnAri_20240102_extract_rest",
                "harmonics_AnnAri_20240102",
            ),
            ("part1", "part1"),
            ("arrest_1", "arrest_1"),
        ] {
            assert_eq!(whole(name), expected);
        }
    }
}
