//! The pictures of the window in docs/, made of the window as it is; and one of the window for Windows,
//! as Wine has it on a screen.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::bundle;
use crate::cargo;
use crate::cross::{Cross, WINDOWS};
use crate::programs;

/// Options of `cargo xtask screenshot`.
#[derive(Args)]
pub struct ScreenshotArguments {
    /// Instead, the window of x86_64-pc-windows-gnu under Wine: target/screenshots/windows.png
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Pass a window that opens and closes but is black in the picture, as Wine's mostly is
    #[arg(long, requires = "target")]
    may_be_black: bool,
}

/// Pictures that the documents show: as they are made, and as they are there.
const SHOWN: [(&str, &str); 3] = [
    ("play-720-twice.png", "screenshot.png"),
    ("set-up-whole.png", "setup.png"),
    ("guided-3-720-twice.png", "guided.png"),
];

/// Draws both pages in all sizes into target/screenshots, with a performance running, and puts three of
/// them into docs/.
///
/// # Errors
/// If the example cannot be built or run, or a picture cannot be copied.
pub fn run(arguments: &ScreenshotArguments) -> Result<()> {
    match arguments.target.as_deref() {
        None => of_all_pages(),
        Some(target) if target == WINDOWS.triple => under_wine(arguments.may_be_black),
        Some(target) => bail!(
            "--target: expected {}, found {target}; for this machine leave it out",
            WINDOWS.triple
        ),
    }
}

fn of_all_pages() -> Result<()> {
    let arguments = [&["build", "--quiet"], &cargo::ALL_CRATES[..]].concat();
    let example = ["--example", "screenshot"];
    cargo::call("building the window", &[&arguments[..], &example].concat())?;
    let target = cargo::target_folder()?;
    let folder = target.join("screenshots");
    let status = std::process::Command::new(target.join("release/examples/screenshot"))
        .arg(&folder)
        .status()
        .context("cannot start the example screenshot")?;
    if !status.success() {
        bail!("the example screenshot failed ({status})");
    }
    for (made, shown) in SHOWN {
        let (from, to) = (folder.join(made), cargo::root().join("docs").join(shown));
        std::fs::copy(&from, &to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        println!("{}", to.display());
    }
    Ok(())
}

/// Colours of a window that was drawn, at least: a black one has one, with a title bar some more.
const COLOURS: usize = 200;

/// Opens the window of the bundle for Windows three times, each time with a performance running, and takes
/// a picture the last time.
fn under_wine(may_be_black: bool) -> Result<()> {
    programs::need(&["Xvfb"], "xvfb")?;
    programs::need(&["import", "identify"], "imagemagick")?;
    let cross = Cross::set_up_to_run(WINDOWS.triple)?;
    bundle::for_machine(&cross)?;
    cross.build(&["window"])?;
    let folder = cargo::target_folder()?.join("screenshots");
    std::fs::create_dir_all(&folder)?;
    let picture = folder.join("windows.png");
    let (_screen, display) = Screen::start()?;
    let mut window = cross.run(&cross.program("window"))?;
    window
        .args(["--times", "3", "--seconds", "8"])
        .env("DISPLAY", &display)
        .env("LIBGL_ALWAYS_SOFTWARE", "1");
    let mut window = Ended(
        window
            .stdout(Stdio::piped())
            .spawn()
            .context("Wine does not start")?,
    );
    let said = window.0.stdout.take().context("no output")?;
    let mut opened = 0;
    for line in BufReader::new(said).lines() {
        let line = line?;
        println!("{line}");
        opened += usize::from(line.starts_with("window "));
        if opened == 3 {
            break;
        }
    }
    ensure!(opened == 3, "the window was opened {opened} times of 3");
    // It has eight seconds from here.
    sleep(Duration::from_secs(4));
    take(&display, &picture)?;
    let status = window.0.wait()?;
    ensure!(status.success(), "the window ended badly ({status})");
    let colours = colours(&picture)?;
    println!("{}: {colours} colours", picture.display());
    if colours < COLOURS && may_be_black {
        println!("the window opens and closes; its picture is black (docs/windows.md)");
        return Ok(());
    }
    ensure!(
        colours >= COLOURS,
        "{}: expected a drawn window with {COLOURS} colours or more, found {colours}; docs/windows.md says \
         what Wine does, and --may-be-black passes it",
        picture.display()
    );
    Ok(())
}

/// A screen in memory, as long as this lives.
struct Screen(#[expect(dead_code, reason = "ends it")] Ended);

/// A program that is ended with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Screen {
    /// Starts it, and returns how programs name it.
    fn start() -> Result<(Self, String)> {
        let mut server = Command::new("Xvfb");
        server.args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1024x900x24",
            "-nolisten",
            "tcp",
        ]);
        let server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut server = Ended(server.context("Xvfb is needed: apt-get install xvfb")?);
        let mut number = String::new();
        let said = server.0.stdout.take().context("no output")?;
        BufReader::new(said).read_line(&mut number)?;
        ensure!(!number.trim().is_empty(), "Xvfb ended at once");
        Ok((Self(server), format!(":{}", number.trim())))
    }
}

/// Takes a picture of the whole screen.
fn take(display: &str, picture: &Path) -> Result<()> {
    let status = Command::new("import")
        .args(["-display", display, "-window", "root"])
        .arg(picture)
        .status()
        .context("import is needed: apt-get install imagemagick")?;
    ensure!(status.success(), "import failed ({status})");
    Ok(())
}

/// How many colours a picture has.
fn colours(picture: &Path) -> Result<usize> {
    let output = Command::new("identify")
        .args(["-format", "%k"])
        .arg(picture)
        .output()
        .context("identify is needed: apt-get install imagemagick")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.trim().parse();
    number.with_context(|| {
        format!(
            "{}: expected a number of colours, found {text:?}",
            picture.display()
        )
    })
}
