//! Runs the parts one after the other and keeps what they found, so that a second start goes on
//! where the first one was stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::conditions::Conditions;
use crate::part::{Choice, Part};

/// What a part found, and what for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// The command.
    pub command: String,
    /// Machine, revision and engines.
    pub conditions: Conditions,
    /// How long it took.
    pub seconds: f64,
    /// When it ended, UTC.
    pub date: String,
    /// The JSON document of the part; null if it has failed.
    pub data: Value,
    /// Why it has failed.
    pub failure: Option<String>,
}

/// Findings by the names of their parts.
pub type Findings = BTreeMap<String, Finding>;

/// Where findings are kept, and under which conditions they are made.
pub struct Runner<'a> {
    /// The folder of the report.
    pub folder: &'a Path,
    /// What is measured.
    pub choice: Choice,
    /// As they are now.
    pub conditions: &'a Conditions,
    /// Whether everything is measured again.
    pub again: bool,
}

impl Runner<'_> {
    /// Runs what has not been run yet. Progress is told on stderr.
    ///
    /// # Errors
    /// When nothing can be kept. A part that fails is kept as failed and made again at the next
    /// start.
    pub fn run(&self) -> Result<Findings> {
        let parts = self.folder.join("parts");
        fs::create_dir_all(&parts).with_context(|| parts.display().to_string())?;
        let mut findings = Findings::new();
        for (i, part) in Part::ALL.into_iter().enumerate() {
            let place = format!("part {} of {}: {}", i + 1, Part::ALL.len(), part.name());
            if let Some(kept) = self.kept(part) {
                eprintln!("{place}: kept from {}", kept.date);
                findings.insert(part.name().to_owned(), kept);
                continue;
            }
            let left: f64 = self.estimates().skip(i).map(|(_, seconds)| seconds).sum();
            eprintln!("{place}: about {} left", duration(left));
            let found = self.measure(part)?;
            if let Some(failure) = &found.failure {
                eprintln!("{place}: failed: {failure}");
            }
            let path = self.path(part);
            let whole = path.with_extension("new");
            fs::write(&whole, serde_json::to_string_pretty(&found)?)
                .and_then(|()| fs::rename(&whole, &path))
                .with_context(|| path.display().to_string())?;
            findings.insert(part.name().to_owned(), found);
        }
        Ok(findings)
    }

    /// Seconds that each part will take: none if it is kept, what it took before if it was run
    /// before with the same command on the same machine, else a guess, as much longer or shorter
    /// as the guesses were wrong so far.
    pub fn estimates(&self) -> impl Iterator<Item = (Part, f64)> {
        let guess = |part: Part| part.estimate_s(self.choice, self.conditions.n_engines());
        let (mut taken, mut guessed) = (0.0, 0.0);
        for part in Part::ALL {
            if let Some(seconds) = self.seconds_before(part) {
                taken += seconds;
                guessed += guess(part);
            }
        }
        let correction = if guessed > 0.0 { taken / guessed } else { 1.0 };
        Part::ALL.into_iter().map(move |part| {
            let seconds = match (self.kept(part), self.seconds_before(part)) {
                (Some(_), _) => 0.0,
                (None, Some(before)) => before,
                (None, None) => guess(part) * correction,
            };
            (part, seconds)
        })
    }

    fn measure(&self, part: Part) -> Result<Finding> {
        let call = part.call(self.choice);
        let start = Instant::now();
        let output = call
            .command()?
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| call.shown())?;
        // The audit prints its findings and fails where they are not as they should be.
        let data = serde_json::from_slice(&output.stdout);
        let failure = match (&data, output.status.success()) {
            (Ok(_), true) => None,
            _ => Some(format!("`{}` ended with {}", call.shown(), output.status)),
        };
        Ok(Finding {
            command: call.shown(),
            conditions: self.conditions.clone(),
            seconds: start.elapsed().as_secs_f64(),
            date: now(),
            data: data.unwrap_or_default(),
            failure,
        })
    }

    fn path(&self, part: Part) -> PathBuf {
        let name = format!("{}-{}.json", part.name(), self.choice.budget.name());
        self.folder.join("parts").join(name)
    }

    fn stored(&self, part: Part) -> Option<Finding> {
        let text = fs::read(self.path(part)).ok()?;
        let found: Finding = serde_json::from_slice(&text).ok()?;
        (found.command == part.call(self.choice).shown()).then_some(found)
    }

    /// What the part found before, if that still holds.
    fn kept(&self, part: Part) -> Option<Finding> {
        self.stored(part).filter(|found| {
            let again = self.again && !self.is_of_this_run(found);
            !again && found.conditions == *self.conditions && found.failure.is_none()
        })
    }

    fn seconds_before(&self, part: Part) -> Option<f64> {
        let found = self.stored(part)?;
        let same = found.conditions.machine == self.conditions.machine
            && found.conditions.n_engines() == self.conditions.n_engines();
        (same && found.failure.is_none()).then_some(found.seconds)
    }

    /// Whether a finding is younger than the start of this program: with `--again`, those are the
    /// new ones.
    fn is_of_this_run(&self, found: &Finding) -> bool {
        found.date.as_str() >= started()
    }
}

/// When this program was started, as [`now`].
pub fn started() -> &'static str {
    static STARTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();

    STARTED.get_or_init(now)
}

/// Date and time, UTC, such as `2026-11-29 03:10:05`.
pub fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let [hour, minute, second] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    let (year, month, day) = civil(seconds / 86_400);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of the day number `days` since 1970-01-01.
///
/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year_of_era + carry, month, day)
}

/// Seconds for a reader.
pub fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_786), (2026, 11, 29));
    }

    #[test]
    fn durations_are_rounded_for_a_reader() {
        assert_eq!(duration(12.4), "12 s");
        assert_eq!(duration(610.0), "10 min");
    }
}
