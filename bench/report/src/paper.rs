//! What the paper says, quoted: Stefani, Peroni, Turchet, "A Comparison of Deep Learning Inference
//! Engines for Embedded Real-time Audio Classification", DAFx20in22, 2022 (CC BY 4.0).

/// Stands beside every number that is quoted.
pub const MACHINE: &str = "Raspberry Pi 4, 2022";

/// The paper.
pub const SOURCE: &str = "D. Stefani, S. Peroni, L. Turchet, \"A Comparison of Deep Learning \
    Inference Engines for Embedded Real-time Audio Classification\", Proc. 25th Int. Conf. on \
    Digital Audio Effects (DAFx20in22), Vienna, 2022, CC BY 4.0";

/// The engines of the paper, in its order.
pub const ENGINES: [&str; 5] = [
    "TFlite",
    "TorchScript",
    "ONNX Runtime",
    "RTNeural (R.load)",
    "RTNeural (C.def)",
];

/// Table 1: the combinations compared, model by engine as in [`ENGINES`].
pub const COMBINATIONS: [(&str, [&str; 5]); 3] = [
    ("MA", ["yes", "yes", "yes", "no", "no"]),
    ("MB", ["yes", "yes", "yes", "yes", "yes"]),
    ("MC", ["yes, RT thread"; 5]),
];

/// Table 2: model, engine, average CPU, CPU of the Xenomai kernel and RAM, percent.
pub const RESOURCES: [(&str, &str, f64, f64, f64); 13] = [
    ("a", "TFlite", 8.3, 6.1, 5.1),
    ("a", "TorchScript", 9.0, 5.8, 8.7),
    ("a", "ONNX Runtime", 10.7, 6.1, 6.4),
    ("b", "TFlite", 8.0, 5.9, 5.0),
    ("b", "TorchScript", 8.6, 5.9, 8.6),
    ("b", "ONNX Runtime", 9.6, 5.9, 5.8),
    ("b", "RTNeural (R.load)", 8.4, 5.8, 5.7),
    ("b", "RTNeural (C.def)", 8.6, 5.8, 5.6),
    ("c", "TFlite", 6.1, 6.2, 4.7),
    ("c", "TorchScript", 5.3, 5.8, 7.6),
    ("c", "ONNX Runtime", 5.1, 5.8, 5.2),
    ("c", "RTNeural (R.load)", 5.2, 5.8, 4.7),
    ("c", "RTNeural (C.def)", 5.1, 5.8, 4.7),
];

/// Table 3: engine, scores of library size, supported operations, ease of use and documentation.
pub const SCORES: [(&str, [f64; 4]); 4] = [
    ("TFlite", [9.25, 10.0, 9.75, 9.5]),
    ("TorchScript", [0.0, 10.0, 7.75, 4.5]),
    ("ONNX Runtime", [8.98, 10.0, 7.0, 8.0]),
    ("RTNeural", [10.0, 5.7, 6.5, 3.5]),
];

/// Table 4: engine, its libraries, MiB on AArch64.
pub const LIBRARIES: [(&str, &str, f64); 4] = [
    ("TFlite", "libtensorflow-lite.a 8.8", 8.8),
    ("TorchScript", "libtorch_cpu.so 116.8, libc10.so 0.5", 117.3),
    ("ONNX Runtime", "libonnxruntime.so 12.0", 12.0),
    ("RTNeural", "libRTNeural.a 0.026", 0.026),
];

/// Section 4.4: RTNeural's file of model A without its normalisation, MiB.
pub const RTNEURAL_A_MIB: f64 = 94.9;

/// Section 4.1 in a sentence.
pub const REAL_TIME_SAFETY: &str = "all engines ran model C in the real-time thread without mode \
    switches at run time; TorchScript and ONNX Runtime made one each in their very first inference";

/// From one note to the next on average, section 4.3, ms.
pub const NOTE_SPACING_MS: f64 = 2000.0;

/// Section 4.2 in a sentence.
pub const LATE_RESULTS: &str = "a maximum of 6.59 % of the classifications arrived one audio \
    interrupt later than the average and 0.37 % two";

/// The name that the paper has for one of our engines.
pub fn name_of(engine: &str) -> &'static str {
    match engine {
        "litert" => "TFlite",
        "torch" => "TorchScript",
        "onnx" => "ONNX Runtime",
        "native-fixed" => "RTNeural (C.def)",
        _ => "RTNeural (R.load)",
    }
}
