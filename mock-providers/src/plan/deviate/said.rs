//! An answer taken apart: its events, or its JSON body, as values that can be changed.
//!
//! Owns reading and writing them. What no change touched keeps its exact bytes; what is no JSON is left alone.

use serde_json::{Map, Value};

use super::super::{Kind, Piece, Plan};

/// What an answer says.
pub(super) struct Said {
    pub(super) events: Vec<Event>,
    /// Events, or else one body.
    pub(super) stream: bool,
    pub(super) api: Api,
    /// Whether the request made the model call a tool.
    pub(super) call_required: bool,
}

/// Whose shapes the values have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// Chat completions and completions.
    Completions,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Any other, or literal bytes.
    Other,
}

/// One event, or the one body.
#[derive(Clone)]
pub(super) struct Event {
    pub(super) piece: Piece,
    /// As its value tells, which also holds for literal events.
    pub(super) kind: Kind,
    name: Option<String>,
    /// What stands behind `data:`, when it is an object.
    pub(super) json: Option<Value>,
}

pub(super) type Fields = Map<String, Value>;

impl Said {
    /// Takes a successful answer apart.
    pub(super) fn new(plan: &Plan, call_required: bool) -> Option<Self> {
        let stream = plan.is_event_stream();
        if !(200..300).contains(&plan.status) || plan.pieces.is_empty() || (!stream && plan.pieces.len() != 1) {
            return None;
        }
        let mut events: Vec<Event> = plan.pieces.iter().map(|piece| Event::new(piece, stream)).collect();
        let api = events.iter().find_map(|event| event.json.as_ref()).map_or(Api::Other, Api::of);
        for event in events.iter_mut().filter(|_| stream) {
            event.kind = event.classified(api);
        }
        Some(Self { events, stream, api, call_required })
    }

    /// Puts it together again.
    pub(super) fn pieces(self) -> Vec<Piece> {
        let stream = self.stream;
        self.events.into_iter().map(|event| event.into_piece(stream)).collect()
    }

    /// Where the events of this kind are.
    pub(super) fn places(&self, kind: Kind) -> Vec<usize> {
        let own = self.events.iter().enumerate().filter(|(_, event)| event.kind == kind && event.json.is_some());
        own.map(|(index, _)| index).collect()
    }

    pub(super) fn first(&self, kind: Kind) -> Option<usize> {
        self.events.iter().position(|event| event.kind == kind && event.json.is_some())
    }

    /// Changes every value; says whether any was changed.
    pub(super) fn each(&mut self, change: impl FnMut(&mut Value) -> bool) -> bool {
        any(self.events.iter_mut().filter_map(|event| event.json.as_mut()), change)
    }

    /// Changes every choice of every event.
    pub(super) fn each_choice(&mut self, mut change: impl FnMut(&mut Fields) -> bool) -> bool {
        self.each(|json| any(choices(json), &mut change))
    }

    /// Changes the delta or the message of every choice.
    pub(super) fn each_message(&mut self, mut change: impl FnMut(&mut Fields) -> bool) -> bool {
        self.each_choice(|choice| message(choice).is_some_and(&mut change))
    }
}

/// Changes all of them; says whether any was changed.
pub(super) fn any<T>(all: impl Iterator<Item = T>, mut change: impl FnMut(T) -> bool) -> bool {
    all.fold(false, |changed, one| change(one) | changed)
}

