//! The README of a model package.

use std::fmt::Write;

use tocco_corpus::Technique;
use tocco_engines::ModelPackage;
use tocco_engines::package::manifest::LayerSpec;

use crate::architecture::Architecture;
use crate::metrics::Confusion;
use crate::protocol::{Evaluation, Protocol};
use crate::report::{confusion_table, part_title};

/// The model card of `package`: weaknesses first, then how it was measured and made.
pub fn model_card(
    architecture: &Architecture,
    package: &ModelPackage,
    evaluations: &[Evaluation],
    epochs: usize,
) -> String {
    let manifest = &package.manifest;
    let mut card = format!("# {}\n\n## Weaknesses\n", manifest.title);
    for line in weaknesses(evaluations) {
        let _ = writeln!(card, "- {line}");
    }
    card.push_str("\n## Accuracy\n");
    if let Some(evaluation) = evaluations.first() {
        let onsets = &evaluation.onsets;
        let _ = write!(
            card,
            "Recordings: {} takes of {} ({} labelled notes). The onset detector finds {} of them \
             within ±20 ms (recall {:.3}, precision {:.3}, F1 {:.3}; reported {:.1} ms after the \
             label, 95 % below {:.1} ms). The figures below are of the {} detected notes.\n\n",
            evaluation.n_takes,
            evaluation.players.join(", "),
            onsets.labelled,
            onsets.delays_s.len(),
            onsets.recall(),
            onsets.precision(),
            onsets.f1(),
            onsets.mean_delay_ms(),
            onsets.p95_delay_ms(),
            onsets.delays_s.len(),
        );
    }
    card.push_str("| protocol | accuracy | macro-F1 | notes |\n| --- | --- | --- | --- |\n");
    for Evaluation {
        protocol,
        confusion,
        ..
    } in evaluations
    {
        let _ = writeln!(
            card,
            "| {} | {:.3} | {:.3} | {} |",
            protocol.name(),
            confusion.accuracy(),
            confusion.macro_f1(),
            confusion.notes()
        );
    }
    for evaluation in evaluations {
        let _ = write!(
            card,
            "\n### {}\n{}\n\n| {} | accuracy | notes |\n| --- | --- | --- |\n",
            evaluation.protocol.name(),
            evaluation.protocol.meaning(),
            part_title(evaluation.protocol),
        );
        for part in &evaluation.parts {
            let _ = writeln!(
                card,
                "| {} | {:.3} | {} |",
                part.name,
                part.confusion.accuracy(),
                part.confusion.notes()
            );
        }
        let _ = write!(
            card,
            "\n```text\n{}```\n",
            confusion_table(&evaluation.confusion)
        );
    }

    let recipe = &architecture.recipe;
    let augmentation = &recipe.augmentation;
    let _ = write!(
        card,
        "\n## Network\n{} features of the preset `{}` -> {}; {} parameters.\n",
        architecture.features.len(),
        architecture.preset,
        layers(&architecture.layers),
        thousands(architecture.n_parameters),
    );
    let _ = write!(
        card,
        "\n## Training\nAll detected notes, {} copies of each (window shifted by up to ±{} \
         samples, level by ±{} dB, polarity, noise {} to {} dB below the peak), AdamW with a rate \
         of {} falling by a cosine over {} epochs, weight decay {}, batches of {}, dropout {}, \
         label smoothing {}; stopped after {epochs} epochs, where networks that had not heard one \
         of the players were best on that player, all players taken together.\n",
        augmentation.copies,
        augmentation.jitter,
        augmentation.gain_db,
        augmentation.noise_db.0,
        augmentation.noise_db.1,
        recipe.learning_rate,
        recipe.epochs,
        recipe.weight_decay,
        recipe.batch,
        recipe.dropout,
        recipe.label_smoothing,
    );
    if let Some(provenance) = &manifest.provenance {
        let _ = write!(card, "\nData: {}.\n", provenance.data);
        if let Some(command) = &provenance.trained_by {
            let _ = write!(card, "\nMade by `{command}`, this card included.\n");
        }
    }
    let _ = write!(card, "\nLicence: {}.\n", manifest.licence);
    card
}

