//! Where usage is reported, and whether it adds up.
//!
//! Owns the members called `usage`, and keeps what the journal says was reported true to them.

use serde_json::Value;

use super::super::Kind;
use super::said::{Api, Said};
use crate::script::UsageMismatch;

/// Where usage stands, in any of the dialects.
const PLACES: &[&str] = &["/usage", "/response/usage", "/message/usage"];

pub(super) fn missing(said: &mut Said) -> bool {
    let before = said.events.len();
    said.events.retain(|event| event.kind != Kind::Usage);
    let mut changed = said.events.len() < before;
    for event in &mut said.events {
        let Some(json) = &mut event.json else { continue };
        let holders = ["", "/response", "/message"];
        for holder in holders {
            let fields = json.pointer_mut(holder).and_then(Value::as_object_mut);
            if let Some(fields) = fields.filter(|fields| fields.get("usage").is_some_and(Value::is_object)) {
                fields.shift_remove("usage");
                changed = true;
            }
        }
        event.piece.usage = None;
    }
    changed
}

pub(super) fn mismatch(said: &mut Said, by: &UsageMismatch) -> bool {
    let mut changed = false;
    for event in &mut said.events {
        let Some(json) = &mut event.json else { continue };
        for place in PLACES {
            let Some(usage) = json.pointer_mut(place).and_then(Value::as_object_mut) else { continue };
            let total = if usage.contains_key("total_tokens") { "total_tokens" } else { "output_tokens" };
            let Some(count) = usage.get(total).and_then(Value::as_u64) else { continue };
            let wrong = count.saturating_add_signed(by.delta);
            usage.insert(total.to_owned(), wrong.into());
            changed |= wrong != count;
            if let (Some(reported), "output_tokens") = (&mut event.piece.usage, total) {
                reported.completion_tokens = wrong;
            }
        }
    }
    changed
}

pub(super) fn on_finish_chunk(said: &mut Said) -> bool {
    moved(said, Kind::Finish)
}

pub(super) fn on_content_chunk(said: &mut Said) -> bool {
    moved(said, Kind::Content)
}

/// Moves the usage of its own chunk into the last chunk of a kind.
fn moved(said: &mut Said, to: Kind) -> bool {
    let (Some(from), Some(&to)) = (said.first(Kind::Usage), said.places(to).last()) else { return false };
    if to > from {
        return false;
    }
    let chunk = said.events.remove(from);
    let (Some(mut json), Some(target)) = (chunk.json, said.events[to].json.as_mut()) else { return false };
    target["usage"] = json["usage"].take();
    said.events[to].piece.usage = chunk.piece.usage;
    true
}

pub(super) fn null_missing(said: &mut Said) -> bool {
    let concerned = said.stream && said.api == Api::Completions;
    said.each(|json| {
        let null = concerned && json.get("usage").is_some_and(Value::is_null);
        null && json.as_object_mut().is_some_and(|fields| fields.shift_remove("usage").is_some())
    })
}
