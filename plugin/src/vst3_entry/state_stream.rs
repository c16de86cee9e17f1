//! A state on its way from the host to the framework and back.
//!
//! The framework looks for the end of the host's stream and reads all of it at once. Not every host's
//! stream can do both; ours can. It writes all of it at once, too, and does not look at what came of that:
//! a full disk would be a saved project.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::io::{self, Read, Write};

use nice_plug::wrapper::vst3::vst3::Steinberg::IBStream_::IStreamSeekMode_::{
    kIBSeekCur, kIBSeekEnd, kIBSeekSet,
};
use nice_plug::wrapper::vst3::vst3::Steinberg::{
    IBStream, IBStreamTrait, int32, int64, kInvalidArgument, kResultFalse, kResultOk, tresult,
};
use nice_plug::wrapper::vst3::vst3::{Class, ComRef, ComWrapper};

use crate::service::Shared;
use crate::state;

/// The host's stream, from where it stands.
struct HostStream<'a>(ComRef<'a, IBStream>);

impl Read for HostStream<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let wanted = int32::try_from(piece.len()).unwrap_or(int32::MAX);
        let mut read = 0;
        // Hosts answer with an error at the end too: only the number of bytes tells.
        // SAFETY: a live object of the host, and room for what is wanted.
        unsafe { self.0.read(piece.as_mut_ptr().cast(), wanted, &mut read) };
        match usize::try_from(read) {
            Ok(count) if count <= piece.len() => Ok(count),
            _ => Err(io::Error::other(format!(
                "the host's stream says it read {read} of {wanted} bytes"
            ))),
        }
    }
}

