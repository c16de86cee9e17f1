//! Engine `torch`: TorchScript, in a shared object of its own (`libtocco_torch.so`, crate
//! `engines/torch`) that is opened at run time.
//!
//! libtorch pulls some 290 libraries into the process. Behind the C interface of that object they
//! come in only when the engine is chosen, and the plugin is built without them.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;

use libloading::{Library, Symbol};

use crate::shared_library::SharedLibrary;
use crate::{Engine, EngineId, InferError, LoadError, Settings, tensor_shape};

/// Version of the C interface. Both sides change it together. Objects of version 1 are refused: they
/// ran modules of several threads at once, which OpenBLAS may answer wrongly.
const INTERFACE_VERSION: u32 = 2;

/// Room for an error message, bytes with its end: the reason may stand behind two tracebacks.
const MESSAGE_BYTES: usize = 16 * 1024;

/// Bytes of an error message that are shown.
const SHOWN_BYTES: usize = 300;

/// A network run by TorchScript.
pub struct TorchEngine {
    library: &'static TorchLibrary,
    module: NonNull<c_void>,
    n_features: usize,
    n_classes: usize,
}

// SAFETY: a module is bound to no thread, and `&mut self` lets one thread use it at a time.
unsafe impl Send for TorchEngine {}

impl TorchEngine {
    /// Loads the TorchScript file (`.pt`) with the contents `model`; `file` names it in errors.
    /// Its `forward` must take one `f32` tensor `[1, n_features]` and give one.
    ///
    /// # Errors
    /// When the library is missing, or the model is not such a network.
    pub fn load(model: &[u8], file: &str, n_features: usize) -> Result<Self, LoadError> {
        let library = library()?;
        let mut message = vec![0_u8; MESSAGE_BYTES];
        let mut n_classes = 0;
        // SAFETY: the buffers have the lengths given beside them.
        let module = unsafe {
            (library.load)(
                model.as_ptr(),
                model.len(),
                n_features,
                &mut n_classes,
                message.as_mut_ptr().cast(),
                message.len(),
            )
        };
        let Some(module) = NonNull::new(module) else {
            return Err(LoadError::malformed(
                file,
                "model",
                format_args!("TorchScript that maps [1, {n_features}] float32 to a float32 tensor"),
                reason(&text(&message)),
                "save it with torch.jit.save from PyTorch 1.13 or older, in float32, on the CPU; if sizes do not fit, give the manifest as many features as the network has inputs",
            ));
        };
        let loaded = Self {
            library,
            module,
            n_features,
            n_classes,
        };
        match tensor_shape::output_len(&[n_classes]) {
            Some(_) => Ok(loaded),
            None => Err(LoadError::malformed(
                file,
                "output",
                format_args!("1 to {} values", tensor_shape::LARGEST_OUTPUT),
                n_classes,
                "save the network alone, with an output of fixed size",
            )),
        }
    }

    /// Version of libtorch that the library was built against.
    ///
    /// # Errors
    /// When the library is missing.
    pub fn library_version() -> Result<String, LoadError> {
        let library = library()?;
        // SAFETY: the function returns a static C string.
        let version = unsafe { CStr::from_ptr((library.libtorch_version)()) };
        Ok(version.to_string_lossy().into_owned())
    }
}

impl Drop for TorchEngine {
    fn drop(&mut self) {
        // SAFETY: the module came from `load` and is freed once.
        unsafe { (self.library.free)(self.module.as_ptr()) };
    }
}

impl Engine for TorchEngine {
    fn name(&self) -> &'static str {
        EngineId::Torch.name()
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
        InferError::check_lengths(self.n_features, features, self.n_classes, probabilities)?;
        // SAFETY: the module is alive, and the slices have the lengths that it was loaded with.
        let status = unsafe {
            (self.library.infer)(
                self.module.as_ptr(),
                features.as_ptr(),
                probabilities.as_mut_ptr(),
            )
        };
        match status {
            0 => Ok(()),
            status => Err(InferError::Library {
                engine: EngineId::Torch.name(),
                call: "tocco_torch_infer",
                status,
            }),
        }
    }
}

/// The functions of `libtocco_torch.so`; see `engines/torch/src/lib.rs` for what they promise.
struct TorchLibrary {
    libtorch_version: unsafe extern "C" fn() -> *const c_char,
    load: unsafe extern "C" fn(
        *const u8,
        usize,
        usize,
        *mut usize,
        *mut c_char,
        usize,
    ) -> *mut c_void,
    infer: unsafe extern "C" fn(*mut c_void, *const f32, *mut f32) -> i32,
    free: unsafe extern "C" fn(*mut c_void),
}

