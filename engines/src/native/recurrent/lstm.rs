//! Long short-term memory.

use super::gates::{BIASES, Gates, add_columns, biases};
use super::{Cell, LARGEST, LEAST, LstmKernel, Panel};
use crate::native::WeightFormat;
use crate::native::lanes::Lanes;
use crate::native::panel::{F32, Stored};
use crate::native::tanh::Fraction;
use crate::native::weights::Packing;
use crate::network::Lstm;

/// See [`Lstm`] for what is computed.
pub(crate) struct LstmCell;

impl LstmKernel {
    /// Packs `lstm`; large layers in half precision if `format` is coarser than `f32`.
    pub(crate) fn new(packing: &mut Packing, format: WeightFormat, lstm: &Lstm) -> Self {
        let gates = Gates {
            inputs: lstm.inputs,
            units: lstm.units,
            kernel: &lstm.kernel,
            recurrent: &lstm.recurrent,
            bias: lstm.bias.clone(),
        };
        Self::pack(packing, format, &gates)
    }
}

impl Cell for LstmCell {
    const GATES: usize = 4;

    #[inline(always)]
    unsafe fn step<V: Lanes, S: Stored, const N: usize>(panel: Panel) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = biases::<V, N>(panel.weights);
            let weights = panel.weights.add(N * BIASES * V::WIDTH * F32::BYTES);
            // A loop of one turn is none.
            let weights = if panel.inputs == 1 {
                add_columns::<V, S, 4, N>(weights, panel.x, 1, &mut sums)
            } else {
                add_columns::<V, S, 4, N>(weights, panel.x, panel.inputs, &mut sums)
            };
            add_columns::<V, S, 4, N>(weights, panel.h, panel.units, &mut sums);
            for (i, [input, forget, candidate, output]) in sums.into_iter().enumerate() {
                let cell = panel.cell.add(i * V::WIDTH);
                let forget = Fraction::sigmoid(forget).value();
                let new = Fraction::sigmoid(input).multiply(Fraction::tanh(candidate));
                let c = forget.multiply_add(V::load(cell), new.value());
                c.clamp(LARGEST).flush(LEAST).store(cell);
                let h = Fraction::sigmoid(output)
                    .multiply(Fraction::tanh(c))
                    .value();
                h.store(panel.next.add(i * V::WIDTH));
            }
        }
    }
}
