//! The negative control: known violations, each of which the audit must find. An audit that finds
//! nothing anywhere proves nothing.

use std::alloc::{Layout, alloc, dealloc};
use std::ffi::{c_char, c_void};
use std::hint::black_box;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use anyhow::Result;
use libloading::os::unix::Library;

use super::watch::{Findings, Watch};

/// Something a real-time thread must not do.
pub struct Violation {
    /// What it is.
    pub name: &'static str,
    /// Commits it.
    pub commit: Box<dyn FnMut() + Send>,
    /// Whether the findings tell of it.
    pub is_in: fn(&Findings) -> bool,
}

/// What became of the planted violations.
pub struct Control {
    /// How many were committed.
    pub planted: usize,
    /// Names of those that were not found.
    pub missed: Vec<String>,
}

/// Commits every violation under `watch`, one after the other.
///
/// # Errors
/// If something that a violation needs is missing.
pub fn run(watch: &mut Watch) -> Result<Control> {
    let mut violations = violations()?;
    let mut missed = Vec::new();
    watch.take();
    for violation in &mut violations {
        watch.during(&mut violation.commit);
        if !(violation.is_in)(&watch.take()) {
            missed.push(violation.name.to_owned());
        }
    }
    Ok(Control {
        planted: violations.len(),
        missed,
    })
}

/// The violation whose name begins with `name`, for planting it elsewhere.
///
/// # Errors
/// If there is none; the error lists those there are.
pub fn violation(name: &str) -> Result<Violation> {
    let all = violations()?;
    let names: Vec<_> = all.iter().map(|v| v.name).collect();
    all.into_iter()
        .find(|violation| violation.name.starts_with(name))
        .ok_or_else(|| {
            anyhow::anyhow!(
                "there is no violation '{name}'; there are: {}",
                names.join(", ")
            )
        })
}

fn violations() -> Result<Vec<Violation>> {
    let mut all = heap_violations();
    all.extend(cpp_violation());
    all.extend(lock_violations());
    all.extend(clock_lock_violation());
    all.extend(clock_violations());
    all.extend(system_call_violations());
    Ok(all)
}

fn plant(
    name: &'static str,
    is_in: fn(&Findings) -> bool,
    commit: impl FnMut() + Send + 'static,
) -> Violation {
    Violation {
        name,
        commit: Box::new(commit),
        is_in,
    }
}

fn heap_violations() -> Vec<Violation> {
    let mut to_free = Some(vec![0_u8; 100]);
    let mut to_grow: Vec<u8> = Vec::with_capacity(1);
    vec![
        plant(
            "Rust: Box::new",
            |f| f.heap.contains_key("malloc"),
            || {
                std::mem::forget(black_box(Box::new(1_u64)));
            },
        ),
        plant(
            "Rust: drop of a Vec",
            |f| f.heap.contains_key("free"),
            move || {
                drop(black_box(to_free.take()));
            },
        ),
        plant(
            "Rust: growth of a Vec",
            |f| f.heap.contains_key("realloc"),
            move || {
                to_grow.reserve_exact(100_000);
                black_box(&to_grow);
            },
        ),
        plant(
            "Rust: zeroed memory",
            |f| f.heap.contains_key("calloc"),
            || {
                std::mem::forget(black_box(vec![0_u8; 4096]));
            },
        ),
        plant(
            "Rust: aligned memory",
            |f| f.heap.contains_key("posix_memalign"),
            || {
                let layout = Layout::from_size_align(256, 64).expect("a power of two");
                // SAFETY: the layout is not empty, and the block is freed with the same one.
                unsafe { dealloc(black_box(alloc(layout)), layout) };
            },
        ),
        plant(
            "Rust: format!",
            |f| f.heap_calls() > 0,
            || {
                black_box(format!("{}", black_box(1)));
            },
        ),
        plant(
            "C: malloc and free",
            |f| f.heap.len() == 2 && f.heap_calls() == 2,
            || {
                // SAFETY: the block is freed once.
                unsafe { libc::free(black_box(libc::malloc(100))) };
            },
        ),
        plant(
            "C: calloc",
            |f| f.heap.contains_key("calloc"),
            || {
                // SAFETY: no preconditions; leaked on purpose.
                black_box(unsafe { libc::calloc(10, 10) });
            },
        ),
        plant(
            "C: aligned_alloc",
            |f| f.heap.contains_key("aligned_alloc"),
            || {
                // SAFETY: a power of two and a multiple of it; leaked on purpose.
                black_box(unsafe { libc::aligned_alloc(64, 128) });
            },
        ),
        plant(
            "C: memalign",
            |f| f.heap.contains_key("memalign"),
            || {
                // SAFETY: a power of two; leaked on purpose.
                black_box(unsafe { libc::memalign(64, 128) });
            },
        ),
        plant(
            "C: strdup, inside of the C library",
            |f| f.heap.contains_key("malloc"),
            || {
                // SAFETY: a text that ends with a zero; leaked on purpose.
                black_box(unsafe { libc::strdup(c"text".as_ptr()) });
            },
        ),
    ]
}

