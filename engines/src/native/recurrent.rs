//! Recurrent layers, many steps at once.
//!
//! A step is one pass over the weights: see [`gates`] for how they lie. The sums of all gates of
//! some units stay in registers until the new state of these units is made of them.

mod gates;
mod gru;
mod lstm;

use std::marker::PhantomData;

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::lanes::{Lanes, Plain};
use super::panel::{F16, F32, Stored};
use super::weights::{Packing, Workspace};
use super::{InstructionSet, WeightFormat, half_precision, weights};
use gates::Gates;
use gru::GruCell;
use lstm::LstmCell;

/// See [`crate::network::Gru`] for what is computed.
pub(crate) type GruKernel = RecurrentKernel<GruCell>;

/// See [`crate::network::Lstm`] for what is computed.
pub(crate) type LstmKernel = RecurrentKernel<LstmCell>;

/// Layers up to this many bytes stay `f32` whatever is asked for: the first level of the caches
/// holds them, and reading them is not what takes the time.
const CACHED_BYTES: usize = 32 * 1024;

/// States smaller than this become 0, so that what decays does not end in denormal numbers.
const LEAST: f32 = 1e-24;

/// States larger than this become this, so that what grows does not end in infinity.
const LARGEST: f32 = 1e24;

/// How a recurrent layer makes its new state.
pub(crate) trait Cell {
    /// Sums that an input, or a value of the state, goes into, for one unit.
    const GATES: usize;

    /// Writes the new state of the units of a panel of `N` vectors.
    ///
    /// # Safety
    /// As for [`Lanes`]. What [`Panel`] points to is as it says.
    unsafe fn step<V: Lanes, S: Stored, const N: usize>(panel: Panel);
}

/// Where a panel's weights and values are.
#[derive(Clone, Copy)]
pub(crate) struct Panel {
    /// As packed by [`Gates::pack`].
    weights: *const u8,
    /// `[inputs]`
    inputs: usize,
    x: *const f32,
    /// `[units]`, the state before the step.
    units: usize,
    h: *const f32,
    /// The panel's own units: the state before the step, room for the new one, and what else the
    /// cell keeps.
    own: *const f32,
    next: *mut f32,
    cell: *mut f32,
}

/// The lengths of a layer's input and state.
#[derive(Clone, Copy)]
struct Sizes {
    inputs: usize,
    units: usize,
}

/// A row of the state, so that vectors lie at whole cache lines.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Row([f32; 16]);

/// What a layer remembers.
struct State {
    /// `[3, rows]`: `h`, room for the next `h`, and what the cell keeps.
    rows: Vec<Row>,
    /// Whether `h` is in the second row and the room for the next in the first. They take turns, so
    /// that no step waits for a copy.
    swapped: bool,
}

/// A recurrent layer with its state. Its weights are in the [`Workspace`].
pub(crate) struct RecurrentKernel<C> {
    sizes: Sizes,
    format: WeightFormat,
    place: usize,
    /// The vectors of each panel.
    panels: Vec<usize>,
    state: State,
    cell: PhantomData<C>,
}

impl<C: Cell> RecurrentKernel<C> {
    /// Packs `gates`, in half precision if that is asked for and pays.
    fn pack(packing: &mut Packing, format: WeightFormat, gates: &Gates) -> Self {
        let (inputs, units) = (gates.inputs, gates.units);
        let large = gates.weights().count() * F32::BYTES > CACHED_BYTES;
        let matrices = [(gates.kernel, inputs), (gates.recurrent, units)];
        let fits = || half_precision::holds(WeightFormat::F16, &matrices);
        let format = match format {
            WeightFormat::F32 => WeightFormat::F32,
            _ if large && fits() => WeightFormat::F16,
            _ => WeightFormat::F32,
        };
        let place = packing.begin(inputs);
        let (width, most) = match packing.set() {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 if is_wide(units) => cut::<__m512, C>(),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 | InstructionSet::Avx2 => cut::<__m256, C>(),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => cut::<float32x4_t, C>(),
            _ => cut::<Plain, C>(),
        };
        let panels: Vec<usize> = weights::panels(units, width, most).collect();
        match format {
            WeightFormat::F16 => gates.pack::<F16>(&panels, width, &mut packing.bytes),
            _ => gates.pack::<F32>(&panels, width, &mut packing.bytes),
        }
        Self {
            sizes: Sizes { inputs, units },
            format,
            place,
            panels,
            state: State {
                rows: vec![Row([0.0; 16]); 3 * units.div_ceil(16)],
                swapped: false,
            },
            cell: PhantomData,
        }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.sizes.units
    }

