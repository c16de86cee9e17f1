//! The archive for Elk Audio OS: all that a Raspberry Pi 4 needs to play.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;

use crate::archive;
use crate::bundle;
use crate::cargo::{self, Tool};
use crate::cross::Cross;
use crate::dependencies;
use crate::files;
use crate::install::copy;
use crate::portable;

/// The board that Elk Audio OS is made for.
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Elk's releases with their newest glibc and libstdc++, major and minor, and patch of `GLIBCXX_3.4`:
/// those of the Yocto releases that they are built on.
const RELEASES: [(&str, (u32, u32), u32); 3] = [
    ("0.9 to 0.11 (Yocto dunfell)", (2, 31), 28),
    ("1.0 (Yocto kirkstone)", (2, 35), 29),
    ("1.1 (Yocto scarthgap)", (2, 39), 32),
];

/// The model packages that the archives have.
pub const MODELS: [&str; 6] = ["a", "b", "c", "tocco", "tocco-sure", "tocco-late"];

/// Options of `cargo xtask elk`.
#[derive(Args)]
#[command(after_help = "Example: cargo xtask elk\n\n\
    Then copy the archive to the board and follow docs/elk.md.")]
pub struct ElkArguments {
    /// Leave out ONNX Runtime and LiteRT: the built-in engines need neither
    #[arg(long)]
    no_engines: bool,
}

/// Makes the archive and prints its path.
///
/// # Errors
/// If something cannot be built, fetched or written.
pub fn run(arguments: &ElkArguments) -> Result<()> {
    let cross = Cross::set_up(TARGET)?;
    bundle::for_machine(&cross)?;

    let target = cargo::target_folder()?;
    let name = format!("tocco-elk-{}", env!("CARGO_PKG_VERSION"));
    let folder = target.join("elk").join(&name);
    archive::empty(&folder)?;
    let filled = fill(&folder, &cross, !arguments.no_engines);
    filled.with_context(|| format!("cannot fill {}", folder.display()))?;
    let archive = target.join("elk").join(format!("{name}.tar.gz"));
    archive::pack(&folder, &archive)?;
    println!("{}", archive.display());
    Ok(())
}

/// Puts everything into `folder`.
fn fill(folder: &Path, cross: &Cross, with_engines: bool) -> Result<()> {
    let own = cargo::root().join("xtask/elk");
    let plugins = folder.join("plugins");
    fs::create_dir_all(&plugins)?;
    copy(
        &cross.bundles().join("Tocco.vst3"),
        &plugins.join("Tocco.vst3"),
    )?;
    fs::create_dir(folder.join("models"))?;
    for model in MODELS {
        copy(
            &cargo::root().join("models").join(model),
            &folder.join("models").join(model),
        )?;
    }
    copy(&own.join("config"), &folder.join("config"))?;
    for script in ["install.sh", "start.sh", "autostart.sh"] {
        fs::copy(own.join(script), folder.join(script))?;
    }
    fs::create_dir(folder.join("samples"))?;
    fs::write(folder.join("samples/drum.wav"), drum())?;
    for (from, to) in [("docs/elk.md", "README.md"), ("LICENSE", "LICENSE")] {
        fs::copy(cargo::root().join(from), folder.join(to))?;
    }
    let licences = folder.join("licences");
    fs::create_dir(&licences)?;
    fs::write(
        licences.join("crates.txt"),
        dependencies::licences(TARGET, &["tocco"], &[])?,
    )?;
    if with_engines {
        install_engines(&plugins, &licences)?;
    }
    fs::write(folder.join("ENGINES.md"), engines_page(&plugins)?)?;
    fs::write(folder.join("SHA256SUMS"), archive::sums(folder)?)?;
    Ok(())
}

/// Fetches the engine libraries for the board, pinned by hash, beside the bundle, where the plugin
/// looks for them, and their licences where those are.
fn install_engines(plugins: &Path, licences: &Path) -> Result<()> {
    let folder = cargo::target_folder()?.join("elk/engines");
    let place = folder.display().to_string();
    let options = [
        "install",
        "--yes",
        "--engine",
        "onnx,litert",
        "--architecture",
        "aarch64",
        "--dir",
        &place,
    ];
    let tool = Tool {
        binary: "tocco-engine-tools",
        command: Some("engines"),
        folder: cargo::root(),
    };
    tool.run(&cargo::bundles()?, &options.map(str::to_owned))?;
    for library in files::below(&folder)? {
        let name = library.file_name().context("a library without a name")?;
        let is_text = library.extension().is_some_and(|end| end == "txt");
        let place = if is_text { licences } else { plugins };
        fs::copy(&library, place.join(name))?;
    }
    Ok(())
}

/// What each library of `plugins` asks of the system, and which releases of Elk have that.
fn engines_page(plugins: &Path) -> Result<String> {
    let mut text = String::from(
        "# What the libraries need\n\n\
         Read from the files by `cargo xtask elk`. The networks run in the plugin itself; the other engines\n\
         are only asked for if you choose them. Where one does not load, the plugin says so and goes on with\n\
         its own.\n\n| library | glibc | libstdc++ |",
    );
    for (release, ..) in RELEASES {
        let _ = write!(text, " Elk {release} |");
    }
    text.push_str("\n| --- | --- | --- | --- | --- | --- |\n");
    for library in files::below(plugins)? {
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        let needs = portable::needs(&library)?;
        let (major, minor) = needs.glibc;
        let cpp = match needs.glibcxx {
            None => "none".to_owned(),
            Some(patch) => format!("GLIBCXX_3.4.{patch}"),
        };
        let _ = write!(text, "| {name} | {major}.{minor} | {cpp} |");
        for (_, glibc, glibcxx) in RELEASES {
            let loads = needs.glibc <= glibc && needs.glibcxx.is_none_or(|patch| patch <= glibcxx);
            let _ = write!(text, " {} |", if loads { "loads" } else { "does not load" });
        }
        text.push('\n');
    }
    Ok(text)
}

