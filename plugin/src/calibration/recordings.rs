//! The sound of lessons as files, in the layout that `cargo xtask train` reads: a take as WAV, and
//! beside it a text with the time of each note.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use tocco_dsp::{SAMPLE_RATE, Technique};
use tocco_engines::LoadError;
use tocco_engines::bounded_read::write_file;
use tocco_recognizer::adaptation::take::{Take, TakeNote};

/// Takes of one technique, player and day at most.
const MOST: u32 = 9999;

/// Where takes are written, and those that were.
pub(crate) struct Recordings {
    folder: PathBuf,
    player: String,
    /// Of the lesson under way: what is forgotten loses its label.
    written: Vec<Written>,
}

struct Written {
    wav: PathBuf,
    notes: Vec<TakeNote>,
}

impl Recordings {
    /// Into `folder`, which is made when it is needed, as takes of `player`.
    pub(crate) fn new(folder: PathBuf, player: String) -> Self {
        Self {
            folder,
            player,
            written: Vec::new(),
        }
    }

    /// Writes `take` of the technique `label`, with those of its notes that are an example. Without
    /// any, nothing.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(
        &mut self,
        mut take: Take,
        label: &str,
        is_example: impl Fn(u64) -> bool,
    ) -> Result<(), LoadError> {
        take.notes.retain(|note| is_example(note.onset_id));
        if take.notes.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(|error| failed(&self.folder, error))?;
        let wav = self.free_name(label)?;
        write_wav(&wav, &take.samples)?;
        // One without the other would be in the trainer's way.
        write_times(&wav, &take.notes).inspect_err(|_| drop(fs::remove_file(&wav)))?;
        self.written.push(Written {
            wav,
            notes: take.notes,
        });
        Ok(())
    }

    /// Takes the labels of notes that are no examples any more out of the files. A take that has no
    /// other goes; what the user has moved away meanwhile is left alone.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn forget(&mut self, is_example: impl Fn(u64) -> bool) -> Result<(), LoadError> {
        for Written { wav, notes } in &mut self.written {
            let before = notes.len();
            notes.retain(|note| is_example(note.onset_id));
            let times = wav.with_extension("txt");
            if notes.len() == before || !wav.exists() || !times.exists() {
                continue;
            }
            if notes.is_empty() {
                for file in [&times, wav] {
                    fs::remove_file(file).map_err(|error| failed(file, error))?;
                }
            } else {
                write_times(wav, notes)?;
            }
        }
        self.written.retain(|take| !take.notes.is_empty());
        Ok(())
    }

    /// What was written stays as it is from now on.
    pub(crate) fn close(&mut self) {
        self.written.clear();
    }

    /// A name that no file has: `lesson_1_kick_AnnAri_20261129.wav`.
    fn free_name(&self, label: &str) -> Result<PathBuf, LoadError> {
        let technique = label.parse::<Technique>().map(Technique::file_token);
        let technique = technique.map_or_else(|_| plain(label), str::to_owned);
        let today = OffsetDateTime::now_utc();
        let day = format!(
            "{:04}{:02}{:02}",
            today.year(),
            u8::from(today.month()),
            today.day()
        );
        let name = |number| format!("lesson_{number}_{technique}_{}_{day}.wav", self.player);
        (1..=MOST)
            .map(|number| self.folder.join(name(number)))
            .find(|path| !path.exists())
            .ok_or_else(|| failed(&self.folder, std::io::ErrorKind::AlreadyExists.into()))
    }
}

/// The letters and digits of a label that is none of the eight techniques.
fn plain(label: &str) -> String {
    let letters = label.chars().filter(char::is_ascii_alphanumeric);
    letters.collect::<String>().to_lowercase()
}

fn failed(file: &Path, error: std::io::Error) -> LoadError {
    LoadError::Write {
        file: file.display().to_string(),
        error,
    }
}

/// Makes the recording `path`, whole or not at all. What is there already, as from another instance, stays.
fn write_wav(path: &Path, samples: &[f32]) -> Result<(), LoadError> {
    let new = OpenOptions::new().write(true).create_new(true).open(path);
    let file = new.map_err(|error| failed(path, error))?;
    let write = || -> Result<(), hound::Error> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut writer = hound::WavWriter::new(BufWriter::new(file), spec)?;
        for sample in samples {
            writer.write_sample(*sample)?;
        }
        writer.finalize()
    };
    write().map_err(|error| {
        let _ = fs::remove_file(path);
        match error {
            hound::Error::IoError(error) => failed(path, error),
            other => failed(path, std::io::Error::other(other)),
        }
    })
}

