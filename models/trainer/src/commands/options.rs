//! Options that several commands have.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

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
    /// Folder of the model packages
    #[arg(long, value_name = "DIR", default_value_os_t = tocco_engines::shipped::models_folder())]
    pub(super) models: PathBuf,
}
