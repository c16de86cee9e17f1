//! Classifying allocates nothing.

use crate::counting_allocator::CALLS;
use crate::random_package;
use tocco_engines::native::NativeEngine;
use tocco_engines::{Classifier, Engine, EngineId, rtneural};

#[test]
fn layers_with_memory_make_no_heap_call() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    for name in [
        "several_layers",
        "several_frames",
        "conv1d_stride_gru",
        "maxpool2d_9x3_p2x2_valid",
    ] {
        let mut engine =
            NativeEngine::new(&rtneural::load(format!("{folder}/{name}.json")).unwrap());
        let x = vec![0.1; engine.n_features()];
        let mut y = vec![0.0; engine.n_classes()];
        let (block, mut outputs) = (x.repeat(100), y.repeat(100));
        let before = CALLS.get();
        for _ in 0..100 {
            engine.infer(&x, &mut y).unwrap();
        }
        engine.process_block(&block, &mut outputs).unwrap();
        engine.reset();
        assert_eq!(CALLS.get() - before, 0, "{name}");
    }
}

#[test]
fn classifying_makes_no_heap_call() {
    for package in [
        random_package::a(),
        random_package::b(),
        random_package::c(),
    ] {
        for engine in [EngineId::Native, EngineId::NativeFixed] {
            let mut classifier = Classifier::new(&package, engine).unwrap();
            let features = vec![0.1; classifier.n_features()];
            let mut probabilities = vec![0.0; classifier.n_classes()];
            let before = CALLS.get();
            for _ in 0..10 {
                classifier.classify(&features, &mut probabilities).unwrap();
            }
            assert_eq!(
                CALLS.get() - before,
                0,
                "{engine}, network {}",
                package.manifest.id
            );
        }
    }
    let before = CALLS.get();
    drop(std::hint::black_box(vec![1_u8; 10]));
    assert_eq!(CALLS.get() - before, 2, "the counter does not count");
}
