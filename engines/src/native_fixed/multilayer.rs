//! Dense layers of equal width, their sizes known to the compiler.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::CLASSES;
use crate::native::dense::DenseKernel;
use crate::native::lanes::{Lanes, Plain};
use crate::native::weights::{Packing, Workspace};
use crate::native::{InstructionSet, NativeOptions, activation};
use crate::network::{Activation, Dense};

/// `I` inputs, a first hidden layer and `M` more, all of `H` units with relu, and the classes.
pub(super) struct Multilayer<const I: usize, const H: usize, const M: usize> {
    first: DenseKernel,
    more: [DenseKernel; M],
    last: DenseKernel,
    temperature: f32,
    workspace: Workspace,
    inputs: [f32; I],
    front: [f32; H],
    back: [f32; H],
    output: [f32; CLASSES],
}

impl<const I: usize, const H: usize, const M: usize> Multilayer<I, H, M> {
    /// From `layers` of just these sizes.
    pub(super) fn new(layers: &[Dense], temperature: f32, options: NativeOptions) -> Option<Self> {
        let [first, more @ .., last] = layers else {
            return None;
        };
        let sizes = |dense: &Dense| (dense.inputs, dense.outputs);
        if sizes(first) != (I, H)
            || more.iter().any(|dense| sizes(dense) != (H, H))
            || sizes(last) != (H, CLASSES)
        {
            return None;
        }
        let mut packing = Packing::new(options.instructions);
        let mut pack = |dense: &Dense, relu| {
            let (weight, bias) = (&dense.weight, &dense.bias);
            DenseKernel::new(&mut packing, options.weights, weight, bias, relu)
        };
        let first = pack(first, true);
        let more: Vec<DenseKernel> = more.iter().map(|dense| pack(dense, true)).collect();
        let last = pack(last, false);
        let mut network = Self {
            first,
            more: more.try_into().ok()?,
            last,
            temperature,
            workspace: packing.finish(),
            inputs: [0.0; I],
            front: [0.0; H],
            back: [0.0; H],
            output: [0.0; CLASSES],
        };
        // Brings what an inference reads and writes into memory.
        network.infer(&[1.0; I], &mut [0.0; CLASSES]);
        Some(network)
    }

    /// Writes `probabilities` `[CLASSES]` from `features` `[I]`. Real-time safe.
    pub(super) fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) {
        for (x, feature) in self.inputs.iter_mut().zip(features) {
            *x = if feature.is_finite() { *feature } else { 0.0 };
        }
        match self.workspace.set() {
            // SAFETY: a workspace's set is one that the processor has, and its weights were packed
            // for it.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => unsafe { self.apply_avx512() },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { self.apply_avx2() },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => unsafe { self.apply_as::<float32x4_t, float32x4_t>() },
            // SAFETY: as above; plain Rust needs no instructions of its own.
            _ => unsafe { self.apply_as::<Plain, Plain>() },
        }
        let temperature = self.temperature;
        let softmax = Activation::Softmax { temperature };
        activation::apply(&self.workspace, softmax, CLASSES, &mut self.output);
        probabilities.copy_from_slice(&self.output);
    }

    pub(super) fn weight_bytes(&self) -> usize {
        self.workspace.weight_bytes()
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn apply_avx512(&mut self) {
        // SAFETY: the caller's promise.
        unsafe { self.apply_as::<__m512, __m256>() }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn apply_avx2(&mut self) {
        // SAFETY: the caller's promise.
        unsafe { self.apply_as::<__m256, __m256>() }
    }

    /// All layers.
    ///
    /// # Safety
    /// As for [`DenseKernel::apply_as`].
    #[inline(always)]
    unsafe fn apply_as<W: Lanes, N: Lanes>(&mut self) {
        let workspace = &mut self.workspace;
        let (mut front, mut back) = (&mut self.front, &mut self.back);
        // SAFETY: the caller's promise.
        unsafe {
            let first = self.first.of_size::<I, H>();
            first.apply_as::<W, N, H>(workspace, &self.inputs, front);
            for dense in &self.more {
                let dense = dense.of_size::<H, H>();
                dense.apply_as::<W, N, H>(workspace, front, back);
                std::mem::swap(&mut front, &mut back);
            }
            let last = self.last.of_size::<H, CLASSES>();
            last.apply_as::<W, N, CLASSES>(workspace, front, &mut self.output);
        }
    }
}
