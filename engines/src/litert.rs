//! Engine `litert`: LiteRT, which was TensorFlow Lite, through its shared library, opened at run
//! time.
//!
//! One thread, XNNPACK kernels. Input and output live in buffers of ours that the library reads
//! and writes in place, so that an inference is one call of `LiteRtRunCompiledModel`.

mod library;
pub mod release;

use std::alloc::{Layout, alloc, dealloc};
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

use library::{
    ACCELERATOR_CPU, ELEMENT_FLOAT32, EnvironmentOption, HOST_ALIGNMENT, Handle, LiteRt, Owned,
    RoomyLayout, Status, TensorLayout, TensorType, made, value,
};

use crate::shared_library::SharedLibrary;
use crate::{Engine, EngineId, InferError, LoadError, Settings, tensor_shape};

/// The signature that every inference runs, and its input and output.
const FIRST: usize = 0;

/// `kLiteRtStatusErrorInvalidArgument`.
const INVALID_ARGUMENT: Status = 1;

/// Room behind an output of unknown size, in values. Of the memory only what is written is ever
/// there. A system that grants less gets [`ROOM`].
const WIDEST_ROOM: usize = 1 << 30;

/// Room behind every output, in values: far more than [`tensor_shape::LARGEST_OUTPUT`].
const ROOM: usize = 1 << 24;

/// Values behind a buffer that XNNPACK may read, and must be able to: its `XNN_EXTRA_BYTES`, 16, or 128
/// where vectors are longest.
const READ_BEYOND: usize = 128 / size_of::<f32>();

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
    /// What the library said of the output when it ran first.
    output_shape: Vec<usize>,
}

// SAFETY: the library's objects are bound to no thread, and `&mut self` lets one thread use them
// at a time.
unsafe impl Send for LiteRtEngine {}

impl LiteRtEngine {
    /// Loads the `.tflite` file with the contents `model`; `file` names it in errors. The file
    /// must have one `f32` input of `n_features` values and one `f32` output. Sizes that it leaves
    /// open are those of one feature vector; how many values come out is asked of the library
    /// after a first run.
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
        // Where the output is a constant, the library copies as much of it as the output's memory
        // is long, which is rounded up.
        let bytes: Box<[u8]> = [model, &[0; HOST_ALIGNMENT]].concat().into();
        let model = Owned::new(library.destroy_model, |out| {
            // SAFETY: the environment is alive, and `bytes`, which is longer, outlives the model.
            unsafe {
                (library.create_model)(environment.0, bytes.as_ptr().cast(), model.len(), out)
            }
        })
        .map_err(|status| refused("LiteRtCreateModelFromBuffer", status))?;
        let declared = declared_input(library, model.get(), file)
            .map_err(|error| error.unwrap_or_else(|(call, status)| refused(call, status)))?;
        let input_shape = tensor_shape::fit(&declared, n_features).ok_or_else(|| {
            LoadError::malformed(
                file,
                "input",
                format_args!("room for {n_features} features"),
                tensor_shape::display(&declared),
                "give the manifest as many features as the network has inputs",
            )
        })?;
        let compiled = compile(library, environment.0, model.get())
            .map_err(|(call, status)| refused(call, status))?;
        if declared.iter().any(|&size| size < 1) {
            resize_input(library, compiled.get(), &input_shape)
                .map_err(|status| refused("LiteRtCompiledModelResizeInputTensor", status))?;
        }

