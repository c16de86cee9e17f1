//! A model learns from a few examples, forgets them, and keeps them in a profile.

#[path = "../../engines/tests/suite/counting_allocator.rs"]
mod counting_allocator;
#[path = "../../engines/tests/suite/random_package.rs"]
mod random_package;

use counting_allocator::CALLS;
use proptest::prelude::*;
use random_package::Random;
use tocco_engines::WeightFormat;
use tocco_engines::package::Tensors;
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::{Classifier, EngineId, LoadError, ModelPackage, Statistics, Tensor};
use tocco_recognizer::adaptation::{
    Calibration, MOST_EXAMPLES, Profile, ProfileExample, TeachError,
};

const CLASSES: usize = 8;

fn probabilities(package: &ModelPackage, engine: EngineId, features: &[f32]) -> Vec<f32> {
    let mut classifier = Classifier::new(package, engine).unwrap();
    let mut probabilities = vec![0.0; CLASSES];
    classifier.classify(features, &mut probabilities).unwrap();
    probabilities
}

fn best(probabilities: &[f32]) -> usize {
    let classes = 0..probabilities.len();
    classes
        .max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]))
        .unwrap()
}

/// A model that knows where eight classes lie in a space of 24 features: a layer that passes them
/// on, and a head that a nearest-mean rule gives.
struct World {
    package: ModelPackage,
    /// `[n_classes][n_features]`
    centres: Vec<Vec<f32>>,
    random: Random,
}

const FEATURES: usize = 24;

impl World {
    fn new() -> Self {
        let mut random = Random::new(4);
        let centres: Vec<Vec<f32>> = (0..CLASSES)
            .map(|_| random.vector(FEATURES, 1.0, 2.0))
            .collect();
        let mut pass = vec![0.0; FEATURES * FEATURES];
        (0..FEATURES).for_each(|i| pass[i * FEATURES + i] = 1.0);
        let square = |centre: &Vec<f32>| centre.iter().map(|x| x * x).sum::<f32>();
        let mut tensors = Tensors::new();
        for (name, shape, values) in [
            ("dense_0.weight", vec![FEATURES, FEATURES], pass),
            ("dense_0.bias", vec![FEATURES], vec![0.0; FEATURES]),
            ("dense_1.weight", vec![CLASSES, FEATURES], centres.concat()),
            (
                "dense_1.bias",
                vec![CLASSES],
                centres.iter().map(|c| -0.5 * square(c)).collect(),
            ),
        ] {
            tensors.insert(name.to_owned(), Tensor::new(shape, values).unwrap());
        }
        let dense = |i: usize, outputs: usize| LayerSpec::Dense {
            name: format!("dense_{i}"),
            inputs: FEATURES,
            outputs,
        };
        let layers = vec![
            dense(0, FEATURES),
            LayerSpec::Relu {},
            dense(1, CLASSES),
            LayerSpec::Softmax { temperature: 1.0 },
        ];
        Self {
            package: random_package::with_tensors("world", FEATURES, layers, tensors),
            centres,
            random,
        }
    }

    /// Adds to the package where its training notes lay.
    fn tell_statistics(&mut self) {
        let mut calibration = Calibration::new(&self.package).unwrap();
        let notes: Vec<(usize, Vec<f32>)> = (0..100 * CLASSES)
            .map(|i| {
                let note = self.note(i % CLASSES);
                (i % CLASSES, calibration.embed(&note).unwrap())
            })
            .collect();
        let statistics = Statistics::fit(CLASSES, &notes).unwrap();
        let mut tensors = self.package.tensors.clone();
        tensors.extend(statistics.tensors());
        let package = ModelPackage::new(self.package.manifest.clone(), tensors, "world").unwrap();
        assert_eq!(package.statistics().unwrap(), Some(statistics));
        // The network is what it was, and so are profiles made with it.
        assert_eq!(package.fingerprint(), self.package.fingerprint());
        self.package = package;
    }

    /// A player whose classes lie elsewhere.
    fn move_centres(&mut self, by: f32) {
        for centre in &mut self.centres {
            for x in centre {
                *x += by * self.random.next();
            }
        }
    }

    fn note(&mut self, class: usize) -> Vec<f32> {
        let noise = self.random.vector(FEATURES, 0.25, 0.0);
        let centre = self.centres[class].iter();
        centre.zip(noise).map(|(x, noise)| x + noise).collect()
    }

