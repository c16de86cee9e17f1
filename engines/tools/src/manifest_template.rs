//! `convert --from`: a `model.toml` for a network that comes in a file of another format.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tocco_engines::bounded_read::{read_file, write_file};
use tocco_engines::convert::Format;
use tocco_engines::inspect::{Description, TensorDescription, describe};
use tocco_engines::package::manifest::DEFAULT_ONSET;
use tocco_engines::package::{LARGEST_MANIFEST, MANIFEST_FILE};
use tocco_engines::shipped::models_folder;
use tocco_engines::{LoadError, Manifest, ModelPackage, file_kind, foreign};

use crate::package_names::package_names;

/// Most inputs or outputs of a network that a manifest is written for. A file can claim any number, and
/// each gets memory and a name.
const MOST_VALUES: usize = 1 << 20;

/// Writes the manifest for `file` into the folder `out`, or beside the file. In another folder the
/// file is copied beside it.
///
/// # Errors
/// When the file is no model file, its engine is there and refuses it, or there is a manifest
/// already.
pub fn run(file: &Path, out: Option<&Path>) -> Result<()> {
    let shown = file.display().to_string();
    let name = file
        .file_name()
        .with_context(|| format!("{shown}: not the name of a file"))?
        .to_str()
        .with_context(|| {
            format!(
                "{shown}: expected a name in Unicode, as a manifest can give, found another; rename \
                 the file"
            )
        })?;
    ensure!(
        !file.join("saved_model.pb").exists(),
        "{shown}: a SavedModel of TensorFlow, which no engine runs; convert it to .tflite: \
         tf.lite.TFLiteConverter.from_saved_model(\"{shown}\").convert()"
    );
    let model = read_file(file, foreign::LARGEST_FILE)?;
    let format = match Format::of_file_name(name) {
        Ok(format) => format,
        Err(error) => {
            file_kind::check_unnamed(&model, &shown)?;
            return Err(error.into());
        }
    };
    let description = describe(&model, format, &shown)?;
    ensure!(
        description.inputs.len() <= 1 && description.outputs.len() <= 1,
        "{shown}: expected one input and one output, found {} and {}; export the network alone",
        description.inputs.len(),
        description.outputs.len()
    );
    let companions = match format {
        Format::Onnx => foreign::companions(&model, file)?,
        _ => Vec::new(),
    };
    let n_classes = outputs(file, format, &description)?;
    let text = manifest(name, format, &description, n_classes, &known_inputs())?;

    let dir = match out {
        Some(dir) => dir,
        None => file.parent().unwrap_or(Path::new("")),
    };
    std::fs::create_dir_all(if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    })
    .with_context(|| format!("{}: cannot be made", dir.display()))?;
    let path = dir.join(MANIFEST_FILE);
    if path.exists() {
        bail!(
            "{}: there is one already; say --out DIR, or remove it",
            path.display()
        );
    }
    let from = file.parent().unwrap_or(Path::new(""));
    for copied in [Path::new(name)]
        .into_iter()
        .chain(companions.iter().map(PathBuf::as_path))
    {
        copy_beside(&from.join(copied), &dir.join(copied))?;
    }
    write_file(&path, text.as_bytes())?;
    eprintln!(
        "{}: written; fill in what it marks with FILL IN",
        path.display()
    );
    println!("{}", path.display());
    Ok(())
}

/// Number of outputs of the file's network: what its engine finds, or else what the file says.
///
/// # Errors
/// When the file claims too many inputs or outputs, or the engine is there and refuses the file.
fn outputs(file: &Path, format: Format, description: &Description) -> Result<usize> {
    let shown = file.display().to_string();
    let declared = size(&shown, "output", &description.outputs)?.unwrap_or(2);
    let Some(n_features) = size(&shown, "input", &description.inputs)? else {
        return Ok(declared);
    };
    match foreign::load_file(format.engine(), file, n_features) {
        Ok(engine) => Ok(engine.n_classes()),
        // TorchScript does not say what it takes: it was guessed from the weights.
        Err(error) if format == Format::TorchScript => {
            eprintln!("not run: {error}");
            Ok(declared)
        }
        Err(error @ LoadError::Engine { .. }) => {
            eprintln!("not run: {error}");
            Ok(declared)
        }
        Err(error) => Err(error.into()),
    }
}

