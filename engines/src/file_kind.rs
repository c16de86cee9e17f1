//! What a file is, told by its first bytes, so that one that is not what its name says is answered
//! with its true kind and with what to do.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;

use serde::de::IgnoredAny;
use zip::ZipArchive;

use crate::LoadError;
use crate::convert::Format;

/// What the bytes of a file begin like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A format that an engine runs.
    Model(Format),
    /// A file of another kind, and what to do with it.
    Other(&'static str, &'static str),
    /// Nothing that is known here: an ONNX model has no mark of its own.
    Unknown,
}

const COPY: &str = "copy the file itself again";

const SAVE_SCRIPT: &str = "load it into its model in Python, and save that with its code: torch.jit.save(torch.jit.script(model.eval()), \"model.pt\")";

const EXPORT_KERAS: &str = "load it in Keras and export it: tf.lite.TFLiteConverter.from_keras_model(model).convert() makes a .tflite file, RTNeural's model_utils.py a .json file";

const EXPORT_PROGRAM: &str = "load the weights into the program that they belong to, and export that as .onnx, .tflite, TorchScript .pt or RTNeural .json";

/// Kinds with a mark at the beginning.
const MARKS: &[(&[u8], &str, &str)] = &[
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file, as Keras writes (.h5)",
        EXPORT_KERAS,
    ),
    (
        b"GGUF",
        "a GGUF file, weights of a language model",
        EXPORT_PROGRAM,
    ),
    (b"\x93NUMPY", "an array of NumPy (.npy)", EXPORT_PROGRAM),
    (
        b"version https://git-lfs.github.com/spec/",
        "a pointer of Git LFS to the file",
        "fetch the file itself: git lfs pull",
    ),
    (b"<!DOCTYPE", "a web page", COPY),
    (b"<!doctype", "a web page", COPY),
    (b"<html", "a web page", COPY),
    (b"\x7fELF", "a program or a library", COPY),
    (b"RIFF", "a sound file", COPY),
];

/// Refuses `bytes`, of a file that goes by the name of the `format`, if they are of a known other
/// kind. What passes may still be anything.
///
/// # Errors
/// Names the kind and what to do.
pub(crate) fn check(bytes: &[u8], format: Format, file: &str) -> Result<(), LoadError> {
    // The most common case is not read twice.
    if format == Format::RtNeural && begins_like_json(bytes) {
        return Ok(());
    }
    match kind_of(bytes) {
        Kind::Model(found) if found != format => Err(LoadError::malformed(
            file,
            "kind of file",
            format,
            found,
            format_args!(
                "give it a name that ends in .{}, and run it in engine {}",
                found.extension(),
                found.engine()
            ),
        )),
        Kind::Other(what, remedy) => Err(refused(file, format, what, remedy)),
        Kind::Model(_) | Kind::Unknown => Ok(()),
    }
}

/// Refuses `bytes`, of a file whose name is that of no format, if they are of a known kind. What passes
/// may still be anything.
///
/// # Errors
/// Names the kind and what to do, if it is known.
pub fn check_unnamed(bytes: &[u8], file: &str) -> Result<(), LoadError> {
    let models = "onnx, tflite, torchscript or rtneural";
    match kind_of(bytes) {
        Kind::Model(found) => Err(LoadError::malformed(
            file,
            "name",
            format_args!("one that ends in .{}", found.extension()),
            file,
            format_args!("it is a {found} file: rename it"),
        )),
        Kind::Other(what, remedy) => Err(refused(file, models, what, remedy)),
        Kind::Unknown => Ok(()),
    }
}

/// What a JSON file is that is no model of RTNeural's, if it is known, as an error.
pub(crate) fn other_json(json: &[u8], file: &str) -> Option<LoadError> {
    match json_kind(json) {
        Kind::Other(what, remedy) => Some(refused(file, Format::RtNeural, what, remedy)),
        Kind::Model(_) | Kind::Unknown => None,
    }
}

fn refused(file: &str, expected: impl std::fmt::Display, what: &str, remedy: &str) -> LoadError {
    LoadError::malformed(
        file,
        "kind of file",
        format_args!("a model file of {expected}"),
        what,
        remedy,
    )
}