        let expected = output_shape(library, compiled.get(), true)
            .map_err(|status| refused("LiteRtGetCompiledModelOutputTensorLayouts", status))?;
        // What the operators compute while they run is announced as 1, or as nothing.
        let expected: Vec<usize> = expected
            .iter()
            .map(|&size| usize::try_from(size).unwrap_or(1).max(1))
            .collect();
        check_output(&expected, file)?;
        let no_memory = || LoadError::Engine {
            engine: EngineId::LiteRt,
            reason: format!("{file}: no memory for its output"),
            remedy: "close other programs".to_owned(),
        };
        let unbound = |status: Status| refused("LiteRtCreateTensorBufferFromHostMemory", status);
        let input = HostBuffer::new(n_features, n_features).ok_or_else(no_memory)?;
        let output = HostBuffer::new(expected.iter().product(), WIDEST_ROOM)
            .or_else(|| HostBuffer::new(expected.iter().product(), ROOM))
            .ok_or_else(no_memory)?;
        let mut engine = Self {
            library,
            input_buffer: input.bind(library, &input_shape).map_err(unbound)?,
            output_buffer: output.bind(library, &expected).map_err(unbound)?,
            compiled,
            _model: model,
            _bytes: bytes,
            input,
            output,
            output_shape: expected,
        };
        let run = |engine: &mut Self| {
            engine
                .run()
                .map_err(|status| refused("LiteRtRunCompiledModel", status))?;
            engine
                .shapes_now()
                .map_err(|(call, status)| refused(call, status))
        };
        let (found_input, found) = run(&mut engine)?;
        if found_input != input_shape {
            return Err(LoadError::malformed(
                file,
                "input",
                tensor_shape::display_sizes(&input_shape),
                tensor_shape::display_sizes(&found_input),
                "export the network with fixed sizes",
            ));
        }
        check_output(&found, file)?;
        let n_classes = found.iter().product();
        let output = HostBuffer::new(n_classes, ROOM).ok_or_else(no_memory)?;
        engine.output_buffer = output.bind(library, &found).map_err(unbound)?;
        engine.output = output;
        engine.output_shape = found;
        let (_, again) = run(&mut engine)?;
        if again != engine.output_shape {
            return Err(LoadError::malformed(
                file,
                "output",
                "the same size at every run",
                format_args!(
                    "{} and then {}",
                    tensor_shape::display_sizes(&engine.output_shape),
                    tensor_shape::display_sizes(&again)
                ),
                "export a network without state, whose output has a fixed size",
            ));
        }
        Ok(engine)
    }

    fn run(&mut self) -> Result<(), Status> {
        let mut input = self.input_buffer.get();
        let mut output = self.output_buffer.get();
        // SAFETY: all handles are alive and made for this model; one buffer on either side.
        let status = unsafe {
            (self.library.run)(self.compiled.get(), FIRST, 1, &mut input, 1, &mut output)
        };
        if status == 0 { Ok(()) } else { Err(status) }
    }

    /// Shapes of input and output as they were in the last run.
    #[allow(clippy::type_complexity)]
    fn shapes_now(&self) -> Result<(Vec<usize>, Vec<usize>), (&'static str, Status)> {
        // SAFETY: the model is alive, and the layout has room for any rank.
        let input = value(|out: *mut RoomyLayout| unsafe {
            (self.library.input_layout)(self.compiled.get(), FIRST, FIRST, out)
        })
        .and_then(|room| sizes(&room.layout))
        .map_err(|status| ("LiteRtGetCompiledModelInputTensorLayout", status))?;
        let output = output_shape(self.library, self.compiled.get(), false)
            .map_err(|status| ("LiteRtGetCompiledModelOutputTensorLayouts", status))?;
        // What has run has no open sizes: one below 1 holds nothing.
        let known = |sizes: Vec<i64>| {
            sizes
                .into_iter()
                .map(|size| usize::try_from(size).unwrap_or(0))
                .collect()
        };
        Ok((known(input), known(output)))
    }

    /// Whether the last run gave as many values as the first. Does not allocate.
    fn output_is_as_before(&self) -> bool {
        let mut room = RoomyLayout::default();
        // SAFETY: the model is alive, and the layout has room for any rank.
        let status = unsafe {
            (self.library.output_layouts)(self.compiled.get(), FIRST, 1, &mut room, false)
        };
        let found = room.layout.dimensions().unwrap_or_default();
        status == 0
            && found.len() == self.output_shape.len()
            && found
                .iter()
                .zip(&self.output_shape)
                .all(|(&found, &expected)| usize::try_from(found) == Ok(expected))
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
        if !self.output_is_as_before() {
            return Err(InferError::OutputSize {
                engine: EngineId::LiteRt.name(),
                expected: self.output.len,
            });
        }
        probabilities.copy_from_slice(self.output.values_mut());
        Ok(())
    }
}