/// Number of values of the only tensor, the `what` of `file`, if it is known.
///
/// # Errors
/// When there are more than a manifest is written for.
fn size(file: &str, what: &str, tensors: &[TensorDescription]) -> Result<Option<usize>> {
    let Some(tensor) = tensors.first() else {
        return Ok(None);
    };
    let n = tensor.n_values();
    let is_open = tensor.shape.iter().all(|&size| size < 1);
    ensure!(
        is_open || n.is_some_and(|n| n <= MOST_VALUES),
        "{file}: {what}: expected at most {MOST_VALUES} values, found {}; export the network alone, and \
         check that the file was copied completely",
        printable(&tensor.to_string())
    );
    Ok(n)
}

/// Copies a file of the model, unless it is there already.
///
/// # Errors
/// When another file has that name, or it cannot be copied.
fn copy_beside(from: &Path, to: &Path) -> Result<()> {
    let bytes = read_file(from, foreign::LARGEST_FILE)?;
    if to.exists() {
        ensure!(
            read_file(to, foreign::LARGEST_FILE)? == bytes,
            "{}: there is another file of this name; say --out DIR, or remove it",
            to.display()
        );
        return Ok(());
    }
    let folder = to.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    })
    .with_context(|| format!("{}: cannot be made", folder.display()))?;
    write_file(to, &bytes)?;
    Ok(())
}

/// The input of a shipped package: a file with as many inputs may take the same features.
struct KnownInput {
    id: String,
    preset: String,
    window: u32,
    onset: String,
    post_onset_hops: u32,
    features: Vec<String>,
}

fn known_inputs() -> Vec<KnownInput> {
    let shipped = models_folder();
    package_names(&shipped)
        .into_iter()
        .filter_map(|id| {
            let input = ModelPackage::load(shipped.join(&id)).ok()?.manifest.input;
            Some(KnownInput {
                id,
                preset: input.preset,
                window: input.window,
                onset: input.onset,
                post_onset_hops: input.post_onset_hops,
                features: input.features,
            })
        })
        .collect()
}

/// The text of the manifest.
///
/// # Errors
/// When the file claims too many inputs, or cannot be described in a manifest that is read.
fn manifest(
    name: &str,
    format: Format,
    description: &Description,
    n_classes: usize,
    known: &[KnownInput],
) -> Result<String> {
    let n_features = size(name, "input", &description.inputs)?.unwrap_or(1);
    let known = known
        .iter()
        .find(|input| input.features.len() == n_features);
    let (preset, window, onset, post_onset_hops) =
        known.map_or(("timbreid", 704, DEFAULT_ONSET, 5), |input| {
            let (preset, onset) = (&input.preset, &input.onset);
            (preset, input.window, onset, input.post_onset_hops)
        });
    let features = known.map_or_else(
        || (0..n_features).map(|i| format!("feature_{i}")).collect(),
        |input| input.features.clone(),
    );
    let labels: Vec<String> = (0..n_classes).map(|i| format!("class {i}")).collect();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);

    let mut text = String::new();
    let t = &mut text;
    writeln!(
        t,
        "# Manifest for {name}, run by engine {}. What the file says:",
        format.engine()
    )?;
    for (what, tensors) in [
        ("input", &description.inputs),
        ("output", &description.outputs),
    ] {
        match tensors.first() {
            Some(tensor) => writeln!(t, "#   {what}: {}", printable(&tensor.to_string()))?,
            None => writeln!(t, "#   {what}: not named in the file")?,
        }
    }
    for layer in &description.layers {
        writeln!(t, "#   {}", printable(layer))?;
    }
    writeln!(t, "format = 1\nid = {}", quoted(&id(stem)))?;
    writeln!(t, "title = {}  # FILL IN", quoted(stem))?;
    writeln!(
        t,
        "# FILL IN: the classes in the order of the network's outputs."
    )?;
    writeln!(t, "labels = {}", list(&labels))?;
    writeln!(t, "licence = \"unknown\"  # FILL IN")?;
    writeln!(t, "\n[input]\nsample_rate = 48000\nhop = 64")?;
    writeln!(t, "window = {window}\nonset = {}", quoted(onset))?;
    writeln!(t, "post_onset_hops = {post_onset_hops}")?;
    writeln!(t, "preset = {}", quoted(preset))?;
    match known {
        Some(input) => writeln!(
            t,
            "# FILL IN: guessed from package {}, which has as many inputs. Check names and order.",
            input.id
        )?,
        None => writeln!(
            t,
            "# FILL IN: the features in the order of the network's inputs."
        )?,
    }
    writeln!(t, "features = {}", list(&features))?;
    writeln!(
        t,
        "\n# FILL IN: if your network was trained on scaled features, say"
    )?;
    writeln!(
        t,
        "# kind = \"inline\", mean = [one number a feature], scale = [one number a feature]."
    )?;
    writeln!(t, "[scaler]\nkind = \"none\"")?;
    writeln!(t, "\n[network]\nfile = {}", quoted(name))?;
    // What we write is what we read.
    ensure!(
        text.len() as u64 <= LARGEST_MANIFEST,
        "{name}: expected a network that a {MANIFEST_FILE} of at most {LARGEST_MANIFEST} bytes describes, \
         found {} bytes of names; export the network alone",
        text.len()
    );
    Manifest::parse(&text, "model.toml").context("this file cannot be described")?;
    Ok(text)
}

