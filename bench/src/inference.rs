//! How long one inference takes: all engines on the paper's networks, in one process on one core,
//! with warm and with cold caches, beside the time that merely reading the weights takes.

pub mod agreement;
pub mod cache;
pub mod feature_vectors;
pub mod reading_limit;
pub mod report;

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tocco_dsp::denormals;
use tocco_engines::WeightFormat;
use tocco_engines::convert::{Format, convert};
use tocco_engines::native::{NativeEngine, NativeOptions};
use tocco_engines::native_fixed::NativeFixedEngine;
use tocco_engines::{Engine, EngineId, ModelPackage, Settings, foreign};

use crate::plugin_host::model_folder;
use crate::statistics::{self, Spread};
use cache::Eviction;
use feature_vectors::FeatureVectors;
use reading_limit::Weights;
use report::{Absent, Inference, Limit, Report};

/// Untimed inferences before each series of timed ones.
const SETTLING_RUNS: usize = 4;

/// Timed inferences of an engine before it is the next one's turn.
const SERIES: usize = 27;

/// As many turns as make the paper's 17,604 inferences (section 3.4).
pub const PAPER_TURNS: usize = 17_604 / SERIES;

/// What is to be measured.
pub struct Comparison {
    /// Ids of the model packages.
    pub models: Vec<String>,
    /// How often each engine has its turn, with warm caches and with cold ones.
    pub warm_turns: usize,
    /// Timed inferences with cold caches.
    pub cold_runs: usize,
    /// The processor core that everything runs on.
    pub core: usize,
}

/// One engine with one network, or the mere reading of its weights.
struct Contestant {
    kind: Kind,
    weights: &'static str,
    warm: Vec<f64>,
    cold: Vec<f64>,
}

enum Kind {
    Engine(Box<dyn Engine>),
    Reading(Weights),
}

impl Comparison {
    /// Measures. What is measured at the moment is said on stderr.
    ///
    /// # Errors
    /// If a package cannot be read, or an engine fails. An engine that is not here is named on
    /// stderr and left out.
    pub fn run(&self, vectors: &FeatureVectors) -> Result<Report> {
        let mut eviction = Eviction::new();
        let settings = Settings::chosen();
        let mut report = Report::new(settings);
        #[cfg(target_os = "linux")]
        let anywhere = Affinity::of_this_thread()?;
        for model in &self.models {
            let package = ModelPackage::load(model_folder(model))?;
            let features = vectors.scaled(&package)?;
            // Threads that a library starts by itself stay where it wants them.
            #[cfg(target_os = "linux")]
            if settings == Settings::LibraryDefaults {
                anywhere.restore()?;
            } else {
                pin_to_core(self.core)?;
            }
            let mut contestants = contestants(&package, settings, &mut report.absent)?;
            for contestant in &mut contestants {
                contestant.run(&features[0])?;
            }
            #[cfg(target_os = "linux")]
            pin_to_core(self.core)?;
            for turn in 0..self.warm_turns {
                for index in statistics::order(contestants.len(), turn) {
                    contestants[index].run_warm(&features, turn * SERIES)?;
                }
            }
            eprintln!("{model}: warm caches done");
            for run in 0..self.cold_runs {
                for index in statistics::order(contestants.len(), run) {
                    contestants[index].run_cold(&features, run, &mut eviction)?;
                }
            }
            eprintln!("{model}: cold caches done");
            for contestant in &contestants {
                contestant.report(model, &mut report);
            }
        }
        Ok(report)
    }
}

/// All engines that are here, and the reading limit for each weight format. Where the libraries
/// have their defaults only `native` stands beside them, as what both measurements have in common.
fn contestants(
    package: &ModelPackage,
    settings: Settings,
    absent: &mut Vec<Absent>,
) -> Result<Vec<Contestant>> {
    let network = package.network()?;
    let mut contestants = Vec::new();
    if settings == Settings::LibraryDefaults {
        contestants.push(Contestant::new(
            Kind::Engine(Box::new(NativeEngine::new(&network))),
            WeightFormat::F32.name(),
        ));
    }
    let ours = match settings {
        Settings::Tuned => &WeightFormat::ALL[..],
        Settings::LibraryDefaults => &[],
    };
    for &weights in ours {
        let options = NativeOptions {
            weights,
            ..NativeOptions::default()
        };
        let native = NativeEngine::with_options(&network, options);
        let bytes = native.weight_bytes();
        let fixed = NativeFixedEngine::with_options(&network, &package.source, options)?;
        contestants.extend([
            Contestant::new(Kind::Engine(Box::new(native)), weights.name()),
            Contestant::new(Kind::Engine(Box::new(fixed)), weights.name()),
            Contestant::new(Kind::Reading(Weights::new(bytes)), weights.name()),
        ]);
    }
    for format in [Format::Onnx, Format::TfLite, Format::TorchScript] {
        let id = format.engine();
        let file = format!("{} as {format}", package.source);
        let model = convert(&network, format).with_context(|| file.clone())?;
        match foreign::load_bytes(id, &model, &file, network.n_inputs()) {
            Ok(engine) => contestants.push(Contestant::new(
                Kind::Engine(engine),
                WeightFormat::F32.name(),
            )),
            Err(error) => {
                eprintln!("not measured: {id}: {error}");
                absent.push(Absent {
                    engine: id.name().to_owned(),
                    model: package.manifest.id.clone(),
                    reason: error.to_string(),
                });
            }
        }
    }
    Ok(contestants)
}

