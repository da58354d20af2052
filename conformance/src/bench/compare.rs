//! Two runs side by side: which figures changed, and whether by more than their intervals.
//! Beside a floor the ratio to it is compared, which forgives a slower day of the machine; else the figure itself.

use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

use super::model::{Estimate, Figure, Metric, Run, SCHEMA, Settings};
use super::short::ENOUGH;

/// A run beside an older one.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The figures that both have, in the order of the newer one.
    pub changes: Vec<Change>,
    /// What was otherwise in the older run, besides the code: whoever reads the changes has to know.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Of an older and a newer run.
    pub fn of(old: &Run, new: &Run) -> Self {
        Self { changes: changes(old, new), differences: differences(old, new) }
    }

    /// A figure of a target that got worse by so many percent, beyond doubt.
    pub fn regression(&self, percent: f64) -> Option<&Change> {
        self.of_targets().find(|change| change.is_regression(percent))
    }

    /// A target under a load of which no figure has an interval in both runs: it may be any number of times slower.
    pub fn unsure(&self) -> Option<&Change> {
        let same = |one: &Change, other: &Change| (&one.case, &one.lane) == (&other.case, &other.lane);
        let told = |one: &Change| self.changes.iter().any(|change| same(change, one) && change.has_intervals());
        self.of_targets().find(|change| !told(change))
    }

    /// Without the floor's, which are about the machine.
    fn of_targets(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| !change.floor)
    }
}

/// One figure in both runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Of which case.
    pub case: String,
    /// Of which lane.
    pub lane: String,
    /// It is the floor's.
    pub floor: bool,
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

