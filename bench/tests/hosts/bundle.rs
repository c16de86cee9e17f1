//! What the bundles need from the machine.

use std::path::Path;
use std::process::Command;

use tocco_bench::plugin_host::{bundle_path, model_folder};

/// Parts of the C library and of the compiler's, which every Linux has.
const EVERYWHERE: [&str; 7] = [
    "linux-vdso.so",
    "ld-linux",
    "libc.so",
    "libm.so",
    "libgcc_s.so",
    "libpthread.so",
    "libdl.so",
];

/// Most bytes of a bundle's library.
const MOST_BYTES: usize = 25_000_000;

#[test]
fn a_bundle_is_small_and_has_each_file_of_weights_once() {
    let vst3 = format!(
        "Tocco.vst3/Contents/{}-linux/Tocco.so",
        std::env::consts::ARCH
    );
    for file in ["Tocco.clap", &vst3] {
        let library = std::fs::read(bundle_path(file).unwrap()).unwrap();
        assert!(
            library.len() < MOST_BYTES,
            "{file} has {} bytes",
            library.len()
        );
        for section in [".debug_line", ".symtab"] {
            let name = [&b"\0"[..], section.as_bytes(), &b"\0"[..]].concat();
            assert_eq!(
                places(&library, &name),
                0,
                "{file} is not stripped: {section}"
            );
        }
        for id in ["a", "b", "c", "tocco", "tocco-sure", "tocco-late"] {
            let weights = std::fs::read(model_folder(id).join("weights.safetensors")).unwrap();
            assert_eq!(places(&library, &weights), 1, "{file}: weights of {id}");
        }
    }
}

/// How often `part` is in `whole`.
fn places(whole: &[u8], part: &[u8]) -> usize {
    let mut found = 0;
    let mut rest = whole;
    while let Some(at) = rest.iter().position(|byte| *byte == part[0]) {
        found += usize::from(rest[at..].starts_with(part));
        rest = &rest[at + 1..];
    }
    found
}

#[test]
fn the_clap_needs_no_library_that_could_be_missing() {
    check_needs(&bundle_path("Tocco.clap").unwrap());
}

#[test]
fn the_vst3_needs_no_library_that_could_be_missing() {
    let bundle = bundle_path("Tocco.vst3").unwrap();
    let architecture = format!("Contents/{}-linux/Tocco.so", std::env::consts::ARCH);
    check_needs(&bundle.join(architecture));
}

fn check_needs(library: &Path) {
    let output = Command::new("ldd").arg(library).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for line in text.lines() {
        let needed = line.trim();
        assert!(
            EVERYWHERE.iter().any(|name| needed.contains(name)),
            "{} needs {needed}",
            library.display()
        );
    }
}
