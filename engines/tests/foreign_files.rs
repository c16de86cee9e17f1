//! Model files of others that do not say all of themselves: open sizes, weights in other files.
//!
//! An engine whose library is missing is named and skipped, except in CI, where that is a failure.

use std::fs;
use std::path::{Path, PathBuf};

use tocco_engines::{Engine, EngineId, LoadError, foreign};

/// The engine with the file, or `None` after saying why the engine is absent.
fn loaded(id: EngineId, path: &Path, n_features: usize) -> Option<Result<Box<dyn Engine>, String>> {
    match foreign::load_file(id, path, n_features) {
        Ok(engine) => Some(Ok(engine)),
        Err(error @ LoadError::Engine { .. }) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI all engines must be present: {error}"
            );
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => Some(Err(error.to_string())),
    }
}

/// What the engine answers, three times over.
fn answers(engine: &mut dyn Engine, features: &[f32]) -> Vec<f32> {
    let mut first = vec![f32::NAN; engine.n_classes()];
    engine.infer(features, &mut first).unwrap();
    for _ in 0..2 {
        let mut again = vec![f32::NAN; engine.n_classes()];
        engine.infer(features, &mut again).unwrap();
        assert_eq!(again, first);
    }
    first
}

/// Quarters: 0.25, 0.5, 0.75, …
fn quarters(n: usize) -> Vec<f32> {
    (1_u8..).take(n).map(|i| f32::from(i) * 0.25).collect()
}

/// `make.py` beside the files: each step times 0.5, 1, 1.5, …, plus 0.25, times 2, minus 0.5.
#[test]
fn litert_gives_all_values_of_an_output_of_open_size() {
    for (name, steps, units) in [("crash", 10, 8), ("corrupt", 4, 5), ("short", 4, 2)] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/tflite/{name}.tflite"));
        let Some(engine) = loaded(EngineId::LiteRt, &path, steps) else {
            return;
        };
        let mut engine = engine.unwrap();
        let x = quarters(steps);
        let expected: Vec<f32> = x
            .iter()
            .flat_map(|x| (1_u8..).take(units).map(move |i| x * f32::from(i)))
            .collect();
        assert_eq!(engine.n_classes(), steps * units, "{name}");
        assert_eq!(answers(engine.as_mut(), &x), expected, "{name}");
        // As many engines as instances of the plugin.
        let mut more: Vec<_> = (0..8)
            .map(|_| loaded(EngineId::LiteRt, &path, steps).unwrap().unwrap())
            .collect();
        for engine in &mut more {
            assert_eq!(answers(engine.as_mut(), &x), expected, "{name}");
        }
    }
}

/// A protobuf message, field by field.
#[derive(Default, Clone)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn integer(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value.cast_unsigned());
        self
    }

    fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.as_ref().len() as u64);
        self.0.extend(bytes.as_ref());
        self
    }

    fn message(self, field: u64, inner: &Self) -> Self {
        self.bytes(field, &inner.0)
    }
}

/// `ValueInfoProto` of a tensor; names stand for open sizes.
fn value_info(name: &str, element: i64, sizes: &[Result<i64, &str>]) -> Message {
    let shape = sizes.iter().fold(Message::default(), |shape, size| {
        let size = match size {
            Ok(size) => Message::default().integer(1, *size),
            Err(name) => Message::default().bytes(2, name),
        };
        shape.message(1, &size)
    });
    let tensor = Message::default().integer(1, element).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().bytes(1, name).message(2, &kind)
}

/// A `ModelProto` of opset 17.
fn model(
    nodes: &[Message],
    initializers: &[Message],
    input: &Message,
    output: &Message,
) -> Vec<u8> {
    let mut graph = Message::default();
    for node in nodes {
        graph = graph.message(1, node);
    }
    graph = graph.bytes(2, "graph");
    for tensor in initializers {
        graph = graph.message(5, tensor);
    }
    graph = graph.message(11, input).message(12, output);
    let opset = Message::default().bytes(1, "").integer(2, 17);
    let model = Message::default()
        .integer(1, 8)
        .message(7, &graph)
        .message(8, &opset);
    model.0
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs
        .iter()
        .fold(Message::default(), |node, input| node.bytes(1, input));
    node.bytes(2, output).bytes(4, operator)
}

/// A `TensorProto` of `f32` whose values lie in the file `location`, from byte `offset`.
fn external(name: &str, sizes: &[i64], location: &str, offset: usize, length: usize) -> Message {
    let entry = |key: &str, value: &str| Message::default().bytes(1, key).bytes(2, value);
    let tensor = sizes
        .iter()
        .fold(Message::default(), |tensor, size| tensor.integer(1, *size));
    tensor
        .integer(2, 1)
        .bytes(8, name)
        .message(13, &entry("location", location))
        .message(13, &entry("offset", &offset.to_string()))
        .message(13, &entry("length", &length.to_string()))
        .integer(14, 1)
}

