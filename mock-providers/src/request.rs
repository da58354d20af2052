//! Requests as they come over the wire, held to the letter of HTTP/1.1 framing.
//!
//! Owns reading heads and bodies and saying what is wrong with them. Refuses to be lenient: what a proxy could be
//! tricked by is malformed here, so that a gateway that lets it through is caught.

mod body;
mod head;
mod lines;

use bytes::Buf;
use serde_json::{Map, Value};

use crate::azure;
use crate::plan;
use crate::script::Encoding;
use crate::wire::{Gone, Wire};

pub(crate) use body::{BodyProblem, MAX_BODY, read_body};
pub(crate) use head::{Head, Length, loose, parse};
pub use lines::RequestHead;

/// A body of more values is no JSON here.
const MAX_VALUES: usize = 4 << 20;

/// A whole request, as rules and dialects see it.
pub(crate) struct Request<'a> {
    pub(crate) head: &'a Head,
    /// The body as JSON, when it is.
    pub(crate) json: Option<Value>,
    /// The deployment of its path, at Azure.
    deployment: Option<Box<str>>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(head: &'a Head, body: &[u8]) -> Self {
        // Checked to be text at once, not string by string.
        let text = std::str::from_utf8(body).ok().filter(|_| !body.is_empty() && !is_countless(body));
        Self::of(head, text.and_then(|text| serde_json::from_str(text).ok()))
    }

    /// One whose body is this.
    pub(crate) fn of(head: &'a Head, json: Option<Value>) -> Self {
        Self { head, json, deployment: azure::deployment(head.path()).map(|name| name.into()) }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        member(self.json.as_ref()?.as_object()?, name)
    }

    /// The deployment that its path names, at Azure.
    pub(crate) fn deployment(&self) -> Option<&str> {
        self.deployment.as_deref()
    }

    /// What is to answer: the deployment, whatever the body says, or else the model.
    pub(crate) fn model(&self) -> Option<&str> {
        self.deployment().or_else(|| self.field("model")?.as_str())
    }

    pub(crate) fn stream(&self) -> bool {
        self.field("stream").and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether the caller takes an answer in this encoding.
    pub(crate) fn accepts(&self, encoding: Encoding) -> bool {
        let named = self.head.lines.headers().filter(|(name, _)| name.eq_ignore_ascii_case("accept-encoding"));
        let values: Vec<&str> = named.map(|(_, value)| value).collect();
        plan::accepts(&values.join(","), encoding)
    }
}

/// A member of an object. Most objects are small, and most members that are looked for are not there: a look at every name
/// costs less than a hash.
pub(crate) fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    const SMALL: usize = 8;
    if object.len() > SMALL {
        return object.get(name);
    }
    // The first byte settles nearly all of those that have the same length.
    let wanted = name.as_bytes().first();
    let is_it = |known: &str| known.len() == name.len() && known.as_bytes().first() == wanted && known == name;
    object.iter().find(|(known, _)| is_it(known)).map(|(_, value)| value)
}

/// Whether a body has more values than are taken in: each of them needs far more memory than its bytes.
fn is_countless(body: &[u8]) -> bool {
    // Most bodies are too short for that.
    if body.len() < 2 * MAX_VALUES {
        return false;
    }
    let (mut values, mut in_string, mut escaped) = (0, false, false);
    for byte in body {
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    values > MAX_VALUES
}

/// The text of a message's content: a string, or the text parts of an array.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

/// What came instead of, or as, a head.
pub(crate) enum Start {
    /// A well-formed head.
    Head(Head),
    /// The caller left between requests.
    Gone(Gone),
    /// The caller left inside a head, or sent no head at all.
    Malformed { reason: String, gone: Option<Gone> },
}

/// Reads up to the end of the next head; malformed bytes stay in `wire.inbound`.
pub(crate) async fn read_head(wire: &mut Wire) -> Start {
    loop {
        match head::parse(&wire.inbound) {
            Ok(Some((head, length))) => {
                // The body, or the next request, stays behind.
                wire.inbound.advance(length);
                return Start::Head(head);
            }
            Ok(None) => {}
            Err(reason) => return Start::Malformed { reason, gone: None },
        }
        if let Err(gone) = wire.fill().await {
            if wire.inbound.is_empty() {
                return Start::Gone(gone);
            }
            return Start::Malformed { reason: "the connection ended inside a head".to_owned(), gone: Some(gone) };
        }
    }
}
