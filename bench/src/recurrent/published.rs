//! RTNeural's times, quoted, not measured here.

use serde::Serialize;

/// RTNeural with one network; ns a step.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Published {
    /// As [`super::shape::Shape`] is written.
    pub network: &'static str,
    /// Sizes known at compile time.
    pub compile_time_ns: f64,
    /// Sizes known at run time, where it was measured.
    pub run_time_ns: Option<f64>,
}

/// Where the numbers are from.
pub const SOURCE: &str = "measured once by Tocco's maintainers, November 2026, on one pinned core of a \
    Zen 4 with AVX-512 (Debian 12), not with the others: RTNeural C++ with Eigen, -O3 -march=native \
    -ffast-math, medians of two runs";

/// All there are.
pub const RTNEURAL: [Published; 10] = [
    published("lstm-8", 58.0, Some(137.0)),
    published("lstm-16", 76.0, Some(115.0)),
    published("lstm-24", 145.0, Some(222.0)),
    published("lstm-32", 180.0, Some(213.0)),
    published("lstm-40", 284.0, Some(369.0)),
    published("lstm-64", 756.0, Some(850.0)),
    published("gru-8", 67.0, None),
    published("gru-16", 77.0, None),
    published("gru-32", 155.0, None),
    published("gru-64", 563.0, None),
];

const fn published(
    network: &'static str,
    compile_time_ns: f64,
    run_time_ns: Option<f64>,
) -> Published {
    Published {
        network,
        compile_time_ns,
        run_time_ns,
    }
}
