//! A saved state on its way from the host to the framework.
//!
//! The framework writes the length of the state in eight bytes before it, little-endian, since a
//! CLAP stream does not know how long it is.

use std::ffi::c_void;
use std::io::{self, Read};

use clap_sys::stream::clap_istream;

use crate::service::Shared;
use crate::state;

/// Bytes of the length.
const LENGTH: usize = 8;

/// The host's stream.
struct HostStream<'a>(&'a clap_istream);

impl Read for HostStream<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read.map_or(-1, |read| {
            // SAFETY: the host's stream and its own function; the piece is as long as it says.
            unsafe { read(self.0, piece.as_mut_ptr().cast(), piece.len() as u64) }
        });
        usize::try_from(read)
            .ok()
            .filter(|read| *read <= piece.len())
            .ok_or_else(|| io::Error::other(format!("the host's stream answers {read}")))
    }
}

/// Lets `load` read the host's state without the values that cannot be read. Whether it took it; no
/// if it is no state, or a newer one, of which `shared` is told. Allocates.
pub(super) fn with_mended(
    shared: &Shared,
    stream: &clap_istream,
    load: impl FnOnce(*const clap_istream) -> bool,
) -> bool {
    let mut stream = HostStream(stream);
    let mut length = [0; LENGTH];
    let bytes = stream.read_exact(&mut length);
    let bytes = bytes.and_then(|()| state::read(stream.take(u64::from_le_bytes(length))));
    let Some(mended) = state::mended_or_told(bytes, shared) else {
        return false;
    };
    let framed = [&(mended.len() as u64).to_le_bytes()[..], &mended].concat();
    let mut rest = framed.as_slice();
    load(&clap_istream {
        ctx: std::ptr::from_mut(&mut rest).cast(),
        read: Some(read_rest),
    })
}

/// Reads on in the slice that is the stream's context.
unsafe extern "C" fn read_rest(stream: *const clap_istream, to: *mut c_void, size: u64) -> i64 {
    // SAFETY: the framework hands in the stream of `with_mended`, and room for `size` bytes.
    unsafe {
        let rest = &mut *(*stream).ctx.cast::<&[u8]>();
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        let (now, later) = rest.split_at(size);
        std::ptr::copy_nonoverlapping(now.as_ptr(), to.cast(), size);
        *rest = later;
        size as i64
    }
}
