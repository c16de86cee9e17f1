//! The signals that end the program: Ctrl-C, a service that is stopped, a terminal that is closed.
//!
//! The framework knows Ctrl-C alone. With a window it asks that to close, and nobody reads it; without one
//! it ends, if its audio thread does. So signals are kept from it, and a thread of ours waits for them.

#[cfg(unix)]
use libc::c_int;

#[cfg(unix)]
const ENDS: [c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Has `act` called on a thread of its own when the program is asked to end. To be called before any
/// other thread is started: they must not get the signal.
#[cfg(unix)]
pub fn on_interrupt(act: impl FnOnce() + Send + 'static) {
    // Whoever has it started with a signal ignored, as nohup has, wants it to go on. Linux gives even such a
    // signal to a thread that waits for it.
    let heeded = ENDS.map(|signal| match disposition(signal) {
        libc::SIG_IGN => None,
        _ => Some(signal),
    });
    let heeded = set(heeded.into_iter().flatten());
    // All of them: the framework listens to Ctrl-C whether it is ignored or not.
    let blocked = set(ENDS);
    // SAFETY: a set; the one before is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &blocked, std::ptr::null_mut()) };
    std::thread::spawn(move || {
        let mut which = 0;
        // SAFETY: a set and a place to write to.
        if unsafe { libc::sigwait(&heeded, &mut which) } == 0 {
            act();
        }
    });
}

/// Tells the framework, which ends by Ctrl-C where there is no window. For the thread that was told.
#[cfg(unix)]
pub fn pass_on() {
    // It does not listen yet: the signal would end the program where it stands.
    if matches!(disposition(libc::SIGINT), libc::SIG_DFL | libc::SIG_IGN) {
        return;
    }
    let interrupt = set([libc::SIGINT]);
    // SAFETY: a set, and a signal to this thread, which is the only one to take it.
    unsafe {
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &interrupt, std::ptr::null_mut());
        libc::raise(libc::SIGINT);
    }
}

/// What a signal does: [`libc::SIG_DFL`], [`libc::SIG_IGN`], or the address of what is called.
#[cfg(unix)]
fn disposition(signal: c_int) -> libc::sighandler_t {
    // SAFETY: without a new action it only asks, and there is a place to write to.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action);
        action.sa_sigaction
    }
}

#[cfg(unix)]
fn set(signals: impl IntoIterator<Item = c_int>) -> libc::sigset_t {
    // SAFETY: the set is initialised before it is used, and only by this function.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

/// Elsewhere the system ends the program.
#[cfg(not(unix))]
pub fn on_interrupt(_: impl FnOnce() + Send + 'static) {}

/// Elsewhere nobody is told.
#[cfg(not(unix))]
pub fn pass_on() {}
