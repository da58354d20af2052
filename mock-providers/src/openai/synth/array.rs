//! Arrays for a schema.
//!
//! Owns how many items there are and that they differ where they must.

use serde_json::{Map, Value, json};

use super::maker::Maker;

/// An item that is there already is made anew so often.
const TRIES: usize = 24;

/// An array that fits.
pub(super) fn array(maker: &mut Maker<'_>, keys: &Map<String, Value>, depth: usize) -> Option<Value> {
    let count = |name: &str| keys.get(name).and_then(Value::as_f64).map(|count| count as usize);
    let (least, most) = (count("minItems").unwrap_or(0), count("maxItems").unwrap_or(usize::MAX));
    let prefix = keys.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let unique = keys.get("uniqueItems") == Some(&Value::Bool(true));
    let wanted = wanted(keys);
    let usual = if maker.is_spare(depth) { 0 } else { prefix.len().max(1) + maker.random.below(2) };
    let length = usual.max(least).max(wanted).min(most);
    let any = Value::Bool(true);
    let mut items: Vec<Value> = Vec::new();
    while items.len() < length {
        let place = items.len();
        let schema = prefix.get(place).or(keys.get("items")).unwrap_or(&any);
        let item = match keys.get("contains") {
            Some(contains) if place < wanted => {
                let affordable = maker.budget.spend_value(schema) && maker.budget.spend_value(contains);
                let both = affordable.then(|| json!({ "allOf": [schema, contains] }))?;
                item(maker, &both, &items, unique, depth)
            }
            _ => item(maker, schema, &items, unique, depth),
        };
        match item {
            Some(item) => items.push(item),
            None if place >= least => break,
            None => return None,
        }
    }
    Some(items.into())
}

/// How many items `contains` asks for.
fn wanted(keys: &Map<String, Value>) -> usize {
    let least = keys.get("minContains").and_then(Value::as_u64).unwrap_or(1);
    if keys.contains_key("contains") { usize::try_from(least).unwrap_or(usize::MAX) } else { 0 }
}

fn item(maker: &mut Maker<'_>, schema: &Value, others: &[Value], unique: bool, depth: usize) -> Option<Value> {
    for _ in 0..TRIES {
        let item = maker.make(schema, depth + 1)?;
        if !unique || (maker.budget.spend(others.len() / 16) && !others.contains(&item)) {
            return Some(item);
        }
    }
    None
}
