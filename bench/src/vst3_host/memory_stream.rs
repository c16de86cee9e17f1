//! A state in memory.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;

use vst3::Class;
use vst3::Steinberg::IBStream_::IStreamSeekMode_::{kIBSeekCur, kIBSeekEnd, kIBSeekSet};
use vst3::Steinberg::{
    IBStream, IBStreamTrait, int32, int64, kInvalidArgument, kResultOk, tresult,
};

/// A state in memory.
#[derive(Default)]
pub(super) struct MemoryStream {
    bytes: RefCell<Vec<u8>>,
    position: Cell<usize>,
    /// The most that one call reads, if there is a limit.
    piece: Option<usize>,
}

impl MemoryStream {
    /// A stream at the start of `bytes`.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: RefCell::new(bytes),
            position: Cell::new(0),
            piece: None,
        }
    }

    /// The same, but a call reads at most `piece` bytes.
    pub(super) fn in_pieces(self, piece: usize) -> Self {
        Self {
            piece: Some(piece),
            ..self
        }
    }

    /// All that it holds; it is empty afterwards.
    pub(super) fn take(&self) -> Vec<u8> {
        self.bytes.take()
    }

    pub(super) fn rewind(&self) {
        self.position.set(0);
    }
}

impl Class for MemoryStream {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for MemoryStream {
    unsafe fn read(&self, buffer: *mut c_void, wanted: int32, read: *mut int32) -> tresult {
        let bytes = self.bytes.borrow();
        let rest = &bytes[self.position.get().min(bytes.len())..];
        let wanted = wanted.max(0) as usize;
        let count = rest.len().min(self.piece.unwrap_or(wanted).min(wanted));
        // SAFETY: the caller's buffer holds `wanted` bytes, and `read` is null or writable.
        unsafe {
            std::ptr::copy_nonoverlapping(rest.as_ptr(), buffer.cast(), count);
            if !read.is_null() {
                read.write(count as int32);
            }
        }
        self.position.set(self.position.get() + count);
        kResultOk
    }

    unsafe fn write(&self, buffer: *mut c_void, count: int32, written: *mut int32) -> tresult {
        let mut bytes = self.bytes.borrow_mut();
        // SAFETY: the caller's buffer holds `count` bytes, and `written` is null or writable.
        unsafe {
            let new = std::slice::from_raw_parts(buffer.cast::<u8>(), count.max(0) as usize);
            let position = self.position.get();
            bytes.truncate(position);
            bytes.extend_from_slice(new);
            self.position.set(position + new.len());
            if !written.is_null() {
                written.write(count);
            }
        }
        kResultOk
    }

    unsafe fn seek(&self, offset: int64, mode: int32, result: *mut int64) -> tresult {
        // C's enumerations, which have a sign on Windows and none elsewhere.
        let base = match mode {
            _ if mode == kIBSeekSet as int32 => 0,
            _ if mode == kIBSeekCur as int32 => self.position.get() as int64,
            _ if mode == kIBSeekEnd as int32 => self.bytes.borrow().len() as int64,
            _ => return kInvalidArgument,
        };
        let Ok(position) = usize::try_from(base + offset) else {
            return kInvalidArgument;
        };
        self.position.set(position);
        if !result.is_null() {
            // SAFETY: not null, so it is the caller's variable.
            unsafe { result.write(position as int64) };
        }
        kResultOk
    }

    unsafe fn tell(&self, position: *mut int64) -> tresult {
        // SAFETY: the caller hands in a variable.
        unsafe { position.write(self.position.get() as int64) };
        kResultOk
    }
}
