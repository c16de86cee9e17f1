//! All that the window does, by parameters alone, in both formats and as Sushi sets them; and all that
//! it shows, as the host reads it.

use std::time::{Duration, Instant};

use tocco_bench::clap_host::ClapHost;
use tocco_bench::plugin_host::{
    Automated, MidiMessage, MidiOut, Parameter, ParameterOut, PluginStream, StreamFormat,
};
use tocco_bench::sound::Sound;
use tocco_bench::vst3_host::{SushiHost, Vst3Host};

use crate::playing::{Bundled, PERFORMANCE};
use crate::sushi::in_channels;

/// Sushi's.
const BLOCK: usize = 64;

/// How long one of [`BLOCK`] lasts.
const BLOCK_TIME: Duration = Duration::from_micros(1_333);

/// How long the plugin's threads have for anything, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// A host whose values of parameters can be told apart.
pub trait Format: Bundled<Stream: Automated> {
    /// Whether what the plugin gives out is normalised.
    const NORMALISED: bool;

    /// Whether what the host is told before an activation comes to the plugin after it.
    const TELLS_LATE: bool;

    /// Whether the host knows at which sample of a block the plugin gave out a value.
    const KNOWS_PLACES: bool;
}

impl Format for ClapHost {
    const NORMALISED: bool = false;
    const TELLS_LATE: bool = false;
    const KNOWS_PLACES: bool = true;
}

impl Format for Vst3Host {
    const NORMALISED: bool = true;
    const TELLS_LATE: bool = false;
    const KNOWS_PLACES: bool = true;
}

impl Format for SushiHost {
    const NORMALISED: bool = true;
    const TELLS_LATE: bool = true;
    const KNOWS_PLACES: bool = false;
}

