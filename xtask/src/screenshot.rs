//! The pictures of the window in docs/, made of the window as it is.

use anyhow::{Context, Result, bail};

use crate::cargo;

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
pub fn run() -> Result<()> {
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
