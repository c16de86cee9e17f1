//! What `cargo xtask bench instructions` emulates: the plugin's callback, or the inferences of a
//! network, each between two marks that the emulator counts from.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use tocco_bench::clap_host::ClapHost;
use tocco_bench::inference::feature_vectors::{CLASSES, FeatureVectors};
use tocco_bench::plugin_host::{
    self, Automated, MidiMessage, PluginHost, PluginStream, StreamFormat,
};
use tocco_bench::program;
use tocco_bench::real_time::Pace;
use tocco_bench::sound::Sound;
use tocco_dsp::Technique;
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
    Callback(Callback),
    /// Each inference of a model over the notes of the synthesised performance
    Inference {
        /// The model package
        #[arg(long)]
        model: String,
    },
}

#[derive(Args)]
struct Callback {
    /// The model package
    #[arg(long)]
    model: String,
    /// Without second decisions
    #[arg(long)]
    no_second: bool,
    /// Silence instead of the synthesised performance
    #[arg(long)]
    silence: bool,
    /// With Body on, every technique as a kick is delivered: after each note there is something to do
    #[arg(long)]
    body: bool,
    /// The plugin with 8 outputs, with Voices on, in stereo
    #[arg(long)]
    outputs: bool,
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
        What::Callback(callback) => callback.count(),
        What::Inference { model } => inferences(model),
    }
}

impl Callback {
    fn count(&self) -> Result<()> {
        let mut host = self.load()?;
        let sound = Sound::synthesised();
        let format = StreamFormat {
            channels: if self.outputs { 2 } else { 1 },
            ..StreamFormat::PAPER
        };
        let frames = format.max_block;
        let mut stream = host.activate(format)?;
        for _ in 0..200 {
            stream.process(frames)?;
            host.idle();
            std::thread::sleep(SETTLING / 200);
        }
        let (mut notes, mut heard_apart) = (0, false);
        // Where blocks come faster than real time the callback waits for the classifier thread, and that
        // would be counted.
        let mut pace = Pace::new(format.sample_rate);
        let mut end = 0;
        for block in sound.channels[0].chunks_exact(frames).take(BLOCKS) {
            end += frames as u64;
            pace.wait_for(end, frames);
            for channel in 0..format.channels {
                let input = &mut stream.input(channel)[..frames];
                if self.silence {
                    input.fill(0.0);
                } else {
                    input.copy_from_slice(block);
                }
            }
            mark();
            let processed = stream.process(frames);
            mark();
            processed?;
            let is_on =
                |midi: &&plugin_host::MidiOut| matches!(midi.message, MidiMessage::NoteOn { .. });
            notes += stream.midi().iter().filter(is_on).count();
            heard_apart |= stream.is_heard_apart();
        }
        host.deactivate(stream);
        ensure!(self.silence == (notes == 0), "{notes} notes were heard");
        let sounds = self.outputs && !self.silence;
        ensure!(sounds == heard_apart, "voices were heard: {heard_apart}");
        print(&self.model)
    }

    /// The plugin, set as it is to be counted.
    fn load(&self) -> Result<ClapHost> {
        let bundle = plugin_host::bundle_path("Tocco.clap")?;
        let mut host = if self.outputs {
            ClapHost::load_named(&bundle, "Tocco (8 outputs)")?
        } else {
            ClapHost::load(&bundle)?
        };
        host.set_text("Model", &self.model)?;
        if self.no_second {
            host.set_text("Second decision", "off")?;
        }
        if self.outputs {
            host.set_text("Voices", "-6 dB")?;
        }
        if self.body {
            host.set_text("Body", "on")?;
            for technique in Technique::ALL {
                for (what, text) in [
                    ("low", "6 dB"),
                    ("mid", "-3 dB"),
                    ("high", "-6 dB"),
                    ("squeeze", "0.5"),
                ] {
                    host.set_text(&format!("Body {what} {technique}"), text)?;
                }
            }
        }
        Ok(host)
    }
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