/// `operator new` and `operator delete`, where there is a C++ library.
fn cpp_violation() -> Option<Violation> {
    // SAFETY: the C++ library's initialisers are sound, and it is never unloaded.
    let (new, delete) = unsafe {
        let library = Library::new("libstdc++.so.6").ok()?;
        let new: unsafe extern "C" fn(usize) -> *mut c_void = *library.get(b"_Znwm").ok()?;
        let delete: unsafe extern "C" fn(*mut c_void) = *library.get(b"_ZdlPv").ok()?;
        std::mem::forget(library);
        (new, delete)
    };
    Some(plant(
        "C++: new and delete",
        |f| f.heap_calls() == 2,
        move || {
            // SAFETY: the block is deleted once.
            unsafe { delete(black_box(new(100))) };
        },
    ))
}

fn lock_violations() -> Vec<Violation> {
    let contended = Arc::new(Mutex::new(()));
    vec![
        plant(
            "lock: pthread_mutex_lock",
            |f| f.locks.contains_key("pthread_mutex_lock"),
            || {
                // SAFETY: a mutex that is initialised, locked and unlocked here.
                unsafe {
                    let mut mutex = libc::PTHREAD_MUTEX_INITIALIZER;
                    libc::pthread_mutex_lock(&mut mutex);
                    libc::pthread_mutex_unlock(&mut mutex);
                }
            },
        ),
        plant(
            "lock: pthread_cond_timedwait",
            |f| f.locks.contains_key("pthread_cond_timedwait"),
            || {
                // SAFETY: both are initialised, and the mutex is held as the call demands.
                unsafe {
                    let mut mutex = libc::PTHREAD_MUTEX_INITIALIZER;
                    let mut condition = libc::PTHREAD_COND_INITIALIZER;
                    let past = libc::timespec {
                        tv_sec: 1,
                        tv_nsec: 0,
                    };
                    libc::pthread_mutex_lock(&mut mutex);
                    libc::pthread_cond_timedwait(&mut condition, &mut mutex, &past);
                    libc::pthread_mutex_unlock(&mut mutex);
                }
            },
        ),
        plant(
            "lock: pthread_rwlock_wrlock",
            |f| f.locks.contains_key("pthread_rwlock_wrlock"),
            || {
                // SAFETY: a lock that is initialised, locked and unlocked here.
                unsafe {
                    let mut lock = libc::PTHREAD_RWLOCK_INITIALIZER;
                    libc::pthread_rwlock_wrlock(&mut lock);
                    libc::pthread_rwlock_unlock(&mut lock);
                }
            },
        ),
        plant(
            "lock: sem_wait",
            |f| f.locks.contains_key("sem_wait"),
            || {
                // SAFETY: an all-zero semaphore is what sem_init fills; it starts at 1.
                unsafe {
                    let mut semaphore: libc::sem_t = std::mem::zeroed();
                    libc::sem_init(&mut semaphore, 0, 1);
                    libc::sem_wait(&mut semaphore);
                }
            },
        ),
        plant(
            "lock: Rust mutex that another thread holds",
            |f| f.locks.contains_key("futex wait"),
            move || {
                let barrier = Arc::new(Barrier::new(2));
                let holder = {
                    let (mutex, barrier) = (Arc::clone(&contended), Arc::clone(&barrier));
                    std::thread::spawn(move || {
                        let _held = mutex.lock();
                        barrier.wait();
                        std::thread::sleep(Duration::from_millis(20));
                    })
                };
                barrier.wait();
                drop(contended.lock());
                drop(holder.join());
            },
        ),
    ]
}

/// What C++'s `std::shared_timed_mutex` calls, where the C library has it: glibc 2.30 and later.
fn clock_lock_violation() -> Option<Violation> {
    type LockUntil = unsafe extern "C" fn(
        *mut libc::pthread_rwlock_t,
        libc::clockid_t,
        *const libc::timespec,
    ) -> libc::c_int;
    // SAFETY: the signature is glibc's, which is never unloaded.
    let lock_until: LockUntil = unsafe {
        *Library::this()
            .get::<LockUntil>(b"pthread_rwlock_clockwrlock")
            .ok()?
    };
    Some(plant(
        "lock: pthread_rwlock_clockwrlock",
        |f| f.locks.contains_key("pthread_rwlock_clockwrlock"),
        move || {
            // SAFETY: a lock that is initialised, locked and unlocked here.
            unsafe {
                let mut lock = libc::PTHREAD_RWLOCK_INITIALIZER;
                let past = libc::timespec {
                    tv_sec: 1,
                    tv_nsec: 0,
                };
                lock_until(&mut lock, libc::CLOCK_MONOTONIC, &past);
                libc::pthread_rwlock_unlock(&mut lock);
            }
        },
    ))
}

