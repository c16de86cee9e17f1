//! What the name of a recording says.

use std::path::Path;

use crate::composed::composed;
use crate::error::quoted;
use crate::technique_name::{file_tokens, from_file_token};
use crate::{CorpusError, LABELS_CSV, Technique};

/// Technique, player and session from a file name such as
/// `acoustic_guitar_percussive_kick_2_25_mf_LucTur2_20201215_crop7.wav`: words with `_` between
/// them, among them one technique, and a date (eight digits) after the player's code. The date may
/// tell sittings of one day apart (`20200820-2`, `20200820b`).
///
/// A number at the end of a player's code counts that player's sessions: `LucTur` and `LucTur2`
/// are one player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeName {
    /// What is played in the whole take.
    pub technique: Technique,
    /// The player's code without the number of the session.
    pub player: String,
    /// Player's code and date, the same for all takes of one sitting.
    pub session: String,
}

impl TakeName {
    /// Reads the name of the file at `path`.
    ///
    /// # Errors
    /// When there is not exactly one technique, or no date with a player before it.
    pub fn parse(path: &Path) -> Result<Self, CorpusError> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let stem = composed(&stem);
        let words: Vec<&str> = stem.split('_').collect();
        let wrong = |field: &str, expected: String, found: String| {
            CorpusError::malformed(
                path.display(),
                format_args!("file name, {field}"),
                expected,
                found,
                format_args!(
                    "name the file like guitar_kick_mf_PLAYER_20201215.wav, or describe it in a \
                     {LABELS_CSV} in its folder with the columns file,time_s,technique,player"
                ),
            )
        };

        let techniques: Vec<Technique> = words
            .iter()
            .filter_map(|word| from_file_token(word))
            .collect();
        let &[technique] = techniques.as_slice() else {
            return Err(wrong(
                "technique",
                format!("one of the words {}", file_tokens()),
                match techniques.len() {
                    0 => format!("none of them in {}", quoted(&stem)),
                    n => format!("{n} of them in {}", quoted(&stem)),
                },
            ));
        };

        let date = words.iter().position(|word| is_date(word));
        let code_and_date = date.and_then(|i| Some((*words.get(i.checked_sub(1)?)?, words[i])));
        let Some((code, date)) = code_and_date else {
            return Err(wrong(
                "player",
                "the player's code followed by a date of eight digits".to_owned(),
                format!("no date after a player in {}", quoted(&stem)),
            ));
        };
        let player = code.trim_end_matches(|c: char| c.is_ascii_digit());
        if player.is_empty() || from_file_token(code).is_some() {
            return Err(wrong(
                "player",
                "the player's code before the date".to_owned(),
                quoted(code),
            ));
        }
        Ok(Self {
            technique,
            player: player.to_owned(),
            session: format!("{code}_{date}"),
        })
    }
}

/// Whether `word` is the date in the name of a take: eight digits, alone or with something after them that
/// tells sittings apart, a letter or a hyphen, then letters, digits and hyphens.
pub fn is_date(word: &str) -> bool {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    word.len() - rest.len() == 8
        && rest != "-"
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(name: &str) -> Result<TakeName, CorpusError> {
        TakeName::parse(Path::new(name))
    }

    #[test]
    fn both_sessions_of_a_player_are_one_player() {
        let second =
            parse("acoustic_guitar_percussive_kick_2_25_mf_LucTur2_20201215_crop7.wav").unwrap();
        assert_eq!(second.technique, Technique::Kick);
        assert_eq!(second.player, "LucTur");
        assert_eq!(second.session, "LucTur2_20201215");
        let first = parse("acoustic_guitar_percussive_kick_mf_LucTur_20200806.wav").unwrap();
        assert_eq!(first.player, second.player);
        assert_ne!(first.session, second.session);
    }

    #[test]
    fn sittings_of_one_day_are_told_apart() {
        for date in ["20200820-2", "20200820-02", "20200820b", "20200820T1530"] {
            let name = parse(&format!("guitar_kick_mf_AnnAri_{date}_crop1.wav")).unwrap();
            assert_eq!(name.player, "AnnAri");
            assert_eq!(name.session, format!("AnnAri_{date}"));
        }
        for word in [
            "202008201",
            "2020082",
            "20200820-",
            "20200820+2",
            "2020-08-20",
        ] {
            assert!(
                parse(&format!("guitar_kick_AnnAri_{word}.wav")).is_err(),
                "{word}"
            );
        }
    }

    #[test]
    fn a_name_in_decomposed_unicode_is_the_same_name() {
        let composed = parse("guitar_kick_mf_J\u{fc}r\u{c5}ke_20240101.wav").unwrap();
        let decomposed = parse("guitar_kick_mf_Ju\u{308}rA\u{30a}ke_20240101.wav").unwrap();
        assert_eq!(composed, decomposed);
        assert_eq!(composed.player, "J\u{fc}r\u{c5}ke");
    }

    #[test]
    fn a_name_that_says_too_little_is_refused_and_the_remedy_is_named() {
        for (name, field) in [
            ("track01.wav", "technique"),
            ("kick_thumb_AnnAri_20240101.wav", "technique"),
            ("guitar_kick_AnnAri.wav", "player"),
            ("20240101_kick.wav", "player"),
            ("guitar_kick_20240101.wav", "player"),
        ] {
            let message = parse(name).unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
            assert!(message.contains(field), "{name}: {message}");
            assert!(message.contains("labels.csv"), "{name}: {message}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_read_or_refused(name in ".{0,60}") {
            let _ = parse(&name);
        }

        #[test]
        fn a_name_put_together_comes_apart_again(
            class in 0_usize..8,
            before in proptest::collection::vec("[a-z]{1,3}|[0-9]{1,3}", 0..5),
            player in "[A-Z][a-z]{2}[A-Z][a-z]{2}",
            session in "[0-9]{0,2}",
            date in "20[0-9]{6}",
            crop in proptest::option::of("crop[0-9]"),
        ) {
            let technique = Technique::ALL[class];
            let mut words = before;
            words.push(technique.file_token().to_owned());
            words.extend([format!("{player}{session}"), date.clone()]);
            words.extend(crop);
            let name = parse(&format!("{}.wav", words.join("_"))).unwrap();
            prop_assert_eq!(name.technique, technique);
            prop_assert_eq!(&name.player, &player);
            prop_assert_eq!(name.session, format!("{player}{session}_{date}"));
        }
    }
}
