//! Every command of the documents and of the crates' READMEs is read to its end by the program that it
//! calls, which then prints its help: what it does not know it refuses before. `calls.rs` runs those that
//! bundle and install.

mod stand_in;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use cargo_metadata::{Metadata, MetadataCommand, TargetKind};
use tempfile::TempDir;

/// What the workspace has.
static WORKSPACE: LazyLock<Metadata> = LazyLock::new(|| {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps();
    command.exec().unwrap()
});

/// Programs of others that documents call.
const PROGRAMS: [&str; 11] = [
    "aconnect", "cd", "cp", "evl", "git", "mkdir", "scp", "ssh", "sudo", "tar", "unzip",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where `cargo xtask test` has just built all programs.
fn built() -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_xtask")).parent().unwrap();
    profile.with_file_name("release")
}

/// The documents and the README of each crate: files and their texts. The report in `docs/report` and the
/// cards of the models are left out: they say what was called when they were made.
fn documents() -> Vec<(PathBuf, String)> {
    let mut files = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    let documents = root().join("docs").read_dir().unwrap();
    files.extend(documents.map(|entry| entry.unwrap().path()));
    files.retain(|file| file.extension().is_some_and(|end| end == "md"));
    for package in WORKSPACE.workspace_packages() {
        let readme = package.manifest_path.with_file_name("README.md");
        files.push(readme.into_std_path_buf());
    }
    files.sort();
    let with_text = |file: PathBuf| {
        let text =
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file, text)
    };
    files.into_iter().map(with_text).collect()
}

/// Lines of `sh` blocks, each with those that continue it, and commands between backquotes in the text.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let (mut block, mut begun) = (None, String::new());
    for line in text.lines().map(str::trim) {
        if let Some(language) = line.strip_prefix("```") {
            block = block.is_none().then_some(language);
        } else if block == Some("sh") && !line.starts_with('#') {
            begun += line.split(" #").next().unwrap_or_default().trim();
            if let Some(open) = begun.strip_suffix('\\') {
                begun = open.to_owned();
            } else if !begun.is_empty() {
                commands.push(std::mem::take(&mut begun));
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
            .filter(|span| span.starts_with("cargo ") && !span.contains('…'))
            .map(str::to_owned),
    );
    commands
}

/// The words of a command as a shell has them: what stands in quotes is one, or a part of one.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    for c in command.chars() {
        if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && (c == '\'' || c == '"') {
            quote = Some(c);
            word = Some(word.unwrap_or_default());
        } else if quote.is_none() && c.is_whitespace() {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().push(c);
        }
    }
    words.extend(word);
    words
}

