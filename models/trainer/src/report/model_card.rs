//! The README of a model package.

use std::fmt::Write;

use tocco_corpus::Technique;
use tocco_engines::ModelPackage;
use tocco_engines::package::manifest::LayerSpec;

use super::table::{
    self, calibration_line, condition_table, figures, folder_table, gate_table, listening,
    part_title, second_decision,
};
use crate::architecture::{Architecture, Recipe, Sampling};
use crate::evaluation::bootstrap::interval;
use crate::evaluation::listening::ROUNDS;
use crate::evaluation::metrics::{Confusion, Tally};
use crate::evaluation::{ConditionResult, Evaluation, Protocol};

/// The model card of `package`: weaknesses first, then how it was measured and made.
pub fn model_card(
    architecture: &Architecture,
    package: &ModelPackage,
    evaluations: &[Evaluation],
    epochs: usize,
) -> String {
    let manifest = &package.manifest;
    let temperature = match manifest.network.layers.last() {
        Some(LayerSpec::Softmax { temperature }) => *temperature,
        _ => 1.0,
    };
    let mut card = format!("# {}\n\n## Weaknesses\n", manifest.title);
    let rings = architecture.recipe.augmentation.sound.is_some();
    for line in weaknesses(evaluations, rings) {
        let _ = writeln!(card, "- {line}");
    }
    for evaluation in evaluations {
        if let Some(performances) = &evaluation.performances {
            let _ = write!(
                card,
                "\n## Playing\nBy {}: streams made of each player's own notes, techniques mixed, 60 to \
                 180 beats a minute down to sixteenths, with rests, ghost notes at -18 dB, strings that \
                 ring on, are damped or struck again. Heard as the plugin hears them, the player listened \
                 to. {}",
                evaluation.protocol.name(),
                table::performances(performances)
            );
        }
        if !evaluation.fewer.is_empty() && evaluation.protocol == Protocol::LeaveOnePlayerOut {
            let _ = write!(
                card,
                "\n## Fewer techniques\nBy {}, isolated notes. Whoever masks what is never played gets \
                 an answer among the rest:\n\n{}",
                evaluation.protocol.name(),
                table::fewer_techniques(&evaluation.fewer)
            );
        }
    }
    card.push_str("\n## Accuracy\n");
    if let Some(evaluation) = evaluations.first() {
        let onsets = &evaluation.onsets;
        let _ = write!(
            card,
            "Recordings: {} takes of {} ({} labelled notes). The onset detector (`{}`) finds {} of \
             them within ±20 ms (recall {:.3}, precision {:.3}, F1 {:.3}; reported {:.1} ms after the \
             label, 95 % below {:.1} ms). The figures below are of the {} detected notes, unless \
             they say otherwise.\n\n",
            evaluation.n_takes,
            evaluation.players.join(", "),
            onsets.labelled,
            onsets.method,
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
        let folders = folder_table(evaluation);
        if !folders.is_empty() {
            let _ = write!(card, "\n{folders}");
        }
        card.push_str(&figures(evaluation));
    }
    if let Some(evaluation) = evaluations.first() {
        let _ = write!(
            card,
            "\n## Confidence\nBy {}: {}. The softmax has the temperature {:.2}{}.\n\nThe plugin's \
             confidence gate holds back notes whose answer has a lower probability; of an unheard \
             player's notes it then answers:\n\n{}",
            evaluation.protocol.name(),
            calibration_line(evaluation),
            temperature,
            if architecture.recipe.tempered {
                ", fitted on players that the networks had not heard"
            } else {
                ""
            },
            gate_table(evaluation)
        );
        if !evaluation.conditions.is_empty() {
            let _ = write!(
                card,
                "\n## Elsewhere\nBy {}, with the recordings altered before they are heard. The first \
                 figures are of the notes that are detected as recorded, at those onsets: what the \
                 network makes of the other sound. Then how many of the {} labelled notes the onset \
                 detector no longer finds there, and the accuracy with those counted as wrong. \
                 *Mixed*: 0.2 s before each note, a note of another technique of the same player \
                 begins to ring, so many dB against the note's first 13 ms, and rings on through all \
                 that is heard of it. Rooms: decaying noise, RT60 0.25 s at -12 dB and 0.6 s at \
                 -6 dB. Microphones: the spectrum tilted by 1.5 dB an octave. Noise: white, against \
                 the recording's peak. *Quiet before*: what sounds before each note is faded out until \
                 so long before its label, and there is room noise at -76 dB.\n\n{}",
                evaluation.protocol.name(),
                evaluation.onsets.labelled,
                condition_table(evaluation)
            );
        }
    }

    for evaluation in evaluations {
        if let Some(second) = &evaluation.second {
            let _ = write!(
                card,
                "\n## Second decision\nBy {}. The plugin amends each answer by what `{}` says of the \
                 same note later.\n\n{}",
                evaluation.protocol.name(),
                architecture.second.unwrap_or_default(),
                second_decision(evaluation, second)
            );
        }
    }

    for evaluation in evaluations {
        if !evaluation.listening.is_empty() {
            let _ = write!(
                card,
                "\n## Listening\nBy {}. While it is played, the plugin learns the player from its own \
                 decisions, right or wrong. Here each player's session is heard note by note, in \
                 orders drawn at random, {ROUNDS} times: all notes mixed, or one take after another. \
                 Every answer counts, from the first note on, when nothing is learnt yet.\n\n{}",
                evaluation.protocol.name(),
                listening(evaluation)
            );
        }
    }

    let _ = write!(
        card,
        "\n## Network\n{} features of the preset `{}` -> {}; {} parameters.\n",
        architecture.features.len(),
        architecture.preset,
        layers(&architecture.layers),
        thousands(architecture.n_parameters),
    );
    card.push_str(&training(&architecture.recipe, epochs));
    if let Some(provenance) = &manifest.provenance {
        let _ = write!(card, "\nData: {}.\n", provenance.data);
        if let Some(command) = &provenance.trained_by {
            let _ = write!(card, "\nMade by `{command}`, this card included.\n");
        }
    }
    let _ = write!(card, "\nLicence: {}.\n", manifest.licence);
    card
}

/// How the network was trained.
fn training(recipe: &Recipe, epochs: usize) -> String {
    let augmentation = &recipe.augmentation;
    let mut text = format!(
        "\n## Training\nAll detected notes, {} copies of each (window shifted by {} to {} samples, \
         level by ±{} dB, polarity, noise {} to {} dB below the peak), AdamW with a rate of {} \
         falling by a cosine over {} epochs, weight decay {}, batches of {}, dropout {}, label \
         smoothing {}",
        augmentation.copies,
        augmentation.jitter.0,
        augmentation.jitter.1,
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
    if recipe.early_stopping {
        let _ = writeln!(
            text,
            "; stopped after {epochs} epochs, where networks that had not heard one of the players \
             were best on that player, all players taken together."
        );
    } else {
        text.push_str(".\n");
    }
    if let Sampling::EachGroup {
        draws,
        made_palm_mutes,
    } = recipe.sampling
    {
        let _ = write!(
            text,
            "\nAn epoch draws {draws} notes of each technique of each session, and {made_palm_mutes} \
             palm mutes that were made of each session's open notes by damping them in time and \
             frequency from their onset on."
        );
    }
    if let Some(sound) = &augmentation.sound {
        let _ = write!(
            text,
            " The copies differ in sound: varispeed by ±{} semitones (±{} for what has no pitch), \
             equalisers (tilt ±{} dB an octave, bells ±{} dB, shelves ±{} dB), rooms (RT60 {} to {} \
             s at {} to {} dB), and in {:.0} of 100 another technique of the same player rings on at \
             {} to {} dB.",
            sound.pitched_semitones,
            sound.percussive_semitones,
            sound.equaliser.tilt_db,
            sound.equaliser.bell_db,
            sound.equaliser.shelf_db,
            sound.room.rt60_s.0,
            sound.room.rt60_s.1,
            sound.room.level_db.0,
            sound.room.level_db.1,
            100.0 * sound.ringing_share,
            sound.ringing_db.0,
            sound.ringing_db.1,
        );
    }
    if let Some(sound) = augmentation.sound.as_ref().filter(|sound| sound.played > 0) {
        let _ = write!(
            text,
            " {} further copies of each note are heard while it is played among others of its session, as \
             in the performances above but faster, softer and louder, in other rooms and through other \
             microphones; attacks of {:.0} (percussive: {:.0}) in 100 of them are made slower (half of \
             the amplitude after 1 to 6 ms).",
            sound.played,
            100.0 * sound.slow_attacks.0,
            100.0 * sound.slow_attacks.1,
        );
    }
    if let Some(perturbation) = &recipe.perturbation {
        let _ = write!(
            text,
            " Each time a note is shown, every band of its patch is louder or softer by {} dB \
             (standard deviation), and dies away by {} dB more or less over the patch, each band by \
             {} dB of its own.",
            perturbation.band_db, perturbation.decay_db, perturbation.band_decay_db,
        );
    }
    if recipe.hidden_patch > 0.0 {
        let _ = write!(
            text,
            " Of {:.0} in 100 notes shown, the late patch is hidden.",
            100.0 * recipe.hidden_patch
        );
    }
    if augmentation.sound.is_some() {
        text.push('\n');
    }
    text
}

/// What a user must know, each item from the figures.
fn weaknesses(evaluations: &[Evaluation], rings: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let find = |protocol| evaluations.iter().find(|e| e.protocol == protocol);
    if let Some(unheard) = find(Protocol::LeaveOnePlayerOut) {
        if let Some(performances) = &unheard.performances {
            let (apart, rising) = (performances.apart(), performances.rising_apart());
            let named = apart.accuracy();
            let named = named.iter().map(|share| format!("{:.0}", 100.0 * share));
            lines.push(format!(
                "**When a guitarist plays whom it has never heard, {} of 100 notes are named \
                 rightly**: notes at least 100 ms apart, of which {:.0} in 100 are heard at all. Of those \
                 that rise by 3 dB or more above what rings, {:.0} in 100 are heard.",
                named.collect::<Vec<_>>().join(" (at once) and then "),
                100.0 * apart.recall(),
                100.0 * rising.recall(),
            ));
        }
        let confusion = &unheard.confusion;
        let accuracy = |part: &crate::evaluation::Part| part.confusion.accuracy();
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
        let surplus = unheard.mean_confidence() - confusion.accuracy();
        if surplus.abs() > 0.05 {
            lines.push(format!(
                "Its probabilities do not tell how far to trust it with an unheard player: they \
                 are {:.2} on average where {:.2} would be true.",
                unheard.mean_confidence(),
                confusion.accuracy()
            ));
        }
        let takes = unheard.by_take();
        let poor = takes.iter().filter(|take| take.confusion.accuracy() < 0.2);
        lines.push(format!(
            "Errors come as whole takes: in {} of {} takes it is right in less than 20 of 100 notes. \
             Drawing the takes again gives an interval (95 %) of {}.",
            poor.count(),
            takes.len(),
            range_of(interval(&takes, |drawn| {
                Tally::sum(drawn.iter().copied()).confusion.accuracy()
            }))
        ));
        let accuracy = |result: &ConditionResult| result.at_clean_onsets.accuracy();
        let conditions = unheard.conditions.iter();
        if let Some(worst) = conditions.min_by(|a, b| accuracy(a).total_cmp(&accuracy(b))) {
            lines.push(format!(
                "Of the conditions tried it suffers most from \"{}\": {:.2} where it has {:.2} as \
                 recorded.",
                worst.name,
                accuracy(worst),
                confusion.accuracy()
            ));
        }
        let deaf = unheard.conditions.iter().max_by_key(|c| c.missed.len());
        if let Some(deaf) = deaf {
            lines.push(format!(
                "The onset detector misses notes while others ring: as recorded {} of {} \
                 notes, with \"{}\" {} of them.",
                unheard.missed.len(),
                unheard.onsets.labelled,
                deaf.name,
                deaf.missed.len()
            ));
        }
    }
    if let Some(evaluation) = evaluations.first() {
        lines.push(format!(
            "It knows {} players, and takes of one technique each: techniques in turn, with one \
             note ringing into the next, were never heard{}.",
            evaluation.players.len() + evaluation.only_trained_on.len(),
            if rings { " but mixed" } else { "" }
        ));
        let onsets = &evaluation.onsets;
        lines.push(format!(
            "{} of {} labelled notes are not detected at all; where they are not said to count as \
             wrong, they count in none of the figures.",
            onsets.labelled - onsets.delays_s.len(),
            onsets.labelled
        ));
    }
    lines
}

fn range_of((low, high): (f64, f64)) -> String {
    format!("{low:.2} to {high:.2}")
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
    use crate::report::json::tests::{evaluation, without_second_network};

    #[test]
    fn all_players_it_has_heard_count_and_only_the_decisions_there_are() {
        let mut evaluation = evaluation();
        evaluation.only_trained_on = vec!["BeaBru".to_owned()];
        let mut performances = without_second_network();
        evaluation.performances = Some(performances.clone());
        let lines = weaknesses(&[evaluation.clone()], false).join("\n");
        assert!(lines.contains("It knows 2 players"), "{lines}");
        assert!(lines.contains("heard, 50 of 100 notes"), "{lines}");
        performances.decisions = 2;
        evaluation.performances = Some(performances);
        let lines = weaknesses(&[evaluation], false).join("\n");
        assert!(lines.contains("50 (at once) and then 0 of 100"), "{lines}");
    }

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
