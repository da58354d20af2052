//! A chat completion as server-sent events.
//!
//! Owns their order and exact bytes: role, content and calls, one finish chunk for each choice, usage, `[DONE]`.
//! Everything that is equal in all chunks is rendered once.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::completion::{Choice, Completion, Part};
use super::usage;
use crate::plan::{Kind, Piece};
use crate::script::Latency;

/// The events of a completion, with the gaps between them.
pub(super) fn pieces(completion: &Completion, include_usage: bool, latency: &Latency) -> Vec<Piece> {
    let frames = Frames::new(completion, include_usage && completion.usage.is_some());
    let mut pieces: Vec<Piece> = Vec::new();
    for (index, choice) in completion.choices.iter().enumerate() {
        pieces.push(Piece { bytes: frames.choice(index, &role(choice), None), ..Piece::default() });
    }
    let mut pace = Pace::new(latency);
    for (index, delta) in interleaved(&completion.choices) {
        let bytes = frames.choice(index, &delta, None);
        pieces.push(Piece { bytes, gap: pace.next(), kind: Kind::Content, ..Piece::default() });
    }
    for (index, choice) in completion.choices.iter().enumerate() {
        let bytes = frames.choice(index, "{}", Some(&choice.finish));
        pieces.push(Piece { bytes, gap: pace.next(), ..Piece::default() });
    }
    if let (true, Some(used)) = (include_usage, completion.usage) {
        pieces.push(Piece { bytes: frames.usage(usage::chat_json(&used)), usage: Some(used), ..Piece::default() });
    }
    pieces.push(done());
    pieces
}

/// The last event of a stream.
pub(super) fn done() -> Piece {
    Piece { bytes: Bytes::from_static(b"data: [DONE]\n\n"), kind: Kind::Done, ..Piece::default() }
}

/// The gaps before content events: the first is the time to the first token.
pub(super) struct Pace {
    next: Duration,
    then: Duration,
}

impl Pace {
    pub(super) fn new(latency: &Latency) -> Self {
        Self { next: latency.ttft.unwrap_or_default(), then: latency.itl.unwrap_or_default() }
    }

    pub(super) fn next(&mut self) -> Duration {
        std::mem::replace(&mut self.next, self.then)
    }
}

/// What all chunks of a stream share.
struct Frames {
    before: String,
    after: &'static str,
}

impl Frames {
    fn new(completion: &Completion, null_usage: bool) -> Self {
        let Completion { id, created, model, fingerprint, .. } = completion;
        let before = format!(
            "data: {{\"id\":\"chatcmpl-{id}\",\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":{},\
             \"service_tier\":\"default\",\"system_fingerprint\":{},\"choices\":[",
            json!(model),
            json!(fingerprint),
        );
        Self { before, after: if null_usage { "],\"usage\":null}\n\n" } else { "]}\n\n" } }
    }

    fn choice(&self, index: usize, delta: &str, finish: Option<&str>) -> Bytes {
        let finish = finish.map_or_else(|| "null".to_owned(), |finish| json!(finish).to_string());
        let Self { before, after } = self;
        let choice = format!(
            "{before}{{\"index\":{index},\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}{after}"
        );
        choice.into()
    }

    fn usage(&self, usage: Value) -> Bytes {
        format!("{}],\"usage\":{usage}}}\n\n", self.before).into()
    }
}

/// The first delta: content is null when a call comes first.
fn role(choice: &Choice) -> String {
    let content = if matches!(choice.parts.first(), Some(Part::Call { .. })) { "null" } else { "\"\"" };
    format!("{{\"role\":\"assistant\",\"content\":{content},\"refusal\":null}}")
}

/// The deltas of all choices, taking turns.
fn interleaved(choices: &[Choice]) -> Vec<(usize, String)> {
    let mut queues: Vec<_> = choices.iter().map(|choice| deltas(choice).into_iter()).collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        for (index, queue) in queues.iter_mut().enumerate() {
            all.extend(queue.next().map(|delta| (index, delta)));
        }
        if all.len() == before {
            return all;
        }
    }
}

fn deltas(choice: &Choice) -> Vec<String> {
    let (mut all, mut call) = (Vec::new(), 0);
    for part in &choice.parts {
        match part {
            Part::Text(pieces) => all.extend(pieces.iter().map(|text| format!("{{\"content\":{}}}", json!(text)))),
            Part::Call { id, name, arguments } => {
                all.push(format!(
                    "{{\"tool_calls\":[{{\"index\":{call},\"id\":{},\"type\":\"function\",\
                     \"function\":{{\"name\":{},\"arguments\":\"\"}}}}]}}",
                    json!(id),
                    json!(name)
                ));
                all.extend(arguments.iter().map(|piece| {
                    format!("{{\"tool_calls\":[{{\"index\":{call},\"function\":{{\"arguments\":{}}}}}]}}", json!(piece))
                }));
                call += 1;
            }
        }
    }
    all
}
