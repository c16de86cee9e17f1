//! How xtask calls cargo, with a cargo that only tells how it was called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Calls xtask in `folder` with a cargo that does `script` in place of anything but `metadata`.
fn xtask(script: &str, folder: &Path, target: &str, arguments: &[&str]) -> Output {
    let bin = TempDir::new().unwrap();
    let cargo = bin.path().join("cargo");
    let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let script = format!("#!/bin/sh\n[ \"$1\" = metadata ] && exec '{real}' \"$@\"\n{script}\n");
    fs::write(&cargo, script).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO", &cargo)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap()
}

const INFER: &[&str] = &["infer", "--engine", "native", "--file", "x.json"];

#[test]
fn a_tool_that_dies_of_a_signal_is_told_with_the_signal() {
    for (signal, number, name) in [
        ("SEGV", 11, "SIGSEGV"),
        ("BUS", 7, "SIGBUS"),
        ("KILL", 9, "SIGKILL"),
    ] {
        let script = format!("kill -{signal} $$");
        let output = xtask(&script, root(), "target", INFER);
        assert_eq!(output.status.code(), Some(128 + number), "{output:?}");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            message.starts_with("error: infer was ended by a signal"),
            "{message}"
        );
        assert!(message.contains(name), "{message}");
        // What cargo itself dies of, when the memory is gone for example.
        let output = xtask(&script, root(), "target", &["lint"]);
        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_tools_exit_code_is_taken_on() {
    let output = xtask("exit 3", root(), "target", INFER);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn tools_run_where_the_user_stands_and_all_is_built_in_one_folder() {
    let script = "printf '%s\\n' \"$PWD\" \"$CARGO_TARGET_DIR\" \"$TOCCO_BUNDLES\"";
    let elsewhere = TempDir::new().unwrap();
    let elsewhere = elsewhere.path().canonicalize().unwrap();
    let (built, below) = (elsewhere.join("built"), elsewhere.join("below"));
    fs::create_dir(&built).unwrap();
    fs::create_dir(&below).unwrap();
    for (folder, target) in [
        (below.as_path(), "../built"),
        (elsewhere.as_path(), "built"),
        (root(), built.to_str().unwrap()),
        (&root().join("plugin"), built.to_str().unwrap()),
    ] {
        let output = xtask(script, folder, target, INFER);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let [here, target_folder, bundles] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("{text}");
        };
        assert_eq!(Path::new(here), folder);
        assert_eq!(Path::new(target_folder), built);
        assert_eq!(Path::new(bundles), built.join("bundled"));
        // What xtask calls for itself runs in the root, and builds in the same folder.
        let output = xtask(script, folder, target, &["lint"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().take(2).collect();
        assert_eq!(lines, [root().to_str().unwrap(), built.to_str().unwrap()]);
    }
}
