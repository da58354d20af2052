//! Objects for a schema.
//!
//! Owns which members there are: all that are named, but deep down only those that are required.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::budget::PATTERN;
use super::fits::matches;
use super::maker::Maker;
use super::words;

/// An object that fits.
pub(super) fn object(maker: &mut Maker<'_>, keys: &Map<String, Value>, depth: usize) -> Option<Value> {
    let none = Map::new();
    let properties = keys.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required: Vec<&str> =
        keys.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let count = |name: &str| keys.get(name).and_then(Value::as_f64).map(|count| count as usize);
    let mut spare = count("maxProperties").unwrap_or(usize::MAX).checked_sub(required.len())?;
    let needed: HashSet<&str> = required.iter().copied().collect();
    let mut members = Map::new();
    for (name, schema) in properties {
        let needed = needed.contains(name.as_str());
        if !needed && (spare == 0 || maker.is_spare(depth)) {
            continue;
        }
        match maker.make(schema, depth + 1) {
            Some(value) => {
                members.insert(name.clone(), value);
                spare -= usize::from(!needed);
            }
            None if needed => return None,
            None => {}
        }
    }
    for name in required {
        if !members.contains_key(name) {
            let schema = other(maker, keys, name)?;
            members.insert(name.to_owned(), maker.make(&schema, depth + 1)?);
        }
    }
    let is_map = properties.is_empty() && keys.get("additionalProperties").is_some_and(Value::is_object);
    let usual = if is_map && !maker.is_spare(depth) { 1 + maker.random.below(2) } else { 0 };
    let least = count("minProperties").unwrap_or(0);
    fill(maker, keys, &mut members, (least, usual.min(spare)), depth)?;
    Some(members.into())
}

/// Adds members that nothing names, as many as are needed or usual.
fn fill(
    maker: &mut Maker<'_>,
    keys: &Map<String, Value>,
    members: &mut Map<String, Value>,
    (least, usual): (usize, usize),
    depth: usize,
) -> Option<()> {
    while members.len() < least.max(usual) {
        let name = name(maker, keys, members.len(), depth)?;
        let schema = other(maker, keys, &name)?;
        let made = maker.make(&schema, depth + 1);
        match made {
            Some(value) => members.insert(name, value),
            None if members.len() >= least => break,
            None => return None,
        };
    }
    Some(())
}

/// A name that is not taken: as `propertyNames` or a pattern wants it, or a word with its number.
fn name(maker: &mut Maker<'_>, keys: &Map<String, Value>, number: usize, depth: usize) -> Option<String> {
    if let Some(names) = keys.get("propertyNames") {
        return maker.make(names, depth + 1)?.as_str().map(str::to_owned);
    }
    let patterns = keys.get("patternProperties").and_then(Value::as_object);
    if let Some((pattern, _)) = patterns.and_then(|patterns| patterns.iter().next()) {
        if !maker.budget.spend(PATTERN) {
            return None;
        }
        return super::pattern::matching(pattern, 0..=usize::MAX, maker.random);
    }
    Some(format!("{}_{}", words(1, maker.random), number + 1))
}

/// The schema of a member that `properties` does not name, unless that costs too much.
fn other(maker: &Maker<'_>, keys: &Map<String, Value>, name: &str) -> Option<Value> {
    let patterns = keys.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    let matches = |pattern: &str| maker.budget.spend(PATTERN) && matches(pattern, name);
    let schemas: Vec<Value> =
        patterns.filter(|(pattern, _)| matches(pattern)).map(|(_, schema)| schema.clone()).collect();
    if schemas.is_empty() {
        let usual = keys.get("additionalProperties").unwrap_or(&Value::Bool(true));
        return maker.budget.spend_value(usual).then(|| usual.clone());
    }
    let all = serde_json::json!({ "allOf": schemas });
    maker.budget.spend_value(&all).then_some(all)
}
