//! The items that a response consists of.
//!
//! Owns how a completion becomes items, and each item's JSON, begun and finished. Refuses to know events.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::request::Asked;
use crate::answer::Context;
use crate::digest::BASE62;
use crate::openai::completion::{Completion, Part};
use crate::openai::pieces::{Cuts, Pieces};
use crate::openai::synth;

const SUMMARY_WORDS: usize = 12;
const ENCRYPTED_LENGTH: usize = 88;

/// One item.
pub(super) struct Item<'a> {
    pub(super) id: String,
    pub(super) body: Body<'a>,
    /// The response ended within it.
    pub(super) cut: bool,
}

/// What an item says.
pub(super) enum Body<'a> {
    /// Thoughts: a summary if it is asked for, in the deltas that a stream sends.
    Reasoning { summary: Option<Pieces<'a>>, encrypted: Option<String> },
    /// A message of text.
    Text(Pieces<'a>),
    /// A message that refuses.
    Refusal(Pieces<'a>),
    /// A call of a function.
    Call { id: Cow<'a, str>, name: Cow<'a, str>, arguments: Pieces<'a> },
}

/// How many tokens a model thinks for; none without the wish.
pub(super) fn reasoning_tokens(effort: Option<&str>) -> usize {
    match effort {
        None => 0,
        Some("minimal") => 8,
        Some("low") => 16,
        Some("high") => 64,
        Some("xhigh") => 128,
        Some("max") => 256,
        Some(_) => 32,
    }
}

/// The items of an answer, thoughts first.
pub(super) fn items<'a>(
    completion: &mut Completion<'a>,
    asked: &Asked<'_>,
    context: &Context<'_>,
    spent: bool,
) -> Vec<Item<'a>> {
    let mut bodies: Vec<Body<'a>> = asked.effort.map(|_| reasoning(asked, context)).into_iter().collect();
    let choice = completion.choices.first_mut();
    let cut = choice.as_ref().is_some_and(|choice| choice.finish == "length");
    if !spent {
        let parts = choice.map(|choice| std::mem::take(&mut choice.parts)).unwrap_or_default();
        bodies.extend(parts.into_iter().map(|part| body(part, asked.summary)));
    }
    let last = bodies.len().saturating_sub(1);
    let place = |(index, body): (usize, Body<'a>)| Item {
        id: format!("{}_{}{index}", body.prefix(), completion.id),
        body,
        cut: cut && index == last,
    };
    bodies.into_iter().enumerate().map(place).collect()
}

fn reasoning<'a>(asked: &Asked<'_>, context: &Context<'_>) -> Body<'a> {
    let mut random = context.random.branch("reasoning");
    let summary = asked.summary.then(|| Pieces::new(synth::words(SUMMARY_WORDS, &mut random), Cuts::of(context)));
    Body::Reasoning { summary, encrypted: asked.encrypted.then(|| random.word(ENCRYPTED_LENGTH, BASE62)) }
}

fn body(part: Part<'_>, summary: bool) -> Body<'_> {
    match part {
        Part::Text(pieces) => Body::Text(pieces),
        Part::Refusal(pieces) => Body::Refusal(pieces),
        Part::Reasoning(pieces) => Body::Reasoning { summary: summary.then_some(pieces), encrypted: None },
        Part::Call { id, name, arguments, .. } => Body::Call { id, name, arguments },
    }
}

impl Body<'_> {
    fn prefix(&self) -> &'static str {
        match self {
            Body::Reasoning { .. } => "rs",
            Body::Text(_) | Body::Refusal(_) => "msg",
            Body::Call { .. } => "fc",
        }
    }

    /// The part of a message, or of a summary; the text is the caller's.
    pub(super) fn part(&self, text: &str) -> Value {
        match self {
            Body::Refusal(_) => json!({ "type": "refusal", "refusal": text }),
            Body::Reasoning { .. } => json!({ "type": "summary_text", "text": text }),
            _ => json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text }),
        }
    }
}

impl Item<'_> {
    /// As it stands when it is added to the response.
    pub(super) fn begun(&self) -> Value {
        match &self.body {
            Body::Reasoning { .. } => json!({ "id": self.id, "type": "reasoning", "summary": [] }),
            Body::Text(_) | Body::Refusal(_) => self.message("in_progress", Vec::new()),
            Body::Call { id, name, .. } => self.call("in_progress", id, name, ""),
        }
    }

    /// As it is at its end.
    pub(super) fn finished(&self) -> Value {
        let status = if self.cut { "incomplete" } else { "completed" };
        match &self.body {
            Body::Reasoning { summary, encrypted } => {
                let summary = summary.iter().map(|deltas| self.body.part(deltas.text())).collect::<Vec<_>>();
                let mut item = json!({ "id": self.id, "type": "reasoning", "summary": summary });
                if let Some(encrypted) = encrypted {
                    item["encrypted_content"] = encrypted.as_str().into();
                }
                item
            }
            Body::Text(deltas) | Body::Refusal(deltas) => self.message(status, vec![self.body.part(deltas.text())]),
            Body::Call { id, name, arguments } => self.call(status, id, name, arguments.text()),
        }
    }

    fn message(&self, status: &str, content: Vec<Value>) -> Value {
        json!({ "id": self.id, "type": "message", "status": status, "content": content, "role": "assistant" })
    }

    fn call(&self, status: &str, call: &str, name: &str, arguments: &str) -> Value {
        json!({
            "id": self.id, "type": "function_call", "status": status,
            "arguments": arguments, "call_id": call, "name": name,
        })
    }
}