/// xtask with a cargo that builds nothing: `cargo xtask test` has just built all programs in release, and
/// what runs here is taken from there.
fn xtask(arguments: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
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
        built().display()
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

/// What a program says that was asked for its help and does not give it.
fn refusal(output: &Output) -> Option<String> {
    let helped = output.status.success() && !output.stdout.is_empty();
    (!helped).then(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

fn refusal_of_xtask(arguments: &[&str]) -> Option<String> {
    let refused = refusal(&xtask(&[arguments, &["--help"]].concat()))?;
    // Who only mentions an option leaves its value out.
    if arguments.last().is_some_and(|last| last.starts_with("--")) {
        refusal(&xtask(&[arguments, &["1", "--help"]].concat()))?;
    }
    Some(refused)
}

/// Nothing is built: what cargo would build is looked for in the workspace, and the program of a package in
/// what `cargo xtask test` has built.
fn refusal_of_cargo(arguments: &[&str]) -> Option<String> {
    let mut parts = arguments.splitn(2, |word| *word == "--");
    let (own, handed_on) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(own).arg("--help").current_dir(root());
    if let Some(refused) = refusal(&command.output().unwrap()) {
        return Some(refused);
    }
    let packages = WORKSPACE.workspace_packages();
    let has_target = |kind: &TargetKind, name: &str| {
        let mut targets = packages.iter().flat_map(|package| &package.targets);
        targets.any(|target| target.name == name && target.kind.contains(kind))
    };
    for pair in own.windows(2) {
        let &[option, name] = pair else { continue };
        let is_there = match option {
            "-p" | "--package" => packages.iter().any(|package| package.name == name),
            "--bench" => has_target(&TargetKind::Bench, name),
            "--bin" => has_target(&TargetKind::Bin, name),
            "--example" => has_target(&TargetKind::Example, name),
            "--test" => has_target(&TargetKind::Test, name),
            _ => true,
        };
        if !is_there {
            return Some(format!("{option} {name}: the workspace has none"));
        }
        if own[0] == "run" && ["-p", "--package"].contains(&option) {
            let mut program = Command::new(built().join(name));
            program.args(handed_on).arg("--help");
            return refusal(&program.output().unwrap());
        }
    }
    None
}

/// Whether a file of the checkout, or of what archives are made of, has this name.
fn is_script(name: &str) -> bool {
    let name = name.trim_start_matches("./");
    let folders = ["", "xtask/elk", "xtask/linux"];
    folders
        .iter()
        .any(|folder| root().join(folder).join(name).is_file())
}

/// Whether it is a program of others, or a script: what is typed on the Pi, to reach it and in an unpacked
/// archive. The scripts there have tests of their own, in `bench`.
fn is_at_hand(words: &[&str]) -> bool {
    match words {
        ["/udata/tocco/start.sh", name, ..] => root()
            .join(format!("xtask/elk/config/{name}.json"))
            .exists(),
        ["sh", script, ..] => is_script(script),
        [program, ..] => {
            PROGRAMS.contains(program) || (program.contains('/') && is_script(program))
        }
        [] => false,
    }
}

/// Whether a word before a command sets a variable of its environment.
fn is_setting(word: &str) -> bool {
    let is_of_a_variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    word.split_once('=')
        .is_some_and(|(name, _)| name.chars().all(is_of_a_variable))
}

/// Why a command is none.
fn fault(command: &str) -> Option<String> {
    let words = words(command);
    let words = words.iter().map(String::as_str);
    let words: Vec<&str> = words.skip_while(|word| is_setting(word)).collect();
    match words.as_slice() {
        ["cargo", "xtask", arguments @ ..] => refusal_of_xtask(arguments),
        ["cargo", arguments @ ..] => refusal_of_cargo(arguments),
        words => (!is_at_hand(words)).then(|| {
            "neither of cargo, nor a script of ours, nor a program that this test knows".to_owned()
        }),
    }
}

#[test]
fn every_command_is_one_that_its_program_knows() {
    let (mut checked, mut faults) = (BTreeSet::new(), Vec::new());
    for (file, text) in documents() {
        for command in commands(&text) {
            if checked.insert(command.clone())
                && let Some(fault) = fault(&command)
            {
                faults.push(format!("{}: {command}: {fault}", file.display()));
            }
        }
    }
    assert!(checked.len() >= 30, "{checked:?}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
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
    let program = built().join("tocco-cli");
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
    for command in [
        "cargo xtask demo --inptu x.wav",
        "cargo xtask demo --inptu",
        "cargo xtask bundel",
        "cargo xtask bundle --feature x",
        "cargo tset",
        "cargo test --release --test no_such_test",
        "cargo test -p no-such-package",
        "cargo run --release -p tocco-cli -- demo --inptu x.wav",
        "sh no-such-script.sh",
        ".ci/no-such-script",
        "no-such-program",
    ] {
        assert!(fault(command).is_some(), "{command}");
    }
    for command in [
        "cargo xtask calibrate --profile",
        "TOCCO_CONFIG= cargo xtask audit --plant 'C: malloc'",
        "cargo test --release -p xtask --test readme -- --nocapture",
        "./install.sh",
        "sh ./install.sh",
    ] {
        assert_eq!(fault(command), None, "{command}");
    }
}

#[test]
fn commands_are_found_in_blocks_and_in_the_text() {
    let text = "Do `cargo xtask\ndemo`, not `cargo xtask …`.\n\
        ```sh\n# first\ncargo xtask test  # all\n```\n\
        - then\n   ```sh\n   cargo xtask demo \\\n     --model a\n   ```\n\
        ```text\nnothing\n```\n";
    assert_eq!(
        commands(text),
        [
            "cargo xtask test",
            "cargo xtask demo --model a",
            "cargo xtask demo"
        ]
    );
    assert_eq!(
        words("audit  --plant 'C: \"malloc\"' a' b'c ''"),
        ["audit", "--plant", "C: \"malloc\"", "a bc", ""]
    );
}

#[test]
fn files_and_options_are_called_what_they_are_called() {
    let help = xtask(&["bundle", "--help"]).stdout;
    let help = (PathBuf::from("bundle"), String::from_utf8(help).unwrap());
    for (file, text) in documents().into_iter().chain([help]) {
        for former in ["tocco.clap", "tocco.vst3", "--features vst3"] {
            assert!(!text.contains(former), "{}: {former}", file.display());
        }
    }
}
