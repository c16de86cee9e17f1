//! Which thread is watched, and what it has called.
//!
//! Nothing here may allocate or use thread-local storage: both can end up in `malloc`, which is
//! where the calls come from.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};

macro_rules! functions {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A function that is counted.
        #[derive(Clone, Copy)]
        pub enum Function { $($variant),* }

        const NAMES: &[&CStr] = &[$($name),*];
    };
}

functions! {
    Malloc c"malloc",
    Free c"free",
    Calloc c"calloc",
    Realloc c"realloc",
    Reallocarray c"reallocarray",
    Memalign c"memalign",
    AlignedAlloc c"aligned_alloc",
    PosixMemalign c"posix_memalign",
    Valloc c"valloc",
    Pvalloc c"pvalloc",
    MutexLock c"pthread_mutex_lock",
    MutexTimedlock c"pthread_mutex_timedlock",
    MutexClocklock c"pthread_mutex_clocklock",
    CondWait c"pthread_cond_wait",
    CondTimedwait c"pthread_cond_timedwait",
    CondClockwait c"pthread_cond_clockwait",
    RwlockRdlock c"pthread_rwlock_rdlock",
    RwlockWrlock c"pthread_rwlock_wrlock",
    RwlockTimedrdlock c"pthread_rwlock_timedrdlock",
    RwlockTimedwrlock c"pthread_rwlock_timedwrlock",
    RwlockClockrdlock c"pthread_rwlock_clockrdlock",
    RwlockClockwrlock c"pthread_rwlock_clockwrlock",
    Once c"pthread_once",
    MtxLock c"mtx_lock",
    MtxTimedlock c"mtx_timedlock",
    CndWait c"cnd_wait",
    CndTimedwait c"cnd_timedwait",
    SpinLock c"pthread_spin_lock",
    BarrierWait c"pthread_barrier_wait",
    Join c"pthread_join",
    SemWait c"sem_wait",
    SemTimedwait c"sem_timedwait",
    SemClockwait c"sem_clockwait",
    ClockGettime c"clock_gettime",
    ClockGetres c"clock_getres",
    Gettimeofday c"gettimeofday",
    Time c"time",
    TimespecGet c"timespec_get",
    Clock c"clock",
    Times c"times",
    Nanosleep c"nanosleep",
    ClockNanosleep c"clock_nanosleep",
    Usleep c"usleep",
    Sleep c"sleep",
}

/// How many calls keep a backtrace.
const TRACES: usize = 256;
/// How many frames of each are kept.
const DEPTH: usize = 48;

/// `pthread_self` of the watched thread, 0 for none.
static WATCHED: AtomicUsize = AtomicUsize::new(0);
/// Set while a backtrace is taken: the unwinder's own calls are not the thread's.
static TRACING: AtomicBool = AtomicBool::new(false);
static KEEP_TRACES: AtomicBool = AtomicBool::new(false);
static COUNTS: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

struct Trace {
    function: AtomicUsize,
    depth: AtomicUsize,
    frames: [AtomicUsize; DEPTH],
}

static NEXT_TRACE: AtomicUsize = AtomicUsize::new(0);
static KEPT: [Trace; TRACES] = [const {
    Trace {
        function: AtomicUsize::new(0),
        depth: AtomicUsize::new(0),
        frames: [const { AtomicUsize::new(0) }; DEPTH],
    }
}; TRACES];

unsafe extern "C" {
    /// glibc's `<execinfo.h>`.
    fn backtrace(buffer: *mut *mut c_void, size: c_int) -> c_int;
}

/// Counts a call of `function` if the calling thread is watched. Called by every hook.
pub fn called(function: Function) {
    let watched = WATCHED.load(Relaxed);
    // SAFETY: `pthread_self` reads a register.
    if watched == 0 || watched != unsafe { libc::pthread_self() } as usize {
        return;
    }
    if TRACING.load(Relaxed) {
        return;
    }
    COUNTS[function as usize].fetch_add(1, Relaxed);
    if KEEP_TRACES.load(Relaxed) {
        keep_trace(function);
    }
}

fn keep_trace(function: Function) {
    let Some(kept) = KEPT.get(NEXT_TRACE.load(Relaxed)) else {
        return;
    };
    NEXT_TRACE.fetch_add(1, Relaxed);
    let mut frames = [null::<c_void>().cast_mut(); DEPTH];
    TRACING.store(true, Relaxed);
    // SAFETY: the buffer has room for `DEPTH` frames.
    let depth = unsafe { backtrace(frames.as_mut_ptr(), DEPTH as c_int) };
    TRACING.store(false, Relaxed);
    kept.function.store(function as usize, Relaxed);
    for (kept, frame) in kept.frames.iter().zip(frames) {
        kept.store(frame as usize, Relaxed);
    }
    kept.depth.store(depth.max(0) as usize, Relaxed);
}

/// Watches the calling thread from now on. One thread at a time can be watched. Real-time safe.
#[unsafe(no_mangle)]
pub extern "C" fn tocco_interpose_begin() {
    // SAFETY: `pthread_self` reads a register.
    WATCHED.store(unsafe { libc::pthread_self() } as usize, Relaxed);
}

/// Watches nothing from now on; the counts stay. Real-time safe.
#[unsafe(no_mangle)]
pub extern "C" fn tocco_interpose_end() {
    WATCHED.store(0, Relaxed);
}

/// The name of the function number `index`, null after the last one. First come the heap's
/// functions, then those of the locks, whose names begin with `pthread_`, `sem_`, `mtx_` or `cnd_`,
/// then, from `clock_gettime` on, those that ask for the time or wait for one.
#[unsafe(no_mangle)]
pub extern "C" fn tocco_interpose_name(index: usize) -> *const c_char {
    NAMES.get(index).map_or(null(), |name| name.as_ptr())
}

/// How often function number `index` was called, all watched times added up.
#[unsafe(no_mangle)]
pub extern "C" fn tocco_interpose_count(index: usize) -> u64 {
    COUNTS.get(index).map_or(0, |count| count.load(Relaxed))
}

/// Whether the next calls leave a backtrace, for as many as there is room.
#[unsafe(no_mangle)]
pub extern "C" fn tocco_interpose_keep_traces(keep: bool) {
    if keep {
        let mut frame = null::<c_void>().cast_mut();
        // The first backtrace loads the unwinder; better here than in the watched time.
        // SAFETY: the buffer has room for one frame.
        unsafe { backtrace(&mut frame, 1) };
    }
    KEEP_TRACES.store(keep, Relaxed);
}

/// Writes the frames of backtrace number `index`, innermost first, to `frames` with room for
/// `room`, and the number of its function to `function`. Returns how many frames were written;
/// 0 if there is no such backtrace.
///
/// # Safety
/// `frames` must have room for `room` addresses, `function` for one number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tocco_interpose_trace(
    index: usize,
    function: *mut usize,
    frames: *mut usize,
    room: usize,
) -> usize {
    let Some(kept) = KEPT.get(index) else {
        return 0;
    };
    let count = kept.depth.load(Relaxed).min(room);
    // SAFETY: the caller's buffers are as large as promised.
    unsafe {
        function.write(kept.function.load(Relaxed));
        for (index, frame) in kept.frames[..count].iter().enumerate() {
            frames.add(index).write(frame.load(Relaxed));
        }
    }
    count
}
