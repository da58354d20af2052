//! Two runs side by side: which figures changed, and whether by more than their intervals.
//! Beside a floor the ratio to it is compared, which forgives a slower day of the machine; else the figure itself.

use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

use super::model::{Estimate, Figure, Metric, Run, SCHEMA};

/// An interval that covers the median less often says nothing about a difference.
const ENOUGH: f64 = 0.9;

/// One figure in both runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Of which case.
    pub case: String,
    /// Of which lane.
    pub lane: String,
    /// Which figure.
    pub metric: Metric,
    /// It is the ratio to the floor that is compared.
    pub ratio: bool,
    /// In the older run.
    pub old: Estimate,
    /// In the newer run.
    pub new: Estimate,
}

/// Why a file cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No file.
    #[error("{0}: cannot be read: {1}")]
    File(String, std::io::Error),
    /// No benchmark.
    #[error("{0}: {1}; a benchmark is written by `windtunnel bench --report json=FILE`")]
    Shape(String, String),
}

/// All that is looked at before the rest.
#[derive(Deserialize)]
struct Probe {
    #[serde(default)]
    schema: Option<String>,
}

/// The run in a file.
pub fn read(path: &Path) -> Result<Run, ReadError> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| ReadError::File(file.clone(), error))?;
    let shape = |error: serde_json::Error| ReadError::Shape(file.clone(), error.to_string());
    match serde_json::from_slice::<Probe>(&bytes).map_err(shape)?.schema {
        Some(schema) if schema == SCHEMA => serde_json::from_slice(&bytes).map_err(shape),
        Some(other) => Err(ReadError::Shape(file, format!("it is a `{other}`, not a `{SCHEMA}`"))),
        None => Err(ReadError::Shape(file, format!("it does not say `schema: {SCHEMA}`"))),
    }
}

/// The figures that both runs have, in the order of the newer one.
pub fn changes(old: &Run, new: &Run) -> Vec<Change> {
    let mut changes = Vec::new();
    for (case, lane) in new.lanes() {
        let Some((_, before)) = old.lanes().find(|(was, before)| was.name == case.name && before.name == lane.name)
        else {
            continue;
        };
        for figure in &lane.figures {
            changes.extend(before.figure(figure.metric).map(|before| {
                let (ratio, old, new) = pair(before, figure);
                Change { case: case.name.clone(), lane: lane.name.clone(), metric: figure.metric, ratio, old, new }
            }));
        }
    }
    changes
}

fn pair(old: &Figure, new: &Figure) -> (bool, Estimate, Estimate) {
    match (old.times, new.times) {
        (Some(old), Some(new)) => (true, old, new),
        _ => (false, old.value, new.value),
    }
}

impl Change {
    /// In percent of the older median.
    pub fn percent(&self) -> f64 {
        if self.old.median == self.new.median { 0.0 } else { (self.new.median / self.old.median - 1.0) * 100.0 }
    }

    /// Whether the intervals have nothing in common, and are intervals.
    pub fn is_clear(&self) -> bool {
        let apart = self.new.low > self.old.high || self.new.high < self.old.low;
        apart && self.has_intervals()
    }

    fn has_intervals(&self) -> bool {
        self.old.coverage.min(self.new.coverage) >= ENOUGH
    }

    /// Whether it got worse by so many percent, beyond doubt.
    pub fn is_regression(&self, percent: f64) -> bool {
        let worse = if self.metric.more_is_better() { -self.percent() } else { self.percent() };
        self.is_clear() && worse > percent
    }

    fn verdict(&self) -> &'static str {
        match (self.is_clear(), (self.percent() > 0.0) == self.metric.more_is_better()) {
            (false, _) if !self.has_intervals() => "too few windows",
            (false, _) => "within noise",
            (true, true) => "better",
            (true, false) => "WORSE",
        }
    }
}

/// A table; says so when nothing is in both.
pub fn text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "\ncompared: no case of one lane is in both runs\n".to_owned();
    }
    let mut out = String::from("\ncompared with the older run (× is the ratio to the floor)\n");
    let mut last = "";
    for change in changes {
        if change.case != last {
            let _ = writeln!(out, "{}", change.case);
            last = &change.case;
        }
        let unit = if change.ratio { "×" } else { change.metric.name().1 };
        let show = |one: &Estimate| format!("{:.2} ({:.2}–{:.2})", one.median, one.low, one.high);
        let _ = writeln!(
            out,
            "  {:<12} {:<18} {:>26} → {:>26} {unit:<3} {:>+7.1} %  {}",
            change.lane,
            change.metric.name().0,
            show(&change.old),
            show(&change.new),
            change.percent(),
            change.verdict()
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(metric: Metric, old: (f64, f64, f64), new: (f64, f64, f64)) -> Change {
        let of = |(low, median, high)| Estimate { median, low, high, coverage: 0.95 };
        let (case, lane) = (String::new(), String::new());
        Change { case, lane, metric, ratio: false, old: of(old), new: of(new) }
    }

    #[test]
    fn worse_is_more_time_or_fewer_answers_and_only_beyond_the_intervals() {
        let slower = change(Metric::LatencyP99, (90.0, 100.0, 105.0), (106.0, 110.0, 120.0));
        assert!(slower.is_regression(5.0) && !slower.is_regression(15.0));
        let noisy = change(Metric::LatencyP99, (90.0, 100.0, 108.0), (106.0, 110.0, 120.0));
        assert!(!noisy.is_regression(5.0));
        let faster = change(Metric::LatencyP99, (106.0, 110.0, 120.0), (90.0, 100.0, 105.0));
        assert!(!faster.is_regression(0.0));
        let fewer = change(Metric::Throughput, (99.0, 100.0, 101.0), (79.0, 80.0, 81.0));
        assert!(fewer.is_regression(10.0) && !fewer.is_regression(30.0));
    }
}
