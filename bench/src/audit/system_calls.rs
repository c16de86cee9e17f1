//! Counts the system calls of one thread by name, with the kernel's own help: a seccomp filter
//! sends every system call of the thread to a supervising thread, which counts it and lets it
//! continue. Needs Linux 5.5 and no privileges.

use std::io::{Error, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::*};

use anyhow::{Context, Result, bail};
use libc::{c_int, c_long, c_ulong, seccomp_notif, seccomp_notif_resp, sock_filter, sock_fprog};
use syscalls::Sysno;

/// Above every system call number of Linux.
const NUMBERS: usize = 1024;
/// How many calls can keep a backtrace, and how many frames of each.
const TRACES: usize = 64;
const DEPTH: usize = 48;
/// How long a thread may take to come to its signal handler.
const TRACE_PATIENCE_MS: c_int = 50;

/// The traced side's handle; to be used on the traced thread.
pub struct SystemCalls {
    shared: Arc<Shared>,
}

struct Shared {
    /// Whether calls count at the moment.
    counting: AtomicBool,
    counts: Vec<AtomicU64>,
    /// Calls of `futex` that wait for another thread.
    futex_waits: AtomicU64,
    /// Whether the supervisor runs.
    ready: AtomicBool,
    /// The filter's file descriptor, until the supervisor has taken it.
    listener: AtomicI32,
    thread: libc::pid_t,
    keep_traces: bool,
    /// Where the backtraces of this thread begin: the room for them is that of all threads.
    first_trace: usize,
}

impl SystemCalls {
    /// Traces the calling thread until it ends. Threads that it starts are not counted.
    ///
    /// # Errors
    /// If the kernel has no seccomp user notification, or forbids it.
    pub fn trace_this_thread(keep_traces: bool) -> Result<Self> {
        if keep_traces {
            install_trace_handler()?;
        }
        // SAFETY: no preconditions.
        let thread = unsafe { libc::gettid() };
        let shared = Arc::new(Shared {
            counting: AtomicBool::new(false),
            counts: (0..NUMBERS).map(|_| AtomicU64::new(0)).collect(),
            futex_waits: AtomicU64::new(0),
            ready: AtomicBool::new(false),
            listener: AtomicI32::new(-1),
            thread,
            keep_traces,
            first_trace: NEXT.load(Acquire),
        });
        let for_supervisor = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("system calls".to_owned())
            .spawn(move || supervise(&for_supervisor))
            .context("no thread for the supervisor")?;
        // The supervisor must be through with everything that takes a lock of the dynamic linker
        // or of the heap: the traced thread may hold one while it waits for the supervisor.
        while !shared.ready.load(Acquire) {
            std::thread::yield_now();
        }
        let listener = install_filter().inspect_err(|_| shared.listener.store(-2, Release))?;
        // From here on every system call of this thread waits for the supervisor, so that the
        // descriptor must reach it without one.
        shared.listener.store(listener, Release);
        Ok(Self { shared })
    }

    /// Begins or ends counting. Real-time safe.
    pub fn count(&self, counting: bool) {
        self.shared.counting.store(counting, SeqCst);
    }

    /// Every system call that was counted, and how often.
    pub fn counts(&self) -> impl Iterator<Item = (String, u64)> {
        self.shared
            .counts
            .iter()
            .enumerate()
            .map(|(number, count)| (name(number), count.load(Acquire)))
            .filter(|(_, count)| *count > 0)
    }

    /// How many of the counted calls were `futex` waiting for another thread.
    pub fn futex_waits(&self) -> u64 {
        self.shared.futex_waits.load(Acquire)
    }

    /// The backtraces that were kept of this thread: the call, and the addresses it was made from, innermost first.
    pub fn traces(&self) -> Vec<(String, Vec<usize>)> {
        KEPT.iter()
            .skip(self.shared.first_trace)
            .map(|kept| {
                let frames = kept.frames.iter().map(|frame| frame.load(Acquire));
                (
                    name(kept.number.load(Acquire)),
                    frames.take_while(|frame| *frame != 0).collect(),
                )
            })
            .filter(|(_, frames): &(String, Vec<usize>)| !frames.is_empty())
            .collect()
    }
}

fn name(number: usize) -> String {
    Sysno::new(number).map_or_else(|| format!("call {number}"), |call| call.name().to_owned())
}

/// Installs a filter on the calling thread that asks a listener about every system call.
fn install_filter() -> Result<c_int> {
    let mut instruction = sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_USER_NOTIF,
    };
    let program = sock_fprog {
        len: 1,
        filter: &mut instruction,
    };
    // SAFETY: the program lives until the call returns; the kernel copies it.
    let listener = unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            bail!("prctl(NO_NEW_PRIVS): {}", Error::last_os_error());
        }
        libc::syscall(
            libc::SYS_seccomp,
            c_ulong::from(libc::SECCOMP_SET_MODE_FILTER),
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &program,
        )
    };
    if listener < 0 {
        bail!(
            "the kernel does not let system calls be traced: {}; needed are Linux 5.5 and a \
             container that permits seccomp",
            Error::last_os_error()
        );
    }
    Ok(listener as c_int)
}

