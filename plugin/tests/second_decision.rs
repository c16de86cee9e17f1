//! The second decision about each note: when it comes, what it says, what it leaves alone, and what
//! becomes of it when the model changes or the stream ends.

mod host;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use host::{activation, set, tones};
use tocco::calibration::Command;
use tocco::calibration::lesson::ENOUGH;
use tocco::model::{ModelSource, Selection};
use tocco::params::{ModelChoice, ToccoParams};
use tocco::service::{Service, Shared};
use tocco_corpus::{Listener, Recording};
use tocco_dsp::synth::Performance;
use tocco_engines::{Classifier, EngineId};
use tocco_recognizer::classification::{Classification, Decision, MAX_CLASSES};
use tocco_recognizer::counters::Counters;
use tocco_recognizer::decision::{amended, most_probable};
use tocco_recognizer::model::RunConfig;
use tocco_recognizer::pipeline::{Pipeline, Settings, Telemetry};
use tocco_recognizer::runner::{Runner, Wake};

/// A plugin's inside.
struct Player {
    shared: Arc<Shared>,
    pipeline: Option<Box<Pipeline>>,
    // Ends after the pipeline.
    _service: Service,
    results: Vec<Classification>,
}

/// Whether the networks learn by listening.
#[derive(Clone, Copy, PartialEq)]
enum Adapt {
    On,
    Off,
}

impl Player {
    fn new(offline: bool, second: bool) -> Self {
        Self::with(ModelChoice::Tocco, offline, second, Adapt::On)
    }

    fn with(model: ModelChoice, offline: bool, second: bool, adapt: Adapt) -> Self {
        let params = Arc::new(ToccoParams::default());
        set(&params.model, model);
        set(&params.second, second);
        set(&params.adapt, adapt == Adapt::On);
        // What is played here are no notes of a guitar.
        set(&params.strictness, 0.0);
        let shared = Arc::new(Shared::new(params));
        let service = Service::start(Arc::clone(&shared)).unwrap();
        let pipeline = service.activate(activation(offline), None).unwrap();
        assert_eq!(shared.status().model_error, None);
        Self {
            shared,
            pipeline: Some(pipeline),
            _service: service,
            results: Vec::new(),
        }
    }

    fn play(&mut self, samples: &[f32]) {
        let pipeline = self.pipeline.as_mut().unwrap();
        let settings = self.shared.params.settings();
        for block in samples.chunks(64) {
            pipeline.process(&[block], &settings, |result, _| {
                self.results.push(*result);
            });
        }
    }

    /// This streams a hundred times faster than life: the classifier thread may catch up.
    fn play_unhurried(&mut self, samples: &[f32]) {
        for block in samples.chunks(1_024) {
            self.play(block);
            std::thread::sleep(Duration::from_micros(500));
        }
        for _ in 0..1_000 {
            if self.pipeline.as_ref().unwrap().seconds_to_come() == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            self.play(&[0.0; 64]);
        }
    }

    fn counters(&self) -> &Counters {
        &self.shared.telemetry.counters
    }

    fn first(&self) -> Vec<Classification> {
        let first = self.results.iter().filter(|result| !result.is_second());
        first.copied().collect()
    }

    fn second(&self) -> Vec<Classification> {
        let second = self.results.iter().filter(|result| result.is_second());
        second.copied().collect()
    }

    /// Ends the stream and checks that every note and every second decision is accounted for.
    fn check_books(&mut self) {
        self.pipeline = None;
        let (first, second) = (self.first(), self.second());
        let counters = self.counters();
        let results = counters.first.results.load(Relaxed);
        assert_eq!(first.len() as u64, results);
        assert_eq!(
            counters.onsets.load(Relaxed),
            results + counters.first.lost()
        );
        let books = &counters.second;
        let results = books.decisions.results.load(Relaxed);
        assert_eq!(second.len() as u64, results);
        assert_eq!(
            books.expected.load(Relaxed),
            results + books.decisions.lost()
        );
        let changed = second.iter().filter(|result| result.changed()).count();
        assert_eq!(changed as u64, books.changed.load(Relaxed));
        let late: u64 = books
            .decisions
            .late_blocks
            .iter()
            .map(|late| late.load(Relaxed))
            .sum();
        assert_eq!(late, results);

        let mut ids = HashSet::new();
        for result in &second {
            let id = result.note.onset_id;
            assert!(ids.insert(id), "note {id} was amended twice");
            assert!(first.iter().any(|first| first.note.onset_id == id));
        }
    }
}

