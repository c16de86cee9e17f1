//! Engine `litert`: LiteRT, which was TensorFlow Lite, through its shared library, opened at run
//! time.
//!
//! One thread, XNNPACK kernels. Input and output live in buffers of ours that the library reads
//! and writes in place, so that an inference is one call of `LiteRtRunCompiledModel`.

mod library;

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ffi::c_void;
use std::ptr::{self, NonNull};

use library::{
    ACCELERATOR_CPU, ELEMENT_FLOAT32, EnvironmentOption, HOST_ALIGNMENT, Handle, LiteRt, Owned,
    Status, TensorType, made, value,
};

use crate::shared_library::SharedLibrary;
use crate::{Engine, EngineId, InferError, LoadError, tensor_shape};

/// What every inference of the only signature runs.
const SIGNATURE: usize = 0;

/// A network run by LiteRT.
pub struct LiteRtEngine {
    library: &'static LiteRt,
    // The fields are dropped in this order: buffers, then what compiled the model, then the model,
    // then the bytes that the model points into.
    input_buffer: Owned,
    output_buffer: Owned,
    compiled: Owned,
    _model: Owned,
    _bytes: Box<[u8]>,
    input: HostBuffer,
    output: HostBuffer,
}

// SAFETY: the library's objects are bound to no thread, and `&mut self` lets one thread use them
// at a time.
unsafe impl Send for LiteRtEngine {}

impl LiteRtEngine {
    /// Loads the `.tflite` file with the contents `model`; `file` names it in errors. The file
    /// must have one `f32` input of `n_features` values and one `f32` output.
    ///
    /// # Errors
    /// When the library is missing, or the model is not such a network.
    pub fn load(model: &[u8], file: &str, n_features: usize) -> Result<Self, LoadError> {
        let (library, environment) = environment()?;
        let refused = |call: &str, status: Status| {
            LoadError::malformed(
                file,
                "model",
                "a network that LiteRT can run",
                format_args!("{call} failed with status {status}"),
                "check that it is a .tflite file with float32 built-in operators",
            )
        };
        let bytes: Box<[u8]> = model.into();
        let model = Owned::new(library.destroy_model, |out| {
            // SAFETY: the environment is alive, and `bytes` outlives the model.
            unsafe {
                (library.create_model)(environment.0, bytes.as_ptr().cast(), bytes.len(), out)
            }
        })
        .map_err(|status| refused("LiteRtCreateModelFromBuffer", status))?;
        let (declared_input, declared_output) = tensor_types(library, model.get(), file)
            .map_err(|error| error.unwrap_or_else(|(call, status)| refused(call, status)))?;

        let input_shape = tensor_shape::fit(&declared_input, n_features).ok_or_else(|| {
            LoadError::malformed(
                file,
                "input",
                format_args!("room for {n_features} features"),
                tensor_shape::display(&declared_input),
                "give the manifest as many features as the network has inputs",
            )
        })?;
        let output_shape: Vec<usize> = declared_output
            .iter()
            .map(|&size| usize::try_from(size).unwrap_or(1).max(1))
            .collect();

        let compiled = compile(library, environment.0, model.get())
            .map_err(|(call, status)| refused(call, status))?;
        let input = HostBuffer::new(input_shape.iter().product());
        let output = HostBuffer::new(output_shape.iter().product());
        let input_buffer = input
            .bind(library, &input_shape)
            .map_err(|status| refused("LiteRtCreateTensorBufferFromHostMemory", status))?;
        let output_buffer = output
            .bind(library, &output_shape)
            .map_err(|status| refused("LiteRtCreateTensorBufferFromHostMemory", status))?;
        let mut engine = Self {
            library,
            input_buffer,
            output_buffer,
            compiled,
            _model: model,
            _bytes: bytes,
            input,
            output,
        };
        engine
            .run()
            .map_err(|status| refused("LiteRtRunCompiledModel", status))?;
        Ok(engine)
    }

