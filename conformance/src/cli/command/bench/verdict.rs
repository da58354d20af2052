//! The exit code of a benchmark: 1 where a target failed or got worse, 2 where the floor failed, without which nothing is
//! compared, 3 where nothing was measured or compared, or by too few windows to see what --fail-on-regression asks for.
//! What fails in front of the floor too is not the target's fault.

use std::process::ExitCode;

use crate::bench::compare::{Change, Comparison};
use crate::bench::model::{Lane, Run};
use crate::bench::text::faults;

/// Why a target that is compared cannot be said to be as fast as before.
const UNSURE: &str = "too few windows of both runs are without a failure to tell whether it got worse; an interval takes \
    --rounds 5 or more, in the older run too";

/// Says on standard error why it is not 0.
pub(super) fn exit_code(run: &Run, compared: Option<&Comparison>, most_percent: Option<f64>) -> ExitCode {
    let code = verdict(run, compared, most_percent).unwrap_or_else(|(code, why)| {
        eprintln!("error: {why}");
        code
    });
    ExitCode::from(code)
}

fn verdict(run: &Run, compared: Option<&Comparison>, most_percent: Option<f64>) -> Result<u8, (u8, String)> {
    if let Some(floor) = silent(run).find(|lane| lane.floor) {
        let why =
            "has no window without a failure, so nothing can be compared; look at it and at the provider behind it";
        return Err((2, format!("the floor {why} ({})", faults(floor))));
    }
    if let Some(lane) = silent(run).next() {
        return Err((1, format!("{}: no window without a failure ({})", lane.name, faults(lane))));
    }
    let targets = || run.lanes().map(|(_, lane)| lane).filter(|lane| !lane.floor);
    if targets().all(|lane| lane.figures.is_empty()) {
        return Err((3, "nothing was measured: no request was due, or none was answered".to_owned()));
    }
    if compared.is_some_and(|compared| compared.changes.is_empty()) {
        return Err((3, "nothing was compared: no case of one lane is in both runs".to_owned()));
    }
    if let Some(lane) = targets().find(|lane| lane.void() > 0) {
        return Err((1, format!("{}: windows with failures are void ({})", lane.name, faults(lane))));
    }
    let Some((compared, percent)) = compared.zip(most_percent) else { return Ok(0) };
    if let Some(Change { case, lane, metric, .. }) = compared.regression(percent) {
        return Err((1, format!("{case}, {lane}: {} got worse", metric.name().0)));
    }
    match compared.unsure() {
        Some(Change { case, lane, .. }) => Err((3, format!("{case}, {lane}: {UNSURE}"))),
        None => Ok(0),
    }
}

/// Lanes that were asked and never gave a window of good answers; in a sweep at no rate.
fn silent(run: &Run) -> impl Iterator<Item = &Lane> {
    let spoke = |name: &str| run.lanes().any(|(_, lane)| lane.name == name && !is_silent(lane));
    let lanes = run.lanes().map(|(_, lane)| lane);
    lanes.filter(move |lane| is_silent(lane) && (run.saturation.is_empty() || !spoke(&lane.name)))
}

fn is_silent(lane: &Lane) -> bool {
    lane.figures.is_empty() && lane.void() > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures;
    use crate::bench::model::{Case, Saturation, Window};

    fn lane(name: &str, void: &[bool]) -> Lane {
        let window = |(round, void): (usize, &bool)| Window { round, void: *void, ..Window::default() };
        let windows = void.iter().enumerate().map(window).collect();
        let (figures, latency, event_lag) = (Vec::new(), Vec::new(), Vec::new());
        Lane { name: name.to_owned(), floor: name == "floor", windows, figures, latency, event_lag }
    }

    fn run(cases: &[&[(&str, &[bool])]]) -> Run {
        let case = |lanes: &&[(&str, &[bool])]| {
            let mut lanes: Vec<Lane> = lanes.iter().map(|(name, void)| lane(name, void)).collect();
            figures::fill(&mut lanes);
            Case { name: String::new(), stream: false, prompt: 0, rate: None, connections: None, lanes }
        };
        Run { cases: cases.iter().map(case).collect(), ..Run::default() }
    }

    fn code(run: &Run) -> u8 {
        verdict(run, None, None).unwrap_or_else(|(code, _)| code)
    }

    #[test]
    fn a_target_that_fails_is_1_and_a_floor_that_does_is_2() {
        let (good, dead, once) = ([false; 2].as_slice(), [true; 2].as_slice(), [false, true].as_slice());
        for (lanes, expected) in [
            ([("floor", good), ("mine", good)], 0),
            ([("floor", good), ("mine", dead)], 1),
            ([("floor", good), ("mine", once)], 1),
            ([("floor", dead), ("mine", good)], 2),
            ([("floor", dead), ("mine", dead)], 2),
            ([("floor", once), ("mine", good)], 0),
            ([("floor", good), ("mine", &[])], 3),
        ] {
            assert_eq!(code(&run(&[&lanes])), expected, "{lanes:?}");
        }
    }

    #[test]
    fn in_a_sweep_a_lane_may_end_and_not_be_dead_from_the_start() {
        let (good, dead) = ([false].as_slice(), [true].as_slice());
        let mut ends = run(&[&[("floor", good), ("mine", good)], &[("floor", dead), ("mine", good)]]);
        assert_eq!(code(&ends), 2, "two loads");
        let (lane, rate, ended_by) = ("floor".to_owned(), Some(1.0), None);
        ends.saturation = vec![Saturation { lane, stream: false, prompt: 0, rate, ended_by }];
        assert_eq!(code(&ends), 0, "a sweep");
        let mut never = run(&[&[("floor", dead), ("mine", good)], &[("mine", good)]]);
        never.saturation = ends.saturation;
        assert_eq!(code(&never), 2);
    }
}
