//! The service thread's part: the calibration of the model in use, both its networks.
//!
//! A note that is taught reaches the first network at once and the second one some 150 ms later;
//! commands may come in between. One rule keeps them together: **the second network learns a note
//! only if the first one knows it, under the number of its onset**. What was undone, forgotten or
//! replaced meanwhile is then forgotten by both. The second one's examples are therefore a part of
//! the first one's, in the same order, and what is forgotten goes from each that has it.

use std::path::Path;

use tocco_engines::{EngineId, LoadError, ModelPackage};
use tocco_recognizer::adaptation::examples::Example;
use tocco_recognizer::adaptation::{Calibration, save_profiles, second_profile};
use tocco_recognizer::classification::{MAX_CLASSES, ModelSerial};

use super::network::{Change, NetworkCalibration, mask};
use super::profile_name::ProfileName;
use super::state::Saved;
use super::{CalibrationStatus, Command};
use crate::params::ToccoParams;

/// Numbers from here on are those of examples from a profile: no onset has one so high.
const FROM_PROFILE: u64 = 1 << 63;

/// Number of an example from a profile that the first network has no counterpart of.
const ALONE: u64 = u64::MAX;

/// The calibration of one model from its loading to the loading of another one.
pub(crate) struct CalibrationSession {
    first: NetworkCalibration,
    second: Option<NetworkCalibration>,
    pub(crate) engine: EngineId,
    /// Notes heard by earlier models are no examples for this one.
    since: ModelSerial,
    in_use: bool,
    /// Whether the model in use is not what the calibration gives.
    changed: bool,
    error: Option<String>,
    /// Which file was written or read, until something else is done.
    told: Option<String>,
    /// What was taught when it was saved last, or began.
    kept: Taught,
}

/// Numbers of the examples of both networks, and what is masked.
type Taught = (Vec<u64>, Vec<u64>, Vec<bool>);

impl CalibrationSession {
    /// For `base` and the package that amends it, which were selected with `engine` and are loaded
    /// as `since` or later, with what the host's state says and its number. A profile that does not fit
    /// leaves the model as it is. Classes are `masked`, or as the profiles have it.
    pub(crate) fn new(
        base: ModelPackage,
        second: Option<ModelPackage>,
        engine: EngineId,
        since: ModelSerial,
        (saved, state): (&Saved, u32),
        masked: Option<[bool; MAX_CLASSES]>,
    ) -> Self {
        let name = ProfileName::of_first(&base);
        let (first, mut error) = NetworkCalibration::new(base, name, saved, state);
        let second = second.map(|base| {
            let name = ProfileName::of_second(&first.name, &base);
            let is_earlier = name.is_earlier(&saved.profiles);
            let (mut network, second_error) = NetworkCalibration::new(base, name, saved, state);
            error = error.take().or(second_error);
            // By the rule above it is of another pair, or of the network as a model by itself.
            if is_earlier && !is_part(&network.classes(), &first.classes()) {
                network.calibration = Calibration::new(&network.base).ok();
            }
            network
        });
        let mut session = Self {
            first,
            second,
            engine,
            since,
            in_use: saved.in_use,
            changed: false,
            error,
            told: None,
            kept: Taught::default(),
        };
        session.number_examples();
        if let Some(masked) = masked {
            let networks = std::iter::once(&mut session.first).chain(&mut session.second);
            let calibrations = networks.filter_map(|network| network.calibration.as_mut());
            for calibration in calibrations {
                if let Err(error) = mask(calibration, &masked) {
                    session.error = Some(error.to_string());
                }
            }
        }
        session.kept = session.taught();
        session
    }

    /// The model as it is to run now, and the one that amends it.
    ///
    /// # Errors
    /// When examples of absurd size make weights that are not finite.
    pub(crate) fn packages(&mut self) -> Result<(ModelPackage, Option<ModelPackage>), LoadError> {
        self.changed = false;
        let second = self.second.as_ref();
        let second = second.map(|second| second.package(self.in_use));
        Ok((self.first.package(self.in_use)?, second.transpose()?))
    }

    /// Whether the host has restored no state since this one was made of it.
    pub(crate) fn is_current(&self, params: &ToccoParams) -> bool {
        params.calibration.changes() == self.first.state
    }

    /// Whether what runs is no longer [`packages`](Self::packages).
    pub(crate) fn changed(&self) -> bool {
        self.changed
    }

    /// Whether the model runs otherwise than it was made.
    pub(crate) fn is_calibrated(&self) -> bool {
        let mut networks = std::iter::once(&self.first).chain(&self.second);
        self.in_use && networks.any(NetworkCalibration::is_calibrated)
    }

