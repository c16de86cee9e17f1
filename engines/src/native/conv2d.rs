//! Convolution of patches, and of frames over time.

use super::history::History;
use super::product::{AT_ONCE, Inputs, Product};
use super::weights::{Packing, Workspace};
use crate::network::{CausalConv2d, Conv2d, Padding};

/// See [`Conv2d`] for what is computed.
pub(super) struct Conv2dKernel {
    size: [usize; 2],
    inputs: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    output_size: [usize; 2],
    /// Zeros before the first frame and the first band.
    pad: [usize; 2],
    /// What the kernel sees at some places, `[AT_ONCE, kernel_0, kernel_1, inputs]`.
    windows: Vec<f32>,
    /// Length of one of them.
    window: usize,
    filters: Product,
}

impl Conv2dKernel {
    pub(super) fn new(packing: &mut Packing, conv: &Conv2d) -> Self {
        let window = conv.kernel[0] * conv.kernel[1] * conv.inputs;
        let pad = [0, 1].map(|axis| {
            conv.padding[axis]
                .arrange(conv.size[axis], conv.kernel[axis], conv.stride[axis])
                .map_or(0, |(_, before)| before)
        });
        Self {
            size: conv.size,
            inputs: conv.inputs,
            kernel: conv.kernel,
            stride: conv.stride,
            output_size: conv.output_size(),
            pad,
            windows: vec![0.0; AT_ONCE * window],
            window,
            filters: Product::new(packing, &conv.weight, &conv.bias),
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.output_size[0] * self.output_size[1] * self.filters.outputs()
    }

    /// Writes `y` `[frames', bands', filters]` from `x` `[frames, bands, inputs]`. Real-time safe.
    pub(super) fn apply(&mut self, workspace: &Workspace, x: &[f32], y: &mut [f32]) {
        let filters = self.filters.outputs();
        let mut first = 0;
        for y in y.chunks_mut(AT_ONCE * filters) {
            let places = y.len() / filters;
            for i in 0..places {
                let place = first + i;
                let (frame, band) = (place / self.output_size[1], place % self.output_size[1]);
                self.look(x, i, frame, band);
            }
            let inputs = Inputs {
                vectors: places,
                from_vector_to_vector: self.window,
                runs: 1,
                run: self.window,
                from_run_to_run: 0,
            };
            self.filters
                .apply(workspace, &self.windows, inputs, y, filters);
            first += places;
        }
    }

    /// Fills window number `i` with what the kernel sees at an output.
    fn look(&mut self, x: &[f32], i: usize, frame: usize, band: usize) {
        let [frames, bands] = self.size;
        let row = self.kernel[1] * self.inputs;
        // The part of the kernel's row that lies inside the patch.
        let left = (band * self.stride[1]) as isize - self.pad[1] as isize;
        let first = left.max(0) as usize;
        let last = (left + self.kernel[1] as isize).clamp(0, bands as isize) as usize;
        let skipped = (first as isize - left) as usize * self.inputs;
        let window = &mut self.windows[i * self.window..][..self.window];
        for (k, window) in window.chunks_exact_mut(row).enumerate() {
            let t = (frame * self.stride[0] + k).wrapping_sub(self.pad[0]);
            window.fill(0.0);
            if t < frames && first < last {
                let source =
                    &x[(t * bands + first) * self.inputs..(t * bands + last) * self.inputs];
                window[skipped..skipped + source.len()].copy_from_slice(source);
            }
        }
    }
}

/// See [`CausalConv2d`] for what is computed: at each step the frames that the taps meet are a
/// patch of their own, on which the kernel fits once over time.
pub(super) struct CausalConv2dKernel {
    dilation: usize,
    kernel_time: usize,
    history: History,
    /// `[kernel_time, features, inputs]`, oldest first.
    patch: Vec<f32>,
    conv: Conv2dKernel,
}

impl CausalConv2dKernel {
    pub(super) fn new(packing: &mut Packing, conv: &CausalConv2d) -> Self {
        let frame = conv.features * conv.inputs;
        Self {
            dilation: conv.dilation,
            kernel_time: conv.kernel_time,
            history: History::new(conv.history(), frame),
            patch: vec![0.0; conv.kernel_time * frame],
            conv: Conv2dKernel::new(
                packing,
                &Conv2d {
                    size: [conv.kernel_time, conv.features],
                    inputs: conv.inputs,
                    filters: conv.filters,
                    kernel: [conv.kernel_time, conv.kernel_features],
                    stride: [1, conv.stride],
                    padding: [Padding::Valid, conv.padding],
                    weight: conv.weight.clone(),
                    bias: conv.bias.clone(),
                },
            ),
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.conv.outputs()
    }

    pub(super) fn reset(&mut self) {
        self.history.reset();
    }

    /// Writes `y` `[output_features, filters]` from `x` `[features, inputs]`. Real-time safe.
    pub(super) fn step(&mut self, workspace: &Workspace, x: &[f32], y: &mut [f32]) {
        self.history.push(x);
        for (k, frame) in self.patch.chunks_exact_mut(x.len()).enumerate() {
            frame.copy_from_slice(self.history.ago((self.kernel_time - 1 - k) * self.dilation));
        }
        self.conv.apply(workspace, &self.patch, y);
    }
}
