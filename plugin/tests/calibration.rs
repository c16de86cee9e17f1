//! A model is taught while notes stream.

mod host;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use host::{activation, set, tones};
use nice_plug::prelude::*;
use tocco::calibration::Command;
use tocco::editor::Offscreen;
use tocco::params::{ModelChoice, ToccoParams};
use tocco::service::{Service, Shared};
use tocco_recognizer::classification::{Classification, MAX_CLASSES};
use tocco_recognizer::pipeline::{Pipeline, Settings};

/// How long the plugin's threads have for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A plugin's inside, played in blocks of 64.
struct Player {
    shared: Arc<Shared>,
    pipeline: Box<Pipeline>,
    // Ends after the pipeline.
    _service: Service,
    samples: Vec<f32>,
    results: Vec<Classification>,
}

impl Player {
    fn new(params: Arc<ToccoParams>, offline: bool) -> Self {
        let shared = Arc::new(Shared::new(params));
        let service = Service::start(Arc::clone(&shared)).unwrap();
        let pipeline = service.activate(activation(offline), None).unwrap();
        let mut samples = tones(48_000.0, 4, 0.15);
        samples.truncate(samples.len() / 64 * 64);
        let mut player = Self {
            shared,
            pipeline,
            _service: service,
            samples,
            results: Vec::new(),
        };
        // The first notes have silence before them, all later ones the end of the loop.
        player.play();
        player
    }

    /// Plays the loop once; what was said of its notes.
    fn play(&mut self) -> Vec<[f32; MAX_CLASSES]> {
        let before = self.results.len();
        for block in self.samples.chunks(64) {
            let results = &mut self.results;
            self.pipeline
                .process(&[block], &Settings::default(), |result, _| {
                    results.push(*result);
                });
        }
        // This streams a hundred times faster than life: a classifier thread may catch up.
        let start = Instant::now();
        while self.pipeline.is_busy() {
            assert!(start.elapsed() < PATIENCE, "a note is not answered");
            std::thread::sleep(Duration::from_millis(1));
            let results = &mut self.results;
            self.pipeline
                .process(&[&[0.0_f32; 0]], &Settings::default(), |result, _| {
                    results.push(*result);
                });
        }
        let new = self.results[before..].iter();
        new.map(|result| result.probabilities).collect()
    }

    /// Gives the commands and plays on until they have come into effect.
    fn tell(&mut self, commands: &[Command]) {
        for command in commands {
            self.shared.calibrate(command.clone());
        }
        self.wait(|player| player.shared.is_settled());
        // The model that follows from them takes its place between two notes.
        let newest = self.shared.status().models.back().unwrap().serial;
        self.wait(|player| player.results.last().unwrap().model >= newest);
    }

