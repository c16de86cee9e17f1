//! The archive for Windows: both bundles, what puts them where hosts look, and the program for the
//! command line with its models.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bundle;
use crate::cargo;
use crate::cross::{Cross, WINDOWS};
use crate::dependencies;
use crate::elk::MODELS;
use crate::files;
use crate::install::copy;
use crate::portable_dll;
use crate::programs;

/// Texts of the archive: where they are here, and what they are called there. The guide comes besides.
const TEXTS: [(&str, &str); 6] = [
    ("xtask/windows/README.txt", "README.txt"),
    ("xtask/windows/install.bat", "install.bat"),
    ("xtask/windows/uninstall.bat", "uninstall.bat"),
    ("docs/configuration.md", "configuration.md"),
    ("docs/hosts.md", "hosts.md"),
    ("LICENSE", "LICENSE.txt"),
];

/// Pictures of the guide, likewise.
const PICTURES: [(&str, &str); 2] = [
    ("docs/screenshot.png", "play.png"),
    ("docs/setup.png", "setup.png"),
];

/// What the guide is called in the archive.
const GUIDE: &str = "guide.html";

/// What a section of the guide begins with; its number and a full stop follow.
const SECTION: &str = "<h2>";

/// The package and the program for the command line, which is called `tocco.exe` there.
const PROGRAM: &str = "tocco-cli";

/// Makes the archive and prints its path.
///
/// # Errors
/// If something cannot be built or written.
pub fn run() -> Result<()> {
    programs::need(&["zip"], "zip")?;
    let cross = Cross::set_up(WINDOWS.triple)?;
    let bundles = bundle::for_machine(&cross)?;
    cross.build(&[PROGRAM])?;

    let name = format!("tocco-windows-{}", env!("CARGO_PKG_VERSION"));
    let folder = cargo::target_folder()?.join("windows").join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fill(&folder, &bundles).with_context(|| format!("cannot fill {}", folder.display()))?;
    let program = folder.join("tocco.exe");
    fs::copy(cross.program(PROGRAM), &program).context(PROGRAM)?;
    cross.strip(&program)?;
    portable_dll::check_program(&program)?;
    let archive = folder.with_file_name(format!("{name}.zip"));
    pack(&folder, &archive)?;
    println!("{}", archive.display());
    Ok(())
}

/// Puts everything into `folder`.
fn fill(folder: &Path, bundles: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for bundle in ["Tocco.clap", "Tocco.vst3"] {
        copy(&bundles.join(bundle), &folder.join(bundle))?;
    }
    fs::create_dir(folder.join("models"))?;
    for model in MODELS {
        let from = cargo::root().join("models").join(model);
        copy(&from, &folder.join("models").join(model))?;
    }
    for (from, to) in TEXTS {
        let text = with_links_inside(&read(from)?);
        fs::write(folder.join(to), with_both_ends(&text))?;
    }
    for (from, to) in PICTURES {
        fs::copy(cargo::root().join(from), folder.join(to)).context(from)?;
    }
    fs::write(folder.join(GUIDE), with_both_ends(&guide()?))?;
    let licences = dependencies::licences(WINDOWS.triple, &["tocco", PROGRAM], &[])?;
    fs::write(folder.join("licences.txt"), with_both_ends(&licences))?;
    Ok(())
}

/// The text of a file of the checkout.
fn read(file: &'static str) -> Result<String> {
    fs::read_to_string(cargo::root().join(file)).context(file)
}

/// The guide of the archive for Linux, with the sections that are others on Windows.
fn guide() -> Result<String> {
    let guide = read("xtask/linux/guide.html")?;
    Ok(with_sections(&guide, &read("xtask/windows/sections.html")?))
}

/// `guide` with each of `sections` in the place of the one that has the same number.
fn with_sections(guide: &str, sections: &str) -> String {
    let others: Vec<&str> = sections.split(SECTION).skip(1).collect();
    let chosen = guide.split(SECTION).map(|section| {
        let other = others.iter().find(|other| number(other) == number(section));
        other.copied().unwrap_or(section)
    });
    chosen.collect::<Vec<&str>>().join(SECTION)
}

/// What stands before the first full stop of a section.
fn number(section: &str) -> &str {
    section.split('.').next().unwrap_or_default()
}

/// `text` with links to files that the archive does not have turned into their words.
fn with_links_inside(text: &str) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](")
        && let Some((target, after)) = after.split_once(')')
    {
        match before.rsplit_once('[') {
            Some((before, words)) if !is_inside(target) => {
                done += before;
                done += words;
            }
            _ => {
                done += before;
                done += "](";
                done += target;
                done += ")";
            }
        }
        rest = after;
    }
    done + rest
}

/// Whether a link leads to a file of the archive, within its own, or to the internet.
fn is_inside(target: &str) -> bool {
    let file = target.split('#').next().unwrap_or_default();
    file.is_empty() || file.contains("://") || TEXTS.iter().any(|(_, name)| *name == file)
}