fn performance() -> Vec<f32> {
    let mut samples = Performance::demo(1).samples;
    samples.extend([0.0; 12_000]);
    samples
}

/// All but how long it took.
fn timeless(results: &[Classification]) -> Vec<Classification> {
    let strip = |result: &Classification| Classification {
        wake: Duration::ZERO,
        inference: Duration::ZERO,
        ..*result
    };
    results.iter().map(strip).collect()
}

#[test]
fn every_note_of_a_bounce_is_amended_once_by_both_networks_answers() {
    let samples = performance();
    // What the networks say before they have learnt anything: two that hear apart learn apart.
    let mut player = Player::with(ModelChoice::Tocco, true, true, Adapt::Off);
    player.play(&samples);
    let (first, second) = (player.first(), player.second());
    assert!(first.len() >= 35, "{} notes", first.len());
    assert_eq!(first.len(), second.len());
    assert!(second.iter().any(Classification::changed));
    assert!(!second.iter().all(Classification::changed));

    let mut late = Player::with(ModelChoice::ToccoLate, true, true, Adapt::Off);
    late.play(&samples);
    assert_eq!(late.second(), [], "it names no second one");
    for ((first, second), late) in first.iter().zip(&second).zip(late.first()) {
        assert_eq!(second.note.onset_id, first.note.onset_id);
        assert_eq!(second.note.position, first.note.position);
        assert_eq!(second.note.detected, first.note.detected);
        assert_eq!(second.note.peak_db, first.note.peak_db);
        assert_eq!(second.note.position, late.note.position);
        let ms = second.latency() as f64 / 48.0;
        assert!((140.0..175.0).contains(&ms), "{ms} ms");
        let both: [f32; MAX_CLASSES] =
            std::array::from_fn(|i| amended(first.probabilities[i], late.probabilities[i]));
        assert_eq!(second.probabilities, both);
        assert_eq!(second.class, most_probable(&both));
        let decision = Decision::Second {
            was: first.class,
            was_gated: first.gated,
        };
        assert_eq!(second.decision, decision);
        assert!(second.inline);
    }
    assert_eq!(player.counters().second.decisions.lost(), 0);
    player.check_books();

    for adapt in [Adapt::Off, Adapt::On] {
        let [once, again] = [(); 2].map(|()| {
            let mut player = Player::with(ModelChoice::Tocco, true, true, adapt);
            player.play(&samples);
            timeless(&player.results)
        });
        assert_eq!(again, once);
        assert_eq!(once == timeless(&player.results), adapt == Adapt::Off);
    }
}

#[test]
fn tocco_sure_says_within_20_ms_what_the_trainer_measures_in_a_bounce_and_live() {
    let samples = performance();
    let player = |model, offline| Player::with(model, offline, true, Adapt::Off);
    let mut fast = player(ModelChoice::Tocco, true);
    fast.play(&samples);
    let mut bounce = player(ModelChoice::ToccoSure, true);
    bounce.play(&samples);
    let mut live = player(ModelChoice::ToccoSure, false);
    live.play_unhurried(&samples);

    let package = ModelSource::ToccoSure.package().unwrap();
    let listener = Listener::of(&package).unwrap();
    let recording = Recording {
        samples,
        sample_rate: 48_000,
    };
    let heard = listener.hear(&recording, Path::new("performance")).unwrap();
    let mut classifier = Classifier::new(&package, EngineId::Native).unwrap();
    let fast = fast.first();
    assert!(heard.notes.len() >= 35, "{} notes", heard.notes.len());
    for mut player in [bounce, live] {
        let first = player.first();
        assert_eq!([first.len(), fast.len()], [heard.notes.len(); 2]);
        assert_eq!(player.second().len(), first.len());
        for ((result, note), fast) in first.iter().zip(&heard.notes).zip(&fast) {
            let mut said = [0.0; MAX_CLASSES];
            classifier.classify(&note.features, &mut said).unwrap();
            assert_eq!(result.probabilities, said);
            assert_eq!(result.note.onset_id, fast.note.onset_id);
            assert_eq!(result.note.position, fast.note.position);
            assert_eq!(result.note.position, note.onset.position);
            assert!(result.inline);
            let ms = result.latency() as f64 / 48.0;
            assert!((16.0..20.0).contains(&ms), "{ms} ms");
        }
        player.check_books();
    }
}