    /// Share of right answers of `package` over 50 notes of each class.
    fn accuracy(&mut self, package: &ModelPackage) -> f64 {
        let mut right = 0;
        for i in 0..50 * CLASSES {
            let note = self.note(i % CLASSES);
            let p = probabilities(package, EngineId::Native, &note);
            right += usize::from(best(&p) == i % CLASSES);
        }
        right as f64 / (50 * CLASSES) as f64
    }
}

#[test]
fn without_examples_the_model_is_what_it_was() {
    for package in [random_package::a(), random_package::c()] {
        let mut calibration = Calibration::new(&package).unwrap();
        assert_eq!(calibration.package().unwrap(), package);
        calibration
            .teach(2, &vec![0.3; package.manifest.input.features.len()])
            .unwrap();
        calibration.mask(1, true).unwrap();
        assert_ne!(calibration.package().unwrap(), package);
        calibration.reset();
        assert_eq!(calibration.package().unwrap(), package);
        assert!(calibration.is_empty());
    }
}

/// A model of two hidden layers whose notes are compared by a projection of their features.
fn projected() -> (ModelPackage, Random) {
    const WIDTHS: [usize; 4] = [FEATURES, 20, 12, CLASSES];
    const POINT: usize = 6;
    let mut random = Random::new(9);
    let (mut tensors, mut layers) = (Tensors::new(), Vec::new());
    for (i, pair) in WIDTHS.windows(2).enumerate() {
        let (inputs, outputs) = (pair[0], pair[1]);
        let name = format!("dense_{i}");
        let weight = random.vector(outputs * inputs, 0.5, 0.0);
        let bias = random.vector(outputs, 0.5, 0.0);
        for (part, shape, values) in [
            ("weight", vec![outputs, inputs], weight),
            ("bias", vec![outputs], bias),
        ] {
            tensors.insert(
                format!("{name}.{part}"),
                Tensor::new(shape, values).unwrap(),
            );
        }
        layers.push(LayerSpec::Dense {
            name,
            inputs,
            outputs,
        });
        layers.push(LayerSpec::Relu {});
    }
    layers.pop();
    layers.push(LayerSpec::Softmax { temperature: 0.7 });
    let plain = random_package::with_tensors("projected", FEATURES, layers, tensors);
    let projection = random.vector(POINT * FEATURES, 1.0, 0.0);
    let notes: Vec<(usize, Vec<f32>)> = (0..20 * CLASSES)
        .map(|i| (i % CLASSES, random.vector(FEATURES, 1.0, 0.0)))
        .collect();
    let statistics = Statistics::fit_projected(CLASSES, &notes, projection).unwrap();
    let mut tensors = plain.tensors.clone();
    tensors.extend(statistics.tensors());
    let mut manifest = plain.manifest.clone();
    // Exact to the last digits, so that only the arithmetic differs.
    manifest.network.weight_format = Some(WeightFormat::F32);
    let package = ModelPackage::new(manifest, tensors, "projected").unwrap();
    assert_eq!(package.statistics().unwrap(), Some(statistics));
    (package, random)
}

#[test]
fn what_a_projection_says_passes_beside_the_network() {
    let (package, mut random) = projected();
    let mut calibration = Calibration::new(&package).unwrap();
    for i in 0..2 * CLASSES {
        let note = random.vector(FEATURES, 1.0, 0.0);
        calibration.teach(i % CLASSES, &note).unwrap();
    }
    let taught = calibration.package().unwrap();
    let head = calibration.head();
    let mut changed = 0.0_f32;
    for _ in 0..50 {
        let note = random.vector(FEATURES, 1.0, 0.0);
        // By the definition: the head on the embedding and the projected features behind it.
        let values = calibration.embed(&note).unwrap();
        let scores: Vec<f64> = head
            .scores(&values)
            .iter()
            .map(|score| score.exp())
            .collect();
        let sum: f64 = scores.iter().sum();
        let before = probabilities(&package, EngineId::Native, &note);
        let found = probabilities(&taught, EngineId::Native, &note);
        for ((found, score), before) in found.iter().zip(&scores).zip(&before) {
            assert!((f64::from(*found) - score / sum).abs() < 1e-4, "{found}");
            changed = changed.max((found - before).abs());
        }
    }
    assert!(changed > 0.05, "teaching changed nothing: {changed}");
    calibration.reset();
    assert_eq!(calibration.package().unwrap().tensors, package.tensors);
}

