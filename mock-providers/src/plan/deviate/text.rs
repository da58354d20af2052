//! What goes wrong with the text itself: its characters, its bytes, its size, its beginning.
//!
//! Owns the texts of all dialects. Refuses to know where they came from.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{Kind, Plan};
use super::said::{Api, Said, any};
use crate::script::SlowReasoning;

/// Stands in a text for bytes that no string can hold.
const MARK: char = '\u{f8ff}';
/// No UTF-8 has these.
const INVALID: &[u8] = b"\xff\xfe";
/// However many deltas of reasoning are asked for.
const MOST: usize = 10_000;
/// Members whose strings are text, in any dialect.
const TEXTS: &[&str] = &["content", "text", "delta", "refusal", "thinking", "reasoning_content", "reasoning"];

/// Letters, digits and spaces become characters of three or four bytes; equal ones stay equal.
pub(super) fn wrong_language(said: &mut Said) -> bool {
    let concerned = said.api != Api::Other;
    said.each(|json| concerned && foreign(json))
}

fn foreign(json: &mut Value) -> bool {
    // The deltas of a call's arguments are JSON, not text.
    if json.get("type").and_then(Value::as_str).is_some_and(|kind| kind.contains("arguments")) {
        return false;
    }
    match json {
        Value::Array(items) => any(items.iter_mut(), foreign),
        Value::Object(fields) => any(fields.iter_mut(), |(name, value)| match value {
            Value::String(text) if TEXTS.contains(&name.as_str()) && !text.is_empty() => {
                *text = text.chars().map(foreign_character).collect();
                true
            }
            Value::String(_) => false,
            other => foreign(other),
        }),
        _ => false,
    }
}

fn foreign_character(character: char) -> char {
    let start = match character {
        'a'..='z' | 'A'..='Z' => 0x4e00,
        '0'..='9' => 0x1f600,
        ' ' => return '\u{3000}',
        other => return other,
    };
    char::from_u32(start + character as u32).expect("both blocks are longer than ASCII")
}

/// Silence before the first content, in which a chat stream shows reasoning.
pub(super) fn slow_reasoning(said: &mut Said, slow: &SlowReasoning) -> bool {
    let Some(at) = said.first(Kind::Content).filter(|_| said.stream) else { return false };
    let shown = said.events[at].json.as_ref().is_some_and(|json| json.pointer("/choices/0/delta").is_some());
    let deltas = if shown { slow.deltas.min(MOST) } else { 0 };
    let step = slow.duration / u32::try_from(deltas.max(1)).unwrap_or(1);
    let mut thought = said.events[at].echoed();
    if let Some(delta) = thought.json.as_mut().and_then(|json| json.pointer_mut("/choices/0/delta")) {
        *delta = json!({"reasoning_content": "hmm "});
    }
    thought.piece.gap = step;
    said.events[at].piece.gap += if deltas == 0 { slow.duration } else { Duration::ZERO };
    said.events.splice(at..at, std::iter::repeat_n(thought, deltas));
    true
}

/// The first content that is a text of some length.
fn first_text(said: &mut Said) -> Option<&mut String> {
    let api = said.api;
    let content = said.events.iter_mut().filter(|event| event.kind == Kind::Content);
    content.filter_map(|event| event.text(api)).find(|text| !text.is_empty())
}

pub(super) fn invalid_utf8(said: &mut Said) -> bool {
    first_text(said).map(|text| text.push(MARK)).is_some()
}

/// Writes the bytes that the mark stands for.
pub(super) fn unmark(plan: &mut Plan) {
    let mark = MARK.to_string();
    for piece in &mut plan.pieces {
        if let Some(at) = memchr::memmem::find(&piece.bytes, mark.as_bytes()) {
            piece.bytes = [&piece.bytes[..at], INVALID, &piece.bytes[at + mark.len()..]].concat().into();
            return;
        }
    }
}

pub(super) fn oversize(said: &mut Said, size: usize) -> bool {
    let api = said.api;
    if !said.stream {
        return false;
    }
    let content = said.events.iter_mut().filter(|event| event.kind == Kind::Content);
    for event in content {
        let missing = size.saturating_sub(event.piece.bytes.len());
        if let Some(text) = event.text(api).filter(|text| !text.is_empty()) {
            text.extend(std::iter::repeat_n('x', missing));
            return missing > 0;
        }
    }
    false
}

/// Cuts the JSON of the first content event, or of the first event that has any.
pub(super) fn malformed(plan: &mut Plan) -> bool {
    if !plan.is_event_stream() {
        return false;
    }
    let is_json = |bytes: &Bytes| bytes.ends_with(b"}\n\n");
    let content = plan.pieces.iter().position(|piece| piece.kind == Kind::Content && is_json(&piece.bytes));
    let at = content.or_else(|| plan.pieces.iter().position(|piece| is_json(&piece.bytes)));
    at.is_some_and(|at| {
        let bytes = &plan.pieces[at].bytes;
        plan.pieces[at].bytes = [&bytes[..bytes.len() - 3], b"\n\n"].concat().into();
        true
    })
}
