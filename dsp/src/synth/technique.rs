//! The eight ways of playing.

use std::fmt;

/// A playing technique, in the order of the paper's classes (section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// All techniques, each at its [`index`](Self::index).
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
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Technique {
    /// The label that the paper's networks give it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kick => "Kick",
            Self::Snare1 => "Snare 1",
            Self::Tom => "Tom",
            Self::Snare2 => "Snare 2",
            Self::NaturalHarmonics => "Natural harmonics",
            Self::PalmMute => "Palm mute",
            Self::PickNearBridge => "Pick near bridge",
            Self::PickOverSoundHole => "Pick over the sound hole",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_classes() {
        for (index, technique) in Technique::ALL.into_iter().enumerate() {
            assert_eq!(technique.index(), index);
        }
    }
}
