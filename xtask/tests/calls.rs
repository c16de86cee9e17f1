//! How xtask calls cargo, and what it does with what was built: with a cargo that only tells how it was
//! called, or makes a library of a few lines in place of the plugin.

mod stand_in;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// xtask in `folder` with a cargo that does `script` in place of anything but `metadata`.
fn command(
    script: &str,
    bin: &TempDir,
    folder: &Path,
    target: &str,
    arguments: &[&str],
) -> Command {
    let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let script = format!("#!/bin/sh\n[ \"$1\" = metadata ] && exec '{real}' \"$@\"\n{script}\n");
    let cargo = stand_in::cargo(bin.path(), &script);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("CARGO", &cargo)
        .env("CARGO_TARGET_DIR", target);
    command
}

fn xtask(script: &str, folder: &Path, target: &str, arguments: &[&str]) -> Output {
    let bin = TempDir::new().unwrap();
    command(script, &bin, folder, target, arguments)
        .output()
        .unwrap()
}

#[test]
fn a_package_that_is_not_there_is_refused_before_anything_is_built() {
    let target = TempDir::new().unwrap();
    let script = "echo \"$@\" >> \"$CARGO_TARGET_DIR/calls\"";
    let folder = target.path().to_str().unwrap();
    let output = xtask(script, root(), folder, &["test", "--package", "nope"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{message}");
    assert!(
        message.contains("found nope") && message.contains("tocco-dsp"),
        "{message}"
    );
    assert!(!target.path().join("calls").exists());
}

#[test]
fn hosts_are_given_no_bundle_that_is_not_there() {
    let target = TempDir::new().unwrap();
    let folder = target.path().to_str().unwrap();
    let output = xtask("exit 1", root(), folder, &["hosts", "--no-build"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{message}");
    assert!(
        message.contains("Tocco.clap: there is no such bundle; leave out --no-build"),
        "{message}"
    );
}

/// In place of the build: a library with the entries of both formats, and lines for a debugger.
const BUILD: &str = r#"
echo "$@" >> "$CARGO_TARGET_DIR/calls"
profile=debug
case " $* " in *" --release "*) profile=release ;; esac
made=$CARGO_TARGET_DIR/$profile
[ -e "$made/deps/libtocco.so" ] && echo there >> "$CARGO_TARGET_DIR/calls"
mkdir -p "$made/deps"
echo 'int clap_entry = 1; int GetPluginFactory(void) { return 1; }' > "$CARGO_TARGET_DIR/x.c"
cc -g -shared -fPIC -o "$made/libtocco.so" "$CARGO_TARGET_DIR/x.c" || exit 1
cp "$made/libtocco.so" "$made/deps/"
"#;

fn has(library: &Path, name: &str) -> bool {
    let name = name.as_bytes();
    fs::read(library)
        .unwrap()
        .windows(name.len())
        .any(|window| window == name)
}

#[test]
fn install_puts_both_bundles_where_hosts_look_and_uninstall_takes_them_away() {
    let (bin, home, target) = (
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
    );
    let target = target.path().to_str().unwrap();
    let real = std::env::var("HOME").unwrap();
    let folder = |name, below| std::env::var(name).unwrap_or(format!("{real}/{below}"));
    let run = |arguments: &[&str]| {
        // Cargo and rustup are the real user's, whoever the hosts belong to.
        let mut command = command(BUILD, &bin, root(), target, arguments);
        command.env("CARGO_HOME", folder("CARGO_HOME", ".cargo"));
        command.env("RUSTUP_HOME", folder("RUSTUP_HOME", ".rustup"));
        let output = command.env("HOME", home.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (clap, vst3) = (home.path().join(".clap"), home.path().join(".vst3"));
    let module = format!(
        "Tocco.vst3/Contents/{}-linux/Tocco.so",
        std::env::consts::ARCH
    );
    fs::create_dir_all(vst3.join("Tocco.vst3/old")).unwrap();
    fs::create_dir_all(&clap).unwrap();
    // A link to somebody's own build is replaced, not followed.
    let own = home.path().join("own");
    fs::write(&own, "own").unwrap();
    std::os::unix::fs::symlink(&own, clap.join("Tocco.clap")).unwrap();
    for name in ["Other.clap", "tocco.clap"] {
        fs::write(clap.join(name), "other").unwrap();
    }
    for _ in 0..2 {
        let text = run(&["install"]);
        for path in [clap.join("Tocco.clap"), vst3.join("Tocco.vst3")] {
            assert!(
                text.contains(&format!("installed {}", path.display())),
                "{text}"
            );
        }
        assert!(has(&clap.join("Tocco.clap"), "clap_entry"));
        assert!(has(&vst3.join(&module), "GetPluginFactory"));
        assert!(!vst3.join("Tocco.vst3/old").exists());
    }
    assert_eq!(fs::read_to_string(&own).unwrap(), "own");
    // As an installation leaves it that was ended in the middle.
    fs::write(clap.join(".Tocco.clap.new"), "half").unwrap();
    fs::create_dir(vst3.join(".Tocco.vst3.new")).unwrap();
    run(&["uninstall"]);
    let left = |folder: &Path| {
        let mut names: Vec<_> = folder
            .read_dir()
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(left(&clap), ["Other.clap", "tocco.clap"]);
    assert!(left(&vst3).is_empty());
    assert!(run(&["uninstall"]).contains("not there"));
}

#[test]
fn bundles_are_stripped_and_what_they_are_made_of_is_not() {
    let target = TempDir::new().unwrap();
    let output = xtask(BUILD, root(), target.path().to_str().unwrap(), &["bundle"]);
    assert!(output.status.success(), "{output:?}");
    let module = format!(
        "Tocco.vst3/Contents/{}-linux/Tocco.so",
        std::env::consts::ARCH
    );
    assert!(has(
        &target.path().join("release/libtocco.so"),
        ".debug_line"
    ));
    for file in ["Tocco.clap", &module] {
        let library = target.path().join("bundled").join(file);
        assert!(
            has(&library, "clap_entry") && has(&library, "GetPluginFactory"),
            "{file}"
        );
        for section in [".debug_line", ".symtab"] {
            assert!(!has(&library, section), "{file}: {section}");
        }
    }
}

#[test]
fn a_headless_bundle_is_not_taken_for_the_usual_one() {
    let target = TempDir::new().unwrap();
    let run = |arguments: &[&str]| {
        let output = xtask(BUILD, root(), target.path().to_str().unwrap(), arguments);
        assert!(output.status.success(), "{output:?}");
        let calls = fs::read_to_string(target.path().join("calls")).unwrap();
        fs::remove_file(target.path().join("calls")).unwrap();
        calls
    };
    let kept = target.path().join("release/deps/libtocco.so");
    let usual = "build --package tocco --release\n";
    assert_eq!(run(&["bundle"]), usual);
    assert!(kept.exists());
    // The next usual one is the same build, and fresh.
    assert_eq!(run(&["bundle"]), format!("{usual}there\n"));
    let headless = run(&["bundle", "--no-default-features"]);
    assert_eq!(
        headless,
        "build --package tocco --release --no-default-features\n"
    );
    assert!(target.path().join("bundled/Tocco.vst3").exists());
    assert!(!kept.exists());
    // With debug assertions it lies elsewhere.
    let debug = target.path().join("debug/deps/libtocco.so");
    run(&["bundle", "--debug"]);
    assert!(debug.exists());
    let headless = run(&["bundle", "--debug", "--no-default-features"]);
    assert_eq!(headless, "build --package tocco --no-default-features\n");
    assert!(!debug.exists());
    // One that was ended meanwhile left its library.
    fs::write(&kept, "headless").unwrap();
    fs::write(target.path().join("tocco-variant"), "").unwrap();
    assert_eq!(run(&["bundle"]), usual);
    assert!(!target.path().join("tocco-variant").exists());
}

/// All programs of PATH but one, as links in a folder.
fn programs_without(missing: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for place in std::env::split_paths(&path) {
        for program in fs::read_dir(place).into_iter().flatten().flatten() {
            let link = folder.path().join(program.file_name());
            if program.file_name() != missing && fs::symlink_metadata(&link).is_err() {
                std::os::unix::fs::symlink(program.path(), link).unwrap();
            }
        }
    }
    folder
}

#[test]
fn what_is_missing_is_told_before_anything_is_built() {
    const WINDOWS: &str = "x86_64-pc-windows-gnu";
    const ARM: &str = "aarch64-unknown-linux-gnu";
    let script = "echo \"$@\" >> \"$CARGO_TARGET_DIR/calls\"; exit 1";
    for (missing, package, arguments) in [
        ("zip", "zip", &["windows"][..]),
        ("Xvfb", "xvfb", &["screenshot", "--target", WINDOWS][..]),
        (
            "qemu-aarch64",
            "qemu-user",
            &["bench", "instructions", "--target", ARM][..],
        ),
        // The archive with the program is made on such a machine only.
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        ("pkg-config", "libjack-jackd2-dev", &["package"][..]),
    ] {
        let (bin, target) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let path = programs_without(missing);
        let name = format!("tocco-windows-{}.zip", env!("CARGO_PKG_VERSION"));
        let old = target.path().join("windows").join(name);
        fs::create_dir(old.parent().unwrap()).unwrap();
        fs::write(&old, "old").unwrap();
        let folder = target.path().to_str().unwrap();
        let output = command(script, &bin, root(), folder, arguments)
            .env("PATH", path.path())
            .env_remove("PKG_CONFIG")
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{missing}: {message}");
        assert!(message.contains(missing), "{missing}: {message}");
        assert!(message.contains(package), "{missing}: {message}");
        assert!(!target.path().join("calls").exists(), "{missing}");
        assert!(!target.path().join("cross").exists(), "{missing}");
        assert_eq!(fs::read_to_string(&old).unwrap(), "old");
    }
}

#[test]
fn folders_in_the_environment_count_from_where_the_user_stands() {
    let (bin, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let elsewhere = elsewhere.path().canonicalize().unwrap();
    let below = elsewhere.join("below");
    fs::create_dir(&below).unwrap();
    let variables = ["TOCCO_ENGINE_DIR", "TOCCO_SHARED", "TOCCO_MODELS"];
    let script = "printf '%s\\n' \"$TOCCO_ENGINE_DIR\" \"$TOCCO_SHARED\" \"$TOCCO_MODELS\"; exit 1";
    let output = command(script, &bin, &below, "built", &["lint"])
        .envs(variables.into_iter().zip(["my engines", "../shared", ""]))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let found: Vec<&str> = text.lines().take(3).collect();
    let expected = [below.join("my engines"), below.join("../shared")];
    // Set to nothing, it names no folder.
    let expected = expected.iter().map(|path| path.to_str().unwrap());
    assert_eq!(
        found,
        expected.chain([""]).collect::<Vec<_>>(),
        "{output:?}"
    );
    // Where they are looked for in xtask itself.
    let output = command("exit 1", &bin, &below, "built", &["cases"])
        .env("TOCCO_SHARED", "nowhere")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let looked = below.join("nowhere/cases").display().to_string();
    assert!(text.contains(&looked), "{text}");
}

const INFER: &[&str] = &["infer", "--engine", "native", "--file", "x.json"];

/// Calls xtask with a cargo that makes, in place of the tool that it should build, a program that does
/// `script`.
fn tool(script: &str, folder: &Path, target: &str, arguments: &[&str]) -> Output {
    let build = format!(
        r#"
for name; do :; done
mkdir -p "$CARGO_TARGET_DIR/release"
cat > "$CARGO_TARGET_DIR/release/$name" << 'END'
#!/bin/sh
{script}
END
chmod +x "$CARGO_TARGET_DIR/release/$name"
"#
    );
    xtask(&build, folder, target, arguments)
}

#[test]
fn a_tool_that_dies_of_a_signal_is_told_with_the_signal() {
    for (signal, number, name) in [
        ("SEGV", 11, "SIGSEGV"),
        ("BUS", 7, "SIGBUS"),
        ("KILL", 9, "SIGKILL"),
    ] {
        let script = format!("kill -{signal} $$");
        let target = TempDir::new().unwrap();
        let target = target.path().to_str().unwrap();
        let output = tool(&script, root(), target, INFER);
        assert_eq!(output.status.code(), Some(128 + number), "{output:?}");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            message.starts_with("error: infer was ended by a signal"),
            "{message}"
        );
        assert!(message.contains(name), "{message}");
        // What cargo itself dies of, when the memory is gone for example.
        for (command, code) in [(&["lint"][..], 1), (INFER, 128 + number)] {
            let output = xtask(&script, root(), target, command);
            assert_eq!(output.status.code(), Some(code), "{output:?}");
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(message.contains(name), "{message}");
        }
    }
}

#[test]
fn a_tools_exit_code_is_taken_on() {
    let target = TempDir::new().unwrap();
    let target = target.path().to_str().unwrap();
    for run in [tool, xtask] {
        let output = run("exit 3", root(), target, INFER);
        assert_eq!(output.status.code(), Some(3));
        assert!(output.stderr.is_empty(), "{output:?}");
    }
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
        let output = tool(script, folder, target, INFER);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let [here, target_folder, bundles] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("{text}");
        };
        assert_eq!(Path::new(here), folder);
        assert_eq!(Path::new(target_folder), built);
        assert_eq!(Path::new(bundles), built.join("bundled"));
        // What xtask calls for itself runs in the root, and builds in the same folder. The first call fails, so
        // that nothing is fetched after it.
        let script = format!("{script}; exit 1");
        let output = xtask(&script, folder, target, &["lint"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().take(2).collect();
        assert_eq!(lines, [root().to_str().unwrap(), built.to_str().unwrap()]);
    }
}