/// The times of `notes`, seconds, one a line, beside the recording `wav`; those that were there stay where
/// the disk has no room for these.
fn write_times(wav: &Path, notes: &[TakeNote]) -> Result<(), LoadError> {
    let path = wav.with_extension("txt");
    let mut text = Vec::new();
    for note in notes {
        let seconds = note.position as f64 / f64::from(SAMPLE_RATE);
        // Writing to memory does not fail.
        let _ = writeln!(text, "{seconds:.6}");
    }
    write_file(&path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(notes: &[(u64, usize)]) -> Take {
        let notes = notes.iter().map(|(onset_id, position)| TakeNote {
            onset_id: *onset_id,
            position: *position,
        });
        Take {
            class: 2,
            samples: (0..48_000).map(|i| (i as f32 * 1e-3).sin()).collect(),
            notes: notes.collect(),
        }
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_trainer_reads_what_was_taught() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new/takes");
        let mut recordings = Recordings::new(place.clone(), "AnnAri".to_owned());
        let two = take(&[(7, 4800), (9, 24_000), (8, 30_000)]);
        recordings.write(two.clone(), "Tom", |id| id != 8).unwrap();
        recordings.write(two.clone(), "Tom", |_| true).unwrap();
        recordings
            .write(two, "Pick over the sound hole", |_| false)
            .unwrap();
        let names = files(&place);
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(
            names[0].starts_with("lesson_1_thumb_AnnAri_20"),
            "{names:?}"
        );
        let corpus = tocco_corpus::Corpus::scan(&place).unwrap();
        assert_eq!(corpus.takes.len(), 2);
        let first = &corpus.takes[0];
        assert_eq!((first.player.as_str(), first.labels.len()), ("AnnAri", 2));
        assert_eq!(first.labels[0].technique, Technique::Tom);
        assert_eq!(first.labels[0].time_s, 0.1);
        let recording = tocco_corpus::Recording::read(&first.path).unwrap();
        assert_eq!(recording.samples[1000], 1.0_f32.sin());
    }

    #[test]
    fn what_is_undone_loses_its_label_and_a_take_without_labels_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut recordings = Recordings::new(folder.path().to_owned(), "Bo".to_owned());
        for notes in [&[(1, 480), (2, 960)][..], &[(3, 480)], &[(4, 480)]] {
            recordings.write(take(notes), "Kick", |_| true).unwrap();
        }
        recordings.forget(|id| id != 2 && id != 3).unwrap();
        let names = files(folder.path());
        assert_eq!(names.len(), 4, "{names:?}");
        let text = fs::read_to_string(folder.path().join(&names[0])).unwrap();
        assert_eq!(text, "0.010000\n");
        // What was moved away is not missed, and does not come back.
        recordings
            .write(take(&[(6, 0), (7, 9)]), "Tom", |_| true)
            .unwrap();
        let moved = files(folder.path());
        for name in moved.iter().filter(|name| name.contains("thumb")) {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        recordings.forget(|id| id < 7).unwrap();
        assert_eq!(files(folder.path()), names);
        // What belongs to an earlier lesson stays.
        recordings.close();
        recordings.forget(|_| false).unwrap();
        assert_eq!(files(folder.path()), names);
        // A number that became free is taken again.
        recordings.write(take(&[(5, 0)]), "Kick", |_| true).unwrap();
        assert_eq!(files(folder.path()).len(), 6);
    }

    #[cfg(unix)]
    #[test]
    fn what_another_put_there_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut recordings = Recordings::new(folder.path().to_owned(), "Bo".to_owned());
        // A link to nowhere is not seen beforehand, as what another instance makes at the same time.
        let wav = recordings.free_name("Kick").unwrap();
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &wav).unwrap();
        let before = files(folder.path());
        let written = recordings.write(take(&[(1, 0)]), "Kick", |_| true);
        assert!(written.is_err());
        assert_eq!(files(folder.path()), before);
        // Times that cannot be written leave no recording either.
        fs::remove_file(&wav).unwrap();
        fs::create_dir(wav.with_extension("txt")).unwrap();
        let written = recordings.write(take(&[(1, 0)]), "Kick", |_| true);
        assert!(written.is_err() && !wav.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_is_told_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let place = file.path().join("takes");
        let mut recordings = Recordings::new(place.clone(), "Bo".to_owned());
        let error = recordings.write(take(&[(1, 0)]), "Kick", |_| true);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(&place.display().to_string()), "{error}");
    }
}
