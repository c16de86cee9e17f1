//! Names the notes of a WAV file: `cargo run --release --example recognize -- take.wav`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tocco_corpus::WavReader;
use tocco_engines::{EngineId, ModelPackage};
use tocco_recognizer::classification::ModelSerial;
use tocco_recognizer::model::{LoadedModel, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, Settings};
use tocco_recognizer::runner::Wake;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("expected a WAV file")?;
    let wav = WavReader::open(Path::new(&file))?;
    let (channels, rate) = (wav.channels(), f64::from(wav.sample_rate()));
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let first = ModelPackage::load(models.join("tocco"))?;
    let second = ModelPackage::load(models.join("tocco-late"))?;
    let config = RunConfig {
        offline: true,
        wake: Wake::Armed,
        block: Duration::ZERO,
    };
    let (engine, serial) = (EngineId::Native, ModelSerial(0));
    let (model, info) = LoadedModel::with_second(&first, Some(&second), engine, serial, config)?;
    let (mut pipeline, _service) = Pipeline::new(rate, model, Arc::default())?;
    let mut hear = |frame: &[f32]| {
        let frame: Vec<&[f32]> = frame.chunks(1).collect();
        pipeline.process(&frame, &Settings::default(), |note, _| {
            let (time, name) = (note.note.position as f64 / rate, &info.labels[note.class]);
            let amended = if note.is_second() { " (amended)" } else { "" };
            println!("{time:8.3} s  {name}  {:.2}{amended}", note.probability());
        });
    };
    wav.read(&mut hear)?;
    // The last note's second decision comes 151 ms after it.
    (0..(0.3 * rate) as usize).for_each(|_| hear(&vec![0.0; channels]));
    Ok(())
}
