//! The product of one matrix with several vectors at once, as convolutions need it.
//!
//! A weight that has been read serves several vectors, and their sums need not wait for each other.
//! A vector's sum is added up in the same order however many others there are: blocks of any
//! length give the same bits.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::InstructionSet;
use super::lanes::{Lanes, Plain};
use super::panel::{self, F32, Stored};
use super::weights::{LINE, Packing, Workspace, panels};

/// Vectors of rows in a panel at most: with [`AT_ONCE`] inputs their sums fit into 16 registers.
const MOST: usize = 3;

/// Inputs that are multiplied at once.
pub(super) const AT_ONCE: usize = 4;

/// `W x + b` for several `x`. Its weights, `f32`, are in the [`Workspace`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    inputs: usize,
    outputs: usize,
    /// Where the weights begin.
    place: usize,
}

/// Where the inputs of a [`Product`] lie: vectors at equal distances, each in runs at equal
/// distances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs {
    pub(super) vectors: usize,
    /// From the beginning of a vector to that of the next.
    pub(super) from_vector_to_vector: usize,
    /// `runs * run` is the length of a vector.
    pub(super) runs: usize,
    pub(super) run: usize,
    /// From the beginning of a run to that of the next.
    pub(super) from_run_to_run: usize,
}

impl Inputs {
    /// Values from the first that is read to the last.
    fn reach(self) -> usize {
        let last_vector = (self.vectors - 1) * self.from_vector_to_vector;
        last_vector + (self.runs - 1) * self.from_run_to_run + self.run
    }
}