/// What listens on (`SelfTraining`) starts from where the player's notes lie.
#[test]
fn a_calibrated_package_tells_the_means_that_were_moved() {
    let (package, mut random) = projected();
    let before = package.statistics().unwrap().unwrap();
    let mut calibration = Calibration::new(&package).unwrap();
    let n_point = before.n_point();
    let mut centre = vec![0.0; n_point];
    for _ in 0..2 {
        let note = random.vector(FEATURES, 1.0, 0.0);
        calibration.teach(1, &note).unwrap();
        let values = calibration.embed(&note).unwrap();
        let point = &values[values.len() - n_point..];
        centre
            .iter_mut()
            .zip(point)
            .for_each(|(c, p)| *c += 0.5 * p);
    }
    let after = calibration.package().unwrap();
    let means = |package: &ModelPackage| package.tensors["calibration.means"].values().to_vec();
    let (old, new) = (means(&package), means(&after));
    let mut shares = Vec::new();
    for (i, (old, new)) in old.iter().zip(&new).enumerate() {
        if i / n_point == 1 {
            shares.push((new - old) / (centre[i % n_point] - old));
        } else {
            assert_eq!(old, new);
        }
    }
    // All on the same straight way, not further than two examples move it.
    for share in &shares {
        assert!(
            (share - shares[0]).abs() < 1e-3 && *share > 0.1,
            "{shares:?}"
        );
        assert!(*share < 2.0 / 3.0, "{shares:?}");
    }
    for name in ["calibration.whitening", "calibration.projection"] {
        assert_eq!(after.tensors[name], package.tensors[name]);
    }
}

#[test]
fn a_player_is_learnt_and_more_examples_teach_more() {
    for statistics in [false, true] {
        let mut world = World::new();
        if statistics {
            world.tell_statistics();
        }
        learn(world);
    }
}

fn learn(mut world: World) {
    assert!(world.accuracy(&world.package.clone()) > 0.99);
    world.move_centres(1.6);
    let mut calibration = Calibration::new(&world.package).unwrap();
    let mut accuracies = vec![world.accuracy(&world.package.clone())];
    for _ in 0..5 {
        for class in 0..CLASSES {
            let note = world.note(class);
            calibration.teach(class, &note).unwrap();
        }
        accuracies.push(world.accuracy(&calibration.package().unwrap()));
    }
    assert!(accuracies[0] < 0.9, "{accuracies:?}");
    assert!(accuracies[1] > accuracies[0], "{accuracies:?}");
    assert!(accuracies[3] > 0.9, "{accuracies:?}");
    assert!(accuracies[5] > 0.95, "{accuracies:?}");
    let right = calibration
        .report()
        .iter()
        .filter(|l| l.class == l.answer)
        .count();
    assert!(right >= 36, "{right} of 40 are right when left out");
}

#[test]
fn one_wrong_example_does_not_ruin_it_and_is_found() {
    let mut world = World::new();
    world.move_centres(1.6);
    let mut calibration = Calibration::new(&world.package).unwrap();
    let mut spoiled = Calibration::new(&world.package).unwrap();
    for i in 0..3 * CLASSES {
        let class = i % CLASSES;
        let note = world.note(class);
        calibration.teach(class, &note).unwrap();
        // A tom among the kicks.
        let note = if i == CLASSES { world.note(2) } else { note };
        spoiled.teach(class, &note).unwrap();
    }
    let sound = world.accuracy(&calibration.package().unwrap());
    let with_one_wrong = world.accuracy(&spoiled.package().unwrap());
    assert!(sound > 0.95, "{sound}");
    assert!(
        with_one_wrong > sound - 0.03,
        "{with_one_wrong} after {sound}"
    );
    let wrong: Vec<usize> = spoiled
        .report()
        .iter()
        .enumerate()
        .filter(|(_, left_out)| left_out.answer != left_out.class)
        .map(|(i, _)| i)
        .collect();
    assert_eq!(wrong, [CLASSES], "the report names it and no other");
}

#[test]
fn a_single_technique_can_be_taught() {
    for statistics in [false, true] {
        let mut world = World::new();
        if statistics {
            world.tell_statistics();
        }
        world.move_centres(1.6);
        let mut calibration = Calibration::new(&world.package).unwrap();
        for _ in 0..3 {
            let note = world.note(5);
            calibration.teach(5, &note).unwrap();
        }
        let recall = |world: &mut World, package: &ModelPackage, class: usize| {
            let mut right = 0;
            for _ in 0..200 {
                let p = probabilities(package, EngineId::Native, &world.note(class));
                right += usize::from(best(&p) == class);
            }
            right as f64 / 200.0
        };
        let package = calibration.package().unwrap();
        assert!(recall(&mut world, &package, 5) > 0.99);
        for class in 0..CLASSES {
            let base = world.package.clone();
            let before = recall(&mut world, &base, class);
            let after = recall(&mut world, &package, class);
            assert!(after > before - 0.15, "{class}: {before} became {after}");
        }
    }
}

