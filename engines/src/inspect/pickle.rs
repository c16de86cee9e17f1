//! Reads a pickle for the tensors in it.
//!
//! The pickle of a TorchScript module is a small program for a stack machine. This reader runs
//! the part of it that says which attribute holds a tensor of which shape; it makes no objects
//! and calls no functions. Opcodes after the module `pickletools` of Python.

use std::collections::HashMap;

/// What is on the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(String),
    Integer(i64),
    Tuple(Tuple),
    Tensor(Vec<i64>),
    /// Where a run of items begins.
    Mark,
    /// Anything else.
    Object,
}

/// Items, and how deep tuples lie in each other in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Tuple {
    items: Vec<Item>,
    depth: usize,
}

/// Tuples in each other. Archives have three; what is made of them is visited level by level.
const DEEPEST: usize = 32;

/// Names and shapes of the tensors that are set as attributes or dictionary entries, in the order
/// of the pickle; `None` if it is no pickle that this reader understands.
pub(super) fn tensors(bytes: &[u8]) -> Option<Vec<(String, Vec<i64>)>> {
    let mut machine = Machine {
        rest: bytes,
        stack: Vec::new(),
        memo: HashMap::new(),
        copies_left: bytes.len().saturating_mul(COPIES_PER_BYTE),
        found: Vec::new(),
    };
    while !machine.step()? {}
    Some(machine.found)
}

/// Items that may be copied to and from the memo, for each byte of the pickle: nested tuples could
/// double with every opcode.
const COPIES_PER_BYTE: usize = 4;

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Item>,
    memo: HashMap<u32, Item>,
    copies_left: usize,
    found: Vec<(String, Vec<i64>)>,
}

impl Machine<'_> {
    /// Runs one opcode; true at the end.
    fn step(&mut self) -> Option<bool> {
        let opcode = self.byte()?;
        match opcode {
            // PROTO, FRAME
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            // MARK
            b'(' => self.stack.push(Item::Mark),
            // STOP
            b'.' => return Some(true),
            // GLOBAL: a module and a name, a line each
            b'c' => {
                self.line()?;
                self.line()?;
                self.stack.push(Item::Object);
            }
            // NONE, NEWTRUE, NEWFALSE, EMPTY_LIST, EMPTY_DICT
            b'N' | 0x88 | 0x89 | b']' | b'}' => self.stack.push(Item::Object),
            // BINFLOAT
            b'G' => {
                self.skip(8)?;
                self.stack.push(Item::Object);
            }
            // BININT, BININT1, BININT2, LONG1
            b'J' => {
                let value = i32::from_le_bytes(self.bytes()?);
                self.stack.push(Item::Integer(value.into()));
            }
            b'K' => {
                let value = self.byte()?;
                self.stack.push(Item::Integer(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.bytes()?);
                self.stack.push(Item::Integer(value.into()));
            }
            0x8a => {
                let n = self.byte()?.into();
                let digits = self.take(n)?;
                let value = long(digits)?;
                self.stack.push(Item::Integer(value));
            }
            // BINUNICODE, SHORT_BINUNICODE
            b'X' => {
                let n = u32::from_le_bytes(self.bytes()?);
                self.text(usize::try_from(n).ok()?)?;
            }
            0x8c => {
                let n = self.byte()?.into();
                self.text(n)?;
            }
            // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
            b'q' => {
                let key = self.byte()?.into();
                self.put(key)?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.bytes()?);
                self.put(key)?;
            }
            b'h' => {
                let key = self.byte()?.into();
                self.get(key)?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.bytes()?);
                self.get(key)?;
            }
            // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3
            b')' => self.stack.push(Item::Tuple(Tuple::default())),
            b't' => {
                let items = self.pop_to_mark()?;
                self.stack.push(tuple(items)?);
            }
            0x85..=0x87 => {
                let first = self.stack.len().checked_sub(usize::from(opcode - 0x84))?;
                let items = self.stack.split_off(first);
                self.stack.push(tuple(items)?);
            }
            // APPEND, APPENDS
            b'a' => drop(self.stack.pop()?),
            b'e' => drop(self.pop_to_mark()?),
            // SETITEM, SETITEMS
            b's' => {
                let value = self.stack.pop()?;
                let key = self.stack.pop()?;
                self.set(key, value);
            }
            b'u' => {
                let mut items = self.pop_to_mark()?.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    self.set(key, value);
                }
            }
            // BINPERSID: what the archive stores for a key
            b'Q' => {
                self.stack.pop()?;
                self.stack.push(Item::Object);
            }
            // REDUCE, NEWOBJ: of all calls only those that rebuild tensors matter
            b'R' | 0x81 => {
                let arguments = self.stack.pop()?;
                self.stack.pop()?;
                self.stack.push(rebuilt(arguments));
            }
            // BUILD
            b'b' => drop(self.stack.pop()?),
            _ => return None,
        }
        Some(false)
    }

    fn set(&mut self, key: Item, value: Item) {
        if let (Item::Text(name), Item::Tensor(shape)) = (key, value) {
            self.found.push((name, shape));
        }
    }

    fn put(&mut self, key: u32) -> Option<()> {
        let item = self.stack.last()?.clone();
        self.copy(&item)?;
        self.memo.insert(key, item);
        Some(())
    }

    fn get(&mut self, key: u32) -> Option<()> {
        let item = self.memo.get(&key)?.clone();
        self.copy(&item)?;
        self.stack.push(item);
        Some(())
    }

    /// Counts a copy; `None` if there were too many.
    fn copy(&mut self, item: &Item) -> Option<()> {
        self.copies_left = self.copies_left.checked_sub(size(item))?;
        Some(())
    }

    fn pop_to_mark(&mut self) -> Option<Vec<Item>> {
        let mark = self.stack.iter().rposition(|item| *item == Item::Mark)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Some(items)
    }

    fn text(&mut self, n: usize) -> Option<()> {
        let text = String::from_utf8_lossy(self.take(n)?).into_owned();
        self.stack.push(Item::Text(text));
        Some(())
    }

    fn line(&mut self) -> Option<()> {
        let end = self.rest.iter().position(|&byte| byte == b'\n')?;
        self.skip(end + 1)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes().map(|[byte]| byte)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*head)
    }

    fn skip(&mut self, n: usize) -> Option<()> {
        self.take(n).map(|_| ())
    }

    fn take(&mut self, n: usize) -> Option<&[u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }
}

