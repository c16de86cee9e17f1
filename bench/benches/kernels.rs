//! What the kernels cost: `cargo bench --bench kernels`.
//!
//! Dense layers of the paper's sizes in each weight format and instruction set, with no input that
//! is zero, so that every column is read: the worst case. And one step of recurrent networks with
//! one input and one output, RTNeural's own territory.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tocco_engines::WeightFormat;
use tocco_engines::native::{InstructionSet, NativeEngine, NativeOptions};
use tocco_engines::network::Network;
use tocco_engines::{Engine, rtneural};

/// A row of JSON numbers below 1/8 that are no pattern.
fn row(n: usize, seed: &mut u32) -> String {
    let numbers: Vec<String> = (0..n)
        .map(|_| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{:.5}", f64::from(*seed >> 8) / f64::from(1 << 27) - 0.0625)
        })
        .collect();
    format!("[{}]", numbers.join(","))
}

fn matrix(rows: usize, columns: usize, seed: &mut u32) -> String {
    let rows: Vec<String> = (0..rows).map(|_| row(columns, seed)).collect();
    format!("[{}]", rows.join(","))
}

fn network(inputs: usize, layers: &[String]) -> Network {
    let json = format!(
        "{{\"in_shape\":[null,null,{inputs}],\"layers\":[{}]}}",
        layers.join(",")
    );
    rtneural::parse(json.as_bytes(), "benchmark").expect("a model file")
}

fn layer(kind: &str, units: usize, weights: &[String]) -> String {
    format!(
        "{{\"type\":\"{kind}\",\"activation\":\"\",\"shape\":[null,null,{units}],\"weights\":[{}]}}",
        weights.join(",")
    )
}

fn dense(inputs: usize, outputs: usize, seed: &mut u32) -> String {
    let weights = [matrix(inputs, outputs, seed), row(outputs, seed)];
    layer("dense", outputs, &weights)
}

fn dense_layers(criterion: &mut Criterion) {
    for (inputs, outputs) in [(173, 350), (350, 350), (800, 800)] {
        let seed = &mut 1;
        let network = network(inputs, &[dense(inputs, outputs, seed)]);
        let input: Vec<f32> = (1..=inputs).map(|i| (i as f32).sin()).collect();
        let mut output = vec![0.0; outputs];
        let mut group = criterion.benchmark_group(format!("dense {inputs} to {outputs}"));
        for weights in WeightFormat::ALL {
            let bytes = inputs * outputs * weights.bytes();
            group.throughput(Throughput::Bytes(bytes as u64));
            for instructions in InstructionSet::available() {
                let options = NativeOptions {
                    weights,
                    instructions,
                };
                let mut engine = NativeEngine::with_options(&network, options);
                let id = BenchmarkId::new(weights.name(), instructions);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| engine.infer(black_box(&input), &mut output));
                });
            }
        }
    }
}

fn recurrent_networks(criterion: &mut Criterion) {
    for (kind, gates) in [("gru", 3), ("lstm", 4)] {
        let mut group = criterion.benchmark_group(format!("{kind}, 1 input, dense output"));
        for units in [8, 16, 24, 32, 40, 64] {
            let seed = &mut 1;
            let bias = match kind {
                "gru" => matrix(2, 3 * units, seed),
                _ => row(4 * units, seed),
            };
            let weights = [
                matrix(1, gates * units, seed),
                matrix(units, gates * units, seed),
                bias,
            ];
            let layers = [layer(kind, units, &weights), dense(units, 1, seed)];
            let mut engine = NativeEngine::new(&network(1, &layers));
            let mut output = [0.0];
            group.bench_function(BenchmarkId::from_parameter(units), |bencher| {
                bencher.iter(|| engine.infer(black_box(&[0.5]), &mut output));
            });
        }
    }
}

criterion_group!(benches, dense_layers, recurrent_networks);
criterion_main!(benches);
