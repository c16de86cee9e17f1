//! A host in the test's own process: drives the plugin object as the framework would.

#![allow(dead_code)] // every test uses a part of it

use nice_plug::context::process::SendEventError;
use nice_plug::params::persist::PersistentField;
use nice_plug::prelude::*;
use tempfile::TempDir;
use tocco::Tocco;
use tocco::params::{EngineChoice, ModelChoice};
use tocco::service::Activation;
use tocco::shipped::{self, Shipped};
use tocco_engines::ModelPackage;

/// Room for more events than any test has.
const EVENTS: usize = 1 << 16;

/// A MIDI event and where it happened, samples since the start.
pub type Sent = (u64, NoteEvent<()>);

pub struct Host {
    pub plugin: Tocco,
    context: Context,
    channels: usize,
}

struct Context {
    transport: Transport,
    sent: Vec<Sent>,
    position: u64,
    length: u32,
    /// Whether the host takes events.
    open: bool,
}

impl Host {
    /// One that rejects nothing: what most tests play are no notes of a guitar.
    pub fn new() -> Self {
        let plugin = Tocco::default();
        set(&plugin.shared().params.strictness, 0.0);
        Self {
            plugin,
            context: Context {
                transport: Transport::new(48_000.0),
                sent: Vec::with_capacity(EVENTS),
                position: 0,
                length: 0,
                open: true,
            },
            channels: 1,
        }
    }

    pub fn choose(&mut self, model: ModelChoice, engine: EngineChoice) {
        let params = &self.plugin.shared().params;
        set(&params.model, model);
        set(&params.engine, engine);
    }

    /// Chooses model C as the user's own, with onsets found by `method`.
    ///
    /// The folder must stay until the model is loaded.
    pub fn choose_c_with_onset(&mut self, method: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let package = with_onset(&shipped::C, method);
        package.save(folder.path()).unwrap();
        let params = &self.plugin.shared().params;
        params.user_package.set(folder.path().display().to_string());
        self.choose(ModelChoice::User, EngineChoice::Native);
        folder
    }

    pub fn activate(&mut self, rate: f32, max_block: u32, channels: u32, mode: ProcessMode) {
        let layout = AudioIOLayout {
            main_input_channels: NonZeroU32::new(channels),
            main_output_channels: NonZeroU32::new(channels),
            ..AudioIOLayout::const_default()
        };
        let config = BufferConfig {
            sample_rate: rate,
            min_buffer_size: None,
            max_buffer_size: max_block,
            process_mode: mode,
        };
        self.channels = channels as usize;
        assert!(self.plugin.activate(&layout, &config, &mut Activating));
        self.plugin.reset();
        self.context.position = 0;
        self.context.sent.clear();
    }

    pub fn refuse_events(&mut self, refuse: bool) {
        self.context.open = !refuse;
    }

    /// Processes one block in place, the same samples in every channel.
    pub fn block(&mut self, samples: &mut [f32]) {
        let length = samples.len();
        let mut other = [0.0; 8192];
        let other = &mut other[..if self.channels == 2 { length } else { 0 }];
        if self.channels == 2 {
            other.copy_from_slice(samples);
        }
        self.stereo(samples, other);
    }

    /// Processes one block in place; `right` is left out in mono.
    pub fn stereo(&mut self, left: &mut [f32], right: &mut [f32]) {
        self.context.length = left.len() as u32;
        let mut buffer = Buffer::default();
        let length = left.len();
        let channels = self.channels;
        // SAFETY: both slices outlive the buffer and are of the length told.
        unsafe {
            buffer.set_slices(length, |slices| {
                // A vector in the framework's wrapper is made once; here it is made each time,
                // outside of what is counted.
                permitted(|| {
                    slices.clear();
                    slices.push(&mut *(left as *mut [f32]));
                    if channels == 2 {
                        slices.push(&mut *(right as *mut [f32]));
                    }
                });
            });
        }
        let mut aux = AuxiliaryBuffers {
            inputs: &mut [],
            outputs: &mut [],
        };
        counted(|| {
            self.plugin
                .process(&mut buffer, &mut aux, &mut self.context)
        });
        permitted(|| drop(buffer));
        self.context.position += length as u64;
    }

    /// All of `samples` in blocks of the sizes given, in turn.
    pub fn play(&mut self, samples: &[f32], blocks: &[usize]) {
        let mut sound = samples.to_vec();
        let (mut rest, mut sizes) = (&mut sound[..], blocks.iter().cycle());
        while !rest.is_empty() {
            let size = (*sizes.next().unwrap()).min(rest.len());
            let (block, after) = rest.split_at_mut(size);
            self.block(block);
            rest = after;
        }
        assert!(
            sound
                .iter()
                .zip(samples)
                .all(|(a, b)| a.to_bits() == b.to_bits()),
            "the audio passes through untouched"
        );
    }

    pub fn sent(&self) -> &[Sent] {
        &self.context.sent
    }

