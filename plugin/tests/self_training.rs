//! Learning a player by listening: what teaches, what it changes, and when it is forgotten.

mod host;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use host::{STORMS, set, tones};
use tocco::calibration::Command;
use tocco::model::{ModelSource, Selection};
use tocco::params::{ModelChoice, ToccoParams};
use tocco::service::{Activation, Service, Shared};
use tocco_dsp::synth::Performance;
use tocco_dsp::{Analyzer, HOP, OnsetConfig};
use tocco_engines::{Classifier, EngineId, ModelPackage};
use tocco_recognizer::adaptation::SelfTraining;
use tocco_recognizer::classification::{Classification, Decision, MAX_CLASSES, ModelSerial};
use tocco_recognizer::counters::Counters;
use tocco_recognizer::decision::{LEAST_PROBABILITY, amended, most_probable};
use tocco_recognizer::input::extraction;
use tocco_recognizer::model::{LoadedModel, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, ServiceEnd, Settings, Telemetry};
use tocco_recognizer::runner::queue::{self, Answer};
use tocco_recognizer::runner::{Runner, Said, Wake};

fn adapt(adapt: bool) -> Settings {
    Settings {
        adapt,
        strictness: 0.0,
        ..Settings::default()
    }
}

/// A pipeline without a service thread.
struct Listener {
    pipeline: Pipeline,
    _end: ServiceEnd,
    telemetry: Arc<Telemetry>,
    results: Vec<Classification>,
}

impl Listener {
    fn new(model: ModelSource, second: bool) -> Self {
        Self::of(load(model, second, true))
    }

    fn of(model: Box<LoadedModel>) -> Self {
        let telemetry = Arc::new(Telemetry::default());
        let (pipeline, end) = Pipeline::new(48_000.0, model, Arc::clone(&telemetry)).unwrap();
        Self {
            pipeline,
            _end: end,
            telemetry,
            results: Vec::new(),
        }
    }

    /// Plays `samples` in blocks of these sizes and returns what was said of them.
    fn play(
        &mut self,
        samples: &[f32],
        settings: &Settings,
        blocks: &[usize],
    ) -> Vec<Classification> {
        let from = self.results.len();
        let (mut rest, mut sizes) = (samples, blocks.iter().cycle());
        while !rest.is_empty() {
            let size = (*sizes.next().unwrap()).min(rest.len());
            let (block, after) = rest.split_at(size);
            self.pipeline.process(&[block], settings, |result, _| {
                self.results.push(*result);
            });
            rest = after;
        }
        self.results[from..].to_vec()
    }

    fn counters(&self) -> &Counters {
        &self.telemetry.counters
    }

    fn learned(&self) -> u64 {
        self.counters().learned.load(Relaxed)
    }

    fn adapted(&self) -> u64 {
        self.telemetry.adapted.load(Relaxed)
    }
}

fn load(model: ModelSource, second: bool, offline: bool) -> Box<LoadedModel> {
    let selection = Selection {
        model,
        engine: EngineId::Native,
        second,
    };
    let config = RunConfig {
        offline,
        wake: Wake::Armed,
        block: Duration::from_millis(1),
    };
    selection.load(ModelSerial(0), config).unwrap().0
}

/// With a second of silence at its end, in which all that was under way comes; of whole hops, so
/// that it can be played again.
fn performance() -> Vec<f32> {
    let mut samples = Performance::demo(1).samples;
    samples.extend([0.0; 48_000]);
    samples.truncate(samples.len() / HOP * HOP);
    samples
}

/// What is said, wherever in the stream: class, probabilities and kind.
fn said(results: &[Classification]) -> Vec<(Decision, usize, [f32; MAX_CLASSES])> {
    let one = |r: &Classification| (r.decision, r.class, r.probabilities);
    results.iter().map(one).collect()
}

/// The probabilities that each of the networks of `packages` gives each note of `samples`, at a
/// rate of 48 kHz, where no resampler is in between.
fn bare(packages: [&ModelPackage; 2], samples: &[f32]) -> [Vec<[f32; MAX_CLASSES]>; 2] {
    let mut networks = packages.map(|package| Classifier::new(package, EngineId::Native).unwrap());
    let mut answers = [Vec::new(), Vec::new()];
    for features in features_of(packages, samples) {
        for ((answers, network), features) in answers.iter_mut().zip(&mut networks).zip(features) {
            answers.push(ask(network, &features));
        }
    }
    answers
}

