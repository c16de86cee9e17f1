//! The files of LiteRT that may be called.
//!
//! LiteRT keeps the names of its functions when it changes what they take:
//! `LiteRtCreateModelFromBuffer` had three arguments before it had four. Neither the symbols of a
//! library nor its name tell which it is, and a function that is called with the arguments of another
//! version reads and writes anywhere. So only the files are called that the declarations here were
//! tested with, told by their hashes.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::bounded_read::open_file;

/// Version of the files.
pub const VERSION: &str = "2.3.0";

/// SHA-256, hexadecimal, of the library for Linux on x86_64.
pub const LINUX_X86_64: &str = "eec47eb35e2924b3166015887e652a58edc9af823ae38e02bf83bef2548300bb";

/// SHA-256, hexadecimal, of the library for Linux on aarch64.
pub const LINUX_AARCH64: &str = "b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b";

/// SHA-256, hexadecimal, of the library for Windows on x86_64.
pub const WINDOWS_X86_64: &str = "445f51fed26967fc1112e0de9ddfef7d8497b24322bbfe18b556426a60000891";

/// Bytes that are hashed at most: of a file far larger than these not all need be read.
const LARGEST: u64 = 100 << 20;

/// Whether the library at `path` is one of these files, of whatever machine: that of another does not
/// open. Reads all of it. What was opened is kept for the rest of the process, so that this is done once.
///
/// # Errors
/// Why it may not be called.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let file = open_file(path).map_err(|error| error.to_string())?;
    let found = sha256(file).map_err(|error| format!("cannot be read: {error}"))?;
    if [LINUX_X86_64, LINUX_AARCH64, WINDOWS_X86_64].contains(&found.as_str()) {
        return Ok(());
    }
    Err(format!(
        "is not the file of LiteRT {VERSION} that was tested, and is not called: in other versions, \
         older or newer, functions of the same names take other arguments"
    ))
}

/// SHA-256, hexadecimal, of what there is to read, as far as [`LARGEST`].
fn sha256(file: impl std::io::Read) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    std::io::copy(&mut file.take(LARGEST), &mut hash)?;
    let bytes = hash.finalize();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-2, appendix B.1.
    #[test]
    fn the_published_hash() {
        assert_eq!(
            sha256(&b"abc"[..]).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn any_other_file_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libLiteRt.so");
        std::fs::write(&path, b"abc").unwrap();
        let error = check(&path).unwrap_err();
        assert!(
            error.starts_with("is not the file of LiteRT 2.3.0"),
            "{error}"
        );
    }
}
