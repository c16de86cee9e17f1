//! Every command of the README: those that are quick are run, all others are read to the end by the
//! program that they call, which then prints its help.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// Lines of `sh` blocks, and commands between backquotes in the text.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut block = None;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            block = block.is_none().then_some(language);
        } else if block == Some("sh") {
            let command = line.split(" #").next().unwrap_or_default().trim();
            if !command.is_empty() && !command.starts_with('#') {
                commands.push(command.to_owned());
            }
        }
    }
    // Spans may go over the end of a line.
    let outside = text
        .split("```")
        .step_by(2)
        .collect::<String>()
        .replace('\n', " ");
    let spans = outside.split('`').skip(1).step_by(2);
    commands.extend(
        spans
            .filter(|span| span.starts_with("cargo "))
            .map(str::to_owned),
    );
    commands
}

fn xtask(arguments: &[&str], home: &Path) -> Output {
    // Cargo and rustup are the real user's, whoever the hosts belong to.
    let real = PathBuf::from(std::env::var_os("HOME").expect("HOME is set"));
    let folder = |name, below| std::env::var_os(name).unwrap_or_else(|| real.join(below).into());
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .current_dir(root())
        .env("CARGO_HOME", folder("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", folder("RUSTUP_HOME", ".rustup"))
        .env("HOME", home)
        .output()
        .unwrap()
}

#[test]
fn every_command_is_one_that_its_program_knows() {
    let commands = commands(&readme());
    assert!(commands.len() >= 10, "{commands:?}");
    let home = TempDir::new().unwrap();
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        let ["cargo", "xtask", arguments @ ..] = words.as_slice() else {
            panic!("{command}: this test knows of cargo xtask alone");
        };
        let output = xtask(&[arguments, &["--help"]].concat(), home.path());
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(!output.stdout.is_empty(), "{command}: no help");
    }
}

#[test]
fn a_command_that_does_not_exist_would_be_found() {
    let home = TempDir::new().unwrap();
    for arguments in [
        &["demo", "--inptu", "x.wav"][..],
        &["bundel"],
        &["bundle", "--feature", "x"],
    ] {
        let output = xtask(&[arguments, &["--help"]].concat(), home.path());
        assert!(!output.status.success(), "{arguments:?}");
    }
    let found = commands("Do `cargo xtask\ndemo`.\n```sh\n# first\ncargo xtask test  # all\n```\n");
    assert_eq!(found, ["cargo xtask test", "cargo xtask demo"]);
}

#[test]
fn files_and_options_are_called_what_they_are_called() {
    let help = xtask(&["bundle", "--help"], root()).stdout;
    for text in [readme(), String::from_utf8(help).unwrap()] {
        assert!(
            !text.contains("tocco.clap") && !text.contains("tocco.vst3"),
            "{text}"
        );
        assert!(!text.contains("--features vst3"), "{text}");
    }
}
