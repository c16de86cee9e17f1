//! What the CLAP host and the VST3 host have in common: a plugin is loaded, its parameters and
//! its state are set on the main thread, and while it is active a stream runs on any one thread.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tocco_engines::shipped;

/// What is agreed with the plugin before it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamFormat {
    /// Samples per second.
    pub sample_rate: f64,
    /// The longest block, in samples; every block may be shorter.
    pub max_block: usize,
    /// 1 for mono or 2 for stereo, the same in and out.
    pub channels: usize,
    /// Whether the host renders offline, faster or slower than real time.
    pub offline: bool,
}

impl StreamFormat {
    /// The paper's way of running: 48 kHz and 64 samples, mono, in real time.
    pub const PAPER: Self = Self {
        sample_rate: 48_000.0,
        max_block: 64,
        channels: 1,
        offline: false,
    };
}

/// A MIDI message that the plugin sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MidiOut {
    /// Samples since the stream began.
    pub position: u64,
    /// Channel, 0 to 15.
    pub channel: u8,
    /// MIDI note number, or the number of the controller.
    pub key: u8,
    /// What happens to the note.
    pub message: MidiMessage,
}

/// What a [`MidiOut`] says of its note.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MidiMessage {
    /// The note begins.
    NoteOn {
        /// 0 to 1.
        velocity: f32,
        /// The plugin's own number for the note, -1 if it gave none.
        note_id: i32,
    },
    /// The note ends.
    NoteOff,
    /// The pressure on the note changes, 0 to 1.
    PolyPressure(f32),
    /// A controller changes: no note, but 0 to 127 of the channel.
    Controller(u8),
}

/// A parameter, as the host sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The number by which the plugin knows it.
    pub id: u32,
    /// The name that a DAW shows.
    pub name: String,
    /// Least plain value.
    pub minimum: f64,
    /// Greatest plain value.
    pub maximum: f64,
    /// Whether only whole plain values are allowed.
    pub stepped: bool,
    /// Whether the plugin sets it, and the host only reads it.
    pub output: bool,
    /// Whether it is the switch that takes the plugin out of the signal's way.
    pub bypass: bool,
}

/// A value that the plugin gave one of its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterOut {
    /// Samples since the stream began.
    pub position: u64,
    /// The parameter.
    pub id: u32,
    /// In VST3 normalised, 0 to 1; in CLAP plain.
    pub value: f64,
}

/// A loaded plugin instance; lives on the main thread.
pub trait PluginHost: Sized {
    /// The running side, see [`PluginStream`].
    type Stream: PluginStream;

    /// Loads the first plugin of the bundle at `path` and makes an instance of it.
    ///
    /// # Errors
    /// If there is no such bundle, or it is not a plugin of this format.
    fn load(path: &Path) -> Result<Self>;

    /// Every parameter the plugin shows to the host.
    ///
    /// # Errors
    /// If the plugin refuses to describe one.
    fn parameters(&mut self) -> Result<Vec<Parameter>>;

    /// A plain value as the plugin writes it.
    ///
    /// # Errors
    /// If the plugin has no text for the value.
    fn value_to_text(&mut self, parameter: &Parameter, value: f64) -> Result<String>;

    /// The plain value that the plugin reads from a text.
    ///
    /// # Errors
    /// If the plugin cannot read the text.
    fn text_to_value(&mut self, parameter: &Parameter, text: &str) -> Result<f64>;

    /// The plain value a parameter has now.
    ///
    /// # Errors
    /// If the plugin does not know the parameter.
    fn value(&mut self, parameter: &Parameter) -> Result<f64>;

    /// Sets a parameter to a plain value. Only while the plugin is not active.
    ///
    /// # Errors
    /// If the plugin is active or refuses.
    fn set_value(&mut self, parameter: &Parameter, value: f64) -> Result<()>;

    /// The plugin's state, as a DAW would save it in a project.
    ///
    /// # Errors
    /// If the plugin cannot save.
    fn save_state(&mut self) -> Result<Vec<u8>>;

    /// Gives the plugin a saved state, active or not.
    ///
    /// # Errors
    /// If the plugin refuses the bytes.
    fn restore_state(&mut self, state: &[u8]) -> Result<()>;

