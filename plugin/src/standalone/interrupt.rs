//! The signals that end the program: Ctrl-C, a service that is stopped, a terminal that is closed.
//!
//! With a window the framework asks that to close, and nobody reads it: the program would go on. Without
//! one it knows Ctrl-C alone. So signals are kept from it, and a thread of ours waits for them.

/// Has `act` called on a thread of its own when the program is asked to end. To be called before any
/// other thread is started: they must not get the signal.
#[cfg(unix)]
pub fn on_interrupt(act: impl FnOnce() + Send + 'static) {
    on(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP], act);
}

/// Has whatever else ends the program do so as Ctrl-C does, which the framework heeds. To be called before
/// any other thread is started.
#[cfg(unix)]
pub fn as_interrupt() {
    on(&[libc::SIGTERM, libc::SIGHUP], || {
        // SAFETY: a signal to this process.
        unsafe { libc::kill(libc::getpid(), libc::SIGINT) };
    });
}

#[cfg(unix)]
fn on(ends: &[libc::c_int], act: impl FnOnce() + Send + 'static) {
    // SAFETY: the set is initialised before it is used, and only by this function.
    let signals = unsafe {
        let mut signals = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        for signal in ends {
            libc::sigaddset(&mut signals, *signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &signals, std::ptr::null_mut());
        signals
    };
    std::thread::spawn(move || {
        let mut which = 0;
        // SAFETY: a set and a place to write to.
        if unsafe { libc::sigwait(&signals, &mut which) } == 0 {
            act();
        }
    });
}

/// Elsewhere the system ends the program.
#[cfg(not(unix))]
pub fn on_interrupt(_: impl FnOnce() + Send + 'static) {}

/// Elsewhere the system ends the program.
#[cfg(not(unix))]
pub fn as_interrupt() {}
