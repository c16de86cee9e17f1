//! The parameter *Preset*: a preset that Tocco brings along, chosen by the host.
//!
//! It acts when it changes, at once, on the thread that sets it, which may be the audio thread: what the
//! host sets afterwards, in the same block, too, is set after the preset. So what each preset sets is
//! worked out before, and the callback sets values and nothing else. The service thread has the host
//! told of them. A state brings the choice back and sets the map itself.

use std::array;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, LazyLock, OnceLock};

use nice_plug::prelude::*;

use super::{FACTORY, Preset};
use crate::params::ToccoParams;

/// What the host chose last. What was changed by hand since it does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum PresetChoice {
    /// None: the map is as it is set.
    #[id = "as-set"]
    #[name = "As set"]
    AsSet,
    /// The first of [`FACTORY`], and so on.
    #[id = "as-delivered"]
    #[name = "As delivered"]
    AsDelivered,
    /// See [`FACTORY`].
    #[id = "general-midi-drums"]
    #[name = "General MIDI drums"]
    GeneralMidiDrums,
    /// See [`FACTORY`].
    #[id = "percussion-only"]
    #[name = "Percussion only"]
    PercussionOnly,
    /// See [`FACTORY`].
    #[id = "harmonics-trigger"]
    #[name = "Harmonics trigger"]
    HarmonicsTrigger,
    /// See [`FACTORY`].
    #[id = "notation-log"]
    #[name = "Notation log"]
    NotationLog,
}

impl PresetChoice {
    /// Its place in [`FACTORY`]. Real-time safe.
    fn place(self) -> Option<usize> {
        self.to_index().checked_sub(1)
    }

    /// The preset's name, if one is chosen. Real-time safe.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let (name, _) = FACTORY.get(self.place()?)?;
        Some(*name)
    }
}

/// A parameter, and its normalised value in each of [`FACTORY`].
type Row = (ParamPtr, [f32; FACTORY.len()]);

/// What the presets set of one instance's parameters.
#[derive(Debug, Default)]
pub(crate) struct FactoryMaps {
    rows: OnceLock<Vec<Row>>,
    /// Whether values were set that the host was not told of.
    news: AtomicBool,
}

impl FactoryMaps {
    /// Works out what they set of `params`, which have these. Before that no choice acts. Allocates.
    ///
    /// # Panics
    /// Never: the presets are sound.
    pub(crate) fn prepare(&self, params: &Arc<ToccoParams>) {
        static PRESETS: LazyLock<[Preset; FACTORY.len()]> = LazyLock::new(|| {
            FACTORY
                .map(|(name, text)| Preset::parse(text, name).expect("a preset of ours is sound"))
        });
        self.rows.get_or_init(|| {
            // All of them name the same parameters in the same order.
            let of_each = PRESETS.each_ref().map(|preset| preset.targets(params));
            let row = |at: usize| {
                let values = array::from_fn(|preset| of_each[preset][at].1);
                (of_each[0][at].0, values)
            };
            (0..of_each[0].len()).map(row).collect()
        });
    }

    /// Sets the map to `choice`, if it is a preset. To be called by the parameters that these are prepared
    /// for, and no other. Real-time safe.
    pub(crate) fn choose(&self, choice: PresetChoice) {
        let (Some(place), Some(rows)) = (choice.place(), self.rows.get()) else {
            return;
        };
        for (param, values) in rows {
            if let Some(value) = values.get(place) {
                // SAFETY: the parameters are those that call, behind their `Arc`, and their values are atomic.
                unsafe { param._internal_set_normalized_value(*value) };
            }
        }
        self.news.store(true, Release);
    }

