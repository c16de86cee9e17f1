//! Names the notes of a WAV file: `cargo run --release --example recognize -- take.wav`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tocco_engines::{EngineId, ModelPackage};
use tocco_recognizer::classification::ModelSerial;
use tocco_recognizer::model::{LoadedModel, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, Settings};
use tocco_recognizer::runner::Wake;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args()
        .nth(1)
        .ok_or("expected the path of a WAV file")?;
    let mut wav = hound::WavReader::open(file)?;
    let (channels, rate) = (
        usize::from(wav.spec().channels),
        f64::from(wav.spec().sample_rate),
    );
    let full_scale = 2_f32.powi(i32::from(wav.spec().bits_per_sample) - 1);
    let samples: Vec<f32> = match wav.spec().sample_format {
        hound::SampleFormat::Float => wav.samples().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => (wav.samples::<i32>())
            .map(|sample| Ok(sample? as f32 / full_scale))
            .collect::<Result<_, hound::Error>>()?,
    };
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
    let silence = vec![0.0; channels * (0.3 * rate) as usize];
    for frame in samples
        .chunks_exact(channels)
        .chain(silence.chunks_exact(channels))
    {
        let frame: Vec<&[f32]> = frame.chunks(1).collect();
        pipeline.process(&frame, &Settings::default(), |note, _| {
            let (time, name) = (note.note.position as f64 / rate, &info.labels[note.class]);
            let amended = if note.is_second() { " (amended)" } else { "" };
            println!("{time:8.3} s  {name}  {:.2}{amended}", note.probability());
        });
    }
    Ok(())
}
