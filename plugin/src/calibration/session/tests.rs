//! What both networks are taught, and what of it is kept.

use super::*;
use crate::shipped;
use nice_plug::params::persist::PersistentField;
use tocco_recognizer::adaptation::examples::Source;

/// What is taught to `tocco` and what amends it.
struct Taught {
    session: CalibrationSession,
    params: ToccoParams,
    /// Of the first network.
    n_features: usize,
}

impl Taught {
    fn new(saved: &Saved) -> Self {
        Self::of(&shipped::TOCCO, ToccoParams::default(), saved)
    }

    /// What is taught to another model, and what amends it.
    fn of(first: &shipped::Shipped, params: ToccoParams, saved: &Saved) -> Self {
        let first = first.package().unwrap();
        let n_features = first.manifest.input.features.len();
        let session = CalibrationSession::new(
            first,
            Some(shipped::TOCCO_LATE.package().unwrap()),
            EngineId::Native,
            ModelSerial(5),
            (saved, params.calibration.changes()),
            None,
        );
        Self {
            session,
            params,
            n_features,
        }
    }

    /// The same after another model was selected.
    fn selects(self, first: &shipped::Shipped) -> Self {
        let saved = self.params.calibration.saved();
        Self::of(first, self.params, &saved)
    }

    /// What is masked in either network, `[n_classes]`.
    fn masked(&self) -> [Vec<bool>; 2] {
        let networks = [Some(&self.session.first), self.session.second.as_ref()];
        networks.map(|network| {
            let calibration = network.and_then(|network| network.calibration.as_ref());
            calibration.unwrap().masked().to_vec()
        })
    }

    fn hears(&mut self, onset_id: u64, class: usize, second: bool) {
        // Classes apart from each other; the features of both networks.
        let n_features = if second { 1296 } else { self.n_features };
        let features: Vec<f32> = (0..n_features)
            .map(|i| ((i * (class + 2)) as f32).sin() + onset_id as f32)
            .collect();
        let source = Source {
            onset_id,
            model: ModelSerial(5),
            second,
        };
        let (mut sender, mut receiver) = tocco_recognizer::adaptation::examples::queue();
        assert!(sender.send(&Default::default(), class, source, &features));
        let (example, features) = receiver.receive().unwrap();
        self.session.learn(example, &features, &self.params);
    }

    fn hears_with_both(&mut self, onset_id: u64, class: usize) {
        self.hears(onset_id, class, false);
        self.hears(onset_id, class, true);
    }

    fn told(&mut self, command: Command) {
        self.session.obey(command, &self.params);
    }

    fn taught(&self) -> (Vec<usize>, Vec<usize>) {
        let second = self.session.second.as_ref().unwrap();
        (self.session.first.classes(), second.classes())
    }
}

#[test]
fn undo_takes_the_same_note_from_both_also_before_the_second_has_heard_it() {
    let mut taught = Taught::new(&Saved::default());
    taught.hears_with_both(0, 1);
    taught.hears(1, 2, false);
    taught.told(Command::Undo);
    assert_eq!(taught.taught(), (vec![1], vec![1]));
    taught.hears(1, 2, true); // too late
    assert_eq!(taught.taught(), (vec![1], vec![1]));
    assert_eq!(taught.session.status().error, None);
    // The second one hears the earlier of two notes when both are known to the first.
    taught.hears(2, 3, false);
    taught.hears(3, 4, false);
    taught.hears(2, 3, true);
    taught.told(Command::Undo);
    assert_eq!(taught.taught(), (vec![1, 3], vec![1, 3]));
    taught.hears(3, 4, true);
    taught.told(Command::Undo);
    taught.told(Command::Undo);
    assert_eq!(taught.taught(), (vec![], vec![]));
    assert!(taught.params.calibration.saved().profiles.is_empty());
    taught.told(Command::Undo);
    assert_eq!(taught.session.status().error, None);
}

