//! What the parameters that are choices choose from. Hosts keep the ids and the order: neither may change.

use nice_plug::prelude::Enum;
use tocco_dsp::InputChoice;
use tocco_engines::EngineId;

/// The engines to choose from; those that are not installed are listed too, and say so when chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum EngineChoice {
    /// Our engine.
    #[id = "native"]
    #[name = "native"]
    Native,
    /// Our engine, shapes fixed at compile time.
    #[id = "native-fixed"]
    #[name = "native-fixed"]
    NativeFixed,
    /// ONNX Runtime.
    #[id = "onnx"]
    #[name = "onnx"]
    Onnx,
    /// LiteRT.
    #[id = "litert"]
    #[name = "litert"]
    LiteRt,
    /// TorchScript.
    #[id = "torch"]
    #[name = "torch"]
    Torch,
}

impl From<EngineChoice> for EngineId {
    fn from(choice: EngineChoice) -> Self {
        match choice {
            EngineChoice::Native => Self::Native,
            EngineChoice::NativeFixed => Self::NativeFixed,
            EngineChoice::Onnx => Self::Onnx,
            EngineChoice::LiteRt => Self::LiteRt,
            EngineChoice::Torch => Self::Torch,
        }
    }
}

/// The models to choose from. Where a host keeps a place among them instead of an id (VST3 and
/// Sushi: 0 to 1), Tocco-sure lies where it moves no older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum ModelChoice {
    /// Model A of the paper.
    #[id = "a"]
    A,
    /// Model B of the paper.
    #[id = "b"]
    B,
    /// Model C of the paper.
    #[id = "c"]
    C,
    /// Our own model with a little more time: right more often, and still within 20 ms.
    #[id = "tocco-sure"]
    #[name = "Tocco-sure"]
    ToccoSure,
    /// Our own model, for players that it has never heard.
    #[id = "tocco"]
    Tocco,
    /// The same with much more time: right more often, too late to play by.
    #[id = "tocco-late"]
    #[name = "Tocco-late"]
    ToccoLate,
    /// The package in the user's folder.
    #[id = "user"]
    User,
}

impl ModelChoice {
    /// Whether such a model may name another one that amends its answers: of the built-in ones
    /// Tocco and Tocco-sure do. Real-time safe.
    #[must_use]
    pub fn may_have_second(self) -> bool {
        matches!(self, Self::Tocco | Self::ToccoSure | Self::User)
    }

    /// Whether such a model may learn its player by listening: of the built-in ones those that have
    /// statistics of their features do. Real-time safe.
    #[must_use]
    pub fn may_adapt(self) -> bool {
        matches!(
            self,
            Self::Tocco | Self::ToccoSure | Self::ToccoLate | Self::User
        )
    }
}

/// What is heard of a stereo track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum InputSide {
    /// The louder side.
    #[id = "automatic"]
    Automatic,
    /// The left side.
    #[id = "left"]
    Left,
    /// The right side.
    #[id = "right"]
    Right,
    /// Both sides together.
    #[id = "sum"]
    Sum,
}

impl From<InputSide> for InputChoice {
    fn from(side: InputSide) -> Self {
        match side {
            InputSide::Automatic => Self::Automatic,
            InputSide::Left => Self::Left,
            InputSide::Right => Self::Right,
            InputSide::Sum => Self::Sum,
        }
    }
}

/// What is taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum TeachChoice {
    /// Nothing.
    #[id = "off"]
    Off,
    /// See [`Technique::Kick`](tocco_dsp::Technique::Kick).
    #[id = "kick"]
    Kick,
    /// See [`Technique::Snare1`](tocco_dsp::Technique::Snare1).
    #[id = "snare-1"]
    #[name = "Snare 1"]
    Snare1,
    /// See [`Technique::Tom`](tocco_dsp::Technique::Tom).
    #[id = "tom"]
    Tom,
    /// See [`Technique::Snare2`](tocco_dsp::Technique::Snare2).
    #[id = "snare-2"]
    #[name = "Snare 2"]
    Snare2,
    /// See [`Technique::NaturalHarmonics`](tocco_dsp::Technique::NaturalHarmonics).
    #[id = "natural-harmonics"]
    #[name = "Natural harmonics"]
    NaturalHarmonics,
    /// See [`Technique::PalmMute`](tocco_dsp::Technique::PalmMute).
    #[id = "palm-mute"]
    #[name = "Palm mute"]
    PalmMute,
    /// See [`Technique::PickNearBridge`](tocco_dsp::Technique::PickNearBridge).
    #[id = "pick-near-bridge"]
    #[name = "Pick near bridge"]
    PickNearBridge,
    /// See [`Technique::PickOverSoundHole`](tocco_dsp::Technique::PickOverSoundHole).
    #[id = "pick-over-the-sound-hole"]
    #[name = "Pick over the sound hole"]
    PickOverSoundHole,
}

impl TeachChoice {
    /// The class. Real-time safe.
    pub(super) fn class(self) -> Option<usize> {
        self.to_index().checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use nice_plug::prelude::Param;
    use tocco_dsp::Technique;

    use super::*;
    use crate::params::ToccoParams;

    #[test]
    fn every_engine_can_be_chosen_by_its_own_name() {
        assert_eq!(EngineChoice::variants(), EngineId::ALL.map(EngineId::name));
        for (index, id) in EngineId::ALL.into_iter().enumerate() {
            assert_eq!(EngineId::from(EngineChoice::from_index(index)), id);
        }
    }

    #[test]
    fn what_hosts_keep_of_the_model_means_what_it_meant_before_tocco_sure() {
        use ModelChoice::{A, B, C, Tocco, ToccoLate, User};
        let model = &ToccoParams::default().model;
        for (index, choice) in [A, B, C, Tocco, ToccoLate, User].into_iter().enumerate() {
            let kept = index as f32 / 5.0;
            assert_eq!(model.preview_plain(kept), choice, "{kept}");
        }
        assert_eq!(model.default_plain_value(), Tocco);
        let ids = ModelChoice::ids().unwrap();
        let expected = ["a", "b", "c", "tocco-sure", "tocco", "tocco-late", "user"];
        assert_eq!(ids, expected);
    }

    #[test]
    fn every_technique_can_be_taught_by_its_own_name() {
        let names = TeachChoice::variants();
        assert_eq!(names[0], "Off");
        assert_eq!(names[1..], Technique::ALL.map(Technique::label));
        for (class, technique) in Technique::ALL.into_iter().enumerate() {
            assert_eq!(TeachChoice::from_index(class + 1).class(), Some(class));
            assert_eq!(technique.class(), class);
        }
        assert_eq!(TeachChoice::Off.class(), None);
    }
}
