//! Where the foreign engine libraries are looked for, and what is said when one is missing.
//!
//! None of them is linked: each is a file that [`find`] looks for when its engine is first asked
//! for. The places, in this order:
//!
//! 1. the folder in the environment variable [`ENGINE_DIR`],
//! 2. `tocco/engines` in the user's data directory (`~/.local/share` on Linux, `%LOCALAPPDATA%` on
//!    Windows), where `cargo xtask engines install` puts them,
//! 3. the folder that the plugin bundle, or the program, is in.
//!
//! [`ENGINE_DIR`] set to nothing or to an empty folder switches the foreign engines off: no other
//! place is searched.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{EngineId, LoadError};

/// Environment variable with the folder that is searched first.
pub const ENGINE_DIR: &str = "TOCCO_ENGINE_DIR";

/// What to type where a library is missing: with the program of the archive, or in a checkout.
pub const INSTALL_COMMAND: &str =
    "tocco engines install (in a checkout cargo xtask engines install)";

/// File names of the library of `engine`, the preferred one first; none for our own engines.
#[must_use]
pub const fn file_names(engine: EngineId) -> &'static [&'static str] {
    match engine {
        EngineId::Native | EngineId::NativeFixed => &[],
        EngineId::Onnx if cfg!(windows) => &["onnxruntime.dll"],
        EngineId::LiteRt if cfg!(windows) => &["libLiteRt.dll"],
        EngineId::Torch if cfg!(windows) => &["tocco_torch.dll"],
        EngineId::Onnx => &["libonnxruntime.so.1.27.0", "libonnxruntime.so"],
        EngineId::LiteRt => &["libLiteRt.so"],
        EngineId::Torch => &["libtocco_torch.so"],
    }
}

/// A folder that is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder.
    pub dir: PathBuf,
    /// What it is, for the person who reads the error.
    pub what: &'static str,
}

/// The folders that are searched, first to last. Empty when [`ENGINE_DIR`] switches the foreign
/// engines off. Reads the environment and the file system.
#[must_use]
pub fn places() -> Vec<Place> {
    let chosen = std::env::var_os(ENGINE_DIR).map(PathBuf::from);
    places_from(chosen, user_dir(), bundle_dir())
}

fn places_from(
    chosen: Option<PathBuf>,
    user: Option<PathBuf>,
    bundle: Option<PathBuf>,
) -> Vec<Place> {
    if chosen.as_deref().is_some_and(switches_off) {
        return Vec::new();
    }
    [
        (chosen, "TOCCO_ENGINE_DIR"),
        (user, "the user's data directory"),
        (bundle, "beside the plugin"),
    ]
    .into_iter()
    .filter_map(|(dir, what)| Some(Place { dir: dir?, what }))
    .collect()
}

/// Whether [`ENGINE_DIR`] set to `dir` asks for no foreign engine at all.
fn switches_off(dir: &Path) -> bool {
    dir.as_os_str().is_empty()
        || std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

/// Where `engines install` puts the libraries: [`ENGINE_DIR`] if it names a folder, else
/// `tocco/engines` in the user's data directory; `None` if the system knows no such directory.
#[must_use]
pub fn install_dir() -> Option<PathBuf> {
    std::env::var_os(ENGINE_DIR)
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(user_dir)
}

fn user_dir() -> Option<PathBuf> {
    dirs::data_local_dir().map(|data| data.join("tocco").join("engines"))
}

/// The folder that the bundle with this code is in: a VST3 bundle is a folder
/// `Tocco.vst3/Contents/ARCHITECTURE/Tocco.so`, a CLAP plugin and a program are plain files.
#[must_use]
pub fn bundle_dir() -> Option<PathBuf> {
    let binary = own_binary()?;
    let bundle = binary
        .ancestors()
        .find(|dir| dir.extension().is_some_and(|extension| extension == "vst3"))
        .unwrap_or(&binary);
    bundle.parent().map(Path::to_path_buf)
}

/// Path of the shared object or program that contains this function.
#[cfg(unix)]
fn own_binary() -> Option<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::os::unix::ffi::OsStrExt;

    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `info` has room for what dladdr writes; any address may be asked for.
    let found = unsafe { libc::dladdr(own_binary as *const libc::c_void, info.as_mut_ptr()) };
    // SAFETY: zeroed is a valid Dl_info: four null pointers.
    let name = unsafe { info.assume_init() }.dli_fname;
    if found == 0 || name.is_null() {
        return std::env::current_exe().ok();
    }
    // SAFETY: dladdr gave a C string that lives as long as the object is loaded.
    let name = unsafe { CStr::from_ptr(name) };
    let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
    // The main program goes by the name it was started with, which may be no path at all.
    if path.is_absolute() {
        Some(path)
    } else {
        std::env::current_exe().ok()
    }
}

/// Path of the library or program that contains this function.
#[cfg(windows)]
fn own_binary() -> Option<PathBuf> {
    use std::ffi::{OsString, c_void};
    use std::os::windows::ffi::OsStringExt;

    // The address is not a name, and the library's use is not counted up.
    const FROM_ADDRESS: u32 = 4;
    const UNCHANGED_REFCOUNT: u32 = 2;
    unsafe extern "system" {
        fn GetModuleHandleExW(flags: u32, name: *const u16, module: *mut *mut c_void) -> i32;
        fn GetModuleFileNameW(module: *mut c_void, name: *mut u16, size: u32) -> u32;
    }

    let mut module = std::ptr::null_mut();
    let address = own_binary as *const u16;
    // SAFETY: any address may be asked for, and there is room for the answer.
    let found =
        unsafe { GetModuleHandleExW(FROM_ADDRESS | UNCHANGED_REFCOUNT, address, &raw mut module) };
    // The longest name that the system knows; one more is said to fill all of the room.
    let mut name = vec![0_u16; 1 << 15];
    // SAFETY: this code is loaded, so its module is; the system writes within the room.
    let length =
        unsafe { GetModuleFileNameW(module, name.as_mut_ptr(), name.len() as u32) } as usize;
    if found == 0 || length == 0 || length >= name.len() {
        return std::env::current_exe().ok();
    }
    Some(OsString::from_wide(&name[..length]).into())
}

