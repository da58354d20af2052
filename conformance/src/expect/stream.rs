//! What the client saw of a stream of server-sent events.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::exchange::millis;
use super::{Judge, parse};
use crate::client::{End, Exchange};
use crate::matcher::Seen;
use crate::scenario::At;
use crate::scenario::expect::{EventExpect, Presence, StreamExpect};
use crate::sse::Event;

/// Judges the body of an exchange as a stream.
pub fn judge(judge: &mut Judge<'_>, expect: &StreamExpect, exchange: &Exchange) {
    let all = exchange.events();
    let done = all.iter().filter(|(_, event)| event.data == "[DONE]").count();
    let events: Vec<&(Duration, Event)> = all.iter().filter(|(_, event)| event.data != "[DONE]").collect();
    let parsed: Vec<Value> =
        events.iter().map(|(_, event)| serde_json::from_str(&event.data).unwrap_or(Value::Null)).collect();
    judge.maybe(".events", expect.events.as_ref(), || Seen::one(events.len()));
    if !expect.payloads.is_empty() {
        payloads(judge, &expect.payloads, &events);
    }
    judge.maybe(".text", expect.text.as_ref(), || Seen::one(text(&parsed)));
    if !expect.tool_calls.is_empty() {
        let calls = tool_calls(&parsed);
        judge.json(".tool_calls", &expect.tool_calls, Ok(&calls));
    }
    judge.maybe(".finish_reason", expect.finish_reason.as_ref(), || Seen::Values(finish_reasons(&parsed)));
    let with = |key: &str| parsed.iter().filter(|value| value.get(key).is_some_and(|v| !v.is_null())).count();
    let broken = String::from_utf8_lossy(&exchange.body).matches('\u{fffd}').count();
    presence(judge, ".done", expect.done.as_ref(), "[DONE] event", done);
    presence(judge, ".usage_chunk", expect.usage_chunk.as_ref(), "usage chunk", with("usage"));
    presence(judge, ".error_event", expect.error_event.as_ref(), "error event", with("error"));
    presence(judge, ".replacement_character", expect.replacement_character.as_ref(), "U+FFFD", broken);
    if let Some(wanted) = &expect.complete {
        complete(judge, wanted, exchange, done, with("error") > 0);
    }
    timing(judge, expect, exchange, &all);
}

fn payloads(judge: &mut Judge<'_>, wanted: &[EventExpect], events: &[&(Duration, Event)]) {
    for (index, expect) in wanted.iter().enumerate() {
        let event = events.get(index).map(|(_, event)| event);
        judge.below(&format!(".payloads[{index}]"), |judge| {
            judge.maybe(".data", expect.data.as_ref(), || Seen::maybe(event.map(|event| event.data.clone())));
            judge.maybe(".event", expect.event.as_ref(), || Seen::maybe(event.map(|event| event.event.clone())));
            if !expect.json.is_empty() {
                let document = event.map_or(Err("there is no such event".to_owned()), |e| parse(e.data.as_bytes()));
                judge.json(".json", &expect.json, document.as_ref().map_err(Clone::clone));
            }
        });
    }
    let place =
        wanted.last().and_then(|last| last.data.as_ref().or_else(|| last.json.0.first().map(|(_, matcher)| matcher)));
    if let Some(place) = place.filter(|_| events.len() > wanted.len()) {
        let more: Vec<&str> = events[wanted.len()..].iter().map(|(_, event)| event.data.as_str()).collect();
        judge.fail(".payloads", place, format!("{} events", wanted.len()), format!("more: {}", more.join(" | ")));
    }
}

fn presence(judge: &mut Judge<'_>, part: &str, wanted: Option<&At<Presence>>, what: &str, count: usize) {
    let Some(wanted) = wanted else { return };
    let (holds, expected) = match wanted.value {
        Presence::Present => (count > 0, format!("a {what}")),
        Presence::Absent => (count == 0, format!("no {what}")),
        Presence::ExactlyOnce => (count == 1, format!("exactly one {what}")),
    };
    if !holds {
        judge.fail(part, wanted, expected, format!("{count}"));
    }
}

/// A broken stream must not look complete: `[DONE]` always does, a clean end does unless an error event precedes it.
fn complete(judge: &mut Judge<'_>, wanted: &At<bool>, exchange: &Exchange, done: usize, error: bool) {
    let clean = exchange.end == End::Clean;
    let actual = format!("{}, {} [DONE]{}", exchange.end, done, if error { ", an error event" } else { "" });
    let looks_complete = done > 0 || (clean && !error);
    match wanted.value {
        true if !(clean && done == 1) => judge.fail(".complete", wanted, "a clean end and one [DONE]", actual),
        false if looks_complete => judge.fail(".complete", wanted, "a stream that is seen to be incomplete", actual),
        _ => {}
    }
}

fn timing(judge: &mut Judge<'_>, expect: &StreamExpect, exchange: &Exchange, events: &[(Duration, Event)]) {
    if let Some(limit) = &expect.first_event_within {
        let took = events.first().map(|(at, _)| at.saturating_sub(exchange.sent_at));
        if took.is_none_or(|took| took > limit.value.0 + judge.slack) {
            let actual = took.map_or_else(|| "no event".to_owned(), millis);
            judge.late(".first_event_within", limit, format!("within {:?}", limit.value.0), actual);
        }
    }
    if let Some(wanted) = &expect.gaps_at_least {
        let gaps: Vec<Duration> = events.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0)).collect();
        let long = gaps.iter().filter(|gap| **gap >= wanted.value.gap.0).count();
        if long < wanted.value.times {
            let expected = format!("{} gaps of {:?} or more", wanted.value.times, wanted.value.gap.0);
            let list: Vec<String> = gaps.iter().map(|gap| millis(*gap)).collect();
            judge.late(".gaps_at_least", wanted, expected, format!("{long}; gaps: {}", list.join(" ")));
        }
    }
}

fn deltas(events: &[Value]) -> impl Iterator<Item = &Value> {
    let choices = events.iter().filter_map(|event| event["choices"].as_array()).flatten();
    choices.filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0)
}

fn text(events: &[Value]) -> String {
    deltas(events).filter_map(|choice| choice["delta"]["content"].as_str()).collect()
}

fn finish_reasons(events: &[Value]) -> Vec<Value> {
    deltas(events).map(|choice| choice["finish_reason"].clone()).filter(|reason| !reason.is_null()).collect()
}

fn tool_calls(events: &[Value]) -> Value {
    let mut calls: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
    for delta in deltas(events).filter_map(|choice| choice["delta"]["tool_calls"].as_array()).flatten() {
        let call = calls.entry(delta["index"].as_u64().unwrap_or(0)).or_default();
        for (key, value) in [("id", &delta["id"]), ("name", &delta["function"]["name"])] {
            if let Some(value) = value.as_str() {
                call.entry(key).or_insert_with(|| json!(value));
            }
        }
        if let Some(part) = delta["function"]["arguments"].as_str() {
            let before = call.get("arguments").and_then(Value::as_str).unwrap_or_default();
            let whole = format!("{before}{part}");
            call.insert("arguments".to_owned(), json!(whole));
        }
    }
    calls.into_values().map(Value::Object).collect()
}