    /// Prepares the plugin to run and hands out the running side.
    ///
    /// # Errors
    /// If the plugin is active already or refuses the format.
    fn activate(&mut self, format: StreamFormat) -> Result<Self::Stream>;

    /// Ends a stream made by [`PluginHost::activate`].
    fn deactivate(&mut self, stream: Self::Stream);

    /// Does what the plugin asked the main thread to do. To be called now and then.
    fn idle(&mut self);

    /// The parameter of that name; upper and lower case are the same.
    ///
    /// # Errors
    /// If there is none; the error lists those there are.
    fn parameter(&mut self, name: &str) -> Result<Parameter> {
        let parameters = self.parameters()?;
        let names: Vec<_> = parameters.iter().map(|p| p.name.clone()).collect();
        parameters
            .into_iter()
            .find(|p| p.name.eq_ignore_ascii_case(name))
            .with_context(|| {
                format!(
                    "the plugin has no parameter '{name}'; there are: {}",
                    names.join(", ")
                )
            })
    }

    /// The text of a parameter's value, by its name.
    ///
    /// # Errors
    /// If there is no such parameter.
    fn text(&mut self, name: &str) -> Result<String> {
        let parameter = self.parameter(name)?;
        let value = self.value(&parameter)?;
        self.value_to_text(&parameter, value)
    }

    /// Sets a parameter by its name and the text of a value; upper and lower case are the same.
    /// Only while the plugin is not active.
    ///
    /// # Errors
    /// If there is no such parameter or no such value; the error lists those there are.
    fn set_text(&mut self, name: &str, text: &str) -> Result<()> {
        let parameter = self.parameter(name)?;
        let choices = self.choices(&parameter)?;
        let value = if choices.is_empty() {
            self.text_to_value(&parameter, text)?
        } else {
            let index = choices.iter().position(|c| c.eq_ignore_ascii_case(text));
            let index = index.with_context(|| {
                format!(
                    "there is no {} '{text}'; there are: {}",
                    parameter.name.to_lowercase(),
                    choices.join(", ")
                )
            })?;
            parameter.minimum + index as f64
        };
        self.set_value(&parameter, value)
    }

    /// Every text of a stepped parameter, in order.
    ///
    /// # Errors
    /// If the plugin has no text for one of its steps.
    fn choices(&mut self, parameter: &Parameter) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        let mut value = parameter.minimum;
        while parameter.stepped && value <= parameter.maximum {
            texts.push(self.value_to_text(parameter, value)?);
            value += 1.0;
        }
        Ok(texts)
    }
}

/// The running side of an active plugin. It owns its buffers, so that processing a block neither
/// allocates nor frees.
pub trait PluginStream: Send {
    /// Samples that will go into `channel` with the next block, `[max_block]`.
    fn input(&mut self, channel: usize) -> &mut [f32];

    /// Samples that came out of `channel` with the last block, `[max_block]`.
    fn output(&self, channel: usize) -> &[f32];

    /// Processes the first `frames` samples of the inputs. Real-time safe as far as the plugin is.
    ///
    /// # Errors
    /// If the plugin reports a failure.
    fn process(&mut self, frames: usize) -> Result<()>;

    /// What the plugin sent during the last block, in its order.
    fn midi(&self) -> &[MidiOut];

    /// Samples processed since the stream began.
    fn position(&self) -> u64;
}

/// Which of a plugin's outputs a host gives with a block. The main one it always gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GivenOutputs {
    /// All of them.
    #[default]
    All,
    /// The first half; the host's list ends with them.
    FirstHalf,
    /// All, but every other one from the second on is switched off: it has no channels, or null in their
    /// place.
    EveryOther,
    /// The main one alone.
    Main,
}

impl GivenOutputs {
    /// How many of `outputs`, the main one among them, are in the host's list.
    pub(crate) fn count(self, outputs: usize) -> usize {
        let others = outputs.saturating_sub(1);
        1 + match self {
            Self::All | Self::EveryOther => others,
            Self::FirstHalf => others / 2,
            Self::Main => 0,
        }
    }

    /// How an output in the host's list is switched off, if it is. Hosts do the one or the other.
    pub(crate) fn off(self, output: usize) -> Option<SwitchedOff> {
        match (self, output % 4) {
            (Self::EveryOther, 1) => Some(SwitchedOff::Null),
            (Self::EveryOther, 3) => Some(SwitchedOff::NoChannels),
            _ => None,
        }
    }