/// Path of the program that contains this function.
#[cfg(not(any(unix, windows)))]
fn own_binary() -> Option<PathBuf> {
    std::env::current_exe().ok()
}

/// Path of the library of `engine`: the first place that has something of its name, be it a library or
/// not. Reads the environment and the file system.
///
/// # Errors
/// When no place has it: the error lists the places and the command that installs it.
pub fn find(engine: EngineId) -> Result<PathBuf, NotFound> {
    find_in(engine, places())
}

fn find_in(engine: EngineId, places: Vec<Place>) -> Result<PathBuf, NotFound> {
    for place in &places {
        for name in file_names(engine) {
            let path = place.dir.join(name);
            // What goes by the name and is no library is told when it is opened, not passed over.
            if path.symlink_metadata().is_ok() {
                return Ok(path);
            }
        }
    }
    Err(NotFound {
        engine,
        searched: places,
    })
}

/// A library that is in none of the places.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct NotFound {
    /// The engine whose library is missing.
    pub engine: EngineId,
    /// Where it was looked for; empty when [`ENGINE_DIR`] switches the foreign engines off.
    pub searched: Vec<Place>,
}

impl NotFound {
    /// What is missing and where it was looked for, without the remedy.
    #[must_use]
    pub fn reason(&self) -> String {
        let name = file_names(self.engine)
            .first()
            .copied()
            .unwrap_or("library");
        if self.searched.is_empty() {
            return format!("{name} not looked for, because {ENGINE_DIR} is empty");
        }
        let places: Vec<String> = self
            .searched
            .iter()
            .map(|place| format!("{} ({})", place.dir.display(), place.what))
            .collect();
        format!("{name} not found in {}", places.join(", "))
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        if self.searched.is_empty() {
            format!("unset {ENGINE_DIR}, or run {INSTALL_COMMAND} with it set")
        } else {
            format!("run {INSTALL_COMMAND}")
        }
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "engine {}: {}; {}",
            self.engine,
            self.reason(),
            self.remedy()
        )
    }
}

impl From<NotFound> for LoadError {
    fn from(missing: NotFound) -> Self {
        Self::Engine {
            engine: missing.engine,
            reason: missing.reason(),
            remedy: missing.remedy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITERT: &str = file_names(EngineId::LiteRt)[0];

    fn place(dir: &Path, what: &'static str) -> Place {
        Place {
            dir: dir.to_path_buf(),
            what,
        }
    }

    #[test]
    fn the_first_place_that_has_the_library_wins() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let places = vec![place(first.path(), "first"), place(second.path(), "second")];
        std::fs::write(second.path().join(LITERT), b"").unwrap();
        let found = find_in(EngineId::LiteRt, places.clone()).unwrap();
        assert_eq!(found, second.path().join(LITERT));
        std::fs::write(first.path().join(LITERT), b"").unwrap();
        let found = find_in(EngineId::LiteRt, places).unwrap();
        assert_eq!(found, first.path().join(LITERT));
    }

    #[test]
    fn what_is_no_library_is_found_nevertheless() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let places = vec![place(first.path(), "first"), place(second.path(), "second")];
        std::fs::write(second.path().join(LITERT), b"").unwrap();
        std::fs::create_dir(first.path().join(LITERT)).unwrap();
        let found = find_in(EngineId::LiteRt, places).unwrap();
        assert_eq!(found, first.path().join(LITERT));
    }

    #[test]
    fn a_missing_library_is_named_with_the_places_and_the_command() {
        let error = find_in(
            EngineId::Torch,
            vec![place(Path::new("/nowhere"), "TOCCO_ENGINE_DIR")],
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "engine torch: {} not found in /nowhere (TOCCO_ENGINE_DIR); \
                 run {INSTALL_COMMAND}",
                file_names(EngineId::Torch)[0]
            )
        );
    }

    #[test]
    fn an_empty_folder_switches_the_foreign_engines_off() {
        let (empty, user) = (tempfile::tempdir().unwrap(), PathBuf::from("/user"));
        for chosen in [PathBuf::new(), empty.path().to_path_buf()] {
            let places = places_from(Some(chosen), Some(user.clone()), None);
            assert_eq!(places, []);
            let error = find_in(EngineId::Onnx, places).unwrap_err().to_string();
            assert!(
                error.contains("because TOCCO_ENGINE_DIR is empty"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_chosen_folder_comes_before_the_others() {
        let chosen = tempfile::tempdir().unwrap();
        std::fs::write(chosen.path().join("anything"), b"").unwrap();
        let places = places_from(
            Some(chosen.path().to_path_buf()),
            Some("/user".into()),
            Some("/plugin".into()),
        );
        let dirs: Vec<_> = places.into_iter().map(|place| place.dir).collect();
        assert_eq!(
            dirs,
            [chosen.path(), Path::new("/user"), Path::new("/plugin")]
        );
    }

    #[test]
    fn the_program_finds_itself() {
        assert!(own_binary().unwrap().is_file());
    }
}
