//! What was taught, as part of the host's state.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::*};

use nice_plug::params::persist::PersistentField;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The saved calibrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Whether they are in use.
    pub in_use: bool,
    /// Whether what is masked is told by parameters. In states that were saved before there were
    /// such the profiles alone tell it.
    pub masks_are_parameters: bool,
    /// A profile's text for each network that was taught, by the model's id, or by both ids where a
    /// network amends a model: `tocco`, `tocco/tocco-late`. As texts, so that one that this version cannot
    /// read is refused alone and in words.
    pub profiles: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Saved {
    /// What is missing or cannot be read is as a state does not tell it, alone.
    fn deserialize<D: Deserializer<'de>>(saved: D) -> Result<Self, D::Error> {
        let Value::Object(mut fields) = Value::deserialize(saved)? else {
            return Err(D::Error::custom("a calibration is a JSON object"));
        };
        let untold = Self::default();
        let truth = |field: &str| fields.get(field).and_then(Value::as_bool);
        let in_use = truth("in_use").unwrap_or(untold.in_use);
        let flag = truth("masks_are_parameters").unwrap_or(untold.masks_are_parameters);
        let profiles = match fields.remove("profiles") {
            Some(Value::Object(profiles)) => profiles,
            _ => Map::new(),
        };
        let text = |(model, profile)| match profile {
            Value::String(text) => Some((model, text)),
            _ => None,
        };
        Ok(Self {
            in_use,
            masks_are_parameters: flag,
            profiles: profiles.into_iter().filter_map(text).collect(),
        })
    }
}

impl Default for Saved {
    /// What a state does not tell.
    fn default() -> Self {
        Self {
            in_use: true,
            profiles: BTreeMap::new(),
            masks_are_parameters: false,
        }
    }
}

/// Holds them for the framework, which saves and restores them with the parameters.
#[derive(Debug)]
pub struct CalibrationState {
    saved: Mutex<Saved>,
    /// Counts the changes by the host, so that the audio thread can notice one without the lock.
    changes: AtomicU32,
}

impl Default for CalibrationState {
    /// Of a new instance.
    fn default() -> Self {
        Self {
            saved: Mutex::new(Saved {
                masks_are_parameters: true,
                ..Saved::default()
            }),
            changes: AtomicU32::new(0),
        }
    }
}

impl CalibrationState {
    /// What would be saved now. Not for the audio thread.
    #[must_use]
    pub fn saved(&self) -> Saved {
        self.map(Clone::clone)
    }

    /// How often the host restored a state. Real-time safe.
    #[must_use]
    pub fn changes(&self) -> u32 {
        self.changes.load(Acquire)
    }

    /// The same, and how often the host had restored a state by then. Not for the audio thread.
    #[must_use]
    pub fn saved_and_changes(&self) -> (Saved, u32) {
        let saved = self.lock();
        (saved.clone(), self.changes())
    }

    /// Changes what will be saved, by the one who knows of the change already, and says whether it is
    /// another one now. If the host has restored a state since it had done so `of` times, that stays as it
    /// is: the change is of what was before. Not for the audio thread.
    pub(crate) fn update(&self, of: u32, change: impl FnOnce(&mut Saved)) -> bool {
        let mut saved = self.lock();
        if self.changes() != of {
            return false;
        }
        let before = saved.clone();
        change(&mut saved);
        *saved != before
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Saved> {
        // Every change is whole before the lock is given back, or has not begun.
        self.saved.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl PersistentField<'_, Saved> for CalibrationState {
    fn set(&self, saved: Saved) {
        let mut held = self.lock();
        *held = saved;
        // While it is held: nobody is to take the one for the other.
        self.changes.fetch_add(1, Release);
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&Saved) -> R,
    {
        f(&self.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_value_does_not_cost_the_others() {
        for (text, in_use, profiles) in [
            (
                r#"{"in_use":false,"profiles":{"a":"x","b":null,"c":3,"d":"y"}}"#,
                false,
                2,
            ),
            (r#"{"in_use":"no","profiles":{"a":"x"}}"#, true, 1),
            (r#"{"in_use":false,"profiles":[1]}"#, false, 0),
            (r#"{"profiles":{"a":"x"},"more":1}"#, true, 1),
            ("{}", true, 0),
        ] {
            let saved: Saved = serde_json::from_str(text).unwrap();
            assert_eq!(
                (saved.in_use, saved.profiles.len()),
                (in_use, profiles),
                "{text}"
            );
            let written = serde_json::to_string(&saved).unwrap();
            assert_eq!(serde_json::from_str::<Saved>(&written).unwrap(), saved);
            assert!(!saved.masks_are_parameters, "an old state does not say so");
        }
        let new = CalibrationState::default().saved();
        assert!(new.masks_are_parameters);
        let written = serde_json::to_string(&new).unwrap();
        assert_eq!(serde_json::from_str::<Saved>(&written).unwrap(), new);
        for none in ["[1]", "null", "7", "\"x\""] {
            assert!(serde_json::from_str::<Saved>(none).is_err(), "{none}");
        }
    }
}
