//! No heap call on the way from host audio to features, in Rust or in C.
//!
//! The C library's allocation functions are replaced for this test program, aubio included, which
//! a Rust allocator would not see.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::cell::Cell;
use std::ffi::c_void;

use tocco_dsp::features::{FeatureExtractor, Preset};
use tocco_dsp::{Analyzer, Extraction, HopStream, OnsetConfig, OnsetMethod};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(pointer: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(pointer: *mut c_void);
}

// SAFETY (all five): they pass their arguments on to the C library's own functions, whose
// contracts are the same; counting touches a thread-local number without a destructor.
#[unsafe(no_mangle)]
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    count();
    // SAFETY: see above.
    unsafe { __libc_malloc(size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(n: usize, size: usize) -> *mut c_void {
    count();
    // SAFETY: see above.
    unsafe { __libc_calloc(n, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(pointer: *mut c_void, size: usize) -> *mut c_void {
    count();
    // SAFETY: see above.
    unsafe { __libc_realloc(pointer, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    count();
    // SAFETY: see above.
    unsafe { __libc_memalign(alignment, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(
    result: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> i32 {
    count();
    // SAFETY: see above; `result` is the caller's to write to.
    unsafe {
        *result = __libc_memalign(alignment, size);
        if (*result).is_null() { 12 } else { 0 }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    count();
    // SAFETY: see above.
    unsafe { __libc_memalign(alignment, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(pointer: *mut c_void) {
    count();
    // SAFETY: see above.
    unsafe { __libc_free(pointer) }
}

fn calls(work: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

fn extractor(preset: Preset) -> FeatureExtractor {
    FeatureExtractor::new(preset, &preset.feature_names()).unwrap()
}

#[test]
fn the_counter_counts_c_and_rust() {
    assert!(calls(|| drop(std::hint::black_box(vec![1u8; 100]))) >= 2);
    let config = OnsetConfig::default();
    let detector = || drop(tocco_dsp::OnsetDetector::new(OnsetMethod::Mkl, &config));
    // aubio alone makes dozens.
    assert!(calls(detector) > 20);
}

#[test]
fn from_host_audio_to_features_nothing_is_allocated() {
    // Knocks every 50 to 100 ms: with a wait of 40 hops two notes are on their way at once, with
    // one of 112 more.
    let sample = |i: usize| {
        let knock = (i % 4_800).min((i + 2_400) % 9_600);
        0.5 * (0.3 * knock as f32).sin() * (-0.005 * knock as f32).exp()
    };
    let input: Vec<f32> = (0..96_000).map(sample).collect();
    let [mkl, flux] = OnsetMethod::ALL;
    let (paper, late) = ((Preset::Timbreid48k, 40), (Preset::LogBarkLate, 112));
    for (host_rate, [method, other], (preset, wait)) in [
        (44_100.0, [mkl, mkl], paper),
        (44_100.0, [flux, flux], late),
        (48_000.0, [mkl, flux], late),
        (192_000.0, [flux, mkl], paper),
    ] {
        let mut stream = HopStream::new(host_rate).unwrap();
        let config = OnsetConfig::default();
        let mut first = Extraction::new(method, extractor(Preset::Timbreid), 5).unwrap();
        let mut second = None;
        let mut analyzer = Analyzer::new(&config, method).unwrap();
        let (mut onsets, mut notes, mut seconds, mut checksum) = (0, 0, 0, 0.0);
        let mut next = Extraction::new(other, extractor(preset), wait).unwrap();
        let late = |wait| {
            let extraction = Extraction::new(method, extractor(Preset::LogBarkLate), wait);
            Some(extraction.unwrap())
        };
        let mut next_second = [late(112), late(80), None].into_iter();
        let mut previous_second: Vec<Option<Extraction>> = Vec::with_capacity(3);
        let made = calls(|| {
            for (index, block) in input.chunks(333).enumerate() {
                stream.push(&[block, block], |hop, _| {
                    let analysis = analyzer.push_hop(hop, &mut first, second.as_mut());
                    onsets += u32::from(analysis.onset.is_some());
                    if let Some(note) = analysis.note {
                        notes += 1;
                        checksum += note.features.iter().sum::<f32>();
                    }
                    if let Some(note) = analysis.second {
                        seconds += 1;
                        checksum += note.features.iter().sum::<f32>();
                    }
                });
                // One comes, is replaced amid notes, and goes amid notes.
                if [20, 90, 260].contains(&index) {
                    let next = next_second.next().flatten();
                    previous_second.push(std::mem::replace(&mut second, next));
                }
                if index == 100 {
                    std::mem::swap(&mut first, &mut next);
                    analyzer.detector_mut().set_threshold_factor(1.1);
                    analyzer.detector_mut().set_silence_offset_db(3.0);
                    analyzer.detector_mut().set_minimum_inter_onset_ms(30.0);
                }
            }
            analyzer.reset();
            stream.reset();
        });
        assert_eq!(made, 0, "heap calls at {host_rate} Hz, {method} to {other}");
        assert!(onsets > 5 && notes > 5 && seconds > 3 && checksum.is_finite());
        let came_back: Vec<bool> = previous_second.iter().map(Option::is_some).collect();
        assert_eq!(came_back, [false, true, true]);
    }
}