impl TorchLibrary {
    /// Opens the library for the rest of the process.
    fn open(path: &Path) -> Result<Self, String> {
        /// The function `name`, of the type that the caller says it has.
        unsafe fn function<T: Copy>(library: &Library, name: &CStr) -> Result<T, String> {
            // SAFETY: the caller knows the type.
            let symbol: Result<Symbol<'_, T>, _> = unsafe { library.get(name.to_bytes_with_nul()) };
            symbol
                .map(|symbol| *symbol)
                .map_err(|error| error.to_string())
        }

        // SAFETY: opening runs the initialisers of libraries that the user installed.
        let library = unsafe { Library::new(path) }.map_err(|error| error.to_string())?;
        // SAFETY: this function has had this type in every version of the interface.
        let version: unsafe extern "C" fn() -> u32 =
            unsafe { function(&library, c"tocco_torch_interface_version") }?;
        // SAFETY: it takes nothing and returns a number.
        let version = unsafe { version() };
        if version != INTERFACE_VERSION {
            return Err(format!(
                "made for interface version {version}, not {INTERFACE_VERSION}"
            ));
        }
        if Settings::chosen() == Settings::LibraryDefaults {
            // SAFETY: it takes nothing and returns a truth value.
            let keeps: Result<unsafe extern "C" fn() -> bool, _> =
                unsafe { function(&library, c"tocco_torch_keeps_library_defaults") };
            // SAFETY: as above.
            if !keeps.is_ok_and(|keeps| unsafe { keeps() }) {
                return Err("made before it could leave libtorch's settings alone".to_owned());
            }
        }
        // SAFETY: the types are those of interface version 2.
        let functions = unsafe {
            Self {
                libtorch_version: function(&library, c"tocco_torch_libtorch_version")?,
                load: function(&library, c"tocco_torch_load")?,
                infer: function(&library, c"tocco_torch_infer")?,
                free: function(&library, c"tocco_torch_free")?,
            }
        };
        // libtorch's threads and thread-local destructors may outlive any engine: never unload.
        std::mem::forget(library);
        Ok(functions)
    }
}

fn library() -> Result<&'static TorchLibrary, LoadError> {
    static LIBRARY: SharedLibrary<TorchLibrary> = SharedLibrary::new();

    LIBRARY.get_or_open(EngineId::Torch, TorchLibrary::open)
}

/// The C string at the start of `message`.
fn text(message: &[u8]) -> Cow<'_, str> {
    let end = message.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&message[..end.unwrap_or(message.len())])
}

/// What is wrong, of a message of libtorch's, on one line: without its stack and without the code
/// that it points into. Where a module fails while it runs, the reason is the last line, behind
/// tracebacks.
fn reason(message: &str) -> String {
    let message = message.trim_start_matches("Internal torch error:");
    let lines = || {
        message
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    let mut reason = if message.contains("Traceback of TorchScript") {
        lines().next_back().unwrap_or_default().to_owned()
    } else {
        let is_place = |line: &&str| {
            let begins = |start| line.starts_with(start);
            *line == ":" || begins("Exception raised from") || begins("File \"")
        };
        lines()
            .take_while(|line| !is_place(line))
            .collect::<Vec<_>>()
            .join(" ")
    };
    if reason.len() > SHOWN_BYTES {
        reason.truncate(reason.floor_char_boundary(SHOWN_BYTES));
        reason += " …";
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of libtorch 1.13.
    #[test]
    fn the_reason_is_found_before_and_behind_what_surrounds_it() {
        for (message, expected) in [
            (
                "Internal torch error: PytorchStreamReader failed reading zip archive: failed \
                 finding central directory\nException raised from valid at \
                 ./caffe2/serialize/inline_container.cc:177 (most recent call first):\n\
                 frame #0: c10::Error::Error(c10::SourceLocation) + 0x9e\n",
                "PytorchStreamReader failed reading zip archive: failed finding central directory",
            ),
            (
                "Internal torch error: The following operation failed in the TorchScript \
                 interpreter.\nTraceback of TorchScript (most recent call last):\n  File \
                 \"code/__torch__.py\", line 12, in forward\n    x1 = torch.addmv(b, w, x0)\n         \
                 ~~~~~~~~~~~ <--- HERE\nRuntimeError: size mismatch, got 350, 350x173,100\n",
                "RuntimeError: size mismatch, got 350, 350x173,100",
            ),
            (
                "Internal torch error: \nUnknown builtin op: aten::nosuch.\nCould not find any \
                 similar ops to aten::nosuch. This op may not exist.\n:\n  File \
                 \"code/__torch__.py\", line 15\n    x4 = torch.nosuch(x3, 0)\n         \
                 ~~~~~~~~~~~~ <--- HERE\n",
                "Unknown builtin op: aten::nosuch. Could not find any similar ops to aten::nosuch. \
                 This op may not exist.",
            ),
            (
                "forward gives Ok(Double) instead of Float",
                "forward gives Ok(Double) instead of Float",
            ),
            ("", ""),
        ] {
            assert_eq!(reason(message), expected);
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let long = reason(&"é".repeat(SHOWN_BYTES));
        assert_eq!(long, format!("{} …", "é".repeat(SHOWN_BYTES / 2)));
    }

    #[test]
    fn text_ends_at_the_first_zero_or_at_the_buffer_s_end() {
        assert_eq!(text(b"why\0not"), "why");
        assert_eq!(text(b"why"), "why");
    }
}
