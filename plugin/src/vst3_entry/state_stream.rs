//! A saved state on its way from the host to the framework.
//!
//! The framework looks for the end of the host's stream and reads all of it at once. Not every host's
//! stream can do both; ours can.

use std::cell::Cell;
use std::ffi::c_void;
use std::io::{self, Read};

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

/// A state in memory, to be read.
struct MemoryStream {
    bytes: Vec<u8>,
    position: Cell<usize>,
}

impl Class for MemoryStream {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for MemoryStream {
    unsafe fn read(&self, buffer: *mut c_void, wanted: int32, read: *mut int32) -> tresult {
        let rest = &self.bytes[self.position.get()..];
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

    unsafe fn write(&self, _: *mut c_void, _: int32, _: *mut int32) -> tresult {
        kResultFalse
    }

    unsafe fn seek(&self, offset: int64, mode: int32, result: *mut int64) -> tresult {
        // C's enumerations, which have a sign on Windows and none elsewhere.
        let base = match mode {
            _ if mode == kIBSeekSet as int32 => 0,
            _ if mode == kIBSeekCur as int32 => self.position.get(),
            _ if mode == kIBSeekEnd as int32 => self.bytes.len(),
            _ => return kInvalidArgument,
        };
        let position = (base as int64).checked_add(offset);
        let position = position.and_then(|position| usize::try_from(position).ok());
        let Some(position) = position.filter(|position| *position <= self.bytes.len()) else {
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
    let ours = ComWrapper::new(MemoryStream {
        bytes,
        position: Cell::new(0),
    });
    match ours.as_com_ref::<IBStream>() {
        Some(stream) => load(stream.as_ptr()),
        None => kResultFalse, // never
    }
}