impl Contestant {
    fn new(kind: Kind, weights: &'static str) -> Self {
        Self {
            kind,
            weights,
            warm: Vec::new(),
            cold: Vec::new(),
        }
    }

    /// One inference, as on the plugin's threads with denormal numbers flushed; µs.
    fn run(&mut self, features: &[f32]) -> Result<f64> {
        denormals::flush(|| self.timed(features))
    }

    fn timed(&mut self, features: &[f32]) -> Result<f64> {
        // Twice, so that the clock itself is in the caches.
        let _ = Instant::now();
        match &mut self.kind {
            Kind::Engine(engine) => {
                let mut probabilities = [0.0; feature_vectors::CLASSES];
                let start = Instant::now();
                engine.infer(features, &mut probabilities)?;
                let elapsed = start.elapsed();
                let sum: f32 = probabilities.iter().sum();
                ensure!(
                    (sum - 1.0).abs() < 1e-3,
                    "{}: probabilities that add up to {sum}",
                    engine.name()
                );
                Ok(elapsed.as_secs_f64() * 1e6)
            }
            Kind::Reading(weights) => {
                let start = Instant::now();
                weights.read();
                Ok(start.elapsed().as_secs_f64() * 1e6)
            }
        }
    }

    fn run_warm(&mut self, features: &[Vec<f32>], first: usize) -> Result<()> {
        for i in 0..SETTLING_RUNS {
            self.run(&features[i % features.len()])?;
        }
        for i in 0..SERIES {
            let time = self.run(&features[(first + i) % features.len()])?;
            self.warm.push(time);
        }
        Ok(())
    }

    fn run_cold(
        &mut self,
        features: &[Vec<f32>],
        run: usize,
        eviction: &mut Eviction,
    ) -> Result<()> {
        // Features come from the computation before: they are warm, and here they are copied.
        eviction.evict();
        let features = features[run % features.len()].clone();
        let time = self.run(&features)?;
        self.cold.push(time);
        Ok(())
    }

    fn report(&self, model: &str, report: &mut Report) {
        let (warm_us, cold_us) = (Spread::of(&self.warm), Spread::of(&self.cold));
        match &self.kind {
            Kind::Engine(engine) => report.inference.push(Inference {
                engine: engine.name().to_owned(),
                model: model.to_owned(),
                weights: self.weights.to_owned(),
                weight_bytes: engine.weight_bytes(),
                warm_us,
                cold_us,
            }),
            Kind::Reading(weights) => report.limit.push(Limit {
                model: model.to_owned(),
                weights: self.weights.to_owned(),
                bytes: weights.bytes(),
                warm_us: warm_us.median,
                cold_us: cold_us.median,
            }),
        }
    }
}

/// Binds this thread, and all that it starts, to the processor core `core`.
///
/// # Errors
/// If the system refuses.
#[cfg(target_os = "linux")]
pub fn pin_to_core(core: usize) -> Result<()> {
    // SAFETY: a set of no cores is all zeros; the set is written and read within its size.
    let status = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        ensure!(core < libc::CPU_SETSIZE as usize, "there is no core {core}");
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
    };
    ensure!(
        status == 0,
        "core {core}: {}; choose another",
        std::io::Error::last_os_error()
    );
    Ok(())
}

/// The processor cores that a thread may use.
#[cfg(target_os = "linux")]
struct Affinity(libc::cpu_set_t);

#[cfg(target_os = "linux")]
impl Affinity {
    fn of_this_thread() -> Result<Self> {
        // SAFETY: a set of no cores is all zeros; it is written within its size.
        let (status, set) = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            let status = libc::sched_getaffinity(0, size_of_val(&set), &raw mut set);
            (status, set)
        };
        ensure!(status == 0, "{}", std::io::Error::last_os_error());
        Ok(Self(set))
    }

    fn restore(&self) -> Result<()> {
        // SAFETY: the set is read within its size.
        let status = unsafe { libc::sched_setaffinity(0, size_of_val(&self.0), &raw const self.0) };
        ensure!(status == 0, "{}", std::io::Error::last_os_error());
        Ok(())
    }
}

/// All engines other than ours.
pub(crate) fn is_foreign(engine: &str) -> bool {
    engine.parse::<EngineId>().is_ok_and(|id| !id.is_ours())
}