/// The supervisor: counts and continues each call, until no thread with the filter is left.
fn supervise(shared: &Shared) {
    shared.ready.store(true, Release);
    let listener = loop {
        match shared.listener.load(Acquire) {
            -1 => std::thread::yield_now(),
            // SAFETY: the traced thread hands the descriptor over and never uses it.
            fd if fd >= 0 => break unsafe { OwnedFd::from_raw_fd(fd) },
            _ => return,
        }
    };
    let mut asked = None;
    loop {
        let patience = if asked.is_some() {
            TRACE_PATIENCE_MS
        } else {
            -1
        };
        let notice = match receive(&listener, patience) {
            Received::Call(notice) => notice,
            Received::Gone => return,
            Received::Nothing => {
                // The thread does not take signals at the moment; its backtrace comes later.
                if let Some(Asked::Waiting(call)) = asked.take() {
                    shared.count_call(&call);
                    answer(&listener, call.id);
                    asked = Some(Asked::Continued);
                }
                continue;
            }
        };
        let is_ours = notice.pid as libc::pid_t == shared.thread;
        if is_ours && shared.counting.load(SeqCst) {
            let number = c_long::from(notice.data.nr);
            asked = match asked {
                // The end of the handler that took the backtrace is ours, not the thread's.
                Some(Asked::Continued) if number == libc::SYS_rt_sigreturn => None,
                Some(Asked::Waiting(_)) if number == libc::SYS_rt_sigreturn => asked,
                None if shared.keep_traces && ask_for_trace(shared.thread, number) => {
                    asked = Some(Asked::Waiting(notice));
                    continue;
                }
                Some(Asked::Continued) => {
                    shared.count_call(&notice);
                    asked
                }
                // With a backtrace asked for, this is the same call once more.
                Some(Asked::Waiting(_)) | None => {
                    shared.count_call(&notice);
                    None
                }
            };
        }
        answer(&listener, notice.id);
    }
}

/// A backtrace that was asked for.
enum Asked {
    /// The thread is being called away from this call, and will make it again.
    Waiting(seccomp_notif),
    /// The call has continued, and the thread will take the backtrace when it takes signals.
    Continued,
}

impl Shared {
    fn count_call(&self, notice: &seccomp_notif) {
        if let Some(count) = self.counts.get(notice.data.nr as usize) {
            count.fetch_add(1, AcqRel);
        }
        let operation = notice.data.args[1] as c_int & libc::FUTEX_CMD_MASK;
        let waits = [
            libc::FUTEX_WAIT,
            libc::FUTEX_WAIT_BITSET,
            libc::FUTEX_LOCK_PI,
            libc::FUTEX_WAIT_REQUEUE_PI,
        ];
        if c_long::from(notice.data.nr) == libc::SYS_futex && waits.contains(&operation) {
            self.futex_waits.fetch_add(1, AcqRel);
        }
    }
}

/// What a wait for the next call came to.
enum Received {
    Call(seccomp_notif),
    /// No call within the time.
    Nothing,
    /// No thread with the filter is left.
    Gone,
}

/// Waits for the next call, for `patience` milliseconds or for ever if that is negative.
fn receive(listener: &OwnedFd, patience: c_int) -> Received {
    loop {
        let mut poll = libc::pollfd {
            fd: listener.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one live structure.
        let events = unsafe { libc::poll(&mut poll, 1, patience) };
        if events == 0 {
            return Received::Nothing;
        }
        if poll.revents & libc::POLLIN == 0 {
            if poll.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
                return Received::Gone;
            }
            continue;
        }
        // SAFETY: an all-zero notice is what the kernel demands to be handed.
        let mut notice: seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is a listener and the notice is of the kernel's size.
        let received = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &mut notice,
            )
        };
        // An error means that a signal has called the thread away from its system call.
        if received == 0 {
            return Received::Call(notice);
        }
    }
}

/// Lets the call continue.
fn answer(listener: &OwnedFd, id: u64) {
    let mut response = seccomp_notif_resp {
        id,
        val: 0,
        error: 0,
        flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
    };
    // SAFETY: the descriptor is a listener and the response is of the kernel's size. It fails
    // only if the thread has gone or was called away by a signal, and will ask again.
    unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &mut response,
        )
    };
}

/// What the signal handler leaves behind. Handlers cannot be handed anything, so it is static.
struct Trace {
    number: AtomicUsize,
    frames: [AtomicUsize; DEPTH],
}

static KEPT: [Trace; TRACES] = [const {
    Trace {
        number: AtomicUsize::new(0),
        frames: [const { AtomicUsize::new(0) }; DEPTH],
    }
}; TRACES];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Calls the thread away from its system call to write down where it is. Returns whether it will.
fn ask_for_trace(thread: libc::pid_t, number: c_long) -> bool {
    let Some(kept) = KEPT.get(NEXT.load(Acquire)) else {
        return false;
    };
    kept.number.store(number as usize, Release);
    // SAFETY: signals a thread of this process, for which a handler is installed.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGURG) == 0 }
}

/// Runs on the traced thread, in the middle of its system call.
extern "C" fn write_down_trace(_: c_int) {
    let Some(kept) = KEPT.get(NEXT.fetch_add(1, AcqRel)) else {
        return;
    };
    let mut depth = 0;
    // SAFETY: only this handler uses the backtrace crate on this thread, and taking addresses
    // needs no lock that the interrupted code could hold.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            kept.frames[depth].store(frame.ip() as usize, Release);
            depth += 1;
            depth < DEPTH
        });
    }
}

fn install_trace_handler() -> Result<()> {
    // SAFETY: a handler with the signature that sigaction expects without SA_SIGINFO.
    let installed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = write_down_trace as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut())
    };
    if installed != 0 {
        return Err(Error::from(ErrorKind::Other)).context("no handler for backtraces");
    }
    Ok(())
}