/// Declares each test once for the CLAP, for the VST3 and for the VST3 in Sushi.
macro_rules! in_all_hosts {
    ($($name:ident),* $(,)?) => {
        mod clap { $(#[test] fn $name() { super::$name::<super::ClapHost>() })* }
        mod vst3 { $(#[test] fn $name() { super::$name::<super::Vst3Host>() })* }
        mod sushi { $(#[test] fn $name() { super::$name::<super::SushiHost>() })* }
    };
}

pub(crate) use in_all_hosts;

in_all_hosts!(
    a_lesson_by_parameters_alone,
    a_state_asks_for_nothing,
    output_parameters_tell_every_note,
    what_is_wrong_can_be_read,
);

/// A player in front of a host without a window.
pub struct Stage<H: Format> {
    pub host: H,
    stream: H::Stream,
    parameters: Vec<Parameter>,
    sound: Sound,
}

impl<H: Format> Stage<H> {
    pub fn new(host: H) -> Self {
        Self::at(host, 48_000.0)
    }

    fn at(mut host: H, sample_rate: f64) -> Self {
        let parameters = host.parameters().unwrap();
        let format = StreamFormat {
            sample_rate,
            ..StreamFormat::PAPER
        };
        let mut stream = host.activate(format).unwrap();
        if H::TELLS_LATE {
            // While it runs, a model comes some time after what asks for it, and there is nothing to
            // see of that. The next activation waits for it.
            stream.process(BLOCK).unwrap();
            host.deactivate(stream);
            stream = host.activate(format).unwrap();
        }
        Self {
            host,
            stream,
            parameters,
            sound: in_channels(&PERFORMANCE, 1),
        }
    }

    pub fn parameter(&self, name: &str) -> &Parameter {
        let named = self.parameters.iter().find(|p| p.name == name);
        named.unwrap_or_else(|| panic!("no parameter {name}"))
    }

    pub fn set(&mut self, name: &str, value: f64) {
        let parameter = self.parameter(name).clone();
        self.stream.automate(&parameter, value);
    }

    pub fn text(&mut self, name: &str) -> String {
        let text = self.host.text(name).unwrap();
        // VST3 tells units apart.
        text.trim_end_matches(" %")
            .trim_end_matches(" ms")
            .to_owned()
    }

    pub fn end(mut self) {
        self.host.deactivate(self.stream);
    }

    /// A block of silence.
    fn pause(&mut self) {
        self.stream.input(0)[..BLOCK].fill(0.0);
        self.stream.process(BLOCK).unwrap();
        self.host.idle();
    }

    /// Silence in real time in which nothing is to happen: ten looks of the plugin's threads.
    pub fn rest(&mut self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(100) {
            self.pause();
            std::thread::sleep(BLOCK_TIME);
        }
    }

    /// Silence until the host reads `text` of a parameter.
    pub fn until(&mut self, name: &str, text: &str) {
        let start = Instant::now();
        while self.text(name) != text {
            let found = self.text(name);
            let patience = start.elapsed() < PATIENCE;
            assert!(patience, "{name} is {found}, not {text}");
            self.pause();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Silence in real time until `what` is so.
    pub fn until_seen(&mut self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < PATIENCE, "not seen: {what}");
            self.pause();
            std::thread::sleep(BLOCK_TIME);
        }
    }

    /// Plays the performance in real time, to its end or until the host reads `text` of a parameter.
    pub fn play_until(&mut self, name: &str, text: &str) {
        let sound = std::mem::take(&mut self.sound.channels[0]);
        for (number, samples) in sound.chunks(BLOCK).enumerate() {
            // Finding a parameter by its name takes longer than a block.
            if number.is_multiple_of(16) && self.text(name) == text {
                break;
            }
            self.stream.input(0)[..BLOCK].copy_from_slice(samples);
            self.stream.process(BLOCK).unwrap();
            std::thread::sleep(BLOCK_TIME);
        }
        self.sound.channels[0] = sound;
    }

    /// Plays the performance; `before_block` may set parameters.
    pub fn play(
        &mut self,
        mut before_block: impl FnMut(&mut Self),
    ) -> Vec<(Vec<MidiOut>, Vec<ParameterOut>)> {
        let sound = std::mem::take(&mut self.sound.channels[0]);
        let mut heard = Vec::new();
        for samples in sound.chunks(BLOCK) {
            before_block(self);
            self.stream.input(0)[..BLOCK].copy_from_slice(samples);
            self.stream.process(BLOCK).unwrap();
            assert_eq!(self.stream.output(0)[..BLOCK], *samples);
            heard.push((
                self.stream.midi().to_vec(),
                self.stream.parameters().to_vec(),
            ));
        }
        self.sound.channels[0] = sound;
        heard
    }

    /// Plays the performance: the eight probabilities of each note, as the host reads them.
    pub fn probabilities(&mut self) -> Vec<[f32; 8]> {
        let ids: Vec<u32> = self
            .parameters
            .iter()
            .filter(|p| p.name.starts_with("Probability "))
            .map(|p| p.id)
            .collect();
        assert_eq!(ids.len(), 8);
        let scale = if H::NORMALISED { 1.0 } else { 100.0 };
        let blocks = self.play(|_| ());
        let told = blocks
            .iter()
            .filter(|(_, told)| told.iter().any(|out| out.id == ids[0]));
        told.map(|(_, told)| {
            std::array::from_fn(|class| {
                let last = told.iter().rfind(|out| out.id == ids[class]).unwrap();
                (last.value / scale) as f32
            })
        })
        .collect()
    }

    /// The same of the first performance that is as `expected`: a model comes some time after what asks
    /// for it.
    pub fn probabilities_until(
        &mut self,
        what: &str,
        expected: impl Fn(&[[f32; 8]]) -> bool,
    ) -> Vec<[f32; 8]> {
        let start = Instant::now();
        loop {
            let heard = self.probabilities();
            if !heard.is_empty() && expected(&heard) {
                return heard;
            }
            assert!(start.elapsed() < PATIENCE, "not heard: {what}: {heard:?}");
            self.pause();
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// One that names what it hears twice alike.
fn steady<H: Format>() -> H {
    let mut host = H::steady();
    host.set_text("Second decision", "off").unwrap();
    host
}

fn a_lesson_by_parameters_alone<H: Format>() {
    let mut stage = Stage::new(steady::<H>());
    stage.until("Status", "listening");
    stage.probabilities();
    let before = stage.probabilities();
    assert!(before.len() > 10, "{} notes", before.len());

    // The class that is farthest from all notes, and the one that is named most.
    let sum = |class: &usize| before.iter().map(|p| p[*class]).sum::<f32>();
    let far = (0..8).min_by(|a, b| sum(a).total_cmp(&sum(b))).unwrap();
    let near = (0..8).max_by(|a, b| sum(a).total_cmp(&sum(b))).unwrap();
    let names: Vec<String> = (0..8)
        .map(|class| {
            let teach = stage.parameter("Teach").clone();
            stage
                .host
                .value_to_text(&teach, class as f64 + 1.0)
                .unwrap()
        })
        .collect();

    // The host sends the same value with every block: that is one lesson, which ends by itself.
    stage.set("Teach", far as f64 + 1.0);
    stage.pause();
    stage.until("Teaching", &names[far]);
    stage.play(|stage| stage.set("Teach", far as f64 + 1.0));
    stage.until("Teaching", "none");
    stage.until("Examples", "5");
    let sum = |notes: &[[f32; 8]]| notes.iter().map(|p| p[far]).sum::<f32>();
    stage.probabilities_until("what was learnt", |p| sum(p) > sum(&before) + 1.0);
    // With all five examples, if that was with fewer.
    stage.rest();
    let taught = stage.probabilities();
    assert_eq!(taught.len(), before.len());
    assert!(sum(&taught) > sum(&before) + 1.0, "it was unlearnt");

    // A second one, cut short by hand before a note is played.
    stage.set("Teach", 0.0);
    stage.pause();
    stage.set("Teach", near as f64 + 1.0);
    stage.until("Teaching", &names[near]);
    stage.set("Teach", 0.0);
    stage.until("Teaching", "none");
    stage.until("Examples", "5");

    // Rising edges count, however often a value is sent.
    for on in [1.0, 1.0, 1.0, 0.0, 0.0] {
        stage.set("Undo", on);
        stage.pause();
    }
    stage.until("Examples", "4");
    stage.set("Undo", 1.0);
    stage.until("Examples", "3");
    stage.rest();
    assert_eq!(stage.text("Examples"), "3");
    stage.probabilities_until("fewer examples", |p| p != taught);

    // What is never played is never answered.
    let use_near = format!("Use {}", names[near]);
    stage.set(&use_near, 0.0);
    stage.pause();
    let is_masked = |p: &[[f32; 8]]| p.iter().all(|p| p[near] == 0.0);
    let masked = stage.probabilities_until("a technique is left out", is_masked);
    assert_eq!(masked.len(), before.len());
    stage.set("Forget all", 1.0);
    stage.pause();
    stage.set("Forget all", 1.0);
    stage.until("Examples", "0");
    stage.rest();
    assert!(is_masked(&stage.probabilities()), "that is no lesson");
    stage.set(&use_near, 1.0);
    stage.pause();
    stage.probabilities_until("as it was delivered", |p| p == before);
    assert_eq!(stage.text("Status"), "listening");
    stage.end();
}

fn a_state_asks_for_nothing<H: Format>() {
    let mut stage = Stage::new(steady::<H>());
    stage.set("Teach", 3.0);
    stage.until("Teaching", "Tom");
    stage.play(|_| ());
    stage.until("Examples", "5");
    stage.set("Teach", 8.0);
    stage.set("Use Kick", 0.0);
    stage.set("Undo", 1.0);
    stage.until("Examples", "4");
    let state = stage.host.save_state().unwrap();
    stage.end();

    // Into a new instance, and into one that runs.
    let mut host = H::fresh();
    host.restore_state(&state).unwrap();
    let mut new = Stage::new(host);
    let mut running = Stage::new(H::fresh());
    running.host.restore_state(&state).unwrap();
    for stage in [&mut new, &mut running] {
        stage.until("Examples", "4");
        stage.rest();
        assert_eq!(stage.text("Examples"), "4");
        assert_eq!(stage.text("Teaching"), "none");
        assert_eq!(stage.text("Teach"), "Pick over the sound hole");
        assert_eq!(stage.text("Undo"), "On");
        stage.probabilities_until("no kick", |p| p.iter().all(|p| p[0] == 0.0));
    }
    for stage in [new, running] {
        stage.end();
    }
}

fn output_parameters_tell_every_note<H: Format>() {
    let mut host = steady::<H>();
    host.set_text("Confidence gate", "0.25").unwrap();
    host.set_text("Note Kick", "C4").unwrap();
    let mut stage = Stage::new(host);
    let outputs: Vec<Parameter> = stage
        .parameters
        .iter()
        .filter(|p| p.output)
        .cloned()
        .collect();
    assert_eq!(outputs.len(), 19);
    assert_eq!(stage.text("Technique"), "none");
    let of_note: Vec<u32> = outputs[..12].iter().map(|p| p.id).collect();
    let [technique, confidence, latency, notes] = [8, 9, 10, 11].map(|index: usize| of_note[index]);
    let full = |normalised: f64, plain: f64| if H::NORMALISED { normalised } else { plain };
    let (mut told, mut begun, mut count) = (0, 0, 0.0);
    let mut last_name = String::new();
    for (midi, values) in stage.play(|_| ()) {
        let values: Vec<ParameterOut> = values
            .into_iter()
            .filter(|v| of_note.contains(&v.id))
            .collect();
        let ons: Vec<MidiOut> = midi
            .into_iter()
            .filter(|event| matches!(event.message, MidiMessage::NoteOn { .. }))
            .collect();
        begun += ons.len();
        if values.is_empty() {
            assert_eq!(ons, [], "a note of which nothing is told");
            continue;
        }
        told += 1;
        assert_eq!(values.len(), 12);
        let at = |id: u32| values.iter().find(|v| v.id == id).unwrap();
        let value = |id: u32| at(id).value;
        let class = (value(technique) / full(1.0 / 8.0, 1.0)).round() as usize - 1;
        assert_eq!(value(of_note[class]), value(confidence));
        let sum: f64 = of_note[..8].iter().map(|id| value(*id)).sum();
        assert!((sum / full(1.0, 100.0) - 1.0).abs() < 1e-3, "{sum}");
        let latency = value(latency) * full(100.0, 1.0);
        assert!((5.0..20.0).contains(&latency), "{latency} ms");
        assert!(value(notes) > count);
        count = value(notes);
        last_name = outputs[class].name.replace("Probability ", "");
        // The gate holds MIDI back, not the readings.
        for on in &ons {
            let key = if class == 0 { 60 } else { 36 + class };
            assert_eq!(usize::from(on.key), key);
            if H::KNOWS_PLACES {
                assert_eq!(at(technique).position, on.position);
            }
        }
    }
    assert!(begun > 20 && told >= begun, "{told} told of {begun}");
    assert_eq!((count / full(1.0 / 65_536.0, 1.0)).round() as usize, told);
    assert_eq!(stage.text("Technique"), last_name);
    assert_eq!(stage.text("Notes heard"), told.to_string());
    stage.end();
}

fn what_is_wrong_can_be_read<H: Format>() {
    let mut host = steady::<H>();
    assert_eq!(host.text("Status").unwrap(), "not started");
    host.set_text("Model", "User").unwrap(); // without a folder
    let mut stage = Stage::new(host);
    stage.until("Status", "another model, see log");
    stage.set("Model", 4.0);
    stage.until("Status", "listening");
    // Nobody could be answered any more.
    for class in 0..8 {
        let name = stage
            .parameters
            .iter()
            .filter(|p| p.name.starts_with("Use "))
            .nth(class);
        let name = name.unwrap().name.clone();
        stage.set(&name, 0.0);
    }
    stage.until("Status", "listening, see log");
    stage.set("Use Tom", 1.0);
    stage.until("Status", "listening");
    stage.probabilities_until("toms alone", |p| p.iter().all(|p| p[2] == 1.0));
    stage.end();

    let mut stage = Stage::at(steady::<H>(), 768_000.0);
    stage.until("Status", "not listening, see log");
    stage.end();
}
