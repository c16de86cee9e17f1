//! TorchScript behind a small C interface.
//!
//! `tocco-engines` opens this object when the user chooses the engine `torch` (see
//! `engines/src/torch.rs`). The interface deals in addresses, lengths and C strings only, so that
//! the two sides need not be built by the same compiler. No function unwinds into its caller.

use std::cell::Cell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use tch::{CModule, Device, Kind, Tensor, jit, no_grad};

/// A module with the tensor that its input is written into.
pub struct Module {
    module: CModule,
    input: Tensor,
    n_features: usize,
    n_classes: usize,
}

impl Module {
    fn load(mut model: &[u8], n_features: usize) -> Result<Self, String> {
        configure();
        let mut module = CModule::load_data(&mut model).map_err(|error| error.to_string())?;
        module.f_set_eval().map_err(|error| error.to_string())?;
        let size = i64::try_from(n_features).map_err(|error| error.to_string())?;
        let input = Tensor::f_zeros(&[1, size], (Kind::Float, Device::Cpu))
            .map_err(|error| error.to_string())?;
        let mut loaded = Self {
            module,
            input,
            n_features,
            n_classes: 0,
        };
        loaded.n_classes = loaded.forward()?.numel();
        Ok(loaded)
    }

    fn forward(&self) -> Result<Tensor, String> {
        /// libtorch multiplies with the system's BLAS. Debian's `libopenblas0-serial` is built without
        /// locks, and two threads in it at once are now and then given the same scratch memory:
        /// wrong probabilities, and no error. So the process runs one module at a time.
        static BLAS: Mutex<()> = Mutex::new(());

        // What a panic leaves behind is nothing but an unlocked BLAS.
        let _alone = BLAS.lock().unwrap_or_else(PoisonError::into_inner);
        // Detached: a module that gives its argument another shape gives it to that alone.
        let output = no_grad(|| self.module.forward_ts(&[self.input.detach()]))
            .map_err(|error| error.to_string())?;
        match output.f_kind() {
            Ok(Kind::Float) => Ok(output),
            kind => Err(format!("forward gives {kind:?} instead of Float")),
        }
    }
}

/// Settings of the process and of this thread: one thread, and no recompiling of modules that
/// have run.
fn configure() {
    static ONCE: Once = Once::new();
    thread_local!(static DONE: Cell<bool> = const { Cell::new(false) });

    if DONE.replace(true) || tocco_torch_keeps_library_defaults() {
        return;
    }
    // OpenMP keeps its number of threads for each thread that calls it.
    tch::set_num_threads(1);
    ONCE.call_once(|| {
        // Only possible before the first parallel work of the process, and without effect on
        // modules that do not fork: a failure changes nothing.
        let _ = catch_unwind(|| tch::set_num_interop_threads(1));
        // The profiling executor compiles a module anew after its first runs, for tens of
        // milliseconds, and gains nothing on networks this small.
        jit::set_profiling_mode(false);
        jit::set_graph_executor_optimize(true);
    });
}

/// Version of this interface. The one function whose meaning never changes.
#[unsafe(no_mangle)]
pub extern "C" fn tocco_torch_interface_version() -> u32 {
    2
}

/// Whether the environment asks for libtorch as it comes, see `Settings` in `tocco-engines`: its own
/// number of threads, and modules compiled anew while they run.
#[unsafe(no_mangle)]
pub extern "C" fn tocco_torch_keeps_library_defaults() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();

    *ASKED.get_or_init(|| {
        std::env::var_os("TOCCO_ENGINE_SETTINGS").is_some_and(|value| value == "library-defaults")
    })
}

/// Version of libtorch that this object was built against: a static C string.
#[unsafe(no_mangle)]
pub extern "C" fn tocco_torch_libtorch_version() -> *const c_char {
    concat!(env!("LIBTORCH_VERSION"), "\0").as_ptr().cast()
}

/// Loads the TorchScript file in `model` (`model_bytes` bytes) and runs it once on zeros
/// `[1, n_features]`. Returns the module and writes the number of values it gives to `n_classes`;
/// on failure returns null and writes the reason to `message` (`message_bytes` bytes with its
/// end).
///
/// # Safety
/// The pointers must be valid for what is read and written through them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tocco_torch_load(
    model: *const u8,
    model_bytes: usize,
    n_features: usize,
    n_classes: *mut usize,
    message: *mut c_char,
    message_bytes: usize,
) -> *mut Module {
    // SAFETY: promised by the caller.
    let model = unsafe { std::slice::from_raw_parts(model, model_bytes) };
    let loaded = catch_unwind(|| Module::load(model, n_features))
        .unwrap_or_else(|_| Err("libtorch panicked".to_owned()));
    match loaded {
        Ok(module) => {
            // SAFETY: promised by the caller.
            unsafe { n_classes.write(module.n_classes) };
            Box::into_raw(Box::new(module))
        }
        Err(reason) => {
            // The caller reads up to the first zero byte.
            let reason = CString::new(reason.replace('\0', " ")).unwrap_or_default();
            let bytes = reason.as_bytes();
            let n = bytes.len().min(message_bytes.saturating_sub(1));
            if message_bytes > 0 {
                // SAFETY: `n + 1` bytes at most, promised by the caller to be there.
                unsafe {
                    message.copy_from_nonoverlapping(bytes.as_ptr().cast(), n);
                    message.add(n).write(0);
                }
            }
            std::ptr::null_mut()
        }
    }
}

/// Computes `probabilities` `[n_classes]` from `features` `[n_features]`. Returns 0, or 1 if the
/// module fails, 2 if it gives another number of values than before, 3 if it panics.
///
/// # Safety
/// `module` must come from [`tocco_torch_load`] and not be in use elsewhere, the slices must have
/// the lengths it was loaded with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tocco_torch_infer(
    module: *mut Module,
    features: *const f32,
    probabilities: *mut f32,
) -> i32 {
    // SAFETY: promised by the caller.
    let module = unsafe { &mut *module };
    let ran = catch_unwind(AssertUnwindSafe(|| {
        configure();
        let input = module.input.data_ptr().cast::<f32>();
        // SAFETY: the input was made contiguous with `n_features` values, as `features` has, and no module
        // has more of it than the memory: see `forward`.
        unsafe { input.copy_from_nonoverlapping(features, module.n_features) };
        let Ok(output) = module.forward() else {
            return 1;
        };
        let output = output.contiguous();
        if output.numel() != module.n_classes {
            return 2;
        }
        // SAFETY: contiguous, `n_classes` floats on both sides.
        unsafe {
            probabilities
                .copy_from_nonoverlapping(output.data_ptr().cast::<f32>(), module.n_classes);
        }
        0
    }));
    ran.unwrap_or(3)
}

/// Frees a module.
///
/// # Safety
/// `module` must come from [`tocco_torch_load`] and not be used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tocco_torch_free(module: *mut Module) {
    // SAFETY: promised by the caller. A destructor that panics must not unwind into it.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(module) })));
}