    fn run(&mut self) -> Result<(), Status> {
        let mut input = self.input_buffer.get();
        let mut output = self.output_buffer.get();
        // SAFETY: all handles are alive and made for this model; one buffer on either side.
        let status = unsafe {
            (self.library.run)(
                self.compiled.get(),
                SIGNATURE,
                1,
                &mut input,
                1,
                &mut output,
            )
        };
        if status == 0 { Ok(()) } else { Err(status) }
    }
}

impl Engine for LiteRtEngine {
    fn name(&self) -> &'static str {
        EngineId::LiteRt.name()
    }

    fn n_features(&self) -> usize {
        self.input.len
    }

    fn n_classes(&self) -> usize {
        self.output.len
    }

    fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
        InferError::check_lengths(self.input.len, features, self.output.len, probabilities)?;
        self.input.values_mut().copy_from_slice(features);
        self.run().map_err(|status| InferError::Library {
            engine: EngineId::LiteRt.name(),
            call: "LiteRtRunCompiledModel",
            status,
        })?;
        probabilities.copy_from_slice(self.output.values_mut());
        Ok(())
    }
}

/// Memory that LiteRT reads and writes in place.
struct HostBuffer {
    values: NonNull<f32>,
    len: usize,
}

impl HostBuffer {
    /// Zeros.
    fn new(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the layout is never empty.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(values) = NonNull::new(memory.cast()) else {
            handle_alloc_error(layout)
        };
        Self { values, len }
    }

    /// Kernels may touch whole vectors, so the end is aligned like the start.
    fn layout(len: usize) -> Layout {
        let bytes = (len.max(1) * size_of::<f32>()).next_multiple_of(HOST_ALIGNMENT);
        Layout::from_size_align(bytes, HOST_ALIGNMENT).expect("a tensor fits the address space")
    }

    /// A tensor buffer of the library on this memory. It must be dropped before `self`.
    fn bind(&self, library: &LiteRt, shape: &[usize]) -> Result<Owned, Status> {
        /// `kLiteRtStatusErrorInvalidArgument`.
        const INVALID_ARGUMENT: Status = 1;
        let tensor = TensorType::float32(shape).ok_or(INVALID_ARGUMENT)?;
        Owned::new(library.destroy_buffer, |out| {
            // SAFETY: the memory has the alignment asked for and `layout().size()` bytes; no
            // deallocator: it stays ours.
            unsafe {
                (library.create_buffer)(
                    &tensor,
                    self.values.as_ptr().cast(),
                    Self::layout(self.len).size(),
                    None,
                    out,
                )
            }
        })
    }

    fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: `len` values, initialised, and LiteRT touches them only inside `run`.
        unsafe { std::slice::from_raw_parts_mut(self.values.as_ptr(), self.len) }
    }
}

impl Drop for HostBuffer {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout.
        unsafe { dealloc(self.values.as_ptr().cast(), Self::layout(self.len)) };
    }
}

/// Declared shapes of the only input and the only output. The inner error is a failed call.
#[allow(clippy::type_complexity)]
fn tensor_types(
    library: &LiteRt,
    model: Handle,
    file: &str,
) -> Result<(Vec<i64>, Vec<i64>), Result<LoadError, (&'static str, Status)>> {
    // SAFETY: `model` is alive.
    let subgraph = made(|out| unsafe { (library.model_subgraph)(model, SIGNATURE, out) })
        .map_err(|status| Err(("LiteRtGetModelSubgraph", status)))?
        .as_ptr();
    let only = |what: &str,
                count: unsafe extern "C" fn(Handle, *mut usize) -> Status,
                tensor: unsafe extern "C" fn(Handle, usize, *mut Handle) -> Status| {
        let refused = |found: String| {
            Ok(LoadError::malformed(
                file,
                format_args!("{what}s"),
                format_args!("one {what}, a tensor of float32"),
                found,
                "export the network alone, without quantised inputs or outputs",
            ))
        };
        // SAFETY: the subgraph lives as long as the model.
        let n = value(|out| unsafe { count(subgraph, out) })
            .map_err(|status| Err(("LiteRtGetNumSubgraphInputs/Outputs", status)))?;
        if n != 1 {
            return Err(refused(format!("{n} {what}s")));
        }
        // SAFETY: as above, and there is a tensor 0.
        let tensor = made(|out| unsafe { tensor(subgraph, 0, out) })
            .map_err(|status| Err(("LiteRtGetSubgraphInput/Output", status)))?;
        // SAFETY: the tensor lives as long as the model.
        let kind: TensorType = value(|out| unsafe { (library.tensor_type)(tensor.as_ptr(), out) })
            .map_err(|status| Err(("LiteRtGetRankedTensorType", status)))?;
        if kind.element != ELEMENT_FLOAT32 {
            return Err(refused(format!("element type {}", kind.element)));
        }
        Ok(kind.dimensions())
    };
    Ok((
        only(
            "input",
            library.subgraph_input_count,
            library.subgraph_input,
        )?,
        only(
            "output",
            library.subgraph_output_count,
            library.subgraph_output,
        )?,
    ))
}

