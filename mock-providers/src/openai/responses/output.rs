//! The items that a response consists of.
//!
//! Owns how a completion becomes items, and each item's JSON, begun and finished. Refuses to know events.

use serde_json::{Value, json};

use super::request::Asked;
use crate::answer::Context;
use crate::digest::BASE62;
use crate::openai::completion::{Choice, Part};
use crate::openai::logprobs::{Logprobs, Spoken};
use crate::openai::pieces::{Cuts, Pieces};
use crate::openai::synth;

const SUMMARY_WORDS: usize = 12;
const ENCRYPTED_LENGTH: usize = 88;

/// One item.
pub(super) struct Item<'a> {
    pub(super) id: String,
    pub(super) body: Body<'a>,
    /// The response ended within it.
    cut: bool,
    logprobs: Option<Logprobs<'a>>,
}

/// What an item says.
pub(super) enum Body<'a> {
    /// Thoughts, with a summary if it is asked for.
    Reasoning { summary: Option<Pieces<'a>>, encrypted: Option<String> },
    /// A message of text.
    Text(Pieces<'a>),
    /// A message that refuses.
    Refusal(Pieces<'a>),
    /// A call of a function, or of a tool that takes text.
    Call { id: String, name: String, arguments: Pieces<'a>, custom: bool },
}

/// The items of an answer, thoughts first.
pub(super) fn items<'a>(response: &str, choice: Choice<'a>, asked: &Asked<'_>, context: &Context<'_>) -> Vec<Item<'a>> {
    let Choice { parts, finish, reasoning, logprobs } = choice;
    let cut = matches!(&*finish, "length" | "content_filter");
    let mut random = context.random.branch("reasoning");
    let mut thought = |summary| Body::Reasoning {
        summary,
        encrypted: asked.encrypted.then(|| random.word(ENCRYPTED_LENGTH, BASE62)),
    };
    let mut bodies = Vec::with_capacity(parts.len() + 1);
    if (reasoning > 0 || asked.thinks()) && !parts.iter().any(|part| matches!(part, Part::Reasoning(_))) {
        let mut random = context.random.branch("summary");
        let summary = asked.summary.then(|| synth::words(SUMMARY_WORDS, &mut random));
        bodies.push(thought(summary.map(|summary| Pieces::new(summary, Cuts::of(context)))));
    }
    for part in parts {
        bodies.push(match part {
            Part::Reasoning(pieces) => thought(Some(pieces)),
            // Thinking took all there was.
            Part::Text(pieces) if cut && reasoning > 0 && pieces.count() == 0 => continue,
            Part::Text(pieces) => Body::Text(pieces),
            Part::Refusal(pieces) => Body::Refusal(pieces),
            Part::Call { id, name, arguments, custom } => {
                Body::Call { id: id.into_owned(), name: name.into_owned(), arguments, custom }
            }
        });
    }
    let last = bodies.len().saturating_sub(1);
    let place = |(index, body): (usize, Body<'a>)| Item {
        id: format!("{}_{response}{index}", body.prefix()),
        body,
        cut: cut && index == last,
        logprobs: logprobs.clone(),
    };
    bodies.into_iter().enumerate().map(place).collect()
}

impl Body<'_> {
    fn prefix(&self) -> &'static str {
        match self {
            Body::Reasoning { .. } => "rs",
            Body::Text(_) | Body::Refusal(_) => "msg",
            Body::Call { custom: false, .. } => "fc",
            Body::Call { custom: true, .. } => "ctc",
        }
    }

    /// The part of a message, or of a summary; the text is the caller's.
    pub(super) fn part(&self, text: &str, logprobs: Value) -> Value {
        match self {
            Body::Refusal(_) => json!({ "type": "refusal", "refusal": text }),
            Body::Reasoning { .. } => json!({ "type": "summary_text", "text": text }),
            _ => json!({ "type": "output_text", "annotations": [], "logprobs": logprobs, "text": text }),
        }
    }
}

impl Item<'_> {
    /// As it stands when it is added to the response.
    pub(super) fn begun(&self) -> Value {
        match &self.body {
            Body::Reasoning { .. } => json!({ "id": self.id, "type": "reasoning", "summary": [] }),
            Body::Text(_) | Body::Refusal(_) => self.message("in_progress", Vec::new()),
            Body::Call { .. } => self.call("in_progress", ""),
        }
    }

    /// As it is at its end.
    pub(super) fn finished(&self) -> Value {
        let status = if self.cut { "incomplete" } else { "completed" };
        match &self.body {
            Body::Reasoning { summary, encrypted } => {
                let summary = summary.iter().map(|pieces| self.body.part(pieces.text(), Value::Null));
                let mut item = json!({ "id": self.id, "type": "reasoning", "summary": summary.collect::<Vec<_>>() });
                if let Some(encrypted) = encrypted {
                    item["encrypted_content"] = encrypted.as_str().into();
                }
                item
            }
            Body::Text(pieces) | Body::Refusal(pieces) => self.message(status, vec![self.whole_part(pieces)]),
            Body::Call { arguments, .. } => self.call(status, arguments.text()),
        }
    }

    /// The part of a message at its end.
    pub(super) fn whole_part(&self, pieces: &Pieces<'_>) -> Value {
        self.body.part(pieces.text(), self.logprobs(pieces, 0..pieces.count()))
    }

    /// The log probabilities of some tokens, as far as they are asked for.
    pub(super) fn logprobs(&self, pieces: &Pieces<'_>, tokens: std::ops::Range<usize>) -> Value {
        let (Body::Text(_), Some(logprobs)) = (&self.body, &self.logprobs) else { return json!([]) };
        let mut out = Vec::new();
        logprobs.write(&mut out, &[Spoken { part: 0, pieces, tokens, refusal: false, prompt: false }]);
        let mut written: Value = serde_json::from_slice(&out).expect("log probabilities are JSON");
        written["content"].take()
    }

    fn message(&self, status: &str, content: Vec<Value>) -> Value {
        json!({ "id": self.id, "type": "message", "status": status, "content": content, "role": "assistant" })
    }

    fn call(&self, status: &str, said: &str) -> Value {
        let Body::Call { id, name, custom, .. } = &self.body else { return Value::Null };
        let (kind, member) = if *custom { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
        json!({ "id": self.id, "type": kind, "status": status, member: said, "call_id": id, "name": name })
    }
}
