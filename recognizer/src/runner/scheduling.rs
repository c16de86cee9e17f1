//! The classifier thread's priority.

use std::fmt;

/// The SCHED_FIFO priority asked for: above every ordinary thread, and below the audio thread of
/// any host (JACK's clients run at 5 unless told otherwise, PipeWire's at 83 to 88).
pub const FIFO_PRIORITY: u8 = 2;

/// What the system granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheduling {
    /// SCHED_FIFO at this priority.
    Fifo(u8),
    /// Among the threads that Windows runs for music, by its Multimedia Class Scheduler.
    ProAudio,
    /// An ordinary thread, preferred to others; why it is no better.
    Preferred(String),
    /// An ordinary thread like any other; why it is no better.
    Ordinary(String),
}

impl fmt::Display for Scheduling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo(priority) => write!(f, "SCHED_FIFO {priority}"),
            Self::ProAudio => f.write_str("Pro Audio of the Multimedia Class Scheduler"),
            Self::Preferred(why) => write!(f, "preferred among ordinary threads ({why})"),
            Self::Ordinary(why) => write!(f, "ordinary priority ({why}; {REMEDY})"),
        }
    }
}

/// What the user can do about an ordinary priority.
const REMEDY: &str = if cfg!(windows) {
    "start the service Multimedia Class Scheduler"
} else {
    "allow the user real-time priority, rtprio in /etc/security/limits.conf"
};

/// The calling thread's priority, which it has until this is dropped by it.
#[derive(Debug)]
pub struct Raised {
    /// What the system granted.
    pub scheduling: Scheduling,
    #[cfg(windows)]
    _task: Option<multimedia::Task>,
}

/// Raises the calling thread as far as the system allows. Not for the audio thread.
///
/// `TOCCO_SCHEDULING=ordinary` leaves it as it is, to measure what the priority brings.
#[must_use]
pub fn raise_this_thread() -> Raised {
    if std::env::var_os("TOCCO_SCHEDULING").is_some_and(|value| value == "ordinary") {
        return Raised {
            scheduling: Scheduling::Ordinary("TOCCO_SCHEDULING=ordinary".to_owned()),
            #[cfg(windows)]
            _task: None,
        };
    }
    raise()
}

#[cfg(unix)]
fn raise() -> Raised {
    use thread_priority::{
        NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority,
        ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
    };

    let raise = |value: u8, policy| {
        let value = value
            .try_into()
            .map_err(|_| thread_priority::Error::Priority("expected 0 to 99"))?;
        let priority = ThreadPriority::Crossplatform(value);
        set_thread_priority_and_policy(thread_native_id(), priority, policy)
    };
    let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    let ordinary = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    let scheduling = match raise(FIFO_PRIORITY, fifo) {
        Ok(()) => Scheduling::Fifo(FIFO_PRIORITY),
        Err(error) => {
            let refused = format!("SCHED_FIFO refused: {error:?}");
            match raise(PREFERRED, ordinary) {
                Ok(()) => Scheduling::Preferred(refused),
                Err(_) => Scheduling::Ordinary(refused),
            }
        }
    };
    Raised { scheduling }
}

/// Of 0 to 99, where SCHED_FIFO is not permitted: nice -11, as sound servers take.
#[cfg(unix)]
const PREFERRED: u8 = 76;

#[cfg(windows)]
fn raise() -> Raised {
    use thread_priority::ThreadPriority;

    let refused = match multimedia::Task::pro_audio() {
        Ok(task) => {
            return Raised {
                scheduling: Scheduling::ProAudio,
                _task: Some(task),
            };
        }
        Err(error) => format!("Pro Audio refused: {error}"),
    };
    Raised {
        scheduling: match ThreadPriority::Max.set_for_current() {
            Ok(()) => Scheduling::Preferred(refused),
            Err(error) => Scheduling::Ordinary(format!("{refused}; {error:?}")),
        },
        _task: None,
    }
}

/// The Multimedia Class Scheduler Service of Windows.
#[cfg(windows)]
mod multimedia {
    use std::ffi::c_void;
    use std::io::{Error, Result};
    use std::marker::PhantomData;

