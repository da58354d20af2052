//! Edits of a body as a list of splices: the untouched parts stay slices of the received bytes.
//! Which edits a request needs is decided here too, from one scan; nothing is re-serialised.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use smallvec::SmallVec;

use crate::asked::Asked;
use crate::json::{self, JsonError, Kind, Member, Object};
use crate::snapshot::Model;

/// A member that refers to a file of one provider, wherever it stands.
static FILE_ID: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""file_id""#));

/// Replace this span by these bytes; an empty span inserts, empty bytes delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Span of the original text.
    pub span: Range<usize>,
    /// What stands there afterwards.
    pub with: Bytes,
}

/// Applies splices (ascending, not overlapping) and returns the pieces to send, in order.
#[must_use]
pub fn apply(body: &Bytes, splices: &[Splice]) -> VecDeque<Bytes> {
    let mut pieces = VecDeque::with_capacity(splices.len() * 2 + 1);
    let mut at = 0;
    for splice in splices {
        if at < splice.span.start {
            pieces.push_back(body.slice(at..splice.span.start));
        }
        if !splice.with.is_empty() {
            pieces.push_back(splice.with.clone());
        }
        at = splice.span.end;
    }
    if at < body.len() {
        pieces.push_back(body.slice(at..));
    }
    pieces
}

/// What the gateway needs to know of a request body.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// The received bytes.
    pub body: Bytes,
    object: Object,
    model: Option<Member>,
    stream_options: Option<Member>,
    /// The client's `model`, if it is a string.
    pub requested_model: Option<Box<str>>,
    /// `stream: true`.
    pub stream: bool,
    /// Parameters, where some were sent.
    pub asked: Option<Box<Asked>>,
    /// The client asked for the usage chunk itself.
    pub asked_usage: bool,
    /// Members of its own say so, files aside.
    stateful: bool,
}

impl Prompt {
    /// Validates a body and finds the members that matter.
    ///
    /// # Errors
    /// When the body is not one JSON object, or `model`, `stream` or `stream_options` stands there twice.
    pub fn read(body: Bytes) -> Result<Self, JsonError> {
        let (mut model, mut stream, mut options, mut twice) = (None::<Member>, None::<Member>, None::<Member>, None);
        let (mut stateful, mut parameters) = (false, Vec::new());
        let object = json::scan_object(&body, |name, member| {
            let slot = match name {
                "model" => &mut model,
                "stream" => &mut stream,
                "stream_options" => &mut options,
                "store" => return stateful |= member.kind == Kind::True,
                "previous_response_id" | "conversation" => return stateful |= member.kind != Kind::Null,
                other => return parameters.extend(Asked::name(other).map(|name| (name, member))),
            };
            if slot.is_some() {
                twice.get_or_insert(member.key.start);
            }
            *slot = Some(member);
        })?;
        if let Some(offset) = twice {
            return Err(JsonError { offset, what: "a member that decides routing stands twice" });
        }
        let requested_model = model.as_ref().filter(|member| member.kind == Kind::String);
        let requested_model = requested_model.and_then(|member| json::unquote(&body[member.value.clone()]));
        let asked_usage = options.as_ref().is_some_and(|member| include_usage(&body, member) == Some(Kind::True));
        Ok(Self {
            requested_model: requested_model.map(Into::into),
            stream: stream.is_some_and(|member| member.kind == Kind::True),
            asked: Asked::read(&body, &parameters),
            asked_usage,
            stateful,
            object,
            model,
            stream_options: options,
            body,
        })
    }

    /// Whether it refers to state at one provider (`store`, `previous_response_id`, `conversation`, files): then it is
    /// never sent elsewhere. Looks for files when it is asked: most prompts have nowhere else to go.
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        self.stateful || FILE_ID.find(&self.body).is_some()
    }

    /// Whether `model` is something that names no model.
    #[must_use]
    pub fn model_is_no_name(&self) -> bool {
        self.model.as_ref().is_some_and(|member| !matches!(member.kind, Kind::String | Kind::Null))
    }

    /// The pieces to send: `model` set when given, usage of a stream asked for when `ask_usage`.
    #[must_use]
    pub fn pieces(&self, model: Option<&Model>, ask_usage: bool) -> VecDeque<Bytes> {
        const ASKED: &str = "\"stream_options\":{\"include_usage\":true}";
        let mut splices = SmallVec::<[Splice; 3]>::new();
        let mut appended = String::new();
        if let Some(model) = model {
            match &self.model {
                Some(member) => splices.push(Splice { span: member.value.clone(), with: model.json.clone() }),
                None => appended = format!("\"model\":{}", String::from_utf8_lossy(&model.json)),
            }
        }
        if ask_usage && !self.asked_usage {
            match &self.stream_options {
                Some(member) => splices.extend(ask_in(&self.body, member)),
                None if appended.is_empty() => appended.push_str(ASKED),
                None => appended = format!("{appended},{ASKED}"),
            }
        }
        splices.sort_by_key(|splice| splice.span.start);
        if !appended.is_empty() {
            if !self.object.empty {
                appended.insert(0, ',');
            }
            splices.push(Splice { span: self.object.end..self.object.end, with: appended.into() });
        }
        apply(&self.body, &splices)
    }
}

/// The type of `include_usage` inside `stream_options`, if it stands there.
fn include_usage(body: &[u8], options: &Member) -> Option<Kind> {
    if options.kind != Kind::Object {
        return None;
    }
    let mut found = None;
    let _validated_before = json::scan_object(&body[options.value.clone()], |name, member| {
        if name == "include_usage" {
            found = Some(member.kind);
        }
    });
    found
}

