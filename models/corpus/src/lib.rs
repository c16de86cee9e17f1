//! Labelled recordings to labelled notes.
//!
//! A [`Corpus`] is a folder of WAV files with their labels. Its [`Take`]s are heard with the
//! plugin's own onset detector and features ([`Heard`]), and the detected onsets are matched one
//! to one with the labels ([`matching`]). What comes out are notes with raw features and the
//! technique that was played: what networks are trained on and measured against.
//!
//! The tool `tocco-corpus features` prints the feature vectors of single blocks as CSV.

mod composed;
mod corpus;
mod error;
mod heard;
mod labels_csv;
mod onset_labels;
mod recording;
mod take_name;
mod technique_name;
mod wav;

pub mod command;
pub mod matching;

pub use corpus::{Corpus, LabelledNote, Take};
pub use error::CorpusError;
pub use heard::{Heard, HeardNote, Listener};
pub use labels_csv::{LABELS_CSV, LabelRow, parse_labels_csv};
pub use onset_labels::parse_onset_labels;
pub use recording::Recording;
pub use take_name::{TakeName, is_date};
pub use tocco_dsp::Technique;
pub use wav::WavReader;
