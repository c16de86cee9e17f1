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
use crate::portable;

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
    for file in [Some(folder.join("Tocco.clap")), program]
        .into_iter()
        .flatten()
    {
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
