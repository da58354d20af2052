//! `POST /messages`: what is answered, before it is JSON or a stream.
//!
//! Owns what is said (scripted, echoed or made up), where the request's limits cut it, and why it ends. Refuses to know
//! how it is sent.

mod cut;

use serde_json::{Value, json};

use super::parameters::{Wishes, object, wishes};
use super::{ApiError, events, prompt, usage};
use crate::answer::Context;
use crate::digest::{BASE62, Random};
use crate::journal::Usage;
use crate::openai::synth;
use crate::plan::Answer;
use crate::request::Request;
use crate::script::{self, Tokenizer, ToolCall};
use crate::tokens;

const SIGNATURE: usize = 88;
const REFUSAL: &str = "I cannot help with that.";
/// The tier that every answer names.
pub(super) const TIER: &str = "standard";

/// One answer.
pub(super) struct Message {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) blocks: Vec<Block>,
    pub(super) stop_reason: String,
    pub(super) stop_sequence: Option<String>,
    pub(super) usage: Option<Usage>,
}

/// One block of its content, in the deltas that a stream sends.
pub(super) enum Block {
    /// Text.
    Text(Vec<String>),
    /// A call of a tool, with the JSON of its input.
    Call { id: String, name: String, input: Vec<String> },
    /// What the model thinks, signed.
    Thinking { thoughts: Vec<String>, signature: String },
}

/// Answers a request for a message, plain or as a stream.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let wishes = wishes(object(request)?, context.provider)?;
    let message = Message::new(request, &wishes, context);
    Ok(match wishes.stream {
        true => Answer::stream(events::pieces(&message, context.pace())),
        false => Answer::json(200, message.json().to_string(), message.usage),
    })
}

impl Message {
    fn new(request: &Request<'_>, wishes: &Wishes<'_>, context: &Context<'_>) -> Self {
        let mut random = context.random.branch("message");
        let mut blocks = blocks(request, wishes, context, &mut random);
        let end = cut::cut(&mut blocks, wishes, context);
        let tokens = |block: &Block| block.tokens(context.tokenizer);
        let completion = blocks.iter().map(tokens).sum();
        let thoughts = blocks.iter().filter(|block| matches!(block, Block::Thinking { .. })).map(tokens).sum();
        let prompt = prompt::tokens(request, context.tokenizer);
        let respond = context.respond;
        Self {
            id: format!("msg_{}", context.ids.branch("id").word(24, BASE62)),
            model: respond.model.clone().unwrap_or_else(|| wishes.model.to_owned()),
            blocks,
            stop_reason: respond.finish_reason.as_deref().map_or(end.reason, anthropic_word).to_owned(),
            stop_sequence: end.sequence,
            usage: usage::of(&respond.usage, prompt, completion, thoughts),
        }
    }

    /// The message as JSON.
    fn json(&self) -> Value {
        let content: Vec<Value> = self.blocks.iter().map(Block::json).collect();
        let mut message = self.begun();
        message["content"] = content.into();
        message["stop_reason"] = self.stop_reason.as_str().into();
        message["stop_sequence"] = self.stop_sequence.as_deref().into();
        if let Some(used) = &self.usage {
            message["usage"] = usage::json(used, Some(TIER));
        }
        message
    }

    /// The message before it has any content.
    pub(super) fn begun(&self) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
        })
    }
}

impl Block {
    fn text(text: &str, tokenizer: Tokenizer) -> Self {
        Block::Text(owned(text, tokenizer))
    }

    fn call(name: &str, input: &Value, id: Option<&str>, random: &mut Random, tokenizer: Tokenizer) -> Self {
        let input = match input {
            Value::String(literal) => literal.clone(),
            Value::Null => "{}".to_owned(),
            other => other.to_string(),
        };
        Block::Call {
            id: id.map_or_else(|| format!("toolu_{}", random.word(24, BASE62)), str::to_owned),
            name: name.to_owned(),
            input: owned(&input, tokenizer),
        }
    }

    fn thinking(thoughts: &str, random: &mut Random, tokenizer: Tokenizer) -> Self {
        Block::Thinking { thoughts: owned(thoughts, tokenizer), signature: random.word(SIGNATURE, BASE62) }
    }

