//! A run as one HTML page that needs nothing else: figures, plots, and how to measure it again.
//! Readable without scripts, because it has none; the drawing is [`plot`]'s.

mod plot;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::model::{Case, Figure, Lane, Metric, Run};
use super::short::sentences;
use super::text::{ceiling_line, faults, metrics, over_floor, value, windows};
use crate::report::date;
use plot::{Line, Plot, Scale};

const STYLE: &str = include_str!("html/page.css");

/// The whole page.
pub fn text(run: &Run) -> String {
    let names = names(run);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Benchmark of " (names.join(", ")) " · windtunnel " (date::date(run.started)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(run, &names))
                main {
                    (short(run))
                    (saturation(run))
                    @for (load, cases) in by_load(run) { (against_rate(&load, &cases, &names)) }
                    @for case in &run.cases { (section(case, &names)) }
                }
                footer { p { "Written by windtunnel " (run.version) " as " code { (run.schema) } "." } }
            }
        }
    };
    page.into_string() + "\n"
}

/// All lanes, in the order of their colours.
fn names(run: &Run) -> Vec<String> {
    let mut names = Vec::new();
    for (_, lane) in run.lanes() {
        if !names.contains(&lane.name) {
            names.push(lane.name.clone());
        }
    }
    names
}

fn header(run: &Run, names: &[String]) -> Markup {
    let machine = &run.machine;
    let is_floor = |name: &String| run.lanes().any(|(_, lane)| lane.floor && lane.name == *name);
    let targets: Vec<&str> = names.iter().filter(|name| !is_floor(name)).map(String::as_str).collect();
    html! {
        header {
            p.kicker { "Windtunnel benchmark" }
            h1 { (targets.join(" · ")) @if targets.len() < names.len() { " beside the floor" } }
            dl.facts {
                (fact("Machine", &format!("{} cores of {}", machine.cores, machine.cpu)))
                (fact("System", &format!("{}, {} MiB", machine.system, machine.memory_mib)))
                (fact("Load before", &format!("{:.2}", machine.load)))
                (fact("Started", &date::timestamp(run.started)))
                (fact("Windtunnel", &format!("{} {}", run.version, run.commit.as_deref().unwrap_or_default())))
                (fact("Seed", &run.seed.to_string()))
            }
            p { "Measured with " code { (run.command.join(" ")) } }
            ul.notes {
                @for ceiling in &run.ceilings { li { (ceiling_line(ceiling)) } }
                @for note in &run.notes { li { (note) } }
            }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// What a stranger should know who reads no further.
fn short(run: &Run) -> Markup {
    let floor = run.lanes().any(|(_, lane)| lane.floor);
    html! {
        section {
            h2 { "In short" }
            ul.short { @for one in sentences(run) { li.failed[one.failed] { strong { (one.lane) } ", " (one.words) "." } } }
            @if floor {
                p.notes {
                    "The floor is a bare proxy in front of the same provider: what going through any proxy costs. Below a figure stands what it is beside the "
                    "floor's in the same round: a difference of latencies and lags, a ratio of CPU time, memory and answers; and the interval that has it."
                }
            }
        }
    }
}

fn saturation(run: &Run) -> Markup {
    html! {
        @if !run.saturation.is_empty() {
            section {
                h2 { "How far each came" }
                div.scroll { table {
                    thead { tr { th { "Lane" } th { "Load" } th.number { "Kept the objective up to" } th { "Ended by" } } }
                    tbody { @for one in &run.saturation { tr {
                        th scope="row" { (one.lane) }
                        td { (if one.stream { "stream" } else { "plain" }) ", prompt of " (one.prompt) " bytes" }
                        td.number { (one.rate.map_or_else(|| "none".to_owned(), |rate| format!("{rate}/s"))) }
                        td { (one.ended_by.as_deref().unwrap_or("the end of the sweep")) }
                    } } }
                } }
            }
        }
    }
}

/// Cases that differ in their rate alone, where there are several.
fn by_load(run: &Run) -> Vec<(String, Vec<&Case>)> {
    let mut loads: Vec<(String, Vec<&Case>)> = Vec::new();
    for case in run.cases.iter().filter(|case| case.rate.is_some()) {
        let load = case.name.rsplit_once(", ").map_or(case.name.as_str(), |(load, _)| load);
        match loads.iter_mut().find(|(known, _)| known == load) {
            Some((_, cases)) => cases.push(case),
            None => loads.push((load.to_owned(), vec![case])),
        }
    }
    loads.retain(|(_, cases)| cases.len() > 1);
    loads
}

/// Latency over rate, and what it adds to the floor's.
fn against_rate(load: &str, cases: &[&Case], names: &[String]) -> Markup {
    let lines = |of: &dyn Fn(&Figure) -> Option<f64>, metric: Metric| -> Vec<Line> {
        let points = |name: &String| -> Vec<(f64, f64)> {
            let figure = |case: &&Case| of(case.lanes.iter().find(|lane| lane.name == *name)?.figure(metric)?);
            cases.iter().filter_map(|case| Some((case.rate?, figure(case)?))).collect()
        };
        names
            .iter()
            .enumerate()
            .map(|(at, name)| Line { name: name.clone(), colour: at, points: points(name) })
            .collect()
    };
    let rates = "requests a second";
    html! {
        section {
            h2 { (load) ", by rate" }
            div.plots {
                (plot("Latency p99", Plot { x: (rates, Scale::Linear), y: ("µs", Scale::Log), lines: lines(&|figure| Some(figure.value.median), Metric::LatencyP99) }))
                (plot("Added p50, over the floor", Plot { x: (rates, Scale::Linear), y: ("µs", Scale::Linear), lines: lines(&|figure| Some(figure.added?.median), Metric::LatencyP50) }))
            }
        }
    }
}

fn section(case: &Case, names: &[String]) -> Markup {
    let curves = |of: fn(&Lane) -> &Vec<(f64, f64)>| -> Vec<Line> {
        let line = |lane: &Lane| Line {
            name: lane.name.clone(),
            colour: names.iter().position(|name| *name == lane.name).unwrap_or(0),
            points: of(lane).iter().map(|(share, micros)| (*micros, *share)).collect(),
        };
        case.lanes.iter().map(line).collect()
    };
    html! {
        section {
            h2 { (case.name) }
            (table(case))
            div.plots {
                (plot("Latency: share of requests answered by then", Plot { x: ("latency, µs", Scale::Log), y: ("share", Scale::Tail), lines: curves(|lane| &lane.latency) }))
                (plot("Lag: share of events no later than that behind the provider's schedule", Plot { x: ("lag, µs", Scale::Log), y: ("share", Scale::Tail), lines: curves(|lane| &lane.event_lag) }))
            }
        }
    }
}

/// A plot that has something to show.
fn plot(title: &str, plot: Plot) -> Markup {
    html! { @if plot.lines.iter().any(|line| line.points.len() > 1) { figure { figcaption { (title) } (plot.svg(title)) } } }
}

/// A line for each metric, a column for each lane.
fn table(case: &Case) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label={ "Figures of " (case.name) } { table {
            thead { tr {
                th scope="col" { "Median" }
                @for lane in &case.lanes { th.number scope="col" { (lane.name) } }
            } }
            tbody {
                @for metric in metrics(case) { tr {
                    th scope="row" { (metric.name().0) " " small { (metric.name().1) } }
                    @for lane in &case.lanes { td.number { (cell(lane.figure(metric))) } }
                } }
                tr { th scope="row" { "windows" } @for lane in &case.lanes { td.number { (windows(lane)) } } }
                @for lane in &case.lanes {
                    @let told = faults(lane);
                    @if !told.is_empty() { tr.bad { td colspan=(case.lanes.len() + 1) { (lane.name) ": " (told) } } }
                }
            }
        } }
    }
}

/// The figure, and what stands beside the floor's.
fn cell(figure: Option<&Figure>) -> Markup {
    html! { @match figure {
        Some(figure) => {
            (value(figure.metric, &figure.value))
            @if let Some(over) = over_floor(figure) { br; small title=(coverage(figure)) { (over) } }
        }
        None => "–",
    } }
}

fn coverage(figure: &Figure) -> String {
    let covered = figure.times.or(figure.added).map_or(0.0, |one| one.coverage);
    format!("beside the floor's window of the same round; the interval covers {:.1} %", covered * 100.0)
}
