//! Pictures of the window with a performance running through it: `cargo xtask screenshot`.
//!
//! The plugin runs in this process as in a host, in real time, and hears a synthetic performance, soft
//! and then hard, with the lesson of the velocity beside it. The window is drawn without a screen.

#[path = "../tests/host/mod.rs"]
mod host;

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host::Host;
use nice_plug::prelude::ProcessMode;
use tocco::Tocco;
use tocco::calibration::Command;
use tocco::configuration::Configuration;
use tocco::editor::{Offscreen, Picture, SIZE};
use tocco::velocity_lesson::Step;
use tocco_dsp::synth::Performance;

const RATE: f32 = 48_000.0;
const BLOCK: usize = 64;

/// Blocks between two frames, 32 ms.
const BLOCKS_PER_FRAME: usize = 24;

/// Seconds of each part.
const SOFT: f32 = 5.0;
const HARD: f32 = 6.5;

/// Name, width, height and scale of each picture.
const SIZES: [(&str, f32, f32, f32); 6] = [
    ("720", SIZE.width, SIZE.height, 1.0),
    ("720-twice", SIZE.width, SIZE.height, 2.0),
    ("720-least", SIZE.width, 480.0, 1.0),
    ("1400", 1400.0, 900.0, 1.0),
    ("1400-twice", 1400.0, 900.0, 2.0),
    ("whole", SIZE.width, 1176.0, 1.0),
];

/// The same of the guided minute.
const GUIDED: [(&str, f32, f32, f32); 2] = [
    ("720-twice", SIZE.width, SIZE.height, 2.0),
    ("720-least", SIZE.width, 480.0, 1.0),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or("expected the folder of the pictures")?;
    std::fs::create_dir_all(&folder)?;
    let mut host = Host::new();
    host.plugin = Tocco::configured(Configuration::default());
    let shared = Arc::clone(host.plugin.shared());
    let mut window = Offscreen::new(Arc::clone(&shared));
    host.activate(RATE, BLOCK as u32, 1, ProcessMode::Realtime);
    let params = &shared.params;

    shared.calibrate(Command::Teach(Some(0)));
    perform(&mut host, &mut window, 3, 2.0, 0.4);
    shared.calibrate(Command::Teach(None));
    host::set(&params.velocity_lesson, Step::Soft);
    perform(&mut host, &mut window, 1, SOFT, 0.12);
    host::set(&params.velocity_lesson, Step::Hard);
    perform(&mut host, &mut window, 2, HARD, 0.9);
    host::set(&params.velocity_lesson, Step::Done);
    // The service thread learns.
    std::thread::sleep(Duration::from_millis(300));

    for page in ["Play", "Set up"] {
        window.click(page, 0)?;
        window.leave();
        for (name, width, height, scale) in SIZES {
            window.resize((width, height), scale);
            let picture = window.picture();
            let page = page.to_lowercase().replace(' ', "-");
            save(&picture, &folder.join(format!("{page}-{name}.png")))?;
            if page == "set-up" && name == "720" {
                window.scroll(2000.0);
                window.leave();
                save(&window.picture(), &folder.join("set-up-720-scrolled.png"))?;
                window.scroll(-2000.0);
                window.leave();
            }
        }
    }
    window.click("Guide me", 0)?;
    for step in ["1", "2", "3", "4", "5"] {
        window.click(step, 0)?;
        if step == "3" {
            shared.calibrate(Command::Teach(Some(1)));
            perform(&mut host, &mut window, 3, 0.1, 0.4);
        }
        window.leave();
        for (name, width, height, scale) in GUIDED {
            window.resize((width, height), scale);
            save(
                &window.picture(),
                &folder.join(format!("guided-{step}-{name}.png")),
            )?;
        }
    }
    window.click("All settings", 0)?;
    window.resize((SIZE.width, 2060.0), 1.0);
    for folded in [
        "Levels of each technique",
        "Body of each technique",
        "Controllers",
        "Details",
    ] {
        window.click(folded, 0)?;
        // While it unfolds what is below moves.
        for _ in 0..30 {
            window.frame();
        }
    }
    window.leave();
    save(&window.picture(), &folder.join("set-up-unfolded.png"))?;
    window.click("Play", 0)?;
    window.resize((SIZE.width, SIZE.height), 2.0);
    window.hover("Snare 2", 0)?;
    save(&window.picture(), &folder.join("play-tooltip.png"))?;
    Ok(())
}

/// Plays `seconds` of a performance in real time, `gain` as loud as it is.
fn perform(host: &mut Host, window: &mut Offscreen, seed: u64, seconds: f32, gain: f32) {
    let samples = Performance::demo(seed).samples;
    let length = ((seconds * RATE) as usize).min(samples.len());
    let begin = Instant::now();
    for (number, block) in samples[..length].chunks(BLOCK).enumerate() {
        let mut block: Vec<f32> = block.iter().map(|sample| sample * gain).collect();
        host.block(&mut block);
        if number % BLOCKS_PER_FRAME == 0 {
            window.frame();
            let played = Duration::from_secs_f32((number * BLOCK) as f32 / RATE);
            std::thread::sleep(played.saturating_sub(begin.elapsed()));
        }
    }
    window.frame();
}

fn save(picture: &Picture, path: &Path) -> Result<(), Box<dyn Error>> {
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, picture.width as u32, picture.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.pixels.as_flattened())?;
    println!("{}", path.display());
    Ok(())
}
