//! The heap's functions, passed on to the names under which glibc offers them to interposers:
//! finding them with `dlsym` would itself allocate.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use crate::watch::{Function, called};

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_free(block: *mut c_void);
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_valloc(size: usize) -> *mut c_void;
    fn __libc_pvalloc(size: usize) -> *mut c_void;
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    called(Function::Malloc);
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_malloc(size) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(block: *mut c_void) {
    // Freeing nothing does nothing, by the C standard.
    if block.is_null() {
        return;
    }
    called(Function::Free);
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_free(block) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    called(Function::Calloc);
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_calloc(count, size) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    called(Function::Realloc);
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_realloc(block, size) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(
    block: *mut c_void,
    count: usize,
    size: usize,
) -> *mut c_void {
    called(Function::Reallocarray);
    match count.checked_mul(size) {
        // SAFETY: the caller's promise is passed on.
        Some(size) => unsafe { __libc_realloc(block, size) },
        None => {
            // SAFETY: the address of this thread's own errno.
            unsafe { *libc::__errno_location() = libc::ENOMEM };
            null_mut()
        }
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    called(Function::Memalign);
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_memalign(alignment, size) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    called(Function::AlignedAlloc);
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_memalign(alignment, size) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(
    result: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    called(Function::PosixMemalign);
    if !alignment.is_power_of_two() || !alignment.is_multiple_of(size_of::<*mut c_void>()) {
        return libc::EINVAL;
    }
    // SAFETY: the caller's promise is passed on.
    unsafe {
        let block = __libc_memalign(alignment, size);
        if block.is_null() {
            return libc::ENOMEM;
        }
        result.write(block);
    }
    0
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn valloc(size: usize) -> *mut c_void {
    called(Function::Valloc);
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_valloc(size) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvalloc(size: usize) -> *mut c_void {
    called(Function::Pvalloc);
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_pvalloc(size) }
}