    pub(crate) fn reset(&mut self) {
        self.state.rows.fill(Row([0.0; 16]));
        self.state.swapped = false;
    }

    /// Writes `y` `[steps, units]` from `x` `[steps, inputs]`. Real-time safe.
    pub(crate) fn steps(&mut self, workspace: &Workspace, x: &[f32], y: &mut [f32], steps: usize) {
        match workspace.set() {
            // SAFETY: a workspace's set is one that the processor has, and its weights were packed
            // for it.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 if is_wide(self.sizes.units) => unsafe {
                self.steps_avx512(workspace, x, y, steps);
            },
            // SAFETY: as above; what has AVX-512 has AVX2.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 | InstructionSet::Avx2 => unsafe {
                self.steps_avx2(workspace, x, y, steps);
            },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => unsafe {
                self.steps_as::<float32x4_t>(workspace, x, y, steps);
            },
            // SAFETY: as above; plain Rust needs no instructions of its own.
            _ => unsafe { self.steps_as::<Plain>(workspace, x, y, steps) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn steps_avx512(
        &mut self,
        workspace: &Workspace,
        x: &[f32],
        y: &mut [f32],
        steps: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe { self.steps_as::<__m512>(workspace, x, y, steps) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn steps_avx2(&mut self, workspace: &Workspace, x: &[f32], y: &mut [f32], steps: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.steps_as::<__m256>(workspace, x, y, steps) }
    }

    /// # Safety
    /// As for [`Lanes`]; the weights were packed for the same vectors.
    #[inline(always)]
    unsafe fn steps_as<V: Lanes>(
        &mut self,
        workspace: &Workspace,
        x: &[f32],
        y: &mut [f32],
        steps: usize,
    ) {
        let panels = self.panels.iter().copied();
        let state = &mut self.state;
        let weights = workspace.weights(self.place);
        // SAFETY: the caller's promise.
        unsafe {
            if self.format == WeightFormat::F16 {
                run::<V, F16, C>(state, weights, self.sizes, panels, x, y, steps);
            } else {
                run::<V, F32, C>(state, weights, self.sizes, panels, x, y, steps);
            }
        }
    }

    /// The same with one input and sizes that the compiler knows: those it has.
    ///
    /// # Safety
    /// As for [`Lanes`]; the weights were packed for the same vectors.
    #[inline(always)]
    pub(crate) unsafe fn fixed_steps_as<V: Lanes, const UNITS: usize>(
        &mut self,
        workspace: &Workspace,
        x: &[f32],
        y: &mut [f32],
        steps: usize,
    ) {
        debug_assert!((self.sizes.inputs, self.sizes.units) == (1, UNITS));
        let sizes = Sizes {
            inputs: 1,
            units: UNITS,
        };
        let (width, most) = cut::<V, C>();
        let panels = weights::panels(UNITS, width, most);
        let state = &mut self.state;
        let weights = workspace.weights(self.place);
        // SAFETY: the caller's promise; the panels are cut as they were packed.
        unsafe {
            if const { (1 + UNITS) * UNITS * C::GATES * F32::BYTES > CACHED_BYTES }
                && self.format == WeightFormat::F16
            {
                run::<V, F16, C>(state, weights, sizes, panels, x, y, steps);
            } else {
                run::<V, F32, C>(state, weights, sizes, panels, x, y, steps);
            }
        }
    }
}

/// Writes `y` `[steps, units]` from `x` `[steps, inputs]`.
///
/// # Safety
/// As for [`Lanes`]; `weights` points to the `panels` of a layer of these sizes, packed for the
/// same vectors, and `state` has the three padded rows that belong to them.
#[inline(always)]
unsafe fn run<V: Lanes, S: Stored, C: Cell>(
    state: &mut State,
    weights: *const u8,
    Sizes { inputs, units }: Sizes,
    panels: impl Iterator<Item = usize> + Clone,
    x: &[f32],
    y: &mut [f32],
    steps: usize,
) {
    assert!(
        x.len() == steps * inputs && y.len() == steps * units,
        "a block's length"
    );
    let rows = units.div_ceil(16) * 16;
    debug_assert_eq!(state.rows.len() * 16, 3 * rows);
    let swapped = state.swapped;
    state.swapped ^= !steps.is_multiple_of(2);
    let state: *mut f32 = state.rows.as_mut_ptr().cast();
    // SAFETY: the caller's promise; each place is within its slice, whose length is checked, and a
    // panel's vectors are within the padded rows of the state.
    unsafe {
        let (mut h, mut next, cell) = (state, state.add(rows), state.add(2 * rows));
        if swapped {
            std::mem::swap(&mut h, &mut next);
        }
        for step in 0..steps {
            let mut weights = weights;
            let mut first = 0;
            for vectors in panels.clone() {
                let panel = Panel {
                    weights,
                    inputs,
                    x: x.as_ptr().add(step * inputs),
                    units,
                    h,
                    own: h.add(first),
                    next: next.add(first),
                    cell: cell.add(first),
                };
                step_panel::<V, S, C>(vectors, panel);
                let rows = vectors * V::WIDTH;
                weights = weights.add(gates::panel_bytes::<C>(rows, inputs + units, S::BYTES));
                first += rows;
            }
            copy::<V>(next, y.as_mut_ptr().add(step * units), units);
            std::mem::swap(&mut h, &mut next);
        }
    }
}

/// Whether vectors of 16 leave so few lanes empty that they are no slower than those of 8.
#[cfg(target_arch = "x86_64")]
pub(crate) fn is_wide(units: usize) -> bool {
    7 * units.next_multiple_of(16) <= 8 * units
}

/// Rows of a vector, and how many vectors of units a panel may have.
#[inline(always)]
fn cut<V: Lanes, C: Cell>() -> (usize, usize) {
    (V::WIDTH, (V::PANEL / C::GATES).max(1))
}

/// See [`Cell::step`].
#[inline(always)]
unsafe fn step_panel<V: Lanes, S: Stored, C: Cell>(vectors: usize, panel: Panel) {
    macro_rules! of_vectors {
        ($($n:literal)*) => {
            match vectors {
                // SAFETY: the caller's promise. What is never packed is not compiled.
                $($n if const { $n == 1 || $n * C::GATES <= V::PANEL } => unsafe {
                    C::step::<V, S, $n>(panel);
                })*
                _ => debug_assert!(false, "a panel of {vectors} vectors"),
            }
        };
    }
    of_vectors!(1 2 3 4 5 6 7 8);
}

/// Copies `n` values.
///
/// # Safety
/// As for [`Lanes`]; there are so many at both places, and these do not overlap.
#[inline(always)]
unsafe fn copy<V: Lanes>(from: *const f32, to: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut i = 0;
        while i + V::WIDTH <= n {
            V::load(from.add(i)).store(to.add(i));
            i += V::WIDTH;
        }
        while i < n {
            to.add(i).write(from.add(i).read());
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Lstm;

    #[test]
    fn weights_that_half_precision_does_not_hold_stay_as_they_are() {
        const UNITS: usize = 64;
        let values = |n: usize| -> Vec<f32> { (0..n).map(|i| (i as f32 * 0.37).sin()).collect() };
        let lstm = |scale: f32| Lstm {
            inputs: 2,
            units: UNITS,
            kernel: values(4 * UNITS * 2).iter().map(|w| w * scale).collect(),
            recurrent: values(4 * UNITS * UNITS),
            bias: values(4 * UNITS),
        };
        for (scale, expected) in [
            (1.0, WeightFormat::F16),
            (1e-7, WeightFormat::F32),
            (1e6, WeightFormat::F32),
        ] {
            let mut packing = Packing::new(InstructionSet::best());
            let kernel = LstmKernel::new(&mut packing, WeightFormat::F16, &lstm(scale));
            assert_eq!(kernel.format, expected, "{scale:e}");
        }
    }
}
