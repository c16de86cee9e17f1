//! Makes the library smaller for Linux, and puts what Explorer shows of a file, its name and version, into
//! that for Windows.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The pinned Rust links with LLVM's linker there. It keeps one of several functions that are the same
    // instruction by instruction, as generic code has many.
    if variable("TARGET") == "x86_64-unknown-linux-gnu" {
        println!("cargo::rustc-link-arg-cdylib=-Wl,--icf=all");
    }
    if variable("CARGO_CFG_TARGET_OS") != "windows" {
        return;
    }
    if variable("CARGO_CFG_TARGET_ENV") != "gnu" {
        println!(
            "cargo::warning=the library has no version resource: only windres is called for it"
        );
        return;
    }
    let windres = format!("{}-w64-mingw32-windres", variable("CARGO_CFG_TARGET_ARCH"));
    let folder = PathBuf::from(variable("OUT_DIR"));
    let (script, object) = (folder.join("version.rc"), folder.join("version.o"));
    fs::write(&script, version()).expect("OUT_DIR can be written to");
    let status = Command::new(&windres)
        .args(["--output-format", "coff"])
        .arg(&script)
        .arg(&object)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{windres} failed ({status})"),
        Err(error) => panic!("{windres}: {error}; on Debian: apt-get install mingw-w64"),
    }
    println!("cargo::rustc-link-arg-cdylib={}", object.display());
}

/// The resource's source: see VERSIONINFO in Microsoft's documentation of resources.
fn version() -> String {
    let version = variable("CARGO_PKG_VERSION");
    let part = |name: &str| variable(&format!("CARGO_PKG_VERSION_{name}"));
    let numbers = format!("{},{},{},0", part("MAJOR"), part("MINOR"), part("PATCH"));
    let licence = variable("CARGO_PKG_LICENSE");
    let description = variable("CARGO_PKG_DESCRIPTION");
    // A library (VFT_DLL) of 32-bit Windows or later (VOS_NT_WINDOWS32); English, UTF-16.
    format!(
        r#"1 VERSIONINFO
FILEVERSION {numbers}
PRODUCTVERSION {numbers}
FILEOS 0x40004
FILETYPE 0x2
BEGIN
  BLOCK "StringFileInfo"
  BEGIN
    BLOCK "040904b0"
    BEGIN
      VALUE "FileDescription", "{description}"
      VALUE "FileVersion", "{version}"
      VALUE "LegalCopyright", "{licence}"
      VALUE "ProductName", "Tocco"
      VALUE "ProductVersion", "{version}"
    END
  END
  BLOCK "VarFileInfo"
  BEGIN
    VALUE "Translation", 0x409, 1200
  END
END
"#
    )
}

/// What cargo tells.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
