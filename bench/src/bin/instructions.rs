//! What `cargo xtask bench instructions` emulates: the plugin's callback, or the inferences of a
//! network, each between two marks that the emulator counts from.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use tocco_bench::clap_host::ClapHost;
use tocco_bench::inference::feature_vectors::{CLASSES, FeatureVectors};
use tocco_bench::plugin_host::{self, MidiMessage, PluginHost, PluginStream, StreamFormat};
use tocco_bench::program;
use tocco_bench::real_time::Pace;
use tocco_bench::sound::Sound;
use tocco_engines::{Classifier, EngineId, ModelPackage};

/// Executes marks for an emulator that counts instructions: `hint #80` before and after.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Each callback of the bundled CLAP in real-time mode
    Callback {
        /// The model package
        #[arg(long)]
        model: String,
        /// Without second decisions
        #[arg(long)]
        no_second: bool,
        /// Silence instead of the synthesised performance
        #[arg(long)]
        silence: bool,
    },
    /// Each inference of a model over the notes of the synthesised performance
    Inference {
        /// The model package
        #[arg(long)]
        model: String,
    },
}

/// The first seconds of a stream that are not counted: a model is on its way.
const SETTLING: Duration = Duration::from_secs(2);

/// Blocks that are counted.
const BLOCKS: usize = 6000;

fn main() -> ExitCode {
    program::run(|| run(&Arguments::parse().what))
}

fn run(what: &What) -> Result<()> {
    match what {
        What::Callback {
            model,
            no_second,
            silence,
        } => callbacks(model, *no_second, *silence),
        What::Inference { model } => inferences(model),
    }
}

fn callbacks(model: &str, no_second: bool, silence: bool) -> Result<()> {
    let mut host = ClapHost::load(&plugin_host::bundle_path("Tocco.clap")?)?;
    host.set_text("Model", model)?;
    if no_second {
        host.set_text("Second decision", "off")?;
    }
    let sound = Sound::synthesised();
    let frames = StreamFormat::PAPER.max_block;
    let mut stream = host.activate(StreamFormat::PAPER)?;
    for _ in 0..200 {
        stream.process(frames)?;
        host.idle();
        std::thread::sleep(SETTLING / 200);
    }
    let mut notes = 0;
    // Where blocks come faster than real time the callback waits for the classifier thread, and that
    // would be counted.
    let mut pace = Pace::new(StreamFormat::PAPER.sample_rate);
    let mut end = 0;
    for block in sound.channels[0].chunks_exact(frames).take(BLOCKS) {
        end += frames as u64;
        pace.wait_for(end, frames);
        let input = &mut stream.input(0)[..frames];
        if silence {
            input.fill(0.0);
        } else {
            input.copy_from_slice(block);
        }
        mark();
        let processed = stream.process(frames);
        mark();
        processed?;
        let is_on =
            |midi: &&plugin_host::MidiOut| matches!(midi.message, MidiMessage::NoteOn { .. });
        notes += stream.midi().iter().filter(is_on).count();
    }
    host.deactivate(stream);
    ensure!(silence == (notes == 0), "{notes} notes were heard");
    print(model)
}

fn inferences(model: &str) -> Result<()> {
    let package = ModelPackage::load(plugin_host::model_folder(model))?;
    let vectors = FeatureVectors::synthesised().raw(&package)?;
    let mut classifier = Classifier::new(&package, EngineId::Native)?;
    classifier.prime().context("priming")?;
    let mut probabilities = [0.0; CLASSES];
    for vector in &vectors {
        mark();
        let answered = classifier.classify(vector, &mut probabilities);
        mark();
        answered?;
    }
    print(model)
}

/// Tells the size of the weights, as JSON.
fn print(model: &str) -> Result<()> {
    let package = ModelPackage::load(plugin_host::model_folder(model))?;
    let classifier = Classifier::new(&package, EngineId::Native)?;
    println!("{{\"weight_bytes\":{}}}", classifier.weight_bytes());
    Ok(())
}

/// The mark, at the beginning of a function of its own, where the emulator counts exactly.
#[cfg(target_arch = "aarch64")]
#[inline(never)]
fn mark() {
    // SAFETY: a hint without meaning; it touches nothing.
    unsafe { std::arch::asm!("hint #80") };
}

/// Nobody counts here; the program can be tried all the same.
#[cfg(not(target_arch = "aarch64"))]
fn mark() {}
