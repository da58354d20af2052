//! Made-up content: words, JSON that fits a schema, and the cutting of text into word pieces.
//!
//! Owns the estimate of tokens: one per piece, a piece being a word of at most twelve characters with the space
//! before it. Refuses to imitate a real tokenizer.

use serde_json::{Map, Value, json};

use crate::digest::Random;

const PIECE: usize = 12;
const DEPTH: usize = 8;
const WORDS: &[&str] = &[
    "the", "wind", "moves", "over", "a", "model", "wing", "and", "each", "thread", "of", "smoke", "bends", "where",
    "pressure", "falls", "so", "what", "was", "hidden", "in", "numbers", "can", "now", "be", "seen", "by", "patient",
    "eyes", "before", "anything", "flies",
];

/// Cuts a text into the pieces that a stream sends.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut letters, mut in_word) = (0, 0, false);
    for (at, character) in text.char_indices() {
        let space = character.is_whitespace();
        if (space && in_word) || letters == PIECE {
            pieces.push(&text[start..at]);
            (start, letters) = (at, 0);
        }
        in_word = !space;
        letters += 1;
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

/// A sentence of n words.
pub(super) fn words(count: usize, random: &mut Random) -> String {
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
pub(super) fn fitting(schema: &Value, random: &mut Random) -> Value {
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
    fn pieces_put_together_are_the_text() {
        for text in ["served by b", "  two  spaces ", "", "你好世界 héé", "anextremelylongwordindeed"] {
            assert_eq!(pieces(text).concat(), text);
        }
        assert_eq!(pieces("served by b"), ["served", " by", " b"]);
        assert_eq!(pieces("anextremelylongword").len(), 2);
    }

    #[test]
    fn a_made_up_value_has_the_members_of_its_schema() {
        let schema = json!({"type": "object", "properties": {
            "city": {"type": "string"}, "unit": {"enum": ["c"]}, "days": {"type": "integer", "minimum": 2, "maximum": 2}
        }});
        let value = fitting(&schema, &mut Random::new(&[1]));
        assert_eq!((&value["unit"], &value["days"], value["city"].is_string()), (&json!("c"), &json!(2), true));
    }
}
