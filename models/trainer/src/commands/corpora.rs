//! The recordings that a command was given, and how they are heard.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tocco_corpus::{Corpus, Listener};

use crate::architecture::Architecture;
use crate::evaluation::Protocol;
use crate::evaluation::conditions::{Altered, CONDITIONS, Recordings};
use crate::notes::Notes;
use crate::progress::Progress;

/// Which recordings.
#[derive(Args)]
pub(super) struct Data {
    /// Folder of recordings with their labels; can be given several times
    #[arg(long = "data", value_name = "DIR", required = true)]
    tested: Vec<PathBuf>,
    /// Folder of recordings that networks are trained on, but for those of the player left out, and that
    /// count in no figure; reject says beside how many notes are lost of players who are in no --data; can
    /// be given several times
    #[arg(long = "training-data", value_name = "DIR")]
    only_trained_on: Vec<PathBuf>,
}

/// The recordings of [`Data`].
pub(super) struct Corpora {
    pub(super) tested: Corpus,
    pub(super) only_trained_on: Option<Corpus>,
}

impl Data {
    /// The options, without where the folders lie: for what others read.
    pub(super) fn in_words(&self) -> String {
        self.options(|folder| {
            // `.` and `..` are no names.
            let whole = match folder.file_name() {
                Some(_) => folder.to_owned(),
                None => folder.canonicalize().unwrap_or_default(),
            };
            let name = whole.file_name().map(|name| name.to_string_lossy());
            name.map_or_else(|| "DIR".to_owned(), |name| name.to_uppercase())
        })
    }

    /// The options as they were given.
    pub(super) fn as_given(&self) -> String {
        self.options(|folder| folder.display().to_string())
    }

    fn options(&self, name: impl Fn(&Path) -> String) -> String {
        let name = |folder: &PathBuf| as_argument(&name(folder));
        let tested = self.tested.iter().map(|f| format!(" --data {}", name(f)));
        let more = self.only_trained_on.iter();
        let more = more.map(|f| format!(" --training-data {}", name(f)));
        tested.chain(more).collect()
    }

    /// Refuses what is only trained on where nothing is trained.
    pub(super) fn check(&self, protocol: Protocol) -> Result<()> {
        ensure!(
            self.only_trained_on.is_empty() || protocol != Protocol::Holdout,
            "--training-data: expected the protocol leave-one-player-out, found {}, which trains nothing; \
             leave one of them out",
            protocol.name()
        );
        Ok(())
    }

    pub(super) fn scan(&self) -> Result<Corpora> {
        let all: Vec<&PathBuf> = self.tested.iter().chain(&self.only_trained_on).collect();
        // What lies in two folders is found among all of them.
        Corpus::scan_all(&all)?;
        let more = (!self.only_trained_on.is_empty()).then(|| {
            let more = Corpus::scan_all(&self.only_trained_on);
            more.context("--training-data")
        });
        Ok(Corpora {
            tested: Corpus::scan_all(&self.tested)?,
            only_trained_on: more.transpose()?,
        })
    }
}

/// `text` as it is typed on a command line: in quotation marks if there are spaces in it.
pub(super) fn as_argument(text: &str) -> String {
    if text.contains(char::is_whitespace) {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    }
}

impl Corpora {
    /// The players to be tested.
    ///
    /// # Errors
    /// When there are fewer than two.
    pub(super) fn players(&self) -> Result<Vec<String>> {
        let players = self.tested.players();
        ensure!(
            players.len() >= 2,
            "--data: expected recordings of at least two players, because each is tested by a network that \
             has not heard that player, found those of {}; give a folder with another player's as a further \
             --data",
            players.join(", ")
        );
        Ok(players)
    }
}

/// The notes of `corpora` as the models of `architecture` hear them, with their copies.
pub(super) fn hear(
    architecture: &Architecture,
    corpora: &Corpora,
    seed: u64,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Notes> {
    let augmentation = Some(&architecture.recipe.augmentation);
    let listener = architecture.listener();
    let hear = |corpus| Notes::hear(corpus, &listener, augmentation, seed, threads);
    progress.line(format!(
        "{}: hears the recordings and makes copies of the notes",
        architecture.id
    ));
    let mut notes = hear(&corpora.tested)?;
    let only_trained_on = corpora.only_trained_on.as_ref();
    if let Some(more) = only_trained_on.map(hear).transpose()? {
        notes.train_also_on(more);
    }
    progress.line(format!(
        "{}: {} notes of {} players in {} takes",
        architecture.id,
        notes.notes.len(),
        notes.players.len(),
        notes.n_takes
    ));
    Ok(notes)
}

/// The notes of `corpus` under all conditions.
pub(super) fn alter(
    corpus: &Corpus,
    listener: &Listener,
    seed: u64,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Vec<Altered>> {
    let recordings = Recordings::read(corpus)?;
    let altered = CONDITIONS.iter().map(|(name, condition)| {
        let detected = recordings.hear(*condition, listener, seed, threads)?;
        let at_clean_onsets =
            recordings.hear_at_clean_onsets(*condition, listener, seed, threads)?;
        progress.line(format!(
            "{name}: {} of {} notes detected",
            detected.notes.len(),
            detected.onsets.labelled
        ));
        Ok(Altered {
            name,
            at_clean_onsets,
            detected,
        })
    });
    altered.collect()
}
