//! How choices end: twice, too early, never, or by another name.
//!
//! Owns the finish reasons of completions and the `message_delta` of Anthropic. The responses API has no such event.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::Kind;
use super::said::{Api, Event, Fields, Said, choices, message};

const REASON: &str = "finish_reason";

/// The finish reasons of completions, and Anthropic's.
fn each_reason(said: &mut Said, mut change: impl FnMut(&mut Value) -> bool) -> bool {
    let own =
        said.each_choice(|choice| choice.get_mut(REASON).filter(|reason| !reason.is_null()).is_some_and(&mut change));
    let messages = said.api == Api::Messages;
    own | said.each(|json| {
        let place = if json.get("delta").is_some() { "/delta/stop_reason" } else { "/stop_reason" };
        messages && json.pointer_mut(place).filter(|reason| !reason.is_null()).is_some_and(&mut change)
    })
}

fn rename(reason: &mut Value, names: &BTreeMap<String, String>) -> bool {
    let Some(other) = reason.as_str().and_then(|reason| names.get(reason)) else { return false };
    *reason = other.as_str().into();
    true
}

pub(super) fn wrong(said: &mut Said, name: &str) -> bool {
    each_reason(said, |reason| {
        *reason = name.into();
        true
    })
}

pub(super) fn names(said: &mut Said, names: &BTreeMap<String, String>) -> bool {
    each_reason(said, |reason| rename(reason, names))
}

/// The choices that call tools, by index.
fn calling(said: &mut Said) -> BTreeSet<u64> {
    let mut calling = BTreeSet::new();
    said.each_choice(|choice| {
        let index = index(choice);
        if message(choice).is_some_and(|message| message.contains_key("tool_calls")) {
            calling.insert(index);
        }
        false
    });
    calling
}

fn index(choice: &Fields) -> u64 {
    choice.get("index").and_then(Value::as_u64).unwrap_or(0)
}

pub(super) fn of_streamed_calls(said: &mut Said, names: &BTreeMap<String, String>) -> bool {
    let calling = calling(said);
    let stream = said.stream;
    said.each_choice(|choice| {
        let own = stream && calling.contains(&index(choice));
        own && choice.get_mut(REASON).is_some_and(|reason| rename(reason, names))
    })
}

pub(super) fn of_required_call(said: &mut Said, name: &str) -> bool {
    let concerned = said.call_required && !said.stream;
    let calling = calling(said);
    said.each_choice(|choice| {
        let own = concerned && calling.contains(&index(choice));
        own && choice.insert(REASON.to_owned(), name.into()).is_some()
    })
}

/// vLLM fails when the limit falls into a call: the error comes instead of the end.
pub(super) fn cut_call_errors(said: &mut Said) -> bool {
    let calling = calling(said);
    let cut = |event: &mut Event| {
        let Some(json) = &mut event.json else { return false };
        choices(json).any(|choice| {
            calling.contains(&index(choice)) && choice.get(REASON).is_some_and(|reason| reason == "length")
        })
    };
    let Some(at) = said.events.iter_mut().position(cut).filter(|_| said.stream) else { return false };
    let error = json!({"message": "Internal server error", "type": "InternalServerError", "param": null, "code": 500});
    said.events[at].json = Some(json!({ "error": error }));
    said.events[at].kind = Kind::Frame;
    let mut place = 0;
    said.events.retain(|event| {
        place += 1;
        place <= at + 1 || event.kind == Kind::Done
    });
    true
}

/// Takes the ends out of the stream; of a body, the reason becomes null.
pub(super) fn missing(said: &mut Said) -> bool {
    if !said.stream {
        return each_reason(said, |reason| !std::mem::take(reason).is_null());
    }
    let before = said.events.len();
    said.events.retain(|event| event.kind != Kind::Finish);
    said.events.len() < before
}

pub(super) fn last_choice_only(said: &mut Said) -> bool {
    let mut ends = said.places(Kind::Finish);
    ends.pop();
    for at in ends.iter().rev() {
        said.events.remove(*at);
    }
    !ends.is_empty()
}

pub(super) fn double(said: &mut Said) -> bool {
    let ends = said.places(Kind::Finish);
    for at in ends.iter().rev().filter(|_| said.stream) {
        let again = said.events[*at].echoed();
        said.events.insert(at + 1, again);
    }
    said.stream && !ends.is_empty()
}

/// Each choice's end moves before its last content.
pub(super) fn early(said: &mut Said) -> bool {
    let mut moved = false;
    for at in said.places(Kind::Finish) {
        let of = own_index(&mut said.events[at]);
        let last = (0..at)
            .rev()
            .find(|&before| said.events[before].kind == Kind::Content && own_index(&mut said.events[before]) == of);
        if let Some(last) = last {
            let end = said.events.remove(at);
            said.events.insert(last, end);
            moved = true;
        }
    }
    moved
}

/// Each choice's end joins its last content.
pub(super) fn on_content_chunk(said: &mut Said) -> bool {
    let mut joined = false;
    for at in said.places(Kind::Finish).into_iter().rev().filter(|_| said.api == Api::Completions) {
        let of = own_index(&mut said.events[at]);
        let last = (0..at)
            .rev()
            .find(|&before| said.events[before].kind == Kind::Content && own_index(&mut said.events[before]) == of);
        let Some(last) = last else { continue };
        let end = said.events.remove(at);
        let reason = end.json.and_then(|json| json.pointer("/choices/0/finish_reason").cloned());
        let content = &mut said.events[last];
        content.kind = Kind::Finish;
        content.piece.usage = content.piece.usage.or(end.piece.usage);
        joined |= content.json.as_mut().and_then(|json| choices(json).next()).is_some_and(|choice| {
            choice.insert(REASON.to_owned(), reason.unwrap_or_default());
            true
        });
    }
    joined
}

/// The choice that an event of a completion is about.
fn own_index(event: &mut Event) -> Option<u64> {
    event.json.as_mut().and_then(|json| choices(json).next().map(|choice| index(choice)))
}

/// Null becomes an empty string, where the choice has not ended.
pub(super) fn empty(said: &mut Said) -> bool {
    let stream = said.stream;
    said.each_choice(|choice| match choice.get_mut(REASON) {
        Some(reason) if reason.is_null() && stream => {
            *reason = "".into();
            true
        }
        _ => false,
    })
}

/// Null is left out.
pub(super) fn key_missing(said: &mut Said) -> bool {
    let stream = said.stream;
    said.each_choice(|choice| {
        stream && choice.get(REASON).is_some_and(Value::is_null) && choice.shift_remove(REASON).is_some()
    })
}

pub(super) fn camel_case(said: &mut Said) -> bool {
    said.each_choice(|choice| match choice.shift_remove(REASON) {
        Some(reason) => choice.insert("finishReason".to_owned(), reason).is_none(),
        None => false,
    })
}