#[test]
fn any_example_is_forgotten_by_both() {
    let mut taught = Taught::new(&Saved::default());
    for (onset, class) in [(0, 1), (1, 2), (2, 3)] {
        taught.hears_with_both(onset, class);
    }
    taught.hears(3, 4, false);
    taught.told(Command::Forget(1));
    assert_eq!(taught.taught(), (vec![1, 3, 4], vec![1, 3]));
    // One that the second network is still to hear, and one that there is not.
    taught.told(Command::Forget(2));
    taught.hears(3, 4, true);
    taught.told(Command::Forget(2));
    assert_eq!(taught.taught(), (vec![1, 3], vec![1, 3]));
    assert_eq!(taught.session.status().error, None);
    let mut restored = Taught::new(&taught.params.calibration.saved());
    restored.told(Command::Forget(0));
    assert_eq!(restored.taught(), (vec![3], vec![3]));
}

#[test]
fn a_state_that_the_host_has_restored_meanwhile_is_left_alone() {
    let mut taught = Taught::new(&Saved::default());
    taught.hears_with_both(0, 1);
    let mut restored = taught.params.calibration.saved();
    assert!(restored.profiles.remove("tocco/tocco-late").is_some());
    taught.params.calibration.set(restored.clone());
    assert!(!taught.session.is_current(&taught.params));
    taught.hears_with_both(1, 2);
    taught.told(Command::Undo);
    taught.told(Command::Reset);
    taught.told(Command::Apply(false));
    assert_eq!(taught.params.calibration.saved(), restored);
}

#[test]
fn a_reset_and_a_mask_go_to_both() {
    let mut taught = Taught::new(&Saved::default());
    taught.hears_with_both(0, 1);
    taught.hears(1, 2, false);
    taught.told(Command::Mask {
        class: 6,
        masked: true,
    });
    let (first, second) = taught.session.packages().unwrap();
    let second = second.unwrap();
    assert_ne!(first, shipped::TOCCO.package().unwrap());
    assert_ne!(second, shipped::TOCCO_LATE.package().unwrap());
    let profiles = taught.params.calibration.saved().profiles;
    let ids: Vec<&String> = profiles.keys().collect();
    assert_eq!(ids, ["tocco", "tocco/tocco-late"]);
    assert!(
        profiles
            .values()
            .all(|profile| profile.contains("masked\":[\"Pick near bridge"))
    );

    taught.told(Command::Reset);
    taught.hears(1, 2, true);
    assert_eq!(taught.taught(), (vec![], vec![]));
    assert!(taught.session.status().masked[6] && taught.params.masked()[6]);
    taught.told(Command::Mask {
        class: 6,
        masked: false,
    });
    assert!(taught.params.calibration.saved().profiles.is_empty());
    // One that nobody may use is refused, to both.
    for class in 0..8 {
        taught.told(Command::Mask {
            class,
            masked: true,
        });
    }
    assert!(taught.session.status().error.is_some());
    let second = taught.session.second.as_ref().unwrap();
    let masked = second.calibration.as_ref().unwrap().masked().to_vec();
    assert_eq!(masked, taught.session.status().masked);
}

#[test]
fn models_that_share_their_second_network_have_each_a_lesson_of_it() {
    let mut taught = Taught::new(&Saved::default());
    taught.hears_with_both(0, 1);
    let mut taught = taught.selects(&shipped::TOCCO_SURE);
    assert_eq!(taught.taught(), (vec![], vec![]));
    taught.hears_with_both(1, 2);
    taught.hears_with_both(2, 3);
    let taught = taught.selects(&shipped::TOCCO);
    assert_eq!(taught.taught(), (vec![1], vec![1]));
    let taught = taught.selects(&shipped::TOCCO_SURE);
    assert_eq!(taught.taught(), (vec![2, 3], vec![2, 3]));
}

