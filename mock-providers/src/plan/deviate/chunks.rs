//! Events that are missing, too many, in the wrong order, or of another answer.
//!
//! Owns which events there are and what they all share; what choices and usage say is not its business.

use serde_json::{Value, json};

use super::super::Kind;
use super::said::{Api, Event, Fields, Said, any, choices, message};

/// However many are asked for.
const MOST: usize = 10_000;

pub(super) fn missing_done(said: &mut Said) -> bool {
    let before = said.events.len();
    said.events.retain(|event| !is_done(event));
    said.events.len() < before
}

pub(super) fn double_done(said: &mut Said) -> bool {
    let Some(at) = said.events.iter().position(is_done) else { return false };
    let again = said.events[at].echoed();
    said.events.insert(at + 1, again);
    true
}

fn is_done(event: &Event) -> bool {
    event.kind == Kind::Done
}

pub(super) fn data_after_done(said: &mut Said) -> bool {
    let content = said.first(Kind::Content).or_else(|| said.first(Kind::Role));
    let (Some(done), Some(content)) = (said.events.iter().rposition(is_done), content) else { return false };
    let more = said.events[content].echoed();
    said.events.insert(done + 1, more);
    true
}

pub(super) fn empty_deltas(said: &mut Said, count: usize) -> bool {
    let Some(at) = said.first(Kind::Content).filter(|_| said.stream) else { return false };
    let mut empty = said.events[at].echoed();
    let emptied = match (said.api, &mut empty.json) {
        (Api::Completions, Some(json)) => any(choices(json), |choice| {
            choice.get_mut("text").map(|text| *text = "".into()).is_some()
                || message(choice).map(Fields::clear).is_some()
        }),
        (api, _) => empty.text(api).map(String::clear).is_some(),
    };
    empty.kind = Kind::Frame;
    empty.piece.kind = Kind::Frame;
    let more = std::iter::repeat_n(empty, count.min(MOST));
    if emptied {
        said.events.splice(at..at, more);
    }
    emptied && count > 0
}

pub(super) fn duplicate(said: &mut Said, number: usize) -> bool {
    let places = said.places(Kind::Content);
    let Some(&at) = number.checked_sub(1).and_then(|index| places.get(index)).filter(|_| said.stream) else {
        return false;
    };
    let again = said.events[at].echoed();
    said.events.insert(at + 1, again);
    true
}

pub(super) fn reorder(said: &mut Said) -> bool {
    let places = said.places(Kind::Content);
    let [first, second, ..] = places[..] else { return false };
    let gap = said.events[first].piece.gap;
    said.events[first].piece.gap = said.events[second].piece.gap;
    said.events[second].piece.gap = gap;
    said.events.swap(first, second);
    true
}

/// Azure's first chunk, which is about the prompt.
pub(super) fn choices_empty_first(said: &mut Said) -> bool {
    if !said.stream || said.api != Api::Completions {
        return false;
    }
    let Some(mut first) = said.events.iter().find(|event| event.json.is_some()).map(Event::echoed) else {
        return false;
    };
    let safe = json!({"filtered": false, "severity": "safe"});
    let results = json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe});
    let object = first.json.as_ref().and_then(|json| json.get("object")).cloned();
    first.json = Some(json!({
        "id": "",
        "object": object,
        "created": 0,
        "model": "",
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": results}],
        "choices": [],
    }));
    first.kind = Kind::Frame;
    first.piece.kind = Kind::Frame;
    said.events.insert(0, first);
    true
}

/// Where an answer names itself: in every chunk, in the response of an event, in the message of the first.
fn each_holder(said: &mut Said, mut change: impl FnMut(usize, &mut Fields) -> bool) -> bool {
    let mut seen = 0;
    let stream = said.stream;
    said.each(|json| {
        let own = if json.get("response").is_some() { json.get_mut("response") } else { Some(json) };
        let Some(fields) = own.and_then(Value::as_object_mut).filter(|fields| fields.contains_key("id")) else {
            return false;
        };
        seen += 1;
        stream && seen > 1 && change(seen, fields)
    })
}

pub(super) fn id_changes(said: &mut Said) -> bool {
    each_holder(said, |number, fields| match fields.get_mut("id") {
        Some(Value::String(id)) => {
            *id += &format!("-{number}");
            true
        }
        _ => false,
    })
}

pub(super) fn model_changes(said: &mut Said) -> bool {
    each_holder(said, |_, fields| match fields.get_mut("model") {
        Some(Value::String(model)) => {
            model.push_str("-other");
            true
        }
        _ => false,
    })
}

pub(super) fn missing_role(said: &mut Said) -> bool {
    let concerned = said.api != Api::Other;
    said.each(|json| concerned && without_role(json))
}

fn without_role(json: &mut Value) -> bool {
    match json {
        Value::Array(items) => any(items.iter_mut(), without_role),
        Value::Object(fields) => {
            let own = fields.get("role").is_some_and(Value::is_string) && fields.shift_remove("role").is_some();
            any(fields.values_mut(), without_role) | own
        }
        _ => false,
    }
}

pub(super) fn more_fields(said: &mut Said, more: &Fields) -> bool {
    let concerned = said.api == Api::Completions;
    said.each(|json| concerned && json.as_object_mut().is_some_and(|fields| extend(fields, more)))
}

pub(super) fn more_choice_fields(said: &mut Said, more: &Fields) -> bool {
    said.each_choice(|choice| extend(choice, more))
}

fn extend(fields: &mut Fields, more: &Fields) -> bool {
    fields.extend(more.clone());
    !more.is_empty()
}

/// Reasoning goes by another name.
pub(super) fn reasoning_as(said: &mut Said, name: &str) -> bool {
    said.each_message(|message| {
        let known =
            ["reasoning_content", "reasoning"].into_iter().find(|known| *known != name && message.contains_key(*known));
        let value = known.and_then(|known| message.shift_remove(known));
        value.is_some_and(|value| message.insert(name.to_owned(), value).is_none())
    })
}
