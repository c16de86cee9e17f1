//! `tocco-corpus features` against the feature vectors of the paper's own extractor.
//!
//! `tocco-recordings` says where recordings and vectors are looked for. Without them the tests are skipped:
//! `dsp/tests` checks the same features on a synthetic signal.

use std::collections::BTreeMap;
use std::process::Command;

use tocco_recordings::shared_with;

fn rows(reader: &mut csv::Reader<impl std::io::Read>) -> Vec<Vec<String>> {
    let header = reader.headers().unwrap().clone();
    let rows = reader.records().map(Result::unwrap);
    let all = std::iter::once(header).chain(rows);
    all.map(|row| row.iter().map(str::to_owned).collect())
        .collect()
}

fn compare(golden: &str, preset: &str) {
    let Some(shared) = shared_with(&["golden", "recordings/crops"]) else {
        return;
    };
    let golden = rows(&mut csv::Reader::from_path(shared.join("golden").join(golden)).unwrap());
    let (header, golden) = golden.split_first().unwrap();
    let mut by_file: BTreeMap<&str, Vec<&Vec<String>>> = BTreeMap::new();
    for row in golden {
        by_file.entry(&row[0]).or_default().push(row);
    }
    assert!(!by_file.is_empty());
    for (file, expected) in by_file {
        let blocks: Vec<&str> = expected.iter().map(|row| row[1].as_str()).collect();
        let output = Command::new(env!("CARGO_BIN_EXE_tocco-corpus"))
            .args([
                "features",
                "--preset",
                preset,
                "--at-blocks",
                &blocks.join(","),
            ])
            .arg("--input")
            .arg(shared.join("recordings/crops").join(file))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let found = rows(&mut csv::Reader::from_reader(output.stdout.as_slice()));
        assert_eq!(found[0], *header);
        assert_eq!(found.len() - 1, expected.len());
        for (found, expected) in found[1..].iter().zip(expected) {
            assert_eq!(found[..2], expected[..2]);
            let pairs = found.iter().zip(expected).zip(header).skip(2);
            for ((found, expected), name) in pairs {
                let (found, expected): (f64, f64) =
                    (found.parse().unwrap(), expected.parse().unwrap());
                let tolerance = match name.as_str() {
                    "peakSample_index" => 0.0,
                    _ if expected == -1.0 => 0.0,
                    _ => 1e-6_f64.max(1e-4 * expected.abs()),
                };
                assert!(
                    (found - expected).abs() <= tolerance,
                    "{file}, {name}: {found} instead of {expected}"
                );
            }
        }
    }
}

#[test]
fn timbreid_is_the_papers_plugin() {
    compare("timbreid_plugin_exact.csv", "timbreid");
}

#[test]
fn timbreid_48k_has_filterbanks_for_48_khz() {
    compare("timbreid_48k_filterbanks.csv", "timbreid-48k");
}
