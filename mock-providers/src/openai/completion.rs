//! A completion: the answer of a model, before it is JSON or a stream.
//!
//! Owns what is said (scripted, echoed or made up), where `max_tokens` and `stop` cut it, and the finish reason.
//! Refuses to know how it is sent.

use serde_json::{Value, json};

use super::chat::Wishes;
use super::{resolve, synth, usage};
use crate::answer::Context;
use crate::digest::{BASE62, HEX, Random, hash};
use crate::journal::Usage;
use crate::request::Request;
use crate::script::{Block, Respond, ToolCall};
use crate::tokens;

/// One answer, with all its choices.
pub(super) struct Completion {
    /// Without the prefix that tells its kind.
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) fingerprint: String,
    pub(super) choices: Vec<Choice>,
    pub(super) usage: Option<Usage>,
}

/// One of the alternatives.
pub(super) struct Choice {
    pub(super) parts: Vec<Part>,
    pub(super) finish: String,
}

/// A stretch of the answer.
pub(super) enum Part {
    /// Text, in the deltas that a stream sends.
    Text(Vec<String>),
    /// A call of a function tool.
    Call { id: String, name: String, arguments: Vec<String> },
}

impl Completion {
    pub(super) fn new(request: &Request<'_>, wishes: &Wishes<'_>, context: &Context<'_>) -> Self {
        let respond = context.respond;
        let choices: Vec<Choice> = (0..wishes.choices)
            .map(|index| choice(request, wishes, respond, &context.random.branch(&format!("choice-{index}"))))
            .collect();
        let completion: usize = choices.iter().flat_map(|choice| &choice.parts).map(Part::tokens).sum();
        let model = respond.model.clone().unwrap_or_else(|| resolve(wishes.model).to_owned());
        let fingerprint = Random::new(&[context.seed, hash(model.as_bytes())]).word(10, HEX);
        Self {
            id: context.ids.branch("id").word(29, BASE62),
            created: context.created,
            model,
            fingerprint: format!("fp_{fingerprint}"),
            choices,
            usage: usage::of(context, usage::prompt(request), completion as u64),
        }
    }

    /// As the JSON body of a chat completion.
    pub(super) fn json(&self) -> String {
        let choices: Vec<Value> = self.choices.iter().enumerate().map(|(i, choice)| choice.json(i)).collect();
        let mut body = json!({
            "id": format!("chatcmpl-{}", self.id),
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if let Some(used) = &self.usage {
            body["usage"] = usage::chat_json(used);
        }
        body["service_tier"] = "default".into();
        body["system_fingerprint"] = self.fingerprint.as_str().into();
        body.to_string()
    }
}

impl Choice {
    fn json(&self, index: usize) -> Value {
        let (mut content, mut calls) = (None::<String>, Vec::new());
        for part in &self.parts {
            match part {
                Part::Text(deltas) => content.get_or_insert_default().extend(deltas.iter().map(String::as_str)),
                Part::Call { id, name, arguments } => calls.push(json!({
                    "id": id,
                    "type": "function",
                    "function": { "name": name, "arguments": arguments.concat() },
                })),
            }
        }
        let mut message = json!({ "role": "assistant", "content": content });
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        message["refusal"] = Value::Null;
        message["annotations"] = json!([]);
        json!({ "index": index, "message": message, "logprobs": null, "finish_reason": self.finish })
    }
}

impl Part {
    fn tokens(&self) -> usize {
        match self {
            Part::Text(deltas) => deltas.len(),
            Part::Call { arguments, .. } => 1 + arguments.len(),
        }
    }

    fn text(text: &str) -> Self {
        Part::Text(tokens::pieces(text).into_iter().map(str::to_owned).collect())
    }

    fn call(name: &str, arguments: &Value, id: Option<&str>, random: &mut Random) -> Self {
        let arguments = match arguments {
            Value::String(literal) => literal.clone(),
            Value::Null => "{}".to_owned(),
            other => other.to_string(),
        };
        Part::Call {
            id: id.map_or_else(|| format!("call_{}", random.word(24, BASE62)), str::to_owned),
            name: name.to_owned(),
            arguments: tokens::pieces(&arguments).into_iter().map(str::to_owned).collect(),
        }
    }
}

fn choice(request: &Request<'_>, wishes: &Wishes<'_>, respond: &Respond, random: &Random) -> Choice {
    let mut parts = parts(request, wishes, respond, &mut random.clone());
    let calls = parts.iter().any(|part| matches!(part, Part::Call { .. }));
    let by_name = wishes.call.as_ref().is_some_and(|call| call.named);
    let mut finish = if calls && !by_name { "tool_calls" } else { "stop" };
    // Exact chunks are sent as they are.
    if respond.chunks.is_none() {
        if stop(&mut parts, &wishes.stops) {
            finish = "stop";
        }
        if limit(&mut parts, wishes.max_tokens.unwrap_or(usize::MAX)) {
            finish = "length";
        }
    }
    Choice { parts, finish: respond.finish_reason.clone().unwrap_or_else(|| finish.to_owned()) }
}

/// What is said: the first of the script's wishes, then the request's, then something.
fn parts(request: &Request<'_>, wishes: &Wishes<'_>, respond: &Respond, random: &mut Random) -> Vec<Part> {
    if !respond.blocks.is_empty() {
        return respond.blocks.iter().map(|block| scripted(block, random)).collect();
    }
    if let Some(chunks) = &respond.chunks {
        return vec![Part::Text(chunks.clone())];
    }
    if let Some(text) = &respond.text {
        return vec![Part::text(text)];
    }
    if respond.echo {
        return vec![Part::text(&request.last_user().unwrap_or_default())];
    }
    if let Some(count) = &respond.tokens {
        let count = count.draw(random, "respond.tokens");
        return vec![Part::text(&synth::words(count, random))];
    }
    if let Some(call) = &wishes.call {
        let arguments = synth::fitting(call.schema, random);
        return vec![Part::call(call.name, &arguments, None, random)];
    }
    if let Some(schema) = wishes.schema {
        return vec![Part::text(&synth::fitting(schema, random).to_string())];
    }
    let count = 8 + random.below(16);
    vec![Part::text(&synth::words(count, random))]
}

fn scripted(block: &Block, random: &mut Random) -> Part {
    match block {
        Block::Text(text) => Part::text(text),
        Block::ToolCall(ToolCall { name, arguments, id }) => Part::call(name, arguments, id.as_deref(), random),
    }
}

/// Ends the answer before the first stop string; says whether there was one.
fn stop(parts: &mut Vec<Part>, stops: &[&str]) -> bool {
    for index in 0..parts.len() {
        let Part::Text(deltas) = &parts[index] else { continue };
        let text = deltas.concat();
        let first = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop)).min();
        if let Some(at) = first {
            parts[index] = Part::text(&text[..at]);
            parts.truncate(index + 1);
            return true;
        }
    }
    false
}

/// Ends the answer after so many tokens; says whether that cut anything.
fn limit(parts: &mut Vec<Part>, mut left: usize) -> bool {
    for index in 0..parts.len() {
        let tokens = parts[index].tokens();
        if tokens <= left {
            left -= tokens;
            continue;
        }
        match &mut parts[index] {
            Part::Text(deltas) => deltas.truncate(left),
            Part::Call { arguments, .. } => arguments.truncate(left.saturating_sub(1)),
        }
        parts.truncate(if left == 0 { index.max(1) } else { index + 1 });
        return true;
    }
    false
}