pub(super) fn objects(list: Option<&mut Value>) -> impl Iterator<Item = &mut Fields> {
    list.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

pub(super) fn choices(json: &mut Value) -> impl Iterator<Item = &mut Fields> {
    objects(json.get_mut("choices"))
}

/// What a choice says: its delta, or its message.
pub(super) fn message(choice: &mut Fields) -> Option<&mut Fields> {
    let name = if choice.contains_key("delta") { "delta" } else { "message" };
    choice.get_mut(name)?.as_object_mut()
}

/// Whether the value is an object that says this.
pub(super) fn says(json: &Value, name: &str, text: &str) -> bool {
    json.get(name).and_then(Value::as_str) == Some(text)
}

impl Api {
    fn of(json: &Value) -> Self {
        let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
        if json.get("choices").is_some() {
            return Self::Completions;
        }
        if text("object") == "response" || text("type").starts_with("response.") {
            return Self::Responses;
        }
        let messages = ["message", "message_start", "content_block_delta", "ping"].contains(&text("type"));
        if messages { Self::Messages } else { Self::Other }
    }
}

impl Event {
    fn new(piece: &Piece, stream: bool) -> Self {
        let (name, json) = if stream { read(&piece.bytes).unwrap_or_default() } else { (None, parsed(&piece.bytes)) };
        let kind = if json.is_some() || piece.kind == Kind::Done { piece.kind } else { Kind::Frame };
        Self { piece: piece.clone(), kind, name, json }
    }

    fn classified(&mut self, api: Api) -> Kind {
        let Some(json) = &mut self.json else { return self.kind };
        match api {
            Api::Completions => completion_kind(json).unwrap_or(self.kind),
            Api::Other => self.kind,
            Api::Responses => match json["type"].as_str().unwrap_or_default() {
                delta if delta.ends_with(".delta") => Kind::Content,
                "response.completed" | "response.incomplete" | "response.failed" => Kind::Done,
                _ => Kind::Frame,
            },
            Api::Messages => match json["type"].as_str().unwrap_or_default() {
                "message_start" => Kind::Role,
                "content_block_delta" => Kind::Content,
                "message_delta" => Kind::Finish,
                "message_stop" => Kind::Done,
                _ => Kind::Frame,
            },
        }
    }

    /// The event without what it reports and without a gap.
    pub(super) fn echoed(&self) -> Self {
        let piece = Piece { gap: std::time::Duration::ZERO, usage: None, ..self.piece.clone() };
        Self { piece, ..self.clone() }
    }

    /// The first text in it that is content.
    pub(super) fn text(&mut self, api: Api) -> Option<&mut String> {
        text(self.json.as_mut()?, api)
    }

    fn into_piece(self, stream: bool) -> Piece {
        let Self { mut piece, name, json, .. } = self;
        let Some(json) = json else { return piece };
        let before = if stream { read(&piece.bytes).and_then(|(_, json)| json) } else { parsed(&piece.bytes) };
        if before.as_ref() == Some(&json) {
            return piece;
        }
        piece.bytes = match (stream, name) {
            (false, _) => json.to_string().into(),
            (true, None) => format!("data: {json}\n\n").into(),
            (true, Some(name)) => format!("event: {name}\ndata: {json}\n\n").into(),
        };
        piece
    }
}

fn completion_kind(json: &mut Value) -> Option<Kind> {
    let usage = json.get("usage").is_some_and(Value::is_object);
    let list = json.get("choices")?.as_array()?;
    if list.is_empty() {
        return Some(if usage { Kind::Usage } else { Kind::Frame });
    }
    let ends = |choice: &Value| choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
    if list.iter().any(ends) {
        return Some(Kind::Finish);
    }
    let calls = list.iter().any(|choice| choice.pointer("/delta/tool_calls").is_some());
    let role = list.iter().any(|choice| choice.pointer("/delta/role").is_some());
    if calls || text(json, Api::Completions).is_some_and(|text| !text.is_empty()) {
        return Some(Kind::Content);
    }
    role.then_some(Kind::Role)
}

fn text(json: &mut Value, api: Api) -> Option<&mut String> {
    let pointers: &[&str] = match api {
        Api::Completions => &[
            "/choices/0/text",
            "/choices/0/delta/content",
            "/choices/0/delta/refusal",
            "/choices/0/delta/reasoning_content",
            "/choices/0/delta/reasoning",
            "/choices/0/delta/tool_calls/0/function/arguments",
            "/choices/0/message/content",
            "/choices/0/message/refusal",
            "/choices/0/message/tool_calls/0/function/arguments",
        ],
        Api::Responses => &["/delta", "/output/0/content/0/text", "/output/0/arguments"],
        Api::Messages => {
            &["/delta/text", "/delta/partial_json", "/delta/thinking", "/content/0/text", "/content/0/thinking"]
        }
        Api::Other => &[],
    };
    let found = pointers.iter().find(|pointer| json.pointer(pointer).is_some_and(Value::is_string))?;
    match json.pointer_mut(found)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// An event of ours: perhaps its name, then one line of data that is an object.
fn read(bytes: &[u8]) -> Option<(Option<String>, Option<Value>)> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix("\n\n")?;
    let (name, data) = match text.strip_prefix("event: ") {
        Some(rest) => rest.split_once('\n').map(|(name, data)| (Some(name.to_owned()), data))?,
        None => (None, text),
    };
    Some((name, parsed(data.strip_prefix("data: ")?.as_bytes())))
}

fn parsed(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok().filter(Value::is_object)
}