/// Refuses an output that is empty, or so large that it cannot be classes.
fn check_output(shape: &[usize], file: &str) -> Result<(), LoadError> {
    match tensor_shape::output_len(shape) {
        Some(_) => Ok(()),
        None => Err(LoadError::malformed(
            file,
            "output",
            format_args!("1 to {} values", tensor_shape::LARGEST_OUTPUT),
            tensor_shape::display_sizes(shape),
            "export the network alone, with an output of fixed size",
        )),
    }
}

/// Memory that LiteRT reads and writes in place.
///
/// LiteRT does not check an output that grows while the network runs against the memory that it
/// was given, so there is more of it than the library is told of.
struct HostBuffer {
    values: NonNull<f32>,
    len: usize,
    room: usize,
}

impl HostBuffer {
    /// `len` zeros and as many as are read beyond them, and untouched memory up to `room` values; `None`
    /// if the system has no such memory.
    fn new(len: usize, room: usize) -> Option<Self> {
        let used = len.checked_add(READ_BEYOND)?;
        let room = room.max(used);
        let used = Self::layout(used)?.size();
        // SAFETY: the layout is never empty. The room is not touched, so that the system need not
        // find memory for it.
        let memory = unsafe { alloc(Self::layout(room)?) };
        let values = NonNull::new(memory)?;
        // SAFETY: the room is no smaller, and both are rounded up in the same way.
        unsafe { values.write_bytes(0, used) };
        let values = values.cast();
        Some(Self { values, len, room })
    }

    /// Kernels may touch whole vectors, so the end is aligned like the start.
    fn layout(len: usize) -> Option<Layout> {
        let bytes = len
            .max(1)
            .checked_mul(size_of::<f32>())?
            .checked_next_multiple_of(HOST_ALIGNMENT)?;
        Layout::from_size_align(bytes, HOST_ALIGNMENT).ok()
    }