    /// Position and key of every note on.
    pub fn notes(&self) -> Vec<(u64, u8)> {
        let note = |(position, event): &Sent| match event {
            NoteEvent::NoteOn { key, .. } => Some((*position, key.number().unwrap())),
            _ => None,
        };
        self.sent().iter().filter_map(note).collect()
    }
}

/// A shipped package whose onsets are found by `method`.
pub fn with_onset(shipped: &Shipped, method: &str) -> ModelPackage {
    let mut package = shipped.package().unwrap();
    package.manifest.input.onset = method.to_owned();
    package
}

/// Blocks of 64 samples at 48 kHz.
pub fn activation(offline: bool) -> Activation {
    Activation {
        host_rate: 48_000.0,
        max_block: 64,
        offline,
    }
}

/// Sound that nobody plays, by the number of the sample.
pub const STORMS: [fn(usize) -> f32; 8] = [
    |_| f32::NAN,
    |_| f32::INFINITY,
    |i| if i % 2 == 0 { f32::MAX } else { f32::MIN },
    |_| 0.0,
    |_| 1.0,
    |_| f32::from_bits(1),
    |i| (scattered(i) >> 8) as f32 / (1 << 23) as f32 - 1.0,
    |i| f32::from_bits(scattered(i)),
];

/// Multiplying by the golden ratio scatters the bits.
fn scattered(i: usize) -> u32 {
    let i = (i as u32).wrapping_mul(0x9e37_79b9);
    (i ^ i >> 15).wrapping_mul(0x85eb_ca6b)
}

/// Sets a parameter as a host does.
pub fn set<P: Param>(param: &P, value: P::Plain) {
    let normalized = param.preview_normalized(value);
    // SAFETY: the parameter outlives the call.
    unsafe { param.as_ptr()._internal_set_normalized_value(normalized) };
}

impl ProcessContext<Tocco> for Context {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Clap
    }
    fn execute_background(&self, (): ()) {}
    fn execute_gui(&self, (): ()) {}
    fn transport(&self) -> &Transport {
        &self.transport
    }
    fn next_event(&mut self) -> Option<NoteEvent<()>> {
        None
    }
    fn try_send_event(
        &mut self,
        mut event: NoteEvent<()>,
    ) -> Result<(), (NoteEvent<()>, SendEventError)> {
        assert!(event.timing() < self.length, "{event:?} lies in the block");
        if !self.open || self.sent.len() == EVENTS {
            return Err((event, SendEventError::HostBufferFull));
        }
        let position = self.position + u64::from(event.timing());
        assert!(
            self.sent.last().is_none_or(|(last, _)| *last <= position),
            "in the order of time"
        );
        // The place in the block depends on the block.
        event.subtract_timing(event.timing());
        self.sent.push((position, event));
        Ok(())
    }
    fn set_latency_samples(&self, _: u32) {}
    fn request_restart(&self) {}
    fn set_current_voice_capacity(&self, _: u32) {}
}

pub struct Activating;

impl ActivateContext<Tocco> for Activating {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Clap
    }
    fn execute(&self, (): ()) {}
    fn set_latency_samples(&self, _: u32) {}
    fn set_current_voice_capacity(&self, _: u32) {}
}

thread_local! {
    static COUNTING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    static HEAP_CALLS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts the heap calls of `f` on this thread, if the test's allocator reports them.
pub fn counted<T>(f: impl FnOnce() -> T) -> T {
    COUNTING.set(true);
    let result = f();
    COUNTING.set(false);
    result
}

fn permitted<T>(f: impl FnOnce() -> T) -> T {
    let before = COUNTING.replace(false);
    let result = f();
    COUNTING.set(before);
    result
}

/// To be called by the test's allocator.
pub fn heap_call() {
    if COUNTING.get() {
        HEAP_CALLS.set(HEAP_CALLS.get() + 1);
    }
}

/// Heap calls in callbacks on this thread so far.
pub fn heap_calls() -> u64 {
    HEAP_CALLS.get()
}

/// Decaying tones of changing pitch and level, one every `spacing` seconds, at `rate` Hz.
pub fn tones(rate: f64, notes: usize, spacing: f64) -> Vec<f32> {
    let spacing = (spacing * rate) as usize;
    let mut samples = vec![0.0; spacing * (notes + 1)];
    for note in 0..notes {
        let start = spacing / 2 + note * spacing;
        let pitch = 110.0 * (1.0 + (note % 7) as f64);
        let level = 0.2 / (1.0 + (note % 3) as f64);
        for (i, sample) in samples[start..].iter_mut().take(spacing).enumerate() {
            let t = i as f64 / rate;
            let tone: f64 = (1..5)
                .map(|k| (std::f64::consts::TAU * pitch * f64::from(k) * t).sin())
                .sum();
            *sample += (level * tone * (-t * 30.0).exp()) as f32;
        }
    }
    samples
}
