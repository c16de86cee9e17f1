//! The matrix-vector product at the bottom of nearly every layer.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::lanes::{Lanes, Plain};
use super::panel::{Bf16, F16, F32};
use super::weights::{ANY, Packing, Workspace};
use super::{InstructionSet, WeightFormat, columns, half_precision, int8, panel};

/// With fewer rows than this, vectors run along the rows: padding would be most of the weights.
const FEWEST_ROWS: usize = 4;

/// With fewer inputs than this, looking for zeros among them takes longer than it saves.
const FEWEST_INPUTS_TO_SKIP: usize = 64;

/// With as many rows as this, whole columns are read: see [`columns`].
const FEWEST_ROWS_IN_COLUMNS: usize = 512;

/// Vectors of sums kept for a single row: enough to hide the latency of the additions.
const ROW_SUMS: usize = 4;

/// `W x + b`, on request with a ReLU behind it. Its weights are in the [`Workspace`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct DenseKernel {
    inputs: usize,
    outputs: usize,
    relu: bool,
    layout: Layout,
    /// Where the weights begin.
    place: usize,
}

/// How the weights lie in memory.
#[derive(Debug, Clone, Copy)]
enum Layout {
    /// `[outputs, inputs]`, then the biases `[outputs]`; `f32`.
    Rows,
    /// See [`panel`] and [`int8`].
    Panels(WeightFormat),
}

