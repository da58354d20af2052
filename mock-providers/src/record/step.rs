//! An answer as the script that gives it again: `respond`, and `fault` where it broke.
//!
//! Owns what of an answer matters and how it is spelled; exact bytes win over looks. Refuses answers that cannot be had
//! again, and any in which a credential would be left.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Timing;
use super::answer::{Answer, Piece};
use super::events::{coding, joined, split, unpack};
use super::yaml;
use crate::credentials::{is_credential_header, redact_all, redact_target};
use crate::fleet;
use crate::script::{Encoding, Framing, How};

/// Headers that belong to a connection, to the moment or to the provider's address, and not to what it says.
const LEFT_OUT: [&str; 16] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "content-encoding",
    "content-type",
    "date",
    "age",
    "set-cookie2",
    "alt-svc",
    "strict-transport-security",
];

/// Larger JSON is kept as text: as YAML it would take long to read.
const MAX_JSON: usize = 64 << 10;

/// The script of an answer that came whole, or broke in this way.
pub(super) fn of(
    answer: &Answer,
    broken: Option<How>,
    secrets: &[String],
    timing: Timing,
) -> Result<Value, &'static str> {
    if answer.oversize {
        return Err("the answer is larger than 16 MiB");
    }
    let coding =
        coding(answer.header("content-encoding")).map_err(|()| "the body has a coding that cannot be undone")?;
    let unpacked = match coding {
        Some(coding) => Some(
            unpack(&answer.pieces, coding, broken.is_none()).ok_or("the body is not what its content-encoding says")?,
        ),
        None => None,
    };
    let teller = Teller { answer, broken, secrets, timing, pieces: unpacked.as_deref().unwrap_or(&answer.pieces) };
    let mut respond = Map::new();
    teller.head(&mut respond, coding);
    let events = if is_stream(answer) { Some(teller.events(&mut respond)?) } else { None };
    if events.is_none() {
        teller.body(&mut respond)?;
    }
    let mut step = Map::from_iter([("respond".to_owned(), Value::Object(respond))]);
    if let Some(how) = broken {
        let at = events.map_or(("after_bytes", teller.length()), |events| ("after_events", events));
        step.insert("fault".to_owned(), json!({"disconnect": {at.0: at.1, "how": word(how)}}));
    }
    Ok(Value::Object(step))
}

/// The script of a connection that ended without an answer.
pub(super) fn nothing(how: How) -> Value {
    let name = if how == How::Rst { "rst_before_head" } else { "empty_response" };
    json!({"fault": {name: true}})
}

fn word(how: How) -> &'static str {
    if how == How::Rst { "rst" } else { "fin" }
}

fn is_stream(answer: &Answer) -> bool {
    let essence = answer.header("content-type").unwrap_or_default().trim_start();
    essence.get(..17).is_some_and(|start| start.eq_ignore_ascii_case("text/event-stream"))
}

struct Teller<'a> {
    answer: &'a Answer,
    broken: Option<How>,
    secrets: &'a [String],
    timing: Timing,
    /// The body without its content coding.
    pieces: &'a [Piece],
}

