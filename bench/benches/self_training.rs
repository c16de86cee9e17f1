//! What learning a player by listening costs: `cargo bench --bench self_training`.
//!
//! For each package that has statistics of its features: the point of a note and the adjustment of its
//! probabilities, which each decision waits for, and learning from it, which nothing waits for; beside
//! them an inference in the engine `native`. With warm caches, as in all of these.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tocco_engines::{Classifier, EngineId, ModelPackage};
use tocco_recognizer::adaptation::SelfTraining;

/// Notes that the adjustment and the learning go through in turn.
const NOTES: usize = 16;

fn self_training(criterion: &mut Criterion) {
    for id in ["tocco", "tocco-sure", "tocco-late"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../models")
            .join(id);
        let package = ModelPackage::load(&folder).expect("a shipped package");
        let scaler = package.scaler().expect("it has a scaler");
        let mut training = SelfTraining::new(&package)
            .expect("it is well formed")
            .expect("it has statistics of its features");
        let (n_classes, n_point) = (training.n_classes(), training.n_point());
        let notes: Vec<Vec<f32>> = (0..NOTES)
            .map(|note| {
                let scaled = scaler.mean().iter().zip(scaler.scale()).enumerate();
                scaled
                    .map(|(i, (mean, scale))| mean + scale * ((i + 97 * note) as f32).sin())
                    .collect()
            })
            .collect();
        let mut points = vec![vec![0.0; n_point]; NOTES];
        for (note, point) in notes.iter().zip(&mut points) {
            training.point(note, point);
        }
        for (note, point) in points.iter().enumerate() {
            training.learn(note % n_classes, point);
        }

        let mut group = criterion.benchmark_group(format!("{id}, points of {n_point} values"));
        let mut classifier = Classifier::new(&package, EngineId::Native).expect("it runs");
        let mut probabilities = vec![0.0; n_classes];
        let mut turn = 0;
        group.bench_function("inference", |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % NOTES;
                classifier.classify(black_box(&notes[turn]), &mut probabilities)
            });
        });
        let mut point = vec![0.0; n_point];
        group.bench_function("point and adjust", |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % NOTES;
                training.point(black_box(&notes[turn]), &mut point);
                probabilities.fill(1.0 / n_classes as f32);
                training.adjust(&point, &mut probabilities);
            });
        });
        let bytes = size_of::<f32>() * n_point * n_point;
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function("learn", |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % NOTES;
                let (class, point) = (turn % n_classes, black_box(&points[turn]));
                black_box(training.is_plausible(class, point));
                training.learn(class, point);
            });
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function("forget", |bencher| bencher.iter(|| training.forget()));
    }
}

criterion_group!(benches, self_training);
criterion_main!(benches);
