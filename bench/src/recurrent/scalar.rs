//! The yardstick: the same network in plain scalar code, one loop a sum, straight from the
//! definitions. How fast a machine runs this tells how its times compare to another machine's.

use anyhow::{Result, bail};
use tocco_engines::network::{Dense, Gru, Layer, Lstm, Network};
use tocco_engines::{Engine, InferError};

/// One recurrent layer and a dense one.
pub struct ScalarEngine {
    cell: Cell,
    dense: Dense,
    h: Vec<f32>,
    next: Vec<f32>,
    c: Vec<f32>,
}

enum Cell {
    Lstm(Lstm),
    Gru(Gru),
}

impl ScalarEngine {
    /// # Errors
    /// When `network` is not one input, one recurrent layer and a dense output.
    pub fn new(network: &Network) -> Result<Self> {
        let (cell, dense) = match network.layers() {
            [Layer::Lstm(lstm), Layer::Dense(dense)] => (Cell::Lstm(lstm.clone()), dense),
            [Layer::Gru(gru), Layer::Dense(dense)] => (Cell::Gru(gru.clone()), dense),
            _ => bail!("the yardstick has one recurrent layer and a dense one"),
        };
        if network.n_inputs() != 1 || dense.outputs != 1 {
            bail!("the yardstick has one input and one output");
        }
        Ok(Self {
            cell,
            dense: dense.clone(),
            h: vec![0.0; dense.inputs],
            next: vec![0.0; dense.inputs],
            c: vec![0.0; dense.inputs],
        })
    }
}

// Inlined however the crate is cut into units: the yardstick must not change with the build.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[inline(always)]
fn dot(row: &[f32], x: &[f32]) -> f32 {
    let mut sum = 0.0;
    for (w, x) in row.iter().zip(x) {
        sum += w * x;
    }
    sum
}

impl Engine for ScalarEngine {
    fn name(&self) -> &'static str {
        "scalar"
    }

    fn n_features(&self) -> usize {
        1
    }

    fn n_classes(&self) -> usize {
        1
    }

    fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
        InferError::check_lengths(1, features, 1, probabilities)?;
        let x = features[0];
        let n = self.h.len();
        for i in 0..n {
            let h = &self.h;
            match &self.cell {
                Cell::Lstm(lstm) => {
                    let gate = |gate: usize| {
                        let row = gate * n + i;
                        let recurrent = dot(&lstm.recurrent[row * n..][..n], h);
                        lstm.kernel[row] * x + recurrent + lstm.bias[row]
                    };
                    let new = sigmoid(gate(0)) * gate(2).tanh();
                    self.c[i] = sigmoid(gate(1)) * self.c[i] + new;
                    self.next[i] = sigmoid(gate(3)) * self.c[i].tanh();
                }
                Cell::Gru(gru) => {
                    let from_input = |row: usize| gru.kernel[row] * x + gru.input_bias[row];
                    let from_state = |row: usize| {
                        dot(&gru.recurrent[row * n..][..n], h) + gru.recurrent_bias[row]
                    };
                    let z = sigmoid(from_input(i) + from_state(i));
                    let r = sigmoid(from_input(n + i) + from_state(n + i));
                    let candidate = (from_input(2 * n + i) + r * from_state(2 * n + i)).tanh();
                    self.next[i] = z * h[i] + (1.0 - z) * candidate;
                }
            }
        }
        std::mem::swap(&mut self.h, &mut self.next);
        probabilities[0] = dot(&self.dense.weight, &self.h) + self.dense.bias[0];
        Ok(())
    }

    fn reset(&mut self) {
        self.h.fill(0.0);
        self.c.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recurrent::shape::Shape;
    use tocco_engines::reference::Reference;

    #[test]
    fn the_yardstick_computes_the_network() {
        for shape in Shape::all() {
            let network = shape.network().unwrap();
            let Ok(mut scalar) = ScalarEngine::new(&network) else {
                assert!(matches!(shape, Shape::WaveNet { .. }), "{shape}");
                continue;
            };
            let mut reference = Reference::new(&network);
            let mut y = [0.0];
            for step in 0..100 {
                let x = [(0.3 * step as f32).sin()];
                scalar.infer(&x, &mut y).unwrap();
                let error = (f64::from(y[0]) - reference.step(&x)[0]).abs();
                assert!(error < 2e-6, "{shape}: {error:e}");
            }
        }
    }
}