    /// A tensor buffer of the library on this memory. It must be dropped before `self`.
    fn bind(&self, library: &LiteRt, shape: &[usize]) -> Result<Owned, Status> {
        let tensor = TensorType {
            element: ELEMENT_FLOAT32,
            layout: TensorLayout::new(shape).ok_or(INVALID_ARGUMENT)?,
        };
        let bytes = Self::layout(self.len).ok_or(INVALID_ARGUMENT)?.size();
        Owned::new(library.destroy_buffer, |out| {
            // SAFETY: the memory has the alignment asked for and `bytes` bytes at least; no
            // deallocator: it stays ours.
            unsafe {
                let memory = self.values.as_ptr().cast();
                (library.create_buffer)(&tensor, memory, bytes, None, out)
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
        if let Some(layout) = Self::layout(self.room) {
            // SAFETY: allocated with the same layout.
            unsafe { dealloc(self.values.as_ptr().cast(), layout) };
        }
    }
}

/// Declared shape of the only input, after a look at the only output: both must be `f32`. The
/// inner error is a failed call.
fn declared_input(
    library: &LiteRt,
    model: Handle,
    file: &str,
) -> Result<Vec<i64>, Result<LoadError, (&'static str, Status)>> {
    // SAFETY: `model` is alive.
    let signature = made(|out| unsafe { (library.model_signature)(model, FIRST, out) })
        .map_err(|status| Err(("LiteRtGetModelSignature", status)))?
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
        // SAFETY: the signature lives as long as the model.
        let n = value(|out| unsafe { count(signature, out) })
            .map_err(|status| Err(("LiteRtGetNumSignatureInputs/Outputs", status)))?;
        if n != 1 {
            return Err(refused(format!("{n} {what}s")));
        }
        // SAFETY: as above, and there is a first tensor.
        let tensor = made(|out| unsafe { tensor(signature, FIRST, out) })
            .map_err(|status| Err(("LiteRtGetSignatureInput/OutputTensorByIndex", status)))?;
        // SAFETY: the tensor lives as long as the model.
        let kind: TensorType = value(|out| unsafe { (library.tensor_type)(tensor.as_ptr(), out) })
            .map_err(|status| Err(("LiteRtGetRankedTensorType", status)))?;
        if kind.element != ELEMENT_FLOAT32 {
            return Err(refused(format!("element type {}", kind.element)));
        }
        sizes(&kind.layout).map_err(|status| Err(("LiteRtGetRankedTensorType", status)))
    };
    only("output", library.output_count, library.output_tensor)?;
    only("input", library.input_count, library.input_tensor)
}

/// The sizes in `layout`, below 1 where one is open.
fn sizes(layout: &TensorLayout) -> Result<Vec<i64>, Status> {
    let sizes = layout.dimensions().ok_or(INVALID_ARGUMENT)?;
    Ok(sizes.iter().map(|&size| size.into()).collect())
}

/// Shape of the only output; after the sizes were settled anew if `settle`.
fn output_shape(library: &LiteRt, compiled: Handle, settle: bool) -> Result<Vec<i64>, Status> {
    // SAFETY: the model is alive and has one output; the layout has room for any rank.
    let room: RoomyLayout =
        value(|out| unsafe { (library.output_layouts)(compiled, FIRST, 1, out, settle) })?;
    sizes(&room.layout)
}

/// Fixes the input's open sizes.
fn resize_input(library: &LiteRt, compiled: Handle, shape: &[usize]) -> Result<(), Status> {
    let sizes: Vec<c_int> = shape
        .iter()
        .map(|&size| c_int::try_from(size))
        .collect::<Result<_, _>>()
        .map_err(|_| INVALID_ARGUMENT)?;
    // SAFETY: the model is alive, and `sizes` has the length given beside it.
    let status =
        unsafe { (library.resize_input)(compiled, FIRST, FIRST, sizes.as_ptr(), sizes.len()) };
    if status == 0 { Ok(()) } else { Err(status) }
}

/// The model made ready to run on one thread of the CPU.
fn compile(
    library: &LiteRt,
    environment: Handle,
    model: Handle,
) -> Result<Owned, (&'static str, Status)> {
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
    if Settings::chosen() == Settings::Tuned {
        use_one_thread(library, &options)?;
    }
    Owned::new(library.destroy_compiled_model, |out| {
        // SAFETY: all are alive; the options stay ours and are not kept.
        unsafe { (library.create_compiled_model)(environment, model, options.get(), out) }
    })
    .map_err(|status| ("LiteRtCreateCompiledModel", status))
}

/// Tells the XNNPACK kernels of a model with these `options` to start no threads.
fn use_one_thread(library: &LiteRt, options: &Owned) -> Result<(), (&'static str, Status)> {
    /// Options of the XNNPACK delegate, in TOML.
    const XNNPACK_OPTIONS: &std::ffi::CStr = c"num_threads = 1\n";
    /// The payload is static: nothing to free.
    unsafe extern "C" fn keep(_payload: *mut c_void) {}

    let threads = made(|out| {
        let payload = XNNPACK_OPTIONS.as_ptr().cast_mut().cast();
        // SAFETY: the library reads the static strings and hands the payload to `keep`.
        unsafe { (library.create_opaque_options)(c"xnnpack".as_ptr(), payload, Some(keep), out) }
    })
    .map_err(|status| ("LiteRtCreateOpaqueOptions", status))?;
    // SAFETY: both are alive; `options` takes `threads` over.
    match unsafe { (library.add_opaque_options)(options.get(), threads.as_ptr()) } {
        0 => Ok(()),
        status => Err(("LiteRtAddOpaqueOptions", status)),
    }
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
        // Before the library's own code runs, which opening it does.
        release::check(path)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kernels_read_beyond_a_buffer_is_ours_and_zero() {
        // Among them some that fill their last vector.
        for len in [1, 15, 16, 17, 176, 180] {
            let buffer = HostBuffer::new(len, len).unwrap();
            let there = HostBuffer::layout(buffer.room).unwrap().size() / size_of::<f32>();
            assert!(there >= len + READ_BEYOND, "{len}: {there}");
            // SAFETY: so many values there are, all of them written.
            let values =
                unsafe { std::slice::from_raw_parts(buffer.values.as_ptr(), len + READ_BEYOND) };
            assert!(values.iter().all(|value| *value == 0.0), "{len}");
        }
    }
}
