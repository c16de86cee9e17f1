//! Engine `onnx`: ONNX Runtime through its shared library, opened at run time.
//!
//! One thread, sequential, no spinning, no telemetry. The input and output tensors are made once
//! and stay bound, so that an inference is one call of `RunWithBinding`; what that call allocates
//! inside the library is the library's own business.

use std::path::Path;

use ort::AsPointer;
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::memory::Allocator;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{IoBinding, Session};
use ort::value::{Outlet, Tensor, TensorElementType, ValueType};

use crate::shared_library::SharedLibrary;
use crate::{Engine, EngineId, InferError, LoadError, Settings, tensor_shape};

/// A network run by ONNX Runtime.
pub struct OnnxEngine {
    session: Session,
    binding: IoBinding,
    input: Tensor<f32>,
    output: Tensor<f32>,
    n_features: usize,
    n_classes: usize,
}

impl OnnxEngine {
    /// Loads the `.onnx` file with the contents `model`; `file` names it in errors. The file must
    /// have all its weights in itself, one `f32` input, in which `n_features` values fit, and one
    /// `f32` output. Sizes that it leaves open are those of one feature vector.
    ///
    /// # Errors
    /// When the library is missing, or the model is not such a network.
    pub fn load(model: &[u8], file: &str, n_features: usize) -> Result<Self, LoadError> {
        let session = options(environment()?)
            .and_then(|mut builder| builder.commit_from_memory(model))
            .map_err(|error| model_refused(file, error))?;
        Self::with_session(session, file, n_features)
    }

    /// As [`OnnxEngine::load`], of the file at `path`, which may keep weights in other files of its
    /// folder: the library reads those.
    ///
    /// # Errors
    /// As [`OnnxEngine::load`].
    pub fn load_file(path: &Path, n_features: usize) -> Result<Self, LoadError> {
        let file = path.display().to_string();
        let session = options(environment()?)
            .and_then(|mut builder| builder.commit_from_file(path))
            .map_err(|error| model_refused(&file, error))?;
        Self::with_session(session, &file, n_features)
    }

    fn with_session(
        mut session: Session,
        file: &str,
        n_features: usize,
    ) -> Result<Self, LoadError> {
        let refused = |error: ort::Error| model_refused(file, error);
        let (input_name, input_shape) = only(session.inputs(), "input", file)?;
        let shape = tensor_shape::fit(&input_shape, n_features).ok_or_else(|| {
            LoadError::malformed(
                file,
                format_args!("input {input_name}"),
                format_args!("room for {n_features} features"),
                tensor_shape::display(&input_shape),
                "give the manifest as many features as the network has inputs",
            )
        })?;
        let (output_name, declared) = only(session.outputs(), "output", file)?;
        let does_not_run = |message: String| {
            LoadError::malformed(
                file,
                "graph",
                "a network that runs on one feature vector",
                message,
                "export it with fixed sizes",
            )
        };

        let allocator = Allocator::default();
        let mut input = Tensor::<f32>::new(&allocator, shape).map_err(refused)?;
        input.extract_tensor_mut().1.fill(0.0);
        let output_shape = if declared.iter().all(|&size| size > 0) {
            declared
        } else {
            // Only a run tells open sizes: the library makes the output itself.
            let mut binding = session.create_binding().map_err(refused)?;
            binding.bind_input(&input_name, &input).map_err(refused)?;
            binding
                .bind_output_to_device(&output_name, allocator.memory_info())
                .map_err(refused)?;
            let outputs = session
                .run_binding(&binding)
                .map_err(|error| does_not_run(error.message().to_owned()))?;
            let (shape, _) = outputs[0].try_extract_tensor::<f32>().map_err(refused)?;
            shape.to_vec()
        };
        let sizes: Option<Vec<usize>> = output_shape
            .iter()
            .map(|&size| usize::try_from(size).ok())
            .collect();
        let (output_shape, n_classes) = sizes
            .and_then(|sizes| {
                let n = tensor_shape::output_len(&sizes)?;
                Some((sizes, n))
            })
            .ok_or_else(|| {
                LoadError::malformed(
                    file,
                    format_args!("output {output_name}"),
                    format_args!("1 to {} values", tensor_shape::LARGEST_OUTPUT),
                    format_args!("{output_shape:?}"),
                    "export the network alone, with an output of fixed size",
                )
            })?;

        let mut output = Tensor::<f32>::new(&allocator, output_shape).map_err(refused)?;
        let mut binding = session.create_binding().map_err(refused)?;
        binding.bind_input(input_name, &input).map_err(refused)?;
        binding
            .bind_output(output_name, &mut output)
            .map_err(refused)?;
        let mut engine = Self {
            session,
            binding,
            input,
            output,
            n_features,
            n_classes,
        };
        // Checks what a declaration cannot promise.
        engine.run().map_err(does_not_run)?;
        Ok(engine)
    }

