//! How recordings and tables name the techniques.

use tocco_dsp::Technique;

/// The technique of a file name's token, whatever its case.
pub fn from_file_token(token: &str) -> Option<Technique> {
    let found = |t: &Technique| t.file_token().eq_ignore_ascii_case(token);
    Technique::ALL.into_iter().find(found)
}

/// The technique of a label or of a file name's token, whatever the case.
pub fn from_name(name: &str) -> Option<Technique> {
    name.parse().ok().or_else(|| from_file_token(name))
}

/// All file-name tokens with their labels, for an error message.
pub fn file_tokens() -> String {
    Technique::ALL
        .map(|t| format!("{} ({})", t.file_token(), t.label()))
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_tokens_lead_back_to_their_technique() {
        for technique in Technique::ALL {
            assert_eq!(from_name(technique.label()), Some(technique));
            assert_eq!(from_name(technique.file_token()), Some(technique));
            assert_eq!(from_file_token(technique.file_token()), Some(technique));
        }
        assert_eq!(from_name("slap"), None);
    }
}
