//! The library versions that were tested together, and how to tell that a file is one of them.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tocco_engines::EngineId;
use tocco_engines::bounded_read::read_file;

/// Largest library that is read, bytes: four times the largest that is pinned.
const LARGEST_LIBRARY: u64 = 100 << 20;

/// A library out of a wheel of the Python package index.
#[derive(Debug)]
pub struct Pin {
    /// The engine that it is for.
    pub engine: EngineId,
    /// Architecture of the machine, as Rust names it.
    pub architecture: &'static str,
    /// Name of the package.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// SHA-256 of the wheel, hexadecimal.
    pub wheel_sha256: &'static str,
    /// Path of the library in the wheel.
    pub member: &'static str,
    /// SHA-256 of the library, hexadecimal.
    pub library_sha256: &'static str,
}

const ONNX_MEMBER: &str = "onnxruntime/capi/libonnxruntime.so.1.27.0";
const LITERT_MEMBER: &str = "ai_edge_litert/libLiteRt.so";

/// All pinned libraries.
pub const PINS: [Pin; 4] = [
    Pin {
        engine: EngineId::Onnx,
        architecture: "x86_64",
        package: "onnxruntime",
        version: "1.27.0",
        wheel_sha256: "e4f7b0e90d2d212e2c2deaa6c8291616183ab815d3ec558ea12d3ac8b26d36f4",
        member: ONNX_MEMBER,
        library_sha256: "b5c9d4f124d24707f514dad926dc181820807178855df1c528e3addb2dd0e6f7",
    },
    Pin {
        engine: EngineId::Onnx,
        architecture: "aarch64",
        package: "onnxruntime",
        version: "1.27.0",
        wheel_sha256: "2eb083321af8a236a84c7c140a7f4cecbfa2a987a18c07c78db471c20cd390ef",
        member: ONNX_MEMBER,
        library_sha256: "9275ef52956228686ae47b0219f67476a1148505084bdc5571e7bf1bf69b11f2",
    },
    Pin {
        engine: EngineId::LiteRt,
        architecture: "x86_64",
        package: "ai-edge-litert",
        version: "2.3.0",
        wheel_sha256: "1f15078a6725d2357d9de9221664c29afa0545d807559c5f7199ce5e40b96b23",
        member: LITERT_MEMBER,
        library_sha256: "eec47eb35e2924b3166015887e652a58edc9af823ae38e02bf83bef2548300bb",
    },
    Pin {
        engine: EngineId::LiteRt,
        architecture: "aarch64",
        package: "ai-edge-litert",
        version: "2.3.0",
        wheel_sha256: "853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae",
        member: LITERT_MEMBER,
        library_sha256: "b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b",
    },
];

impl Pin {
    /// The library for `engine` on `architecture`.
    ///
    /// # Errors
    /// When there is none: the error lists the architectures there are.
    pub fn find(engine: EngineId, architecture: &str) -> Result<&'static Self> {
        PINS.iter()
            .find(|pin| pin.engine == engine && pin.architecture == architecture)
            .with_context(|| {
                format!("engine {engine}: no library for {architecture}; there are x86_64, aarch64")
            })
    }

    /// File name of the library.
    #[must_use]
    pub fn file_name(&self) -> &'static str {
        self.member
            .rsplit_once('/')
            .map_or(self.member, |(_, name)| name)
    }

    /// Whether the file at `path` is the pinned library.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        read_file(path, LARGEST_LIBRARY).is_ok_and(|bytes| sha256(&bytes) == self.library_sha256)
    }
}

/// SHA-256 of `bytes`, hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Refuses bytes that are not what was pinned.
///
/// # Errors
/// When the hash differs.
pub fn check(what: &str, bytes: &[u8], expected: &str) -> Result<()> {
    let found = sha256(bytes);
    if found != expected {
        bail!(
            "{what}: expected SHA-256 {expected}, found {found}; it is not the file that was \
             tested: check where your pip downloads from"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-2, appendix B.1.
    #[test]
    fn the_published_hash() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        check("abc", b"abd", &sha256(b"abc")).unwrap_err();
    }

    #[test]
    fn the_installed_name_is_the_one_that_is_looked_for() {
        for pin in &PINS {
            let names = tocco_engines::discovery::file_names(pin.engine);
            assert_eq!(names.first(), Some(&pin.file_name()));
        }
    }
}
