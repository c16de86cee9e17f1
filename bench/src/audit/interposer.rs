//! The auditing program's side of `tocco-interpose`, the preloaded library that counts heap calls,
//! locks and clock calls.

use std::ffi::{CStr, OsString, c_char};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};
use libloading::os::unix::Library;

/// The library's functions.
pub struct Interposer {
    begin: extern "C" fn(),
    end: extern "C" fn(),
    count: extern "C" fn(usize) -> u64,
    keep_traces: extern "C" fn(bool),
    trace: unsafe extern "C" fn(usize, *mut usize, *mut usize, usize) -> usize,
    names: Vec<String>,
}

impl Interposer {
    /// The library that was preloaded into this process, see [`preload`].
    ///
    /// # Errors
    /// If none was.
    pub fn find() -> Result<Self> {
        let this = Library::this();
        // SAFETY: the signatures are those that `tocco-interpose` documents, and a preloaded
        // library is never unloaded, so that the plain function pointers stay valid.
        unsafe {
            let missing = "the counting library is not preloaded";
            let name = *this
                .get::<extern "C" fn(usize) -> *const c_char>(b"tocco_interpose_name")
                .context(missing)?;
            let names = (0..)
                .map_while(|index| {
                    let text = name(index);
                    (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
                })
                .collect();
            Ok(Self {
                begin: *this.get(b"tocco_interpose_begin").context(missing)?,
                end: *this.get(b"tocco_interpose_end").context(missing)?,
                count: *this.get(b"tocco_interpose_count").context(missing)?,
                keep_traces: *this.get(b"tocco_interpose_keep_traces").context(missing)?,
                trace: *this.get(b"tocco_interpose_trace").context(missing)?,
                names,
            })
        }
    }

    /// Watches the calling thread from now on. Real-time safe.
    pub fn begin(&self) {
        (self.begin)();
    }

    /// Watches nothing from now on. Real-time safe.
    pub fn end(&self) {
        (self.end)();
    }

    /// Every counted function and how often the watched thread has called it.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        let count = |(index, name)| (String::as_str(name), (self.count)(index));
        self.names.iter().enumerate().map(count)
    }

    /// Lets the next calls leave a backtrace.
    pub fn keep_traces(&self) {
        (self.keep_traces)(true);
    }

    /// The backtraces that were left: the function, and the addresses it was called from,
    /// innermost first.
    pub fn traces(&self) -> Vec<(String, Vec<usize>)> {
        (0..)
            .map_while(|index| {
                let (mut function, mut frames) = (0, [0; 64]);
                // SAFETY: the buffers have the announced room.
                let depth = unsafe {
                    (self.trace)(index, &mut function, frames.as_mut_ptr(), frames.len())
                };
                (depth > 0).then(|| (self.names[function].clone(), frames[..depth].to_vec()))
            })
            .collect()
    }
}

/// Whether a counted function is one of the locks.
pub fn is_lock(function: &str) -> bool {
    ["pthread_", "sem_", "mtx_", "cnd_"]
        .iter()
        .any(|prefix| function.starts_with(prefix))
}

/// Whether a counted function asks for the time or waits for one.
pub fn is_clock(function: &str) -> bool {
    function.starts_with("clock")
        || function.starts_with("time")
        || function.ends_with("sleep")
        || function == "gettimeofday"
}

/// Starts this program anew with the counting library preloaded, unless it already is. Returns
/// only in the process that has it.
///
/// # Errors
/// If the library is not to be found.
pub fn preload() -> Result<()> {
    if Interposer::find().is_ok() {
        return Ok(());
    }
    let library = std::env::current_exe()?.with_file_name("libtocco_interpose.so");
    if !library.exists() {
        bail!(
            "{} is missing; run the audit through: cargo xtask audit",
            library.display()
        );
    }
    if std::env::var_os("LD_PRELOAD")
        .is_some_and(|list| list.to_string_lossy().contains(&*library.to_string_lossy()))
    {
        bail!("{} could not be preloaded", library.display());
    }
    let mut list = OsString::from(&library);
    if let Some(others) = std::env::var_os("LD_PRELOAD") {
        list.push(":");
        list.push(others);
    }
    // The plugin tells each model that it takes: thousands, while models are swapped all the time.
    let log = std::env::var_os("NICE_LOG").unwrap_or_else(|| "/dev/null".into());
    let error = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env("LD_PRELOAD", list)
        .env("NICE_LOG", log)
        .exec();
    Err(error).context("this program could not be started anew")
}
