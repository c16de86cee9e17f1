//! The functions that ask what time it is, or wait for a time. Most of them are no system calls: the
//! kernel lends a program the code (vDSO), and no tracer of system calls sees them. Under a
//! real-time kernel beside Linux (Xenomai, EVL) they are no safer for that.

use std::ffi::{c_int, c_uint, c_void};

use libc::{clock_t, clockid_t, time_t, timespec, timeval, tms};

use crate::next::hook;

hook!(ClockGettime, clock_gettime, None, (clock: clockid_t, time: *mut timespec) -> c_int);
hook!(ClockGetres, clock_getres, None, (clock: clockid_t, time: *mut timespec) -> c_int);
hook!(Gettimeofday, gettimeofday, None, (time: *mut timeval, zone: *mut c_void) -> c_int);
hook!(Time, time, None, (result: *mut time_t) -> time_t);
hook!(TimespecGet, timespec_get, None, (time: *mut timespec, base: c_int) -> c_int);
hook!(Clock, clock, None, () -> clock_t);
hook!(Times, times, None, (result: *mut tms) -> clock_t);
hook!(Nanosleep, nanosleep, None, (time: *const timespec, rest: *mut timespec) -> c_int);
hook!(ClockNanosleep, clock_nanosleep, None,
    (clock: clockid_t, flags: c_int, time: *const timespec, rest: *mut timespec) -> c_int);
hook!(Usleep, usleep, None, (microseconds: c_uint) -> c_int);
hook!(Sleep, sleep, None, (seconds: c_uint) -> c_uint);
