//! Sessions: a player with one guitar, microphone and room.

use tocco_corpus::{Corpus, Take};

/// The session of each take, `[n_takes]`: the code in its file name, without the date. Pitched and
/// percussive takes of one session carry different dates (`shared/recordings/README.md`).
pub fn sessions(corpus: &Corpus) -> Vec<String> {
    let session = |take: &Take| match take.session.rsplit_once('_') {
        Some((code, date)) if date.bytes().all(|b| b.is_ascii_digit()) => code.to_owned(),
        _ => take.session.clone(),
    };
    corpus.takes.iter().map(session).collect()
}
