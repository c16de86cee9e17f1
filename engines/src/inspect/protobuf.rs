//! Reads the protobuf wire format, as far as ONNX needs it.
//!
//! Source: "Encoding", protobuf.dev. A message is a sequence of fields, each a key (field number
//! and wire type) and a value; lengths and integers are base-128 varints, lowest digits first.

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A varint.
    Integer(u64),
    /// Four or eight bytes of a number.
    Fixed,
    /// Bytes, a string, a message or packed numbers.
    Bytes(&'a [u8]),
}

/// The fields of an encoded message with their numbers, one by one. The first that is malformed
/// comes out as `None` and is the last.
pub(super) fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields { rest: bytes }
}

/// See [`fields`].
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<(u64, Value<'a>)> {
        let key = varint(&mut self.rest)?;
        let value = match key & 7 {
            0 => Value::Integer(varint(&mut self.rest)?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let n = varint(&mut self.rest)?;
                Value::Bytes(self.take(usize::try_from(n).ok()?)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }
}

/// The varints in `bytes`; `None` if they end in the middle of one.
pub(super) fn packed(mut bytes: &[u8]) -> Option<Vec<u64>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        values.push(varint(&mut bytes)?);
    }
    Some(values)
}

/// Takes a varint off the front of `bytes`.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // The examples of protobuf.dev's "Encoding": 150 in field 1, "testing" in field 2.
    const MESSAGE: &[u8] = b"\x08\x96\x01\x12\x07testing";

    #[test]
    fn the_published_examples() {
        let read: Vec<_> = fields(MESSAGE).collect();
        assert_eq!(
            read,
            [
                Some((1, Value::Integer(150))),
                Some((2, Value::Bytes(b"testing")))
            ]
        );
    }

    #[test]
    fn a_truncated_field_ends_the_message() {
        let read: Vec<_> = fields(&MESSAGE[..MESSAGE.len() - 1]).collect();
        assert_eq!(read, [Some((1, Value::Integer(150))), None]);
        assert_eq!(packed(&[0x96, 0x01, 0x96]), None);
        assert_eq!(packed(&[0x96, 0x01, 0x02]), Some(vec![150, 2]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            prop_assert!(fields(&bytes).count() <= bytes.len());
        }
    }
}
