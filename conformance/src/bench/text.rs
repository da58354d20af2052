//! A run for the terminal: one table a case, medians first and beside them what the floor's are taken from, then what a reader has to know.

use std::fmt::Write;

use super::model::{Case, Ceiling, Estimate, Figure, Lane, Metric, Run};
use crate::render::Style;

/// Kinds of faults of a lane that are told.
const MOST_FAULTS: usize = 3;

/// The whole run.
pub fn text(run: &Run, style: Style) -> String {
    let mut out = format!("{}\n", headline(run));
    for ceiling in &run.ceilings {
        let _ = writeln!(out, "{}", ceiling_line(ceiling));
    }
    for case in &run.cases {
        let _ = write!(out, "\n{}\n{}", style.paint("1", &case.name), table(case, style));
    }
    for end in &run.saturation {
        let rate = end.rate.map_or("none of the rates".to_owned(), |rate| format!("{rate}/s"));
        let why = end.ended_by.as_deref().unwrap_or("the sweep ended there");
        let _ = writeln!(out, "\n{}, prompt {} B: kept the objective up to {rate} ({why})", end.lane, end.prompt);
    }
    for note in &run.notes {
        let _ = write!(out, "\nnote: {note}");
    }
    out.push_str(if run.notes.is_empty() { "" } else { "\n" });
    out
}

fn headline(run: &Run) -> String {
    let machine = &run.machine;
    let commit = run.commit.as_deref().map(|commit| format!(" ({commit})")).unwrap_or_default();
    format!(
        "windtunnel {}{commit}, {} cores of {}, {}, load {:.2}, seed {}",
        run.version, machine.cores, machine.cpu, machine.system, machine.load, run.seed
    )
}

/// What an instrument can do, and from where on figures are about it.
pub(super) fn ceiling_line(ceiling: &Ceiling) -> String {
    let (kind, safe) = (if ceiling.stream { "streams" } else { "requests" }, ceiling.rate * super::measure::SAFE_SHARE);
    match ceiling.what.as_str() {
        "generator" => format!("the generator can do at least {:.0} {kind}/s", ceiling.rate),
        _ => format!(
            "generator and provider can do {:.0} {kind}/s; above {safe:.0} a figure is about them",
            ceiling.rate
        ),
    }
}

/// A block for each metric, a line for each lane.
fn table(case: &Case, style: Style) -> String {
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let name = |metric: &Metric| format!("{} {}", metric.name().0, metric.name().1);
    let metrics = metrics(case);
    let left = widest(&mut metrics.iter().map(|metric| name(metric).chars().count()));
    let middle = widest(&mut case.lanes.iter().map(|lane| lane.name.chars().count()));
    let mut out = String::new();
    for metric in &metrics {
        let mut title = name(metric);
        for lane in &case.lanes {
            let figure = lane.figure(*metric);
            let value = figure.map_or_else(|| "–".to_owned(), |figure| value(*metric, &figure.value));
            let over = figure.and_then(over_floor).unwrap_or_default();
            let line = format!("  {title:<left$}  {:<middle$}  {value:>9}  {over}", lane.name);
            let _ = writeln!(out, "{}", line.trim_end());
            title.clear();
        }
    }
    for lane in case.lanes.iter().filter(|lane| lane.windows.iter().any(|window| !window.faults.is_empty())) {
        let told = format!("{}: {} (windows: {})", lane.name, faults(lane), windows(lane));
        let _ = writeln!(out, "  {}", style.paint("31", &told));
    }
    out
}

/// Those that some lane has.
pub(super) fn metrics(case: &Case) -> Vec<Metric> {
    Metric::ALL.into_iter().filter(|metric| case.lanes.iter().any(|lane| lane.figure(*metric).is_some())).collect()
}

/// How many windows count.
pub(super) fn windows(lane: &Lane) -> String {
    match lane.void() {
        0 => lane.windows.len().to_string(),
        void => format!("{}, {void} void", lane.windows.len()),
    }
}

/// What is told beside the floor: a ratio of CPU time, answers and memory, a difference of the rest.
pub(super) fn over_floor(figure: &Figure) -> Option<String> {
    match figure.metric {
        Metric::Cpu | Metric::Throughput | Metric::Resident => {
            let times = figure.times?;
            Some(format!("{:.2}× ({:.2}–{:.2})", times.median, times.low, times.high))
        }
        _ => {
            let added = figure.added?;
            Some(format!("{:+.0} ({:+.0} to {:+.0})", added.median, added.low, added.high))
        }
    }
}

pub(super) fn value(metric: Metric, value: &Estimate) -> String {
    let digits = match metric {
        Metric::Resident | Metric::Cpu => 1,
        _ if value.median < 10.0 => 1,
        _ => 0,
    };
    format!("{:.digits$}", value.median)
}

/// What went wrong in a lane, most frequent first.
pub fn faults(lane: &Lane) -> String {
    let mut sums: Vec<(&str, u64)> = Vec::new();
    for (fault, count) in lane.windows.iter().flat_map(|window| &window.faults) {
        match sums.iter_mut().find(|(known, _)| known == fault) {
            Some((_, sum)) => *sum += count,
            None => sums.push((fault, *count)),
        }
    }
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut told: Vec<String> =
        sums.iter().take(MOST_FAULTS).map(|(fault, count)| format!("{count}× {fault}")).collect();
    let rest: u64 = sums.iter().skip(MOST_FAULTS).map(|(_, count)| count).sum();
    told.extend((rest > 0).then(|| format!("{rest}× something else")));
    told.join(", ")
}

#[cfg(test)]
mod tests;
