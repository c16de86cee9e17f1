//! Replays the corpus of each target, whole, cut short and damaged.

use std::path::{Path, PathBuf};

use tocco_fuzz::{CountingAllocator, TARGETS};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn corpus(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut files: Vec<PathBuf> = folder
        .read_dir()
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn every_input_of_the_corpus_is_read_or_refused() {
    for target in TARGETS {
        let files = corpus(target.name);
        assert!(!files.is_empty(), "{} has no corpus", target.name);
        for file in &files {
            target.check(&std::fs::read(file).unwrap());
        }
        println!("{}: {} inputs", target.name, files.len());
    }
}

/// Names in `folder` of this crate, without what they end in, in their order.
fn names(folder: &str) -> Vec<String> {
    let entries = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .read_dir()
        .unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = paths
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_target_has_its_corpus_and_its_program_for_libfuzzer() {
    let mut targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    targets.sort_unstable();
    assert_eq!(names("libfuzzer/targets"), targets);
    let mut corpora = names("corpus");
    // What the target of safetensors reads beside the weights.
    corpora.retain(|name| name != "small");
    assert_eq!(corpora, targets);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    for target in targets {
        let path = format!("path = \"targets/{target}.rs\"");
        assert!(manifest.contains(&path), "{target}");
    }
}

/// Else `cargo xtask fuzz` would write to the checkout, and fuzz other versions of crates each time.
#[test]
fn libfuzzers_lock_file_has_what_the_crates_ask_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let lock = read("fuzz/libfuzzer/Cargo.lock");
    for (package, folder) in [
        ("tocco", "plugin"),
        ("tocco-corpus", "models/corpus"),
        ("tocco-dsp", "dsp"),
        ("tocco-engine-tools", "engines/tools"),
        ("tocco-engines", "engines"),
        ("tocco-fuzz", "fuzz"),
        ("tocco-recognizer", "recognizer"),
    ] {
        let name = format!("\nname = \"{package}\"\n");
        let entry = lock
            .split("[[package]]")
            .find(|entry| entry.contains(&name));
        let entry = entry.unwrap_or_else(|| panic!("{package} is not locked"));
        let manifest = read(&format!("{folder}/Cargo.toml"));
        let (_, lines) = manifest.split_once("\n[dependencies]\n").unwrap();
        let lines = lines.lines().take_while(|line| !line.starts_with('['));
        // What no feature asks for is not locked.
        let asked_for =
            lines.filter(|line| !line.starts_with('#') && !line.contains("optional = true"));
        for line in asked_for.filter(|line| !line.is_empty()) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            // A version follows where there are several.
            let is_locked = ["\"", " "]
                .iter()
                .any(|end| entry.contains(&format!("\n \"{name}{end}")));
            assert!(
                is_locked,
                "{package}: {name} is not locked: cargo update --workspace --manifest-path \
                 fuzz/libfuzzer/Cargo.toml"
            );
        }
    }
}

#[test]
fn damaged_inputs_are_read_or_refused() {
    for target in TARGETS {
        // Splitmix-like steps: the same damage on each run.
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        let files = corpus(target.name);
        // Small corpora are damaged more often.
        let rounds = (512 / files.len().max(1)).max(8);
        for file in &files {
            let whole = std::fs::read(file).unwrap();
            if whole.is_empty() {
                continue;
            }
            for _ in 0..rounds {
                target.check(&whole[..random(whole.len())]);
                let mut damaged = whole.clone();
                for _ in 0..1 + random(4) {
                    damaged[random(whole.len())] ^= 1 << random(8);
                }
                target.check(&damaged);
            }
        }
    }
}

#[test]
fn a_reader_that_takes_too_much_is_caught() {
    let peak = std::panic::catch_unwind(|| {
        tocco_fuzz::greedy().check(&[0; 10]);
    });
    assert!(peak.is_err());
}
