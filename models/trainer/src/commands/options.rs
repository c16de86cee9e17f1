//! Options that several commands have.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use tocco_engines::{EngineId, discovery, shipped};

use crate::evaluation::Protocol;
use crate::parallel;

/// The seed of the shipped packages.
const SEED: u64 = 1;

/// How networks are trained.
#[derive(Args)]
pub(super) struct TrainingOptions {
    /// Begins all random numbers
    #[arg(long, value_name = "N", default_value_t = SEED)]
    pub(super) seed: u64,
    /// Trainings at the same time; by default as many as there are processors
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl TrainingOptions {
    /// As many as asked for, or as there are processors.
    pub(super) fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(parallel::available)
    }
}

/// What is measured, and how it is told.
#[derive(Args)]
pub(super) struct ReportOptions {
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
    /// Folder of the model packages [default: those that come with Tocco]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

impl ReportOptions {
    /// The folder of the packages.
    pub(super) fn models(&self) -> PathBuf {
        self.models.clone().unwrap_or_else(shipped::models_folder)
    }

    /// Refuses a folder of packages where `protocol` trains networks of its own.
    pub(super) fn check(&self, protocol: Protocol) -> Result<()> {
        ensure!(
            self.models.is_none() || protocol == Protocol::Holdout,
            "--models: expected the protocol holdout, found {}, which trains networks of its own and reads \
             no package; leave one of them out",
            protocol.name()
        );
        Ok(())
    }

    /// Refuses to write into packages that came with the program and that nobody named.
    pub(super) fn check_writing(&self) -> Result<()> {
        ensure!(
            self.models.is_some() || !are_installed(),
            "--write: expected --models with a folder of your own packages, found none; those in {}, as {} \
             says, stay as they are: copy that folder and name the copy with --models, or name it itself if \
             it is yours",
            self.models().display(),
            shipped::MODELS
        );
        Ok(())
    }
}

/// Refuses an engine whose library is not there, before anything is trained for it.
pub(super) fn check_engine(engine: EngineId) -> Result<()> {
    if !engine.is_ours() {
        discovery::find(engine)?;
    }
    Ok(())
}

/// Whether the packages came with a program: then they are not to be replaced. Those of a checkout are.
pub(super) fn are_installed() -> bool {
    std::env::var_os(shipped::MODELS).is_some()
}