#[test]
fn a_second_lesson_of_an_earlier_version_is_read_until_there_is_another() {
    let mut taught = Taught::new(&Saved::default());
    taught.hears_with_both(0, 1);
    let mut earlier = taught.params.calibration.saved();
    let lesson = earlier.profiles.remove("tocco/tocco-late").unwrap();
    earlier.profiles.insert("tocco-late".to_owned(), lesson);
    let params = ToccoParams::default();
    params.calibration.set(earlier.clone());
    let mut taught = Taught::of(&shipped::TOCCO, params, &earlier);
    assert_eq!(taught.taught(), (vec![1], vec![1]));
    taught.hears_with_both(1, 2);
    let taught = taught.selects(&shipped::TOCCO_SURE);
    assert_eq!(taught.taught(), (vec![], vec![]), "it is of another pair");
    let mut taught = taught.selects(&shipped::TOCCO);
    assert_eq!(taught.taught(), (vec![1, 2], vec![1, 2]));
    // What is forgotten does not come back from there.
    taught.told(Command::Reset);
    let taught = taught.selects(&shipped::TOCCO);
    assert_eq!(taught.taught(), (vec![], vec![]));
}

#[test]
fn what_the_second_network_was_taught_as_a_model_by_itself_begins_no_pair() {
    let mut taught = Taught::new(&Saved::default());
    taught.hears_with_both(0, 1);
    let mut saved = taught.params.calibration.saved();
    let lesson = saved.profiles.remove("tocco/tocco-late").unwrap();
    saved.profiles.clear();
    saved.profiles.insert("tocco-late".to_owned(), lesson);
    for first in [&shipped::TOCCO, &shipped::TOCCO_SURE] {
        let params = ToccoParams::default();
        params.calibration.set(saved.clone());
        let taught = Taught::of(first, params, &saved);
        assert_eq!(taught.taught(), (vec![], vec![]));
        assert!(!taught.session.is_calibrated());
        assert_eq!(taught.params.calibration.saved(), saved, "it is kept");
    }
    // What was unticked there is no matter of the pair's, either.
    let mut late = Taught::of(&shipped::TOCCO, ToccoParams::default(), &Saved::default());
    late.told(Command::Mask {
        class: 6,
        masked: true,
    });
    let mut unticked = late.params.calibration.saved();
    let lesson = unticked.profiles.remove("tocco/tocco-late").unwrap();
    unticked.profiles.clear();
    unticked.profiles.insert("tocco-late".to_owned(), lesson);
    let taught = Taught::of(&shipped::TOCCO, ToccoParams::default(), &unticked);
    assert_eq!(taught.masked(), [vec![false; 8], vec![false; 8]]);
    // A part keeps the order.
    assert!(is_part(&[1, 3], &[1, 2, 3]) && is_part(&[], &[]));
    assert!(!is_part(&[3, 1], &[1, 2, 3]) && !is_part(&[1, 1], &[1]));
}

#[test]
fn a_second_lesson_that_two_pairs_shared_is_read_by_both() {
    let mut shared = Taught::new(&Saved::default());
    for (onset, class) in [(0, 1), (1, 2), (2, 3)] {
        shared.hears_with_both(onset, class);
    }
    let lesson = shared.params.calibration.saved().profiles["tocco/tocco-late"].clone();
    for (first, id, classes) in [
        (&shipped::TOCCO, "tocco", &[1, 2][..]),
        (&shipped::TOCCO_SURE, "tocco-sure", &[3]),
    ] {
        let mut own = Taught::of(first, ToccoParams::default(), &Saved::default());
        for (onset, class) in classes.iter().enumerate() {
            own.hears(onset as u64, *class, false);
        }
        let mut saved = own.params.calibration.saved();
        saved.profiles.retain(|name, _| name == id);
        saved
            .profiles
            .insert("tocco-late".to_owned(), lesson.clone());
        let taught = Taught::of(first, ToccoParams::default(), &saved);
        assert_eq!(taught.taught(), (classes.to_vec(), vec![1, 2, 3]), "{id}");
    }
}

