//! Ctrl-C while the window is open.
//!
//! The framework asks its window to close, and nobody reads that: the program would go on. So the signal
//! is kept from it, and a thread of ours waits for it.

/// Has `act` called on a thread of its own when the program is asked to end. To be called before any
/// other thread is started: they must not get the signal.
#[cfg(unix)]
pub fn on_interrupt(act: impl FnOnce() + Send + 'static) {
    // SAFETY: the set is initialised before it is used, and only by this function.
    let signals = unsafe {
        let mut signals = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        libc::sigaddset(&mut signals, libc::SIGINT);
        libc::sigaddset(&mut signals, libc::SIGTERM);
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
