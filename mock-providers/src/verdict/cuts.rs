//! Answers that did not come whole: asked again too late, taken as whole, waited for without end, or not cancelled.

use std::time::Duration;

use memchr::memmem;
use serde_json::Value;

use super::chain::{Chain, ended_at};
use super::{Finding, Policy, finding, millis};
use crate::journal::{End, RequestRecord};

/// Bytes of a stream had been written before it broke, and it was asked for again.
pub(super) fn retried(chain: &Chain<'_>) -> Option<Finding> {
    let written = |record: &RequestRecord| record.events.iter().map(|(_, bytes)| bytes).sum::<usize>();
    let began = |record: &RequestRecord| record.stream && record.status == Some(200) && written(record) > 0;
    let pair = chain.windows(2).find(|pair| pair[0].end == End::Fault && began(pair[0]))?;
    let bytes = written(pair[0]);
    let evidence = format!("the stream broke after {bytes} bytes, then the same was asked again");
    Some(finding("retried_after_stream_started", pair, evidence))
}

/// A conversation goes on with the answer of a stream that was cut.
pub(super) fn accepted(all: &[&RequestRecord]) -> Vec<Finding> {
    let cut = |record: &&&RequestRecord| record.stream && record.status == Some(200) && was_cut(record);
    let mut findings = Vec::new();
    for record in all.iter().filter(cut) {
        let Some(asked) = messages(record) else { continue };
        let later = || all.iter().filter(|later| ended_at(record).is_some_and(|end| later.received_at >= end));
        let goes_on = later().find(|later| messages(later).is_some_and(|longer| follows(&longer, &asked)));
        let Some(goes_on) = goes_on else { continue };
        // A whole answer to the same question may be what the conversation goes on with.
        let whole = |other: &&&RequestRecord| {
            other.end == End::Complete && !was_cut(other) && other.received_at < goes_on.received_at
        };
        if !all.iter().filter(whole).any(|other| messages(other).is_some_and(|same| same == asked)) {
            let evidence = "the conversation went on with the answer of a stream that ended early".to_owned();
            findings.push(finding("truncated_stream_accepted", &[record, goes_on], evidence));
        }
    }
    findings
}

fn was_cut(record: &RequestRecord) -> bool {
    let faults = record.fault.as_deref().unwrap_or_default();
    record.end == End::Fault || faults.split('+').any(|name| matches!(name, "truncate" | "error_event" | "disconnect"))
}

fn messages(record: &RequestRecord) -> Option<Vec<Value>> {
    match serde_json::from_slice::<Value>(&record.body).ok()?.get_mut("messages")?.take() {
        Value::Array(messages) => Some(messages),
        _ => None,
    }
}

/// Whether it begins with these messages and an answer to them.
fn follows(longer: &[Value], asked: &[Value]) -> bool {
    let answer = longer.get(asked.len()).and_then(|message| message.get("role"));
    longer.starts_with(asked) && answer.and_then(Value::as_str) == Some("assistant")
}

/// Nothing came for longer than anybody should wait.
pub(super) fn silent(all: &[&RequestRecord], now: Duration, policy: &Policy) -> Vec<Finding> {
    let limit = Duration::from_millis(policy.read_timeout_ms);
    let waited = |record: &RequestRecord| {
        let until = match record.end {
            End::Pending => now,
            End::ClientClosed { at } => at,
            End::Complete | End::Fault => return longest_gap(record),
        };
        let last = record.events.last().map(|(at, _)| *at).or(record.head_at).or(record.body_at)?;
        Some(until.saturating_sub(last).max(longest_gap(record).unwrap_or_default()))
    };
    let patient = all.iter().filter(|record| record.writing_since.is_none());
    let overlong = patient.filter_map(|record| waited(record).filter(|time| *time > limit).map(|time| (record, time)));
    overlong
        .map(|(record, time)| finding("no_read_timeout", &[record], format!("waited {} in silence", millis(time))))
        .collect()
}

/// Between the whole request, the head and the writes after it.
fn longest_gap(record: &RequestRecord) -> Option<Duration> {
    let times: Vec<Duration> =
        record.body_at.into_iter().chain(record.head_at).chain(record.events.iter().map(|(at, _)| *at)).collect();
    times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max()
}

/// What clients are said to have cancelled ran on.
pub(super) fn cancelled(all: &[&RequestRecord], now: Duration, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    for cancel in policy.cancelled.iter().filter(|cancel| !cancel.containing.is_empty()) {
        let at = Duration::from_millis(cancel.at_ms);
        let limit = at + Duration::from_millis(policy.cancel_within_ms);
        for record in all.iter().filter(|record| memmem::find(&record.body, cancel.containing.as_bytes()).is_some()) {
            let end = ended_at(record).unwrap_or(now);
            if record.received_at <= at && end > limit {
                let evidence = format!("cancelled by the client, ran on for {}", millis(end - at));
                findings.push(finding("cancel_not_propagated", &[record], evidence));
            }
        }
    }
    findings
}