#[test]
fn what_the_first_network_has_masked_is_masked_in_the_second_whose_lesson_is_another() {
    let mut taught = Taught::new(&Saved::default());
    taught.hears_with_both(0, 1);
    taught.told(Command::Mask {
        class: 6,
        masked: true,
    });
    let mut saved = taught.params.calibration.saved();
    let mut other = Taught::new(&Saved::default());
    other.hears_with_both(0, 4);
    saved.profiles.remove("tocco/tocco-late");
    let lesson = other.params.calibration.saved().profiles["tocco/tocco-late"].clone();
    saved.profiles.insert("tocco-late".to_owned(), lesson);
    let taught = Taught::new(&saved);
    assert_eq!(taught.taught(), (vec![1], vec![]));
    let mut masked = vec![false; 8];
    masked[6] = true;
    assert_eq!(taught.masked(), [masked.clone(), masked]);
}

#[test]
fn both_profiles_come_back_from_files_and_from_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("me.json");
    let mut taught = Taught::new(&Saved::default());
    for (onset, class) in [(0, 1), (1, 1), (2, 4)] {
        taught.hears_with_both(onset, class);
    }
    taught.told(Command::Save(path.clone()));
    assert_eq!(taught.session.status().error, None);
    let packages = taught.session.packages().unwrap();

    let mut restored = Taught::new(&taught.params.calibration.saved());
    assert_eq!(restored.session.packages().unwrap(), packages);
    let mut loaded = Taught::new(&Saved::default());
    loaded.hears_with_both(9, 7);
    loaded.told(Command::Load(path.clone()));
    assert!(loaded.session.changed());
    assert_eq!(loaded.session.packages().unwrap(), packages);
    for taught in [&mut restored, &mut loaded] {
        taught.told(Command::Undo);
        assert_eq!(taught.taught(), (vec![1, 1], vec![1, 1]));
        taught.hears_with_both(11, 5);
        assert_eq!(taught.taught(), (vec![1, 1, 5], vec![1, 1, 5]));
    }

    // Saved again without a second network, the other one's profile does not stay behind.
    let alone = shipped::TOCCO.package().unwrap();
    let since = ModelSerial(5);
    let mut alone = CalibrationSession::new(
        alone,
        None,
        EngineId::Native,
        since,
        (&Saved::default(), 0),
        None,
    );
    let other = folder.path().join("other.json");
    taught.told(Command::Save(other.clone()));
    assert!(folder.path().join("other.second.json").exists());
    for _ in 0..2 {
        alone.obey(Command::Save(other.clone()), &taught.params);
        assert_eq!(alone.status().error, None);
        // The second decision may only be switched off.
        assert!(folder.path().join("other.second.json").exists());
    }
    taught.told(Command::Save(folder.path().join("tocco.json")));
    alone.obey(
        Command::Mask {
            class: 6,
            masked: true,
        },
        &taught.params,
    );
    let taken = folder.path().join("a file");
    std::fs::write(&taken, "").unwrap();
    for _ in 0..2 {
        assert!(
            alone.keep(&taken).is_err(),
            "it is not saved the second time either"
        );
    }
    alone.keep(folder.path()).unwrap();
    assert!(folder.path().join("tocco.second.json").exists());

    // A faulty second file leaves everything as it is.
    let beside = folder.path().join("me.second.json");
    let good = std::fs::read(&beside).unwrap();
    std::fs::write(&beside, &good[..good.len() / 2]).unwrap();
    loaded.told(Command::Load(path.clone()));
    let error = loaded.session.status().error.unwrap();
    assert!(error.contains("me.second.json"), "{error}");
    assert_eq!(loaded.taught(), (vec![1, 1, 5], vec![1, 1, 5]));
    // None at all: the second network is untaught.
    std::fs::remove_file(&beside).unwrap();
    loaded.told(Command::Load(path));
    assert_eq!(loaded.session.status().error, None);
    assert_eq!(loaded.taught(), (vec![1, 1, 4], vec![]));
    loaded.told(Command::Undo);
    assert_eq!(loaded.taught(), (vec![1, 1], vec![]));
}