impl DenseKernel {
    /// Packs `weight` `[outputs, inputs]`, row-major, and `bias` `[outputs]`, in `format` if that
    /// can hold them and else in `f32`.
    pub(crate) fn new(
        packing: &mut Packing,
        format: WeightFormat,
        weight: &[f32],
        bias: &[f32],
        relu: bool,
    ) -> Self {
        let inputs = weight.len() / bias.len();
        debug_assert_eq!(weight.len(), inputs * bias.len());
        let place = packing.begin(inputs.max(bias.len()));
        let layout = if bias.len() < FEWEST_ROWS {
            let values = weight.iter().chain(bias);
            packing
                .bytes
                .extend(values.flat_map(|value| value.to_ne_bytes()));
            Layout::Rows
        } else {
            let format = match format {
                WeightFormat::Int8 if inputs > int8::MOST_INPUTS => WeightFormat::F32,
                format if !half_precision::holds(format, &[(weight, inputs)]) => WeightFormat::F32,
                format => format,
            };
            let set = packing.set();
            let bytes = &mut packing.bytes;
            match set {
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512 => pack::<__m512, __m256>(format, weight, bias, bytes),
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2 => pack::<__m256, __m256>(format, weight, bias, bytes),
                #[cfg(target_arch = "aarch64")]
                InstructionSet::Neon => {
                    pack::<float32x4_t, float32x4_t>(format, weight, bias, bytes);
                }
                _ => pack::<Plain, Plain>(format, weight, bias, bytes),
            }
            Layout::Panels(format)
        };
        Self {
            inputs,
            outputs: bias.len(),
            relu,
            layout,
            place,
        }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The same with sizes that the compiler knows: those it has.
    #[inline(always)]
    pub(crate) fn of_size<const INPUTS: usize, const OUTPUTS: usize>(self) -> Self {
        debug_assert!((self.inputs, self.outputs) == (INPUTS, OUTPUTS));
        Self {
            inputs: INPUTS,
            outputs: OUTPUTS,
            ..self
        }
    }

    /// Writes `y` `[steps, outputs]` from `x` `[steps, inputs]`. Real-time safe.
    pub(crate) fn apply(&self, workspace: &mut Workspace, x: &[f32], y: &mut [f32], steps: usize) {
        if let Layout::Rows = self.layout {
            return self.dispatch(workspace, x, y);
        }
        // Step by step: around a loop the compiler would prepare what each of the formats needs,
        // which is more than many a layer takes.
        let (mut x, mut y) = (x, y);
        for _ in 0..steps {
            let (input, later) = x.split_at(self.inputs);
            let (output, later_output) = y.split_at_mut(self.outputs);
            self.dispatch(workspace, input, output);
            (x, y) = (later, later_output);
        }
    }

    /// All steps of a layer that lies in rows, one of any other.
    fn dispatch(&self, workspace: &mut Workspace, x: &[f32], y: &mut [f32]) {
        match workspace.set() {
            // SAFETY: a workspace's set is one that the processor has, and its weights were packed
            // for it.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => unsafe { self.apply_avx512(workspace, x, y) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { self.apply_avx2(workspace, x, y) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => unsafe {
                self.apply_steps::<float32x4_t, float32x4_t>(workspace, x, y);
            },
            // SAFETY: as above; plain Rust needs no instructions of its own.
            _ => unsafe { self.apply_steps::<Plain, Plain>(workspace, x, y) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn apply_avx512(&self, workspace: &mut Workspace, x: &[f32], y: &mut [f32]) {
        // SAFETY: the caller's promise.
        unsafe { self.apply_steps::<__m512, __m256>(workspace, x, y) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn apply_avx2(&self, workspace: &mut Workspace, x: &[f32], y: &mut [f32]) {
        // SAFETY: the caller's promise.
        unsafe { self.apply_steps::<__m256, __m256>(workspace, x, y) }
    }

    /// # Safety
    /// As for [`Self::apply_as`].
    #[inline(always)]
    unsafe fn apply_steps<W: Lanes, N: Lanes>(
        &self,
        workspace: &mut Workspace,
        x: &[f32],
        y: &mut [f32],
    ) {
        if let Layout::Rows = self.layout {
            assert!(
                x.len() * self.outputs == y.len() * self.inputs,
                "as many steps come out as go in"
            );
            let weights = workspace.weights(self.place);
            let (mut x, mut y) = (x, y);
            while !x.is_empty() {
                let (input, later) = x.split_at(self.inputs);
                let (output, later_output) = y.split_at_mut(self.outputs);
                // SAFETY: the caller's promise; the vectors have the layer's lengths.
                unsafe { self.apply_rows::<N>(weights, input, output) };
                (x, y) = (later, later_output);
            }
        } else {
            // SAFETY: the caller's promise.
            unsafe { self.apply_as::<W, N, ANY>(workspace, x, y) };
        }
    }

    /// With vectors `N` for few rows and `W` for others. `ROWS` is the number of outputs, or [`ANY`].
    ///
    /// # Safety
    /// As for [`Lanes`]; the weights were packed for the same vectors.
    #[inline(always)]
    pub(crate) unsafe fn apply_as<W: Lanes, N: Lanes, const ROWS: usize>(
        &self,
        workspace: &mut Workspace,
        x: &[f32],
        y: &mut [f32],
    ) {
        assert!(
            x.len() == self.inputs && y.len() == self.outputs,
            "a vector's length"
        );
        // SAFETY: the caller's promise; the lengths have been checked.
        unsafe {
            match self.layout {
                Layout::Rows => self.apply_rows::<N>(workspace.weights(self.place), x, y),
                Layout::Panels(format) if self.outputs > N::WIDTH => {
                    self.apply_panels::<W, ROWS>(format, workspace, x, y);
                }
                // They fit a single vector.
                Layout::Panels(format) => self.apply_panels::<N, 1>(format, workspace, x, y),
            }
        }
    }

    /// The output of a layer that has but one.
    ///
    /// # Safety
    /// As for [`Self::apply_as`].
    #[inline(always)]
    pub(crate) unsafe fn apply_row<V: Lanes>(&self, workspace: &Workspace, x: &[f32]) -> f32 {
        assert!(
            x.len() == self.inputs && self.outputs == 1,
            "a vector's length"
        );
        let mut y = [0.0];
        // SAFETY: the caller's promise; the lengths have been checked, and so few rows are packed
        // as rows.
        unsafe { self.apply_rows::<V>(workspace.weights(self.place), x, &mut y) };
        y[0]
    }

    #[inline(always)]
    unsafe fn apply_panels<V: Lanes, const ROWS: usize>(
        &self,
        format: WeightFormat,
        workspace: &mut Workspace,
        x: &[f32],
        y: &mut [f32],
    ) {
        let weights = workspace.weights(self.place);
        // SAFETY: the caller's promise.
        unsafe {
            if format == WeightFormat::Int8 {
                let quantized = &mut workspace.quantized;
                return int8::multiply::<V, ROWS>(weights, quantized, x, y, self.relu);
            }
            let columns = if x.len() < FEWEST_INPUTS_TO_SKIP {
                &workspace.all[..x.len()]
            } else {
                let n = V::nonzero(x, &mut workspace.columns);
                &workspace.columns[..n]
            };
            let sums = workspace.sums.as_mut_ptr().cast();
            macro_rules! multiply {
                ($stored:ty) => {
                    if y.len() < FEWEST_ROWS_IN_COLUMNS {
                        panel::multiply::<V, $stored, ROWS>(weights, columns, x, y, self.relu);
                    } else {
                        columns::multiply::<V, $stored>(weights, columns, x, sums, y, self.relu);
                    }
                };
            }
            match format {
                WeightFormat::F16 => multiply!(F16),
                WeightFormat::Bf16 => multiply!(Bf16),
                _ => multiply!(F32),
            }
        }
    }

    /// # Safety
    /// As for [`Lanes`]; `weights` points to `inputs * outputs` weights and `outputs` biases.
    #[inline(always)]
    unsafe fn apply_rows<V: Lanes>(&self, weights: *const u8, x: &[f32], y: &mut [f32]) {
        let weights: *const f32 = weights.cast();
        // SAFETY: the caller's promise; a place is aligned to a cache line.
        unsafe {
            let biases = weights.add(self.inputs * self.outputs);
            for (i, y) in y.iter_mut().enumerate() {
                let sum = dot::<V>(weights.add(i * self.inputs), x) + biases.add(i).read();
                *y = if self.relu { sum.max(0.0) } else { sum };
            }
        }
    }
}

/// With vectors `N` for few rows and `W` for others.
fn pack<W: Lanes, N: Lanes>(
    format: WeightFormat,
    weight: &[f32],
    bias: &[f32],
    bytes: &mut Vec<u8>,
) {
    if bias.len() > N::WIDTH {
        pack_panels::<W>(format, weight, bias, bytes);
    } else {
        pack_panels::<N>(format, weight, bias, bytes);
    }
}

fn pack_panels<V: Lanes>(format: WeightFormat, weight: &[f32], bias: &[f32], bytes: &mut Vec<u8>) {
    let width = V::WIDTH;
    // See [`columns`]: a single panel.
    let most = if bias.len() < FEWEST_ROWS_IN_COLUMNS {
        V::PANEL
    } else {
        usize::MAX
    };
    match format {
        WeightFormat::F32 => panel::pack::<F32>(weight, bias, width, most, bytes),
        WeightFormat::F16 => panel::pack::<F16>(weight, bias, width, most, bytes),
        WeightFormat::Bf16 => panel::pack::<Bf16>(weight, bias, width, most, bytes),
        WeightFormat::Int8 => {
            int8::pack(weight, bias, width, V::INTEGER_PANEL, V::COLUMNS, bytes);
        }
    }
}

/// The scalar product of `row` and `x`.
///
/// # Safety
/// As for [`Lanes`]; `row` points to `x.len()` values.
#[inline(always)]
unsafe fn dot<V: Lanes>(row: *const f32, x: &[f32]) -> f32 {
    // SAFETY: the caller's promise; no index is beyond the length.
    unsafe {
        let mut sums = [V::splat(0.0); ROW_SUMS];
        let mut i = 0;
        while i + ROW_SUMS * V::WIDTH <= x.len() {
            for sum in &mut sums {
                let values = V::load(x.as_ptr().add(i));
                *sum = V::load(row.add(i)).multiply_add(values, *sum);
                i += V::WIDTH;
            }
        }
        while i + V::WIDTH <= x.len() {
            let values = V::load(x.as_ptr().add(i));
            sums[0] = V::load(row.add(i)).multiply_add(values, sums[0]);
            i += V::WIDTH;
        }
        let mut rest = 0.0;
        while i < x.len() {
            rest += row.add(i).read() * x[i];
            i += 1;
        }
        let [a, b, c, d] = sums;
        a.add(b).add(c.add(d)).sum() + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A layer and an input, as they may lie in memory.
    #[derive(Debug, Clone)]
    struct Case {
        inputs: usize,
        outputs: usize,
        /// Where the vectors begin behind an aligned place, values.
        offset: usize,
        /// How many inputs of a hundred are zero.
        zeros: u32,
        relu: bool,
        seed: u64,
    }

    fn cases() -> impl Strategy<Value = Case> {
        let zeros = prop_oneof![Just(0), Just(50), Just(100), 0..=100_u32];
        (
            1..300_usize,
            prop_oneof![1..450_usize, 450..900_usize],
            0..16_usize,
            zeros,
            any::<bool>(),
            any::<u64>(),
        )
            .prop_map(|(inputs, outputs, offset, zeros, relu, seed)| Case {
                inputs,
                outputs,
                offset,
                zeros,
                relu,
                seed,
            })
    }

    /// Deterministic noise from -1 to 1: xorshift64*, Vigna 2016.
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> f32 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
            bits as f32 / (1 << 23) as f32 - 1.0
        }

        fn values(&mut self, n: usize) -> Vec<f32> {
            (0..n).map(|_| self.next()).collect()
        }
    }

    struct Drawn {
        weight: Vec<f32>,
        bias: Vec<f32>,
        x: Vec<f32>,
    }

    fn draw(case: &Case) -> Drawn {
        let mut noise = Noise(case.seed | 1);
        let weight = noise.values(case.inputs * case.outputs);
        let bias = noise.values(case.outputs);
        let is_zero = |noise: &mut Noise| (noise.next() + 1.0) * 50.0 < case.zeros as f32;
        let x = (0..case.inputs)
            .map(|_| {
                if is_zero(&mut noise) {
                    0.0
                } else {
                    3.0 * noise.next()
                }
            })
            .collect();
        Drawn { weight, bias, x }
    }

    /// What the kernel makes of it, between values that must neither be read nor written.
    fn computed(set: InstructionSet, format: WeightFormat, case: &Case, drawn: &Drawn) -> Vec<f32> {
        let mut packing = Packing::new(set);
        // Not at the beginning, and with something behind it.
        packing.begin(1);
        packing.bytes.push(0);
        let (weight, bias) = (&drawn.weight, &drawn.bias);
        let kernel = DenseKernel::new(&mut packing, format, weight, bias, case.relu);
        packing.begin(1);
        packing.bytes.extend([0xff; 256]);
        let mut workspace = packing.finish();
        let mut x = vec![f32::NAN; case.offset];
        x.extend(&drawn.x);
        x.extend([f32::NAN; 32]);
        let mut y = vec![-7.5; case.offset + case.outputs + 32];
        let inputs = case.offset..case.offset + case.inputs;
        let outputs = case.offset..case.offset + case.outputs;
        kernel.apply(&mut workspace, &x[inputs], &mut y[outputs.clone()], 1);
        let untouched = |y: &[f32]| y.iter().all(|y| *y == -7.5);
        assert!(
            untouched(&y[..outputs.start]) && untouched(&y[outputs.end..]),
            "{case:?}"
        );
        y[outputs].to_vec()
    }

    /// In double precision: the result of each row, and the sum of the absolute products.
    fn exact(case: &Case, drawn: &Drawn) -> Vec<(f64, f64)> {
        let row = |(row, bias): (&[f32], &f32)| {
            let products = row
                .iter()
                .zip(&drawn.x)
                .map(|(w, x)| f64::from(*w) * f64::from(*x));
            let (sum, absolute) = products
                .fold((f64::from(*bias), f64::from(bias.abs())), |s, p| {
                    (s.0 + p, s.1 + p.abs())
                });
            (if case.relu { sum.max(0.0) } else { sum }, absolute)
        };
        drawn
            .weight
            .chunks_exact(case.inputs)
            .zip(&drawn.bias)
            .map(row)
            .collect()
    }

    /// What the format may add to the error of a row, beyond the rounding of the sums.
    fn coarseness(format: WeightFormat, row: &[f32], x: &[f32], absolute: f64) -> f64 {
        let largest = |values: &[f32]| {
            values
                .iter()
                .fold(0.0_f64, |largest, v| largest.max(f64::from(v.abs())))
        };
        let total = |values: &[f32]| values.iter().map(|v| f64::from(v.abs())).sum::<f64>();
        match format {
            WeightFormat::F32 => 0.0,
            // Half a step of 11 bits, and half of the smallest number there is.
            WeightFormat::F16 => absolute * 2.0_f64.powi(-11) + total(x) * 2.0_f64.powi(-25),
            WeightFormat::Bf16 => absolute * 2.0_f64.powi(-8),
            // Half a step of the weights and half a step of the inputs.
            WeightFormat::Int8 => {
                let step = largest(row) / 127.0;
                let steps = (i32::MAX as usize / (127 * x.len())).min(127 * 256);
                0.51 * step * total(x)
                    + 0.51 * largest(x) / steps as f64 * (total(row) + step * 99.0)
            }
        }
    }

    fn check(case: &Case) {
        let drawn = draw(case);
        let exact = exact(case, &drawn);
        for format in WeightFormat::ALL {
            let plain = computed(InstructionSet::Plain, format, case, &drawn);
            for set in InstructionSet::available() {
                let found = computed(set, format, case, &drawn);
                for (i, (found, (expected, absolute))) in found.iter().zip(&exact).enumerate() {
                    let rounding = absolute * f64::from(f32::EPSILON) * (case.inputs as f64 + 4.0);
                    let row = &drawn.weight[i * case.inputs..][..case.inputs];
                    let bound = rounding + coarseness(format, row, &drawn.x, *absolute);
                    let error = (f64::from(*found) - expected).abs();
                    assert!(
                        error <= bound,
                        "{set}, {format}, row {i}: {error:e}, {case:?}"
                    );
                    let error = (f64::from(*found) - f64::from(plain[i])).abs();
                    // Sums of integers are exact.
                    let steps = if format == WeightFormat::Int8 {
                        4.0
                    } else {
                        case.inputs as f64
                    };
                    let bound = 2.0 * absolute * f64::from(f32::EPSILON) * (steps + 4.0);
                    assert!(
                        error <= bound,
                        "{set} and plain, {format}, row {i}: {error:e}, {case:?}"
                    );
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn kernels_agree_with_double_precision_and_with_the_plain_version(case in cases()) {
            check(&case);
        }
    }

    #[test]
    fn panels_of_every_size_agree() {
        let sizes = (1..=420).chain(FEWEST_ROWS_IN_COLUMNS - 2..FEWEST_ROWS_IN_COLUMNS + 70);
        for outputs in sizes.step_by(if cfg!(debug_assertions) { 7 } else { 1 }) {
            for inputs in [3, 70] {
                let case = Case {
                    inputs,
                    outputs,
                    offset: outputs % 5,
                    zeros: 40,
                    relu: outputs % 2 == 0,
                    seed: outputs as u64,
                };
                check(&case);
            }
        }
    }

    #[test]
    fn inputs_that_are_all_the_largest_do_not_overflow_the_integers() {
        for inputs in [100, 800, int8::MOST_INPUTS, int8::MOST_INPUTS + 1] {
            let case = Case {
                inputs,
                outputs: 20,
                offset: 0,
                zeros: 0,
                relu: false,
                seed: 1,
            };
            let drawn = Drawn {
                weight: vec![-0.5; inputs * 20],
                bias: vec![1.0; 20],
                x: vec![-2.0; inputs],
            };
            for set in InstructionSet::available() {
                let y = computed(set, WeightFormat::Int8, &case, &drawn);
                let expected = inputs as f32 + 1.0;
                assert!(
                    y.iter().all(|y| (y / expected - 1.0).abs() < 1e-5),
                    "{set}: {y:?}"
                );
            }
        }
    }

    #[test]
    fn weights_that_16_bits_do_not_hold_stay_as_they_are() {
        let case = Case {
            inputs: 70,
            outputs: 9,
            offset: 0,
            zeros: 0,
            relu: false,
            seed: 3,
        };
        let drawn = draw(&case);
        let [mut beyond, mut far_beyond, mut small] = [(); 3].map(|()| drawn.weight.clone());
        beyond[5] = 70_000.0;
        far_beyond[5] = f32::MAX;
        // A row, as a normalisation behind the layer may make it.
        small[70..140].iter_mut().for_each(|w| *w *= 1e-7);
        for (format, weight) in [
            (WeightFormat::F16, &beyond),
            (WeightFormat::F16, &far_beyond),
            (WeightFormat::Bf16, &far_beyond),
            (WeightFormat::F16, &small),
        ] {
            let mut x = drawn.x.clone();
            x[5] = 0.5;
            let drawn = Drawn {
                weight: weight.clone(),
                bias: drawn.bias.clone(),
                x,
            };
            for set in InstructionSet::available() {
                assert_eq!(
                    computed(set, format, &case, &drawn),
                    computed(set, WeightFormat::F32, &case, &drawn),
                    "{set}, {format}"
                );
            }
        }
    }

    #[test]
    fn inputs_that_are_no_numbers_are_not_overlooked() {
        for set in InstructionSet::available() {
            for format in [WeightFormat::F32, WeightFormat::F16, WeightFormat::Bf16] {
                let case = Case {
                    inputs: 80,
                    outputs: 40,
                    offset: 0,
                    zeros: 90,
                    relu: false,
                    seed: 4,
                };
                let mut drawn = draw(&case);
                drawn.x[77] = f32::NAN;
                let y = computed(set, format, &case, &drawn);
                assert!(y.iter().all(|y| y.is_nan()), "{set}, {format}");
                let y = computed(set, format, &Case { relu: true, ..case }, &drawn);
                assert!(y.iter().all(|y| *y == 0.0), "{set}, {format}");
            }
        }
    }
}