    /// Whether values were set since the last time. Real-time safe.
    pub(crate) fn take_news(&self) -> bool {
        self.news.load(Relaxed) && self.news.swap(false, Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::set;
    use crate::presets::{belongs, write};
    use crate::service::Shared;
    use crate::state;

    /// The parameters of an instance.
    fn instance() -> Arc<ToccoParams> {
        let params = Arc::new(ToccoParams::default());
        drop(Shared::new(Arc::clone(&params)));
        params
    }

    /// The map that the preset at `place` is, as text.
    fn map(place: usize) -> String {
        let params = ToccoParams::default();
        let (name, text) = FACTORY[place];
        for (param, value) in Preset::parse(text, name).unwrap().targets(&params) {
            // SAFETY: the parameters outlive the loop.
            unsafe { param._internal_set_normalized_value(value) };
        }
        write(&params)
    }

    fn choices() -> impl Iterator<Item = (usize, PresetChoice)> {
        (0..FACTORY.len()).map(|place| (place, PresetChoice::from_index(place + 1)))
    }

    #[test]
    fn every_preset_that_comes_along_can_be_chosen_by_its_own_name() {
        let names = FACTORY.map(|(name, _)| name);
        assert_eq!(PresetChoice::variants()[0], "As set");
        assert_eq!(PresetChoice::variants()[1..], names);
        assert_eq!(PresetChoice::AsSet.name(), None);
        assert!(choices().all(|(place, choice)| choice.name() == Some(names[place])));
        assert_eq!(PresetChoice::NotationLog.place(), Some(FACTORY.len() - 1));
    }

    #[test]
    fn what_is_chosen_is_set_at_once_and_nothing_else_is() {
        let params = instance();
        let news = || params.requests.presets.take_news();
        set(&params.sensitivity, 80.0);
        set(&params.soft_end, -40.0);
        set(&params.techniques.of_class[3].hold, 77);
        for (place, choice) in choices() {
            set(&params.preset, choice);
            assert_eq!(write(&params), map(place), "{choice:?}");
            assert_eq!(params.preset.value(), choice);
            assert!(news() && !news());
        }
        assert_eq!(
            (params.sensitivity.value(), params.soft_end.value()),
            (80.0, -40.0)
        );
        // It acts when it changes: what is set since stays, and so it does at its own end.
        let kick = &params.techniques.of_class[0];
        set(&kick.note, 99);
        set(&params.preset, PresetChoice::NotationLog);
        set(&params.preset, PresetChoice::AsSet);
        assert_eq!((kick.note.value(), news()), (99, false));
        set(&params.preset, PresetChoice::NotationLog);
        assert_eq!((kick.note.value(), news()), (36, true));
    }

    #[test]
    fn a_state_brings_the_choice_back_and_the_map_that_was_saved() {
        let params = instance();
        set(&params.preset, PresetChoice::GeneralMidiDrums);
        set(&params.techniques.of_class[0].note, 60);
        let (saved, map) = (state::of(&params), write(&params));
        for other in [instance(), params] {
            set(&other.preset, PresetChoice::PercussionOnly);
            other.requests.presets.take_news();
            assert_eq!(state::load(&other, &saved), Ok(()));
            assert_eq!(other.preset.value(), PresetChoice::GeneralMidiDrums);
            assert_eq!(write(&other), map);
            assert!(!other.requests.presets.take_news());
        }
        // One from before there was the choice.
        let older = instance();
        let mut state: serde_json::Value = serde_json::from_slice(&saved).unwrap();
        let removed = state["params"].as_object_mut().unwrap().remove("preset");
        assert!(removed.is_some());
        let state = serde_json::to_vec(&state).unwrap();
        assert_eq!(state::load(&older, &state), Ok(()));
        assert_eq!(older.preset.value(), PresetChoice::AsSet);
        assert_eq!(write(&older), map);
    }

    #[test]
    fn who_sets_every_value_in_order_keeps_them() {
        let params = instance();
        let ids = params.param_map().into_iter().map(|(id, ..)| id);
        let before: Vec<String> = ids.take_while(|id| id != "preset").collect();
        assert!(before.len() < params.param_map().len());
        assert!(!before.iter().any(|id| belongs(id)), "{before:?}");
    }
}
