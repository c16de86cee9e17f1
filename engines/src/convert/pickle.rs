//! Python's pickle protocol 2, as far as TorchScript archives need it.
//!
//! Opcodes after the module `pickletools` of Python.

/// A pickle being written.
pub(super) struct Pickle {
    bytes: Vec<u8>,
}

impl Pickle {
    pub(super) fn new() -> Self {
        // PROTO 2
        Self {
            bytes: vec![0x80, 2],
        }
    }

    /// A class or function.
    pub(super) fn global(&mut self, module: &str, name: &str) -> &mut Self {
        self.op(b'c')
            .raw(module.as_bytes())
            .raw(b"\n")
            .raw(name.as_bytes())
            .raw(b"\n")
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        // BINUNICODE
        self.op(b'X')
            .raw(&(text.len() as u32).to_le_bytes())
            .raw(text.as_bytes())
    }

    pub(super) fn integer(&mut self, value: usize) -> &mut Self {
        match i32::try_from(value) {
            // BININT
            Ok(value) => self.op(b'J').raw(&value.to_le_bytes()),
            // LONG1 of eight bytes
            Err(_) => self.op(0x8a).raw(&[8]).raw(&(value as u64).to_le_bytes()),
        }
    }

    pub(super) fn boolean(&mut self, value: bool) -> &mut Self {
        // NEWTRUE, NEWFALSE
        self.op(if value { 0x88 } else { 0x89 })
    }

    /// A tuple of what `fill` pushes.
    pub(super) fn tuple(&mut self, fill: impl FnOnce(&mut Self)) -> &mut Self {
        // MARK ... TUPLE
        self.op(b'(');
        fill(self);
        self.op(b't')
    }

    pub(super) fn empty_tuple(&mut self) -> &mut Self {
        self.op(b')')
    }

    /// A dictionary of the pairs that `fill` pushes.
    pub(super) fn dictionary(&mut self, fill: impl FnOnce(&mut Self)) -> &mut Self {
        // EMPTY_DICT MARK ... SETITEMS
        self.op(b'}').op(b'(');
        fill(self);
        self.op(b'u')
    }

    /// Calls the function with the tuple of arguments, the two topmost objects.
    pub(super) fn reduce(&mut self) -> &mut Self {
        self.op(b'R')
    }

    /// Makes an object of the class with the tuple of arguments, the two topmost objects.
    pub(super) fn new_object(&mut self) -> &mut Self {
        self.op(0x81)
    }

    /// Gives the object the state, the two topmost objects.
    pub(super) fn build(&mut self) -> &mut Self {
        self.op(b'b')
    }

    /// Replaces the topmost object by what the reader knows under this key.
    pub(super) fn persistent(&mut self) -> &mut Self {
        // BINPERSID
        self.op(b'Q')
    }

    /// The finished pickle.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        // STOP
        self.op(b'.');
        std::mem::take(&mut self.bytes)
    }

    fn op(&mut self, code: u8) -> &mut Self {
        self.bytes.push(code);
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }
}
