//! What goes wrong with calls of tools: names, arguments, indexes, signatures.
//!
//! Owns calls in the shapes of chat, responses and Anthropic. Refuses to touch text.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::Kind;
use super::said::{Api, Event, Fields, Said, any, choices, message, objects, says};

/// Not the name of any tool that a test would offer.
const UNKNOWN: &str = "no_such_tool";

/// Changes every call in the deltas and messages of chat.
fn each_call(said: &mut Said, mut change: impl FnMut(&mut Fields) -> bool) -> bool {
    said.each_message(|message| any(objects(message.get_mut("tool_calls")), &mut change))
}

/// Changes every object anywhere below that has a member of this value.
fn each_typed(json: &mut Value, kind: &str, change: &mut impl FnMut(&mut Fields) -> bool) -> bool {
    let own = says(json, "type", kind) && json.as_object_mut().is_some_and(&mut *change);
    match json {
        Value::Array(items) => any(items.iter_mut(), |item| each_typed(item, kind, change)) | own,
        Value::Object(fields) => any(fields.values_mut(), |item| each_typed(item, kind, change)) | own,
        _ => own,
    }
}

pub(super) fn unknown_tool(said: &mut Said) -> bool {
    let mut rename =
        |call: &mut Fields| call.contains_key("name") && call.insert("name".to_owned(), UNKNOWN.into()).is_some();
    match said.api {
        Api::Completions => {
            each_call(said, |call| call.get_mut("function").and_then(Value::as_object_mut).is_some_and(&mut rename))
        }
        Api::Responses => said.each(|json| each_typed(json, "function_call", &mut rename)),
        Api::Messages => said.each(|json| each_typed(json, "tool_use", &mut rename)),
        Api::Other => false,
    }
}

/// The text of a call's arguments.
fn arguments(call: &mut Fields) -> Option<&mut Value> {
    call.get_mut("function")?.get_mut("arguments").filter(|arguments| arguments.is_string())
}

/// Whose fragment it is: the choice and the call.
fn key(choice: &Fields, call: &Fields) -> (u64, u64) {
    let index = |fields: &Fields| fields.get("index").and_then(Value::as_u64).unwrap_or(0);
    (index(choice), index(call))
}

pub(super) fn bad_arguments(said: &mut Said) -> bool {
    match said.api {
        Api::Completions if !said.stream => each_call(said, |call| arguments(call).is_some_and(cut)),
        Api::Completions => cut_fragments(said),
        Api::Responses => said.each(|json| {
            let done = says(json, "type", "response.function_call_arguments.done");
            let own = done && json.get_mut("arguments").is_some_and(cut);
            each_typed(json, "function_call", &mut |call| call.get_mut("arguments").is_some_and(cut)) | own
        }),
        Api::Messages => {
            let last = said
                .events
                .iter_mut()
                .rev()
                .filter_map(|event| event.json.as_mut()?.pointer_mut("/delta/partial_json"));
            last.into_iter().any(cut)
        }
        Api::Other => false,
    }
}

/// Takes the last character away, if there is one.
fn cut(text: &mut Value) -> bool {
    let Value::String(text) = text else { return false };
    text.pop().is_some()
}

/// Cuts the last fragment of each call that is not empty.
fn cut_fragments(said: &mut Said) -> bool {
    let mut cut_already = Vec::new();
    any(said.events.iter_mut().rev().filter_map(|event| event.json.as_mut()), |json| {
        any(choices(json), |choice| {
            let own = choice.clone();
            let calls = message(choice).map(|message| objects(message.get_mut("tool_calls")));
            any(calls.into_iter().flatten(), |call| {
                let key = key(&own, call);
                let changed = !cut_already.contains(&key) && arguments(call).is_some_and(cut);
                if changed {
                    cut_already.push(key);
                }
                changed
            })
        })
    })
}

/// All arguments of a streamed call come with its first delta, and the deltas behind it go.
pub(super) fn whole(said: &mut Said) -> bool {
    if !said.stream || said.api != Api::Completions {
        return false;
    }
    let mut texts: BTreeMap<(u64, u64), String> = BTreeMap::new();
    fragments(said, |key, text, _| {
        texts.entry(key).or_default().push_str(text);
        false
    });
    fragments(said, |key, text, first| {
        *text = if first { texts.get(&key).cloned().unwrap_or_default() } else { String::new() };
        true
    });
    let before = said.events.len();
    said.events.retain_mut(|event| !is_empty_fragment(event));
    said.events.len() < before
}

/// Changes every fragment of every streamed call; the first of a call has its name.
fn fragments(said: &mut Said, mut change: impl FnMut((u64, u64), &mut String, bool) -> bool) -> bool {
    said.each_choice(|choice| {
        let own = choice.clone();
        let calls = message(choice).map(|message| objects(message.get_mut("tool_calls")));
        any(calls.into_iter().flatten(), |call| {
            let (key, first) = (key(&own, call), call.get("function").is_some_and(|f| f.get("name").is_some()));
            match arguments(call) {
                Some(Value::String(text)) => change(key, text, first),
                _ => false,
            }
        })
    })
}

fn is_empty_fragment(event: &Event) -> bool {
    let calls = event.json.as_ref().and_then(|json| json.pointer("/choices/0/delta/tool_calls")?.as_array());
    let empty = |call: &Value| {
        call.get("id").is_none() && call.pointer("/function/arguments").is_some_and(|arguments| arguments == "")
    };
    event.kind == Kind::Content && calls.is_some_and(|calls| calls.iter().all(empty))
}

pub(super) fn as_object(said: &mut Said) -> bool {
    let mut parse = |arguments: &mut Value| {
        let parsed =
            arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object);
        parsed.is_some_and(|object| std::mem::replace(arguments, object).is_string())
    };
    match said.api {
        Api::Completions => {
            whole(said);
            each_call(said, |call| arguments(call).is_some_and(&mut parse))
        }
        Api::Responses => said.each(|json| {
            each_typed(json, "function_call", &mut |call| call.get_mut("arguments").is_some_and(&mut parse))
        }),
        Api::Messages | Api::Other => false,
    }
}

/// Where the index of a call stands: in the calls of chat, in the blocks of Anthropic.
fn each_indexed(said: &mut Said, mut change: impl FnMut(&mut Fields) -> bool) -> bool {
    match (said.stream, said.api) {
        (true, Api::Completions) => each_call(said, change),
        (true, Api::Messages) => said.each(|json| json.as_object_mut().is_some_and(&mut change)),
        _ => false,
    }
}

pub(super) fn index_missing(said: &mut Said) -> bool {
    each_indexed(said, |call| call.shift_remove("index").is_some())
}

pub(super) fn index_always_zero(said: &mut Said) -> bool {
    each_indexed(said, |call| call.get_mut("index").is_some_and(|index| std::mem::replace(index, 0.into()) != 0))
}

pub(super) fn signature(said: &mut Said) -> bool {
    each_call(said, |call| {
        let google = json!({"google": {"thought_signature": "c2lnbmVkIHRob3VnaHQ="}});
        call.contains_key("id") && call.insert("extra_content".to_owned(), google).is_none()
    })
}