    /// Whether something is heard in an output besides the main one, of those that were given with a block
    /// of `frames` samples; `outputs` are `[outputs][channels][max_block]`.
    pub(crate) fn is_heard_apart(self, outputs: &[Vec<Vec<f32>>], frames: usize) -> bool {
        let given = outputs[..self.count(outputs.len())].iter().enumerate();
        let mut on = given
            .skip(1)
            .filter(|(output, _)| self.off(*output).is_none());
        // What was not written may be no number.
        let is_heard = |channel: &Vec<f32>| channel[..frames].iter().any(|x| x.abs() > 0.0);
        on.any(|(_, channels)| channels.iter().any(is_heard))
    }
}

/// What a host gives in the place of an output that is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SwitchedOff {
    /// Null in place of the channels.
    Null,
    /// None of its channels.
    NoChannels,
}

/// A running side whose parameters and outputs can be changed while it runs.
pub trait Automated: PluginStream {
    /// Changes a parameter to a plain value at the start of the next block. Real-time safe for a
    /// few changes a block.
    fn automate(&mut self, parameter: &Parameter, value: f64);

    /// What the plugin set of its parameters during the last block.
    fn parameters(&self) -> &[ParameterOut];

    /// Gives the plugin these of its outputs from the next block on. Nothing changes where it has the
    /// main one alone. Real-time safe.
    fn give_outputs(&mut self, _given: GivenOutputs) {}

    /// Whether something was heard in an output besides the main one in the last block. Real-time safe.
    fn is_heard_apart(&self) -> bool {
        false
    }
}

/// Environment variable with the folders that bundles are looked for in, written as `PATH` is.
pub const BUNDLES: &str = "TOCCO_BUNDLES";

/// The bundle of this name: in the first of the folders in [`BUNDLES`] that has it if that is set, else
/// in `target/bundled`.
///
/// # Errors
/// If it is in none; the error names them, and what brings it.
pub fn bundle_path(file_name: &str) -> Result<PathBuf> {
    let folders: Vec<PathBuf> = match std::env::var_os(BUNDLES) {
        Some(folders) => std::env::split_paths(&folders).collect(),
        None => vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bundled")],
    };
    let found = folders.iter().map(|folder| folder.join(file_name));
    if let Some(path) = found.into_iter().find(|path| path.exists()) {
        return Ok(path);
    }
    let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    bail!(
        "there is no plugin bundle {file_name} in {}; in a checkout make it with cargo xtask bundle, else \
         install Tocco",
        folders.join(", ")
    );
}

/// The folder of a model package that this project ships.
pub fn model_folder(id: &str) -> PathBuf {
    shipped::models_folder().join(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_is_heard_in_an_output_that_was_given() {
        // The main one and four others, of which one sounds after the other.
        let heard = |given: GivenOutputs| -> Vec<usize> {
            let is_heard = |sounding: &usize| {
                let sample = |output: usize| if output == *sounding { -0.5 } else { 0.0 };
                // What comes after the block does not count.
                let channels = |output: usize| vec![vec![sample(output), 1.0]; 2];
                let outputs: Vec<_> = (0..5).map(channels).collect();
                given.is_heard_apart(&outputs, 1)
            };
            (0..5).filter(is_heard).collect()
        };
        assert_eq!(heard(GivenOutputs::All), [1, 2, 3, 4]);
        assert_eq!(heard(GivenOutputs::FirstHalf), [1, 2]);
        assert_eq!(heard(GivenOutputs::EveryOther), [2, 4]);
        assert!(heard(GivenOutputs::Main).is_empty());
        let off = [0, 1, 2, 3].map(|output| GivenOutputs::EveryOther.off(output));
        let (null, none) = (SwitchedOff::Null, SwitchedOff::NoChannels);
        assert_eq!(off, [None, Some(null), None, Some(none)]);
        // A plugin with the main output alone.
        assert!(!GivenOutputs::All.is_heard_apart(&[vec![vec![1.0]]], 1));
        // What the plugin has not written.
        let unwritten = [vec![vec![1.0]], vec![vec![f32::NAN]]];
        assert!(!GivenOutputs::All.is_heard_apart(&unwritten, 1));
    }
}
