//! What the bundles need from the machine.

use std::path::Path;
use std::process::Command;

use tocco_bench::plugin_host::bundle_path;

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
