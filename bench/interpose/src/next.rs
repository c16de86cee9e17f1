//! Functions that are passed on to the C library's own, found by their names.

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering::*};

use libc::RTLD_NEXT;

/// The C library's own function of this name, found at the first call.
pub fn next(found: &AtomicUsize, name: &CStr, version: Option<&CStr>) -> usize {
    let address = found.load(Relaxed);
    if address != 0 {
        return address;
    }
    // SAFETY: the names end with a zero; looking up a symbol has no other precondition.
    let address = unsafe {
        let of_version = version.map(|v| libc::dlvsym(RTLD_NEXT, name.as_ptr(), v.as_ptr()));
        match of_version {
            Some(address) if !address.is_null() => address,
            _ => libc::dlsym(RTLD_NEXT, name.as_ptr()),
        }
    };
    assert!(!address.is_null(), "the C library has no {name:?}");
    found.store(address as usize, Relaxed);
    address as usize
}

/// Defines a function of the C library anew: it counts the call and passes it on.
macro_rules! hook {
    ($variant:ident, $name:ident, $version:expr, ($($argument:ident: $type:ty),*) -> $result:ty) => {
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            static FOUND: std::sync::atomic::AtomicUsize =
                std::sync::atomic::AtomicUsize::new(0);
            const NAME: &std::ffi::CStr = match std::ffi::CStr::from_bytes_with_nul(
                concat!(stringify!($name), "\0").as_bytes(),
            ) {
                Ok(name) => name,
                Err(_) => panic!("a name has no zero in it"),
            };
            $crate::watch::called($crate::watch::Function::$variant);
            let address = $crate::next::next(&FOUND, NAME, $version) as *const std::ffi::c_void;
            // SAFETY: the address belongs to the function of this name and signature, and the
            // caller's promise is passed on.
            unsafe {
                let next: unsafe extern "C" fn($($type),*) -> $result =
                    std::mem::transmute(address);
                next($($argument),*)
            }
        }
    };
}
pub(crate) use hook;
