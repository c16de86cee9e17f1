//! The recordings that are no part of the project: every folder of them is read. `tocco-recordings` says where
//! they are looked for.

use tocco_corpus::{Corpus, Recording};
use tocco_recordings::shared_with;

#[test]
fn every_take_is_read_and_its_labels_lie_within_it() {
    for (folder, takes, notes) in [
        ("recordings", None, None),
        ("more-recordings", Some(116), Some(509)),
    ] {
        let Some(shared) = shared_with(&[folder]) else {
            continue;
        };
        let corpus = Corpus::scan(&shared.join(folder)).unwrap();
        let labels: usize = corpus.takes.iter().map(|take| take.labels.len()).sum();
        assert!(labels > 0);
        assert!(
            takes.is_none_or(|n| n == corpus.takes.len()),
            "{}",
            corpus.takes.len()
        );
        assert!(notes.is_none_or(|n| n == labels), "{labels}");
        for take in &corpus.takes {
            let recording = Recording::read(&take.path).unwrap();
            let last = take.labels.last().map_or(0.0, |label| label.time_s);
            assert!(last <= recording.duration_s(), "{}", take.name);
        }
    }
}