#[test]
fn the_first_decisions_are_the_same_with_and_without_a_second() {
    let samples = performance();
    for offline in [true, false] {
        // They learn from other decisions.
        let player = |second| Player::with(ModelChoice::Tocco, offline, second, Adapt::Off);
        let (mut with, mut without) = (player(true), player(false));
        with.play(&samples);
        without.play(&samples);
        assert_eq!(timeless(&with.first()), timeless(&without.results));
        assert!(!with.second().is_empty());
        let books = &without.counters().second;
        assert_eq!(books.expected.load(Relaxed), 0);
        with.check_books();
        without.check_books();
    }
}

#[test]
fn in_real_time_a_thread_says_what_a_bounce_says() {
    let samples = performance();
    // What a note is changed by depends on whether an answer came before it or after it.
    let player = |offline| Player::with(ModelChoice::Tocco, offline, true, Adapt::Off);
    let mut bounce = player(true);
    bounce.play(&samples);
    let mut player = player(false);
    player.play_unhurried(&samples);
    let answer = |result: &Classification| (result.note.onset_id, result.probabilities);
    let expected: BTreeMap<_, _> = bounce.second().iter().map(answer).collect();
    let found: BTreeMap<_, _> = player.second().iter().map(answer).collect();
    assert_eq!(found, expected);
    for result in &player.results {
        assert_eq!(result.inline, !result.is_second());
        assert!(result.note.features_ready <= result.seen);
    }
    assert_eq!(player.counters().second.decisions.lost(), 0);
    player.check_books();
}