fn ask(network: &mut Classifier, features: &[f32]) -> [f32; MAX_CLASSES] {
    let mut probabilities = [0.0; MAX_CLASSES];
    let n_classes = network.n_classes();
    network
        .classify(features, &mut probabilities[..n_classes])
        .unwrap();
    probabilities
}

#[test]
fn switched_off_the_networks_say_what_they_say_alone_and_switched_on_they_do_not() {
    let samples = performance();
    let first = ModelSource::Tocco.package().unwrap();
    let second = ModelSource::Tocco.second(&first).unwrap().unwrap();
    let bare = bare([&first, &second], &samples);
    let both: Vec<[f32; MAX_CLASSES]> = (bare[0].iter().zip(&bare[1]))
        .map(|(first, second)| std::array::from_fn(|i| amended(first[i], second[i])))
        .collect();
    assert!(both.len() >= 35);

    let hear = |settings: &Settings| {
        let mut listener = Listener::new(ModelSource::Tocco, true);
        let results = listener.play(&samples, settings, &[64]);
        let (second, first): (Vec<_>, Vec<_>) = results.iter().partition(|r| r.is_second());
        let probabilities = |results: Vec<&Classification>| -> Vec<_> {
            results.iter().map(|r| r.probabilities).collect()
        };
        (probabilities(first), probabilities(second), listener)
    };
    let (first, second, listener) = hear(&adapt(false));
    assert_eq!(first, bare[0]);
    assert_eq!(second, both);
    assert_eq!((listener.learned(), listener.adapted()), (0, 0));

    let (first, second, listener) = hear(&adapt(true));
    // Nothing was learnt before the first note's second decision.
    assert_eq!(first[0], bare[0][0]);
    assert_eq!(second[0], both[0]);
    let differ = |a: &[[f32; MAX_CLASSES]], b: &[[f32; MAX_CLASSES]]| {
        a.iter().zip(b).filter(|(a, b)| a != b).count()
    };
    assert!(differ(&first, &bare[0]) > 30);
    assert!(differ(&second, &both) > 30);
    for p in first.iter().chain(&second) {
        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{p:?}");
    }
    let amended = listener.counters().second.decisions.results.load(Relaxed);
    assert_eq!(amended as usize, second.len());
    let sure = second.iter().filter(|p| is_sure(p)).count() as u64;
    assert!(sure > 30);
    assert_eq!((listener.learned(), listener.adapted()), (sure, sure));
}

/// Whether a decision is one that teaches.
fn is_sure(probabilities: &[f32; MAX_CLASSES]) -> bool {
    probabilities[most_probable(probabilities)] >= LEAST_PROBABILITY
}

/// The rule, note by note: both networks are adjusted by what both learnt of the amended answers.
#[test]
fn the_amended_decision_teaches_both_networks() {
    // At least 300 ms apart: each note is amended before the next one begins.
    let samples = performance();
    let first = ModelSource::Tocco.package().unwrap();
    let second = ModelSource::Tocco.second(&first).unwrap().unwrap();
    let packages = [&first, &second];
    let features = features_of(packages, &samples);
    let mut networks = packages.map(|package| Classifier::new(package, EngineId::Native).unwrap());
    let mut trainings = packages.map(|package| SelfTraining::new(package).unwrap().unwrap());
    let mut expected = Vec::new();
    for features in &features {
        let mut points = [Vec::new(), Vec::new()];
        let answers: [_; 2] = std::array::from_fn(|i| {
            points[i] = vec![0.0; trainings[i].n_point()];
            trainings[i].point(&features[i], &mut points[i]);
            let mut answer = ask(&mut networks[i], &features[i]);
            trainings[i].adjust(&points[i], &mut answer);
            answer
        });
        let both = std::array::from_fn(|class| amended(answers[0][class], answers[1][class]));
        let class = most_probable(&both);
        let plausible = (trainings.iter().zip(&points))
            .all(|(training, point)| training.is_plausible(class, point));
        if is_sure(&both) && plausible {
            for (training, point) in trainings.iter_mut().zip(&points) {
                training.learn(class, point);
            }
        }
        expected.extend([answers[0], both]);
    }
    let mut listener = Listener::new(ModelSource::Tocco, true);
    let results = listener.play(&samples, &adapt(true), &[64]);
    assert!(expected.len() >= 2 * 28);
    let found: Vec<_> = results.iter().map(|r| r.probabilities).collect();
    assert_eq!(found, expected);
}

