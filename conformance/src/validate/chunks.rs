//! A streamed completion put together again: texts, calls and ends by choice. Owns the joining; what should have been
//! there is the checks' to say.

use std::collections::BTreeMap;

use serde_json::Value;

use super::stream::{Chunk, Stream};

/// One choice of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Streamed {
    /// Its content, joined.
    pub text: String,
    /// Its thoughts, joined.
    pub thoughts: String,
    /// All values of `finish_reason` that end it, in order.
    pub finishes: Vec<String>,
    /// The deltas of its calls, in order.
    pub deltas: Vec<Value>,
    /// Whether the first delta has a role.
    pub role: bool,
}

/// A call of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its arguments, joined.
    pub arguments: String,
    /// How many deltas it came in.
    pub deltas: usize,
    /// What is said anew in a later delta: an id or a name.
    pub repeated: bool,
}

/// The choices of all chunks, with the index of each.
pub fn choices(chunks: &[Chunk]) -> impl Iterator<Item = (u64, &Value)> {
    let all = chunks.iter().filter_map(|chunk| chunk.value["choices"].as_array()).flatten();
    all.map(|choice| (choice["index"].as_u64().unwrap_or(0), choice))
}

/// What a stream says, by index.
pub fn joined(stream: &Stream) -> BTreeMap<u64, Streamed> {
    let mut all: BTreeMap<u64, Streamed> = BTreeMap::new();
    for (index, choice) in choices(&stream.chunks) {
        let delta = &choice["delta"];
        let begun = || Streamed { role: delta["role"].is_string(), ..Streamed::default() };
        let one = all.entry(index).or_insert_with(begun);
        one.text.push_str(delta["content"].as_str().or(choice["text"].as_str()).unwrap_or_default());
        let thoughts = delta["reasoning_content"].as_str().or(delta["reasoning"].as_str());
        one.thoughts.push_str(thoughts.unwrap_or_default());
        one.deltas.extend(delta["tool_calls"].as_array().into_iter().flatten().cloned());
        let finish = choice["finish_reason"].as_str().or(choice["finishReason"].as_str());
        one.finishes.extend(finish.filter(|finish| !finish.is_empty()).map(str::to_owned));
    }
    all
}

/// The first choice.
pub fn first(stream: &Stream) -> Streamed {
    joined(stream).remove(&0).unwrap_or_default()
}

impl Streamed {
    /// Its calls as the SDKs join them: by `index`, which stands for 0 where it is missing.
    pub fn calls(&self) -> Vec<Call> {
        let mut calls: BTreeMap<u64, Call> = BTreeMap::new();
        for delta in &self.deltas {
            let call = calls.entry(delta["index"].as_u64().unwrap_or(0)).or_default();
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (id, name) = (word(&delta["id"]), word(&delta["function"]["name"]));
            call.repeated |= call.deltas > 0 && !(id.is_empty() && name.is_empty());
            call.id.push_str(&id);
            call.name.push_str(&name);
            call.arguments.push_str(delta["function"]["arguments"].as_str().unwrap_or_default());
            call.deltas += 1;
        }
        calls.into_values().collect()
    }

    /// Why it ends.
    pub fn finish(&self) -> &str {
        self.finishes.last().map_or("", String::as_str)
    }
}