    /// Version of the library that is loaded.
    ///
    /// # Errors
    /// When the library is missing.
    pub fn library_version() -> Result<String, LoadError> {
        environment().map(|_| ort::info().to_owned())
    }

    fn call(&mut self) -> Result<(), ort::sys::OrtStatusPtr> {
        // SAFETY: session and binding are alive and belong together; null asks for the default
        // run options; `&mut self` keeps other threads out.
        let status = unsafe {
            (ort::api().RunWithBinding)(
                self.session.ptr().cast_mut(),
                std::ptr::null(),
                self.binding.ptr(),
            )
        };
        if status.0.is_null() {
            Ok(())
        } else {
            Err(status)
        }
    }

    /// Runs once; the error is the library's own words.
    fn run(&mut self) -> Result<(), String> {
        self.call().map_err(|status| {
            // SAFETY: the status is not null; its message lives until it is released below.
            let message = unsafe {
                let text = (ort::api().GetErrorMessage)(status.0);
                std::ffi::CStr::from_ptr(text)
                    .to_string_lossy()
                    .into_owned()
            };
            // SAFETY: released once, not used afterwards.
            unsafe { (ort::api().ReleaseStatus)(status.0) };
            message
        })
    }
}

impl Engine for OnnxEngine {
    fn name(&self) -> &'static str {
        EngineId::Onnx.name()
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
        InferError::check_lengths(self.n_features, features, self.n_classes, probabilities)?;
        self.input.extract_tensor_mut().1.copy_from_slice(features);
        self.call().map_err(|status| {
            // SAFETY: the status is not null and is released once, after its code is read.
            let code = unsafe {
                let code = (ort::api().GetErrorCode)(status.0);
                (ort::api().ReleaseStatus)(status.0);
                code
            };
            InferError::Library {
                engine: EngineId::Onnx.name(),
                call: "RunWithBinding",
                status: code as i32,
            }
        })?;
        probabilities.copy_from_slice(self.output.extract_tensor().1);
        Ok(())
    }
}

/// The one environment that ONNX Runtime has in a process.
fn environment() -> Result<&'static Environment, LoadError> {
    static ENVIRONMENT: SharedLibrary<Environment> = SharedLibrary::new();

    ENVIRONMENT.get_or_open(EngineId::Onnx, |path| {
        let environment = ort::init_from(path)
            .map_err(|error| error.to_string())?
            .with_name("tocco")
            .with_telemetry(false)
            .build()
            .map_err(|error| error.to_string())?;
        environment.set_log_level(LogLevel::Error);
        Ok(environment)
    })
}

fn options(environment: &Environment) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(environment)?;
    if Settings::chosen() == Settings::LibraryDefaults {
        return Ok(builder);
    }
    Ok(builder
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?)
}

/// Name and declared shape of the only input or output.
fn only(outlets: &[Outlet], what: &str, file: &str) -> Result<(String, Vec<i64>), LoadError> {
    let refused = |found: String| {
        LoadError::malformed(
            file,
            format_args!("{what}s"),
            format_args!("one {what}, a tensor of f32"),
            found,
            "export the network alone, without its scaler or labels",
        )
    };
    let [outlet] = outlets else {
        return Err(refused(format!("{} {what}s", outlets.len())));
    };
    match outlet.dtype() {
        ValueType::Tensor {
            ty: TensorElementType::Float32,
            shape,
            ..
        } => Ok((outlet.name().to_owned(), shape.to_vec())),
        other => Err(refused(format!("{} of {other:?}", outlet.name()))),
    }
}

fn model_refused(file: &str, error: ort::Error) -> LoadError {
    LoadError::malformed(
        file,
        "model",
        "a network that ONNX Runtime can run",
        error.message(),
        "check the export, and that its opset is not newer than ONNX Runtime 1.27",
    )
}