fn le_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// `y = x W + b`, `W` `[2, 3]` in one file and `b` `[3]` in another, in a folder below.
fn with_external_data(folder: &Path, location: &str) -> PathBuf {
    let initializers = [
        external("w", &[2, 3], location, 8, 24),
        external("b", &[3], "more/b.data", 0, 12),
    ];
    let nodes = [
        node("MatMul", &["x", "w"], "xw"),
        node("Add", &["xw", "b"], "y"),
    ];
    let bytes = model(
        &nodes,
        &initializers,
        &value_info("x", 1, &[Err("batch"), Ok(2)]),
        &value_info("y", 1, &[Err("batch"), Ok(3)]),
    );
    let path = folder.join("net.onnx");
    fs::write(&path, bytes).unwrap();
    fs::create_dir_all(folder.join("more")).unwrap();
    let w = le_bytes(&[9.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    fs::write(folder.join("net.onnx.data"), w).unwrap();
    fs::write(folder.join("more/b.data"), le_bytes(&[0.5, 0.25, 0.125])).unwrap();
    path
}

#[test]
fn onnx_reads_weights_from_the_files_beside_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_external_data(folder.path(), "net.onnx.data");
    let Some(engine) = loaded(EngineId::Onnx, &path, 2) else {
        return;
    };
    let y = answers(engine.unwrap().as_mut(), &[1.0, 10.0]);
    assert_eq!(y, [41.5, 52.25, 63.125]);
}

#[test]
fn weights_that_are_missing_or_elsewhere_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_external_data(folder.path(), "net.onnx.data");
    let refused = |path: &Path| {
        foreign::load_file(EngineId::Onnx, path, 2)
            .err()
            .unwrap()
            .to_string()
    };
    let model = fs::read(&path).unwrap();
    let error = foreign::load_bytes(EngineId::Onnx, &model, "net.onnx", 2)
        .err()
        .unwrap();
    assert!(error.to_string().contains("more/b.data"), "{error}");
    assert!(error.to_string().contains("load it as a file"), "{error}");

    fs::remove_file(folder.path().join("net.onnx.data")).unwrap();
    let error = refused(&path);
    assert!(error.contains("net.onnx.data beside it"), "{error}");
    assert!(error.contains("copy all files"), "{error}");
    fs::create_dir(folder.path().join("net.onnx.data")).unwrap();
    assert!(
        refused(&path).contains("found a folder"),
        "{}",
        refused(&path)
    );

    let outside = with_external_data(&folder.path().join("more"), "../net.onnx.data");
    let error = refused(&outside);
    assert!(error.contains("external_data"), "{error}");
    assert!(error.contains("\"../net.onnx.data\""), "{error}");
}

#[test]
fn onnx_gives_all_values_of_an_output_of_open_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("open.onnx");
    let scale = Message::default()
        .integer(1, 1)
        .integer(1, 1)
        .integer(1, 3)
        .integer(2, 1)
        .bytes(8, "s")
        .bytes(9, le_bytes(&[1.0, 2.0, 3.0]));
    let write = |nodes: &[Message], output: &Message| {
        let input = value_info("x", 1, &[Err("batch"), Ok(4), Ok(1)]);
        fs::write(
            &path,
            model(nodes, std::slice::from_ref(&scale), &input, output),
        )
        .unwrap();
    };
    let open = value_info("y", 1, &[Err("batch"), Err("steps"), Err("units")]);
    write(&[node("Mul", &["x", "s"], "y")], &open);
    let Some(engine) = loaded(EngineId::Onnx, &path, 4) else {
        return;
    };
    let mut engine = engine.unwrap();
    assert_eq!(engine.n_classes(), 12);
    let x = quarters(4);
    let expected: Vec<f32> = x
        .iter()
        .flat_map(|x| [1.0, 2.0, 3.0].map(|s| x * s))
        .collect();
    assert_eq!(answers(engine.as_mut(), &x), expected);

    // An output whose size depends on the values: none for zeros.
    let found = value_info("y", 7, &[Ok(3), Err("found")]);
    write(&[node("NonZero", &["x"], "y")], &found);
    let error = loaded(EngineId::Onnx, &path, 4).unwrap().err().unwrap();
    assert!(error.contains("a tensor of f32"), "{error}");
    let empty = value_info("y", 1, &[Ok(3), Err("found")]);
    let cast = node("Cast", &["i"], "y").message(
        5,
        &Message::default()
            .bytes(1, "to")
            .integer(3, 1)
            .integer(20, 2),
    );
    write(&[node("NonZero", &["x"], "i"), cast], &empty);
    let error = loaded(EngineId::Onnx, &path, 4).unwrap().err().unwrap();
    assert!(error.contains("output y: expected 1 to"), "{error}");
}