    /// Learns a note with its raw `features`, and saves it in the host's state.
    pub(crate) fn learn(&mut self, example: Example, features: &[f32], params: &ToccoParams) {
        let onset = example.source.onset_id;
        let network = if example.source.second {
            if !self.first.onsets.contains(&onset) {
                return; // forgotten meanwhile, or told already that it was left out
            }
            match &mut self.second {
                Some(second) => second,
                None => return,
            }
        } else if example.source.model < self.since {
            self.error = Some(
                "an example was left out: it was heard by the model that was in use before; play \
                 it again"
                    .to_owned(),
            );
            return;
        } else {
            &mut self.first
        };
        let learned = network.change(params, |calibration, onsets| {
            calibration.teach(example.class, features)?;
            onsets.push(onset);
            Ok(true)
        });
        self.told = None;
        self.book(learned);
    }

    /// Does what `command` says, and saves it in the host's state.
    pub(crate) fn obey(&mut self, command: Command, params: &ToccoParams) {
        self.told = None;
        match command {
            // The audio thread was told already.
            Command::Teach(_) => self.error = None,
            Command::Undo => self.forget(self.first.onsets.len().wrapping_sub(1), params),
            Command::Forget(index) => self.forget(index, params),
            Command::Reset => self.both(params, |calibration, onsets| {
                let mut masked = [false; MAX_CLASSES];
                for (kept, masked) in masked.iter_mut().zip(calibration.masked()) {
                    *kept = *masked;
                }
                calibration.reset();
                onsets.clear();
                mask(calibration, &masked)?;
                Ok(true)
            }),
            Command::Mask { class, masked } => {
                self.both(params, |calibration, _| {
                    Ok(calibration.mask(class, masked).map(|()| true)?)
                });
                self.tell_masks(params);
            }
            Command::Apply(in_use) => {
                self.changed |= self.in_use != in_use;
                self.in_use = in_use;
                params.save_calibration(self.first.state, |saved| saved.in_use = in_use);
            }
            Command::Save(path) => {
                let saved = self.save(&path);
                if saved.is_ok() {
                    self.tell(format!("Saved as {}", path.display()));
                }
                self.book(saved.map(|()| false).map_err(Into::into));
            }
            Command::Load(path) => {
                let loaded = self.load(&path, params);
                if loaded.is_ok() {
                    self.tell(format!("Loaded from {}", path.display()));
                    // The numbers of these examples may be those of others that are kept.
                    self.kept = Taught::default();
                }
                self.book(loaded);
                self.tell_masks(params);
            }
        }
    }

    /// Masks the classes as the parameters have it, and saves that in the host's state.
    pub(crate) fn follow_masks(&mut self, params: &ToccoParams) {
        let masked = params.masked();
        let differs = |calibration: &Calibration| {
            let pairs = calibration.masked().iter().zip(masked);
            pairs.into_iter().any(|(is, wanted)| *is != wanted)
        };
        if self.first.calibration.as_ref().is_some_and(differs) {
            self.both(params, |calibration, _| mask(calibration, &masked));
        }
    }

    /// Sets the parameters to what is masked.
    pub(crate) fn tell_masks(&self, params: &ToccoParams) {
        if let Some(calibration) = &self.first.calibration {
            params.tell_masked(calibration.masked());
        }
    }

    /// Whether the note whose onset has this number is an example. Of what a profile was made from
    /// nobody knows the numbers.
    pub(crate) fn knows(&self, onset: u64) -> bool {
        self.first.onsets.contains(&onset)
    }

    /// The labels of the model, `[n_classes]`.
    pub(crate) fn labels(&self) -> &[String] {
        &self.first.base.manifest.labels
    }

    /// How many examples of each class, `[n_classes]`.
    pub(crate) fn examples(&self) -> Vec<usize> {
        self.first.examples()
    }

