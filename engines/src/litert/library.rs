//! The C interface of LiteRT 2.3 (`libLiteRt.so`), as far as it is used here.
//!
//! Declarations after the public headers `litert/c/*.h` of google-ai-edge/LiteRT, Apache-2.0.

use std::ffi::{c_char, c_int, c_void};
use std::path::Path;
use std::ptr::NonNull;

use libloading::{Library, Symbol};

/// What most functions return; 0 is success.
pub(super) type Status = c_int;

/// An object of the library, known only by its address.
pub(super) type Handle = *mut c_void;

/// `kLiteRtElementTypeFloat32`.
pub(super) const ELEMENT_FLOAT32: c_int = 1;

/// `kLiteRtHwAcceleratorCpu`.
pub(super) const ACCELERATOR_CPU: c_int = 1;

/// `LITERT_HOST_MEMORY_BUFFER_ALIGNMENT`, bytes.
pub(super) const HOST_ALIGNMENT: usize = 64;

/// `LITERT_TENSOR_MAX_RANK`.
const MAX_RANK: usize = 8;

/// `LiteRtLayout`: a shape.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TensorLayout {
    /// Bits 0 to 6: rank; bit 7: whether `strides` is used.
    rank_bits: u32,
    dimensions: [i32; MAX_RANK],
    strides: [u32; MAX_RANK],
}

/// A layout with room for as many dimensions as its rank can name: the library writes those of an
/// output without looking at [`MAX_RANK`].
#[repr(C)]
pub(super) struct RoomyLayout {
    pub(super) layout: TensorLayout,
    _beyond: [u32; 128],
}

impl Default for RoomyLayout {
    fn default() -> Self {
        Self {
            layout: TensorLayout::default(),
            _beyond: [0; 128],
        }
    }
}

/// `LiteRtRankedTensorType`: element type and shape.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TensorType {
    pub(super) element: c_int,
    pub(super) layout: TensorLayout,
}

impl TensorLayout {
    /// A dense tensor; `None` if it has too many dimensions or one is too large.
    pub(super) fn new(shape: &[usize]) -> Option<Self> {
        let mut layout = Self {
            rank_bits: u32::try_from(shape.len()).ok()?,
            ..Self::default()
        };
        for (axis, &size) in shape.iter().enumerate() {
            *layout.dimensions.get_mut(axis)? = i32::try_from(size).ok()?;
        }
        Some(layout)
    }

    /// The sizes, below 1 where one is open; `None` if there are more than a layout can hold.
    pub(super) fn dimensions(&self) -> Option<&[i32]> {
        self.dimensions.get(..(self.rank_bits & 0x7f) as usize)
    }
}

/// `LiteRtEnvOption` with an integer value.
#[repr(C)]
pub(super) struct EnvironmentOption {
    tag: c_int,
    value: Integer,
}

/// `LiteRtAny` with an integer in it.
#[repr(C)]
struct Integer {
    kind: c_int,
    value: i64,
}

impl EnvironmentOption {
    /// `kLiteRtEnvOptionTagMinLoggerSeverity` = `kLiteRtLogSeverityError`: by default the
    /// library reports every step on standard error.
    pub(super) const LOG_ERRORS_ONLY: Self = Self::integer(25, 3);

    /// `kLiteRtEnvOptionTagAutoRegisterAccelerators` = [`ACCELERATOR_CPU`]: by default the
    /// library looks for graphics accelerators to open.
    pub(super) const CPU_ONLY: Self = Self::integer(24, ACCELERATOR_CPU as i64);

    const fn integer(tag: c_int, value: i64) -> Self {
        // `kLiteRtAnyTypeInt`.
        let value = Integer { kind: 2, value };
        Self { tag, value }
    }
}