/// An id made of a file name.
fn id(stem: &str) -> String {
    let id: String = stem
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '-' | '_') => c,
            _ => '-',
        })
        .collect();
    if id.is_empty() {
        "model".to_owned()
    } else {
        id
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| format!("  {},\n", quoted(item)))
        .collect();
    format!("[\n{}]", items.concat())
}

/// Text of a file on one line of a comment.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(n_inputs: i64) -> Description {
        let tensor = |name: &str, size: i64| {
            vec![TensorDescription {
                name: name.to_owned(),
                shape: vec![-1, size],
            }]
        };
        Description {
            inputs: tensor("x\ny = 1", n_inputs),
            outputs: tensor("y", 3),
            layers: vec!["Gemm [3, 4]".to_owned()],
        }
    }

    #[test]
    fn a_manifest_says_what_the_file_says() {
        let text = manifest("My \"net\".onnx", Format::Onnx, &description(4), 3, &[]).unwrap();
        let manifest = Manifest::parse(&text, "model.toml").unwrap();
        assert_eq!(manifest.id, "my--net-");
        assert_eq!(manifest.labels, ["class 0", "class 1", "class 2"]);
        assert_eq!(manifest.input.features.len(), 4);
        assert_eq!(manifest.network.file.as_deref(), Some("My \"net\".onnx"));
        assert!(text.contains("#   input: x y = 1 [?, 4]\n"), "{text}");
        assert!(text.contains("#   Gemm [3, 4]\n"), "{text}");
    }

    #[test]
    fn sizes_that_nothing_is_behind_are_refused() {
        for n_inputs in [1 << 62, 1 << 32, 1 << 21] {
            let described = description(n_inputs);
            let error = manifest("n.pt", Format::TorchScript, &described, 3, &[]).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("n.pt: input: expected at most"), "{error}");
            // Before the file is read, or an engine takes memory for it.
            let nowhere = Path::new("/nowhere/n.onnx");
            let error = outputs(nowhere, Format::Onnx, &described).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("n.onnx: input: expected at most"), "{error}");
        }
        let mut swapped = description(4);
        std::mem::swap(&mut swapped.inputs, &mut swapped.outputs);
        swapped.outputs[0].shape = vec![i64::MAX, i64::MAX];
        let error = outputs(Path::new("/nowhere/n.onnx"), Format::Onnx, &swapped).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("output: expected at most"), "{error}");
    }

    #[test]
    fn a_manifest_that_is_too_large_to_be_read_is_not_written() {
        let described = description(1 << 18);
        let error = manifest("n.onnx", Format::Onnx, &described, 3, &[]).unwrap_err();
        assert!(error.to_string().contains("bytes of names"), "{error}");
    }

    #[test]
    fn features_are_guessed_from_a_package_with_as_many() {
        let known = [KnownInput {
            id: "two".to_owned(),
            preset: "timbreid-48k".to_owned(),
            window: 1408,
            onset: "flux".to_owned(),
            post_onset_hops: 9,
            features: vec!["cepstrum_1".to_owned(), "mfcc_1".to_owned()],
        }];
        let text = manifest("n.tflite", Format::TfLite, &description(2), 3, &known).unwrap();
        let input = Manifest::parse(&text, "model.toml").unwrap().input;
        assert_eq!(input.features, known[0].features);
        assert_eq!(
            (input.preset.as_str(), input.window, input.onset.as_str()),
            ("timbreid-48k", 1408, "flux")
        );
        assert!(text.contains("guessed from package two"), "{text}");
    }
}
