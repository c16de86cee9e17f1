//! The weights of a whole network, one behind the other in the order in which they are read, and
//! the memory that the kernels work in.

use std::sync::Arc;

use super::InstructionSet;
use crate::interned::{Bits, Pool};

/// Bytes of a cache line. What is packed begins at a multiple of it.
pub(super) const LINE: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

impl Bits for Line {
    type Of = [u8; LINE];

    fn bits(&self) -> [u8; LINE] {
        self.0
    }
}

/// Sums that lie in memory, a cache line of them.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Sums([f32; SUMS]);

const SUMS: usize = LINE / size_of::<f32>();

/// The packed weights of all networks.
static LINES: Pool<Line> = Pool::new();

/// Weights on the way into a [`Workspace`].
pub(crate) struct Packing {
    set: InstructionSet,
    pub(super) bytes: Vec<u8>,
    /// Length of the longest vector that a kernel reads or adds up.
    longest: usize,
}

impl Packing {
    /// For kernels of the instruction set `set`, or of the best that there is if the processor has
    /// not got that.
    pub(crate) fn new(set: InstructionSet) -> Self {
        let set = if set.is_available() {
            set
        } else {
            InstructionSet::best()
        };
        Self {
            set,
            bytes: Vec::new(),
            longest: 0,
        }
    }

    /// The instruction set, one that the processor has.
    pub(crate) fn set(&self) -> InstructionSet {
        self.set
    }

    /// Makes room for what a kernel of vectors of that length needs, and gives the place where its
    /// weights begin.
    pub(super) fn begin(&mut self, length: usize) -> usize {
        self.longest = self.longest.max(length);
        self.bytes
            .resize(self.bytes.len().next_multiple_of(LINE), 0);
        self.bytes.len()
    }

    /// All weights packed, at their final place.
    pub(crate) fn finish(self) -> Workspace {
        let (lines, rest) = self.bytes.as_chunks::<LINE>();
        let mut last = [0; LINE];
        last[..rest.len()].copy_from_slice(rest);
        let lines: Vec<Line> = lines.iter().copied().chain([last]).map(Line).collect();
        let room = self.longest + 16;
        Workspace {
            set: self.set,
            lines: LINES.intern(lines),
            bytes: self.bytes.len(),
            all: (0..room as u32).collect(),
            columns: vec![0; room],
            quantized: vec![0; room],
            sums: vec![Sums([0.0; SUMS]); room.div_ceil(SUMS)],
        }
    }
}

/// Weights, and memory for what a kernel needs while it works.
pub(crate) struct Workspace {
    set: InstructionSet,
    /// Shared with all networks of the process that have the same weights.
    lines: Arc<Vec<Line>>,
    bytes: usize,
    /// Numbers of all columns.
    pub(super) all: Vec<u32>,
    /// Numbers of the columns whose input is not 0.
    pub(super) columns: Vec<u32>,
    /// Inputs as integers.
    pub(super) quantized: Vec<i16>,
    /// Sums of rows.
    pub(super) sums: Vec<Sums>,
}

impl Workspace {
    /// The instruction set, one that the processor has.
    pub(crate) fn set(&self) -> InstructionSet {
        self.set
    }

    /// Bytes of all weights.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.bytes
    }

    /// The weights that were packed at `place`, up to the end of all.
    ///
    /// # Panics
    /// When there is nothing at that place.
    #[inline(always)]
    pub(super) fn weights(&self, place: usize) -> *const u8 {
        self.lines[place / LINE..].as_ptr().cast()
    }
}

/// How `rows` are cut into panels of at most `most` vectors of `width` rows: the number of vectors
/// of each.
#[inline(always)]
pub(super) fn panels(
    rows: usize,
    width: usize,
    most: usize,
) -> impl Iterator<Item = usize> + Clone {
    let vectors = rows.div_ceil(width);
    let panels = vectors.div_ceil(most);
    (0..panels).map(move |panel| vectors / panels + usize::from(panel < vectors % panels))
}

/// How many rows a matrix has, where the compiler is not to know: see [`occurs`].
pub(super) const ANY: usize = 0;

/// Whether [`panels`] may give a panel of `vectors` vectors for a matrix of `rows` rows, or of any
/// number of them if that is [`ANY`]. The compiler leaves out the code for all others.
pub(super) const fn occurs(vectors: usize, rows: usize, width: usize, most: usize) -> bool {
    if rows == ANY {
        return vectors <= most;
    }
    let all = rows.div_ceil(width);
    let panels = all.div_ceil(most);
    vectors == all / panels || (vectors == all / panels + 1 && !all.is_multiple_of(panels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_that_occur_are_those_that_are_cut() {
        for rows in 1..900 {
            for (width, most) in [(8, 12), (8, 1), (16, 25)] {
                let cut: Vec<usize> = panels(rows, width, most).collect();
                for vectors in 1..=most + 1 {
                    let expected = cut.contains(&vectors);
                    assert_eq!(occurs(vectors, rows, width, most), expected, "{rows}");
                }
            }
        }
        assert!(occurs(25, ANY, 16, 25) && !occurs(26, ANY, 16, 25));
    }

    #[test]
    fn panels_are_about_equal_and_cover_all_rows() {
        let cut = |rows| panels(rows, 16, 25).collect::<Vec<_>>();
        assert_eq!(cut(8), [1]);
        assert_eq!(cut(350), [22]);
        assert_eq!(cut(800), [25, 25]);
        assert_eq!(cut(16 * 52), [18, 17, 17]);
    }

    #[test]
    fn weights_lie_at_cache_lines_one_behind_the_other() {
        let mut packing = Packing::new(InstructionSet::Plain);
        assert_eq!(packing.begin(3), 0);
        packing.bytes.extend([1; 100]);
        let place = packing.begin(5);
        assert_eq!(place, 128);
        packing.bytes.extend([2; 3]);
        let workspace = packing.finish();
        assert_eq!(workspace.weight_bytes(), 131);
        assert!(workspace.weights(0).addr().is_multiple_of(LINE));
        assert_eq!(
            workspace.weights(place).addr() - workspace.weights(0).addr(),
            128
        );
        // SAFETY: 131 bytes were packed.
        assert_eq!(unsafe { workspace.weights(place).add(2).read() }, 2);
    }
}
