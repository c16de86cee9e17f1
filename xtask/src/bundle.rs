//! The CLAP and VST3 bundles.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cargo;
use crate::cross::{self, Cross};
use crate::strip::strip;

/// The package that becomes the plugin.
const PLUGIN: &str = "tocco";

/// What cargo makes of it on Linux, in the build folder.
const LIBRARY: &str = "release/libtocco.so";

/// Its name in a VST3 bundle on Linux.
const VST3_LIBRARY: &str = "Tocco.so";

/// Bytes of a bundle for another machine at most: what is more has something in it that was not meant.
/// The one for Windows has 23.4 million, of which the models are 12.
const LARGEST_BUNDLE: u64 = 25_000_000;

/// Options of `cargo xtask bundle`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask bundle\n  \
    cargo xtask bundle tocco --release --target aarch64-unknown-linux-gnu\n  \
    cargo xtask bundle tocco --release --target x86_64-pc-windows-gnu\n  \
    cargo xtask bundle --no-default-features     (headless, no editor)")]
pub struct BundleArguments {
    /// The package to bundle
    #[arg(default_value = PLUGIN)]
    package: String,
    /// Build optimised; without --debug this is always so, the option is here for habit's sake
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Build with debug assertions instead
    #[arg(long)]
    debug: bool,
    /// Build for another machine: aarch64-unknown-linux-gnu, which has no editor, or x86_64-pc-windows-gnu
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Leave out the default features, such as the editor
    #[arg(long)]
    no_default_features: bool,
    /// Features to add, separated by commas
    #[arg(long, value_name = "LIST")]
    features: Option<String>,
}

/// Bundles as asked.
///
/// # Errors
/// If the build fails or the library exports no plugin.
pub fn run(arguments: &BundleArguments) -> Result<()> {
    if let Some(target) = &arguments.target
        && cross::builds_for(target)
    {
        ensure!(
            arguments.package == PLUGIN
                && !arguments.debug
                && arguments.features.is_none()
                && !arguments.no_default_features,
            "--target {target}: only {PLUGIN}, optimised and with the features that it has there, is \
             built for it: leave out --debug, --features and --no-default-features"
        );
        let bundles = for_machine(&Cross::set_up(target)?)?;
        eprintln!("The bundles for {target} are in {}", bundles.display());
        return Ok(());
    }
    let mut options = Vec::new();
    if !arguments.debug {
        options.push("--release".to_owned());
    }
    if let Some(target) = &arguments.target {
        options.extend(["--target".to_owned(), target.clone()]);
    }
    if arguments.no_default_features {
        options.push("--no-default-features".to_owned());
    }
    if let Some(features) = &arguments.features {
        options.extend(["--features".to_owned(), features.clone()]);
    }
    build(&arguments.package, &options)
}

/// The release bundles for the machine this runs on, into `target/bundled`.
///
/// # Errors
/// If the build fails.
pub fn for_this_machine() -> Result<()> {
    build(PLUGIN, &["--release".to_owned()])
}

/// The same, from `build`, which builds the plugin's library in release among others: a build of the
/// plugin alone has dependencies with fewer features, and would compile most of them once more.
/// Returns what `build` does.
///
/// # Errors
/// If the build fails.
pub fn from_build<T>(build: impl FnOnce() -> Result<T>) -> Result<T> {
    let options = ["--release".to_owned()];
    let _variant = Variant::begin(&options)?;
    let built = build()?;
    bundle_stripped(&cargo::target_folder()?, PLUGIN, &options, strip)?;
    Ok(built)
}

/// The same from a build of all libraries and the named programs of the workspace.
///
/// # Errors
/// If the build fails.
pub fn with_programs(programs: &[&str]) -> Result<()> {
    let mut arguments = [&["build", "--lib"], &cargo::ALL_CRATES[..]].concat();
    arguments.extend(programs.iter().flat_map(|program| ["--bin", program]));
    from_build(|| cargo::call("building the plugin and its hosts", &arguments))
}

/// The same as [`for_this_machine`] without the editor.
///
/// # Errors
/// If the build fails.
pub fn headless() -> Result<()> {
    build(
        PLUGIN,
        &["--release", "--no-default-features"].map(str::to_owned),
    )
}