#[test]
fn masked_classes_get_exactly_nothing_in_every_engine_of_ours() {
    let mut random = Random::new(2);
    for package in [random_package::a(), random_package::c()] {
        let n_features = package.manifest.input.features.len();
        let mut calibration = Calibration::new(&package).unwrap();
        for class in [0, 3, 7] {
            calibration.mask(class, true).unwrap();
        }
        let package = calibration.package().unwrap();
        for engine in [EngineId::Native, EngineId::NativeFixed] {
            for scale in [0.0, 1.0, 100.0, 1e30] {
                let p = probabilities(&package, engine, &random.vector(n_features, scale, 0.0));
                assert_eq!([p[0], p[3], p[7]], [0.0; 3], "{engine}, {scale}: {p:?}");
                assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{p:?}");
            }
        }
        for class in [1, 2, 4, 5] {
            calibration.mask(class, true).unwrap();
        }
        assert_eq!(calibration.mask(6, true), Err(TeachError::AllMasked));
        assert!(!calibration.masked()[6]);
    }
}

#[test]
fn an_undone_example_leaves_no_trace() {
    let mut random = Random::new(6);
    let mut calibration = Calibration::new(&random_package::c()).unwrap();
    let mut heads = vec![calibration.head()];
    for class in [0, 0, 4, 0, 4] {
        calibration
            .teach(class, &random.vector(173, 1.0, 0.0))
            .unwrap();
        heads.push(calibration.head());
    }
    assert_eq!(calibration.taught().collect::<Vec<_>>(), [0, 0, 4, 0, 4]);
    for head in heads.iter().rev().skip(1) {
        assert!(calibration.undo());
        assert_eq!(&calibration.head(), head);
    }
    assert!(!calibration.undo());
}

#[test]
fn a_forgotten_example_was_never_taught() {
    let mut random = Random::new(7);
    let classes = [0, 4, 0, 0, 4];
    let notes = classes.map(|class| (class, random.vector(173, 1.0, 0.0)));
    let taught = |notes: &[(usize, Vec<f32>)]| {
        let mut calibration = Calibration::new(&random_package::c()).unwrap();
        for (class, features) in notes {
            calibration.teach(*class, features).unwrap();
        }
        calibration
    };
    for index in 0..classes.len() {
        let mut calibration = taught(&notes);
        assert!(calibration.forget(index));
        let mut others = notes.to_vec();
        others.remove(index);
        let expected = taught(&others);
        assert_eq!(calibration.head(), expected.head());
        assert_eq!(calibration.profile(), expected.profile());
    }
    let mut calibration = taught(&notes);
    assert!(!calibration.forget(classes.len()));
    assert_eq!(calibration.profile(), taught(&notes).profile());
}

#[test]
fn what_cannot_be_taught_is_refused() {
    let mut calibration = Calibration::new(&random_package::c()).unwrap();
    let note = [0.1; 173];
    let error = calibration.teach(8, &note).unwrap_err();
    assert!(matches!(
        error,
        TeachError::Class {
            found: 8,
            n_classes: 8
        }
    ));
    assert!(matches!(
        calibration.teach(0, &note[1..]),
        Err(TeachError::Features(_))
    ));
    assert!(calibration.is_empty());
    for _ in 0..MOST_EXAMPLES {
        calibration.teach(0, &note).unwrap();
    }
    assert_eq!(calibration.teach(0, &note), Err(TeachError::Full));
    // Features that are no numbers count as their means.
    calibration.undo();
    calibration.teach(0, &[f32::NAN; 173]).unwrap();
    assert!(calibration.package().is_ok());
}

