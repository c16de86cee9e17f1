//! RTNeural's times, quoted: it is in no package registry and cannot be built here.

/// Model, run 1 and run 2: medians with warm caches, µs.
pub const RTNEURAL_US: [(&str, [f64; 2]); 3] = [
    ("a", [114.8, 121.5]),
    ("b", [41.9, 42.2]),
    ("c", [3.34, 3.37]),
];

/// The engines beside it in the same runs: engine, weights, model, least and greatest median, µs.
pub const BESIDE_US: [(&str, &str, [f64; 2]); 12] = [
    ("native, f32", "a", [60.0, 62.0]),
    ("native, f32", "b", [14.7, 15.0]),
    ("native, f32", "c", [2.7, 2.7]),
    ("litert", "a", [91.0, 91.0]),
    ("litert", "b", [30.7, 30.7]),
    ("litert", "c", [3.4, 3.4]),
    ("onnx", "a", [105.0, 107.0]),
    ("onnx", "b", [38.6, 38.6]),
    ("onnx", "c", [4.7, 4.9]),
    ("torch", "a", [128.0, 128.0]),
    ("torch", "b", [61.0, 61.0]),
    ("torch", "c", [10.0, 10.0]),
];

/// Where these are from.
pub const SOURCE: &str = "measured once by Tocco's maintainers, November 2026, on a Zen 4 with \
    AVX-512 (Debian 12): RTNeural C++ with Eigen, -O3 -march=native -ffast-math, medians of two runs \
    on one pinned core, the others beside it on the same machine";

/// What a Cortex-A72 of a Raspberry Pi 4 is assumed to read from its memory, GB/s, least and most.
pub const PI_BANDWIDTH_GB: [f64; 2] = [4.0, 6.0];