/// The bundles for another machine, in the folder that is returned.
///
/// # Errors
/// If the build fails, or its result asks for what that machine may not have.
pub fn for_machine(cross: &Cross) -> Result<PathBuf> {
    cross.build(&[])?;
    cross.check(&cross.library())?;
    let options = ["--release", "--target", cross.triple()].map(str::to_owned);
    let strip = |library: &Path| {
        cross.strip(library)?;
        let bytes = library.metadata()?.len();
        ensure!(
            bytes <= LARGEST_BUNDLE,
            "{}: expected at most {LARGEST_BUNDLE} bytes, found {bytes}",
            library.display()
        );
        Ok(())
    };
    // A VST3 bundle has room for several machines; what was made for another is not to be beside this.
    if cross.bundles().exists() {
        fs::remove_dir_all(cross.bundles())
            .with_context(|| cross.bundles().display().to_string())?;
    }
    bundle_stripped(&cross.build_folder(), PLUGIN, &options, strip)?;
    Ok(cross.bundles())
}

/// The bundles as [`for_this_machine`] makes them, but with the names of their functions, in a folder of
/// their own, which is returned.
///
/// # Errors
/// If the build fails.
pub fn with_names() -> Result<PathBuf> {
    for_this_machine()?;
    let folder = copy_library("bundled-with-names")?;
    let target = cargo::target_folder()?;
    let contents = Path::new("Tocco.vst3/Contents");
    let bundled = target.join("bundled").join(contents);
    for entry in fs::read_dir(&bundled).with_context(|| bundled.display().to_string())? {
        let entry = entry?;
        let machine = folder.join(contents).join(entry.file_name());
        if entry.path().join(VST3_LIBRARY).exists() {
            fs::create_dir_all(&machine)
                .and_then(|()| fs::copy(target.join(LIBRARY), machine.join(VST3_LIBRARY)))
                .with_context(|| format!("cannot write to {}", machine.display()))?;
        }
    }
    Ok(folder)
}

/// The CLAP with the paper's polling worker beside ours, in a folder of its own, which is returned:
/// no bundle that anybody installs has that worker.
///
/// # Errors
/// If the build fails.
pub fn with_polling_worker() -> Result<PathBuf> {
    let options = ["--release", "--features", "polling-baseline"].map(str::to_owned);
    let _variant = Variant::begin(&options)?;
    build_library(PLUGIN, &options)?;
    copy_library("bundled-with-polling-worker")
}

/// What of Debian's has what the program of its own links.
const LINKED: &str =
    "apt-get install pkg-config libasound2-dev libjack-jackd2-dev brings what the program links";

/// Refuses to begin where [`standalone`] could not be linked.
///
/// # Errors
/// If pkg-config, or what it is asked for, is missing.
pub fn need_for_standalone() -> Result<()> {
    // As the crates ask that link them.
    let program = std::env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let libraries = ["alsa", "jack"];
    let status = Command::new(&program)
        .arg("--exists")
        .args(libraries)
        .status();
    ensure!(
        status.is_ok_and(|status| status.success()),
        "{} --exists {}: expected that it says yes; {LINKED}, and --no-standalone leaves the program out",
        program.display(),
        libraries.join(" ")
    );
    Ok(())
}

/// The program of its own, stripped, as the file `to`; as it was built last unless `builds`. Needs what
/// it links: libasound2-dev and libjack-jackd2-dev of Debian.
///
/// # Errors
/// If the build fails.
pub fn standalone(to: &Path, builds: bool) -> Result<()> {
    if builds {
        // Of all crates, as other builds have it: what is for the command line has the trainer in it,
        // which is not to be compiled twice.
        let mut arguments = [&["build"], &cargo::ALL_CRATES[..]].concat();
        arguments.extend(["--features", "tocco/standalone", "--bin", PLUGIN]);
        let _variant = Variant::begin(&["--release", "--features"].map(str::to_owned))?;
        cargo::call("building the program", &arguments).context(LINKED)?;
    }
    let program = cargo::target_folder()?.join("release").join(PLUGIN);
    fs::copy(&program, to).with_context(|| {
        format!(
            "{}: cannot be copied to {}; with --no-build it must be there from a build before",
            program.display(),
            to.display()
        )
    })?;
    strip(to)
}