impl Write for HostStream<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let wanted = int32::try_from(piece.len()).unwrap_or(int32::MAX);
        // A host that says that it went well, and not how far, has written all.
        let mut written = wanted;
        // SAFETY: a live object of the host, and as many bytes as it says.
        let result = unsafe {
            let piece = piece.as_ptr().cast_mut();
            self.0.write(piece.cast(), wanted, &mut written)
        };
        match usize::try_from(written) {
            Ok(count) if result == kResultOk && count <= piece.len() => Ok(count),
            _ => Err(io::Error::other(format!(
                "the host's stream answers {result} and says it wrote {written} of {wanted} bytes"
            ))),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A state in memory, to be read or filled.
struct MemoryStream {
    bytes: RefCell<Vec<u8>>,
    position: Cell<usize>,
}

impl MemoryStream {
    /// A stream at the start of `bytes`.
    fn new(bytes: Vec<u8>) -> ComWrapper<Self> {
        ComWrapper::new(Self {
            bytes: RefCell::new(bytes),
            position: Cell::new(0),
        })
    }
}

impl Class for MemoryStream {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for MemoryStream {
    unsafe fn read(&self, buffer: *mut c_void, wanted: int32, read: *mut int32) -> tresult {
        let bytes = self.bytes.borrow();
        let rest = &bytes[self.position.get()..];
        let count = rest.len().min(usize::try_from(wanted).unwrap_or(0));
        // SAFETY: the framework's buffer has room for what it wants, and `read` is null or its own.
        unsafe {
            std::ptr::copy_nonoverlapping(rest.as_ptr(), buffer.cast(), count);
            if let Some(read) = read.as_mut() {
                *read = count as int32;
            }
        }
        self.position.set(self.position.get() + count);
        kResultOk
    }

    /// At the end, wherever the stream is: it is filled once.
    unsafe fn write(&self, buffer: *mut c_void, count: int32, written: *mut int32) -> tresult {
        let Ok(length) = usize::try_from(count) else {
            return kInvalidArgument;
        };
        // SAFETY: the framework's buffer has so many bytes, and `written` is null or its own.
        unsafe {
            let piece = std::slice::from_raw_parts(buffer.cast::<u8>(), length);
            self.bytes.borrow_mut().extend_from_slice(piece);
            if let Some(written) = written.as_mut() {
                *written = count;
            }
        }
        kResultOk
    }

    unsafe fn seek(&self, offset: int64, mode: int32, result: *mut int64) -> tresult {
        // C's enumerations, which have a sign on Windows and none elsewhere.
        let base = match mode {
            _ if mode == kIBSeekSet as int32 => 0,
            _ if mode == kIBSeekCur as int32 => self.position.get(),
            _ if mode == kIBSeekEnd as int32 => self.bytes.borrow().len(),
            _ => return kInvalidArgument,
        };
        let position = (base as int64).checked_add(offset);
        let position = position.and_then(|position| usize::try_from(position).ok());
        let Some(position) = position.filter(|place| *place <= self.bytes.borrow().len()) else {
            return kInvalidArgument;
        };
        self.position.set(position);
        // SAFETY: null or the framework's variable.
        if let Some(result) = unsafe { result.as_mut() } {
            *result = position as int64;
        }
        kResultOk
    }

    unsafe fn tell(&self, position: *mut int64) -> tresult {
        // SAFETY: null or the framework's variable.
        match unsafe { position.as_mut() } {
            Some(position) => *position = self.position.get() as int64,
            None => return kInvalidArgument,
        }
        kResultOk
    }
}

/// Lets `load` read the host's state without the values that cannot be read; an error if it is no
/// state, or a newer one, of which `shared` is told. Allocates.
///
/// # Safety
/// `stream` is null or an object of the host.
pub(super) unsafe fn with_mended(
    shared: &Shared,
    stream: *mut IBStream,
    load: impl FnOnce(*mut IBStream) -> tresult,
) -> tresult {
    // SAFETY: the caller's promise.
    let Some(stream) = (unsafe { ComRef::from_raw(stream) }) else {
        return kInvalidArgument;
    };
    let Some(bytes) = state::mended_or_told(state::read(HostStream(stream)), shared) else {
        return kResultFalse;
    };
    match MemoryStream::new(bytes).as_com_ref::<IBStream>() {
        Some(stream) => load(stream.as_ptr()),
        None => kResultFalse, // never
    }
}

/// Gives the host what `save` writes; an error if the host does not take all of it. Allocates.
///
/// # Safety
/// `stream` is null or an object of the host.
pub(super) unsafe fn with_saved(
    stream: *mut IBStream,
    save: impl FnOnce(*mut IBStream) -> tresult,
) -> tresult {
    // SAFETY: the caller's promise.
    let Some(stream) = (unsafe { ComRef::from_raw(stream) }) else {
        return kInvalidArgument;
    };
    let ours = MemoryStream::new(Vec::new());
    let saved = match ours.as_com_ref::<IBStream>() {
        Some(stream) => save(stream.as_ptr()),
        None => kResultFalse, // never
    };
    if saved != kResultOk {
        return saved;
    }
    match HostStream(stream).write_all(&ours.bytes.borrow()) {
        Ok(()) => kResultOk,
        Err(error) => {
            nice_plug::nice_warn!("the state is not saved: {error}");
            kResultFalse
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host's stream that takes at most `piece` bytes a call and `room` in all.
    struct Tight {
        bytes: RefCell<Vec<u8>>,
        piece: usize,
        room: usize,
        answer: tresult,
    }

    impl Class for Tight {
        type Interfaces = (IBStream,);
    }

    impl IBStreamTrait for Tight {
        unsafe fn read(&self, _: *mut c_void, _: int32, _: *mut int32) -> tresult {
            kResultFalse
        }

        unsafe fn write(&self, buffer: *mut c_void, count: int32, written: *mut int32) -> tresult {
            let mut bytes = self.bytes.borrow_mut();
            let count = self.piece.min(count as usize).min(self.room - bytes.len());
            // SAFETY: there are so many bytes, and a place to write to.
            unsafe {
                bytes.extend_from_slice(std::slice::from_raw_parts(buffer.cast::<u8>(), count));
                written.write(count as int32);
            }
            self.answer
        }

        unsafe fn seek(&self, _: int64, _: int32, _: *mut int64) -> tresult {
            kResultFalse
        }

        unsafe fn tell(&self, _: *mut int64) -> tresult {
            kResultFalse
        }
    }

    #[test]
    fn a_state_that_the_host_does_not_take_whole_is_not_saved() {
        let state = b"a state of some length";
        let save = |saved: tresult, tight: Tight| {
            let host = ComWrapper::new(tight);
            let stream = host.as_com_ref::<IBStream>().unwrap().as_ptr();
            let write = |ours: *mut IBStream| {
                let mut written = 0;
                // SAFETY: a live stream, the bytes of the state, and a place to write to.
                unsafe {
                    let ours = ComRef::from_raw(ours).unwrap();
                    let bytes = state.as_ptr().cast_mut().cast();
                    let result = ours.write(bytes, state.len() as int32, &mut written);
                    assert_eq!((result, written), (kResultOk, state.len() as int32));
                }
                saved
            };
            // SAFETY: a live stream.
            let result = unsafe { with_saved(stream, write) };
            (result, host.bytes.take())
        };
        let tight = |piece: usize, room: usize, answer: tresult| Tight {
            bytes: RefCell::default(),
            piece,
            room,
            answer,
        };
        let whole = state.len();
        for piece in [1, 7, whole, usize::MAX] {
            let saved = save(kResultOk, tight(piece, whole, kResultOk));
            assert_eq!(saved, (kResultOk, state.to_vec()), "pieces of {piece}");
            let (result, _) = save(kResultOk, tight(piece, whole - 1, kResultOk));
            assert_eq!(result, kResultFalse, "no room, pieces of {piece}");
            let (result, _) = save(kResultOk, tight(piece, whole, kResultFalse));
            assert_eq!(result, kResultFalse, "an error, pieces of {piece}");
        }
        let refused = save(kResultFalse, tight(whole, whole, kResultOk));
        assert_eq!(refused, (kResultFalse, Vec::new()));
        // SAFETY: a null pointer is the test.
        let none = unsafe { with_saved(std::ptr::null_mut(), |_| kResultOk) };
        assert_eq!(none, kInvalidArgument);
    }
}
