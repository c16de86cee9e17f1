//! The packages in `models/`: complete, and as good on the recordings as their cards say.
//!
//! `tocco-recordings` says where the recordings are looked for. Without them the last test is skipped.

use std::path::{Path, PathBuf};

use tocco_corpus::Corpus;
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::{EngineId, ModelPackage};
use tocco_recordings::shared_with;
use tocco_trainer::architecture::Architecture;
use tocco_trainer::evaluation::protocol::holdout;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

#[test]
fn every_architecture_has_its_package_with_both_protocols() {
    for architecture in Architecture::all() {
        let package = ModelPackage::load(models().join(architecture.id)).unwrap();
        let manifest = &package.manifest;
        assert_eq!(
            package.parameter_count().unwrap(),
            architecture.n_parameters
        );
        assert_eq!(manifest.input.features, architecture.features);
        assert_eq!(manifest.input.onset, architecture.onset.name());
        assert_eq!(manifest.second.as_deref(), architecture.second);
        let file = models().join(architecture.id).join("model.toml");
        let text = std::fs::read_to_string(file).unwrap();
        assert!(
            manifest.to_toml("model.toml").unwrap() == text,
            "{}: training would write another model.toml",
            architecture.id
        );
        let mut layers = manifest.network.layers.clone();
        // The temperature is fitted, the rest is given.
        *layers.last_mut().unwrap() = LayerSpec::Softmax { temperature: 1.0 };
        assert_eq!(layers, architecture.layers);

        let accuracy = |protocol: &str| {
            let mut measured = manifest.accuracy.iter();
            measured.find(|a| a.protocol == protocol).unwrap().accuracy
        };
        // The paper's figures (section 3.3), by its protocol.
        let of_the_paper = match architecture.id {
            "a" => 0.953,
            "b" => 0.920,
            _ => 0.912,
        };
        assert!(
            accuracy("random-5fold") >= of_the_paper,
            "{}",
            architecture.id
        );
        assert!(
            accuracy("leave-one-player-out") >= 0.4,
            "{}",
            architecture.id
        );

        let card = std::fs::read_to_string(models().join(architecture.id).join("README.md"));
        let card = card.unwrap();
        assert!(card.find("## Weaknesses") < card.find("## Accuracy"));
        for protocol in ["random-5fold", "leave-one-player-out"] {
            let figure = format!("| {protocol} | {:.3} |", accuracy(protocol));
            assert!(card.contains(&figure), "{}: {figure}", architecture.id);
        }
    }
}

/// They were trained on these recordings, so this says nothing about other players; it says that
/// detector, features, scaler and weights fit together.
#[test]
fn packages_know_the_recordings_they_were_trained_on() {
    let Some(shared) = shared_with(&["recordings"]) else {
        return;
    };
    // All of them: the detector's figure is over all, half of them give another.
    let corpus = Corpus::scan(&shared.join("recordings")).unwrap();
    for architecture in Architecture::all() {
        let package = ModelPackage::load(models().join(architecture.id)).unwrap();
        let evaluation = holdout(&corpus, &package, EngineId::Native).unwrap();
        let accuracy = evaluation.confusion.accuracy();
        // Tocco hears each note in so many sounds that it does not know all of them by heart.
        let known = match architecture.id {
            "tocco" | "tocco-sure" => 0.96,
            _ => 0.98,
        };
        assert!(accuracy > known, "{}: {accuracy}", architecture.id);
        assert!(
            evaluation.onsets.f1() >= 0.975,
            "{}",
            evaluation.onsets.f1()
        );
    }
}
