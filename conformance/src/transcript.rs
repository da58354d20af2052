//! The evidence of a run in three lanes: client, upstream, telemetry; in order of time.

use std::collections::BTreeMap;
use std::time::Duration;

use mock_providers::credentials::{redact, redact_query};
use mock_providers::{End, Journal, RequestRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::{End as Ending, Exchange};
use crate::seam::NONCE;
use crate::wire::Head;

/// Who saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// The test client.
    Client,
    /// A mock provider.
    Upstream,
    /// Log and notices of the gateway.
    Telemetry,
}

/// One thing that was seen.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Milliseconds since the start of the scenario.
    pub at: f64,
    /// Who saw it.
    pub lane: Lane,
    /// What, in one or more lines.
    pub text: String,
}

/// Everything that was seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Transcript(pub Vec<Entry>);

/// Longest body that is shown.
const SHOWN: usize = 1200;
/// Most exchanges that are shown.
const EXCHANGES: usize = 12;

impl Transcript {
    /// Puts the lanes together. Headers that carry credentials are redacted; other secrets `run` takes out.
    pub fn new(
        exchanges: &[&Exchange],
        journals: &BTreeMap<String, Journal>,
        lines: &[(Duration, String)],
    ) -> Transcript {
        let mut entries = Vec::new();
        let shown = worth_showing(exchanges);
        for exchange in &shown {
            client(exchange, &mut entries);
        }
        let hidden = |nonce: &str| {
            exchanges.iter().any(|one| one.call.nonce == nonce) && !shown.iter().any(|one| one.call.nonce == nonce)
        };
        for (name, journal) in journals {
            for request in journal.requests.iter().filter(|request| !request.header(NONCE).is_some_and(hidden)) {
                upstream(name, request, &mut entries);
            }
        }
        let shown = lines.iter().rev().take(2 * EXCHANGES);
        entries.extend(shown.map(|(at, line)| entry(*at, Lane::Telemetry, line.clone())));
        entries.sort_by(|a, b| a.at.total_cmp(&b.at));
        Transcript(entries)
    }
}

/// Of many exchanges those that went wrong and the latest; of few, all.
fn worth_showing<'e>(exchanges: &[&'e Exchange]) -> Vec<&'e Exchange> {
    if exchanges.len() <= EXCHANGES {
        return exchanges.to_vec();
    }
    let wrong = |exchange: &&&Exchange| exchange.end != Ending::Clean || exchange.status() != Some(200);
    let mut shown: Vec<&Exchange> = exchanges.iter().filter(wrong).take(EXCHANGES / 2).copied().collect();
    for exchange in exchanges.iter().rev().take(EXCHANGES - shown.len()) {
        if !shown.iter().any(|one| one.call.nonce == exchange.call.nonce) {
            shown.push(exchange);
        }
    }
    shown
}

fn entry(at: Duration, lane: Lane, text: String) -> Entry {
    Entry { at: at.as_secs_f64() * 1e3, lane, text }
}

fn client(exchange: &Exchange, entries: &mut Vec<Entry>) {
    let wire = String::from_utf8_lossy(&exchange.call.wire);
    let (head, body) = wire.split_once("\r\n\r\n").unwrap_or((&wire, ""));
    let head = masked_lines(head);
    entries.push(entry(exchange.sent_at, Lane::Client, format!("> {head}{}", shown(body))));
    if let (Some(head), Some(at)) = (&exchange.head, exchange.head_at) {
        entries.push(entry(at, Lane::Client, format!("< {}", head_lines(head))));
    }
    let mut start = 0;
    for (at, end) in exchange.reads.iter().take(40) {
        if *end > start {
            let text = String::from_utf8_lossy(&exchange.body[start..*end]).into_owned();
            entries.push(entry(*at, Lane::Client, format!("<{}", shown(&text))));
        }
        start = *end;
    }
    entries.push(entry(exchange.ended_at, Lane::Client, format!("= {}", exchange.end)));
}

fn masked_lines(head: &str) -> String {
    let lines: Vec<String> = head
        .split("\r\n")
        .enumerate()
        .map(|(index, line)| match line.split_once(": ") {
            Some((name, value)) if index > 0 => format!("{name}: {}", redact(name, value)),
            _ => masked_target(line),
        })
        .collect();
    lines.join("\n")
}

fn masked_target(line: &str) -> String {
    match line.split_once('?') {
        Some((before, after)) => {
            let (query, version) = after.rsplit_once(' ').unwrap_or((after, ""));
            format!("{before}?{} {version}", redact_query(query)).trim_end().to_owned()
        }
        None => line.to_owned(),
    }
}

fn head_lines(head: &Head) -> String {
    let headers = head.headers.iter().map(|(name, value)| format!("\n{name}: {}", redact(name, value)));
    std::iter::once(head.start.clone()).chain(headers).collect()
}

fn shown(body: &str) -> String {
    match body.char_indices().nth(SHOWN) {
        _ if body.is_empty() => String::new(),
        Some((cut, _)) => format!("\n{}… ({} bytes)", &body[..cut], body.len()),
        None => format!("\n{}", body.trim_end_matches('\n')),
    }
}

fn upstream(name: &str, request: &RequestRecord, entries: &mut Vec<Entry>) {
    let query = request.head.query().map(|query| format!("?{}", redact_query(query))).unwrap_or_default();
    let headers = request.head.headers().map(|(name, value)| format!("\n{name}: {}", redact(name, value)));
    let headers: String = headers.collect();
    let body = shown(&String::from_utf8_lossy(&request.body));
    let text = format!("{name} < {} {}{query}{headers}{body}", request.head.method(), request.head.path());
    entries.push(entry(request.received_at, Lane::Upstream, text));
    let fault = request.fault.as_deref().map(|fault| format!(", fault {fault}")).unwrap_or_default();
    if let (Some(status), Some(at)) = (request.status, request.head_at) {
        let text = format!("{name} > {status} (rule {}{fault}), {} writes", request.rule, request.events.len());
        entries.push(entry(at, Lane::Upstream, text));
    }
    let last = request.events.last().map_or(request.head_at.unwrap_or(request.received_at), |(at, _)| *at);
    let (at, how) = match request.end {
        End::Pending => (last, "not ended yet"),
        End::Complete => (last, "complete"),
        End::Fault => (last, "cut by the script"),
        End::ClientClosed { at } => (at, "closed by the gateway"),
    };
    entries.push(entry(at, Lane::Upstream, format!("{name} = {how}")));
}
