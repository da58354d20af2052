//! What goes wrong with a JSON body, whatever operation it answers.
//!
//! Owns its bytes and its members; the shapes of errors have a module of their own. Refuses streams.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{Kind, Piece, Plan};
use crate::script::MissingField;

/// The bytes of the body, when it is no stream and there are any.
fn bytes(plan: &Plan) -> Option<Bytes> {
    if plan.is_event_stream() || plan.is_bodiless() || plan.body_length() == 0 {
        return None;
    }
    match plan.pieces.as_slice() {
        [only] => Some(only.bytes.clone()),
        several => Some(several.iter().map(|piece| piece.bytes.as_ref()).collect::<Vec<_>>().concat().into()),
    }
}

/// The body gives way to these bytes.
pub(super) fn replace(plan: &mut Plan, bytes: impl Into<Bytes>) {
    let usage = plan.pieces.iter().find_map(|piece| piece.usage);
    plan.pieces = vec![Piece { bytes: bytes.into(), kind: Kind::Content, usage, ..Piece::default() }];
}

/// Changes the body's bytes; says whether it could.
fn rewrite(plan: &mut Plan, change: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> bool {
    let changed = bytes(plan).and_then(|bytes| change(&bytes));
    changed.map(|bytes| replace(plan, bytes)).is_some()
}

/// The body, when it is JSON.
pub(super) fn value(plan: &Plan) -> Option<Value> {
    serde_json::from_slice(&bytes(plan)?).ok()
}

/// Changes the body's JSON; says whether it did.
pub(super) fn edit(plan: &mut Plan, change: impl FnOnce(&mut Value) -> bool) -> bool {
    let Some(mut json) = value(plan) else { return false };
    let changed = change(&mut json);
    if changed {
        replace(plan, json.to_string());
    }
    changed
}

pub(super) fn malformed(plan: &mut Plan) -> bool {
    rewrite(plan, |bytes| {
        let (last, rest) = bytes.split_last()?;
        Some([rest, if *last == b'}' { b"]" } else { b"}" }].concat())
    })
}

pub(super) fn truncated(plan: &mut Plan) -> bool {
    rewrite(plan, |bytes| Some(bytes[..bytes.len() / 2].to_vec()))
}

pub(super) fn empty(plan: &mut Plan) -> bool {
    let given = bytes(plan).is_some();
    if given {
        plan.pieces.clear();
    }
    given
}

pub(super) fn wrong_object(plan: &mut Plan) -> bool {
    edit(plan, |json| {
        let name = ["object", "type"].into_iter().find(|name| json.get(name).is_some());
        name.is_some_and(|name| std::mem::replace(&mut json[name], "unexpected".into()) != "unexpected")
    })
}

pub(super) fn missing_field(plan: &mut Plan, missing: &MissingField) -> bool {
    edit(plan, |json| {
        let mut places = missing.path.pointers(json);
        // From the end, so that the places in front stay what they are.
        places.reverse();
        places.iter().fold(false, |changed, place| remove(json, place) | changed)
    })
}

fn remove(json: &mut Value, place: &str) -> bool {
    let Some((parent, name)) = place.rsplit_once('/') else { return false };
    match json.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields.shift_remove(&name.replace("~1", "/").replace("~0", "~")).is_some(),
        Some(Value::Array(items)) => match name.parse::<usize>() {
            Ok(index) if index < items.len() => !items.remove(index).is_null(),
            _ => false,
        },
        _ => false,
    }
}

pub(super) fn extra_field(plan: &mut Plan) -> bool {
    edit(plan, |json| match json.as_object_mut() {
        Some(fields) => fields.insert("unexpected_field".to_owned(), json!({"nested": [1, "two"]})).is_none(),
        None => false,
    })
}

pub(super) fn null_choices(plan: &mut Plan) -> bool {
    edit(plan, |json| {
        let lists = ["choices", "data", "output", "content", "results"];
        let name = lists.into_iter().find(|name| json.get(name).is_some());
        name.is_some_and(|name| !json[name].take().is_null())
    })
}

pub(super) fn huge(plan: &mut Plan, size: usize) -> bool {
    rewrite(plan, |bytes| {
        let missing = size.checked_sub(bytes.len()).filter(|missing| *missing > 0)?;
        let at = bytes.iter().rposition(|&byte| byte == b'}').unwrap_or(bytes.len());
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(&bytes[..at]);
        out.resize(at + missing, b' ');
        out.extend_from_slice(&bytes[at..]);
        Some(out)
    })
}
