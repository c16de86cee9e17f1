//! What onset detection costs: `cargo bench --bench onset`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tocco_dsp::synth::Performance;
use tocco_dsp::{HOP, OnsetConfig, OnsetDetector, OnsetMethod, denormals};

/// A hop of each method, over two seconds of playing.
fn hop(criterion: &mut Criterion) {
    let samples = Performance::demo(1).samples;
    let hops = &samples.as_chunks::<HOP>().0[..1500];
    let mut group = criterion.benchmark_group("onset");
    group.throughput(Throughput::Elements(hops.len() as u64));
    for method in OnsetMethod::ALL {
        let mut detector =
            OnsetDetector::new(method, &OnsetConfig::default()).expect("the default is valid");
        group.bench_function(method.name(), |bencher| {
            denormals::flush(|| {
                bencher.iter(|| {
                    for hop in hops {
                        black_box(detector.process(black_box(hop)));
                    }
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, hop);
criterion_main!(benches);
