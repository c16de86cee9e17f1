//! `cargo xtask audit`: heap calls, locks, clock calls and system calls of the engines and of the callback.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::Parser;
use tocco_bench::audit::callback::{CallbackAudit, CallbackFindings};
use tocco_bench::audit::control::{self, Control};
use tocco_bench::audit::outlets::Outlets;
use tocco_bench::audit::report::Report;
use tocco_bench::audit::watch::Watch;
use tocco_bench::audit::{engines, interposer};
use tocco_bench::clap_host::ClapHost;
use tocco_bench::plugin_host::{Automated, PluginHost, bundle_path};
use tocco_bench::program;
use tocco_bench::vst3_host::Vst3Host;
use tocco_engines::EngineId;

/// Counts what must not happen on an audio thread: heap calls, locks that could block, clock
/// calls, system calls, page faults.
///
/// First known violations are committed, all of which must be found. Then each engine runs each
/// network, once fresh from loading and 1000 times more. At last the bundled CLAP and the bundled
/// VST3 play while states are loaded, models and engines are swapped, all parameters are read and
/// one is automated, and what is heard goes to Open Sound Control and the event log; every callback
/// is watched. So is the plugin with 8 outputs in both formats, for less than a third of the time,
/// while the host gives it all of them, some or the main one alone. Fails if our own engines or a
/// callback do anything of the kind.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask audit",
    after_help = "Examples:\n  \
        cargo xtask audit\n  \
        cargo xtask audit --engine onnx --model c --seconds 5 --backtrace   where the calls come from\n  \
        cargo xtask audit --seconds 20 --plant 'C: malloc'                  must fail"
)]
struct Arguments {
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
    /// Seconds of audio for each callback of Tocco
    #[arg(long, default_value_t = 600.0, value_parser = positive)]
    seconds: f64,
    /// How many times faster than real time it is played
    #[arg(long, default_value_t = 4.0, value_parser = positive)]
    speed: f64,
    /// Only this engine, which then must be there [default: all there are]
    #[arg(long, value_name = "ID")]
    engine: Option<EngineId>,
    /// Only this network: a, b or c [default: all]
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// Print where the first calls that were found came from
    #[arg(long)]
    backtrace: bool,
    /// Commit this violation in one callback, 1.3 s after the beginning, to see the audit fail; an unknown
    /// name lists them
    #[arg(long, value_name = "NAME")]
    plant: Option<String>,
}

fn positive(text: &str) -> Result<f64> {
    match text.parse() {
        Ok(value) if value > 0.0 && f64::is_finite(value) => Ok(value),
        _ => bail!("expected a number above 0"),
    }
}

fn main() -> ExitCode {
    program::run(|| {
        let arguments = Arguments::parse();
        interposer::preload()?;
        run(&arguments)
    })
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(name) = &arguments.plant {
        control::violation(name)?;
    }
    eprintln!("audit: planting violations");
    let control = on_a_thread(|| control::run(&mut Watch::this_thread(false)?))?;
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    let all = ["a", "b", "c"].map(str::to_owned);
    let models = arguments
        .model
        .as_ref()
        .map_or(&all[..], std::slice::from_ref);
    for engine in EngineId::ALL {
        if arguments.engine.is_some_and(|only| only != engine) {
            continue;
        }
        for model in models {
            eprintln!("audit: engine {engine}, model {model}");
            match engines::audit(engine, model, arguments.backtrace)? {
                Ok(findings) => found.push(findings),
                Err(reason) => absent.push(reason),
            }
        }
    }
    let report = Report {
        clap: callback::<ClapHost>(arguments, "Tocco.clap")?,
        vst3: callback::<Vst3Host>(arguments, "Tocco.vst3")?,
        multi_output: multi_output(arguments, "Tocco.clap", ClapHost::load_named, 0.3)?,
        multi_output_vst3: multi_output(arguments, "Tocco.vst3", Vst3Host::load_named, 0.15)?,
        engines: found,
        absent,
        asked: arguments.engine,
        control,
    };
    if arguments.backtrace {
        print_traces(&report);
    }
    if arguments.json {
        println!("{}", report.to_json()?);
    } else {
        print!("{report}");
    }
    let failures = report.failures();
    if !failures.is_empty() {
        bail!("the audit is not passed: {}", failures.join("; "));
    }
    Ok(())
}

fn callback<H>(arguments: &Arguments, bundle: &str) -> Result<CallbackFindings>
where
    H: PluginHost,
    H::Stream: Automated,
{
    let audit = callback_audit(arguments, bundle, arguments.seconds, 1)?;
    // SAFETY: the threads of this program and of the bundle before have ended, those of the engines wait.
    let outlets = unsafe { Outlets::open() }?;
    audit.run(H::load(&bundle_path(bundle)?)?, outlets)
}

/// The plugin with an output for each technique, which hears and answers as the other one does: what is
/// its own are the outputs. So it plays for that `share` of the time.
fn multi_output<H>(
    arguments: &Arguments,
    bundle: &str,
    load: fn(&Path, &str) -> Result<H>,
    share: f64,
) -> Result<CallbackFindings>
where
    H: PluginHost,
    H::Stream: Automated,
{
    let name = "Tocco (8 outputs)";
    // Of a short audit all: some notes must be heard.
    let seconds = (share * arguments.seconds).max(arguments.seconds.min(10.0));
    let audit = callback_audit(arguments, &format!("{bundle}, {name}"), seconds, 2)?;
    // SAFETY: as for the other callbacks.
    let outlets = unsafe { Outlets::open() }?;
    let mut host = load(&bundle_path(bundle)?, name)?;
    // In every state that is loaded there are voices.
    host.set_text("Voices", "-6 dB")?;
    audit.run(host, outlets)
}

/// Of so many seconds and channels; `what` is watched.
fn callback_audit(
    arguments: &Arguments,
    what: &str,
    seconds: f64,
    channels: usize,
) -> Result<CallbackAudit> {
    eprintln!(
        "audit: the callback of {what}, {seconds} s of audio in {:.0} s",
        seconds / arguments.speed
    );
    let planted = arguments.plant.as_deref().map(control::violation);
    Ok(CallbackAudit {
        seconds,
        speed: arguments.speed,
        channels,
        keep_traces: arguments.backtrace,
        planted: planted.transpose()?,
    })
}

/// A thread can be watched once, so each audit has its own.
fn on_a_thread(work: impl FnOnce() -> Result<Control> + Send) -> Result<Control> {
    std::thread::scope(|scope| {
        let panicked = |_| anyhow!("the control's thread panicked");
        scope.spawn(work).join().map_err(panicked)?
    })
}

fn print_traces(report: &Report) {
    let engines = report
        .engines
        .iter()
        .map(|e| (format!("{} {}", e.engine, e.model), &e.traces));
    let callbacks = report.callbacks();
    let callbacks = callbacks.map(|(name, found)| (format!("{name} callback"), &found.traces));
    for (name, traces) in engines.chain(callbacks) {
        for (call, frames) in traces {
            eprintln!("{name}: {call}");
            for frame in frames {
                eprintln!("    {frame}");
            }
        }
    }
}