impl Product {
    /// Packs `weight` `[outputs, inputs]`, row-major, and `bias` `[outputs]`.
    pub(super) fn new(packing: &mut Packing, weight: &[f32], bias: &[f32]) -> Self {
        let inputs = weight.len() / bias.len();
        debug_assert_eq!(weight.len(), inputs * bias.len());
        let place = packing.begin(inputs);
        let set = packing.set();
        let bytes = &mut packing.bytes;
        match set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => pack::<__m512, __m256>(weight, bias, bytes),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => pack::<__m256, __m256>(weight, bias, bytes),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => pack::<float32x4_t, float32x4_t>(weight, bias, bytes),
            _ => pack::<Plain, Plain>(weight, bias, bytes),
        }
        Self {
            inputs,
            outputs: bias.len(),
            place,
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Writes the results `[vectors]` at distances of `apart` to `y`, from vectors that lie in `x`
    /// as `inputs` says. Real-time safe.
    ///
    /// # Panics
    /// If `x` or `y` is too short.
    pub(super) fn apply(
        &self,
        workspace: &Workspace,
        x: &[f32],
        inputs: Inputs,
        y: &mut [f32],
        apart: usize,
    ) {
        if inputs.vectors == 0 {
            return;
        }
        assert!(
            inputs.runs * inputs.run == self.inputs
                && inputs.reach() <= x.len()
                && (inputs.vectors - 1) * apart + self.outputs <= y.len(),
            "a vector's length"
        );
        match workspace.set() {
            // SAFETY: a workspace's set is one that the processor has, and its weights were packed
            // for it; the lengths have been checked.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => unsafe {
                self.apply_avx512(workspace, x, inputs, y, apart);
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { self.apply_avx2(workspace, x, inputs, y, apart) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => unsafe {
                self.apply_as::<float32x4_t, float32x4_t>(workspace, x, inputs, y, apart);
            },
            // SAFETY: as above; plain Rust needs no instructions of its own.
            _ => unsafe { self.apply_as::<Plain, Plain>(workspace, x, inputs, y, apart) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn apply_avx512(
        &self,
        workspace: &Workspace,
        x: &[f32],
        inputs: Inputs,
        y: &mut [f32],
        apart: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe { self.apply_as::<__m512, __m256>(workspace, x, inputs, y, apart) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn apply_avx2(
        &self,
        workspace: &Workspace,
        x: &[f32],
        inputs: Inputs,
        y: &mut [f32],
        apart: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe { self.apply_as::<__m256, __m256>(workspace, x, inputs, y, apart) }
    }

    /// With vectors `N` for few rows and `W` for others.
    ///
    /// # Safety
    /// As for [`Lanes`]; the weights were packed for the same vectors, and `x` and `y` are as long
    /// as [`Self::apply`] checks.
    #[inline(always)]
    unsafe fn apply_as<W: Lanes, N: Lanes>(
        &self,
        workspace: &Workspace,
        x: &[f32],
        inputs: Inputs,
        y: &mut [f32],
        apart: usize,
    ) {
        let weights = workspace.weights(self.place);
        // SAFETY: the caller's promise.
        unsafe {
            if self.outputs > N::WIDTH {
                self.multiply::<W>(weights, x, inputs, y, apart);
            } else {
                self.multiply::<N>(weights, x, inputs, y, apart);
            }
        }
    }

    /// # Safety
    /// As for [`Self::apply_as`].
    #[inline(always)]
    unsafe fn multiply<V: Lanes>(
        &self,
        weights: *const u8,
        x: &[f32],
        inputs: Inputs,
        y: &mut [f32],
        apart: usize,
    ) {
        let mut panel = weights.cast::<f32>();
        let mut row = 0;
        for vectors in panels(self.outputs, V::WIDTH, MOST) {
            let rows = vectors * V::WIDTH;
            let of = row..self.outputs.min(row + rows);
            // SAFETY: the caller's promise; the panels are cut as they were packed.
            unsafe {
                // As many sums as there are registers for: see `multiply_panel`.
                let many = const { V::PANEL > 16 };
                match vectors {
                    1 if many => multiply_panel::<V, 1, 4>(panel, x, inputs, y, apart, of),
                    1 => multiply_panel::<V, 1, 2>(panel, x, inputs, y, apart, of),
                    2 if many => multiply_panel::<V, 2, 2>(panel, x, inputs, y, apart, of),
                    2 => multiply_panel::<V, 2, 1>(panel, x, inputs, y, apart, of),
                    _ if many => multiply_panel::<V, 3, 2>(panel, x, inputs, y, apart, of),
                    _ => multiply_panel::<V, 3, 1>(panel, x, inputs, y, apart, of),
                }
                let bytes = ((1 + self.inputs) * rows * F32::BYTES).next_multiple_of(LINE);
                panel = panel.byte_add(bytes);
            }
            row += rows;
        }
    }
}

/// With vectors `N` for few rows and `W` for others.
fn pack<W: Lanes, N: Lanes>(weight: &[f32], bias: &[f32], bytes: &mut Vec<u8>) {
    let width = if bias.len() > N::WIDTH {
        W::WIDTH
    } else {
        N::WIDTH
    };
    panel::pack::<F32>(weight, bias, width, MOST, bytes);
}

/// One panel of `N` vectors of rows, the rows `of` of the matrix. One of `PARTS` columns in turn has
/// sums of its own, so that fewer additions wait for each other where the vectors come one by one.
///
/// # Safety
/// As for [`Product::apply_as`].
#[inline(always)]
unsafe fn multiply_panel<V: Lanes, const N: usize, const PARTS: usize>(
    panel: *const f32,
    x: &[f32],
    inputs: Inputs,
    y: &mut [f32],
    apart: usize,
    of: std::ops::Range<usize>,
) {
    let mut done = 0;
    let place = |vector: usize| {
        (
            x[vector * inputs.from_vector_to_vector..].as_ptr(),
            vector * apart + of.start,
        )
    };
    while done + AT_ONCE <= inputs.vectors {
        let (x, first) = place(done);
        // SAFETY: the caller's promise; so many vectors there are.
        let results = unsafe { sums::<V, N, PARTS, AT_ONCE>(panel, x, inputs) };
        for (i, result) in results.iter().enumerate() {
            let y = &mut y[first + i * apart..][..of.len()];
            // SAFETY: the caller's promise.
            unsafe { panel::store(result, y, false) };
        }
        done += AT_ONCE;
    }
    while done < inputs.vectors {
        let (x, first) = place(done);
        // SAFETY: as above.
        unsafe {
            let [result] = sums::<V, N, PARTS, 1>(panel, x, inputs);
            panel::store(&result, &mut y[first..][..of.len()], false);
        }
        done += 1;
    }
}

/// The results of the rows of a panel for the `AT` vectors from `x` on.
///
/// # Safety
/// As for [`Product::apply_as`]; `x` points to the first of so many vectors.
#[inline(always)]
unsafe fn sums<V: Lanes, const N: usize, const PARTS: usize, const AT: usize>(
    panel: *const f32,
    x: *const f32,
    inputs: Inputs,
) -> [[V; N]; AT] {
    // SAFETY: the caller's promise: the panel has its biases and as many columns as a vector has
    // values, and no value is read beyond the last run of the last vector.
    unsafe {
        let mut parts = [[[V::splat(0.0); N]; AT]; PARTS];
        for (i, bias) in (0..N).map(|i| (i, V::load(panel.add(i * V::WIDTH)))) {
            for sums in &mut parts[0] {
                sums[i] = bias;
            }
        }
        let mut column = panel.add(N * V::WIDTH);
        for run in 0..inputs.runs {
            let x = x.add(run * inputs.from_run_to_run);
            let mut i = 0;
            while i + PARTS <= inputs.run {
                for (part, sums) in parts.iter_mut().enumerate() {
                    add_column::<V, N, AT>(column, x.add(i + part), inputs, sums);
                    column = column.add(N * V::WIDTH);
                }
                i += PARTS;
            }
            while i < inputs.run {
                add_column::<V, N, AT>(column, x.add(i), inputs, &mut parts[0]);
                column = column.add(N * V::WIDTH);
                i += 1;
            }
        }
        let mut total = parts[0];
        for part in &parts[1..] {
            for (total, part) in total.iter_mut().zip(part) {
                for (total, part) in total.iter_mut().zip(part) {
                    *total = total.add(*part);
                }
            }
        }
        total
    }
}

/// Adds the products of one column with one value, at `x`, of each vector.
///
/// # Safety
/// As for [`sums`].
#[inline(always)]
unsafe fn add_column<V: Lanes, const N: usize, const AT: usize>(
    column: *const f32,
    x: *const f32,
    inputs: Inputs,
    sums: &mut [[V; N]; AT],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut weights = [V::splat(0.0); N];
        for (i, weight) in weights.iter_mut().enumerate() {
            *weight = V::load(column.add(i * V::WIDTH));
        }
        for (vector, sums) in sums.iter_mut().enumerate() {
            let input = V::splat(x.add(vector * inputs.from_vector_to_vector).read());
            for (sum, weight) in sums.iter_mut().zip(&weights) {
                *sum = weight.multiply_add(input, *sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the product makes of the vectors that lie in `x` as `inputs` says, between values that
    /// must stay as they are.
    fn computed(
        set: InstructionSet,
        weight: &[f32],
        bias: &[f32],
        x: &[f32],
        inputs: Inputs,
    ) -> Vec<f32> {
        let mut packing = Packing::new(set);
        packing.begin(1);
        packing.bytes.push(0);
        let product = Product::new(&mut packing, weight, bias);
        let workspace = packing.finish();
        let apart = bias.len() + 3;
        let mut y = vec![-7.5; inputs.vectors * apart];
        product.apply(&workspace, x, inputs, &mut y, apart);
        let mut results = Vec::new();
        for y in y.chunks_exact(apart) {
            assert!(y[bias.len()..].iter().all(|y| *y == -7.5), "{set}");
            results.extend_from_slice(&y[..bias.len()]);
        }
        results
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_agrees_with_double_precision_however_many_vectors_there_are(
            (vectors, from_vector_to_vector) in (1..11_usize, 1..40_usize),
            (runs, run, between) in (1..5_usize, 1..20_usize, 0..30_usize),
            outputs in 1..70_usize,
            seed in any::<u32>(),
        ) {
            let inputs = Inputs { vectors, from_vector_to_vector, runs, run, from_run_to_run: run + between };
            let mut state = seed | 1;
            let mut noise = |n: usize| -> Vec<f32> {
                (0..n)
                    .map(|_| {
                        // xorshift32, Marsaglia 2003.
                        state ^= state << 13;
                        state ^= state >> 17;
                        state ^= state << 5;
                        state as f32 / u32::MAX as f32 * 2.0 - 1.0
                    })
                    .collect()
            };
            let weight = noise(outputs * runs * run);
            let bias = noise(outputs);
            // Exactly as long as what is read: anything beyond is somebody else's.
            let x = noise(inputs.reach());
            for set in InstructionSet::available() {
                let all = computed(set, &weight, &bias, &x, inputs);
                for v in 0..vectors {
                    let x = &x[v * from_vector_to_vector..];
                    let alone = computed(set, &weight, &bias, x, Inputs { vectors: 1, ..inputs });
                    for o in 0..outputs {
                        let (mut sum, mut absolute) = (f64::from(bias[o]), 1.0_f64);
                        for i in 0..runs * run {
                            let value = x[i / run * inputs.from_run_to_run + i % run];
                            let product = f64::from(weight[o * runs * run + i]) * f64::from(value);
                            sum += product;
                            absolute += product.abs();
                        }
                        let found = all[v * outputs + o];
                        let bound = absolute * f64::from(f32::EPSILON) * ((runs * run) as f64 + 4.0);
                        prop_assert!((f64::from(found) - sum).abs() <= bound, "{set}: {found}, {sum}");
                        prop_assert_eq!(found.to_bits(), alone[o].to_bits());
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "a vector's length")]
    fn vectors_that_reach_too_far_are_refused() {
        let inputs = Inputs {
            vectors: 2,
            from_vector_to_vector: 1,
            runs: 1,
            run: 4,
            from_run_to_run: 4,
        };
        let best = InstructionSet::best();
        computed(best, &[1.0; 8], &[0.0; 2], &[1.0; 4], inputs);
    }
}
