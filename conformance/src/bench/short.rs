//! A run in one sentence for each load and target: what it adds to the floor, or that it failed.
//! For whoever reads no table; says "as far as can be told" where an interval does not exclude that nothing differs.

use super::model::{Case, Estimate, Lane, Metric, Run, Saturation};
use super::text::faults;

/// An interval that covers the median less often tells nothing yet.
pub(super) const ENOUGH: f64 = 0.9;

/// What is said of a lane under a load.
pub struct Sentence<'r> {
    /// The target.
    pub lane: &'r str,
    /// What is said, with the load.
    pub words: String,
    /// Some of its requests failed.
    pub failed: bool,
}

/// Of all targets under all loads; of a sweep, how far each came.
pub fn sentences(run: &Run) -> Vec<Sentence<'_>> {
    if !run.saturation.is_empty() {
        return run.saturation.iter().map(|end| swept(end, run)).collect();
    }
    run.lanes().filter(|(_, lane)| !lane.floor).map(|(case, lane)| measured(case, lane)).collect()
}

fn measured<'r>(case: &Case, lane: &'r Lane) -> Sentence<'r> {
    let words = format!("{}: {}", case.name, words(case, lane));
    Sentence { lane: &lane.name, words, failed: !faults(lane).is_empty() }
}

fn swept<'r>(end: &'r Saturation, run: &Run) -> Sentence<'r> {
    let load = format!("{}, prompt of {} bytes", if end.stream { "streams" } else { "plain" }, end.prompt);
    let rate = end.rate.map_or_else(|| "at none of the rates".to_owned(), |rate| format!("up to {rate} a second"));
    let why = end.ended_by.as_deref().unwrap_or("the sweep ended there");
    let limit = run.settings.as_ref().and_then(|settings| settings.objective_ms);
    let objective = limit.map_or_else(
        || "the objective".to_owned(),
        |limit| format!("the objective (p99 within {limit} ms, no failure)"),
    );
    Sentence { lane: &end.lane, words: format!("{load}: kept {objective} {rate} ({why})"), failed: end.rate.is_none() }
}

fn words(case: &Case, lane: &Lane) -> String {
    let mut parts = Vec::new();
    if case.lanes.iter().any(|lane| lane.floor) {
        parts.extend(added(lane, Metric::LatencyP50, "median latency"));
        parts.extend(added(lane, Metric::EventLagP99, "event lag at p99"));
        parts.extend(cpu(lane));
    } else {
        let median = lane.figure(Metric::LatencyP50).map(|figure| figure.value.median);
        parts.extend(median.map(|median| format!("a median latency of {}, provider included", time(median))));
        let each = lane.figure(Metric::Cpu).map(|figure| figure.value.median);
        parts.extend(each.map(|each| format!("{} of CPU time per request", time(each))));
    }
    let told = faults(lane);
    if !told.is_empty() {
        parts.push(match lane.void() {
            0 => format!("failures: {told}"),
            void => format!("{void} of {} windows are void: {told}", lane.windows.len()),
        });
    }
    parts.join("; ")
}

fn added(lane: &Lane, metric: Metric, name: &str) -> Option<String> {
    let added = lane.figure(metric)?.added?;
    Some(match sign(&added, 0.0) {
        Sign::Unsure => format!("too few windows to tell what it adds to the floor's {name}"),
        Sign::None => format!("no more {name} than the floor, as far as can be told"),
        Sign::More => {
            format!("adds {} to the floor's {name} ({} to {})", time(added.median), time(added.low), time(added.high))
        }
        Sign::Less => format!(
            "{} less {name} than the floor ({} to {})",
            time(-added.median),
            time(-added.high),
            time(-added.low)
        ),
    })
}

fn cpu(lane: &Lane) -> Option<String> {
    let times = lane.figure(Metric::Cpu)?.times?;
    let Estimate { median, low, high, .. } = times;
    Some(match sign(&times, 1.0) {
        Sign::Unsure => "too few windows to tell what CPU time it takes".to_owned(),
        Sign::None => "no more CPU time than the floor, as far as can be told".to_owned(),
        Sign::More | Sign::Less => {
            format!("{median:.2} times the floor's CPU time per request ({low:.2} to {high:.2})")
        }
    })
}

/// On which side of `level` an interval lies.
enum Sign {
    /// It is no interval.
    Unsure,
    /// On both.
    None,
    More,
    Less,
}

fn sign(of: &Estimate, level: f64) -> Sign {
    match of {
        _ if of.coverage < ENOUGH => Sign::Unsure,
        _ if of.low > level => Sign::More,
        _ if of.high < level => Sign::Less,
        _ => Sign::None,
    }
}

fn time(micros: f64) -> String {
    if micros.abs() < 10_000.0 { format!("{micros:.0} µs") } else { format!("{:.1} ms", micros / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::model::{Figure, Window};

    /// A target whose p50 adds so much to the floor's.
    fn said(low: f64, median: f64, high: f64, coverage: f64) -> String {
        let added = Some(Estimate { median, low, high, coverage });
        let value = Estimate { median: 100.0, low: 100.0, high: 100.0, coverage };
        let figures = vec![Figure { metric: Metric::LatencyP50, value, added, times: None }];
        let lane = |floor: bool, figures: &[Figure]| Lane {
            name: if floor { "floor" } else { "mine" }.to_owned(),
            floor,
            windows: Vec::new(),
            figures: figures.to_vec(),
            latency: Vec::new(),
            event_lag: Vec::new(),
        };
        let lanes = vec![lane(true, &[]), lane(false, &figures)];
        let case = Case { name: "plain".to_owned(), stream: false, prompt: 0, rate: None, connections: None, lanes };
        words(&case, &case.lanes[1])
    }

    #[test]
    fn what_an_interval_does_not_exclude_is_not_claimed() {
        assert_eq!(said(2.0, 5.0, 9.0, 0.97), "adds 5 µs to the floor's median latency (2 µs to 9 µs)");
        assert_eq!(said(-9.0, -5.0, -2.0, 0.97), "5 µs less median latency than the floor (2 µs to 9 µs)");
        assert_eq!(said(-1.0, 5.0, 20_000.0, 0.97), "no more median latency than the floor, as far as can be told");
        assert!(said(2.0, 5.0, 9.0, 0.5).contains("too few windows"));
    }

    #[test]
    fn a_target_that_failed_is_said_to_have() {
        let faults = vec![("status 503".to_owned(), 2)];
        let windows = vec![Window { void: true, faults, ..Window::default() }, Window::default()];
        let (name, figures) = ("mine".to_owned(), Vec::new());
        let lane = Lane { name, floor: false, windows, figures, latency: Vec::new(), event_lag: Vec::new() };
        let case = Case {
            name: "plain".to_owned(),
            stream: false,
            prompt: 0,
            rate: None,
            connections: None,
            lanes: vec![lane],
        };
        let run = Run { cases: vec![case], ..Run::default() };
        let said = sentences(&run);
        assert_eq!((said[0].words.as_str(), said[0].failed), ("plain: 1 of 2 windows are void: 2× status 503", true));
    }
}