/// Copies the library that was built last into `folder` of the build folder: on Linux that is a
/// CLAP.
fn copy_library(folder: &str) -> Result<PathBuf> {
    let target = cargo::target_folder()?;
    let folder = target.join(folder);
    fs::create_dir_all(&folder)
        .and_then(|()| fs::copy(target.join(LIBRARY), folder.join("Tocco.clap")))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    Ok(folder)
}

/// A build of the plugin that differs from the usual one. Cargo gives the library one file name
/// whatever its features are, and would take the other variant's for the one asked for: it is taken
/// away before and after. A file says so meanwhile, with the options, should this program be ended.
struct Variant {
    mark: PathBuf,
    /// Where its library is.
    libraries: PathBuf,
}

impl Variant {
    /// Begins one if the options say so.
    fn begin(options: &[String]) -> Result<Option<Self>> {
        let mark = cargo::target_folder()?.join("tocco-variant");
        let differs = |option: &String| option.contains("features");
        let (is_variant, was_left) = (options.iter().any(differs), mark.exists());
        let libraries = folder_of_libraries(options)?;
        if was_left {
            let left = fs::read_to_string(&mark)
                .with_context(|| format!("cannot read {}", mark.display()))?;
            let left: Vec<String> = left.split(' ').map(str::to_owned).collect();
            forget_library(&folder_of_libraries(&left)?)?;
        }
        if is_variant {
            fs::write(&mark, options.join(" "))
                .with_context(|| format!("cannot write {}", mark.display()))?;
        }
        if is_variant || was_left {
            forget_library(&libraries)?;
        }
        if was_left && !is_variant {
            fs::remove_file(&mark).with_context(|| format!("cannot remove {}", mark.display()))?;
        }
        Ok(is_variant.then(|| Self { mark, libraries }))
    }
}

impl Drop for Variant {
    fn drop(&mut self) {
        // If this fails, the mark stays, and the next build forgets the library.
        if forget_library(&self.libraries).is_ok() {
            let _ = fs::remove_file(&self.mark);
        }
    }
}

/// Where cargo puts libraries that it builds with `options`.
fn folder_of_libraries(options: &[String]) -> Result<PathBuf> {
    let mut folder = cargo::target_folder()?;
    let mut words = options.iter().map(String::as_str);
    if words.any(|word| word == "--target")
        && let Some(triple) = words.next()
    {
        folder.push(triple);
    }
    let is_release = options.iter().any(|option| option == "--release");
    folder.push(if is_release { "release" } else { "debug" });
    Ok(folder.join("deps"))
}

fn forget_library(folder: &Path) -> Result<()> {
    for file in ["libtocco.so", "libtocco.rlib", "libtocco.rmeta"] {
        let file = folder.join(file);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", file.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn build_library(package: &str, options: &[String]) -> Result<()> {
    let mut arguments = vec!["build", "--package", package];
    arguments.extend(options.iter().map(String::as_str));
    cargo::call("building the plugin", &arguments)
}

fn build(package: &str, options: &[String]) -> Result<()> {
    let _variant = Variant::begin(options)?;
    build_library(package, options)?;
    bundle_stripped(&cargo::target_folder()?, package, options, strip)
}

/// Bundles what cargo built in `target`, and strips it with `strip`.
fn bundle_stripped(
    target: &Path,
    package: &str,
    options: &[String],
    strip: impl Fn(&Path) -> Result<()>,
) -> Result<()> {
    // nice-plug's bundler, without its search for the outermost Cargo.toml, which goes astray when
    // the clone lies inside another Rust project.
    nice_plug_xtask::bundle(target, package, options, false)?;
    let bundled = target.join("bundled");
    strip(&bundled.join("Tocco.clap"))?;
    let contents = bundled.join("Tocco.vst3/Contents");
    for architecture in fs::read_dir(&contents).into_iter().flatten() {
        let folder = architecture?.path();
        // As Linux and Windows have it.
        for name in [VST3_LIBRARY, "Tocco.vst3"] {
            let library = folder.join(name);
            if library.exists() {
                strip(&library)?;
            }
        }
    }
    Ok(())
}