/// Of each note both feature vectors.
fn features_of(packages: [&ModelPackage; 2], samples: &[f32]) -> Vec<[Vec<f32>; 2]> {
    let [mut first, mut second] = packages.map(|package| extraction(package).unwrap());
    let mut analyzer = Analyzer::new(&OnsetConfig::default(), first.method()).unwrap();
    let mut notes: Vec<[Vec<f32>; 2]> = Vec::new();
    let mut amended = 0;
    for hop in samples.chunks_exact(HOP) {
        let analysis = analyzer.push_hop(hop.try_into().unwrap(), &mut first, Some(&mut second));
        if let Some(note) = analysis.note {
            notes.push([note.features.to_vec(), Vec::new()]);
        }
        if let Some(note) = analysis.second {
            notes[amended][1] = note.features.to_vec();
            amended += 1;
        }
    }
    assert_eq!(notes.len(), amended);
    notes
}

#[test]
fn off_and_on_again_starts_anew() {
    let samples = performance();
    let mut fresh = Listener::new(ModelSource::Tocco, true);
    let expected = said(&fresh.play(&samples, &adapt(true), &[64]));
    let mut listener = Listener::new(ModelSource::Tocco, true);
    assert_eq!(
        said(&listener.play(&samples, &adapt(true), &[64])),
        expected
    );
    let learned = listener.adapted();
    assert!(learned > 30);
    // Without a break the same is heard with other ears.
    assert_ne!(
        said(&listener.play(&samples, &adapt(true), &[64])),
        expected
    );
    let twice = listener.adapted();
    assert!(twice > learned + 30);
    // One callback, in silence.
    listener.play(&[0.0; 64], &adapt(false), &[64]);
    assert_eq!(listener.adapted(), 0);
    assert_eq!(listener.learned(), twice, "it did happen");
    assert_eq!(
        said(&listener.play(&samples, &adapt(true), &[64])),
        expected
    );
    assert_eq!(listener.adapted(), learned);
}

#[test]
fn a_note_teaches_a_network_only_if_it_is_on_from_its_features_to_the_last_decision() {
    // The first note, which begins 150 ms later.
    let samples = &performance()[262 * HOP..697 * HOP];
    for (from, until, expected) in [
        (0, 64, 1),
        (9_600, 12_000, 0), // between its decisions: the first network has forgotten it
        (9_600, 24_000, 0), // from then on until after the second
        (0, usize::MAX, 0),
    ] {
        let mut listener = Listener::new(ModelSource::Tocco, true);
        for (block, start) in samples.chunks(64).zip((0..).step_by(64)) {
            let on = !(from..until).contains(&start);
            listener.play(block, &adapt(on), &[64]);
        }
        assert_eq!(listener.results.len(), 2);
        assert_eq!(listener.learned(), expected, "off from {from} to {until}");
    }
}

#[test]
fn without_a_second_network_first_decisions_teach() {
    let samples = performance();
    for (model, second) in [
        (ModelSource::Tocco, false),
        (ModelSource::ToccoSure, false),
        (ModelSource::ToccoLate, true),
    ] {
        let hear = |settings: &Settings| {
            let mut listener = Listener::new(model.clone(), second);
            let results = listener.play(&samples, settings, &[64]);
            assert!(results.iter().all(|result| !result.is_second()));
            (said(&results), listener.learned())
        };
        let (off, none) = hear(&adapt(false));
        let (on, learned) = hear(&adapt(true));
        let sure = on.iter().filter(|(_, _, p)| is_sure(p)).count() as u64;
        assert!(sure > 20);
        assert_eq!((none, learned), (0, sure));
        assert_eq!(on[0], off[0], "nothing was learnt yet");
        assert_ne!(on, off);
    }
}

#[test]
fn models_without_statistics_learn_nothing() {
    let samples = performance();
    for model in [ModelSource::A, ModelSource::B, ModelSource::C] {
        let hear = |settings: &Settings| {
            let mut listener = Listener::new(model.clone(), true);
            let results = said(&listener.play(&samples, settings, &[64]));
            (results, listener.learned())
        };
        assert_eq!(hear(&adapt(true)), hear(&adapt(false)));
        assert_eq!(hear(&adapt(true)).1, 0);
    }
}

#[test]
fn the_block_size_makes_no_difference_offline() {
    let samples = performance();
    let hear = |blocks: &[usize]| {
        let mut listener = Listener::new(ModelSource::Tocco, true);
        let results = listener.play(&samples, &adapt(true), blocks);
        let seen: Vec<u64> = results.iter().map(|result| result.seen).collect();
        (said(&results), seen)
    };
    let expected = hear(&[64]);
    for blocks in [&[1][..], &[63], &[65], &[512], &[8192], &[1, 700, 64, 3000]] {
        assert_eq!(hear(blocks), expected, "blocks of {blocks:?}");
    }
}

