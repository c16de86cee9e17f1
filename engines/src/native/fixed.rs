//! One input, one recurrent layer, one output, their sizes known to the compiler.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::dense::DenseKernel;
use super::lanes::{Lanes, Plain};
#[cfg(target_arch = "x86_64")]
use super::recurrent::is_wide;
use super::recurrent::{Cell, GruKernel, LstmKernel, RecurrentKernel};
use super::weights::{Packing, Workspace};
use super::{InstructionSet, NativeOptions};
use crate::WeightFormat;
use crate::network::fold::{Step, fold};
use crate::network::{Dense, Layer, Network};

/// Steps that go through the layer before the output is made of them.
const BLOCK: usize = 16;

/// A network of one input and one output, whatever its shape.
pub(crate) trait Stream: Send {
    /// Writes `outputs` from `inputs`, both `[steps]`. Real-time safe.
    fn process(&mut self, inputs: &[f32], outputs: &mut [f32]);

    fn reset(&mut self);

    fn weight_bytes(&self) -> usize;
}

/// `network` packed, if it has one of the shapes there are.
pub(crate) fn of_shape(network: &Network, options: NativeOptions) -> Option<Box<dyn Stream>> {
    let steps = fold(network);
    let [Step::Layer(recurrent), Step::Layer(Layer::Dense(dense))] = steps.as_slice() else {
        return None;
    };
    if network.n_inputs() != 1 || dense.outputs != 1 {
        return None;
    }
    let mut packing = Packing::new(options.instructions);
    let format = options.weights;
    match recurrent {
        Layer::Lstm(lstm) => {
            let kernel = LstmKernel::new(&mut packing, format, lstm);
            of_units(kernel, dense, packing)
        }
        Layer::Gru(gru) => {
            let kernel = GruKernel::new(&mut packing, format, gru);
            of_units(kernel, dense, packing)
        }
        _ => None,
    }
}

/// All widths there are.
fn of_units<C: Cell + Send + 'static>(
    kernel: RecurrentKernel<C>,
    dense: &Dense,
    packing: Packing,
) -> Option<Box<dyn Stream>> {
    match kernel.outputs() {
        8 => Some(Box::new(Recurrent::<C, 8>::new(kernel, dense, packing))),
        16 => Some(Box::new(Recurrent::<C, 16>::new(kernel, dense, packing))),
        24 => Some(Box::new(Recurrent::<C, 24>::new(kernel, dense, packing))),
        32 => Some(Box::new(Recurrent::<C, 32>::new(kernel, dense, packing))),
        40 => Some(Box::new(Recurrent::<C, 40>::new(kernel, dense, packing))),
        64 => Some(Box::new(Recurrent::<C, 64>::new(kernel, dense, packing))),
        _ => None,
    }
}

/// `UNITS` units of the cell `C`, and the output.
struct Recurrent<C, const UNITS: usize> {
    kernel: RecurrentKernel<C>,
    output: DenseKernel,
    workspace: Workspace,
    inputs: [f32; BLOCK],
    /// `[BLOCK, UNITS]`
    hidden: [[f32; UNITS]; BLOCK],
}

impl<C: Cell, const UNITS: usize> Recurrent<C, UNITS> {
    fn new(kernel: RecurrentKernel<C>, dense: &Dense, mut packing: Packing) -> Self {
        let (weight, bias) = (&dense.weight, &dense.bias);
        let output = DenseKernel::new(&mut packing, WeightFormat::F32, weight, bias, false);
        let mut network = Self {
            kernel,
            output,
            workspace: packing.finish(),
            inputs: [0.0; BLOCK],
            hidden: [[0.0; UNITS]; BLOCK],
        };
        // Brings what a step reads and writes into memory.
        network.advance(&[1.0], &mut [0.0]);
        network.kernel.reset();
        network
    }

    fn advance(&mut self, inputs: &[f32], outputs: &mut [f32]) {
        match self.workspace.set() {
            // SAFETY: a workspace's set is one that the processor has, and its weights were packed
            // for it.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 if is_wide(UNITS) => unsafe {
                self.advance_avx512(inputs, outputs);
            },
            // SAFETY: as above; what has AVX-512 has AVX2.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 | InstructionSet::Avx2 => unsafe {
                self.advance_avx2(inputs, outputs);
            },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => unsafe {
                self.advance_as::<float32x4_t, float32x4_t>(inputs, outputs);
            },
            // SAFETY: as above; plain Rust needs no instructions of its own.
            _ => unsafe { self.advance_as::<Plain, Plain>(inputs, outputs) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn advance_avx512(&mut self, inputs: &[f32], outputs: &mut [f32]) {
        // SAFETY: the caller's promise.
        unsafe { self.advance_as::<__m512, __m256>(inputs, outputs) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn advance_avx2(&mut self, inputs: &[f32], outputs: &mut [f32]) {
        // SAFETY: the caller's promise.
        unsafe { self.advance_as::<__m256, __m256>(inputs, outputs) }
    }

    /// With vectors `V` for the layer and `N` for the output.
    ///
    /// # Safety
    /// As for [`Lanes`]; the weights were packed for the same vectors.
    #[inline(always)]
    unsafe fn advance_as<V: Lanes, N: Lanes>(&mut self, inputs: &[f32], outputs: &mut [f32]) {
        let output = self.output.of_size::<UNITS, 1>();
        for (inputs, outputs) in inputs.chunks(BLOCK).zip(outputs.chunks_mut(BLOCK)) {
            let steps = inputs.len();
            for (x, input) in self.inputs.iter_mut().zip(inputs) {
                *x = if input.is_finite() { *input } else { 0.0 };
            }
            let hidden = &mut self.hidden[..steps];
            // SAFETY: the caller's promise.
            unsafe {
                let (x, y) = (&self.inputs[..steps], hidden.as_flattened_mut());
                self.kernel
                    .fixed_steps_as::<V, UNITS>(&self.workspace, x, y, steps);
                for (h, y) in hidden.iter().zip(outputs) {
                    *y = output.apply_row::<N>(&self.workspace, h);
                }
            }
        }
    }
}

impl<C: Cell + Send, const UNITS: usize> Stream for Recurrent<C, UNITS> {
    fn process(&mut self, inputs: &[f32], outputs: &mut [f32]) {
        self.advance(inputs, outputs);
    }

    fn reset(&mut self) {
        self.kernel.reset();
    }

    fn weight_bytes(&self) -> usize {
        self.workspace.weight_bytes()
    }
}
