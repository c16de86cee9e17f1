//! What one thread does that it must not, between two points in time.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::interposer::{self, Interposer};
use super::system_calls::SystemCalls;

/// Watches the thread that it was made on.
pub struct Watch {
    interposer: Interposer,
    system_calls: SystemCalls,
    page_faults: u64,
    /// Everything up to the last [`Watch::take`].
    before: Findings,
    /// Backtraces that the interposer kept for those who watched before.
    earlier_traces: usize,
}

/// What was found, by the name of the function or system call.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Findings {
    /// Calls of the heap's functions.
    pub heap: BTreeMap<String, u64>,
    /// Calls of functions that may wait for another thread, and `futex` system calls that do.
    pub locks: BTreeMap<String, u64>,
    /// Calls of functions that ask for the time or wait for one.
    pub clocks: BTreeMap<String, u64>,
    /// System calls.
    pub system_calls: BTreeMap<String, u64>,
    /// Page faults, minor and major.
    pub page_faults: u64,
}

impl Findings {
    /// Heap calls.
    pub fn heap_calls(&self) -> u64 {
        self.heap.values().sum()
    }

    /// Lock operations that could block.
    pub fn blocking_locks(&self) -> u64 {
        self.locks.values().sum()
    }

    /// Clock calls.
    pub fn clock_calls(&self) -> u64 {
        self.clocks.values().sum()
    }

    /// System calls.
    pub fn calls_of_the_system(&self) -> u64 {
        self.system_calls.values().sum()
    }

    /// Whether nothing was found that a real-time thread must not do. Page faults do not count:
    /// the system decides on them, and a host that cares locks its memory.
    pub fn is_clean(&self) -> bool {
        let by_name = [&self.heap, &self.locks, &self.clocks, &self.system_calls];
        by_name.iter().all(|found| found.is_empty())
    }

    fn since(self, before: &Self) -> Self {
        let difference = |now: BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
            now.into_iter()
                .map(|(name, count)| {
                    let earlier = before.get(&name).copied().unwrap_or(0);
                    (name, count - earlier)
                })
                .filter(|(_, count)| *count > 0)
                .collect()
        };
        Self {
            heap: difference(self.heap, &before.heap),
            locks: difference(self.locks, &before.locks),
            clocks: difference(self.clocks, &before.clocks),
            system_calls: difference(self.system_calls, &before.system_calls),
            page_faults: self.page_faults - before.page_faults,
        }
    }
}

impl Watch {
    /// Watches the calling thread from now on, between [`Watch::during`] calls only. A thread can
    /// be watched once in its life.
    ///
    /// # Errors
    /// If the counting library is not preloaded or system calls cannot be traced here.
    pub fn this_thread(keep_traces: bool) -> Result<Self> {
        let interposer = Interposer::find()?;
        if keep_traces {
            interposer.keep_traces();
        }
        let mut watch = Self {
            interposer,
            system_calls: SystemCalls::trace_this_thread(keep_traces)?,
            page_faults: 0,
            before: Findings::default(),
            earlier_traces: 0,
        };
        // The first use of the code that watches faults its own pages in, which are not the work's.
        watch.during_with_page_faults(|| ());
        watch.page_faults = 0;
        watch.take();
        if keep_traces {
            watch.earlier_traces = watch.interposer.traces().len();
        }
        Ok(watch)
    }

    /// Does `work` and counts what it must not do, except for page faults.
    pub fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        self.interposer.begin();
        self.system_calls.count(true);
        let result = work();
        self.system_calls.count(false);
        self.interposer.end();
        result
    }

    /// As [`Watch::during`], and counts page faults. It makes two system calls itself, outside
    /// of the time that counts.
    pub fn during_with_page_faults<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let before = page_faults_of_this_thread();
        let result = self.during(work);
        self.page_faults += page_faults_of_this_thread() - before;
        result
    }

    /// What was found since the last time this was called.
    pub fn take(&mut self) -> Findings {
        let counts = self.interposer.counts().filter(|(_, count)| *count > 0);
        let (clocks, others): (BTreeMap<_, _>, BTreeMap<_, _>) = counts
            .map(|(name, count)| (name.to_owned(), count))
            .partition(|(name, _)| interposer::is_clock(name));
        let (locks, heap) = (others.into_iter()).partition(|(name, _)| interposer::is_lock(name));
        let mut now = Findings {
            heap,
            locks,
            clocks,
            system_calls: self.system_calls.counts().collect(),
            page_faults: self.page_faults,
        };
        let waits = self.system_calls.futex_waits();
        if waits > 0 {
            now.locks.insert("futex wait".to_owned(), waits);
        }
        let found = now.clone().since(&self.before);
        self.before = now;
        found
    }

    /// Where the calls of this watch came from, if traces are kept: the call, and for each frame its
    /// function and line, innermost first.
    pub fn traces(&self) -> Vec<(String, Vec<String>)> {
        let traces = self.interposer.traces().into_iter();
        traces
            .skip(self.earlier_traces)
            .chain(self.system_calls.traces())
            .map(|(call, frames)| {
                let mut frames: Vec<String> = frames.into_iter().flat_map(describe).collect();
                // Only what lies between the audit's hook and `during` is of interest.
                let ours = frames.iter().rposition(|frame| {
                    frame.contains("/bench/interpose/") || frame.contains("write_down_trace")
                });
                frames.drain(..ours.map_or(0, |last| last + 1));
                let end = frames.iter().position(|frame| frame.contains(file!()));
                frames.truncate(end.unwrap_or(frames.len()));
                (call, frames)
            })
            .collect()
    }
}

/// The functions at an address, several if some were inlined.
fn describe(address: usize) -> Vec<String> {
    let mut functions = Vec::new();
    backtrace::resolve(address as *mut _, |symbol| {
        let name = symbol
            .name()
            .map_or_else(|| "?".to_owned(), |name| format!("{name:#}"));
        let place = match (symbol.filename(), symbol.lineno()) {
            (Some(file), Some(line)) => format!(" at {}:{line}", file.display()),
            _ => String::new(),
        };
        functions.push(name + &place);
    });
    if functions.is_empty() {
        functions.push(format!("{address:#x}"));
    }
    functions
}

fn page_faults_of_this_thread() -> u64 {
    // SAFETY: an all-zero structure of integers, which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage
    };
    (usage.ru_minflt + usage.ru_majflt) as u64
}
