//! A body under the editor, with serde_json as the judge: what it accepts, what it says of it, and the very bytes that
//! it makes of it.

use std::ops::Range;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::edit::Prompt;
use crate::json::{JsonError, MAX_DEPTH};
use crate::snapshot::Model;

/// Reads the bytes as a body and edits them in every way, as a judge would. Says whether they were accepted.
pub fn body(bytes: &[u8]) -> bool {
    let members = match serde_json::from_slice::<Members<'_>>(bytes) {
        Ok(Members(members)) => members,
        Err(error) => {
            // the grammar allows what has no character: half a surrogate pair
            let only_surrogates = error.to_string().contains("hex escape");
            let read = Prompt::read(Bytes::copy_from_slice(bytes));
            assert!(read.is_err() || only_surrogates, "accepted what is no JSON: {error}");
            return false;
        }
    };
    let prompt = match Prompt::read(Bytes::copy_from_slice(bytes)) {
        Ok(prompt) => prompt,
        Err(error) => {
            assert!(may_be_refused(bytes, &members, &error), "refused: {error}");
            return false;
        }
    };
    let text = std::str::from_utf8(bytes).expect("the judge reads UTF-8 alone");
    assert_eq!(prompt.requested_model.as_deref(), string(&members, "model").as_deref());
    assert_eq!(prompt.stream, value(&members, "stream") == Some("true"));
    for model in [None, Some(""), Some("m-\"1\"\n\u{e9}")] {
        for ask in [false, true] {
            if let Some(expected) = edited(text, &members, model, ask) {
                let edited: Vec<u8> =
                    prompt.pieces(model.map(Model::from).as_ref(), ask).into_iter().flatten().collect();
                assert_eq!(String::from_utf8_lossy(&edited), expected, "model {model:?}, ask {ask}");
            }
        }
    }
    true
}

/// The members of an object as the judge reads them: all of them, in order, values as they are spelt.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Object)
    }
}

/// What is JSON and refused all the same: a member twice that decides routing, and what is nested too deeply.
fn may_be_refused(bytes: &[u8], members: &[(String, &RawValue)], error: &JsonError) -> bool {
    let twice = |name: &str| members.iter().filter(|(own, _)| own == name).count() > 1;
    match error.what {
        "nested too deeply" => depth(bytes) > MAX_DEPTH,
        _ => ["model", "stream", "stream_options"].into_iter().any(twice),
    }
}

/// How deep the values of an object are nested.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth -= 1,
            _ => (),
        }
        deepest = deepest.max(depth);
    }
    deepest - 1
}

fn value<'a>(members: &[(String, &'a RawValue)], name: &str) -> Option<&'a str> {
    members.iter().rfind(|(own, _)| own == name).map(|(_, value)| value.get())
}

fn string(members: &[(String, &RawValue)], name: &str) -> Option<String> {
    serde_json::from_str(value(members, name)?).ok()
}

/// The text as it must be after an edit; `None` where the judge cannot read a name inside.
fn edited(text: &str, members: &[(String, &RawValue)], model: Option<&str>, ask: bool) -> Option<String> {
    let (mut changes, mut added) = (Vec::new(), Vec::new());
    if let Some(name) = model {
        let name = serde_json::to_string(name).expect("a string is JSON");
        match value(members, "model") {
            Some(old) => changes.push((span(text, old), name)),
            None => added.push(format!("\"model\":{name}")),
        }
    }
    match value(members, "stream_options").filter(|_| ask) {
        None if ask => added.push("\"stream_options\":{\"include_usage\":true}".to_owned()),
        None => (),
        Some("null") => {
            changes.push((span(text, value(members, "stream_options")?), "{\"include_usage\":true}".to_owned()));
        }
        Some(object) if object.starts_with('{') => {
            let Members(options) = serde_json::from_str(object).ok()?;
            if value(&options, "include_usage") != Some("true") {
                let asks = options.iter().filter(|(name, _)| name == "include_usage");
                let before = changes.len();
                changes.extend(asks.map(|(_, value)| (span(text, value.get()), "true".to_owned())));
                if changes.len() == before {
                    let end = span(text, object).end - 1;
                    changes.push((end..end, listed(&["\"include_usage\":true".to_owned()], options.is_empty())));
                }
            }
        }
        Some(_) => (),
    }
    let mut edited = text.to_owned();
    if !added.is_empty() {
        let end = text.rfind('}')?;
        changes.push((end..end, listed(&added, members.is_empty())));
    }
    changes.sort_by_key(|(span, _)| span.start);
    for (span, with) in changes.into_iter().rev() {
        edited.replace_range(span, &with);
    }
    Some(edited)
}

/// Members at the end of an object.
fn listed(members: &[String], first: bool) -> String {
    let comma = if first { "" } else { "," };
    format!("{comma}{}", members.join(","))
}

/// Where a part of a text stands in it.
fn span(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}