/// Defines the table of functions and its loader from one list.
macro_rules! functions {
    ($($field:ident: $symbol:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions; valid as long as `library` is loaded, which is for good.
        pub(super) struct LiteRt {
            $(pub(super) $field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl LiteRt {
            /// Opens the library at `path`, for the rest of the process.
            pub(super) fn open(path: &Path) -> Result<Self, libloading::Error> {
                // SAFETY: opening runs the initialisers of a library that the user installed.
                let library = unsafe { Library::new(path) }?;
                let functions = Self {
                    $($field: {
                        type Function = unsafe extern "C" fn($($argument),*) $(-> $result)?;
                        let name = concat!(stringify!($symbol), "\0").as_bytes();
                        // SAFETY: the type is that of the public header.
                        let symbol: Symbol<'_, Function> = unsafe { library.get(name) }?;
                        *symbol
                    },)*
                };
                // Its threads and thread-local destructors may outlive any engine: never unload.
                std::mem::forget(library);
                Ok(functions)
            }
        }
    };
}

functions! {
    create_environment: LiteRtCreateEnvironment(c_int, *const EnvironmentOption, *mut Handle) -> Status;
    create_model: LiteRtCreateModelFromBuffer(Handle, *const c_void, usize, *mut Handle) -> Status;
    destroy_model: LiteRtDestroyModel(Handle);
    model_signature: LiteRtGetModelSignature(Handle, usize, *mut Handle) -> Status;
    input_count: LiteRtGetNumSignatureInputs(Handle, *mut usize) -> Status;
    input_tensor: LiteRtGetSignatureInputTensorByIndex(Handle, usize, *mut Handle) -> Status;
    output_count: LiteRtGetNumSignatureOutputs(Handle, *mut usize) -> Status;
    output_tensor: LiteRtGetSignatureOutputTensorByIndex(Handle, usize, *mut Handle) -> Status;
    tensor_type: LiteRtGetRankedTensorType(Handle, *mut TensorType) -> Status;
    create_options: LiteRtCreateOptions(*mut Handle) -> Status;
    destroy_options: LiteRtDestroyOptions(Handle);
    set_accelerators: LiteRtSetOptionsHardwareAccelerators(Handle, c_int) -> Status;
    create_opaque_options: LiteRtCreateOpaqueOptions(
        *const c_char, *mut c_void, Option<unsafe extern "C" fn(*mut c_void)>, *mut Handle) -> Status;
    add_opaque_options: LiteRtAddOpaqueOptions(Handle, Handle) -> Status;
    create_compiled_model: LiteRtCreateCompiledModel(Handle, Handle, Handle, *mut Handle) -> Status;
    destroy_compiled_model: LiteRtDestroyCompiledModel(Handle);
    resize_input: LiteRtCompiledModelResizeInputTensor(
        Handle, usize, usize, *const c_int, usize) -> Status;
    input_layout: LiteRtGetCompiledModelInputTensorLayout(
        Handle, usize, usize, *mut RoomyLayout) -> Status;
    output_layouts: LiteRtGetCompiledModelOutputTensorLayouts(
        Handle, usize, usize, *mut RoomyLayout, bool) -> Status;
    create_buffer: LiteRtCreateTensorBufferFromHostMemory(
        *const TensorType, *mut c_void, usize, Option<unsafe extern "C" fn(*mut c_void)>,
        *mut Handle) -> Status;
    destroy_buffer: LiteRtDestroyTensorBuffer(Handle);
    run: LiteRtRunCompiledModel(Handle, usize, usize, *mut Handle, usize, *mut Handle) -> Status;
}

/// An object and the function that destroys it.
pub(super) struct Owned {
    handle: NonNull<c_void>,
    destroy: unsafe extern "C" fn(Handle),
}

impl Owned {
    /// What `create` makes; its status if it makes nothing.
    pub(super) fn new(
        destroy: unsafe extern "C" fn(Handle),
        create: impl FnOnce(*mut Handle) -> Status,
    ) -> Result<Self, Status> {
        let handle = made(create)?;
        Ok(Self { handle, destroy })
    }

    pub(super) fn get(&self) -> Handle {
        self.handle.as_ptr()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: made by the matching function, destroyed once.
        unsafe { (self.destroy)(self.handle.as_ptr()) };
    }
}

/// The object that `create` writes; its status if it fails or writes nothing.
pub(super) fn made(create: impl FnOnce(*mut Handle) -> Status) -> Result<NonNull<c_void>, Status> {
    let mut handle = std::ptr::null_mut();
    let status = create(&mut handle);
    match NonNull::new(handle) {
        Some(handle) if status == 0 => Ok(handle),
        _ => Err(status),
    }
}

/// What `read` writes; its status if it fails.
pub(super) fn value<T: Default>(read: impl FnOnce(*mut T) -> Status) -> Result<T, Status> {
    let mut value = T::default();
    match read(&mut value) {
        0 => Ok(value),
        status => Err(status),
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    // The sizes and offsets that the public headers assert.
    #[test]
    fn the_layout_is_that_of_the_headers() {
        assert_eq!(size_of::<TensorType>(), 72);
        assert_eq!(size_of::<TensorLayout>(), 68);
        assert_eq!(offset_of!(TensorType, layout), 4);
        assert_eq!(offset_of!(TensorLayout, dimensions), 4);
        assert_eq!(offset_of!(TensorLayout, strides), 36);
        assert_eq!(size_of::<EnvironmentOption>(), 24);
        assert_eq!(offset_of!(EnvironmentOption, value), 8);
        assert_eq!(size_of::<Integer>(), 16);
    }
}
