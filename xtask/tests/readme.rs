//! Every command of the README and of what it leads users to is read to its end by the program that it calls, which then prints its
//! help: what it does not know it refuses before. `calls.rs` runs those that bundle and install.

mod stand_in;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What a user reads first, in one piece.
fn documents() -> String {
    let files = [
        "README.md",
        "docs/guide.md",
        "docs/hosts.md",
        "docs/own-network.md",
        "docs/engines.md",
        "docs/elk.md",
        "docs/windows.md",
        "docs/configuration.md",
    ];
    let read = |file| fs::read_to_string(root().join(file)).unwrap();
    files.map(read).concat()
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

/// xtask with a cargo that builds nothing: `cargo xtask test` has just built all programs in release, and
/// what runs here is taken from there.
fn xtask(arguments: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let profile = Path::new(env!("CARGO_BIN_EXE_xtask")).parent().unwrap();
    let built = profile.with_file_name("release");
    let script = format!(
        r#"#!/bin/sh
if [ "$1" = build ]; then
  for program; do :; done
  mkdir -p "$CARGO_TARGET_DIR/release"
  ln -sf "{}/$program" "$CARGO_TARGET_DIR/release/"
  exit
fi
exec '{real}' "$@"
"#,
        built.display()
    );
    let cargo = stand_in::cargo(folder.path(), &script);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(arguments)
        .current_dir(root())
        .env("CARGO_TARGET_DIR", folder.path())
        .env("CARGO", &cargo);
    command.output().unwrap()
}

/// What is typed on the Pi and to reach it. The scripts there have tests of their own, in `bench`.
fn check_on_the_board(words: &[&str], command: &str) {
    let archive = root().join("xtask/elk");
    let exists = match words {
        // A script of the gate.
        [script] if script.starts_with(".ci/") => root().join(script).is_file(),
        ["/udata/tocco/start.sh", name, ..] => archive.join(format!("config/{name}.json")).exists(),
        ["sh", script, ..] => archive.join(script).exists(),
        [program, ..] => ["scp", "ssh", "cd", "sudo", "aconnect", "evl"].contains(program),
        [] => false,
    };
    assert!(
        exists,
        "{command}: neither cargo xtask nor known on the board"
    );
}

#[test]
fn every_command_is_one_that_its_program_knows() {
    let commands = commands(&documents());
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        let ["cargo", "xtask", arguments @ ..] = words.as_slice() else {
            check_on_the_board(&words, &command);
            continue;
        };
        let output = xtask(&[arguments, &["--help"]].concat());
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(!output.stdout.is_empty(), "{command}: no help");
    }
}

/// What is to be typed of the program `tocco` in the guides of the archives.
fn commands_of_the_program(guide: &str) -> Vec<Vec<String>> {
    let lines = guide.lines().map(|line| {
        let line = line.trim_start().trim_start_matches("<pre><code>");
        // What it does stands behind it.
        let end = ["  ", "#", "<"]
            .iter()
            .filter_map(|mark| line.find(mark))
            .min();
        line[..end.unwrap_or(line.len())].trim().to_owned()
    });
    let words = lines.map(|line| line.split_whitespace().map(str::to_owned).collect());
    let is_command = |words: &Vec<String>| {
        words
            .first()
            .is_some_and(|program| ["tocco", r".\tocco"].contains(&program.as_str()))
            && words.get(1).is_some_and(|word| !word.starts_with('-'))
    };
    words.filter(is_command).collect()
}

#[test]
fn every_command_in_the_archives_is_one_that_their_program_knows() {
    let profile = Path::new(env!("CARGO_BIN_EXE_xtask")).parent().unwrap();
    let program = profile.with_file_name("release").join("tocco-cli");
    for guide in ["xtask/windows/README.txt", "xtask/linux/guide.html"] {
        let text = fs::read_to_string(root().join(guide)).unwrap();
        let commands = commands_of_the_program(&text);
        assert!(commands.len() >= 5, "{guide}: {commands:?}");
        for words in commands {
            // Only what is read is answered with help.
            let output = Command::new(&program)
                .args(&words[1..])
                .arg("--help")
                .output()
                .unwrap();
            assert!(output.status.success(), "{guide}: {words:?}: {output:?}");
        }
    }
    let unknown = Command::new(&program)
        .args(["demo", "--inptu", "x", "--help"])
        .output()
        .unwrap();
    assert!(!unknown.status.success());
}

/// PowerShell looks for no program where it stands unless told so, and refuses `<`.
#[test]
fn commands_for_windows_are_such_that_powershell_takes_them() {
    let text = fs::read_to_string(root().join("xtask/windows/README.txt")).unwrap();
    let commands = commands_of_the_program(&text);
    assert!(
        commands.iter().all(|words| words[0] == r".\tocco"),
        "{commands:?}"
    );
    assert!(!text.contains('<'), "{text}");
}

#[test]
fn a_command_that_does_not_exist_would_be_found() {
    for arguments in [
        &["demo", "--inptu", "x.wav"][..],
        &["bundel"],
        &["bundle", "--feature", "x"],
    ] {
        let output = xtask(&[arguments, &["--help"]].concat());
        assert!(!output.status.success(), "{arguments:?}");
    }
    let found = commands("Do `cargo xtask\ndemo`.\n```sh\n# first\ncargo xtask test  # all\n```\n");
    assert_eq!(found, ["cargo xtask test", "cargo xtask demo"]);
}

#[test]
fn files_and_options_are_called_what_they_are_called() {
    let help = xtask(&["bundle", "--help"]).stdout;
    for text in [documents(), String::from_utf8(help).unwrap()] {
        assert!(
            !text.contains("tocco.clap") && !text.contains("tocco.vst3"),
            "{text}"
        );
        assert!(!text.contains("--features vst3"), "{text}");
    }
}
