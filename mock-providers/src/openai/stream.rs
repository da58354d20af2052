//! A chat completion as server-sent events.
//!
//! Owns their order and exact bytes: role, content and calls, one finish chunk for each choice, usage, `[DONE]`.
//! Everything that is equal in all chunks is rendered once.

use std::time::Duration;

use super::completion::{Completion, Wishes};
use super::deltas::{Delta, Turn, turns};
use super::logprobs::Spoken;
use super::render::{number, raw, text};
use super::usage;
use crate::answer::Context;
use crate::digest::{BASE62, Random};
use crate::plan::{Events, Kind, Piece};

/// Padded deltas are as long as the next multiple of this.
const PADDED: usize = 16;

/// The events of a completion, with the gaps between them.
pub(super) fn pieces(completion: &Completion<'_>, wishes: &Wishes<'_>, context: &Context<'_>) -> Vec<Piece> {
    let mut pace = context.pace();
    let used = completion.usage.filter(|_| wishes.include_usage);
    let padding = wishes.obfuscate.then(|| context.random.branch("obfuscation"));
    let mut frames = Frames::new(completion, used.is_some(), padding);
    let count = completion.choices.iter().map(|choice| 2 + choice.delta_count()).sum::<usize>() + 2;
    let mut events = Events::with_capacity((frames.before.len() + 128) * count, count);
    for (index, choice) in completion.choices.iter().enumerate() {
        let content = if choice.begins_with_text() { "\"\"" } else { "null" };
        events.push(Kind::Role, Duration::ZERO, |out| frames.role(out, index, content));
    }
    for Turn { choice, delta } in turns(&completion.choices, completion.reasoning_field.is_some()) {
        events.push(Kind::Content, pace.next(), |out| frames.delta(out, choice, &delta));
    }
    for (index, choice) in completion.choices.iter().enumerate() {
        events.push(Kind::Finish, pace.next(), |out| frames.finish(out, index, &choice.finish));
    }
    if let Some(used) = used {
        events.push(Kind::Usage, Duration::ZERO, |out| {
            raw(out, &frames.before);
            raw(out, "],\"usage\":");
            usage::write_chat(out, &used);
            raw(out, "}\n\n");
        });
        events.reports(Some(used));
    }
    events.push(Kind::Done, Duration::ZERO, |out| raw(out, DONE));
    events.finish()
}

/// The last event of a stream.
pub(super) const DONE: &str = "data: [DONE]\n\n";

/// What all chunks of a stream share.
struct Frames<'c> {
    completion: &'c Completion<'c>,
    before: String,
    after: &'static str,
    padding: Option<Random>,
}

impl<'c> Frames<'c> {
    fn new(completion: &'c Completion<'c>, null_usage: bool, padding: Option<Random>) -> Self {
        let mut before = Vec::with_capacity(256);
        raw(&mut before, "data: {\"id\":");
        completion.write_id(&mut before, "chatcmpl-");
        raw(&mut before, ",\"object\":\"chat.completion.chunk\",\"created\":");
        number(&mut before, completion.created);
        raw(&mut before, ",\"model\":");
        text(&mut before, &completion.model);
        raw(&mut before, ",\"service_tier\":");
        text(&mut before, completion.service_tier);
        raw(&mut before, ",\"system_fingerprint\":");
        text(&mut before, &completion.fingerprint);
        raw(&mut before, ",\"choices\":[");
        let before = String::from_utf8(before).expect("JSON is UTF-8");
        Self { completion, before, after: if null_usage { "],\"usage\":null" } else { "]" }, padding }
    }

    fn role(&mut self, out: &mut Vec<u8>, index: usize, content: &str) {
        self.begin(out, index);
        raw(out, "{\"role\":\"assistant\",\"content\":");
        raw(out, content);
        raw(out, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}");
        self.end(out, 0);
    }

    fn delta(&mut self, out: &mut Vec<u8>, index: usize, delta: &Delta<'_>) {
        self.begin(out, index);
        let start = out.len();
        raw(out, "{");
        match delta {
            Delta::Text { .. } => member(out, "content", delta.said()),
            Delta::Refusal { .. } => member(out, "refusal", delta.said()),
            Delta::Reasoning { .. } => member(out, self.completion.reasoning_field.unwrap_or_default(), delta.said()),
            Delta::Call { .. } | Delta::Arguments { .. } if self.completion.legacy_calls => legacy_call(out, delta),
            Delta::Call { .. } | Delta::Arguments { .. } => call(out, delta),
        }
        raw(out, "},\"logprobs\":");
        let said = out.len() - start;
        self.logprobs(out, index, delta);
        raw(out, ",\"finish_reason\":null}");
        self.end(out, said);
    }

    fn finish(&mut self, out: &mut Vec<u8>, index: usize, finish: &str) {
        self.begin(out, index);
        raw(out, "{},\"logprobs\":null,\"finish_reason\":");
        text(out, finish);
        raw(out, "}");
        self.end(out, 0);
    }

    fn begin(&self, out: &mut Vec<u8>, index: usize) {
        raw(out, &self.before);
        raw(out, "{\"index\":");
        number(out, index as u64);
        raw(out, ",\"delta\":");
    }

    fn end(&mut self, out: &mut Vec<u8>, said: usize) {
        raw(out, self.after);
        if let Some(random) = &mut self.padding {
            raw(out, ",");
            member(out, "obfuscation", &random.word(PADDED - said % PADDED, BASE62));
        }
        raw(out, "}\n\n");
    }

    fn logprobs(&self, out: &mut Vec<u8>, index: usize, delta: &Delta<'_>) {
        let (part, pieces, step, refusal) = match delta {
            Delta::Text { part, pieces, step } => (*part, *pieces, *step, false),
            Delta::Refusal { part, pieces, step } => (*part, *pieces, *step, true),
            _ => return raw(out, "null"),
        };
        match &self.completion.choices[index].logprobs {
            Some(logprobs) => {
                let tokens = pieces.tokens_of(step);
                logprobs.write(out, &[Spoken { part, pieces, tokens, refusal, prompt: false }]);
            }
            None => raw(out, "null"),
        }
    }
}

/// One member of an object, without its braces.
fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    raw(out, "\"");
    raw(out, name);
    raw(out, "\":");
    text(out, value);
}

/// A call's first delta has its id and name; later ones have its arguments only.
fn call(out: &mut Vec<u8>, delta: &Delta<'_>) {
    raw(out, "\"tool_calls\":[{\"index\":");
    match delta {
        Delta::Call { nth, id, name, custom } => {
            number(out, *nth as u64);
            raw(out, ",");
            member(out, "id", id);
            raw(
                out,
                if *custom { ",\"type\":\"custom\",\"custom\":{" } else { ",\"type\":\"function\",\"function\":{" },
            );
            member(out, "name", name);
            raw(out, if *custom { ",\"input\":\"\"}}]" } else { ",\"arguments\":\"\"}}]" });
        }
        Delta::Arguments { nth, custom, .. } => {
            number(out, *nth as u64);
            raw(out, if *custom { ",\"custom\":{\"input\":" } else { ",\"function\":{\"arguments\":" });
            text(out, delta.said());
            raw(out, "}}]");
        }
        _ => unreachable!("only calls are told here"),
    }
}

fn legacy_call(out: &mut Vec<u8>, delta: &Delta<'_>) {
    raw(out, "\"function_call\":{");
    if let Delta::Call { name, .. } = delta {
        member(out, "name", name);
        raw(out, ",");
    }
    member(out, "arguments", delta.said());
    raw(out, "}");
}
