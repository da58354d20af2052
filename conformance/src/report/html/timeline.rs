//! What was seen, in three lanes over time: first as a small picture, then entry by entry.

use maud::{Markup, html};

use super::super::model::Scenario;
use crate::transcript::{Entry, Lane};

/// Nothing when nothing was kept.
pub(super) fn markup(scenario: &Scenario) -> Markup {
    let entries = &scenario.transcript.0;
    html! {
        @if !entries.is_empty() {
            h4 { "What was seen" }
            (strip(entries))
            ol.timeline {
                li.lanes aria-hidden="true" {
                    span.time { "ms" }
                    @for lane in LANES { span.{ "lane lane-" (class(lane)) } { (name(lane)) } }
                }
                @for one in entries { (entry(one)) }
            }
        }
    }
}

/// From left to right.
const LANES: [Lane; 3] = [Lane::Client, Lane::Telemetry, Lane::Upstream];

fn class(lane: Lane) -> &'static str {
    match lane {
        Lane::Client => "client",
        Lane::Telemetry => "telemetry",
        Lane::Upstream => "upstream",
    }
}

fn name(lane: Lane) -> &'static str {
    match lane {
        Lane::Client => "client",
        Lane::Telemetry => "gateway telemetry",
        Lane::Upstream => "upstream",
    }
}

/// Lines of an entry that are shown without being asked for.
const SHOWN: usize = 8;

fn entry(entry: &Entry) -> Markup {
    let text = pretty(&entry.text);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let lines = rest.lines().count();
    html! {
        li.entry.{ "lane-" (class(entry.lane)) } {
            span.time { (milliseconds(entry.at)) }
            div.seen {
                span.who { (name(entry.lane)) }
                p { (first) }
                @if lines > SHOWN { details.more { summary { (lines) " more lines" } pre { (rest) } } }
                @else if lines > 0 { pre { (rest) } }
            }
        }
    }
}

fn milliseconds(at: f64) -> String {
    format!("{at:.1}")
}

/// A log line in JSON gets a line for each of its values.
fn pretty(text: &str) -> String {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(map) => {
            let lines: Vec<String> = map
                .iter()
                .map(|(key, value)| match value.as_str() {
                    Some(value) => format!("{key}: {value}"),
                    None => format!("{key}: {value}"),
                })
                .collect();
            format!("log record\n{}", lines.join("\n"))
        }
        Err(_) => text.trim_end().to_owned(),
    }
}

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 12.0;

/// Each entry as a mark on its lane.
fn strip(entries: &[Entry]) -> Markup {
    let times = entries.iter().map(|entry| entry.at).filter(|at| at.is_finite());
    let (first, last) = times.fold((f64::MAX, f64::MIN), |(first, last), at| (first.min(at), last.max(at)));
    let span = if last > first { last - first } else { 1.0 };
    let x = |at: f64| (LEFT + (at - first) / span * (WIDTH - 2.0 * LEFT)).clamp(0.0, WIDTH);
    html! {
        div.overview {
        div.names aria-hidden="true" { @for lane in LANES { span.{ "lane lane-" (class(lane)) } { (name(lane)) } } }
        svg.strip viewBox="0 0 1000 84" role="img" preserveAspectRatio="none" aria-label=(label(entries, first, last)) {
            @for (index, lane) in LANES.iter().enumerate() {
                @let y = 14 + 28 * index;
                line.axis x1="0" x2="1000" y1=(y) y2=(y) {}
                @for one in entries.iter().filter(|one| one.lane == *lane && one.at.is_finite()) {
                    rect.{ "mark lane-" (class(*lane)) } x=(format!("{:.1}", x(one.at) - 2.0)) y=(y - 9) width="4" height="18" {
                        title { (milliseconds(one.at)) " ms: " (one.text.lines().next().unwrap_or_default()) }
                    }
                }
            }
        }
        p.scale aria-hidden="true" { span { (milliseconds(first)) " ms" } span { (milliseconds(last)) " ms" } }
        }
    }
}

fn label(entries: &[Entry], first: f64, last: f64) -> String {
    let count = |lane: Lane| entries.iter().filter(|entry| entry.lane == lane).count();
    let [client, telemetry, upstream] = LANES.map(count);
    format!(
        "From {} to {} ms: {client} by the client, {telemetry} in telemetry, {upstream} upstream",
        milliseconds(first),
        milliseconds(last)
    )
}
