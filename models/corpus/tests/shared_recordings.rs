//! The recordings that lie beside the project: every folder of them is read.
//!
//! They are not part of it. They are looked for in `$TOCCO_SHARED`, or else in `../shared`; without
//! them the test says that it is skipped.

use std::env;
use std::path::{Path, PathBuf};

use tocco_corpus::{Corpus, Recording};

#[test]
fn every_take_is_read_and_its_labels_lie_within_it() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = env::var_os("TOCCO_SHARED").map_or_else(beside, PathBuf::from);
    for (folder, takes, notes) in [
        ("recordings", None, None),
        ("more-recordings", Some(116), Some(509)),
    ] {
        let folder = shared.join(folder);
        if !folder.is_dir() {
            eprintln!(
                "skipped: there is no {}; set TOCCO_SHARED",
                folder.display()
            );
            continue;
        }
        let corpus = Corpus::scan(&folder).unwrap();
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