#[test]
fn a_reset_keeps_what_was_learnt_and_not_the_notes_under_way() {
    let samples = performance();
    let mut listener = Listener::new(ModelSource::Tocco, true);
    listener.play(&samples, &adapt(true), &[64]);
    let learned = listener.adapted();
    let mut unbroken = Listener::new(ModelSource::Tocco, true);
    unbroken.play(&samples, &adapt(true), &[64]);
    let expected = said(&unbroken.play(&samples, &adapt(true), &[64]));
    // Amid each of a hundred notes in turn, before its first decision or before its second.
    let mut broken = 0;
    for note in 0..100 {
        let tone = tones(48_000.0, 1, 0.3);
        let heard = listener.play(&tone[..7_200 + 64 * (1 + note)], &adapt(true), &[64]);
        assert!(heard.iter().all(|result| !result.is_second()));
        broken += u64::from(!heard.is_empty());
        listener.pipeline.reset();
    }
    assert!((50..100).contains(&broken), "{broken}");
    assert_eq!(listener.adapted(), learned, "no second decision was made");
    assert_eq!(
        said(&listener.play(&samples, &adapt(true), &[64])),
        expected
    );
    listener.pipeline.forget_player();
    assert_eq!(listener.adapted(), 0);
}

/// Answers come in another hop than their features: from a classifier thread, where the test waits for
/// it after each note, the results are those of a bounce.
#[test]
fn a_thread_that_answers_in_time_learns_what_a_bounce_learns() {
    let samples = performance();
    let mut bounce = Listener::new(ModelSource::Tocco, true);
    let expected = said(&bounce.play(&samples, &adapt(true), &[64]));
    let model = load(ModelSource::Tocco, true, false);
    assert!(matches!(
        model.stages.second.as_ref().unwrap().runner,
        Runner::Thread(_)
    ));
    let mut listener = Listener::of(model);
    for block in samples.chunks(64) {
        let results = listener.play(block, &adapt(true), &[64]);
        let first = results.iter().any(|result| !result.is_second());
        // The second answer comes 140 ms after the first, of which this streams in no time.
        if !first && listener.pipeline.seconds_to_come() > 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    let found = said(&listener.results);
    assert_eq!(found.len(), expected.len());
    assert_eq!(found, expected);
    assert_eq!(listener.adapted(), bounce.adapted());
}

#[test]
fn an_engine_whose_answers_are_late_or_no_numbers_teaches_the_right_notes_or_none() {
    // The second network's runner is ours: it answers five notes later.
    let samples = performance();
    let mut model = load(ModelSource::Tocco, true, false);
    let second = ModelSource::ToccoLate.package().unwrap();
    let (remote, mut work) = queue::queues(second.manifest.input.features.len());
    model.stages.second.as_mut().unwrap().runner = Runner::Thread(remote);
    let mut listener = Listener::of(model);
    let mut waiting = std::collections::VecDeque::new();
    let mut features = vec![0.0; second.manifest.input.features.len()];
    let mut answered = 0_u64;
    for block in samples.chunks(64) {
        listener.play(block, &adapt(true), &[64]);
        while let Some(request) = work.take(&mut features) {
            waiting.push_back(request);
        }
        if waiting.len() > 5 {
            let request = waiting.pop_front().unwrap();
            // Of four answers one is an engine's failure, one no numbers, one nothing.
            let mut class = [0.0; MAX_CLASSES];
            class[(answered / 4) as usize % MAX_CLASSES] = 1.0;
            let probabilities = match answered % 4 {
                0 => None,
                1 => Some([f32::NAN; MAX_CLASSES]),
                2 => Some([0.0; MAX_CLASSES]),
                _ => Some(class),
            };
            work.answer(Answer {
                note: request.note,
                said: probabilities.map(|probabilities| Said {
                    probabilities,
                    rejection: None,
                }),
                wake: Duration::ZERO,
                inference: Duration::ZERO,
            });
            answered += 1;
        }
    }
    listener.play(&[0.0; 640], &adapt(true), &[64]);
    let second = &listener.counters().second;
    assert_eq!(
        second.decisions.results.load(Relaxed),
        answered - answered.div_ceil(4)
    );
    assert!(answered > 30);
    // Where the second network says nothing the first one's share is left, too little to learn from;
    // where it names a class at random, not every note may be one of that.
    assert!(listener.learned() <= answered / 4);
    for result in &listener.results {
        if !result.is_second() {
            let sum: f32 = result.probabilities.iter().sum();
            assert!((sum - 1.0).abs() < 1e-4, "{:?}", result.probabilities);
        }
    }
}

#[test]
fn a_swap_a_lesson_and_a_restart_forget_and_the_counter_goes_on() {
    let samples = performance();
    let params = Arc::new(ToccoParams::default());
    set(&params.strictness, 0.0);
    let shared = Arc::new(Shared::new(Arc::clone(&params)));
    let service = Service::start(Arc::clone(&shared)).unwrap();
    let activation = |host_rate| Activation {
        host_rate,
        max_block: 64,
        offline: true,
    };
    let mut pipeline = service.activate(activation(48_000.0), None).unwrap();
    let play = |pipeline: &mut Pipeline, samples: &[f32]| {
        let mut results = Vec::new();
        for block in samples.chunks(64) {
            pipeline.process(&[block], &adapt(true), |result, _| results.push(*result));
        }
        said(&results)
    };
    let adapted = || shared.telemetry.adapted.load(Relaxed);
    let expected = play(&mut pipeline, &samples);
    let learned = adapted();
    assert!(learned > 30);

    for change in [
        &|| set(&params.second, false) as _,
        &|| set(&params.second, true),
        &|| shared.calibrate(Command::Teach(Some(2))),
        &|| shared.calibrate(Command::Reset),
        &|| set(&params.model, ModelChoice::C),
        &|| set(&params.model, ModelChoice::Tocco),
    ] as [&dyn Fn(); 6]
    {
        change();
        service.settle();
        // A note for those who teach.
        play(&mut pipeline, &samples[..48_000]);
        service.settle();
        shared.calibrate(Command::Teach(None));
        for _ in 0..100 {
            play(&mut pipeline, &[0.0; 640]);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(adapted() < 5, "{}", adapted());
    }
    assert!(shared.telemetry.counters.learned.load(Relaxed) >= learned);

    let mut pipeline = service
        .activate(activation(44_100.0), Some(pipeline))
        .unwrap();
    assert_eq!(adapted(), 0);
    play(&mut pipeline, &samples);
    assert!(adapted() > 30);
    let mut pipeline = service
        .activate(activation(48_000.0), Some(pipeline))
        .unwrap();
    assert_eq!(play(&mut pipeline, &samples), expected);
}

#[test]
fn storms_and_nan_poison_nothing_that_comes_later() {
    let bursts: [fn(usize) -> f32; 2] = [
        // Taken for notes, of the largest numbers.
        |i| match i % 9_600 {
            0..480 => 1e38 * (i as f32).sin(),
            _ => 0.0,
        },
        // Taken for notes, and no technique.
        |i| 0.3 * (0.4 * i as f32).sin() * (-((i % 12_000) as f32) / 2_000.0).exp(),
    ];
    let samples = performance();
    let mut calm = Listener::new(ModelSource::Tocco, true);
    calm.play(&samples, &adapt(true), &[512]);
    let calm = calm.play(&samples, &adapt(true), &[512]);
    let mut taken_for_notes = 0;
    for (number, storm) in STORMS.into_iter().chain(bursts).enumerate() {
        let mut listener = Listener::new(ModelSource::Tocco, true);
        listener.play(&samples, &adapt(true), &[512]);
        let before = listener.adapted();
        let mut sound: Vec<f32> = (0..3 * 48_000).map(storm).collect();
        sound.extend([0.0; 24_000]);
        taken_for_notes += listener.play(&sound, &adapt(true), &[512]).len();
        assert_eq!(
            listener.adapted(),
            before,
            "storm {number} taught something"
        );
        let again = listener.play(&samples, &adapt(true), &[512]);
        assert_eq!(again.len(), calm.len());
        let amended = again.iter().filter(|result| result.is_second());
        let sure = amended.filter(|result| is_sure(&result.probabilities));
        assert_eq!(listener.adapted() - before, sure.count() as u64);
        for (result, calm) in again.iter().zip(&calm) {
            let sum: f32 = result.probabilities.iter().sum();
            assert!((sum - 1.0).abs() < 1e-4, "{:?}", result.probabilities);
            assert_eq!(result.class, calm.class, "storm {number}");
        }
    }
    assert!(taken_for_notes > 20, "{taken_for_notes}");
}
