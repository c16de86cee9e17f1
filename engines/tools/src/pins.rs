//! The library versions that were tested together, and how to tell that a file is one of them.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tocco_engines::bounded_read::read_file;
use tocco_engines::{EngineId, litert_release};

/// Largest library that is read, bytes: four times the largest that is pinned.
const LARGEST_LIBRARY: u64 = 100 << 20;

/// A library out of a wheel of the Python package index.
#[derive(Debug)]
pub struct Pin {
    /// The engine that it is for.
    pub engine: EngineId,
    /// Operating system of the machine, as Rust names it.
    pub system: &'static str,
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
pub const PINS: [Pin; 6] = [
    Pin {
        engine: EngineId::Onnx,
        system: "linux",
        architecture: "x86_64",
        package: "onnxruntime",
        version: "1.27.0",
        wheel_sha256: "e4f7b0e90d2d212e2c2deaa6c8291616183ab815d3ec558ea12d3ac8b26d36f4",
        member: ONNX_MEMBER,
        library_sha256: "b5c9d4f124d24707f514dad926dc181820807178855df1c528e3addb2dd0e6f7",
    },
    Pin {
        engine: EngineId::Onnx,
        system: "linux",
        architecture: "aarch64",
        package: "onnxruntime",
        version: "1.27.0",
        wheel_sha256: "2eb083321af8a236a84c7c140a7f4cecbfa2a987a18c07c78db471c20cd390ef",
        member: ONNX_MEMBER,
        library_sha256: "9275ef52956228686ae47b0219f67476a1148505084bdc5571e7bf1bf69b11f2",
    },
    Pin {
        engine: EngineId::LiteRt,
        system: "linux",
        architecture: "x86_64",
        package: "ai-edge-litert",
        version: litert_release::VERSION,
        wheel_sha256: "1f15078a6725d2357d9de9221664c29afa0545d807559c5f7199ce5e40b96b23",
        member: LITERT_MEMBER,
        library_sha256: litert_release::LINUX_X86_64,
    },
    Pin {
        engine: EngineId::LiteRt,
        system: "linux",
        architecture: "aarch64",
        package: "ai-edge-litert",
        version: litert_release::VERSION,
        wheel_sha256: "853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae",
        member: LITERT_MEMBER,
        library_sha256: litert_release::LINUX_AARCH64,
    },
    Pin {
        engine: EngineId::Onnx,
        system: "windows",
        architecture: "x86_64",
        package: "onnxruntime",
        version: "1.27.0",
        wheel_sha256: "ff050e4f6bf7f12918fa14dcb047c0b02e295f35e86d42532552be4b3d54e977",
        member: "onnxruntime/capi/onnxruntime.dll",
        library_sha256: "7b9ef55ecaa67ea48e7b0cbe06c926a2046510eef45bbddc35bb9b02f6de3f81",
    },
    Pin {
        engine: EngineId::LiteRt,
        system: "windows",
        architecture: "x86_64",
        package: "ai-edge-litert",
        version: litert_release::VERSION,
        wheel_sha256: "ffee5993b859580650e844fce322e93b7abf50dfa36fd0fcbde41e079d1eebe3",
        member: "ai_edge_litert/libLiteRt.dll",
        library_sha256: litert_release::WINDOWS_X86_64,
    },
];

impl Pin {
    /// The library for `engine` on `system` with `architecture`.
    ///
    /// # Errors
    /// When there is none: the error lists those there are.
    pub fn find(engine: EngineId, system: &str, architecture: &str) -> Result<&'static Self> {
        let of_engine = || PINS.iter().filter(|pin| pin.engine == engine);
        of_engine()
            .find(|pin| pin.system == system && pin.architecture == architecture)
            .with_context(|| {
                let known: Vec<String> = of_engine()
                    .map(|pin| format!("{} {}", pin.system, pin.architecture))
                    .collect();
                format!(
                    "engine {engine}: no library for {system} {architecture}; there are {}",
                    known.join(", ")
                )
            })
    }

    /// Names of the platform in wheels, the preferred one first.
    pub fn platforms(&self) -> Vec<String> {
        match (self.system, self.architecture) {
            ("windows", "x86_64") => vec!["win_amd64".to_owned()],
            (_, architecture) => ["manylinux_2_28", "manylinux_2_27"]
                .map(|platform| format!("{platform}_{architecture}"))
                .into(),
        }
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
    fn a_machine_without_a_library_is_told_which_have_one() {
        let error = Pin::find(EngineId::Onnx, "windows", "aarch64").unwrap_err();
        assert_eq!(
            error.to_string(),
            "engine onnx: no library for windows aarch64; there are linux x86_64, linux aarch64, \
             windows x86_64"
        );
        let pin = Pin::find(EngineId::LiteRt, "windows", "x86_64").unwrap();
        assert_eq!(pin.file_name(), "libLiteRt.dll");
        assert_eq!(pin.platforms(), ["win_amd64"]);
    }

    #[test]
    fn the_installed_name_is_the_one_that_is_looked_for() {
        // The names are those of the system that this runs on.
        let here = |pin: &&Pin| pin.system == std::env::consts::OS;
        assert!(PINS.iter().any(|pin| here(&pin)));
        for pin in PINS.iter().filter(here) {
            let names = tocco_engines::discovery::file_names(pin.engine);
            assert_eq!(names.first(), Some(&pin.file_name()));
        }
    }
}