/// With the ends of lines that programs of Windows expect.
fn with_both_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Packs `folder` so that the same files make the same archive: in order, with the date of the last
/// commit, without owners, and with permissions that do not depend on who made them.
fn pack(folder: &Path, archive: &Path) -> Result<()> {
    let date = cargo::date_of_the_last_commit();
    let parent = folder.parent().context("no folder to pack")?;
    let found = files::below(folder)?;
    let mut touch = Command::new("touch");
    touch.arg(format!("--date=@{date}")).args(&found);
    ensure!(touch.status()?.success(), "touch, of coreutils, failed");
    // One that was interrupted is not to look whole, and takes nothing of the last one away.
    let mut part = archive.as_os_str().to_owned();
    part.push(".part");
    // What is there zip would add to.
    if fs::exists(&part)? {
        fs::remove_file(&part)?;
    }
    let mut zip = Command::new("zip");
    zip.args(["-q", "-9", "-X"]).arg(&part);
    for file in &found {
        let permissions = fs::metadata(file)?.permissions();
        let mode = match permissions.mode() & 0o100 {
            0 => 0o644,
            _ => 0o755,
        };
        fs::set_permissions(file, fs::Permissions::from_mode(mode))?;
        zip.arg(file.strip_prefix(parent)?);
    }
    let status = zip
        .current_dir(parent)
        .env("TZ", "UTC")
        .status()
        .context("zip is needed: apt-get install zip")?;
    ensure!(status.success(), "zip failed ({status})");
    fs::rename(&part, archive).with_context(|| archive.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_archive() {
        if programs::need(&["zip"], "zip").is_err() {
            println!("skipped: zip is not installed");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str, modes: [u32; 2]| {
            let inner = folder.path().join(name).join("tocco");
            fs::create_dir_all(&inner).unwrap();
            for (file, mode) in ["a.txt", "b.exe"].into_iter().zip(modes) {
                let path = inner.join(file);
                fs::write(&path, file).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            let archive = folder.path().join(format!("{name}.zip"));
            fs::write(&archive, "an old one").unwrap();
            pack(&inner, &archive).unwrap();
            fs::read(archive).unwrap()
        };
        let first = made("one", [0o664, 0o775]);
        assert!(first.starts_with(b"PK"));
        assert!(first == made("two", [0o600, 0o700]));
    }

    #[test]
    fn lines_end_as_windows_has_it_once() {
        assert_eq!(with_both_ends("a\nb\r\nc"), "a\r\nb\r\nc");
    }

    #[test]
    fn the_guide_is_whole_and_names_what_the_archive_has() {
        let guide = guide().unwrap();
        let numbers: Vec<&str> = guide.split(SECTION).skip(1).map(number).collect();
        assert_eq!(numbers, ["1", "2", "3", "4", "5", "6"]);
        for (_, name) in PICTURES {
            assert!(guide.contains(&format!("src=\"{name}\"")), "{name}");
        }
        for word in [
            "install.bat",
            "hosts.md",
            "Guide me",
            "LICENSE.txt",
            "</html>",
        ] {
            assert!(guide.contains(word), "{word}");
        }
        for word in ["install.sh", "~/", "glibc", "ALSA", "--headless"] {
            assert!(!guide.contains(word), "{word}: it is of Linux");
        }
        let readme = read("xtask/windows/README.txt").unwrap();
        assert!(readme.contains(GUIDE));
        // `tests/readme.rs` tries the commands of that file.
        let command = r".\tocco demo --input take.wav --offline";
        assert!(guide.contains(command) && readme.contains(command));
    }

    #[test]
    fn a_section_takes_the_place_of_its_number() {
        let guide = "<p>1. no section<h2>1. a<h2>2. b<h2>10. c";
        let sections = "<!-- 2. --><h2>1. d<h2>10. e";
        assert_eq!(
            with_sections(guide, sections),
            "<p>1. no section<h2>1. d<h2>2. b<h2>10. e"
        );
    }

    #[test]
    fn links_lead_to_what_the_archive_has() {
        let text = "a [b](configuration.md#c) [d](no.md#e) [f](https://g) [h](#i) j](k";
        let expected = "a [b](configuration.md#c) d [f](https://g) [h](#i) j](k";
        assert_eq!(with_links_inside(text), expected);
        for (from, _) in TEXTS {
            let text = with_links_inside(&read(from).unwrap());
            let targets = text
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next());
            for target in targets {
                assert!(is_inside(target), "{from}: {target}");
            }
        }
    }

    #[test]
    fn the_scripts_go_to_marks_that_are_there() {
        for script in ["install.bat", "uninstall.bat"] {
            let text =
                fs::read_to_string(cargo::root().join("xtask/windows").join(script)).unwrap();
            assert!(text.contains("goto refused"), "{script}");
            let marks = text.split("goto ").skip(1);
            for mark in marks.filter_map(|rest| rest.split_whitespace().next()) {
                let mark = format!(":{mark}");
                assert!(text.lines().any(|line| line == mark), "{script}: {mark}");
            }
        }
    }
}
