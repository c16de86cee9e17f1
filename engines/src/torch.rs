//! Engine `torch`: TorchScript, in a shared object of its own (`libtocco_torch.so`, crate
//! `engines/torch`) that is opened at run time.
//!
//! libtorch pulls some 290 libraries into the process. Behind the C interface of that object they
//! come in only when the engine is chosen, and the plugin is built without them.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::{Library, Symbol};

use crate::{Engine, EngineId, InferError, LoadError, discovery};

/// Version of the C interface. Both sides change it together.
const INTERFACE_VERSION: u32 = 1;

/// Room for an error message, bytes with its end.
const MESSAGE_BYTES: usize = 1024;

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
        let mut message = [0; MESSAGE_BYTES];
        let mut n_classes = 0;
        // SAFETY: the buffers have the lengths given beside them.
        let module = unsafe {
            (library.load)(
                model.as_ptr(),
                model.len(),
                n_features,
                &mut n_classes,
                message.as_mut_ptr(),
                message.len(),
            )
        };
        let Some(module) = NonNull::new(module) else {
            return Err(LoadError::malformed(
                file,
                "model",
                format_args!("TorchScript that maps [1, {n_features}] float32 to a float32 tensor"),
                text(&message),
                "save it with torch.jit.save from PyTorch 1.13 or older, in float32, on the CPU",
            ));
        };
        Ok(Self {
            library,
            module,
            n_features,
            n_classes,
        })
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
        // SAFETY: the types are those of interface version 1.
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

/// The library. A failure is not remembered, so that it can be installed while the plugin is
/// running.
fn library() -> Result<&'static TorchLibrary, LoadError> {
    static LOADED: OnceLock<TorchLibrary> = OnceLock::new();
    static LOADING: Mutex<()> = Mutex::new(());

    let _loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = LOADED.get() {
        return Ok(library);
    }
    let path = discovery::find(EngineId::Torch)?;
    let library = TorchLibrary::open(&path).map_err(|reason| LoadError::Engine {
        engine: EngineId::Torch,
        reason: format!("{}: {reason}", path.display()),
        remedy: format!("run {} again", discovery::INSTALL_COMMAND),
    })?;
    Ok(LOADED.get_or_init(|| library))
}

/// The first line of the C string in `message`: libtorch adds its stack.
fn text(message: &[c_char]) -> String {
    let bytes: Vec<u8> = message
        .iter()
        .take_while(|&&byte| byte != 0 && byte.to_ne_bytes()[0] != b'\n')
        .map(|&byte| byte.to_ne_bytes()[0])
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
