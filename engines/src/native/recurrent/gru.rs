//! Gated recurrent unit.

use super::gates::{BIASES, Gates, add_columns, biases};
use super::{Cell, GruKernel, LEAST, Panel};
use crate::native::WeightFormat;
use crate::native::lanes::Lanes;
use crate::native::panel::{F32, Stored};
use crate::native::tanh::Fraction;
use crate::native::weights::Packing;
use crate::network::Gru;

/// See [`Gru`] for what is computed.
pub(crate) struct GruCell;

impl GruKernel {
    /// Packs `gru`; large layers in half precision if `format` is coarser than `f32`.
    pub(crate) fn new(packing: &mut Packing, format: WeightFormat, gru: &Gru) -> Self {
        // Two of the gates need only the sum of both biases.
        let (both, apart) = gru.input_bias.split_at(2 * gru.units);
        let (recurrent, recurrent_apart) = gru.recurrent_bias.split_at(2 * gru.units);
        let bias = both.iter().zip(recurrent).map(|(b, c)| b + c);
        let gates = Gates {
            inputs: gru.inputs,
            units: gru.units,
            kernel: &gru.kernel,
            recurrent: &gru.recurrent,
            bias: bias
                .chain(apart.iter().chain(recurrent_apart).copied())
                .collect(),
        };
        Self::pack(packing, format, &gates)
    }
}

impl Cell for GruCell {
    const GATES: usize = 3;

    #[inline(always)]
    unsafe fn step<V: Lanes, S: Stored, const N: usize>(panel: Panel) {
        // SAFETY: the caller's promise.
        unsafe {
            let biases = biases::<V, N>(panel.weights);
            let weights = panel.weights.add(N * BIASES * V::WIDTH * F32::BYTES);
            let mut from_input = [[V::splat(0.0); 3]; N];
            for (from_input, [z, r, n, _]) in from_input.iter_mut().zip(biases) {
                *from_input = [z, r, n];
            }
            // A loop of one turn is none.
            let weights = if panel.inputs == 1 {
                add_columns::<V, S, 3, N>(weights, panel.x, 1, &mut from_input)
            } else {
                add_columns::<V, S, 3, N>(weights, panel.x, panel.inputs, &mut from_input)
            };
            // The candidate's sums stay apart: the reset gate comes between them.
            let mut sums = from_input;
            for (sums, [.., from_state]) in sums.iter_mut().zip(biases) {
                sums[2] = from_state;
            }
            add_columns::<V, S, 3, N>(weights, panel.h, panel.units, &mut sums);
            for (i, [z, r, from_state]) in sums.into_iter().enumerate() {
                let h = V::load(panel.own.add(i * V::WIDTH));
                let r = Fraction::sigmoid(r).value();
                let n = Fraction::tanh(r.multiply_add(from_state, from_input[i][2]));
                let z = Fraction::sigmoid(z).value();
                let rest = z.multiply_add(V::splat(-1.0), V::splat(1.0));
                let h = rest.multiply_add(n.value(), z.multiply(h));
                h.flush(LEAST).store(panel.next.add(i * V::WIDTH));
            }
        }
    }
}
