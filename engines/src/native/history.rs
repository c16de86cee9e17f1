//! What a layer remembers of earlier steps.

/// A ring of the last `steps` vectors `[width]`, zeros before the first.
pub(super) struct History {
    width: usize,
    steps: usize,
    /// Where the newest vector is.
    newest: usize,
    values: Vec<f32>,
}

impl History {
    pub(super) fn new(steps: usize, width: usize) -> Self {
        Self {
            width,
            steps,
            newest: 0,
            values: vec![0.0; steps * width],
        }
    }

    /// Remembers `x` `[width]` and forgets the oldest vector.
    pub(super) fn push(&mut self, x: &[f32]) {
        self.newest = (self.newest + 1) % self.steps;
        let at = self.newest * self.width;
        self.values[at..at + self.width].copy_from_slice(x);
    }

    /// The vector of `age` steps ago, 0 being the newest.
    pub(super) fn ago(&self, age: usize) -> &[f32] {
        debug_assert!(age < self.steps);
        let index = if age <= self.newest {
            self.newest - age
        } else {
            self.newest + self.steps - age
        };
        &self.values[index * self.width..][..self.width]
    }

    /// All vectors, `[steps, width]`, in no order.
    pub(super) fn all(&self) -> &[f32] {
        &self.values
    }

    pub(super) fn reset(&mut self) {
        self.values.fill(0.0);
    }
}
