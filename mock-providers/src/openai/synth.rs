//! Made-up content: words, and JSON that fits a schema.
//!
//! Owns what is said when nothing is scripted. Refuses randomness of its own: the draws are the request's.

mod array;
mod budget;
mod fits;
mod flat;
mod format;
mod maker;
mod number;
mod object;
mod pattern;

use serde_json::{Value, json};

use crate::digest::Random;
use fits::fits;
use maker::Maker;

/// A value that does not fit is thrown away so often.
const ATTEMPTS: usize = 8;
const WORDS: &[&str] = &[
    "the", "wind", "moves", "over", "a", "model", "wing", "and", "each", "thread", "of", "smoke", "bends", "where",
    "pressure", "falls", "so", "what", "was", "hidden", "in", "numbers", "can", "now", "be", "seen", "by", "patient",
    "eyes", "before", "anything", "flies",
];

/// A sentence of n words.
pub(crate) fn words(count: usize, random: &mut Random) -> String {
    let mut text = String::with_capacity(count.min(1 << 16) * 8);
    for index in 0..count {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(WORDS[random.below(WORDS.len())]);
    }
    text
}

/// The word that stands for a token's id.
pub(super) fn word_of(id: u64) -> &'static str {
    WORDS[(id % WORDS.len() as u64) as usize]
}

/// The nth word that a model might have said instead.
pub(super) fn other_word(token: &str, nth: usize) -> &'static str {
    let others = WORDS.iter().cycle().skip(token.len() % WORDS.len()).filter(|word| **word != token.trim());
    others.copied().nth(nth).expect("a cycle has no end")
}

/// Made-up arguments of a function, which may have no schema.
pub(crate) fn arguments(schema: &Value, random: &mut Random) -> Value {
    if schema.is_null() { json!({}) } else { fitting(schema, random) }
}

/// A value that fits a JSON schema, for whatever schemas a value can be found soon; null stands for any object.
pub(crate) fn fitting(schema: &Value, random: &mut Random) -> Value {
    if schema.is_null() {
        return json!({ "answer": words(5, random) });
    }
    let mut maker = Maker::new(schema, random);
    let mut best = Value::Null;
    for _ in 0..ATTEMPTS {
        let Some(value) = maker.make(schema, 0) else { break };
        if fits(schema, schema, &value, &maker.budget) {
            return value;
        }
        best = value;
    }
    best
}

#[cfg(test)]
mod tests;
