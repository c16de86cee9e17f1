//! Under which name a profile is kept in the host's state, and as which file in the folder of lessons.
//!
//! ```text
//! network                                          in the state                 file
//! tocco                                            tocco                        tocco.json
//! tocco-late, which amends tocco                   tocco/tocco-late             tocco.second.json
//! the user's, whose id is tocco by chance          tocco-<fingerprint>          tocco-<fingerprint>.json
//! ```
//!
//! Several models may have the same network amend their answers: each pair has a lesson of its own. Earlier
//! versions kept all of them under the id of the second network, and a namesake's under the id of ours:
//! [`ProfileName::find`] reads that as long as there is nothing under the name of today. Under the id of the
//! second network lies also what that was taught as a model by itself: which of both it is
//! [`CalibrationSession`](super::CalibrationSession) tells by what the first network was taught.

use std::collections::BTreeMap;

use tocco_engines::ModelPackage;
use tocco_recognizer::adaptation::Profile;

use crate::shipped;

/// The name that the profile of a network is kept under in the host's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProfileName {
    name: String,
    /// What it was called by earlier versions: the network's id.
    earlier: String,
    /// The weights that a profile under the earlier name must be of to be meant, if that says more.
    weights: Option<String>,
}

impl ProfileName {
    /// Of a network that is a model by itself. Allocates, and reads a built-in package if `base` has the
    /// id of one and is not built in.
    pub(crate) fn of_first(base: &ModelPackage) -> Self {
        let id = &base.manifest.id;
        let weights = weights_of_namesake(base);
        Self {
            name: match &weights {
                Some(weights) => namesake(id, weights),
                None => id.clone(),
            },
            earlier: id.clone(),
            weights,
        }
    }

    /// Of a network that amends the answers of the one whose profile has the name `first`.
    pub(crate) fn of_second(first: &Self, base: &ModelPackage) -> Self {
        Self {
            name: second(&first.name, &base.manifest.id),
            earlier: base.manifest.id.clone(),
            weights: weights_of_namesake(base),
        }
    }

    /// The text of the profile among `profiles`, if it is there.
    pub(crate) fn find<'a>(&self, profiles: &'a BTreeMap<String, String>) -> Option<&'a String> {
        let is_meant = |text: &&String| match &self.weights {
            Some(weights) => {
                Profile::parse(text, &self.earlier).is_ok_and(|profile| profile.weights == *weights)
            }
            // One of other weights is refused in words.
            None => true,
        };
        let earlier = || profiles.get(&self.earlier).filter(is_meant);
        profiles.get(&self.name).or_else(earlier)
    }

    /// Whether what [`find`](Self::find) finds among `profiles` stands there under the earlier name.
    pub(crate) fn is_earlier(&self, profiles: &BTreeMap<String, String>) -> bool {
        self.name != self.earlier && !profiles.contains_key(&self.name)
    }

    /// Puts the profile `text` into its place among `profiles`; if nothing was taught, `is_empty`, there
    /// need be none.
    pub(crate) fn put(
        &self,
        profiles: &mut BTreeMap<String, String>,
        text: String,
        is_empty: bool,
    ) {
        // What is there under the earlier name may be another's, too: it stays, and is not to come back.
        let hides = self.name != self.earlier && profiles.contains_key(&self.earlier);
        if is_empty && !hides {
            profiles.remove(&self.name);
        } else {
            profiles.insert(self.name.clone(), text);
        }
    }

    /// The same as the name of a lesson's file, without its ending.
    pub(crate) fn file(&self) -> String {
        lesson_name(&self.name)
    }
}

/// The name of the profile of the network `id` that amends the answers of the one whose profile has the
/// name `first`. No id has a slash.
pub(crate) fn second(first: &str, id: &str) -> String {
    format!("{first}/{id}")
}

/// The name of a profile of a model of the user's that has the id of a built-in one, and these weights.
pub(crate) fn namesake(id: &str, weights: &str) -> String {
    format!("{id}-{weights}")
}

/// What a name is as that of a file: an id may be anything that its author wrote.
pub(crate) fn lesson_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect()
}

/// The fingerprint of `base` if it has the id of a built-in model and is another one.
fn weights_of_namesake(base: &ModelPackage) -> Option<String> {
    let built_in = shipped::find(&base.manifest.id)?;
    (!built_in.is(base)).then(|| base.fingerprint())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package with the id of a built-in one and other weights.
    fn namesake_of(id: &str) -> ModelPackage {
        let mut package = shipped::C.package().unwrap();
        package.manifest.id = id.to_owned();
        package.source = "/home/ann/mine".to_owned();
        package
    }

    /// The text of a profile of `base` in which nothing was taught.
    fn profile(base: &ModelPackage) -> String {
        let calibration = tocco_recognizer::adaptation::Calibration::new(base).unwrap();
        calibration.profile().to_json("test").unwrap()
    }

    #[test]
    fn each_pair_has_a_name_of_its_own_and_reads_the_earlier_one() {
        let [tocco, sure, late] = [&shipped::TOCCO, &shipped::TOCCO_SURE, &shipped::TOCCO_LATE]
            .map(|shipped| shipped.package().unwrap());
        let [first, other] = [&tocco, &sure].map(ProfileName::of_first);
        let pair = ProfileName::of_second(&first, &late);
        let other_pair = ProfileName::of_second(&other, &late);
        assert_eq!((&*first.name, &*pair.name), ("tocco", "tocco/tocco-late"));
        assert_eq!(other_pair.name, "tocco-sure/tocco-late");
        assert_eq!(first.file(), "tocco");

        let mut profiles = BTreeMap::from([("tocco-late".to_owned(), "earlier".to_owned())]);
        for pair in [&pair, &other_pair] {
            assert_eq!(pair.find(&profiles).unwrap(), "earlier");
        }
        pair.put(&mut profiles, "own".to_owned(), false);
        assert_eq!(pair.find(&profiles).unwrap(), "own");
        assert_eq!(other_pair.find(&profiles).unwrap(), "earlier");
        // What was forgotten does not come back.
        pair.put(&mut profiles, "untaught".to_owned(), true);
        assert_eq!(pair.find(&profiles).unwrap(), "untaught");
        profiles.remove("tocco-late");
        pair.put(&mut profiles, "untaught".to_owned(), true);
        assert!(profiles.is_empty() && other_pair.find(&profiles).is_none());
    }

    #[test]
    fn a_namesake_of_a_built_in_model_has_a_name_of_its_own() {
        let own = shipped::TOCCO.package().unwrap();
        let mut copy = own.clone();
        copy.source = "/home/ann/copy".to_owned();
        let other = namesake_of("tocco");
        let name = ProfileName::of_first(&own);
        assert_eq!(ProfileName::of_first(&copy), name, "the same weights");
        let namesake = ProfileName::of_first(&other);
        assert_eq!(namesake.name, format!("tocco-{}", other.fingerprint()));
        assert_eq!(namesake.file(), namesake.name);
        assert_eq!(ProfileName::of_first(&namesake_of("mine")).name, "mine");
        // By the weights it is told which of them is meant by a profile of an earlier version.
        for (package, of_own, of_namesake) in [(&own, true, false), (&other, true, true)] {
            let profiles = BTreeMap::from([("tocco".to_owned(), profile(package))]);
            assert_eq!(name.find(&profiles).is_some(), of_own);
            assert_eq!(namesake.find(&profiles).is_some(), of_namesake);
        }
    }
}
