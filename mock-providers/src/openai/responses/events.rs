//! A response as typed server-sent events.
//!
//! Owns their order, their sequence numbers and the terminal event, which stands where other streams have `[DONE]`.

use std::fmt::Arguments;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::output::{Body, Item};
use crate::journal::Usage;
use crate::openai::pieces::Pieces;
use crate::pace::Pace;
use crate::plan::{self, Kind, Piece};

/// What a stream tells of its response as a whole.
pub(super) struct Frame<'m> {
    /// The response at its beginning.
    pub(super) begun: Value,
    /// And at its end, as JSON.
    pub(super) whole: &'m Bytes,
    pub(super) incomplete: bool,
    pub(super) usage: Option<Usage>,
    pub(super) background: bool,
}

/// The events of a response, with the gaps between them.
pub(super) fn pieces(frame: &Frame<'_>, items: &[Item<'_>], pace: Pace) -> Vec<Piece> {
    let mut events = Events { events: plan::Events::default(), pace };
    let begun = frame.begun.to_string();
    events.frame("response.created", format_args!("\"response\":{begun}"));
    if frame.background {
        events.frame("response.queued", format_args!("\"response\":{begun}"));
        let mut running = frame.begun.clone();
        running["status"] = "in_progress".into();
        events.frame("response.in_progress", format_args!("\"response\":{running}"));
    } else {
        events.frame("response.in_progress", format_args!("\"response\":{begun}"));
    }
    for (index, item) in items.iter().enumerate() {
        events.item(index, item);
    }
    let last = if frame.incomplete { "response.incomplete" } else { "response.completed" };
    let whole = str::from_utf8(frame.whole).expect("JSON is UTF-8");
    events.push(last, Kind::Done, Duration::ZERO, format_args!("\"response\":{whole}"));
    events.events.reports(frame.usage);
    events.events.finish()
}

/// The events of a stream that fails after so many others: what went wrong, and the response that it ends.
pub(super) fn failure(error: &Value, sequence: usize, response: &Value) -> String {
    let member = |name: &str| error.get(name).cloned().unwrap_or(Value::Null);
    let code = Some(member("code")).filter(|code| !code.is_null()).unwrap_or_else(|| member("type"));
    let event = json!({
        "type": "error", "sequence_number": sequence,
        "code": code, "message": member("message"), "param": member("param"),
    });
    let mut response = response.clone();
    response["status"] = "failed".into();
    response["error"] = json!({ "code": code, "message": member("message") });
    let failed = json!({ "type": "response.failed", "sequence_number": sequence + 1, "response": response });
    format!("event: error\ndata: {event}\n\nevent: response.failed\ndata: {failed}\n\n")
}

struct Events {
    events: plan::Events,
    pace: Pace,
}

impl Events {
    fn item(&mut self, index: usize, item: &Item<'_>) {
        let begun = item.begun();
        self.frame("response.output_item.added", format_args!("\"output_index\":{index},\"item\":{begun}"));
        let place = format!("\"item_id\":{},\"output_index\":{index}", json!(item.id));
        match &item.body {
            Body::Reasoning { summary, .. } => {
                let names = ["reasoning_summary_part", "reasoning_summary_text", "text"];
                if let Some(pieces) = summary {
                    self.part(item, names, &format!("{place},\"summary_index\":0"), pieces);
                }
            }
            Body::Text(pieces) => {
                self.part(
                    item,
                    ["content_part", "output_text", "text"],
                    &format!("{place},\"content_index\":0"),
                    pieces,
                );
            }
            Body::Refusal(pieces) => {
                self.part(
                    item,
                    ["content_part", "refusal", "refusal"],
                    &format!("{place},\"content_index\":0"),
                    pieces,
                );
            }
            Body::Call { arguments, custom: true, .. } => {
                self.call("custom_tool_call_input", &format!("{place},\"input\":"), &place, arguments);
            }
            Body::Call { arguments, name, .. } => {
                let done = format!("{place},\"name\":{},\"arguments\":", json!(name));
                self.call("function_call_arguments", &done, &place, arguments);
            }
        }
        let finished = item.finished();
        self.frame("response.output_item.done", format_args!("\"output_index\":{index},\"item\":{finished}"));
    }

    fn call(&mut self, name: &str, done: &str, place: &str, said: &Pieces<'_>) {
        let event = format!("response.{name}.delta");
        for delta in said.deltas() {
            self.content(&event, format_args!("{place},\"delta\":{}", json!(delta)));
        }
        self.frame(&format!("response.{name}.done"), format_args!("{done}{}", json!(said.text())));
    }

    /// A part of an item, from its beginning to its end; the names are those of part, delta and text.
    fn part(&mut self, item: &Item<'_>, [part, delta, text]: [&str; 3], place: &str, pieces: &Pieces<'_>) {
        let begun = item.body.part("", json!([]));
        self.frame(&format!("response.{part}.added"), format_args!("{place},\"part\":{begun}"));
        let event = format!("response.{delta}.delta");
        let logprobs = |tokens| match item.body {
            Body::Text(_) => format!(",\"logprobs\":{}", item.logprobs(pieces, tokens)),
            _ => String::new(),
        };
        for (index, said) in pieces.deltas().enumerate() {
            let logprobs = logprobs(pieces.tokens_of(index));
            self.content(&event, format_args!("{place},\"delta\":{}{logprobs}", json!(said)));
        }
        let (said, logprobs) = (json!(pieces.text()), logprobs(0..pieces.count()));
        self.frame(&format!("response.{delta}.done"), format_args!("{place},\"{text}\":{said}{logprobs}"));
        let finished = item.whole_part(pieces);
        self.frame(&format!("response.{part}.done"), format_args!("{place},\"part\":{finished}"));
    }

    fn content(&mut self, event: &str, fields: Arguments<'_>) {
        let gap = self.pace.next();
        self.push(event, Kind::Content, gap, fields);
    }

    fn frame(&mut self, event: &str, fields: Arguments<'_>) {
        self.push(event, Kind::Frame, Duration::ZERO, fields);
    }

    fn push(&mut self, event: &str, kind: Kind, gap: Duration, fields: Arguments<'_>) {
        let sequence = self.events.count();
        self.events.push(kind, gap, |out| {
            write!(out, "event: {event}\ndata: {{\"type\":\"{event}\",\"sequence_number\":{sequence},{fields}}}\n\n")
                .expect("a write into memory succeeds");
        });
    }
}
