//! `POST /messages`: what is answered, before it is JSON or a stream.
//!
//! Owns a message's parts, its identity and its usage. Refuses to know what is said, which is `author`'s, and how it is
//! sent.

mod author;
mod cut;

use serde_json::{Value, json};

use super::parameters::{Wishes, object, wishes};
use super::{ApiError, events, prompt, usage};
use crate::answer::Context;
use crate::digest::BASE62;
use crate::journal::Usage;
use crate::openai::pieces::Pieces;
use crate::plan::Answer;
use crate::request::Request;
use crate::script::Tokenizer;
use author::Author;

/// The tier that answers name unless the script says another.
const TIER: &str = "standard";

/// One answer.
pub(super) struct Message<'a> {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) tier: &'a str,
    pub(super) blocks: Vec<Block<'a>>,
    pub(super) stop_reason: String,
    pub(super) stop_sequence: Option<String>,
    pub(super) usage: Option<Usage>,
}

/// One block of its content, in the deltas that a stream sends.
pub(super) enum Block<'a> {
    /// Text.
    Text(Pieces<'a>),
    /// A call of a tool, with the JSON of its input.
    Call { id: String, name: &'a str, input: Pieces<'a> },
    /// What the model thinks, signed.
    Thinking { thoughts: Pieces<'a>, signature: String },
}

/// Answers a request for a message, plain or as a stream.
pub(super) fn answer<'a>(request: &'a Request<'a>, context: &'a Context<'a>) -> Result<Answer, ApiError> {
    let wishes = wishes(object(request)?, context.provider)?;
    let message = Message::new(request, &wishes, context);
    Ok(match wishes.stream {
        true => Answer::stream(events::pieces(&message, context.pace())),
        false => Answer::json(200, message.json().to_string(), message.usage),
    })
}

impl<'a> Message<'a> {
    fn new(request: &'a Request<'a>, wishes: &Wishes<'a>, context: &'a Context<'a>) -> Self {
        let mut blocks = Author::new(request, wishes, context).blocks();
        let end = cut::cut(&mut blocks, wishes, context);
        let tokens = |block: &Block<'_>| block.tokens(context.tokenizer);
        let completion = blocks.iter().map(tokens).sum();
        let thoughts = blocks.iter().filter(|block| matches!(block, Block::Thinking { .. })).map(tokens).sum();
        let prompt = prompt::tokens(request, context.tokenizer);
        let respond = context.respond;
        Self {
            id: respond.id.clone().unwrap_or_else(|| format!("msg_{}", context.ids.branch("id").word(24, BASE62))),
            model: respond.model.clone().unwrap_or_else(|| wishes.model.to_owned()),
            tier: respond.service_tier.as_deref().unwrap_or(TIER),
            blocks,
            stop_reason: respond.finish_reason.as_deref().map_or(end.reason, anthropic_word).to_owned(),
            stop_sequence: end.sequence,
            usage: usage::of(context, prompt, completion, thoughts),
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
            message["usage"] = usage::json(used, Some(self.tier));
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

impl Block<'_> {
    fn json(&self) -> Value {
        match self {
            Block::Text(pieces) => json!({ "type": "text", "text": pieces.text() }),
            Block::Call { id, name, input } => {
                // An input that was cut short is no JSON, and cannot be shown.
                let input: Value = serde_json::from_str(input.text()).unwrap_or_else(|_| json!({}));
                json!({ "type": "tool_use", "id": id, "name": name, "input": input })
            }
            Block::Thinking { thoughts, signature } => {
                json!({ "type": "thinking", "thinking": thoughts.text(), "signature": signature })
            }
        }
    }

    /// What it says, and the tokens it costs beside that.
    fn said(&self) -> (&Pieces<'_>, u64) {
        match self {
            Block::Text(pieces) | Block::Thinking { thoughts: pieces, .. } => (pieces, 0),
            Block::Call { input, .. } => (input, 1),
        }
    }

    fn tokens(&self, tokenizer: Tokenizer) -> u64 {
        let (pieces, more) = self.said();
        (0..pieces.count()).map(|index| tokenizer.count(pieces.token(index)).max(1)).sum::<u64>() + more
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