/// The model made ready to run on one thread of the CPU.
fn compile(
    library: &LiteRt,
    environment: Handle,
    model: Handle,
) -> Result<Owned, (&'static str, Status)> {
    /// Options of the XNNPACK delegate, in TOML.
    const XNNPACK_OPTIONS: &std::ffi::CStr = c"num_threads = 1\n";
    /// The payload is static: nothing to free.
    unsafe extern "C" fn keep(_payload: *mut c_void) {}

    let options = Owned::new(library.destroy_options, |out| {
        // SAFETY: writes one handle.
        unsafe { (library.create_options)(out) }
    })
    .map_err(|status| ("LiteRtCreateOptions", status))?;
    // SAFETY: the options are alive.
    match unsafe { (library.set_accelerators)(options.get(), ACCELERATOR_CPU) } {
        0 => {}
        status => return Err(("LiteRtSetOptionsHardwareAccelerators", status)),
    }
    let threads = made(|out| {
        let payload = XNNPACK_OPTIONS.as_ptr().cast_mut().cast();
        // SAFETY: the library reads the static strings and hands the payload to `keep`.
        unsafe { (library.create_opaque_options)(c"xnnpack".as_ptr(), payload, Some(keep), out) }
    })
    .map_err(|status| ("LiteRtCreateOpaqueOptions", status))?;
    // SAFETY: both are alive; `options` takes `threads` over.
    match unsafe { (library.add_opaque_options)(options.get(), threads.as_ptr()) } {
        0 => {}
        status => return Err(("LiteRtAddOpaqueOptions", status)),
    }
    Owned::new(library.destroy_compiled_model, |out| {
        // SAFETY: all are alive; the options stay ours and are not kept.
        unsafe { (library.create_compiled_model)(environment, model, options.get(), out) }
    })
    .map_err(|status| ("LiteRtCreateCompiledModel", status))
}

/// The environment that all models share; never destroyed.
struct Environment(Handle);

// SAFETY: after its creation the environment is only read.
unsafe impl Send for Environment {}
// SAFETY: as above.
unsafe impl Sync for Environment {}

/// The library and its environment.
fn environment() -> Result<(&'static LiteRt, &'static Environment), LoadError> {
    static LIBRARY: SharedLibrary<(LiteRt, Environment)> = SharedLibrary::new();

    let (library, environment) = LIBRARY.get_or_open(EngineId::LiteRt, |path| {
        let library = LiteRt::open(path).map_err(|error| error.to_string())?;
        let options = [
            EnvironmentOption::LOG_ERRORS_ONLY,
            EnvironmentOption::CPU_ONLY,
        ];
        let mut handle = ptr::null_mut();
        // SAFETY: two options, one handle.
        match unsafe { (library.create_environment)(2, options.as_ptr(), &mut handle) } {
            0 => Ok((library, Environment(handle))),
            status => Err(format!(
                "LiteRtCreateEnvironment failed with status {status}"
            )),
        }
    })?;
    Ok((library, environment))
}
