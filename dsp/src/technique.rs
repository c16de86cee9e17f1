//! The eight ways of playing.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A playing technique, in the order of the paper's classes (section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Technique {
    /// Palm on the lower body.
    Kick,
    /// Fingers on the lower side.
    Snare1,
    /// Thumb on the upper body.
    Tom,
    /// Fingers on the muted strings at the end of the fingerboard.
    Snare2,
    /// A finger of the fretting hand touches the string at a node.
    NaturalHarmonics,
    /// The side of the picking hand rests on the strings at the bridge.
    PalmMute,
    /// Plucked close to the bridge.
    PickNearBridge,
    /// Plucked over the sound hole: ordinary playing.
    PickOverSoundHole,
}

impl Technique {
    /// All techniques in class order, `[n_classes]`.
    pub const ALL: [Self; 8] = [
        Self::Kick,
        Self::Snare1,
        Self::Tom,
        Self::Snare2,
        Self::NaturalHarmonics,
        Self::PalmMute,
        Self::PickNearBridge,
        Self::PickOverSoundHole,
    ];

    /// The paper's class index, 0 to 7.
    pub const fn class(self) -> usize {
        self as usize
    }

    /// The word for it in the names of recordings.
    pub const fn file_token(self) -> &'static str {
        match self {
            Self::Kick => "kick",
            Self::Snare1 => "lowersidefingers",
            Self::Tom => "thumb",
            Self::Snare2 => "keybed",
            Self::NaturalHarmonics => "naturalharmonics",
            Self::PalmMute => "palmmute",
            Self::PickNearBridge => "picknearbridge",
            Self::PickOverSoundHole => "soundholepick",
        }
    }

    /// Its name for people, as in model packages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Kick => "Kick",
            Self::Snare1 => "Snare 1",
            Self::Tom => "Tom",
            Self::Snare2 => "Snare 2",
            Self::NaturalHarmonics => "Natural harmonics",
            Self::PalmMute => "Palm mute",
            Self::PickNearBridge => "Pick near bridge",
            Self::PickOverSoundHole => "Pick over the sound hole",
        }
    }

    /// Whether a string sounds at a pitch; the others are played on the body or the muted strings.
    pub const fn is_pitched(self) -> bool {
        matches!(
            self,
            Self::NaturalHarmonics
                | Self::PalmMute
                | Self::PickNearBridge
                | Self::PickOverSoundHole
        )
    }
}

impl fmt::Display for Technique {
    /// The [`label`](Self::label).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

impl FromStr for Technique {
    type Err = UnknownTechnique;

    /// The technique of a [`label`](Self::label), whatever its case and its spaces. Allocates.
    fn from_str(label: &str) -> Result<Self, Self::Err> {
        let plain = |text: &str| -> String {
            let kept = text.chars().filter(|c| c.is_alphanumeric());
            kept.flat_map(char::to_lowercase).collect()
        };
        let wanted = plain(label);
        let found = |t: &Self| plain(t.label()) == wanted;
        let technique = Self::ALL.into_iter().find(found);
        technique.ok_or_else(|| UnknownTechnique(label.to_owned()))
    }
}

/// The name of a technique that there is not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("technique: {0:?} is unknown; there are {labels}", labels = Technique::ALL.map(Technique::label).join(", "))]
pub struct UnknownTechnique(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_lead_back_to_their_technique() {
        for technique in Technique::ALL {
            assert_eq!(technique.label().parse(), Ok(technique));
        }
        assert_eq!("snare  1".parse(), Ok(Technique::Snare1));
        assert_eq!("PICK NEAR BRIDGE".parse(), Ok(Technique::PickNearBridge));
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        let message = "slap".parse::<Technique>().unwrap_err().to_string();
        assert!(message.contains("\"slap\" is unknown"), "{message}");
        assert!(message.contains("Pick near bridge, Pick over"), "{message}");
    }

    #[test]
    fn class_indices_follow_the_order_of_the_list() {
        for (class, technique) in Technique::ALL.into_iter().enumerate() {
            assert_eq!(technique.class(), class);
        }
    }
}
