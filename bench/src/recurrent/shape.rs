//! The networks that are measured.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tocco_engines::network::Network;
use tocco_engines::rtneural;

use super::wavenet;

/// A network of one input and one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One LSTM layer of so many units, and a dense one.
    Lstm(usize),
    /// One GRU layer of so many units, and a dense one.
    Gru(usize),
    /// A WaveNet of the size of Neural Amp Modeler's *standard*.
    WaveNet {
        /// With gates instead of tanh alone.
        gated: bool,
    },
}

impl Shape {
    /// The rows of RTNeural's comparison, and the WaveNets.
    pub fn all() -> Vec<Self> {
        let lstm = [8, 16, 24, 32, 40, 64].map(Self::Lstm);
        let gru = [8, 16, 32, 64].map(Self::Gru);
        let wavenet = [false, true].map(|gated| Self::WaveNet { gated });
        lstm.into_iter().chain(gru).chain(wavenet).collect()
    }

    /// A network of this shape with weights that are no pattern.
    ///
    /// # Errors
    /// Never, unless the reader of model files is at fault.
    pub fn network(self) -> Result<Network> {
        match self {
            Self::Lstm(units) => recurrent("lstm", units),
            Self::Gru(units) => recurrent("gru", units),
            Self::WaveNet { gated } => wavenet::network(gated),
        }
    }
}

fn recurrent(kind: &str, units: usize) -> Result<Network> {
    let mut seed = 1;
    let gru = kind == "gru";
    let columns = if gru { 3 * units } else { 4 * units };
    let kernel = matrix(1, columns, &mut seed);
    let recurrent = matrix(units, columns, &mut seed);
    let bias = if gru {
        matrix(2, columns, &mut seed)
    } else {
        json!(row(columns, &mut seed))
    };
    let output = [matrix(units, 1, &mut seed), json!(row(1, &mut seed))];
    let model = json!({
        "in_shape": [null, null, 1],
        "layers": [
            {"type": kind, "activation": "", "shape": [null, null, units],
             "weights": [kernel, recurrent, bias]},
            {"type": "dense", "activation": "", "shape": [null, null, 1], "weights": output},
        ],
    });
    Ok(rtneural::parse(
        model.to_string().as_bytes(),
        "the benchmark",
    )?)
}

/// Numbers from -1/4 to 1/4.
pub(super) fn row(n: usize, seed: &mut u32) -> Vec<f32> {
    let mut next = || {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 8) as f32 / (1 << 25) as f32 - 0.25
    };
    (0..n).map(|_| next()).collect()
}

fn matrix(rows: usize, columns: usize, seed: &mut u32) -> Value {
    json!((0..rows).map(|_| row(columns, seed)).collect::<Vec<_>>())
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lstm(units) => write!(f, "lstm-{units}"),
            Self::Gru(units) => write!(f, "gru-{units}"),
            Self::WaveNet { gated: false } => f.write_str("wavenet-tanh"),
            Self::WaveNet { gated: true } => f.write_str("wavenet-gated"),
        }
    }
}

impl FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let (kind, size) = name.split_once('-').with_context(|| {
            format!("\"{name}\" is no network like lstm-40, gru-32 or wavenet-tanh")
        })?;
        let units = || {
            size.parse()
                .ok()
                .filter(|n| (1..=1024).contains(n))
                .with_context(|| format!("\"{size}\" is no number of units from 1 to 1024"))
        };
        Ok(match (kind, size) {
            ("gru", _) => Self::Gru(units()?),
            ("lstm", _) => Self::Lstm(units()?),
            ("wavenet", "tanh") => Self::WaveNet { gated: false },
            ("wavenet", "gated") => Self::WaveNet { gated: true },
            ("wavenet", _) => bail!("\"{size}\" is neither tanh nor gated"),
            _ => bail!("\"{kind}\" is neither lstm, gru nor wavenet"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_parsed_back_and_has_its_network() {
        for shape in Shape::all() {
            assert_eq!(shape.to_string().parse::<Shape>().unwrap(), shape);
            let network = shape.network().unwrap();
            assert_eq!((network.n_inputs(), network.n_outputs()), (1, 1));
        }
        for name in ["rnn-8", "lstm", "gru-0", "gru-x", "wavenet-16"] {
            assert!(name.parse::<Shape>().is_err(), "{name}");
        }
    }
}