#[test]
fn a_network_without_hidden_layers_can_be_taught() {
    let layers = vec![
        LayerSpec::Dense {
            name: "only".to_owned(),
            inputs: 5,
            outputs: CLASSES,
        },
        LayerSpec::Softmax { temperature: 2.0 },
    ];
    let package = random_package::package("linear", 5, layers);
    let mut calibration = Calibration::new(&package).unwrap();
    let note = [1.0, -1.0, 0.5, 0.0, 2.0];
    let before = probabilities(&package, EngineId::Native, &note);
    let worst = (0..CLASSES)
        .min_by(|a, b| before[*a].total_cmp(&before[*b]))
        .unwrap();
    for _ in 0..5 {
        calibration.teach(worst, &note).unwrap();
    }
    let after = probabilities(&calibration.package().unwrap(), EngineId::Native, &note);
    assert!(after[worst] > before[worst], "{before:?} became {after:?}");
}

fn taught() -> Calibration {
    let mut random = Random::new(8);
    let mut calibration = Calibration::new(&random_package::c()).unwrap();
    for class in [1, 4, 1] {
        calibration
            .teach(class, &random.vector(173, 1.0, 0.0))
            .unwrap();
    }
    calibration.mask(0, true).unwrap();
    calibration
}

fn refused<T>(result: Result<T, LoadError>) -> tocco_engines::Malformed {
    match result {
        Err(LoadError::Malformed(malformed)) => *malformed,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[test]
fn a_profile_brings_everything_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("player.json");
    let calibration = taught();
    calibration.save(&file).unwrap();
    let mut again = Calibration::new(&random_package::c()).unwrap();
    again.teach(7, &[0.5; 173]).unwrap();
    again.load(&file).unwrap();
    assert_eq!(again.profile(), calibration.profile());
    assert_eq!(again.package().unwrap(), calibration.package().unwrap());
    assert_eq!(again.report(), calibration.report());
    let missing = again
        .load(folder.path().join("absent.json"))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("absent.json: cannot be read"), "{missing}");
    assert_eq!(
        again.profile(),
        calibration.profile(),
        "nothing has changed"
    );
}

#[test]
fn a_profile_of_another_model_is_refused_in_words() {
    let profile = taught().profile();
    let refusal = |package: &ModelPackage| {
        let mut calibration = Calibration::new(package).unwrap();
        let refused = refused(calibration.restore(&profile, "me.json"));
        assert!(calibration.is_empty());
        refused
    };
    let b = refusal(&random_package::b());
    assert_eq!((b.field.as_str(), b.found.as_str()), ("model", "c"));
    assert!(
        b.to_string()
            .contains("select the model that was taught (\"c\")"),
        "{b}"
    );
    let mut retrained = random_package::c();
    let tensor = &retrained.tensors["dense_0.bias"];
    let moved = tensor.values().iter().map(|v| v + 0.1).collect();
    let tensor = Tensor::new(tensor.shape().to_vec(), moved).unwrap();
    retrained.tensors.insert("dense_0.bias".to_owned(), tensor);
    assert_eq!(refusal(&retrained).field, "weights");
    let mut renamed = random_package::c();
    renamed.manifest.labels[3] = "slap".to_owned();
    assert_eq!(refusal(&renamed).field, "labels");
}

#[test]
fn every_wrong_field_of_a_profile_is_named() {
    let text = taught().profile().to_json("me.json").unwrap();
    for (from, to, field) in [
        ("\"format\":1", "\"format\":2", "format"),
        ("\"format\":1", "\"format\":\"1\"", "format"),
        ("\"format\":1", "\"format\":1,\"more\":1", "more"),
        (
            "\"masked\":[\"class 0\"]",
            "\"masked\":[\"class 9\"]",
            "masked[0]",
        ),
        (
            "\"masked\":[\"class 0\"]",
            "\"masked\":[\"class 0\",\"class 0\"]",
            "masked[1]",
        ),
        (
            "\"labels\":[\"class 0\"",
            "\"labels\":[\"class 1\"",
            "labels[1]",
        ),
        (
            "{\"label\":\"class 4\"",
            "{\"label\":\"kick\"",
            "examples[1].label",
        ),
        (
            "\"embedding\":[",
            "\"embedding\":[1.0,",
            "examples[1].embedding",
        ),
        (
            "\"embedding\":[",
            "\"embedding\":[1e300,",
            "examples[0].embedding[0]",
        ),
        (
            "\"embedding\":[",
            "\"embedding\":[null,",
            "examples[0].embedding[0]",
        ),
    ] {
        assert!(text.contains(from), "nothing to replace: {from}\n{text}");
        // Lengths are compared with the first example, so that one more there is one less later.
        let refused = refused(Profile::parse(&text.replacen(from, to, 1), "me.json"));
        if to != "\"embedding\":[1e300," {
            assert_eq!(refused.field, field, "{from} -> {to}: {refused}");
        }
        assert_eq!(refused.file, "me.json");
        assert!(!refused.remedy.is_empty());
    }
    let all: Vec<String> = (0..CLASSES).map(|i| format!("\"class {i}\"")).collect();
    let all = text.replace(
        "\"masked\":[\"class 0\"]",
        &format!("\"masked\":[{}]", all.join(",")),
    );
    assert_eq!(refused(Profile::parse(&all, "me.json")).field, "masked");
    assert!(Profile::parse(&format!("{text} x"), "me.json").is_err());
}

