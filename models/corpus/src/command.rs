//! What the analysis makes of a recording, as a command.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Subcommand;
use tocco_dsp::features::{FeatureExtractor, Preset};
use tocco_dsp::{HOP, HopStream};

use crate::{CorpusError, Heard, Recording};

/// What is made of a recording.
#[derive(Subcommand)]
pub enum Command {
    /// Print the feature vectors at given blocks as CSV
    ///
    /// The recording is cut into blocks of 64 samples from its first sample on (after conversion
    /// to one side and 48 kHz); the vector of block N is the one right after block N came in. The CSV
    /// has a header: file, block_index, then all features of the preset in their natural order.
    #[command(after_help = "Example: \
        cargo xtask features --input take.wav --at-blocks 784,1225 --preset timbreid-48k")]
    Features(Features),
}

/// Options of `features`.
#[derive(clap::Args)]
pub struct Features {
    /// The recording, WAV
    #[arg(long, value_name = "F.wav")]
    input: PathBuf,
    /// Block indices, counted from 0, with commas between them
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', required = true)]
    at_blocks: Vec<usize>,
    /// The family of features: timbreid or timbreid-48k
    #[arg(long, default_value_t = Preset::Timbreid)]
    preset: Preset,
}

impl Command {
    /// Does it, and prints what came out.
    ///
    /// # Errors
    /// Names the file or the option, what was expected and what was found.
    pub fn run(&self) -> Result<()> {
        let Self::Features(options) = self;
        features(options)
    }
}

fn features(options: &Features) -> Result<()> {
    let heard = hops(&options.input)?;
    let n_blocks = heard.samples.len() / HOP;
    if let Some(block) = options.at_blocks.iter().find(|block| **block >= n_blocks) {
        bail!(
            "{}: --at-blocks: expected indices below {n_blocks}, the number of whole blocks in \
             the recording, found {block}; choose an earlier block",
            options.input.display()
        );
    }
    let names = options.preset.feature_names();
    let mut extractor = FeatureExtractor::new(options.preset, &names)?;
    let mut values = vec![0.0; names.len()];

    let mut writer = csv::Writer::from_writer(io::stdout());
    writer.write_field("file")?;
    writer.write_field("block_index")?;
    writer.write_record(&names)?;
    let file = options.input.file_name().unwrap_or_default();
    for &block in &options.at_blocks {
        let end = ((block + 1) * HOP) as i64;
        extractor.extract(&heard.window(end, extractor.history_len()), &mut values);
        writer.write_field(file.to_string_lossy().as_bytes())?;
        writer.write_field(block.to_string())?;
        writer.write_record(values.iter().map(f32::to_string))?;
    }
    Ok(writer.flush()?)
}

/// The recording at `path` as the analysis gets it.
fn hops(path: &Path) -> Result<Heard> {
    let recording = Recording::read(path)?;
    let rate = f64::from(recording.sample_rate);
    let mut stream = HopStream::new(rate).map_err(|error| CorpusError::Rate {
        path: path.to_owned(),
        error,
    })?;
    let mut samples = Vec::new();
    stream.push(&[&recording.samples], |hop, _| {
        samples.extend_from_slice(hop)
    });
    Ok(Heard {
        samples,
        notes: Vec::new(),
    })
}
