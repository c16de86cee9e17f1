//! Reads the version of libtorch from its headers, for `tocco_torch_libtorch_version`.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").unwrap_or_else(|_| "/usr".to_owned());
    let header = PathBuf::from(libtorch).join("include/torch/csrc/api/include/torch/version.h");
    let text = std::fs::read_to_string(&header).unwrap_or_default();
    let number = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("#define TORCH_VERSION_{name} ")))
    };
    // Debian's header does not follow the patch number of its package.
    let version = number("MAJOR").zip(number("MINOR")).map_or_else(
        || "unknown".to_owned(),
        |(major, minor)| format!("{}.{}", major.trim(), minor.trim()),
    );
    println!("cargo::rerun-if-changed={}", header.display());
    println!("cargo::rustc-env=LIBTORCH_VERSION={version}");
}