/// A drum for Sushi's sample player, as a WAV file of 16 bits: a tone that falls and dies away. The
/// player takes it for key 60; the plugin's keys begin two octaves below.
fn drum() -> Vec<u8> {
    const RATE: u32 = 48_000;
    const SAMPLES: u32 = RATE / 8;
    let mut phase = 0.0_f64;
    let data: Vec<u8> = (0..SAMPLES)
        .flat_map(|index| {
            let time = f64::from(index) / f64::from(RATE);
            phase += (220.0 + 700.0 * (-time * 60.0).exp()) / f64::from(RATE);
            let level = (-time * 30.0).exp() * 0.9;
            let sample = (phase * std::f64::consts::TAU).sin() * level;
            ((sample * f64::from(i16::MAX)) as i16).to_le_bytes()
        })
        .collect();
    let size = data.len() as u32;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + size).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    // PCM, mono.
    file.extend(1_u16.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2).to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(size.to_le_bytes());
    file.extend(data);
    file
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Output};

    use super::*;

    fn write(path: &Path, content: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Runs the script as on the board, in what was `unpacked`.
    fn install(folder: &Path, unpacked: &Path, data: &Path, arguments: &[&str]) -> Output {
        for script in ["install.sh", "autostart.sh"] {
            let from = cargo::root().join("xtask/elk").join(script);
            fs::copy(from, unpacked.join(script)).unwrap();
        }
        // It asks for the board's machine.
        let uname = folder.join("bin/uname");
        write(&uname, b"#!/bin/sh\necho aarch64\n");
        fs::set_permissions(&uname, fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();
        Command::new("sh")
            .arg(unpacked.join("install.sh"))
            .args(arguments)
            .env("UDATA", data)
            .env("PATH", format!("{}/bin:{path}", folder.display()))
            .output()
            .unwrap()
    }

    #[test]
    fn what_the_player_wrote_for_the_boards_start_stays() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("udata");
        // Installed where it was unpacked.
        let place = data.join("tocco");
        write(&place.join("start.sh"), b"");
        write(&place.join("SHA256SUMS"), &archive::sums(&place).unwrap());
        let autostart = data.join("autostart.sh");
        let start = place.join("start.sh").display().to_string();
        let edited = format!("#!/bin/sh\nexec {start} drums\n");
        for (written, good) in [
            (None, true),
            (Some(edited), true),
            (Some(format!("#!/bin/sh\n # {start}\nother\n")), false),
        ] {
            if let Some(written) = &written {
                fs::write(&autostart, written).unwrap();
            }
            let output = install(folder.path(), &place, &data, &["--autostart"]);
            assert_eq!(output.status.success(), good, "{output:?}");
            let found = fs::read_to_string(&autostart).unwrap();
            match written {
                Some(written) => assert_eq!(found, written),
                None => assert!(found.contains("start.sh mono"), "{found}"),
            }
        }
    }

    #[test]
    fn the_script_replaces_what_is_ours_and_leaves_the_players_files() {
        let folder = tempfile::tempdir().unwrap();
        let (unpacked, data) = (folder.path().join("new"), folder.path().join("udata"));
        let ours = [
            "plugins/Tocco.vst3/Contents/a",
            "models/c/model.toml",
            "samples/kick.wav",
            "licences/LICENSE",
        ];
        let rest = [
            "config/drums.json",
            "start.sh",
            "README.md",
            "ENGINES.md",
            "LICENSE",
        ];
        for file in ours.iter().chain(&rest) {
            write(&unpacked.join(file), b"new");
        }
        write(
            &unpacked.join("SHA256SUMS"),
            &archive::sums(&unpacked).unwrap(),
        );
        let players = [
            "plugins/tocco.toml",
            "models/mine/model.toml",
            "samples/mine.wav",
        ];
        for file in players {
            write(&data.join("tocco").join(file), b"mine");
        }
        write(&data.join("tocco/plugins/Tocco.vst3/Contents/old"), b"old");
        write(&data.join("tocco/samples/kick.wav"), b"old");
        for _ in 0..2 {
            let output = install(folder.path(), &unpacked, &data, &[]);
            assert!(output.status.success(), "{output:?}");
        }
        let found = |file: &str| fs::read_to_string(data.join("tocco").join(file)).unwrap();
        assert!(players.iter().all(|file| found(file) == "mine"));
        assert!(ours.iter().all(|file| found(file) == "new"));
        assert!(!data.join("tocco/plugins/Tocco.vst3/Contents/old").exists());
    }

    #[test]
    fn the_drum_begins_loud_and_ends_silent() {
        let file = drum();
        assert_eq!(&file[..4], b"RIFF");
        let samples: Vec<i16> = file[44..]
            .chunks(2)
            .map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]]))
            .collect();
        let peak = |range: &[i16]| range.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak(&samples[..480]) > 20_000);
        assert!(peak(&samples[samples.len() - 480..]) < 1_500);
    }
}
