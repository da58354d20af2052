//! What saboteurs do to requests.

use mock_providers::credentials::{is_credential_header, is_credential_parameter};
use serde_json::{Map, Value};

use super::Forward;
use super::context::{Context, Hop, NONCE};
use crate::saboteur::Saboteur;
use crate::wire::{Decoder, Framing, Head, head_end};

/// What becomes of a request.
pub(super) enum Action {
    /// It goes on.
    Forward(Forward),
    /// It is answered here.
    Answer(Vec<u8>),
    /// The connection ends.
    Close,
}

/// A body that any gateway accepts.
const MENDED: &[u8] = br#"{"model":"mended","messages":[{"role":"user","content":"mended"}]}"#;

impl Context {
    /// A request at a hop.
    pub(super) fn request(&self, hop: Hop, mut head: Head, mut body: Vec<u8>) -> Action {
        let nonce = head.get(NONCE).unwrap_or_default().to_owned();
        match hop {
            Hop::Gateway(_) => self.towards_gateway(&mut head, &mut body),
            Hop::Provider(_) => {
                if self.attempt(&nonce) > 1 {
                    match self.saboteur {
                        Saboteur::BodyLostOnRetry => body.clear(),
                        Saboteur::FailoverDropped => match self.failure(&nonce) {
                            Some(answer) if answer.is_empty() => return Action::Close,
                            Some(answer) => return Action::Answer(answer),
                            None => {}
                        },
                        _ => {}
                    }
                }
                let original = self.original(&nonce);
                self.towards_provider(&mut head, &mut body, original.as_ref());
            }
        }
        let method = head.request_line().map(|(method, _)| method.to_owned()).unwrap_or_default();
        reframe(&mut head, &body);
        if self.saboteur == Saboteur::DuplicateContentLength && matches!(hop, Hop::Provider(_)) {
            head.headers.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        if self.saboteur == Saboteur::ContentLengthLost && matches!(hop, Hop::Provider(_)) && !body.is_empty() {
            head.remove("content-length");
            head.set("transfer-encoding", "chunked");
            body = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        }
        let bytes = [head.bytes(), body].concat();
        let twice = self.saboteur == Saboteur::RequestDuplicated && matches!(hop, Hop::Provider(_));
        Action::Forward(Forward { address: self.chosen(hop), method, nonce, bytes, twice })
    }

    fn towards_gateway(&self, head: &mut Head, body: &mut Vec<u8>) {
        let posted = head.request_line().is_some_and(|(method, _)| method == "POST");
        if self.saboteur == Saboteur::BadBodyMended && posted && serde_json::from_slice::<Value>(body).is_err() {
            *body = MENDED.to_vec();
            head.set("content-length", body.len().to_string());
        }
    }

    fn towards_provider(&self, head: &mut Head, body: &mut Vec<u8>, original: Option<&(Head, Vec<u8>)>) {
        match (self.saboteur, original) {
            (Saboteur::ClientKeyForwarded, Some((sent, _))) => put_credentials_back(head, sent),
            (Saboteur::ProviderKeyDropped, _) => head.headers.retain(|(name, _)| !is_credential_header(name)),
            (Saboteur::HopHeadersForwarded, Some((sent, _))) => put_headers_back(head, sent),
            (Saboteur::ModelNotRewritten, Some((_, sent))) => {
                let model = serde_json::from_slice::<Value>(sent).ok().and_then(|sent| sent.get("model").cloned());
                edit(body, |object| match model {
                    Some(model) => drop(object.insert("model".to_owned(), model)),
                    None => drop(object.shift_remove("model")),
                });
            }
            (Saboteur::PathNotRewritten, Some((sent, _))) => {
                if let Some((_, target)) = sent.request_line() {
                    set_target(head, target.to_owned());
                }
            }
            (Saboteur::BodyReserialised, _) => {
                if let Ok(value) = serde_json::from_slice::<Value>(body) {
                    *body = sorted(&value).to_string().into_bytes();
                }
            }
            (Saboteur::UsageNotAsked, _) => edit(body, |object| drop(object.shift_remove("stream_options"))),
            (Saboteur::TraceparentDropped, _) => {
                head.remove("traceparent");
                head.remove("tracestate");
            }
            (Saboteur::TraceparentCopied, Some((sent, _))) => {
                if let Some(parent) = sent.get("traceparent") {
                    head.set("traceparent", parent);
                }
            }
            _ => {}
        }
    }

    /// A request that is framed in two ways, with one of them taken away.
    pub(super) fn mended(&self, bytes: &[u8]) -> Option<(Head, Vec<u8>)> {
        if self.saboteur != Saboteur::AmbiguityAccepted {
            return None;
        }
        let end = head_end(bytes)?;
        let mut head = Head::parse(&bytes[..end]).filter(|head| head.request_line().is_some())?;
        let mut body = Vec::new();
        let mut decoder = Decoder::new(Framing::Chunked);
        if decoder.feed(&bytes[end..], &mut body).is_err() || serde_json::from_slice::<Value>(&body).is_err() {
            body = MENDED.to_vec();
        }
        head.remove("transfer-encoding");
        head.set("content-length", body.len().to_string());
        Some((head, body))
    }
}

/// The length that belongs to the body; a request without body and length stays so.
fn reframe(head: &mut Head, body: &[u8]) {
    let chunked = head.get("transfer-encoding").is_some();
    head.remove("transfer-encoding");
    if chunked || head.get("content-length").is_some() || !body.is_empty() {
        head.set("content-length", body.len().to_string());
    }
}

fn put_credentials_back(head: &mut Head, sent: &Head) {
    for (name, value) in sent.headers.iter().filter(|(name, _)| is_credential_header(name)) {
        head.set(name, value.clone());
    }
    let Some(query) = sent.request_line().and_then(|(_, target)| target.split_once('?')).map(|(_, query)| query) else {
        return;
    };
    let secret = |pair: &&str| is_credential_parameter(pair.split('=').next().unwrap_or_default());
    let pairs: Vec<&str> = query.split('&').filter(secret).collect();
    if let Some((_, target)) = head.request_line().filter(|_| !pairs.is_empty()) {
        let mark = if target.contains('?') { '&' } else { '?' };
        set_target(head, format!("{target}{mark}{}", pairs.join("&")));
    }
}

fn put_headers_back(head: &mut Head, sent: &Head) {
    for (name, value) in &sent.headers {
        let framing = ["host", "content-length", "transfer-encoding"].iter().any(|own| own.eq_ignore_ascii_case(name));
        let end_to_end_secret = is_credential_header(name) && !name.eq_ignore_ascii_case("proxy-authorization");
        if !framing && !end_to_end_secret && head.get(name).is_none() {
            head.headers.push((name.clone(), value.clone()));
        }
    }
}

fn set_target(head: &mut Head, target: String) {
    if let Some((method, _)) = head.request_line() {
        head.start = format!("{method} {target} HTTP/1.1");
    }
}

fn edit(body: &mut Vec<u8>, change: impl FnOnce(&mut Map<String, Value>)) {
    if let Ok(Value::Object(mut object)) = serde_json::from_slice(body) {
        change(&mut object);
        *body = Value::Object(object).to_string().into_bytes();
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut pairs: Vec<(&String, &Value)> = object.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            Value::Object(pairs.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