fn kind_of(bytes: &[u8]) -> Kind {
    if bytes.is_empty() {
        return Kind::Other("an empty file", COPY);
    }
    if let Some(&(_, what, remedy)) = MARKS.iter().find(|(mark, ..)| bytes.starts_with(mark)) {
        return Kind::Other(what, remedy);
    }
    match bytes.get(4..8) {
        Some(b"TFL3") => return Kind::Model(Format::TfLite),
        Some(b"ORTM") => {
            return Kind::Other(
                "a model in ONNX Runtime's own format (.ort)",
                "use the .onnx file that it was made from",
            );
        }
        _ => {}
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return zip_kind(bytes);
    }
    if begins_like_json(bytes) {
        return json_kind(bytes);
    }
    // Python's pickles begin with their protocol; torch.save wrote them before its zip archives.
    if let [0x80, 2..=5, ..] = bytes {
        return Kind::Other(
            "a pickle of Python, as torch.save, joblib or scikit-learn write",
            SAVE_SCRIPT,
        );
    }
    if is_safetensors(bytes) {
        return Kind::Other(
            "a safetensors file, weights without the network they belong to",
            EXPORT_PROGRAM,
        );
    }
    Kind::Unknown
}

fn begins_like_json(bytes: &[u8]) -> bool {
    without_mark(bytes).trim_ascii_start().starts_with(b"{")
}

/// The text of a file without the byte order mark that editors and shells of Windows put before UTF-8.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// A length of 8 bytes, then so much JSON.
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    let length = u64::from_le_bytes(*length);
    rest.first() == Some(&b'{') && usize::try_from(length).is_ok_and(|n| n <= rest.len())
}

/// TorchScript is an archive with code; what `torch.save` writes has none.
fn zip_kind(bytes: &[u8]) -> Kind {
    let Ok(archive) = ZipArchive::new(Cursor::new(bytes)) else {
        return Kind::Unknown;
    };
    let names: Vec<Cow<'_, str>> = archive.file_names().filter_map(Result::ok).collect();
    let has = |wanted: &dyn Fn(&str) -> bool| names.iter().any(|name| wanted(name));
    // All is in a folder of the archive's name.
    let inner = |name: &str| {
        name.split_once('/')
            .map_or("", |(_, inner)| inner)
            .to_owned()
    };
    if has(&|name| inner(name) == "data.pkl") {
        if has(&|name| inner(name).starts_with("code/")) {
            return Kind::Model(Format::TorchScript);
        }
        return Kind::Other(
            "what torch.save writes, a state_dict or a model without its code",
            SAVE_SCRIPT,
        );
    }
    if has(&|name| {
        name.ends_with("archive_format") || name.ends_with("serialized_exported_program.json")
    }) {
        return Kind::Other("a program of torch.export (.pt2)", SAVE_SCRIPT);
    }
    if has(&|name| name == "model.weights.h5") {
        return Kind::Other("a model of Keras (.keras)", EXPORT_KERAS);
    }
    if has(&|name| name.ends_with(".npy")) {
        return Kind::Other("arrays of NumPy (.npz)", EXPORT_PROGRAM);
    }
    Kind::Other(
        "a zip archive that is no model of PyTorch",
        "unpack it, and use the model file in it",
    )
}

/// What a JSON file of a model is, told by its fields.
fn json_kind(json: &[u8]) -> Kind {
    let Ok(fields) = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(without_mark(json))
    else {
        return Kind::Unknown;
    };
    let has = |names: &[&str]| names.iter().all(|name| fields.contains_key(*name));
    if has(&["in_shape", "layers"]) {
        return Kind::Model(Format::RtNeural);
    }
    if has(&["architecture", "weights"]) {
        return Kind::Other(
            "a capture of Neural Amp Modeler (.nam)",
            "use it in a player of such captures: it makes sound of sound, and Tocco's networks name techniques",
        );
    }
    if has(&["model_data", "state_dict"]) {
        return Kind::Other(
            "a state_dict of Automated-GuitarAmpModelling (GuitarML, NeuralPi)",
            "convert it to RTNeural's JSON with that project's modelToKeras.py",
        );
    }
    if has(&["class_name", "config"]) {
        return Kind::Other(
            "the description of a Keras model, without its weights",
            EXPORT_KERAS,
        );
    }
    if has(&["modelTopology"]) {
        return Kind::Other(
            "a model of TensorFlow.js",
            "convert the Keras model that it was made from to .tflite",
        );
    }
    if fields.keys().any(|name| is_parameter_of_pytorch(name)) {
        return Kind::Other(
            "a state_dict of PyTorch, weights without the layers that they belong to, as RTNeural's torch_helpers.h reads in code that knows the layers",
            "export the whole model from PyTorch as .onnx or TorchScript .pt, and run it in engine onnx or torch",
        );
    }
    Kind::Unknown
}

