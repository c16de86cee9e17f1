//! Reads flatbuffers without trusting them: every access is checked, so that no verification has
//! to precede it and no unsafe code is needed.
//!
//! Source: "FlatBuffer Internals", flatbuffers.dev. Integers are little-endian; an offset is
//! relative to where it stands; a table starts with the (signed, backward) offset of its
//! directory, which lists where in the table each field is, 0 for those that are absent.

/// A table somewhere in a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    buffer: &'a [u8],
    position: usize,
}

impl<'a> Table<'a> {
    /// The root table.
    pub(super) fn root(buffer: &'a [u8]) -> Option<Self> {
        let position = offset_at(buffer, 0)?;
        Some(Self { buffer, position })
    }

    /// Position of field `n`, `None` if it is absent.
    fn field(&self, n: usize) -> Option<usize> {
        let distance = i32::from_le_bytes(bytes_at(self.buffer, self.position)?);
        let directory = i64::try_from(self.position).ok()? - i64::from(distance);
        let directory = usize::try_from(directory).ok()?;
        let size = usize::from(u16::from_le_bytes(bytes_at(self.buffer, directory)?));
        let entry = 4 + 2 * n;
        if entry + 2 > size {
            return None;
        }
        let offset = u16::from_le_bytes(bytes_at(self.buffer, directory.checked_add(entry)?)?);
        if offset == 0 {
            return None;
        }
        self.position.checked_add(offset.into())
    }

    /// Whether field `n` is there.
    pub(super) fn has(&self, n: usize) -> bool {
        self.field(n).is_some()
    }

    /// Field `n` as a byte.
    pub(super) fn byte(&self, n: usize) -> Option<u8> {
        self.buffer.get(self.field(n)?).copied()
    }

    /// Field `n` as a 32-bit integer.
    pub(super) fn integer(&self, n: usize) -> Option<i32> {
        Some(i32::from_le_bytes(bytes_at(self.buffer, self.field(n)?)?))
    }

    /// Field `n` as a string of at most `longest` bytes. Any number of tables may share one
    /// string or vector, so without limits a small file could ask for much work.
    pub(super) fn text(&self, n: usize, longest: usize) -> Option<String> {
        let (start, length) = self.vector(n)?;
        if length > longest {
            return None;
        }
        let bytes = self.buffer.get(start..start.checked_add(length)?)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Field `n` as a vector of at most `longest` 32-bit integers.
    pub(super) fn integers(&self, n: usize, longest: usize) -> Option<Vec<i32>> {
        let (start, length) = self.vector(n)?;
        if length > longest {
            return None;
        }
        let bytes = self
            .buffer
            .get(start..start.checked_add(length.checked_mul(4)?)?)?;
        let values = bytes
            .chunks_exact(4)
            .map(|bytes| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        Some(values.collect())
    }

    /// Field `n` as a vector of tables.
    pub(super) fn tables(&self, n: usize) -> Option<Vec<Self>> {
        let (start, length) = self.vector(n)?;
        let end = start.checked_add(length.checked_mul(4)?)?;
        // Checked first: the length is what the file claims.
        self.buffer.get(start..end)?;
        (start..end)
            .step_by(4)
            .map(|entry| {
                let position = offset_at(self.buffer, entry)?;
                Some(Self {
                    buffer: self.buffer,
                    position,
                })
            })
            .collect()
    }

    /// Start and length of the vector in field `n`.
    fn vector(&self, n: usize) -> Option<(usize, usize)> {
        let vector = offset_at(self.buffer, self.field(n)?)?;
        let length = u32::from_le_bytes(bytes_at(self.buffer, vector)?);
        Some((vector.checked_add(4)?, usize::try_from(length).ok()?))
    }
}

/// Where the offset at `position` points to.
fn offset_at(buffer: &[u8], position: usize) -> Option<usize> {
    let offset = u32::from_le_bytes(bytes_at(buffer, position)?);
    position.checked_add(usize::try_from(offset).ok()?)
}

fn bytes_at<const N: usize>(buffer: &[u8], position: usize) -> Option<[u8; N]> {
    buffer.get(position..)?.first_chunk().copied()
}