fn changes(old: &Run, new: &Run) -> Vec<Change> {
    let mut changes = Vec::new();
    for (case, lane) in new.lanes() {
        let Some((_, before)) = old.lanes().find(|(was, before)| was.name == case.name && before.name == lane.name)
        else {
            continue;
        };
        for figure in &lane.figures {
            changes.extend(before.figure(figure.metric).map(|before| {
                let ((ratio, old, new), metric) = (pair(before, figure), figure.metric);
                Change { case: case.name.clone(), lane: lane.name.clone(), floor: lane.floor, metric, ratio, old, new }
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
    /// In percent of the older median; without end where that is 0.
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

    fn told_percent(&self) -> String {
        let percent = self.percent();
        if percent.is_finite() { format!("{percent:+.1} %") } else { "from zero".to_owned() }
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

fn differences(old: &Run, new: &Run) -> Vec<String> {
    let told = |(name, old, new): (&str, String, String)| (old != new).then(|| format!("{name}: {old} → {new}"));
    let pairs = facts(old).into_iter().zip(facts(new));
    let facts = pairs.filter_map(|((name, old), (_, new))| told((name, old, new)));
    facts.chain(missing(old, new, "older")).chain(missing(new, old, "newer")).collect()
}

/// The lanes of one run that the other lacks, of which nothing is compared.
fn missing(one: &Run, other: &Run, which: &str) -> Vec<String> {
    let has = |run: &Run, case: &str, lane: &str| run.lanes().any(|(at, of)| (&*at.name, &*of.name) == (case, lane));
    let lanes = one.lanes().filter(|(case, lane)| !has(other, &case.name, &lane.name));
    lanes.map(|(case, lane)| format!("{}: {} is in the {which} run alone", case.name, lane.name)).collect()
}

fn facts(run: &Run) -> Vec<(&'static str, String)> {
    let (machine, settings) = (&run.machine, run.settings.as_ref());
    let of = |fact: fn(&Settings) -> String| settings.map_or_else(|| "not known".to_owned(), fact);
    let unknown = || "not known".to_owned();
    let known =
        |fact: fn(&Settings) -> &Option<String>| settings.and_then(|all| fact(all).clone()).unwrap_or_else(unknown);
    let varies = settings.and_then(|settings| settings.varies);
    vec![
        ("machine", format!("{} cores of {}", machine.cores, machine.cpu)),
        ("system", machine.system.clone()),
        ("floor", floor(run)),
        ("provider", known(|settings| &settings.provider)),
        ("model", known(|settings| &settings.model)),
        ("answers", varies.map_or_else(unknown, |may| if may { "may differ" } else { "have one text" }.to_owned())),
        ("window", of(|settings| format!("{} ms", settings.window_ms))),
        ("rounds", of(|settings| settings.rounds.to_string())),
        ("warm-up", of(|settings| format!("{} ms", settings.warmup_ms))),
        ("timeout", of(|settings| format!("{} ms", settings.timeout_ms))),
        ("objective", of(|settings| settings.objective_ms.map_or_else(|| "none".to_owned(), |ms| format!("{ms} ms")))),
        ("arrivals", of(|settings| settings.arrivals.clone())),
        ("most connections", of(|settings| settings.max_connections.to_string())),
        ("events", of(|settings| settings.events.map_or_else(|| "the provider's".to_owned(), |n| n.to_string()))),
        ("seed", run.seed.to_string()),
    ]
}

fn floor(run: &Run) -> String {
    if !run.lanes().any(|(_, lane)| lane.floor) {
        return "no, so that figures are compared and not ratios".to_owned();
    }
    run.settings.as_ref().and_then(|settings| settings.floor.clone()).unwrap_or_else(|| "yes".to_owned())
}

/// A table, below what was otherwise; says so when nothing is in both.
pub fn text(Comparison { changes, differences }: &Comparison) -> String {
    let mut out = String::from("\ncompared with the older run (× is the ratio to the floor)\n");
    for difference in differences {
        let _ = writeln!(out, "  not the same: {difference}");
    }
    if changes.is_empty() {
        out.push_str("  no case of one lane is in both runs\n");
        return out;
    }
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
            "  {:<12} {:<18} {:>26} → {:>26} {unit:<3} {:>9}  {}",
            change.lane,
            change.metric.name().0,
            show(&change.old),
            show(&change.new),
            change.told_percent(),
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
        Change { case, lane, floor: false, metric, ratio: false, old: of(old), new: of(new) }
    }

    #[test]
    fn the_floor_may_get_slower_and_speaks_for_no_target() {
        let few = |change: Change| Change { old: Estimate { coverage: 0.875, ..change.old }, ..change };
        let slower = || change(Metric::LatencyP99, (90.0, 100.0, 105.0), (906.0, 1000.0, 1100.0));
        let named = |lane: &str| Change { lane: lane.to_owned(), ..slower() };
        let of = |changes: Vec<Change>| Comparison { changes, differences: Vec::new() };
        let (floor, other) = (Change { floor: true, ..named("floor") }, named("other"));
        let sure = of(vec![floor.clone(), slower()]);
        assert!(sure.regression(10.0).is_some() && sure.unsure().is_none());
        let unsure = of(vec![floor, few(slower()), few(slower())]);
        assert!(unsure.regression(10.0).is_none() && unsure.unsure().is_some());
        assert!(of(vec![few(slower()), slower()]).unsure().is_none(), "another figure has an interval");
        assert!(of(vec![few(slower()), other]).unsure().is_some(), "another target's has");
    }

    #[test]
    fn a_lane_that_one_run_lacks_is_told() {
        let kept = "../benches/runs/2026-11-22-2core/plain-32.json";
        let old = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(kept)).expect("a kept run");
        let mut new = old.clone();
        new.cases[0].lanes.retain(|lane| lane.floor);
        new.cases[0].lanes[0].name = "ground".to_owned();
        let told = text(&Comparison::of(&old, &new));
        let case = &old.cases[0].name;
        for (lane, which) in [("floor", "older"), ("gateway", "older"), ("ground", "newer")] {
            assert!(told.contains(&format!("{case}: {lane} is in the {which} run alone")), "{told}");
        }
        assert_eq!(Comparison::of(&old, &old).differences, Vec::<String>::new());
    }

    #[test]
    fn what_was_zero_did_not_change_by_percent() {
        let none = (0.0, 0.0, 0.0);
        assert_eq!(change(Metric::EventLagP99, none, (70.0, 80.0, 90.0)).told_percent(), "from zero");
        assert_eq!(change(Metric::EventLagP99, none, none).told_percent(), "+0.0 %");
        assert_eq!(change(Metric::EventLagP99, (70.0, 80.0, 90.0), none).told_percent(), "-100.0 %");
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
