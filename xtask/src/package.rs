//! The archive for Linux: what a player unpacks, installs by one line and plays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::archive;
use crate::bundle;
use crate::cargo;
use crate::cross::Cross;
use crate::dependencies;
use crate::elk::MODELS;
use crate::install::copy;
use crate::portable::{self, Limits};

/// The machine that the archive is for unless another one is named.
const HERE: &str = "x86_64-unknown-linux-gnu";

/// The other one.
const ARM: &str = "aarch64-unknown-linux-gnu";

/// Files of the archive: where they are here, and what they are called there.
const TEXTS: [(&str, &str); 6] = [
    ("xtask/linux/install.sh", "install.sh"),
    ("xtask/linux/guide.html", "guide.html"),
    ("docs/screenshot.png", "play.png"),
    ("docs/setup.png", "setup.png"),
    ("docs/configuration.md", "configuration.md"),
    ("LICENSE", "LICENSE"),
];

/// Options of `cargo xtask package`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask package\n  \
    cargo xtask package --target aarch64-unknown-linux-gnu")]
pub struct PackageArguments {
    /// The machine: x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu
    #[arg(long, value_name = "TRIPLE", default_value = HERE)]
    target: String,
    /// Leave out the program of its own, and with it what it needs to be built
    #[arg(long)]
    no_standalone: bool,
    /// Build nothing: pack the bundles and the program that were built last
    #[arg(long)]
    no_build: bool,
}

/// Makes the archive and prints its path.
///
/// # Errors
/// If something cannot be built or written.
pub fn run(arguments: &PackageArguments) -> Result<()> {
    let target = &*arguments.target;
    ensure!(
        [HERE, ARM].contains(&target),
        "--target: expected {HERE} or {ARM}, found {target}"
    );
    let builds = !arguments.no_build;
    let (bundles, with_program) = if target == ARM {
        let cross = Cross::set_up(ARM)?;
        match builds {
            true => (bundle::for_machine(&cross)?, false),
            false => (cross.bundles(), false),
        }
    } else {
        ensure!(
            cfg!(all(target_arch = "x86_64", target_os = "linux")),
            "{HERE} is built on such a machine"
        );
        if builds {
            if !arguments.no_standalone {
                bundle::need_for_standalone()?;
            }
            bundle::with_programs(&[])?;
        }
        (cargo::bundles()?, !arguments.no_standalone)
    };
    let name = format!(
        "tocco-linux-{}-{}",
        architecture(target),
        env!("CARGO_PKG_VERSION")
    );
    let folder = cargo::target_folder()?.join("package").join(&name);
    archive::empty(&folder)?;
    if with_program {
        let program = folder.join("bin/tocco");
        fs::create_dir_all(folder.join("bin"))?;
        bundle::standalone(&program, builds)?;
        begins(&program)?;
    }
    fill(&folder, &bundles, target, with_program)
        .with_context(|| format!("cannot fill {}", folder.display()))?;
    let archive = folder.with_file_name(format!("{name}.tar.gz"));
    archive::pack(&folder, &archive)?;
    println!("{}", archive.display());
    Ok(())
}

/// Whether a program that was built says what it is.
fn begins(program: &Path) -> Result<()> {
    let output = Command::new(program).arg("--version").output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = format!("tocco {}", env!("CARGO_PKG_VERSION"));
    ensure!(
        output.status.success() && said.trim() == expected,
        "{} --version: expected {expected:?}, found {said:?}",
        program.display()
    );
    // The commands are another crate's.
    let help = Command::new(program).args(["demo", "--help"]).output()?;
    let said = String::from_utf8_lossy(&help.stdout);
    ensure!(
        help.status.success() && said.contains("tocco demo"),
        "{} demo --help: expected help, found {said:?}",
        program.display()
    );
    Ok(())
}