    type Handle = *mut c_void;

    /// Of -2 to 2: below the audio thread of any host, whose own is 0 unless it asks for another.
    const AVRT_PRIORITY_LOW: i32 = -1;

    #[link(name = "avrt")]
    unsafe extern "system" {
        fn AvSetMmThreadCharacteristicsW(task: *const u16, index: *mut u32) -> Handle;
        fn AvSetMmThreadPriority(task: Handle, priority: i32) -> i32;
        fn AvRevertMmThreadCharacteristics(task: Handle) -> i32;
    }

    /// That a thread works for music, which the system knows until this is dropped by that thread.
    #[derive(Debug)]
    pub struct Task {
        handle: Handle,
        // The system asks for the same thread at the end: this cannot be sent to another.
        _thread: PhantomData<*const ()>,
    }

    impl Task {
        /// For the calling thread.
        ///
        /// # Errors
        /// The system's, if it refuses.
        pub fn pro_audio() -> Result<Self> {
            let name: Vec<u16> = "Pro Audio\0".encode_utf16().collect();
            let mut index = 0;
            // SAFETY: a text that ends with a zero, and a number to write to.
            let handle = unsafe { AvSetMmThreadCharacteristicsW(name.as_ptr(), &raw mut index) };
            if handle.is_null() {
                return Err(Error::last_os_error());
            }
            let task = Self {
                handle,
                _thread: PhantomData,
            };
            // Without it the thread stands beside the host's, which is no reason to do without either.
            // SAFETY: the handle that this thread was just given.
            let _ = unsafe { AvSetMmThreadPriority(task.handle, AVRT_PRIORITY_LOW) };
            Ok(task)
        }
    }

    impl Drop for Task {
        fn drop(&mut self) {
            // SAFETY: a handle of this very thread, given back once.
            unsafe { AvRevertMmThreadCharacteristics(self.handle) };
        }
    }
}

/// Ties the calling thread to the processor core that `TOCCO_PIN` names, if it names one. Returns
/// what was done, in words. Not for the audio thread.
#[must_use]
pub fn pin_this_thread() -> Option<String> {
    let core = std::env::var("TOCCO_PIN").ok()?;
    Some(match core.parse::<usize>() {
        Ok(core) if pin(core) => format!("pinned to core {core}"),
        Ok(core) => format!("TOCCO_PIN: the system refused core {core}"),
        Err(_) => format!("TOCCO_PIN: expected the number of a core, found \"{core}\""),
    })
}

#[cfg(target_os = "linux")]
fn pin(core: usize) -> bool {
    if core >= libc::CPU_SETSIZE as usize {
        return false;
    }
    // SAFETY: all zeroes is the empty set, `core` is inside it, and the call reads it only.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0
    }
}

#[cfg(windows)]
fn pin(core: usize) -> bool {
    unsafe extern "system" {
        fn GetCurrentThread() -> *mut std::ffi::c_void;
        fn SetThreadAffinityMask(thread: *mut std::ffi::c_void, mask: usize) -> usize;
    }
    let mask = u32::try_from(core)
        .ok()
        .and_then(|core| 1_usize.checked_shl(core));
    // SAFETY: the calling thread's own handle, which need not be closed.
    mask.is_some_and(|mask| unsafe { SetThreadAffinityMask(GetCurrentThread(), mask) } != 0)
}

#[cfg(not(any(target_os = "linux", windows)))]
fn pin(_core: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_a_priority_or_a_reason() {
        let raised = std::thread::spawn(|| raise_this_thread().scheduling);
        let scheduling = raised.join().unwrap();
        match &scheduling {
            Scheduling::Fifo(priority) => assert_eq!(*priority, FIFO_PRIORITY),
            Scheduling::ProAudio => assert_eq!(std::env::consts::OS, "windows"),
            Scheduling::Preferred(why) | Scheduling::Ordinary(why) => assert!(!why.is_empty()),
        }
        println!("{scheduling}");
    }
}
