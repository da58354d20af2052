//! A response as typed server-sent events.
//!
//! Owns their order, their sequence numbers and the terminal event, which stands where other streams have `[DONE]`.

use serde_json::{Map, Value, json};

use super::{is_incomplete, item, item_id, parts, response, text_part, whole};
use crate::openai::completion::{Completion, Part};
use crate::pace::Pace;
use crate::plan::{Kind, Piece};

/// The events of a response, with the gaps between them.
pub(super) fn pieces(completion: &Completion, pace: Pace) -> Vec<Piece> {
    let mut events = Events { pieces: Vec::new(), pace };
    let begun = response(completion, "in_progress", Vec::new(), None);
    events.frame("response.created", json!({ "response": begun.clone() }));
    events.frame("response.in_progress", json!({ "response": begun }));
    for (index, part) in parts(completion).iter().enumerate() {
        let id = item_id(&completion.id, index, part);
        let begun = item(&completion.id, index, part, false);
        events.frame("response.output_item.added", json!({ "output_index": index, "item": begun }));
        match part {
            Part::Text(deltas) => events.text(&id, index, deltas),
            Part::Call { arguments, .. } => events.call(&id, index, arguments),
        }
        let finished = item(&completion.id, index, part, true);
        events.frame("response.output_item.done", json!({ "output_index": index, "item": finished }));
    }
    let last = if is_incomplete(completion) { "response.incomplete" } else { "response.completed" };
    events.push(last, json!({ "response": whole(completion) }), Kind::Done);
    if let Some(piece) = events.pieces.last_mut() {
        piece.usage = completion.usage;
    }
    events.pieces
}

struct Events {
    pieces: Vec<Piece>,
    pace: Pace,
}

impl Events {
    fn text(&mut self, id: &str, index: usize, deltas: &[String]) {
        let place = json!({ "item_id": id, "output_index": index, "content_index": 0 });
        let whole = deltas.concat();
        self.frame("response.content_part.added", with(&place, "part", text_part("")));
        for delta in deltas {
            self.delta("response.output_text.delta", with(&place, "delta", delta.as_str().into()));
        }
        self.frame("response.output_text.done", with(&place, "text", whole.as_str().into()));
        self.frame("response.content_part.done", with(&place, "part", text_part(&whole)));
    }

    fn call(&mut self, id: &str, index: usize, arguments: &[String]) {
        let place = json!({ "item_id": id, "output_index": index });
        for delta in arguments {
            self.delta("response.function_call_arguments.delta", with(&place, "delta", delta.as_str().into()));
        }
        let whole = arguments.concat();
        self.frame("response.function_call_arguments.done", with(&place, "arguments", whole.into()));
    }

    fn frame(&mut self, kind: &str, fields: Value) {
        self.push(kind, fields, Kind::Frame);
    }

    fn delta(&mut self, kind: &str, fields: Value) {
        self.push(kind, fields, Kind::Content);
        if let Some(piece) = self.pieces.last_mut() {
            piece.gap = self.pace.next();
        }
    }

    fn push(&mut self, event: &str, fields: Value, kind: Kind) {
        let mut data = Map::new();
        data.insert("type".to_owned(), event.into());
        data.insert("sequence_number".to_owned(), self.pieces.len().into());
        if let Value::Object(fields) = fields {
            data.extend(fields);
        }
        let bytes = format!("event: {event}\ndata: {}\n\n", Value::Object(data));
        self.pieces.push(Piece { bytes: bytes.into(), kind, ..Piece::default() });
    }
}

/// The place and one more field.
fn with(place: &Value, name: &str, value: Value) -> Value {
    let mut fields = place.clone();
    fields[name] = value;
    fields
}