    fn wait(&mut self, until: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !until(self) {
            assert!(start.elapsed() < PATIENCE, "it takes ages");
            self.play();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Teaches `class` a round of the loop.
    fn teach(&mut self, class: usize) {
        let taught =
            |player: &Self| -> usize { player.shared.status().calibration.examples.iter().sum() };
        let before = taught(self);
        self.shared.calibrate(Command::Teach(Some(class)));
        let notes = self.play().len();
        self.tell(&[Command::Teach(None)]);
        assert_eq!(taught(self), before + notes, "every note is an example");
    }
}

fn params(model: ModelChoice) -> Arc<ToccoParams> {
    let params = Arc::new(ToccoParams::default());
    set(&params.model, model);
    params
}

/// In the audio callback, offline, and on a classifier thread.
#[test]
fn teaching_changes_the_answers_loses_no_note_and_is_undone() {
    for (model, offline) in [
        (ModelChoice::C, false),
        (ModelChoice::C, true),
        (ModelChoice::B, false),
    ] {
        let mut player = Player::new(params(model), offline);
        let before = player.play();
        assert!(before.len() >= 4, "{} notes", before.len());

        // The class that is farthest from all notes.
        let sum = |class: usize| before.iter().map(|p| p[class]).sum::<f32>();
        let class = (0..MAX_CLASSES)
            .min_by(|a, b| sum(*a).total_cmp(&sum(*b)))
            .unwrap();
        player.teach(class);
        let after = player.play();
        for (after, before) in after.iter().zip(&before) {
            assert!(after[class] > before[class], "{after:?} after {before:?}");
        }
        let status = player.shared.status().calibration.clone();
        assert_eq!(status.examples[class], before.len());
        assert_eq!(status.report.len(), before.len());
        assert_eq!(status.error, None);

        player.tell(&[Command::Apply(false)]);
        assert_eq!(player.play(), before, "kept, not used");
        player.tell(&[Command::Apply(true)]);
        assert_eq!(player.play(), after);

        let mask = |masked| Command::Mask { class, masked };
        player.tell(&[mask(true)]);
        for p in player.play() {
            assert_eq!(p[class], 0.0);
            assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        player.tell(&[mask(false)]);
        assert_eq!(player.play(), after);

        for _ in 0..before.len() {
            player.tell(&[Command::Undo]);
        }
        assert_eq!(player.play(), before);
        player.teach(class);
        player.tell(&[Command::Reset]);
        assert_eq!(player.play(), before);
        assert!(player.shared.params.calibration.saved().profiles.is_empty());

        let counters = &player.shared.telemetry.counters;
        assert_eq!(counters.first.lost(), 0);
        assert_eq!(player.shared.telemetry.teaching.missed(), 0);
        assert!(counters.swaps.load(Relaxed) > 5);
        let ids = player.results.iter().map(|result| result.note.onset_id);
        assert!(
            ids.eq(0..counters.onsets.load(Relaxed)),
            "each note once, in order"
        );
    }
}

#[test]
fn the_hosts_state_and_a_file_bring_the_calibrated_model_back() {
    let mut player = Player::new(params(ModelChoice::C), false);
    let before = player.play();
    player.teach(1);
    player.tell(&[Command::Mask {
        class: 6,
        masked: true,
    }]);
    let calibrated = player.play();
    assert_ne!(calibrated, before);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("me.json");
    player.tell(&[Command::Save(file.clone())]);
    assert_eq!(player.shared.status().calibration.error, None);
    let state = player.shared.params.serialize_fields();
    let restore = |params: &ToccoParams| {
        set(&params.techniques.of_class[6].used, false);
        params.deserialize_fields(&state);
    };

    // A new instance, whose state is there before it is started.
    let restored = params(ModelChoice::C);
    restore(&restored);
    let mut other = Player::new(restored, false);
    assert_eq!(other.play(), calibrated);

    // One that runs already, and is then given the state.
    let mut other = Player::new(params(ModelChoice::C), false);
    assert_eq!(other.play(), before);
    restore(&other.shared.params);
    other.tell(&[]);
    assert_eq!(other.play(), calibrated);

    // A state from before what is masked was a parameter: the profile tells it.
    let mut other = Player::new(params(ModelChoice::C), false);
    let mut old = state.clone();
    let calibration = old.get_mut("calibration").unwrap();
    let flag = ",\"masks_are_parameters\":true";
    assert!(calibration.contains(flag), "{calibration}");
    *calibration = calibration.replace(flag, "");
    other.shared.params.deserialize_fields(&old);
    other.tell(&[]);
    assert_eq!(other.play(), calibrated);
    assert_eq!(other.shared.params.masked_bits(), 1 << 6);
    assert_eq!(other.shared.params.serialize_fields(), state);

    // By the file.
    let mut other = Player::new(params(ModelChoice::C), false);
    other.tell(&[Command::Load(file.clone())]);
    assert_eq!(other.play(), calibrated);
    assert_eq!(other.shared.params.masked_bits(), 1 << 6);

    // Another model is not touched by it, says why the file is none of its own, and the
    // calibration is there again with its model.
    set(&other.shared.params.model, ModelChoice::A);
    other.tell(&[]);
    let a = other.play();
    other.tell(&[Command::Load(file)]);
    assert_eq!(other.play(), a);
    let error = other.shared.status().calibration.error.clone().unwrap();
    assert!(error.contains("model: expected a"), "{error}");
    assert!(error.contains("found c"), "{error}");
    set(&other.shared.params.model, ModelChoice::C);
    other.tell(&[]);
    assert_eq!(other.play(), calibrated);
}

/// A project is opened in a running instance on a machine that has not all it needs.
#[test]
fn a_restored_lesson_is_not_replaced_by_what_was_taught_before() {
    let mut player = Player::new(params(ModelChoice::C), false);
    player.teach(1);
    player.tell(&[]);
    let state = player.shared.params.serialize_fields();
    let taught = player.shared.status().calibration.examples.clone();
    let mut other = Player::new(params(ModelChoice::C), false);
    other.teach(2);
    // There is no folder with a model of the user's.
    set(&other.shared.params.model, ModelChoice::User);
    other.shared.params.deserialize_fields(&state);
    other.tell(&[]);
    assert!(other.shared.status().model_error.is_some());
    assert_eq!(other.shared.status().calibration.examples, taught);
    assert_eq!(other.shared.params.serialize_fields(), state);
    other.tell(&[Command::Undo]);
    let examples = other.shared.status().calibration.examples.clone();
    assert_eq!((examples[1], examples[2]), (taught[1] - 1, 0));
}

#[test]
fn a_damaged_state_leaves_the_model_as_it_is() {
    let params = params(ModelChoice::C);
    let mut fields = params.serialize_fields();
    let broken = r#"{"in_use":true,"profiles":{"c":"{\"format\":1}"}}"#;
    fields.insert("calibration".to_owned(), broken.to_owned());
    params.deserialize_fields(&fields);
    let mut player = Player::new(params, false);
    let mut fresh = Player::new(self::params(ModelChoice::C), false);
    assert_eq!(player.play(), fresh.play());
    let error = player.shared.status().calibration.error.clone().unwrap();
    assert!(error.contains("missing field"), "{error}");
}

/// The whole lesson by clicks in the window.
#[test]
fn the_window_teaches() {
    let mut player = Player::new(params(ModelChoice::Tocco), false);
    let mut window = Offscreen::sized(Arc::clone(&player.shared), (720.0, 2000.0), 1.0);
    window.click("Set up", 0).unwrap();
    window.click("Details", 0).unwrap();
    let shared = Arc::clone(&player.shared);
    let status = || shared.status().calibration.clone();
    assert!(window.frame().contains("Press Teach beside a technique"));

    // Snare 1, by more notes than are enough: the lesson of a technique ends by itself.
    window.click("Teach", 1).unwrap();
    assert_eq!(shared.telemetry.teaching.class(), Some(1));
    let text = window.frame();
    assert!(text.contains("an example of Snare 1"), "{text}");
    assert!(text.contains("0 of 5"), "{text}");
    let start = Instant::now();
    while shared.telemetry.teaching.class().is_some() {
        assert!(start.elapsed() < PATIENCE, "the lesson does not end");
        player.play();
        // Not in wait, which plays on, a hundred times faster than anyone.
        std::thread::sleep(Duration::from_millis(50));
        window.frame();
    }
    player.tell(&[]);
    let taught = status().examples[1];
    assert_eq!(taught, 5, "no more than are enough");
    assert_eq!(status().examples.iter().sum::<usize>(), taught);
    let text = window.frame();
    assert!(text.contains(&format!("Teach · {taught}")), "{text}");
    assert!(text.contains(&format!("{taught} examples; ")), "{text}");
    // Calibrated it answers as soon as before.
    assert!(
        text.contains("Tocco (calibrated), engine native, on the audio thread"),
        "{text}"
    );

    // Begun and ended by hand.
    window.click("Teach", 0).unwrap();
    assert_eq!(shared.telemetry.teaching.class(), Some(0));
    window.click("0 of 5", 0).unwrap();
    assert_eq!(shared.telemetry.teaching.class(), None);
    player.play();
    player.tell(&[]);
    assert_eq!(status().examples[0], 0);

    window.click("Undo", 0).unwrap();
    player.tell(&[]);
    assert_eq!(status().examples[1], taught - 1);

    // The same notes once more, as something else: examples that contradict each other.
    shared.calibrate(Command::Teach(Some(3)));
    player.play();
    player.tell(&[Command::Teach(None)]);
    let report = status().report;
    let doubtful = report.iter().rposition(|l| l.answer != l.class).unwrap();
    let button = format!("Forget {}", doubtful + 1);
    window.click(&button, 0).unwrap();
    player.tell(&[]);
    assert_eq!(status().report.len(), report.len() - 1);
    let taught = |class: usize| status().examples[class];
    let before = |class: usize| report.iter().filter(|l| l.class == class).count();
    let class = report[doubtful].class;
    assert_eq!(taught(class), before(class) - 1);
    assert_eq!(taught(4 - class), before(4 - class));
    let taught = taught(1);

    window.click("Tom", 0).unwrap();
    player.tell(&[]);
    assert!(status().masked[2]);
    assert!(player.play().iter().all(|p| p[2] == 0.0));

    window.click("in use", 0).unwrap();
    player.tell(&[]);
    assert!(!status().in_use);
    window.click("in use", 0).unwrap();
    player.tell(&[]);
    assert!(status().in_use);

    // Not by a single click.
    window.click("Forget all", 0).unwrap();
    player.tell(&[]);
    assert_eq!(status().examples[1], taught);
    window.click("Really?", 0).unwrap();
    player.tell(&[]);
    // What is never played is a setting, not a lesson.
    assert!(status().report.is_empty() && status().masked[2]);
    assert!(window.frame().contains("Press Teach beside a technique"));
}
