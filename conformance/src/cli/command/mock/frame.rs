//! One picture of running providers as lines of text.
//!
//! Owns the layout, and that nothing a caller sends can steer the terminal.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use mock_providers::{End, RequestRecord, Tally};

/// What is drawn.
pub(super) struct Frame {
    pub(super) version: u64,
    pub(super) up: Duration,
    pub(super) admin: Option<SocketAddr>,
    pub(super) paused: bool,
    pub(super) saturated: bool,
    pub(super) providers: Vec<Row>,
    pub(super) states: BTreeMap<String, String>,
    /// The latest first.
    pub(super) exchanges: Vec<RequestRecord>,
    pub(super) notice: String,
}

/// One provider.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) url: String,
    /// Requests a second.
    pub(super) rate: f64,
    pub(super) tally: Tally,
}

impl Frame {
    /// As many lines as fit, none longer than the terminal is wide.
    pub(super) fn render(&self, columns: usize, rows: usize) -> String {
        let mut lines = vec![self.title(), String::new()];
        lines.push(format!(
            "{:<16} {:<30} {:>9} {:>7} {:>9}  STATUSES",
            "PROVIDER", "ADDRESS", "RATE", "FLIGHT", "TOTAL"
        ));
        lines.extend(self.providers.iter().map(Row::line));
        if !self.states.is_empty() {
            let states: Vec<String> = self.states.iter().map(|(machine, state)| format!("{machine}={state}")).collect();
            lines.push(format!("{:<16} {}", "STATES", states.join("  ")));
        }
        lines.push(String::new());
        lines.push(format!(
            "{:>9} {:<14} {:>6} {:<11} {:>8} {:>8} {:>11}  {:<16} {:<16} {:<18} PATH",
            "SECOND", "REQUEST", "STATUS", "END", "HEAD", "ALL", "TOKENS", "RULE", "FAULT", "MODEL"
        ));
        let notices: Vec<&str> = self.notice.lines().collect();
        let left = rows.saturating_sub(lines.len() + notices.len());
        lines.extend(self.exchanges.iter().take(left).map(exchange));
        lines.resize(rows.saturating_sub(notices.len()).max(lines.len().min(rows)), String::new());
        lines.extend(notices.into_iter().map(str::to_owned));
        lines.truncate(rows);
        let fitted: Vec<String> = lines.iter().map(|line| fit(line, columns).trim_end().to_owned()).collect();
        fitted.join("\n")
    }

    fn title(&self) -> String {
        let mut title = format!("windtunnel mock  configuration {}  up {} s", self.version, self.up.as_secs());
        if let Some(admin) = self.admin {
            // Writing to a `String` cannot fail.
            let _ = write!(title, "  admin http://{admin}/__mock/ready");
        }
        for (word, said) in [("PAUSED", self.paused), ("SATURATED", self.saturated)] {
            if said {
                title = format!("{title}  {word}");
            }
        }
        title
    }
}

impl Row {
    fn line(&self) -> String {
        let Tally { received, in_flight, statuses } = &self.tally;
        let statuses: Vec<String> = statuses
            .iter()
            .map(|(status, count)| {
                format!("{}\u{d7}{count}", status.map_or("none".to_owned(), |code| code.to_string()))
            })
            .collect();
        let (name, url, statuses) = (fit(&self.name, 16), &self.url, statuses.join(" "));
        format!("{name:<16} {url:<30} {:>7.1}/s {in_flight:>7} {received:>9}  {statuses}", self.rate)
    }
}

/// What has a fixed size comes first, for narrow terminals.
fn exchange(record: &RequestRecord) -> String {
    let since = |at: Option<Duration>| match at {
        Some(at) => format!("{:.1} ms", at.saturating_sub(record.received_at).as_secs_f64() * 1e3),
        None => "-".to_owned(),
    };
    let last = match record.end {
        End::ClientClosed { at } => Some(at),
        End::Pending => None,
        End::Complete | End::Fault => record.events.last().map(|(at, _)| *at).or(record.head_at),
    };
    let tokens =
        record.usage.map_or("-".to_owned(), |usage| format!("{}+{}", usage.prompt_tokens, usage.completion_tokens));
    let end = match record.end {
        End::Pending => "...",
        End::Complete => "complete",
        End::ClientClosed { .. } => "caller left",
        End::Fault => "fault",
    };
    let status = record.status.map_or("-".to_owned(), |status| status.to_string());
    format!(
        "{:>9.3} {:<14} {status:>6} {end:<11} {:>8} {:>8} {tokens:>11}  {:<16} {:<16} {:<18} {}",
        record.received_at.as_secs_f64(),
        fit(&format!("{}-{}", record.provider, record.seq), 14),
        since(record.head_at),
        since(last),
        fit(&record.rule, 16),
        fit(record.fault.as_deref().unwrap_or("-"), 16),
        fit(record.model.as_deref().unwrap_or("-"), 18),
        fit(record.head.path(), 60),
    )
}

/// At most so many characters, none of which a terminal obeys.
fn fit(text: &str, width: usize) -> String {
    let plain = |c: char| if c.is_control() { '\u{b7}' } else { c };
    if text.chars().count() <= width {
        return text.chars().map(plain).collect();
    }
    let kept = text.chars().take(width.saturating_sub(1)).map(plain);
    kept.chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests;
