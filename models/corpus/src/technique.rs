//! The eight playing techniques.

use std::fmt;
use std::str::FromStr;

/// A playing technique, in class order.
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
    /// A string touched at a node.
    NaturalHarmonics,
    /// A string damped by the palm.
    PalmMute,
    /// Picked near the bridge.
    PickNearBridge,
    /// Picked over the sound hole: ordinary playing.
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

    /// Its class index.
    pub const fn class(self) -> usize {
        self as usize
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

    /// Its name in the file names of the recordings.
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

    /// The technique of a file name's token, whatever its case.
    pub fn from_file_token(token: &str) -> Option<Self> {
        let found = |t: &&Self| t.file_token().eq_ignore_ascii_case(token);
        Self::ALL.iter().find(found).copied()
    }

    /// All file-name tokens with their labels, for an error message.
    pub(crate) fn file_tokens() -> String {
        Self::ALL
            .map(|t| format!("{} ({})", t.file_token(), t.label()))
            .join(", ")
    }
}

impl fmt::Display for Technique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

impl FromStr for Technique {
    type Err = UnknownTechnique;

    /// A label or a file-name token, whatever the case and the number of spaces.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let plain = |text: &str| -> String {
            let kept = text.chars().filter(|c| c.is_alphanumeric());
            kept.flat_map(char::to_lowercase).collect()
        };
        let wanted = plain(name);
        let found = |t: &&Self| plain(t.label()) == wanted || t.file_token() == wanted;
        let technique = Self::ALL.iter().find(found).copied();
        technique.ok_or_else(|| UnknownTechnique(name.to_owned()))
    }
}

/// The name of a technique that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("technique: {0:?} is unknown; there are {tokens}", tokens = Technique::file_tokens())]
pub struct UnknownTechnique(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_indices_follow_the_order_of_the_list() {
        for (class, technique) in Technique::ALL.into_iter().enumerate() {
            assert_eq!(technique.class(), class);
        }
    }

    #[test]
    fn labels_and_tokens_lead_back_to_their_technique() {
        for technique in Technique::ALL {
            assert_eq!(technique.label().parse(), Ok(technique));
            assert_eq!(technique.file_token().parse(), Ok(technique));
        }
        assert_eq!("snare  1".parse(), Ok(Technique::Snare1));
        assert_eq!("PICK NEAR BRIDGE".parse(), Ok(Technique::PickNearBridge));
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        let message = "slap".parse::<Technique>().unwrap_err().to_string();
        assert!(message.contains("\"slap\" is unknown"), "{message}");
        assert!(message.contains("thumb (Tom)"), "{message}");
    }
}