/// A tuple of `items`; `None` if it is too deep.
fn tuple(items: Vec<Item>) -> Option<Item> {
    let depth = |item: &Item| match item {
        Item::Tuple(tuple) => tuple.depth,
        _ => 0,
    };
    let depth = 1 + items.iter().map(depth).max().unwrap_or(0);
    (depth <= DEEPEST).then_some(Item::Tuple(Tuple { items, depth }))
}

/// Items of 16 bytes in `item`, roughly.
fn size(item: &Item) -> usize {
    match item {
        Item::Text(text) => 1 + text.len() / 16,
        Item::Tensor(shape) => 1 + shape.len(),
        Item::Tuple(tuple) => (tuple.items.iter().map(size)).fold(1, usize::saturating_add),
        Item::Integer(_) | Item::Mark | Item::Object => 1,
    }
}

/// What a call with these arguments makes: a tensor if they are a storage, an offset, sizes and
/// strides, the arguments of `torch._utils._rebuild_tensor_v2`.
fn rebuilt(arguments: Item) -> Item {
    let Item::Tuple(arguments) = arguments else {
        return Item::Object;
    };
    let [
        Item::Object,
        Item::Integer(_),
        Item::Tuple(sizes),
        Item::Tuple(strides),
        ..,
    ] = arguments.items.as_slice()
    else {
        return Item::Object;
    };
    let shape: Option<Vec<i64>> = sizes
        .items
        .iter()
        .map(|size| match size {
            Item::Integer(size) => Some(*size),
            _ => None,
        })
        .collect();
    match shape {
        Some(shape) if shape.len() == strides.items.len() => Item::Tensor(shape),
        _ => Item::Object,
    }
}

/// A little-endian number in two's complement.
fn long(digits: &[u8]) -> Option<i64> {
    let negative = digits.last().is_some_and(|&digit| digit >= 0x80);
    let mut bytes = [if negative { 0xff } else { 0 }; 8];
    bytes.get_mut(..digits.len())?.copy_from_slice(digits);
    Some(i64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_integers_of_all_lengths() {
        assert_eq!(long(&[]), Some(0));
        assert_eq!(long(&[0xff, 0x00]), Some(255));
        assert_eq!(long(&[0xff]), Some(-1));
        assert_eq!(long(&[0; 9]), None);
    }

    #[test]
    fn tuples_that_double_with_every_opcode_are_refused() {
        // EMPTY_TUPLE, then again and again: BINPUT 0, BINGET 0, TUPLE2.
        let mut bytes = vec![b')'];
        for _ in 0..1000 {
            bytes.extend([b'q', 0, b'h', 0, 0x86]);
        }
        assert_eq!(tensors(&bytes), None);
    }

    #[test]
    fn tuples_in_tuples_without_end_are_refused() {
        let deep = |levels| [&b")"[..], &vec![0x85; levels], b"."].concat();
        assert_eq!(tensors(&deep(1_000_000)), None);
        assert_eq!(tensors(&deep(3)), Some(Vec::new()));
    }

    #[test]
    fn names_that_are_said_again_and_again_are_refused() {
        // BINUNICODE of a long name, BINPUT 0, then: BINGET 0, BINGET 0, SETITEM.
        let mut bytes = vec![b'X'];
        bytes.extend(1_248_u32.to_le_bytes());
        bytes.extend([b'n'; 1_248]);
        bytes.extend([b'q', 0]);
        for _ in 0..13_000 {
            bytes.extend(b"h\0h\0s");
        }
        assert_eq!(tensors(&bytes), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = tensors(&bytes);
        }
    }
}
