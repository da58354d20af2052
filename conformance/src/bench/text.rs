//! A run for the terminal: one table a case, then what a reader has to know.

use std::fmt::Write;

use super::model::{Case, Estimate, Figure, Lane, Metric, Run};
use crate::render::Style;

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
        let _ = writeln!(out, "\n{}: kept the objective up to {rate} ({why})", end.lane);
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
pub(super) fn ceiling_line(ceiling: &super::model::Ceiling) -> String {
    let (kind, safe) = (if ceiling.stream { "streams" } else { "requests" }, ceiling.rate * super::measure::SAFE_SHARE);
    let who = if ceiling.what == "generator" { "the generator" } else { "the provider with this generator" };
    format!("{who} can do {:.0} {kind}/s; above {safe:.0} a measurement is about them", ceiling.rate)
}

/// The figures of one lane and the metrics that any lane has.
fn table(case: &Case, style: Style) -> String {
    let metrics = metrics(case);
    let mut rows = vec![vec!["lane".to_owned()]];
    rows[0].extend(metrics.iter().map(|metric| format!("{} {}", metric.name().0, metric.name().1)));
    rows[0].push("windows".to_owned());
    for lane in &case.lanes {
        rows.push(row(&lane.name, lane, &metrics, windows(lane), |figure| Some(value(figure.metric, &figure.value))));
        if lane.figures.iter().any(|figure| figure.added.is_some()) {
            rows.push(row("  beside the floor", lane, &metrics, String::new(), over_floor));
        }
    }
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let line = cells.join("  ");
        let _ = writeln!(
            out,
            "  {}",
            if number == 0 { style.paint("2", line.trim_end()) } else { line.trim_end().to_owned() }
        );
    }
    for lane in case.lanes.iter().filter(|lane| lane.windows.iter().any(|window| !window.faults.is_empty())) {
        let _ = writeln!(out, "  {}", style.paint("31", &format!("{}: {}", lane.name, faults(lane))));
    }
    out
}

/// Those that some lane has.
pub(super) fn metrics(case: &Case) -> Vec<Metric> {
    Metric::ALL.into_iter().filter(|metric| case.lanes.iter().any(|lane| lane.figure(*metric).is_some())).collect()
}

fn row(
    name: &str,
    lane: &Lane,
    metrics: &[Metric],
    last: String,
    cell: impl Fn(&Figure) -> Option<String>,
) -> Vec<String> {
    let cells = metrics.iter().map(|metric| lane.figure(*metric).and_then(&cell).unwrap_or_else(|| "–".to_owned()));
    std::iter::once(name.to_owned()).chain(cells).chain([last]).collect()
}

/// How many windows count.
pub(super) fn windows(lane: &Lane) -> String {
    match lane.void() {
        0 => lane.windows.len().to_string(),
        void => format!("{} ({void} void)", lane.windows.len()),
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
pub(super) fn faults(lane: &Lane) -> String {
    let mut sums: Vec<(&str, u64)> = Vec::new();
    for (fault, count) in lane.windows.iter().flat_map(|window| &window.faults) {
        match sums.iter_mut().find(|(known, _)| known == fault) {
            Some((_, sum)) => *sum += count,
            None => sums.push((fault, *count)),
        }
    }
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let told: Vec<String> = sums.iter().map(|(fault, count)| format!("{count}× {fault}")).collect();
    told.join(", ")
}
