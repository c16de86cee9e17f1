//! What many instances cost. It measures and asserts little, so it runs on demand only:
//! `cargo test --release -p tocco --test instances -- --ignored --nocapture`

mod host;

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use host::{Host, tones};
use nice_plug::prelude::ProcessMode;
use tocco::params::{EngineChoice, ModelChoice};

/// Processor time that this process's threads of that name have used, seconds.
fn processor_time(name: &str) -> f64 {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else {
            continue;
        };
        let (head, fields) = stat.rsplit_once(')').unwrap();
        if head.contains(name) {
            let fields: Vec<&str> = fields.split_whitespace().collect();
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    ticks as f64 / 100.0
}

#[test]
#[ignore = "a measurement that takes minutes"]
fn processor_use_of_many_instances() {
    const SECONDS: f64 = 10.0;
    let silence = vec![0.0; (48_000.0 * SECONDS) as usize];
    let notes = tones(48_000.0, (SECONDS / 0.5) as usize - 1, 0.5);
    for instances in [1, 4, 8] {
        for (what, samples) in [("silence", &silence), ("2 notes a second", &notes)] {
            let mut hosts: Vec<Host> = (0..instances).map(|_| Host::new()).collect();
            for host in &mut hosts {
                host.choose(ModelChoice::A, EngineChoice::Native);
                host.activate(48_000.0, 64, 1, ProcessMode::Realtime);
            }
            let before = ["tocco-classify", "tocco-service"].map(processor_time);
            let start = Instant::now();
            for (index, block) in samples.chunks(64).enumerate() {
                let due = Duration::from_secs_f64(index as f64 * 64.0 / 48_000.0);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
                for host in &mut hosts {
                    host.block(&mut block.to_vec());
                }
            }
            let seconds = start.elapsed().as_secs_f64();
            let after = ["tocco-classify", "tocco-service"].map(processor_time);
            let share = |i: usize| 100.0 * (after[i] - before[i]) / seconds / f64::from(instances);
            println!(
                "{instances} instances of A, {what}: {:.2} % of a core for each classifier \
                 thread, {:.2} % for each service thread",
                share(0),
                share(1)
            );
            for host in &hosts {
                let counters = &host.plugin.shared().gauges.counters;
                let late = counters.late_blocks.each_ref().map(|c| c.load(Relaxed));
                println!("  results in time, one and more blocks late: {late:?}");
                assert_eq!(counters.lost(), 0);
            }
        }
    }
}
