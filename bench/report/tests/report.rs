//! The whole report with a tiny budget: every table and figure is there, with the engines and
//! without them.
//!
//! `cargo xtask test` builds the bundles, the counting library and the programs of the parts first.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn report(folder: &Path, arguments: &[&str], engines: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_report"));
    command
        .args(["--tiny", "--no-download", "--out"])
        .arg(folder)
        .args(arguments);
    if let Some(engines) = engines {
        command.env("TOCCO_ENGINE_DIR", engines);
    }
    command.output().unwrap()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// Everything that the paper has a number for.
const NUMBERED: [&str; 9] = [
    "Table 1:",
    "Table 2:",
    "Table 3:",
    "Table 4:",
    "Figure 3, left:",
    "Figure 3, right:",
    "Figure 4:",
    "Figure 5:",
    "Figure 6:",
];

const DRAWINGS: [&str; 6] = [
    "figure-3-standalone",
    "figure-3-deployment",
    "figure-4",
    "figure-5",
    "figure-6",
    "networks",
];

fn check_is_whole(folder: &Path) {
    let (markdown, html) = (read(folder, "report.md"), read(folder, "report.html"));
    for text in [&markdown, &html] {
        for numbered in NUMBERED {
            assert!(text.contains(numbered), "{numbered} is missing");
        }
        for piece in [
            "Real-time safety",
            "Raspberry Pi 4, 2022",
            "Beyond the paper",
            "RTNeural",
        ] {
            assert!(text.contains(piece), "{piece} is missing");
        }
    }
    assert_eq!(html.matches("<svg").count(), DRAWINGS.len());
    for name in DRAWINGS {
        let svg = read(folder, &format!("figures/{name}.svg"));
        assert!(svg.contains("prefers-color-scheme:dark"), "{name}");
        assert!(markdown.contains(&format!("figures/{name}.svg")), "{name}");
    }
}

/// The cells of the row of a Markdown table that begins with `first`.
fn row<'a>(markdown: &'a str, caption: &str, first: &str) -> Vec<&'a str> {
    let table = markdown.split(&format!("**{caption}")).nth(1).unwrap();
    let line = table
        .lines()
        .find(|line| line.starts_with(&format!("| {first} |")))
        .unwrap_or_else(|| panic!("{caption} has no row {first}"));
    line.trim_matches('|').split(" | ").map(str::trim).collect()
}

#[test]
fn a_tiny_report_is_whole_kept_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows = folder.join("rows.csv");
    std::fs::write(
        &rows,
        "engine,model,weights,warm,cold\nFrom elsewhere,a,f32,99.25,\n",
    )
    .unwrap();

    let output = report(folder, &["--rows", rows.to_str().unwrap()], None);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let path = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(path.contains("report.html"), "{path}");
    check_is_whole(folder);
    let markdown = read(folder, "report.md");
    assert!(markdown.contains("From elsewhere"), "{markdown}");
    assert!(row(&markdown, "Table 3, supported", "Dense")[1].starts_with("yes"));
    assert!(row(&markdown, "Table 3, supported", "score of ten")[1].starts_with("10 (14 of 14)"));
    let json: Value = serde_json::from_str(&read(folder, "report.json")).unwrap();
    for part in json["parts"].as_object().unwrap().values() {
        assert_eq!(part["failure"], Value::Null, "{part}");
        assert_eq!(part["conditions"], json["conditions"]);
    }
    let data = |part: &str| &json["parts"][part]["data"];
    assert_eq!(data("execution")["settings"], "tuned");
    assert_eq!(data("defaults")["settings"], "library-defaults");
    // Native's callback and inferences are clean in this report as well.
    let calls = |measure: &&Value| {
        let name = measure["name"].as_str().unwrap();
        name.starts_with("audit: native")
    };
    let measures = json["measures"].as_array().unwrap();
    assert_eq!(measures.iter().filter(calls).count(), 6);
    for measure in measures.iter().filter(calls) {
        assert_eq!(measure["value"], 0.0, "{measure}");
    }
    let present = |engine: &&Value| engine["state"] == "present";
    let engines = json["conditions"]["engines"].as_array().unwrap();
    if std::env::var_os("CI").is_some() {
        assert_eq!(engines.iter().filter(present).count(), 5, "{engines:#?}");
        assert_eq!(data("defaults")["absent"], Value::Array(Vec::new()));
        for operation in ["GRU", "LSTM", "Conv2D", "MaxPooling1D"] {
            let cells = row(&markdown, "Table 3, supported", operation);
            for cell in [cells[1], cells[3], cells[4], cells[5]] {
                assert!(cell.starts_with("yes"), "{operation}: {cells:?}");
            }
        }
    }

    // Started again, nothing is measured anew, and nothing has changed.
    let old = folder.join("report.json");
    let output = report(
        folder,
        &["--json", "--compare", old.to_str().unwrap()],
        None,
    );
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told.matches("kept from").count(), 9, "{told}");
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again["parts"], json["parts"]);
    let changes = again["changes"].as_array().unwrap();
    assert!(changes.iter().all(|change| change["old"] == change["new"]));
    assert!(read(folder, "report.md").contains("0 numbers have changed"));

    // What one part has lost is measured, the others are kept.
    std::fs::remove_file(folder.join("parts/operations-tiny.json")).unwrap();
    let output = report(folder, &[], None);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told.matches("kept from").count(), 8, "{told}");
}

#[test]
fn without_the_engines_their_cells_say_so_and_everything_else_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let output = report(folder.path(), &[], Some(""));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    check_is_whole(folder.path());
    let markdown = read(folder.path(), "report.md");
    for (caption, first) in [
        ("Table 1:", "A"),
        ("Table 3, supported", "Dense"),
        ("Table 3, supported", "score of ten"),
        ("ns a sample", "lstm-16"),
    ] {
        let cells = row(&markdown, caption, first);
        for foreign in [cells[3], cells[4], cells[5]] {
            assert_eq!(foreign, "not installed", "{caption}: {cells:?}");
        }
    }
    assert!(row(&markdown, "Table 3, supported", "LSTM")[1].starts_with("yes"));
    let svg = read(folder.path(), "figures/figure-3-standalone.svg");
    assert!(svg.contains("not installed"), "{svg}");
}

#[test]
fn what_cannot_be_used_is_named_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let output = report(folder.path(), arguments, Some(""));
        assert!(!output.status.success());
        assert!(!folder.path().join("parts").exists());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let rows = folder.path().join("rows.csv");
    std::fs::write(&rows, "engine,model,weights,warm,cold\nx,a,f32,fast,\n").unwrap();
    let rows = rows.to_str().unwrap();
    let error = refused(&["--rows", rows]);
    assert!(error.contains(rows) && error.contains("row 1"), "{error}");
    let error = refused(&["--compare", rows]);
    assert!(
        error.contains(rows) && error.contains("report.json"),
        "{error}"
    );
}