fn clock_violations() -> Vec<Violation> {
    const NO_TIME: libc::timespec = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1,
    };
    vec![
        plant(
            "clock: Instant::now",
            |f| f.clocks.contains_key("clock_gettime"),
            || {
                black_box(std::time::Instant::now());
            },
        ),
        plant(
            "clock: SystemTime::now",
            |f| f.clocks.contains_key("clock_gettime"),
            || {
                black_box(std::time::SystemTime::now());
            },
        ),
        plant(
            "clock: gettimeofday",
            |f| f.clocks.contains_key("gettimeofday"),
            || {
                let mut time = std::mem::MaybeUninit::uninit();
                // SAFETY: there is room for what is written; the zone may be null.
                unsafe { libc::gettimeofday(time.as_mut_ptr(), std::ptr::null_mut()) };
                black_box(time);
            },
        ),
        plant(
            "clock: time",
            |f| f.clocks.contains_key("time"),
            || {
                // SAFETY: the result may be null.
                black_box(unsafe { libc::time(std::ptr::null_mut()) });
            },
        ),
        plant(
            "clock: clock",
            |f| f.clocks.contains_key("clock"),
            || {
                unsafe extern "C" {
                    fn clock() -> libc::clock_t;
                }
                // SAFETY: no preconditions.
                black_box(unsafe { clock() });
            },
        ),
        plant(
            "clock: nanosleep",
            |f| f.clocks.contains_key("nanosleep"),
            || {
                // SAFETY: the rest may be null.
                unsafe { libc::nanosleep(&NO_TIME, std::ptr::null_mut()) };
            },
        ),
        plant(
            "clock: thread::sleep",
            |f| f.clocks.contains_key("clock_nanosleep") || f.clocks.contains_key("nanosleep"),
            || std::thread::sleep(Duration::from_nanos(1)),
        ),
        plant(
            "clock: usleep",
            |f| f.clocks.contains_key("usleep"),
            || {
                // SAFETY: no preconditions.
                unsafe { libc::usleep(1) };
            },
        ),
    ]
}

fn system_call_violations() -> Vec<Violation> {
    vec![
        plant(
            "system call: getppid",
            |f| f.system_calls.contains_key("getppid"),
            || {
                // SAFETY: no preconditions.
                black_box(unsafe { libc::getppid() });
            },
        ),
        plant(
            "system call: write",
            |f| f.system_calls.contains_key("write"),
            || {
                // SAFETY: an empty buffer is never read.
                unsafe { libc::write(2, c"".as_ptr().cast(), 0) };
            },
        ),
        plant(
            "system call: read of a file",
            |f| f.system_calls.contains_key("read"),
            || {
                drop(black_box(std::fs::read("/proc/self/comm")));
            },
        ),
        plant(
            "system call: print to a stream",
            |f| f.system_calls.contains_key("write"),
            || {
                // SAFETY: the file is opened for writing and closed; the text ends with a zero.
                unsafe {
                    let file = libc::fopen(c"/dev/null".as_ptr(), c"w".as_ptr());
                    libc::fputs(c"text".as_ptr().cast::<c_char>(), file);
                    libc::fclose(file);
                }
            },
        ),
        plant(
            "system call: sleep",
            |f| f.system_calls.contains_key("clock_nanosleep"),
            || {
                std::thread::sleep(Duration::from_micros(1));
            },
        ),
        plant(
            "system call: sched_yield",
            |f| f.system_calls.contains_key("sched_yield"),
            || {
                std::thread::yield_now();
            },
        ),
        plant(
            "system call: mmap",
            |f| f.system_calls.contains_key("mmap"),
            || {
                // SAFETY: a fresh private mapping, which is unmapped again.
                unsafe {
                    let pages = libc::mmap(
                        std::ptr::null_mut(),
                        4096,
                        libc::PROT_READ,
                        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                        -1,
                        0,
                    );
                    libc::munmap(pages, 4096);
                }
            },
        ),
        plant(
            "system call: futex wake",
            |f| f.system_calls.contains_key("futex"),
            || {
                let word = std::sync::atomic::AtomicU32::new(0);
                // SAFETY: the word outlives the call, and nobody waits on it.
                unsafe { libc::syscall(libc::SYS_futex, &word, libc::FUTEX_WAKE, 1) };
            },
        ),
        plant(
            "system call: thread start",
            |f| f.system_calls.keys().any(|c| c.starts_with("clone")),
            || {
                drop(std::thread::spawn(|| {}).join());
            },
        ),
    ]
}
