//! The functions of POSIX threads, and of C11's, that may wait for another thread.

use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering::*};

use libc::{
    RTLD_NEXT, clockid_t, pthread_barrier_t, pthread_cond_t, pthread_mutex_t, pthread_rwlock_t,
    pthread_spinlock_t, pthread_t, sem_t, timespec,
};

use crate::watch::{Function, called};

/// The C library's own function of this name, found at the first call.
fn next(found: &AtomicUsize, name: &CStr, version: Option<&CStr>) -> usize {
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

/// glibc keeps condition variables of before 2003 under the same names on x86-64; this is the
/// version that programs of today are linked with. Elsewhere there is only one.
const CONDITION: Option<&CStr> = Some(c"GLIBC_2.3.2");

macro_rules! hook {
    ($variant:ident, $name:ident, $version:expr, ($($argument:ident: $type:ty),*)) => {
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> c_int {
            static FOUND: AtomicUsize = AtomicUsize::new(0);
            const NAME: &CStr = match CStr::from_bytes_with_nul(
                concat!(stringify!($name), "\0").as_bytes(),
            ) {
                Ok(name) => name,
                Err(_) => panic!("a name has no zero in it"),
            };
            called(Function::$variant);
            let address = next(&FOUND, NAME, $version) as *const c_void;
            // SAFETY: the address belongs to the function of this name and signature, and the
            // caller's promise is passed on.
            unsafe {
                let next: unsafe extern "C" fn($($type),*) -> c_int =
                    std::mem::transmute(address);
                next($($argument),*)
            }
        }
    };
}

hook!(MutexLock, pthread_mutex_lock, None, (mutex: *mut pthread_mutex_t));
hook!(MutexTimedlock, pthread_mutex_timedlock, None,
    (mutex: *mut pthread_mutex_t, until: *const timespec));
hook!(MutexClocklock, pthread_mutex_clocklock, None,
    (mutex: *mut pthread_mutex_t, clock: clockid_t, until: *const timespec));
hook!(CondWait, pthread_cond_wait, CONDITION,
    (condition: *mut pthread_cond_t, mutex: *mut pthread_mutex_t));
hook!(CondTimedwait, pthread_cond_timedwait, CONDITION,
    (condition: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, until: *const timespec));
hook!(CondClockwait, pthread_cond_clockwait, None,
    (condition: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, clock: clockid_t,
     until: *const timespec));
hook!(RwlockRdlock, pthread_rwlock_rdlock, None, (lock: *mut pthread_rwlock_t));
hook!(RwlockWrlock, pthread_rwlock_wrlock, None, (lock: *mut pthread_rwlock_t));
hook!(RwlockTimedrdlock, pthread_rwlock_timedrdlock, None,
    (lock: *mut pthread_rwlock_t, until: *const timespec));
hook!(RwlockTimedwrlock, pthread_rwlock_timedwrlock, None,
    (lock: *mut pthread_rwlock_t, until: *const timespec));
hook!(Once, pthread_once, None, (once: *mut c_void, initialiser: extern "C" fn()));
hook!(MtxLock, mtx_lock, None, (mutex: *mut c_void));
hook!(MtxTimedlock, mtx_timedlock, None, (mutex: *mut c_void, until: *const timespec));
hook!(CndWait, cnd_wait, None, (condition: *mut c_void, mutex: *mut c_void));
hook!(CndTimedwait, cnd_timedwait, None,
    (condition: *mut c_void, mutex: *mut c_void, until: *const timespec));
hook!(SpinLock, pthread_spin_lock, None, (lock: *mut pthread_spinlock_t));
hook!(BarrierWait, pthread_barrier_wait, None, (barrier: *mut pthread_barrier_t));
hook!(Join, pthread_join, None, (thread: pthread_t, result: *mut *mut c_void));
hook!(SemWait, sem_wait, None, (semaphore: *mut sem_t));
hook!(SemTimedwait, sem_timedwait, None, (semaphore: *mut sem_t, until: *const timespec));
hook!(SemClockwait, sem_clockwait, None,
    (semaphore: *mut sem_t, clock: clockid_t, until: *const timespec));