/// Whether `name` is that of a parameter in a `state_dict`: `weight`, `conv.weight`,
/// `lstm.weight_ih_l0`.
fn is_parameter_of_pytorch(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last == "weight" || last == "running_mean" || last.starts_with("weight_ih_l")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::convert::convert;
    use crate::network::{Dense, Layer, Network};

    fn network() -> Network {
        Network {
            n_inputs: 1,
            n_outputs: 1,
            layers: vec![Layer::Dense(Dense {
                inputs: 1,
                outputs: 1,
                weight: vec![0.5],
                bias: vec![0.25],
            })],
        }
    }

    fn zip(names: &[&str]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for name in names {
            archive.start_file(*name, stored).unwrap();
            archive.write_all(b"x").unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn every_format_passes_as_itself_and_is_named_as_another() {
        for format in Format::ALL {
            let bytes = convert(&network(), format).unwrap();
            for claimed in Format::ALL {
                let checked = check(&bytes, claimed, "file");
                // An ONNX file has no mark.
                if claimed == format || format == Format::Onnx {
                    checked.unwrap();
                } else {
                    let error = checked.unwrap_err().to_string();
                    assert!(error.contains(&format!("found {format}")), "{error}");
                    assert!(error.contains(format.engine().name()), "{error}");
                }
            }
        }
    }

    #[test]
    fn other_files_are_named_with_what_to_do() {
        let safetensors = [&8_u64.to_le_bytes()[..], b"{}      "].concat();
        let cases: &[(&[u8], &str, &str)] = &[
            (b"", "empty", "copy"),
            (b"\x89HDF\r\n\x1a\n\0\0", "HDF5", "Keras"),
            (b"GGUF\x03\0\0\0", "GGUF", "export"),
            (b"\x93NUMPY\x01\0", "NumPy", "export"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid",
                "Git LFS",
                "git lfs pull",
            ),
            (b"<!DOCTYPE html>", "web page", "copy"),
            (
                b"\x80\x02ccollections\nOrderedDict\n",
                "pickle",
                "torch.jit.save",
            ),
            (b"\x18\0\0\0ORTM", "ONNX Runtime", ".onnx"),
            (&safetensors, "safetensors", "export"),
            (
                &zip(&["weights/data.pkl", "weights/data/0", "weights/version"]),
                "state_dict",
                "torch.jit.save",
            ),
            (
                &zip(&["config.json", "model.weights.h5"]),
                ".keras",
                "Keras",
            ),
            (&zip(&["x.npy"]), ".npz", "export"),
            (&zip(&["readme"]), "zip", "unpack"),
            (
                br#"{"version": "0.5", "architecture": "LSTM", "config": {}, "weights": [1]}"#,
                "Neural Amp Modeler",
                "player",
            ),
            (
                br#"{"model_data": {}, "state_dict": {}}"#,
                "GuitarML",
                "modelToKeras.py",
            ),
            (
                br#"{"class_name": "Sequential", "config": {}}"#,
                "without its weights",
                "Keras",
            ),
            (
                br#"{"weight": [[[0.5]]], "bias": [0.25]}"#,
                "state_dict of PyTorch",
                ".onnx",
            ),
            (
                br#"{"lstm.weight_ih_l0": [[0.5]], "lstm.bias_ih_l0": [0.25]}"#,
                "state_dict of PyTorch",
                ".onnx",
            ),
            (
                b"\xef\xbb\xbf{\"modelTopology\": {}, \"weightsManifest\": []}",
                "TensorFlow.js",
                ".tflite",
            ),
        ];
        for &(bytes, what, remedy) in cases {
            for format in [Format::Onnx, Format::TfLite, Format::TorchScript] {
                let error = check(bytes, format, "file").unwrap_err().to_string();
                assert!(error.contains(what) && error.contains(remedy), "{error}");
                assert!(!error.contains("copied completely"), "{error}");
            }
            let error = check_unnamed(bytes, "file").unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn an_archive_with_code_is_torchscript() {
        let bytes = zip(&["m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"]);
        assert_eq!(kind_of(&bytes), Kind::Model(Format::TorchScript));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = check_unnamed(&bytes, "file");
        }
    }
}