#[test]
fn what_is_loaded_changes_the_project_and_is_kept_whatever_was_kept_before() {
    let folder = tempfile::tempdir().unwrap();
    let [kept, one, other] =
        ["kept", "one.json", "other.json"].map(|name| folder.path().join(name));
    let mut taught = Taught::new(&Saved::default());
    for (onset, file) in [(1, &one), (2, &other)] {
        taught.told(Command::Undo);
        taught.hears_with_both(onset, onset as usize);
        taught.told(Command::Save(file.clone()));
        let told = format!("Saved as {}", file.display());
        assert_eq!(taught.session.status().told, Some(told));
    }
    // As many examples, of the same numbers.
    for file in [&one, &other] {
        let before = taught.params.unsaved.count();
        taught.told(Command::Load(file.clone()));
        assert!(taught.params.unsaved.count() > before);
        let told = format!("Loaded from {}", file.display());
        assert_eq!(taught.session.status().told, Some(told));
        taught.session.keep(&kept).unwrap();
        let first = kept.join("tocco.json");
        for (kept, file) in [
            (second_profile(&first), second_profile(file)),
            (first, file.clone()),
        ] {
            assert_eq!(std::fs::read(kept).unwrap(), std::fs::read(file).unwrap());
        }
    }
    taught.hears_with_both(3, 3);
    assert_eq!(taught.session.status().told, None);
    taught.told(Command::Load(kept));
    let status = taught.session.status();
    assert!(status.error.is_some() && status.told.is_none());
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_profile_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let make_pipe = |name| {
        let path = folder.path().join(name);
        let text = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a C string that lives as long as the call.
        assert_eq!(unsafe { libc::mkfifo(text.as_ptr(), 0o600) }, 0);
        path
    };
    let pipe = make_pipe("pipe.json");
    make_pipe("me.second.json");
    let beside_a_pipe = folder.path().join("me.json");
    let whole = folder.path().join("whole.json");
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut taught = Taught::new(&Saved::default());
        taught.hears_with_both(0, 1);
        taught.told(Command::Save(whole.clone()));
        let mut answers_to = |command| {
            taught.told(command);
            let error = taught.session.status().error;
            sender.send((error, taught.taught())).unwrap();
        };
        answers_to(Command::Load(pipe.clone()));
        answers_to(Command::Save(pipe));
        answers_to(Command::Save(beside_a_pipe.clone()));
        // Of what was refused nothing was written.
        std::fs::hard_link(whole, &beside_a_pipe).unwrap();
        answers_to(Command::Load(beside_a_pipe));
    });
    for name in ["pipe.json", "pipe.json", "me.second.json", "me.second.json"] {
        let answer = receiver.recv_timeout(std::time::Duration::from_secs(20));
        let (error, taught) = answer.expect("it waits");
        let error = error.expect("it is refused");
        assert!(
            error.contains(name) && error.contains("named pipe"),
            "{error}"
        );
        assert_eq!(taught, (vec![1], vec![1]));
    }
}

#[test]
fn examples_of_profiles_are_paired_from_the_last_one_backwards() {
    let mut taught = Taught::new(&Saved::default());
    taught.hears(0, 1, false);
    taught.hears_with_both(1, 2);
    taught.hears(2, 3, false);
    let mut restored = Taught::new(&taught.params.calibration.saved());
    assert_eq!(restored.taught(), (vec![1, 2, 3], vec![2]));
    restored.told(Command::Undo);
    assert_eq!(restored.taught(), (vec![1, 2], vec![2]));
    restored.told(Command::Undo);
    assert_eq!(restored.taught(), (vec![1], vec![]));
}