impl Teller<'_> {
    fn head(&self, respond: &mut Map<String, Value>, coding: Option<Encoding>) {
        let answer = self.answer;
        if answer.status != 200 {
            respond.insert("status".to_owned(), answer.status.into());
        }
        let mut headers = self.headers();
        match answer.header("content-type") {
            Some(known) => drop(respond.insert("content_type".to_owned(), self.masked(known).into())),
            None => drop(headers.insert("content-type".to_owned(), json!([]))),
        }
        // Of a body that never came whole, its length would be another one.
        if let Some(length) = answer.declared.filter(|_| self.broken.is_some() && coding.is_none()) {
            headers.insert("content-length".to_owned(), length.to_string().into());
        }
        if !headers.is_empty() {
            respond.insert("headers".to_owned(), Value::Object(headers));
        }
        let usual = if is_stream(answer) { Framing::Chunked } else { Framing::ContentLength };
        let framing = match answer.framing {
            framing if framing == usual || matches!(answer.status, 204 | 304) => None,
            Framing::ContentLength => Some("content_length"),
            Framing::Chunked => Some("chunked"),
            Framing::Close => Some("close"),
        };
        respond.extend(framing.map(|framing| ("framing".to_owned(), framing.into())));
        if let Some(coding) = coding {
            respond.insert("encoding".to_owned(), coding.token().into());
            respond.insert("if_accepted".to_owned(), true.into());
        }
        // A body that is no stream is sent at once: when it came whole.
        let last = self.pieces.last().map(|(at, _)| *at).filter(|_| !is_stream(answer));
        let wait = last.unwrap_or(answer.head_at);
        respond.extend(self.wait(wait).map(|wait| ("delay_head".to_owned(), wait)));
    }

    fn headers(&self) -> Map<String, Value> {
        let mut headers: Map<String, Value> = Map::new();
        let left_out = |name: &str| LEFT_OUT.iter().any(|known| known.eq_ignore_ascii_case(name));
        let shown = self.answer.headers.iter().filter(|(name, _)| !left_out(name) && !is_credential_header(name));
        for (name, value) in shown {
            // A link may be signed.
            let value = Value::from(match name.to_ascii_lowercase().ends_with("location") {
                true => redact_target(&self.masked(value)),
                false => self.masked(value),
            });
            match headers.get_mut(name) {
                None => drop(headers.insert(name.clone(), value)),
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        headers
    }

    fn masked(&self, text: &str) -> String {
        redact_all(text, self.secrets).into_owned()
    }

    /// A time as it is written, where it can be told from none.
    fn wait(&self, time: Duration) -> Option<Value> {
        let millis = millis(time);
        (self.timing == Timing::Exact && millis > 0).then(|| format!("{millis}ms").into())
    }

    fn length(&self) -> usize {
        self.pieces.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    fn body(&self, respond: &mut Map<String, Value>) -> Result<(), &'static str> {
        if matches!(self.answer.status, 204 | 304) {
            return Ok(());
        }
        let bytes = joined(self.pieces);
        let (key, value) = match self.text(&bytes)? {
            Some(text) => match as_json(&text) {
                Some(json) => ("json", json),
                None => ("body", text.into()),
            },
            None => ("body_base64", base64_of(&bytes)),
        };
        respond.insert(key.to_owned(), value);
        Ok(())
    }

    /// The events with the silence before each; how many there are.
    fn events(&self, respond: &mut Map<String, Value>) -> Result<usize, &'static str> {
        let events = split(self.pieces);
        self.spelled(&events)?;
        let mut before = millis(self.answer.head_at);
        let mut list = Vec::with_capacity(events.len());
        for (at, bytes) in &events {
            let (now, text) = (millis(*at), self.text(bytes)?);
            let gap = now.saturating_sub(before);
            list.push(event(text, bytes, self.wait(Duration::from_millis(gap))));
            before = now;
        }
        respond.insert("sse".to_owned(), Value::Array(list));
        Ok(events.len())
    }

    /// The bytes as text without credentials, none where they are no text.
    fn text(&self, bytes: &Bytes) -> Result<Option<String>, &'static str> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let found = self.secrets.iter().any(|secret| memchr::memmem::find(bytes, secret.as_bytes()).is_some());
            return if found { Err("a credential stands among bytes that are no text") } else { Ok(None) };
        };
        let text = self.masked(text);
        let left = |value: &Value| self.secrets.iter().any(|secret| holds(value, secret));
        // Escapes can hide from a search in the text what a reader of the JSON would see.
        let hidden = text.contains('\\') && serde_json::from_str(data(&text)).is_ok_and(|value| left(&value));
        if hidden { Err("a credential stands in the answer in escapes") } else { Ok(Some(text)) }
    }

    /// Refuses a stream that says a credential in pieces.
    fn spelled(&self, events: &[Piece]) -> Result<(), &'static str> {
        if self.secrets.is_empty() {
            return Ok(());
        }
        let mut said = BTreeMap::new();
        for (_, bytes) in events {
            let text = self.masked(&String::from_utf8_lossy(bytes));
            if let Ok(value) = serde_json::from_str::<Value>(data(&text)) {
                gather(&value, "", &mut said);
            }
        }
        let spread = said.values().any(|text| self.secrets.iter().any(|secret| text.contains(secret)));
        if spread { Err("the stream says a credential in pieces") } else { Ok(()) }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from((time.as_micros() + 500) / 1000).unwrap_or(u64::MAX)
}

fn base64_of(bytes: &[u8]) -> Value {
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}

/// What an event has as data, or the text itself.
fn data(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(text).trim()
}

fn holds(value: &Value, secret: &str) -> bool {
    match value {
        Value::String(text) => text.contains(secret),
        Value::Array(items) => items.iter().any(|item| holds(item, secret)),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains(secret) || holds(value, secret)),
        _ => false,
    }
}

/// Adds each text to what was said at the same place before.
fn gather(value: &Value, place: &str, said: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => said.entry(place.to_owned()).or_default().push_str(text),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| gather(item, &format!("{place}/{index}"), said));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| gather(value, &format!("{place}/{name}"), said));
        }
        _ => {}
    }
}

/// The value, where the script that has it gives back exactly these bytes.
fn as_json(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok().filter(|_| text.len() <= MAX_JSON)?;
    let back: Value = fleet::read(&yaml::text(&json!({ "json": value }))).ok()?;
    let spelled = [value.to_string(), back["json"].to_string()];
    (!value.is_null() && spelled.iter().all(|own| own == text)).then_some(value)
}

fn event(text: Option<String>, bytes: &Bytes, after: Option<Value>) -> Value {
    let done = text.as_deref() == Some("data: [DONE]\n\n");
    let plain = |text: &str| {
        let data = text.strip_prefix("data: ")?.strip_suffix("\n\n")?;
        (!data.contains(['\n', '\r'])).then(|| data.to_owned())
    };
    let (key, value) = match text {
        _ if done && after.is_none() => return "done".into(),
        Some(text) => match plain(&text) {
            Some(data) => ("data", data.into()),
            None => ("raw", text.into()),
        },
        None => ("raw_base64", base64_of(bytes)),
    };
    let mut event = Map::from_iter([(key.to_owned(), value)]);
    event.extend(after.map(|after| ("after".to_owned(), after)));
    Value::Object(event)
}