    fn json(&self) -> Value {
        match self {
            Block::Text(deltas) => json!({ "type": "text", "text": deltas.concat() }),
            Block::Call { id, name, input } => {
                // An input that was cut short is no JSON, and cannot be shown.
                let input: Value = serde_json::from_str(&input.concat()).unwrap_or_else(|_| json!({}));
                json!({ "type": "tool_use", "id": id, "name": name, "input": input })
            }
            Block::Thinking { thoughts, signature } => {
                json!({ "type": "thinking", "thinking": thoughts.concat(), "signature": signature })
            }
        }
    }

    /// The deltas, and the tokens it costs beside them.
    fn deltas(&self) -> (&[String], u64) {
        match self {
            Block::Text(deltas) | Block::Thinking { thoughts: deltas, .. } => (deltas, 0),
            Block::Call { input, .. } => (input, 1),
        }
    }

    fn tokens(&self, tokenizer: Tokenizer) -> u64 {
        let (deltas, more) = self.deltas();
        deltas.iter().map(|delta| tokenizer.count(delta).max(1)).sum::<u64>() + more
    }
}

fn owned(text: &str, tokenizer: Tokenizer) -> Vec<String> {
    tokenizer.pieces(text).into_iter().map(str::to_owned).collect()
}

/// Thoughts, when they are wanted, and what is said.
fn blocks(request: &Request<'_>, wishes: &Wishes<'_>, context: &Context<'_>, random: &mut Random) -> Vec<Block> {
    let mut said = said(request, wishes, context, random);
    if wishes.single_call {
        let mut calls = 0;
        said.retain(|block| {
            calls += usize::from(matches!(block, Block::Call { .. }));
            !matches!(block, Block::Call { .. }) || calls == 1
        });
    }
    let scripted = said.iter().any(|block| matches!(block, Block::Thinking { .. }));
    if let Some(thinking) = wishes.thinking.as_ref().filter(|_| !scripted) {
        let count = if thinking.shown { 12 + random.below(12) } else { 0 };
        said.insert(0, Block::thinking(&synth::words(count, random), random, context.tokenizer));
    }
    said
}

/// What is said: the first of the script's wishes, then the request's, then something.
fn said(request: &Request<'_>, wishes: &Wishes<'_>, context: &Context<'_>, random: &mut Random) -> Vec<Block> {
    let (respond, tokenizer) = (context.respond, context.tokenizer);
    let text = |text: &str| if text.is_empty() { Vec::new() } else { vec![Block::text(text, tokenizer)] };
    if !respond.blocks.is_empty() {
        return respond.blocks.iter().map(|block| scripted(block, random, tokenizer)).collect();
    }
    if let Some(chunks) = &respond.chunks {
        return vec![Block::Text(chunks.clone())];
    }
    if let Some(scripted) = &respond.text {
        return text(scripted);
    }
    if respond.echo {
        let most = if context.fault.ignore_max_tokens { tokens::MOST } else { wishes.max_tokens };
        return text(tokens::beginning(&request.last_user().unwrap_or_default(), most.min(tokens::MOST)));
    }
    if let Some(count) = &respond.tokens {
        let count = count.draw(random, "respond.tokens");
        return text(&synth::words(count, random));
    }
    if context.fault.refuse {
        return text(REFUSAL);
    }
    if let Some(call) = &wishes.call {
        let input = synth::fitting(call.schema, random);
        return vec![Block::call(call.name, &input, None, random, tokenizer)];
    }
    let count = 8 + random.below(16);
    text(&synth::words(count, random))
}

fn scripted(block: &script::Block, random: &mut Random, tokenizer: Tokenizer) -> Block {
    match block {
        script::Block::Text(text) | script::Block::Refusal(text) => Block::text(text, tokenizer),
        script::Block::Reasoning(text) => Block::thinking(text, random, tokenizer),
        script::Block::ToolCall(ToolCall { name, arguments, id }) => {
            Block::call(name, arguments, id.as_deref(), random, tokenizer)
        }
    }
}

/// A reason of OpenAI's in Anthropic's word; all others stay.
fn anthropic_word(reason: &str) -> &str {
    match reason {
        "stop" => "end_turn",
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        "content_filter" => "refusal",
        other => other,
    }
}
