//! Schemas without references and without `allOf`, at their top.
//!
//! Owns how the keywords of several schemas become one. What cannot be one keyword is left to the last: `fits` finds out.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::budget::Budget;
use crate::openai::schema::resolve;

/// Longer chains of references lead nowhere.
const HOPS: usize = 32;
/// Keywords that say nothing about values.
const NOTES: &[&str] =
    &["$defs", "definitions", "title", "description", "default", "examples", "$schema", "$id", "$comment"];

/// The schema with its references followed and its `allOf` merged, all at the top only; `false` when that costs more
/// than is left.
pub(super) fn flat<'s>(root: &'s Value, schema: &'s Value, budget: &Budget) -> Cow<'s, Value> {
    let mut hops = HOPS;
    flatten(root, schema, &mut hops, budget)
}

fn flatten<'s>(root: &'s Value, schema: &'s Value, hops: &mut usize, budget: &Budget) -> Cow<'s, Value> {
    let Value::Object(keys) = schema else { return Cow::Borrowed(schema) };
    let reference = keys.get("$ref").and_then(Value::as_str);
    let parts = keys.get("allOf").and_then(Value::as_array);
    if (reference.is_none() && parts.is_none()) || *hops == 0 {
        return Cow::Borrowed(schema);
    }
    *hops -= 1;
    let target = reference.and_then(|reference| resolve(root, reference));
    let alone = parts.is_none() && keys.keys().all(|key| key == "$ref" || NOTES.contains(&key.as_str()));
    if let (Some(target), true) = (target, alone) {
        return flatten(root, target, hops, budget);
    }
    let mut merged = Map::new();
    for (key, value) in keys.iter().filter(|(key, _)| *key != "$ref" && *key != "allOf") {
        if !budget.spend_value(value) {
            return Cow::Owned(Value::Bool(false));
        }
        merged.insert(key.clone(), value.clone());
    }
    for part in target.into_iter().chain(parts.into_iter().flatten()) {
        match flatten(root, part, hops, budget).as_ref() {
            Value::Bool(false) => return Cow::Owned(Value::Bool(false)),
            Value::Object(other) if budget.spend_map(other) => merge(&mut merged, other),
            Value::Object(_) => return Cow::Owned(Value::Bool(false)),
            _ => {}
        }
    }
    Cow::Owned(Value::Object(merged))
}

/// What a schema says beside one keyword, if it says anything.
pub(super) fn rest(keys: &Map<String, Value>, without: &str) -> Option<Value> {
    let branches: &[&str] = if without == "if" { &["then", "else"] } else { &[] };
    let says = |key: &str| key != without && !branches.contains(&key) && !NOTES.contains(&key);
    let rest: Map<String, Value> =
        keys.iter().filter(|(key, _)| says(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    (!rest.is_empty()).then_some(Value::Object(rest))
}

fn merge(into: &mut Map<String, Value>, other: &Map<String, Value>) {
    for (key, value) in other {
        match into.get_mut(key) {
            None => {
                into.insert(key.clone(), value.clone());
            }
            Some(own) => *own = both(key, own, value),
        }
    }
}

/// One keyword that holds where two hold.
fn both(key: &str, one: &Value, other: &Value) -> Value {
    let less = |a: &Value, b: &Value| a.as_f64() <= b.as_f64();
    match key {
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
            if less(one, other) {
                other.clone()
            } else {
                one.clone()
            }
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
            if less(one, other) {
                one.clone()
            } else {
                other.clone()
            }
        }
        "type" => common(&list(one), &list(other)),
        "enum" => common(one.as_array().unwrap_or(&Vec::new()), other.as_array().unwrap_or(&Vec::new())),
        "required" => {
            let mut names = list(one);
            names.extend(list(other).into_iter().filter(|name| !list(one).contains(name)));
            names.into()
        }
        "properties" | "patternProperties" => match (one, other) {
            (Value::Object(one), Value::Object(other)) => {
                let mut properties = one.clone();
                for (name, schema) in other {
                    let own = properties.entry(name).or_insert(Value::Bool(true));
                    *own = if *own == Value::Bool(true) { schema.clone() } else { json!({ "allOf": [own, schema] }) };
                }
                Value::Object(properties)
            }
            _ => other.clone(),
        },
        "items" | "additionalProperties" | "contains" | "propertyNames" => json!({ "allOf": [one, other] }),
        "not" => json!({ "anyOf": [one, other] }),
        "anyOf" | "oneOf" => pairs(one, other),
        "multipleOf" => common_multiple(one, other),
        _ => other.clone(),
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// What is in both lists; a whole number is a number.
fn common(one: &[Value], other: &[Value]) -> Value {
    let in_other = |value: &&Value| other.contains(value) || (**value == "integer" && other.contains(&"number".into()));
    let mut both: Vec<Value> = one.iter().filter(in_other).cloned().collect();
    if one.contains(&"number".into()) && other.contains(&"integer".into()) && !both.contains(&"integer".into()) {
        both.push("integer".into());
    }
    both.into()
}

/// Each alternative of the one with each of the other.
fn pairs(one: &Value, other: &Value) -> Value {
    let (one, other) = (list(one), list(other));
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| json!({ "allOf": [one, other] })));
    pairs.take(64).collect()
}

fn common_multiple(one: &Value, other: &Value) -> Value {
    let (Some(a), Some(b)) = (one.as_u64(), other.as_u64()) else { return other.clone() };
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1)).checked_mul(b).map_or_else(|| other.clone(), Value::from)
}