    /// Saves what is taught to `folder`, if that is something else than before: as
    /// `<model's id>.json`, or by a namesake's name. While nothing amends the model, what was taught to
    /// the one that did stays, as in the host's state: it is of the same lesson.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn keep(&mut self, folder: &Path) -> Result<(), LoadError> {
        let taught = self.taught();
        if self.first.calibration.is_none() || self.kept == taught {
            return Ok(());
        }
        std::fs::create_dir_all(folder).map_err(|error| LoadError::Write {
            file: folder.display().to_string(),
            error,
        })?;
        let path = folder.join(format!("{}.json", self.first.name.file()));
        self.save(&path)?;
        // What failed is tried again.
        self.kept = taught;
        Ok(())
    }

    /// Numbers of the examples of both networks, and what is masked.
    fn taught(&self) -> Taught {
        let second = self.second.as_ref();
        let masked = self.first.calibration.as_ref();
        (
            self.first.onsets.clone(),
            second.map_or_else(Vec::new, |second| second.onsets.clone()),
            masked.map_or_else(Vec::new, |calibration| calibration.masked().to_vec()),
        )
    }

    /// What the editor shows.
    pub(crate) fn status(&self) -> CalibrationStatus {
        let calibration = self.first.calibration.as_ref();
        let untaught = vec![false; self.first.base.manifest.labels.len()];
        CalibrationStatus {
            possible: calibration.is_some(),
            in_use: self.in_use,
            error: self.error.clone(),
            told: self.told.clone(),
            examples: self.first.examples(),
            second_examples: self.second.as_ref().map(NetworkCalibration::examples),
            ends_at: None,
            masked: calibration.map_or(untaught, |calibration| calibration.masked().to_vec()),
            report: calibration.map_or_else(Vec::new, Calibration::report),
        }
    }

    /// Makes a change to both networks; if the first one refuses it, to none.
    fn both(
        &mut self,
        params: &ToccoParams,
        change: impl Fn(&mut Calibration, &mut Vec<u64>) -> Change,
    ) {
        let mut changed = self.first.change(params, &change);
        if let (Ok(changed), Some(second)) = (&mut changed, &mut self.second) {
            match second.change(params, &change) {
                Ok(second) => *changed |= second,
                Err(error) => {
                    self.changed |= *changed;
                    self.error = Some(error.to_string());
                    return;
                }
            }
        }
        self.book(changed);
    }

    /// Forgets the example of this number, if there is one.
    fn forget(&mut self, index: usize, params: &ToccoParams) {
        let Some(onset) = self.first.onsets.get(index).copied() else {
            return self.book(Ok(false));
        };
        self.both(params, |calibration, onsets| {
            // The second network may not have heard it yet: then it will not be taught it.
            let Some(index) = onsets.iter().position(|other| *other == onset) else {
                return Ok(false);
            };
            onsets.remove(index);
            Ok(calibration.forget(index))
        });
    }

    fn save(&self, path: &Path) -> Result<(), LoadError> {
        let Some(first) = &self.first.calibration else {
            return Ok(());
        };
        let second = self.second.as_ref();
        match second.and_then(|second| second.calibration.as_ref()) {
            Some(second) => save_profiles(path, first, Some(second)),
            // What lies beside it may be of the same lesson, as what the host's state has.
            None => first.save(path),
        }
    }

    /// Both files are read before anything is replaced.
    fn load(&mut self, path: &Path, params: &ToccoParams) -> Change {
        if self.first.calibration.is_none() {
            return Ok(false);
        }
        let mut first = Calibration::new(&self.first.base)?;
        first.load(path)?;
        let mut second = None;
        if let Some(network) = self
            .second
            .as_ref()
            .filter(|network| network.calibration.is_some())
        {
            let mut calibration = Calibration::new(&network.base)?;
            let beside = second_profile(path);
            // A profile of the first network alone leaves the second one untaught.
            if beside.exists() {
                calibration.load(beside)?;
            }
            second = Some(calibration);
        }
        let mut changed = self.first.replace(first, params)?;
        if let (Some(network), Some(calibration)) = (&mut self.second, second) {
            changed |= network.replace(calibration, params)?;
        }
        self.number_examples();
        Ok(changed)
    }

    /// Numbers the examples that came from profiles. Which of the second network's are of the same
    /// notes as the first one's the profiles do not say: they are paired by class from the last
    /// one backwards, which is right unless the second one missed some.
    fn number_examples(&mut self) {
        let classes = self.first.classes();
        self.first.onsets = (0..classes.len() as u64)
            .map(|i| FROM_PROFILE | i)
            .collect();
        let Some(second) = &mut self.second else {
            return;
        };
        let mut before = classes.len();
        let mut onsets: Vec<u64> = (second.classes().iter().rev())
            .map(|class| {
                let partner = classes[..before].iter().rposition(|other| other == class);
                partner.map_or(ALONE, |partner| {
                    before = partner;
                    FROM_PROFILE | partner as u64
                })
            })
            .collect();
        onsets.reverse();
        second.onsets = onsets;
    }

    /// Of a model that cannot be taught nothing was written or read.
    fn tell(&mut self, what: String) {
        self.told = self.first.calibration.is_some().then_some(what);
    }

    fn book(&mut self, changed: Change) {
        match changed {
            Ok(changed) => {
                self.changed |= changed;
                // Without a calibration the error says why since the model was loaded.
                if self.first.calibration.is_some() {
                    self.error = None;
                }
            }
            Err(error) => self.error = Some(error.to_string()),
        }
    }
}

/// Whether `part` is what is left of `whole` where some of it is left out.
fn is_part(part: &[usize], whole: &[usize]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|class| whole.any(|other| other == class))
}

#[cfg(test)]
mod tests {
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
        // A part keeps the order.
        assert!(is_part(&[1, 3], &[1, 2, 3]) && is_part(&[], &[]));
        assert!(!is_part(&[3, 1], &[1, 2, 3]) && !is_part(&[1, 1], &[1]));
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
}
