//! The comparison as a table and as JSON.

use std::fmt;

use serde::Serialize;

use super::published::{Published, SOURCE};
use crate::machine::Machine;
use crate::statistics::Spread;

/// The JSON document.
#[derive(Serialize)]
pub struct Report {
    /// What it ran on.
    pub machine: Machine,
    /// The vector instructions that `native` used.
    pub instructions: String,
    /// Steps of a block.
    pub block: usize,
    /// Engines with networks.
    pub rows: Vec<Row>,
    /// What could not be measured.
    pub absent: Vec<Absent>,
    /// RTNeural's times, on another machine.
    pub published: Vec<Published>,
}

/// An engine with a network.
#[derive(Serialize)]
pub struct Row {
    /// Name of the engine, with the weight format if it is not `f32`.
    pub engine: &'static str,
    /// The network, such as `lstm-40` or `wavenet-tanh`.
    pub network: String,
    /// One step of many, one call each.
    pub step_ns: Spread,
    /// One step of a block.
    pub block_ns: Spread,
    /// Seconds of sound at 48 kHz in a second, in blocks.
    pub real_time_factor: f64,
    /// Instructions of one step of many, one call each.
    pub step_instructions: Option<f64>,
    /// Instructions of one step of a block.
    pub block_instructions: Option<f64>,
}

/// An engine that cannot run a network.
#[derive(Serialize)]
pub struct Absent {
    /// Name of the engine.
    pub engine: &'static str,
    /// The network.
    pub network: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine {
            processor, cores, ..
        } = &self.machine;
        writeln!(
            f,
            "{processor}, {cores} cores, {}; ns a step: min / median / p99; RTNeural's are quoted\n",
            self.instructions
        )?;
        let block = self.block;
        writeln!(
            f,
            "| network | engine | one by one | in blocks of {block} | times real time | \
             instructions, one by one | in blocks | RTNeural compile-time (run-time) |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
        for row in &self.rows {
            let number =
                |n: Option<f64>| n.map_or_else(|| "not counted".to_owned(), |n| format!("{n:.0}"));
            let short = |ns: &Spread| format!("{:.0} / {:.0} / {:.0}", ns.min, ns.median, ns.p99);
            let published = self.published.iter().find(|p| p.network == row.network);
            let rtneural = published.map_or_else(String::new, |p| {
                let run_time = p.run_time_ns.map(|ns| format!(" ({ns:.0})"));
                format!("{:.0}{}", p.compile_time_ns, run_time.unwrap_or_default())
            });
            writeln!(
                f,
                "| {} | {} | {} | {} | {:.0} | {} | {} | {rtneural} |",
                row.network,
                row.engine,
                short(&row.step_ns),
                short(&row.block_ns),
                row.real_time_factor,
                number(row.step_instructions),
                number(row.block_instructions),
            )?;
        }
        writeln!(f, "\nRTNeural's times: {SOURCE}")?;
        writeln!(
            f,
            "onnx, litert and torch begin anew with each step or block: their files have no state"
        )?;
        let mut told: Vec<(&str, &str)> = Vec::new();
        for absent in &self.absent {
            let (engine, reason) = (absent.engine, absent.reason.as_str());
            if !told.contains(&(engine, reason)) {
                told.push((engine, reason));
                writeln!(f, "not measured: {engine}: {reason}")?;
            }
        }
        Ok(())
    }
}
