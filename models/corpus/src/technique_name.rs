//! How recordings and tables name the techniques.

use tocco_dsp::Technique;

/// The word for `technique` in the file names of the recordings.
pub const fn file_token(technique: Technique) -> &'static str {
    match technique {
        Technique::Kick => "kick",
        Technique::Snare1 => "lowersidefingers",
        Technique::Tom => "thumb",
        Technique::Snare2 => "keybed",
        Technique::NaturalHarmonics => "naturalharmonics",
        Technique::PalmMute => "palmmute",
        Technique::PickNearBridge => "picknearbridge",
        Technique::PickOverSoundHole => "soundholepick",
    }
}

/// The technique of a file name's token, whatever its case.
pub fn from_file_token(token: &str) -> Option<Technique> {
    let found = |t: &Technique| file_token(*t).eq_ignore_ascii_case(token);
    Technique::ALL.into_iter().find(found)
}

/// The technique of a label or of a file name's token, whatever the case.
pub fn from_name(name: &str) -> Option<Technique> {
    name.parse().ok().or_else(|| from_file_token(name))
}

/// All file-name tokens with their labels, for an error message.
pub fn file_tokens() -> String {
    Technique::ALL
        .map(|t| format!("{} ({})", file_token(t), t.label()))
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_tokens_lead_back_to_their_technique() {
        for technique in Technique::ALL {
            assert_eq!(from_name(technique.label()), Some(technique));
            assert_eq!(from_name(file_token(technique)), Some(technique));
            assert_eq!(from_file_token(file_token(technique)), Some(technique));
        }
        assert_eq!(from_name("slap"), None);
    }
}