/// Refuses a VST3 bundle that was made for another machine, or for one more.
fn check_machine(bundles: &Path, target: &str) -> Result<()> {
    let contents = bundles.join("Tocco.vst3/Contents");
    let expected = format!("{}-linux", architecture(target));
    let entries = fs::read_dir(&contents)
        .with_context(|| format!("{}: no bundle; leave --no-build out", contents.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        found.push(entry?.file_name().to_string_lossy().into_owned());
    }
    found.sort();
    ensure!(
        found == [expected.as_str()],
        "{}: expected {expected} alone, found {}; delete {} and leave --no-build out",
        contents.display(),
        found.join(", "),
        bundles.display()
    );
    Ok(())
}

/// The first part of a target's name.
fn architecture(target: &str) -> &str {
    target.split('-').next().unwrap_or(target)
}

/// Puts everything else into `folder`.
fn fill(folder: &Path, bundles: &Path, target: &str, with_program: bool) -> Result<()> {
    check_machine(bundles, target)?;
    for bundle in ["Tocco.clap", "Tocco.vst3"] {
        copy(&bundles.join(bundle), &folder.join(bundle))?;
    }
    let vst3 = format!(
        "Tocco.vst3/Contents/{}-linux/Tocco.so",
        architecture(target)
    );
    let plugins = ["Tocco.clap", &*vst3].map(|file| folder.join(file));
    // The other machine's were checked before their symbols were taken out, which tell code from data.
    if target == HERE {
        for plugin in &plugins {
            portable::check(plugin, &Limits::BARE_PC)?;
        }
    }
    fs::create_dir(folder.join("models"))?;
    for model in MODELS {
        let from = cargo::root().join("models").join(model);
        copy(&from, &folder.join("models").join(model))?;
    }
    for (from, to) in TEXTS {
        fs::copy(cargo::root().join(from), folder.join(to)).context(from)?;
    }
    let features: &[&str] = if with_program {
        &["tocco/standalone"]
    } else {
        &[]
    };
    let licences = dependencies::licences(target, &["tocco"], features)?;
    fs::write(folder.join("licences.txt"), licences)?;
    let mut glibc = (0, 0);
    let program = with_program.then(|| folder.join("bin/tocco"));
    for file in plugins.into_iter().chain(program) {
        glibc = glibc.max(portable::needs(&file)?.glibc);
    }
    // What install.sh compares with the machine's.
    let (major, minor) = glibc;
    fs::write(folder.join("glibc.txt"), format!("{major}.{minor}\n"))?;
    // What a file may do is part of the archive, and must not come from whoever made it.
    for file in crate::files::below(folder)? {
        let runs = ["bin/tocco", "install.sh"].map(|name| folder.join(name));
        let mode = if runs.contains(&file) { 0o755 } else { 0o644 };
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
    }
    fs::write(folder.join("SHA256SUMS"), archive::sums(folder)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;
    use std::path::PathBuf;

    /// What was unpacked, as far as the script looks at it.
    fn unpacked(folder: &Path) -> PathBuf {
        let unpacked = folder.join("tocco with a space");
        let contents = unpacked.join("Tocco.vst3/Contents");
        fs::create_dir_all(contents.join(format!("{}-linux", std::env::consts::ARCH))).unwrap();
        fs::create_dir_all(unpacked.join("bin")).unwrap();
        for file in [
            "Tocco.clap",
            "Tocco.vst3/Contents/a",
            "bin/tocco",
            "guide.html",
        ] {
            fs::write(unpacked.join(file), file).unwrap();
        }
        fs::create_dir_all(unpacked.join("models/c")).unwrap();
        fs::write(unpacked.join("models/c/model.toml"), "").unwrap();
        fs::write(
            unpacked.join("SHA256SUMS"),
            archive::sums(&unpacked).unwrap(),
        )
        .unwrap();
        let script = cargo::root().join("xtask/linux/install.sh");
        fs::copy(script, unpacked.join("install.sh")).unwrap();
        unpacked
    }

    fn install(unpacked: &Path, home: &Path, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("sh")
            .arg(unpacked.join("install.sh"))
            .args(arguments)
            .env("HOME", home)
            .env_remove("XDG_DATA_HOME")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    }

    #[test]
    fn the_script_installs_replaces_and_takes_away_what_it_has_put_there() {
        let folder = tempfile::tempdir().unwrap();
        let unpacked = unpacked(folder.path());
        let home = folder.path().join("home");
        fs::create_dir_all(home.join(".vst3/Tocco.vst3")).unwrap();
        fs::write(home.join(".vst3/Tocco.vst3/old"), "").unwrap();
        fs::write(home.join(".vst3/other"), "").unwrap();
        let (good, said) = install(&unpacked, &home, &[]);
        assert!(good, "{said}");
        let installed = [
            ".clap/Tocco.clap",
            ".vst3/Tocco.vst3/Contents/a",
            ".local/bin/tocco",
            ".local/share/tocco/models/c/model.toml",
            ".local/share/tocco/guide.html",
        ];
        for file in installed {
            assert!(home.join(file).exists(), "{file}: {said}");
        }
        assert!(!home.join(".vst3/Tocco.vst3/old").exists());
        // What stands in for the program does not begin, as one without its libraries.
        for note in ["apt-get install libasound2", "is not in PATH yet"] {
            assert!(said.contains(note), "{said}");
        }
        let preset = home.join(".local/share/tocco/presets/mine.toml");
        fs::create_dir_all(preset.parent().unwrap()).unwrap();
        fs::write(&preset, "").unwrap();
        let mine = home.join(".local/share/tocco/models/mine");
        fs::create_dir_all(&mine).unwrap();
        for arguments in [&[][..], &["--remove"]] {
            let (good, said) = install(&unpacked, &home, arguments);
            assert!(good, "{said}");
            assert!(mine.exists(), "{said}");
        }
        for file in installed {
            assert!(!home.join(file).exists(), "{file}: {said}");
        }
        assert!(preset.exists() && home.join(".vst3/other").exists());
    }

    #[test]
    fn a_full_disk_loses_nothing_and_what_was_left_halfway_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let unpacked = unpacked(folder.path());
        fs::write(unpacked.join("Tocco.clap"), vec![1; 100_000]).unwrap();
        fs::remove_file(unpacked.join("SHA256SUMS")).unwrap();
        let sums = archive::sums(&unpacked).unwrap();
        fs::write(unpacked.join("SHA256SUMS"), sums).unwrap();
        let place = folder.path().join(".clap");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("Tocco.clap"), "the one before").unwrap();
        // Files may have no more than a block.
        let output = Command::new("sh")
            .args(["-c", "ulimit -f 1; exec sh \"$0\""])
            .arg(unpacked.join("install.sh"))
            .env("HOME", folder.path())
            .env_remove("XDG_DATA_HOME")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{said}");
        assert!(
            said.contains(".clap/Tocco.clap cannot be written"),
            "{said}"
        );
        let names = || files::below(&place).unwrap();
        assert_eq!(names(), [place.join("Tocco.clap")]);
        let kept = fs::read_to_string(place.join("Tocco.clap")).unwrap();
        assert_eq!(kept, "the one before");
        // Of one that was ended meanwhile.
        fs::write(place.join(".Tocco.clap.new"), "").unwrap();
        let (good, said) = install(&unpacked, folder.path(), &["--remove"]);
        assert!(good && names().is_empty(), "{said}");
    }

    /// Bundles, and beside them a program, of a few lines: as far as an archive is made of them.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    fn built(folder: &Path) -> PathBuf {
        let bundles = folder.join("bundled");
        let contents = bundles.join("Tocco.vst3/Contents/x86_64-linux");
        fs::create_dir_all(&contents).unwrap();
        let source = folder.join("x.c");
        let text = "int puts(const char *); int main(void) { return puts(\"tocco\") < 0; }";
        fs::write(&source, text).unwrap();
        for (file, is_library) in [
            (bundles.join("Tocco.clap"), true),
            (contents.join("Tocco.so"), true),
            (folder.join("tocco"), false),
        ] {
            let options: &[&str] = match is_library {
                true => &["-shared", "-fPIC"],
                false => &[],
            };
            let mut cc = Command::new("cc");
            cc.args(options).arg("-o").arg(&file).arg(&source);
            assert!(cc.status().unwrap().success());
        }
        bundles
    }

    /// What the guide's first commands and the script may call: of packages that each Debian has, tar, gzip,
    /// coreutils and libc-bin.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    const ON_A_BARE_MACHINE: [&str; 19] = [
        "sh",
        "tar",
        "gzip",
        "basename",
        "cat",
        "chmod",
        "cp",
        "cut",
        "dirname",
        "getconf",
        "head",
        "ls",
        "mkdir",
        "mv",
        "rm",
        "rmdir",
        "sha256sum",
        "sort",
        "uname",
    ];

    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    #[test]
    fn the_same_bundles_make_the_same_archive_and_a_bare_machine_installs_it() {
        const NAME: &str = "tocco-linux-x86_64-0";
        let folder = tempfile::tempdir().unwrap();
        let bundles = built(folder.path());
        let made = |place: &str| {
            let filled = folder.path().join(place).join(NAME);
            fs::create_dir_all(filled.join("bin")).unwrap();
            fs::copy(folder.path().join("tocco"), filled.join("bin/tocco")).unwrap();
            fill(&filled, &bundles, HERE, true).unwrap();
            let archive = filled.with_file_name(format!("{NAME}.tar.gz"));
            archive::pack(&filled, &archive).unwrap();
            archive
        };
        let archive = made("first");
        // At another time, by somebody with another umask.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        for (path, mode) in [("Tocco.vst3", 0o700), ("Tocco.clap", 0o600)] {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(bundles.join(path), mode).unwrap();
        }
        let again = made("second");
        assert!(fs::read(&archive).unwrap() == fs::read(again).unwrap());

        let programs = folder.path().join("programs");
        fs::create_dir(&programs).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for program in ON_A_BARE_MACHINE {
            let mut places = std::env::split_paths(&path).map(|place| place.join(program));
            let found = places.find(|file| file.is_file());
            let found = found.unwrap_or_else(|| panic!("{program} is not installed"));
            std::os::unix::fs::symlink(found, programs.join(program)).unwrap();
        }
        let (home, downloads) = (
            folder.path().join("Zoë"),
            folder.path().join("Zoë/my files"),
        );
        fs::create_dir_all(&downloads).unwrap();
        fs::copy(&archive, downloads.join(format!("{NAME}.tar.gz"))).unwrap();
        let type_in = |folder: &Path, commands: &str| {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-e", "-c", commands]).current_dir(folder);
            let shell = shell.env_clear().env("HOME", &home).env("PATH", &programs);
            let output = shell.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            assert!(!said.contains("not found"), "{said}");
            said
        };
        // As the guide says.
        let guide = fs::read_to_string(cargo::root().join("xtask/linux/guide.html")).unwrap();
        let (_, commands) = guide.split_once("<pre><code>").unwrap();
        let (commands, _) = commands.split_once("</code></pre>").unwrap();
        let said = type_in(&downloads, commands);
        assert!(!said.contains("does not begin"), "{said}");
        for (file, source) in [
            (".clap/Tocco.clap", "Tocco.clap"),
            (
                ".vst3/Tocco.vst3/Contents/x86_64-linux/Tocco.so",
                "Tocco.vst3/Contents/x86_64-linux/Tocco.so",
            ),
        ] {
            let (file, source) = (home.join(file), bundles.join(source));
            assert!(
                fs::read(file).unwrap() == fs::read(source).unwrap(),
                "{said}"
            );
        }
        let models = home.join(".local/share/tocco/models");
        for model in MODELS {
            assert!(models.join(model).join("model.toml").is_file(), "{model}");
        }
        assert_eq!(type_in(&home, "exec .local/bin/tocco --version"), "tocco\n");
        type_in(&downloads.join(NAME), "sh install.sh --remove");
        for file in [".clap/Tocco.clap", ".vst3/Tocco.vst3", ".local/bin/tocco"] {
            assert!(!home.join(file).exists(), "{file}");
        }
        assert!(!models.exists());
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    #[test]
    fn a_plugin_that_asks_for_a_library_which_a_bare_machine_lacks_is_not_packed() {
        let folder = tempfile::tempdir().unwrap();
        let (bundles, filled) = (built(folder.path()), folder.path().join("filled"));
        fs::create_dir(&filled).unwrap();
        // One that is there wherever there is a compiler, by another name.
        let other = folder.path().join("libother.so");
        let compile = |options: &[&str], to: &Path, more: Option<&Path>| {
            let mut cc = Command::new("cc");
            cc.args(["-shared", "-fPIC"])
                .args(options)
                .arg("-o")
                .arg(to);
            cc.arg(folder.path().join("x.c")).args(more);
            assert!(cc.status().unwrap().success());
        };
        compile(&["-Wl,-soname,libother.so.1"], &other, None);
        let plugin = bundles.join("Tocco.clap");
        compile(&["-Wl,--no-as-needed"], &plugin, Some(&other));
        let error = fill(&filled, &bundles, HERE, false).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("needs libother.so.1"), "{error}");
    }

    #[test]
    fn a_program_that_the_archive_has_not_is_left_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let unpacked = unpacked(folder.path());
        fs::remove_dir_all(unpacked.join("bin")).unwrap();
        let program = folder.path().join(".local/bin/tocco");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, "another one").unwrap();
        let (good, said) = install(&unpacked, folder.path(), &["--remove"]);
        assert!(good && program.exists(), "{said}");
    }

    #[test]
    fn another_machines_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let unpacked = unpacked(folder.path());
        let contents = unpacked.join("Tocco.vst3/Contents");
        let own = contents.join(format!("{}-linux", std::env::consts::ARCH));
        fs::rename(own, contents.join("x86_64-win")).unwrap();
        let (good, said) = install(&unpacked, folder.path(), &[]);
        assert!(!good && said.contains("x86_64-win"), "{said}");
        assert!(!folder.path().join(".clap").exists());
    }

    #[test]
    fn a_machine_whose_glibc_is_too_old_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let unpacked = unpacked(folder.path());
        fs::write(unpacked.join("glibc.txt"), "99.1\n").unwrap();
        let (good, said) = install(&unpacked, folder.path(), &[]);
        assert!(!good && said.contains("expected glibc 99.1"), "{said}");
        assert!(!folder.path().join(".clap").exists());
        // As numbers: 2.4 is older than 2.31.
        fs::write(unpacked.join("glibc.txt"), "2.4\n").unwrap();
        let (good, said) = install(&unpacked, folder.path(), &[]);
        assert!(good, "{said}");
    }

    #[test]
    fn bundles_of_another_machine_are_not_packed() {
        let folder = tempfile::tempdir().unwrap();
        let (bundles, filled) = (folder.path().join("bundled"), folder.path().join("filled"));
        fs::create_dir_all(bundles.join("Tocco.vst3/Contents/x86_64-win")).unwrap();
        fs::write(bundles.join("Tocco.clap"), "").unwrap();
        fs::create_dir(&filled).unwrap();
        let refused = || {
            let error = fill(&filled, &bundles, HERE, false)
                .unwrap_err()
                .to_string();
            assert!(error.contains("expected x86_64-linux alone"), "{error}");
            assert!(error.contains("x86_64-win"), "{error}");
        };
        refused();
        // Nor two in one.
        fs::create_dir(bundles.join("Tocco.vst3/Contents/x86_64-linux")).unwrap();
        refused();
        check_machine(&folder.path().join("none"), HERE).unwrap_err();
    }

    #[test]
    fn what_is_damaged_or_unknown_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let unpacked = unpacked(folder.path());
        let (good, said) = install(&unpacked, folder.path(), &["--everything"]);
        assert!(
            !good && said.contains("expected nothing or --remove"),
            "{said}"
        );
        fs::write(unpacked.join("Tocco.clap"), "another one").unwrap();
        let (good, said) = install(&unpacked, folder.path(), &[]);
        assert!(!good && said.contains("damaged"), "{said}");
        assert!(!folder.path().join(".clap").exists());
    }

    #[test]
    fn the_guide_names_what_the_archive_has() {
        let guide = fs::read_to_string(cargo::root().join("xtask/linux/guide.html")).unwrap();
        for (_, name) in TEXTS.iter().filter(|(_, name)| name.ends_with(".png")) {
            assert!(guide.contains(&format!("src=\"{name}\"")), "{name}");
        }
        for word in ["sh install.sh", "tocco --headless", "~/.clap", "~/.vst3"] {
            assert!(guide.contains(word), "{word}");
        }
    }
}
