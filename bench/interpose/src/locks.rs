//! The functions of POSIX threads, and of C11's, that may wait for another thread.

use std::ffi::{CStr, c_int, c_void};

use libc::{
    clockid_t, pthread_barrier_t, pthread_cond_t, pthread_mutex_t, pthread_rwlock_t,
    pthread_spinlock_t, pthread_t, sem_t, timespec,
};

use crate::next::hook;

/// glibc keeps condition variables of before 2003 under the same names on x86-64; this is the
/// version that programs of today are linked with. Elsewhere there is only one.
const CONDITION: Option<&CStr> = Some(c"GLIBC_2.3.2");

hook!(MutexLock, pthread_mutex_lock, None, (mutex: *mut pthread_mutex_t) -> c_int);
hook!(MutexTimedlock, pthread_mutex_timedlock, None,
    (mutex: *mut pthread_mutex_t, until: *const timespec) -> c_int);
hook!(MutexClocklock, pthread_mutex_clocklock, None,
    (mutex: *mut pthread_mutex_t, clock: clockid_t, until: *const timespec) -> c_int);
hook!(CondWait, pthread_cond_wait, CONDITION,
    (condition: *mut pthread_cond_t, mutex: *mut pthread_mutex_t) -> c_int);
hook!(CondTimedwait, pthread_cond_timedwait, CONDITION,
    (condition: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, until: *const timespec) -> c_int);
hook!(CondClockwait, pthread_cond_clockwait, None,
    (condition: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, clock: clockid_t,
     until: *const timespec) -> c_int);
hook!(RwlockRdlock, pthread_rwlock_rdlock, None, (lock: *mut pthread_rwlock_t) -> c_int);
hook!(RwlockWrlock, pthread_rwlock_wrlock, None, (lock: *mut pthread_rwlock_t) -> c_int);
hook!(RwlockTimedrdlock, pthread_rwlock_timedrdlock, None,
    (lock: *mut pthread_rwlock_t, until: *const timespec) -> c_int);
hook!(RwlockTimedwrlock, pthread_rwlock_timedwrlock, None,
    (lock: *mut pthread_rwlock_t, until: *const timespec) -> c_int);
hook!(RwlockClockrdlock, pthread_rwlock_clockrdlock, None,
    (lock: *mut pthread_rwlock_t, clock: clockid_t, until: *const timespec) -> c_int);
hook!(RwlockClockwrlock, pthread_rwlock_clockwrlock, None,
    (lock: *mut pthread_rwlock_t, clock: clockid_t, until: *const timespec) -> c_int);
hook!(Once, pthread_once, None, (once: *mut c_void, initialiser: extern "C" fn()) -> c_int);
hook!(MtxLock, mtx_lock, None, (mutex: *mut c_void) -> c_int);
hook!(MtxTimedlock, mtx_timedlock, None, (mutex: *mut c_void, until: *const timespec) -> c_int);
hook!(CndWait, cnd_wait, None, (condition: *mut c_void, mutex: *mut c_void) -> c_int);
hook!(CndTimedwait, cnd_timedwait, None,
    (condition: *mut c_void, mutex: *mut c_void, until: *const timespec) -> c_int);
hook!(SpinLock, pthread_spin_lock, None, (lock: *mut pthread_spinlock_t) -> c_int);
hook!(BarrierWait, pthread_barrier_wait, None, (barrier: *mut pthread_barrier_t) -> c_int);
hook!(Join, pthread_join, None, (thread: pthread_t, result: *mut *mut c_void) -> c_int);
hook!(SemWait, sem_wait, None, (semaphore: *mut sem_t) -> c_int);
hook!(SemTimedwait, sem_timedwait, None, (semaphore: *mut sem_t, until: *const timespec) -> c_int);
hook!(SemClockwait, sem_clockwait, None,
    (semaphore: *mut sem_t, clock: clockid_t, until: *const timespec) -> c_int);
