//! Counts the heap calls, the locks and the clock calls of one thread, whatever language they come from.
//!
//! Preloaded (`LD_PRELOAD`), this library stands between a program and the C library: it defines
//! the functions below, counts those that the watched thread calls, and passes the call on. Rust,
//! C and C++ all end up in them (`operator new` calls `malloc`).
//!
//! What it cannot see: Rust's own mutex while nobody else holds it, which is a single atomic
//! instruction. When somebody holds it, the wait is a `futex` system call, which the tracer of
//! system calls sees.
//!
//! The C interface for the auditing program: [`tocco_interpose_begin`], [`tocco_interpose_end`],
//! [`tocco_interpose_name`], [`tocco_interpose_count`], [`tocco_interpose_keep_traces`] and
//! [`tocco_interpose_trace`].

mod clocks;
mod heap;
mod locks;
mod next;
mod watch;

pub use watch::{
    tocco_interpose_begin, tocco_interpose_count, tocco_interpose_end, tocco_interpose_keep_traces,
    tocco_interpose_name, tocco_interpose_trace,
};
