//! A message as server-sent events.
//!
//! Owns their order and exact bytes, each with its `event:` line: the message begins, its blocks one after the other,
//! a ping after the first has begun, then the reason why it ends with the whole output counted, then the end.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::message::{Block, Message};
use super::usage;
use crate::journal::Usage;
use crate::openai::pieces::Pieces;
use crate::pace::Pace;
use crate::plan::{Events, Kind, Piece};

/// What an event has around its data and its text.
const PER_EVENT: usize = 160;

/// The events of a message, with the gaps between them.
pub(super) fn pieces(message: &Message<'_>, pace: Pace) -> Vec<Piece> {
    let deltas: usize = message.blocks.iter().map(count).sum();
    let count = deltas + 3 * message.blocks.len() + 4;
    let mut stream = Stream { events: Events::with_capacity(PER_EVENT * count, count), pace };
    stream.begin(message);
    for (index, block) in message.blocks.iter().enumerate() {
        stream.block(index, block);
    }
    stream.end(message);
    stream.events.finish()
}

fn count(block: &Block<'_>) -> usize {
    match block {
        Block::Text(pieces) => pieces.delta_count(),
        Block::Call { input, .. } => input.delta_count() + 1,
        Block::Thinking { thoughts, .. } => thoughts.delta_count() + 1,
    }
}

struct Stream {
    events: Events,
    pace: Pace,
}

impl Stream {
    fn begin(&mut self, message: &Message<'_>) {
        let mut begun = message.begun();
        // Nothing is said yet, but the first token is under way.
        let first =
            |used: Usage| Usage { completion_tokens: used.completion_tokens.min(1), reasoning_tokens: 0, ..used };
        let used = message.usage.map(first);
        if let Some(used) = &used {
            begun["usage"] = usage::json(used, Some(message.tier));
        }
        self.event(Kind::Role, "message_start", &json!({ "type": "message_start", "message": begun }));
        self.events.reports(used);
    }

    fn block(&mut self, index: usize, block: &Block<'_>) {
        let begun = match block {
            Block::Text(_) => json!({ "type": "text", "text": "" }),
            Block::Call { id, name, .. } => json!({ "type": "tool_use", "id": id, "name": name, "input": {} }),
            Block::Thinking { .. } => json!({ "type": "thinking", "thinking": "", "signature": "" }),
        };
        let begun = json!({ "type": "content_block_start", "index": index, "content_block": begun });
        self.event(Kind::Frame, "content_block_start", &begun);
        if index == 0 {
            self.event(Kind::Frame, "ping", &json!({ "type": "ping" }));
        }
        match block {
            Block::Text(pieces) => self.deltas(index, "text_delta", "text", pieces),
            Block::Call { input, .. } => {
                self.delta(index, "input_json_delta", "partial_json", "");
                self.deltas(index, "input_json_delta", "partial_json", input);
            }
            Block::Thinking { thoughts, signature } => {
                self.deltas(index, "thinking_delta", "thinking", thoughts);
                self.delta(index, "signature_delta", "signature", signature);
            }
        }
        self.event(Kind::Frame, "content_block_stop", &json!({ "type": "content_block_stop", "index": index }));
    }

    fn deltas(&mut self, index: usize, kind: &str, member: &str, pieces: &Pieces<'_>) {
        for text in pieces.deltas() {
            self.delta(index, kind, member, text);
        }
    }

    fn delta(&mut self, index: usize, kind: &str, member: &str, text: &str) {
        self.events.push(Kind::Content, self.pace.next(), |out| {
            write!(
                out,
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\
                 \"delta\":{{\"type\":\"{kind}\",\"{member}\":{}}}}}\n\n",
                json!(text)
            )
            .expect("a write into memory succeeds");
        });
    }

    fn end(&mut self, message: &Message<'_>) {
        let delta = json!({ "stop_reason": message.stop_reason, "stop_sequence": message.stop_sequence });
        let mut data = json!({ "type": "message_delta", "delta": delta });
        if let Some(used) = &message.usage {
            data["usage"] = usage::json(used, None);
        }
        let gap = self.pace.next();
        self.events.push(Kind::Finish, gap, |out| write_event(out, "message_delta", &data));
        self.events.reports(message.usage);
        self.event(Kind::Done, "message_stop", &json!({ "type": "message_stop" }));
    }

    fn event(&mut self, kind: Kind, name: &str, data: &Value) {
        self.events.push(kind, Duration::ZERO, |out| write_event(out, name, data));
    }
}

fn write_event(out: &mut Vec<u8>, name: &str, data: &Value) {
    write!(out, "event: {name}\ndata: {data}\n\n").expect("a write into memory succeeds");
}