/// What a user must know, each item from the figures.
fn weaknesses(evaluations: &[Evaluation]) -> Vec<String> {
    let mut lines = Vec::new();
    let find = |protocol| evaluations.iter().find(|e| e.protocol == protocol);
    if let Some(unheard) = find(Protocol::LeaveOnePlayerOut) {
        let confusion = &unheard.confusion;
        let accuracy = |part: &crate::protocol::Part| part.confusion.accuracy();
        let range = unheard.parts.iter().map(accuracy);
        let lowest = range.clone().fold(f64::INFINITY, f64::min);
        let highest = range.fold(0.0, f64::max);
        lines.push(format!(
            "**For a guitarist it has never heard it is right in {:.0} of 100 notes** ({:.0} to \
             {:.0} by player). Its high figure on random folds comes from notes of the same takes \
             in training and test.",
            100.0 * confusion.accuracy(),
            100.0 * lowest,
            100.0 * highest
        ));
        lines.extend(worst_classes(confusion));
        lines.push(format!(
            "Its probabilities do not tell how far to trust it with an unheard player: they are \
             {:.2} on average where {:.2} would be true.",
            unheard.mean_confidence(),
            confusion.accuracy()
        ));
    }
    if let Some(evaluation) = evaluations.first() {
        lines.push(format!(
            "It knows {} players, and takes of one technique each: techniques in turn, with one \
             note ringing into the next, were never heard.",
            evaluation.players.len()
        ));
        let onsets = &evaluation.onsets;
        lines.push(format!(
            "{} of {} labelled notes are not detected at all and count in none of the figures.",
            onsets.labelled - onsets.delays_s.len(),
            onsets.labelled
        ));
    }
    lines
}

/// The techniques that an unheard player gets recognised least, with what they are taken for.
fn worst_classes(confusion: &Confusion) -> Vec<String> {
    let mut recalls: Vec<(Technique, f64)> = Technique::ALL
        .into_iter()
        .filter_map(|technique| Some((technique, confusion.recall(technique.class())?)))
        .collect();
    recalls.sort_by(|a, b| a.1.total_cmp(&b.1));
    let worst = recalls
        .into_iter()
        .take(3)
        .filter(|(_, recall)| *recall < 0.5);
    worst
        .map(|(technique, recall)| {
            let row = &confusion.counts[technique.class()];
            let mistaken = Technique::ALL
                .into_iter()
                .filter(|other| *other != technique);
            let most = mistaken.max_by_key(|other| row[other.class()]);
            format!(
                "{}: recognised in {:.0} of 100 cases with an unheard player{}.",
                technique.label(),
                100.0 * recall,
                most.map_or_else(String::new, |most| format!(
                    ", most often taken for {}",
                    most.label()
                ))
            )
        })
        .collect()
}

/// The layers in a line.
fn layers(layers: &[LayerSpec]) -> String {
    let words = layers.iter().map(|layer| match layer {
        LayerSpec::Dense { outputs, .. } => format!("dense {outputs}"),
        LayerSpec::BatchNorm { .. } => "batch normalisation".to_owned(),
        LayerSpec::Relu {} => "ReLU".to_owned(),
        LayerSpec::Softmax { .. } => "softmax".to_owned(),
        other => format!("{other:?}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// A number with commas.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(2_083_208), "2,083,208");
        assert_eq!(thousands(708), "708");
        assert_eq!(thousands(63_708), "63,708");
    }

    #[test]
    fn the_worst_classes_are_named_with_what_they_are_taken_for() {
        let mut confusion = Confusion::default();
        for (played, answer, times) in [(0, 0, 10), (5, 5, 1), (5, 7, 9), (6, 6, 4), (6, 7, 6)] {
            (0..times).for_each(|_| confusion.count(played, answer));
        }
        assert_eq!(
            worst_classes(&confusion),
            [
                "Palm mute: recognised in 10 of 100 cases with an unheard player, most often taken \
                 for Pick over the sound hole.",
                "Pick near bridge: recognised in 40 of 100 cases with an unheard player, most \
                 often taken for Pick over the sound hole."
            ]
        );
    }
}
