//! Sessions: a player with one guitar, microphone and room.

use tocco_corpus::{Corpus, Take, is_date};

/// The session of each take, `[n_takes]`: the code in its file name, without the date. Pitched and
/// percussive takes of one session carry different dates (`shared/recordings/README.md`). A take of a table
/// has no name of that kind: its session is its player, whatever that is called.
pub fn sessions(corpus: &Corpus) -> Vec<String> {
    corpus.takes.iter().map(session).collect()
}

fn session(take: &Take) -> String {
    match take.session.rsplit_once('_') {
        Some((code, date)) if take.session != take.player && is_date(date) => code.to_owned(),
        _ => take.session.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(player: &str, session: &str) -> Take {
        Take {
            path: Default::default(),
            name: String::new(),
            whole: String::new(),
            folder: 0,
            player: player.to_owned(),
            session: session.to_owned(),
            labels: Vec::new(),
        }
    }

    #[test]
    fn takes_of_two_days_or_sittings_are_one_session() {
        for date in ["20200820", "20201215", "20200820-1", "20200820b"] {
            assert_eq!(session(&take("Mar", &format!("Mar2_{date}"))), "Mar2");
        }
    }

    #[test]
    fn players_whose_names_differ_in_a_number_are_not_one() {
        for player in ["player_1", "player_2", "player_20200820"] {
            assert_eq!(session(&take(player, player)), player);
        }
    }
}
