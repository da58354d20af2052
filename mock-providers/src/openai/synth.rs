//! Made-up content: words, and JSON that fits a schema.
//!
//! Owns what is said when nothing is scripted. Refuses randomness of its own: the draws are the request's.

use serde_json::{Map, Value, json};

use crate::digest::Random;

const DEPTH: usize = 8;
const WORDS: &[&str] = &[
    "the", "wind", "moves", "over", "a", "model", "wing", "and", "each", "thread", "of", "smoke", "bends", "where",
    "pressure", "falls", "so", "what", "was", "hidden", "in", "numbers", "can", "now", "be", "seen", "by", "patient",
    "eyes", "before", "anything", "flies",
];

/// A sentence of n words.
pub(crate) fn words(count: usize, random: &mut Random) -> String {
    let mut text = String::new();
    for index in 0..count {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(WORDS[random.below(WORDS.len())]);
    }
    text
}

/// A value that fits a JSON schema, as far as types, enums and required members go.
pub(crate) fn fitting(schema: &Value, random: &mut Random) -> Value {
    at_depth(schema, random, 0)
}

fn at_depth(schema: &Value, random: &mut Random, depth: usize) -> Value {
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array).filter(|options| !options.is_empty()) {
        return options[random.below(options.len())].clone();
    }
    if let Some(first) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.get(0)) {
        return at_depth(first, random, depth + 1);
    }
    match kind(schema) {
        "string" => words(2, random).into(),
        "integer" => bounded(schema, random).into(),
        "number" => (bounded(schema, random) as f64 + 0.5).into(),
        "boolean" => (random.below(2) == 1).into(),
        "null" => Value::Null,
        "array" if depth < DEPTH => match schema.get("items") {
            Some(items) => json!([at_depth(items, random, depth + 1)]),
            None => json!([]),
        },
        "array" => json!([]),
        _ => object(schema, random, depth),
    }
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("object"),
        _ => "object",
    }
}

fn bounded(schema: &Value, random: &mut Random) -> i64 {
    let low = schema.get("minimum").and_then(Value::as_i64).unwrap_or(1);
    let high = schema.get("maximum").and_then(Value::as_i64).unwrap_or(low.saturating_add(8)).max(low);
    let span = usize::try_from(high.saturating_sub(low)).unwrap_or(0).min(1000);
    low + i64::try_from(random.below(span + 1)).unwrap_or(0)
}

fn object(schema: &Value, random: &mut Random, depth: usize) -> Value {
    let mut members = Map::new();
    if let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|_| depth < DEPTH) {
        for (name, property) in properties {
            members.insert(name.clone(), at_depth(property, random, depth + 1));
        }
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_value_has_the_members_of_its_schema() {
        let schema = json!({"type": "object", "properties": {
            "city": {"type": "string"}, "unit": {"enum": ["c"]}, "days": {"type": "integer", "minimum": 2, "maximum": 2}
        }});
        let value = fitting(&schema, &mut Random::new(&[1]));
        assert_eq!((&value["unit"], &value["days"], value["city"].is_string()), (&json!("c"), &json!(2), true));
    }
}
