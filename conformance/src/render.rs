//! The text of one failed scenario: which requirement, where in the file, expected, actual, the transcript in
//! three lanes, and how to run just this one again.

use std::path::Path;

use gateway::yaml::Problem;

use crate::outcome::{Outcome, Verdict};
use crate::transcript::{Entry, Lane, Transcript};

/// Colour or none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether escape codes may be written.
    pub colour: bool,
}

impl Style {
    /// In a colour, if there are colours.
    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The verdict in its colour, padded.
    pub fn verdict(self, verdict: Verdict, width: usize) -> String {
        let code = match verdict {
            Verdict::Pass => "32",
            Verdict::Fail | Verdict::Error | Verdict::Flaky => "31",
            _ => "33",
        };
        self.paint(code, &format!("{verdict:width$}"))
    }

    /// Emphasis.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// Everything about an outcome that is not a pass; empty for one that is.
pub fn failure(outcome: &Outcome, sabotage: Option<&str>, style: Style) -> String {
    let mut text = String::new();
    if matches!(outcome.verdict, Verdict::Pass | Verdict::Skipped | Verdict::Unsupported) {
        return text;
    }
    text.push_str(&format!("{} {}: {}\n", style.verdict(outcome.verdict, 0), style.bold(&outcome.id), outcome.title));
    let mut about = vec![outcome.level.to_string(), outcome.profile.clone()];
    about.extend(outcome.anchors.iter().cloned());
    text.push_str(&format!("  {}\n", about.join(" · ")));
    if outcome.repeats.len() > 1 {
        let passed = outcome.repeats.iter().filter(|verdict| **verdict == Verdict::Pass).count();
        text.push_str(&format!("  passed {passed} of {} times\n", outcome.repeats.len()));
    }
    if let Some(error) = &outcome.why {
        text.push_str(&format!(
            "\nthis is not the gateway's fault, or not yet known to be:\n{}\n",
            indent(error, "  ")
        ));
    }
    for failure in &outcome.failures {
        text.push('\n');
        let file = &outcome.source.path;
        text.push_str(&place(file, failure.line, failure.column, failure.width, &failure.excerpt));
        text.push_str(&format!("   = at:       {}\n", failure.path));
        text.push_str(&format!("   = expected: {}\n", hanging(&failure.expected)));
        text.push_str(&format!("   = actual:   {}\n", hanging(&failure.actual)));
    }
    if !outcome.transcript.0.is_empty() {
        text.push_str(&format!("\n{}", transcript(&outcome.transcript)));
    }
    let target = outcome.target.iter().map(|target| format!(" --target {target}"));
    let again: String = target.chain(sabotage.map(|name| format!(" --sabotage {name}"))).collect();
    text.push_str(&format!("\nrun only this one: windtunnel run {}{again}\n", outcome.argument));
    text
}

/// A place with its line and caret, as far as they are known.
pub(crate) fn place(file: &Path, line: usize, column: usize, width: usize, excerpt: &str) -> String {
    let length = excerpt.chars().count();
    let column = column.min(length.saturating_add(1));
    let problem = Problem {
        line,
        column,
        source_line: (!excerpt.is_empty()).then(|| excerpt.to_owned()),
        caret_len: width.min(length.saturating_sub(column.saturating_sub(1))),
        ..Problem::of_file(file, "")
    };
    let text = problem.to_string();
    // The first line repeats the message; the place begins behind it.
    let text = text.split_once('\n').map_or(text.as_str(), |(_, rest)| rest);
    format!("{text}\n")
}

fn hanging(text: &str) -> String {
    text.trim_end().replace('\n', "\n               ")
}

fn indent(text: &str, with: &str) -> String {
    text.lines().map(|line| format!("{with}{line}\n")).collect::<String>().trim_end().to_owned()
}

/// Three lanes in order of time.
pub fn transcript(transcript: &Transcript) -> String {
    let mut text = String::from("transcript (ms | lane | > sent, < received, = ended)\n");
    for entry in &transcript.0 {
        text.push_str(&line(entry));
    }
    text
}

fn line(entry: &Entry) -> String {
    let lane = match entry.lane {
        Lane::Client => "client   ",
        Lane::Upstream => "  upstream ",
        Lane::Telemetry => "    telemetry",
    };
    let mut out = String::new();
    for (index, line) in entry.text.lines().enumerate() {
        let time = if index == 0 { format!("{:9.1}", entry.at) } else { " ".repeat(9) };
        let name = if index == 0 { lane.to_owned() } else { " ".repeat(lane.len()) };
        out.push_str(format!("{time} {name:13} | {line}").trim_end());
        out.push('\n');
    }
    out
}
