//! A chat completion as server-sent events.
//!
//! Owns their order and exact bytes: role, content and calls, one finish chunk for each choice, usage, `[DONE]`.
//! Everything that is equal in all chunks is rendered once.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::completion::{Choice, Completion, Part};
use super::usage;
use crate::pace::Pace;
use crate::plan::{Events, Kind, Piece};

/// The events of a completion, with the gaps between them.
pub(super) fn pieces(completion: &Completion, include_usage: bool, mut pace: Pace) -> Vec<Piece> {
    let frames = Frames::new(completion, include_usage && completion.usage.is_some());
    let deltas = interleaved(&completion.choices);
    let mut events = Events::with_capacity((frames.before.len() + 128) * (deltas.len() + 4), deltas.len() + 4);
    for (index, choice) in completion.choices.iter().enumerate() {
        events.push(Kind::Role, Duration::ZERO, |out| frames.choice(out, index, &role(choice), None));
    }
    for (index, delta) in deltas {
        events.push(Kind::Content, pace.next(), |out| frames.choice(out, index, &delta, None));
    }
    for (index, choice) in completion.choices.iter().enumerate() {
        events.push(Kind::Finish, pace.next(), |out| frames.choice(out, index, "{}", Some(&choice.finish)));
    }
    if let (true, Some(used)) = (include_usage, completion.usage) {
        events.push(Kind::Usage, Duration::ZERO, |out| frames.usage(out, usage::chat_json(&used)));
        events.reports(Some(used));
    }
    events.push(Kind::Done, Duration::ZERO, |out| out.extend_from_slice(DONE));
    events.finish()
}

const DONE: &[u8] = b"data: [DONE]\n\n";

/// The last event of a stream.
pub(super) fn done() -> Piece {
    Piece { bytes: Bytes::from_static(DONE), kind: Kind::Done, ..Piece::default() }
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

    fn choice(&self, out: &mut Vec<u8>, index: usize, delta: &str, finish: Option<&str>) {
        let finish = finish.map_or_else(|| "null".to_owned(), |finish| json!(finish).to_string());
        let Self { before, after } = self;
        write!(
            out,
            "{before}{{\"index\":{index},\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}{after}"
        )
        .expect("a write into memory succeeds");
    }

    fn usage(&self, out: &mut Vec<u8>, usage: Value) {
        write!(out, "{}],\"usage\":{usage}}}\n\n", self.before).expect("a write into memory succeeds");
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
