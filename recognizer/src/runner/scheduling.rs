//! The classifier thread's priority.

use std::fmt;

use thread_priority::ThreadPriority;

/// The SCHED_FIFO priority asked for: above every ordinary thread, and below the audio thread of
/// any host (JACK's clients run at 5 unless told otherwise, PipeWire's at 83 to 88).
pub const FIFO_PRIORITY: u8 = 2;

/// What the system granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheduling {
    /// SCHED_FIFO at this priority.
    Fifo(u8),
    /// An ordinary thread, preferred to others.
    Preferred,
    /// An ordinary thread like any other; why it is no better.
    Ordinary(String),
}

impl fmt::Display for Scheduling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo(priority) => write!(f, "SCHED_FIFO {priority}"),
            Self::Preferred => f.write_str("preferred among ordinary threads"),
            Self::Ordinary(why) => write!(
                f,
                "ordinary priority ({why}; allow the user real-time priority, rtprio in \
                 /etc/security/limits.conf)"
            ),
        }
    }
}

/// Raises the calling thread as far as the system allows. Not for the audio thread.
///
/// `TOCCO_SCHEDULING=ordinary` leaves it as it is, to measure what the priority brings.
#[must_use]
pub fn raise_this_thread() -> Scheduling {
    if std::env::var_os("TOCCO_SCHEDULING").is_some_and(|value| value == "ordinary") {
        return Scheduling::Ordinary("TOCCO_SCHEDULING=ordinary".to_owned());
    }
    raise()
}

#[cfg(unix)]
fn raise() -> Scheduling {
    use thread_priority::{
        NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };

    let raise = |value: u8, policy| {
        let value = value
            .try_into()
            .map_err(|_| thread_priority::Error::Priority("expected 0 to 99"))?;
        let priority = ThreadPriority::Crossplatform(value);
        set_thread_priority_and_policy(thread_native_id(), priority, policy)
    };
    let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    let refused = match raise(FIFO_PRIORITY, fifo) {
        Ok(()) => return Scheduling::Fifo(FIFO_PRIORITY),
        Err(error) => error,
    };
    let ordinary = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    match raise(PREFERRED, ordinary) {
        Ok(()) => Scheduling::Preferred,
        Err(_) => Scheduling::Ordinary(format!("SCHED_FIFO refused: {refused:?}")),
    }
}

/// Of 0 to 99, where SCHED_FIFO is not permitted: nice -11, as sound servers take.
#[cfg(unix)]
const PREFERRED: u8 = 76;

#[cfg(not(unix))]
fn raise() -> Scheduling {
    match ThreadPriority::Max.set_for_current() {
        Ok(()) => Scheduling::Preferred,
        Err(error) => Scheduling::Ordinary(format!("{error:?}")),
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

#[cfg(not(target_os = "linux"))]
fn pin(_core: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_a_priority_or_a_reason() {
        let scheduling = std::thread::spawn(raise_this_thread).join().unwrap();
        match &scheduling {
            Scheduling::Fifo(priority) => assert_eq!(*priority, FIFO_PRIORITY),
            Scheduling::Preferred => {}
            Scheduling::Ordinary(why) => assert!(!why.is_empty()),
        }
        println!("{scheduling}");
    }
}
