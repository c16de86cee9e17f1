//! The networks that are measured.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tocco_engines::network::Network;
use tocco_engines::rtneural;

/// One input, so many units of one recurrent layer, a dense layer of one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Whether the layer is a GRU; else it is an LSTM.
    pub gru: bool,
    /// Length of the state.
    pub units: usize,
}

impl Shape {
    /// The rows of RTNeural's comparison.
    pub fn all() -> Vec<Self> {
        let lstm = [8, 16, 24, 32, 40, 64].map(|units| Self { gru: false, units });
        let gru = [8, 16, 32, 64].map(|units| Self { gru: true, units });
        lstm.into_iter().chain(gru).collect()
    }

    /// A network of this shape with weights that are no pattern.
    ///
    /// # Errors
    /// Never, unless the reader of model files is at fault.
    pub fn network(self) -> Result<Network> {
        let mut seed = 1;
        let units = self.units;
        let (kind, columns) = if self.gru {
            ("gru", 3 * units)
        } else {
            ("lstm", 4 * units)
        };
        let kernel = matrix(1, columns, &mut seed);
        let recurrent = matrix(units, columns, &mut seed);
        let bias = if self.gru {
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
}

/// Numbers from -1/4 to 1/4.
fn row(n: usize, seed: &mut u32) -> Vec<f32> {
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
        let kind = if self.gru { "gru" } else { "lstm" };
        write!(f, "{kind}-{}", self.units)
    }
}

impl FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let (kind, units) = name
            .split_once('-')
            .with_context(|| format!("\"{name}\" is no network like lstm-40 or gru-32"))?;
        let gru = match kind {
            "gru" => true,
            "lstm" => false,
            _ => bail!("\"{kind}\" is neither lstm nor gru"),
        };
        let units = units
            .parse()
            .ok()
            .filter(|n| (1..=1024).contains(n))
            .with_context(|| format!("\"{units}\" is no number of units from 1 to 1024"))?;
        Ok(Self { gru, units })
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
        for name in ["rnn-8", "lstm", "gru-0", "gru-x"] {
            assert!(name.parse::<Shape>().is_err(), "{name}");
        }
    }
}