#[test]
fn statistics_of_another_shape_are_refused() {
    let mut world = World::new();
    world.tell_statistics();
    let change = |name: &str, shape: Option<Vec<usize>>| {
        let mut tensors = world.package.tensors.clone();
        tensors.remove(name);
        if let Some(shape) = shape {
            let values = vec![0.0; shape.iter().product()];
            tensors.insert(name.to_owned(), Tensor::new(shape, values).unwrap());
        }
        refused(ModelPackage::new(
            world.package.manifest.clone(),
            tensors,
            "test",
        ))
    };
    for name in ["calibration.means", "calibration.whitening"] {
        assert_eq!(change(name, None).field, name);
        assert_eq!(change(name, Some(vec![CLASSES, 23])).field, name);
        assert_eq!(
            change("calibration.more", Some(vec![1])).field,
            "calibration.more"
        );
    }
}

#[test]
fn points_of_no_values_are_refused() {
    let (package, _) = projected();
    let mut tensors = package.tensors.clone();
    for (name, shape) in [
        ("calibration.means", [CLASSES, 0]),
        ("calibration.whitening", [0, 0]),
        ("calibration.projection", [0, FEATURES]),
    ] {
        let nothing = Tensor::new(shape.to_vec(), Vec::new()).unwrap();
        assert!(tensors.insert(name.to_owned(), nothing).is_some());
    }
    let refused = refused(ModelPackage::new(package.manifest.clone(), tensors, "test"));
    assert_eq!(refused.field, "calibration.projection");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = Profile::parse(&text, "any");
    }

    #[test]
    fn any_damage_is_read_or_refused(
        cut in 0_usize..6000,
        at in 0_usize..6000,
        byte in any::<u8>(),
    ) {
        let text = taught().profile().to_json("any").unwrap();
        let mut bytes = text.into_bytes();
        let n = bytes.len();
        bytes[at % n] = byte;
        bytes.truncate(n - cut % n);
        let mut calibration = Calibration::new(&random_package::c()).unwrap();
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(profile) = Profile::parse(&text, "any")
            && calibration.restore(&profile, "any").is_ok()
        {
            // What was accepted can be used, unless its numbers are absurd.
            let _ = calibration.package();
            prop_assert_eq!(calibration.profile(), profile);
        }
    }

    #[test]
    fn a_profile_is_read_back_as_it_was_written(
        values in proptest::collection::vec(proptest::num::f32::NORMAL | proptest::num::f32::ZERO, 1..20),
        n in 0_usize..6,
    ) {
        let mut profile = taught().profile();
        profile.examples.truncate(0);
        for i in 0..n {
            profile.examples.push(ProfileExample {
                label: format!("class {}", i % CLASSES),
                embedding: values.clone(),
            });
        }
        let text = profile.to_json("any").unwrap();
        prop_assert_eq!(Profile::parse(&text, "any").unwrap(), profile);
    }
}

#[test]
fn a_calibrated_network_makes_no_heap_call() {
    let mut calibration = Calibration::new(&random_package::c()).unwrap();
    calibration.teach(3, &[0.2; 173]).unwrap();
    calibration.mask(1, true).unwrap();
    let package = calibration.package().unwrap();
    for engine in [EngineId::Native, EngineId::NativeFixed] {
        let mut classifier = Classifier::new(&package, engine).unwrap();
        let features = vec![0.1; classifier.n_features()];
        let mut probabilities = vec![0.0; classifier.n_classes()];
        let before = CALLS.get();
        for _ in 0..10 {
            classifier.classify(&features, &mut probabilities).unwrap();
        }
        assert_eq!(CALLS.get() - before, 0, "{engine}");
    }
    let before = CALLS.get();
    drop(std::hint::black_box(vec![1_u8; 10]));
    assert_eq!(CALLS.get() - before, 2, "the counter does not count");
}