#[test]
fn swaps_do_not_wait_for_second_decisions_and_count_what_they_give_up() {
    // Eight notes are under way at any time.
    let samples = tones(48_000.0, 40, 0.02 + 1e-9);
    let params = |player: &Player| Arc::clone(&player.shared.params);
    for offline in [true, false] {
        let mut player = Player::new(offline, true);
        let counters = Arc::clone(&player.shared.telemetry);
        let swaps = || counters.counters.swaps.load(Relaxed);
        for round in 0..12 {
            let params = params(&player);
            match round % 4 {
                0 => set(&params.second, false),
                1 => set(&params.second, true),
                2 => set(&params.model, ModelChoice::C),
                _ => set(&params.model, ModelChoice::Tocco),
            }
            let before = swaps();
            // Never a gap of 150 ms.
            for _ in 0..1_000 {
                player.play(&samples);
                if swaps() > before {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            assert!(swaps() > before, "round {round}: the swap is starved");
            player.play(&samples);
        }
        let books = &player.counters().second;
        assert!(books.decisions.abandoned.load(Relaxed) > 0);
        assert!(books.decisions.results.load(Relaxed) > 20);
        player.check_books();
        assert_eq!(
            player.counters().first.lost(),
            player.counters().first.abandoned.load(Relaxed)
        );
        let ids = player.first();
        assert!(ids.is_sorted_by(|a, b| a.note.onset_id < b.note.onset_id));
    }
}

#[test]
fn a_reset_or_an_end_amid_notes_gives_up_second_decisions_and_says_so() {
    let samples = performance();
    for offline in [true, false] {
        let mut player = Player::new(offline, true);
        for round in 0..10 {
            player.play(&samples[..48_000 + 4_801 * round]);
            player.pipeline.as_mut().unwrap().reset();
        }
        player.play(&samples[..89_000]);
        assert!(player.pipeline.as_ref().unwrap().seconds_to_come() > 0);
        player.check_books();
        assert!(player.counters().second.decisions.abandoned.load(Relaxed) > 3);
        // No answer came for a note of an earlier stream.
        let mut first = BTreeMap::new();
        for result in &player.results {
            match result.decision {
                Decision::First => drop(first.insert(result.note.onset_id, result.note.epoch)),
                Decision::Second { .. } => {
                    assert_eq!(first[&result.note.onset_id], result.note.epoch);
                }
            }
        }
    }
}

/// A pair without a service thread, and the second network's runner changed.
fn pipeline(
    change: impl FnOnce(&mut Runner),
) -> (
    Pipeline,
    tocco_recognizer::pipeline::ServiceEnd,
    Arc<Telemetry>,
) {
    let selection = Selection {
        model: ModelSource::Tocco,
        engine: EngineId::Native,
        second: true,
    };
    let config = RunConfig {
        offline: false,
        wake: Wake::Armed,
        block: Duration::from_millis(1),
    };
    let serial = tocco_recognizer::classification::ModelSerial(0);
    let (mut model, _) = selection.load(serial, config).unwrap();
    change(&mut model.stages.second.as_mut().unwrap().runner);
    let telemetry = Arc::new(Telemetry::default());
    let (pipeline, end) = Pipeline::new(48_000.0, model, Arc::clone(&telemetry)).unwrap();
    (pipeline, end, telemetry)
}

#[test]
fn a_classifier_thread_that_stands_still_or_is_dead_costs_no_first_decision() {
    let samples = performance();
    for dead in [false, true] {
        let mut work = None;
        let (mut pipeline, _end, telemetry) = pipeline(|runner| {
            let (remote, other) = tocco_recognizer::runner::queue::queues(1_296);
            *runner = Runner::Thread(remote);
            work = Some(other).filter(|_| !dead);
        });
        let mut results = 0;
        for block in samples
            .iter()
            .chain(&samples)
            .copied()
            .collect::<Vec<_>>()
            .chunks(64)
        {
            pipeline.process(&[block], &Settings::default(), |result, _| {
                assert!(!result.is_second());
                results += 1;
            });
        }
        let counters = &telemetry.counters;
        assert_eq!(counters.first.lost(), 0);
        assert_eq!(counters.onsets.load(Relaxed), results);
        let lost = match dead {
            true => &counters.second.decisions.failed,
            false => &counters.second.decisions.dropped_full,
        };
        assert!(lost.load(Relaxed) > 20, "{}", lost.load(Relaxed));
        drop(pipeline);
        drop(work);
        assert_eq!(counters.second.expected.load(Relaxed), results);
        assert_eq!(counters.second.decisions.lost(), results);
    }
}

#[test]
fn both_networks_learn_what_is_taught_though_teaching_swaps_the_model() {
    let samples = performance();
    for offline in [true, false] {
        let mut player = Player::new(offline, true);
        let taught = |player: &Player| {
            let status = player.shared.status().calibration.clone();
            assert_eq!(status.error, None);
            (status.examples, status.second_examples.unwrap())
        };
        player.shared.calibrate(Command::Teach(Some(2)));
        for block in samples[..3 * 48_000].chunks(2_048) {
            player.play(block);
            std::thread::sleep(Duration::from_millis(3));
        }
        // A lesson ends when it has enough.
        let notes = player.first().len().min(ENOUGH);
        assert!(notes >= 3, "{notes} notes");
        // What is taught is what was so when the note was heard.
        player.shared.calibrate(Command::Teach(None));
        // The last note is heard to its end, and the service thread looks every 10 ms.
        for _ in 0..1_000 {
            player.play(&[0.0; 640]);
            if taught(&player).1[2] == notes {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let (first, second) = taught(&player);
        assert_eq!(first[2], notes);
        assert_eq!(second, first);
        assert_eq!(player.shared.telemetry.teaching.missed(), 0);
        assert!(player.counters().swaps.load(Relaxed) > 1);
        let saved = player.shared.params.calibration.saved().profiles;
        let names: Vec<&String> = saved.keys().collect();
        assert_eq!(names, ["tocco", "tocco/tocco-late"]);
        player.check_books();
    }
}
