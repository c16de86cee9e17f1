//! Largest value of a window, in a patch and over time.

use super::history::History;
use crate::network::{MaxPool, MaxPool2d, Padding};

/// See [`MaxPool2d`] for what is computed.
pub(super) struct MaxPool2dKernel {
    pool: MaxPool2d,
    pad: [usize; 2],
}

impl MaxPool2dKernel {
    pub(super) fn new(pool: &MaxPool2d) -> Self {
        let pad = [0, 1].map(|axis| {
            pool.padding[axis]
                .arrange(pool.size[axis], pool.pool[axis], pool.stride[axis])
                .map_or(0, |(_, before)| before)
        });
        Self {
            pool: pool.clone(),
            pad,
        }
    }

    pub(super) fn outputs(&self) -> usize {
        let [frames, bands] = self.pool.output_size();
        frames * bands * self.pool.channels
    }

    /// Writes `y` `[frames', bands', channels]` from `x` `[frames, bands, channels]`. Real-time
    /// safe.
    pub(super) fn apply(&self, x: &[f32], y: &mut [f32]) {
        let [frames, bands] = self.pool.output_size();
        let channels = self.pool.channels;
        let mut places = y.chunks_exact_mut(channels);
        for frame in 0..frames {
            for band in 0..bands {
                let Some(place) = places.next() else { return };
                place.fill(f32::NEG_INFINITY);
                for t in self.covered(0, frame) {
                    for f in self.covered(1, band) {
                        let at = (t * self.pool.size[1] + f) * channels;
                        for (largest, x) in place.iter_mut().zip(&x[at..at + channels]) {
                            *largest = largest.max(*x);
                        }
                    }
                }
            }
        }
    }

    /// The part of the window number `place` along `axis` that lies inside the patch.
    fn covered(&self, axis: usize, place: usize) -> std::ops::Range<usize> {
        let start = place * self.pool.stride[axis];
        let end = start
            .saturating_add(self.pool.pool[axis])
            .saturating_sub(self.pad[axis]);
        start.saturating_sub(self.pad[axis])..end.min(self.pool.size[axis])
    }
}

/// See [`MaxPool`] for what is computed: the frames in the window, all that is remembered, are a patch of
/// their own, whose order does not matter.
pub(super) struct MaxPoolKernel {
    pool_time: usize,
    stride_time: usize,
    /// Steps until the next output.
    wait: usize,
    history: History,
    pool: MaxPool2dKernel,
}

impl MaxPoolKernel {
    pub(super) fn new(pool: &MaxPool) -> Self {
        let frame = pool.features * pool.channels;
        Self {
            pool_time: pool.pool_time,
            stride_time: pool.stride_time,
            wait: pool.pool_time - 1,
            history: History::new(pool.pool_time, frame),
            pool: MaxPool2dKernel::new(&MaxPool2d {
                size: [pool.pool_time, pool.features],
                channels: pool.channels,
                pool: [pool.pool_time, pool.pool_features],
                stride: [1, pool.stride_features],
                padding: [Padding::Valid, pool.padding],
            }),
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.pool.outputs()
    }

    pub(super) fn reset(&mut self) {
        self.history.reset();
        self.wait = self.pool_time - 1;
    }

    /// Takes `x` `[features, channels]`; if this step has an output, writes it to `y`
    /// `[output_features, channels]` and returns true. Real-time safe.
    pub(super) fn step(&mut self, x: &[f32], y: &mut [f32]) -> bool {
        self.history.push(x);
        if self.wait > 0 {
            self.wait -= 1;
            return false;
        }
        self.wait = self.stride_time - 1;
        self.pool.apply(self.history.all(), y);
        true
    }
}