/// Splices that make an existing `stream_options` ask for usage; a value of a wrong type is left to the provider.
fn ask_in(body: &[u8], options: &Member) -> Vec<Splice> {
    const ASK: &[u8] = b"{\"include_usage\":true}";
    if options.kind == Kind::Null {
        return vec![Splice { span: options.value.clone(), with: Bytes::from_static(ASK) }];
    }
    let base = options.value.start;
    let mut asks = Vec::new();
    let object = json::scan_object(&body[options.value.clone()], |name, member| {
        if name == "include_usage" {
            let span = base + member.value.start..base + member.value.end;
            asks.push(Splice { span, with: Bytes::from_static(b"true") });
        }
    });
    match object {
        Ok(object) if asks.is_empty() => {
            let at = base + object.end;
            let text: &'static [u8] = if object.empty { b"\"include_usage\":true" } else { b",\"include_usage\":true" };
            vec![Splice { span: at..at, with: Bytes::from_static(text) }]
        }
        _ => asks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn edited(body: &str, model: Option<&str>, ask: bool) -> String {
        let prompt = Prompt::read(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        String::from_utf8(prompt.pieces(model.map(Model::from).as_ref(), ask).into_iter().flatten().collect()).unwrap()
    }

    #[test]
    fn only_the_declared_bytes_change() {
        let table = [
            (r#"{ "model" : "a", "x": 1.50}"#, r#"{ "model" : "m\"1", "x": 1.50}"#),
            (r#"{"mod\u0065l":"a"}"#, r#"{"mod\u0065l":"m\"1"}"#),
            (r#"{}"#, r#"{"model":"m\"1"}"#),
            (r#"{"a":{"model":"keep"}}"#, r#"{"a":{"model":"keep"},"model":"m\"1"}"#),
        ];
        for (body, expected) in table {
            assert_eq!(edited(body, Some("m\"1"), false), expected);
        }
    }

    #[test]
    fn usage_is_asked_for_in_every_spelling_of_stream_options() {
        let table = [
            (r#"{"stream":true}"#, r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
            (r#"{"stream_options":null}"#, r#"{"stream_options":{"include_usage":true}}"#),
            (r#"{"stream_options":{}}"#, r#"{"stream_options":{"include_usage":true}}"#),
            (r#"{"stream_options":{"include_usage":false}}"#, r#"{"stream_options":{"include_usage":true}}"#),
            (r#"{"stream_options":{"x":1}}"#, r#"{"stream_options":{"x":1,"include_usage":true}}"#),
            (r#"{"stream_options":{"include_usage":true}}"#, r#"{"stream_options":{"include_usage":true}}"#),
        ];
        for (body, expected) in table {
            assert_eq!(edited(body, None, true), expected);
        }
    }

    #[test]
    fn a_member_that_decides_routing_must_not_stand_twice() {
        for name in ["model", "stream", "stream_options"] {
            assert!(Prompt::read(Bytes::from(format!(r#"{{"{name}":1,"x":2,"{name}":3}}"#))).is_err());
        }
        assert!(Prompt::read(Bytes::from_static(br#"{"model":"a","mod\u0065l":"b"}"#)).is_err());
    }

    #[test]
    fn state_at_one_provider_is_recognised() {
        let stateful = |body: &'static str| Prompt::read(Bytes::from_static(body.as_bytes())).unwrap().is_stateful();
        assert!(stateful(r#"{"input":[{"content":[{"type":"input_file","file_id":"f"}]}]}"#));
        assert!(stateful(r#"{"store":true}"#) && stateful(r#"{"previous_response_id":"r"}"#));
        assert!(!stateful(r#"{"store":false,"previous_response_id":null}"#));
    }

    #[test]
    fn the_untouched_parts_are_slices_of_the_received_bytes() {
        let body =
            Bytes::from(format!("{{\"model\":\"a\",\"messages\":[{{\"content\":\"{}\"}}]}}", "x".repeat(1 << 20)));
        let within = body.as_ptr_range();
        let pieces = Prompt::read(body).unwrap().pieces(Some(&"m".into()), true);
        let owned: usize = pieces.iter().filter(|piece| !within.contains(&piece.as_ptr())).map(Bytes::len).sum();
        assert_eq!(owned, "\"m\"".len() + ",\"stream_options\":{\"include_usage\":true}".len());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4).prop_map(|map| map.into_iter().collect())
            ]
        })
    }

    proptest! {
        #[test]
        fn the_editor_agrees_with_a_tree_on_any_object(
            members in prop::collection::btree_map("[a-z_]{1,6}|model|stream_options", any_json(), 0..6), ask: bool,
        ) {
            let tree: Value = members.into_iter().collect();
            let mut expected = tree.clone();
            expected["model"] = json!("m");
            if ask {
                match &mut expected["stream_options"] {
                    options @ Value::Null => *options = json!({"include_usage": true}),
                    Value::Object(options) => { options.insert("include_usage".into(), json!(true)); }
                    _ => (),
                }
            } else if tree.get("stream_options").is_none() {
                expected.as_object_mut().unwrap().remove("stream_options");
            }
            let after: Value = serde_json::from_str(&edited(&tree.to_string(), Some("m"), ask)).unwrap();
            prop_assert_eq!(after, expected);
        }
    }
}
