//! What saboteurs do to requests on their way from the gateway to a provider.

use mock_providers::credentials::{is_credential_header, is_credential_parameter};
use serde_json::Value;

use super::context::Context;
use super::edit;
use crate::saboteur::Saboteur;
use crate::wire::Head;

/// The fields of a request that a gateway may know.
const KNOWN_FIELDS: [&str; 20] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stop",
    "tools",
    "tool_choice",
    "response_format",
    "seed",
    "user",
    "logprobs",
    "input",
    "prompt",
    "dimensions",
    "encoding_format",
];

/// Changes a request for the provider with this index.
pub(super) fn change(
    context: &Context,
    index: usize,
    head: &mut Head,
    body: &mut Vec<u8>,
    original: Option<&(Head, Vec<u8>)>,
) {
    match (context.saboteur, original) {
        (Saboteur::KeysCrossed, _) => cross_keys(context, index, head),
        (Saboteur::ModelCrossed, _) => cross_models(context, index, body),
        (Saboteur::ModelNotRewritten, Some((_, sent))) => {
            let model = serde_json::from_slice::<Value>(sent).ok().and_then(|sent| sent.get("model").cloned());
            edit(body, |object| match model {
                Some(model) => drop(object.insert("model".to_owned(), model)),
                None => drop(object.shift_remove("model")),
            });
        }
        (saboteur, Some((sent, _))) => {
            change_head(saboteur, head);
            change_back(saboteur, head, sent);
            change_body(saboteur, body);
        }
        (saboteur, None) => {
            change_head(saboteur, head);
            change_body(saboteur, body);
        }
    }
}

/// Harm to the head that needs nothing else.
fn change_head(saboteur: Saboteur, head: &mut Head) {
    match saboteur {
        Saboteur::ProviderKeyDropped => head.headers.retain(|(name, _)| !is_credential_header(name)),
        Saboteur::InternalHeaderAdded => head.set("x-gateway-route", "default/route"),
        Saboteur::TraceparentDropped => {
            head.remove("traceparent");
            head.remove("tracestate");
        }
        Saboteur::QueryDropped => change_target(head, |target| target.split('?').next().unwrap_or_default().to_owned()),
        Saboteur::QueryDoubled => change_target(head, |target| match target.split_once('?') {
            Some((path, query)) => format!("{path}?{query}&{query}"),
            None => target.to_owned(),
        }),
        _ => {}
    }
}

/// Harm that brings back what the client sent.
fn change_back(saboteur: Saboteur, head: &mut Head, sent: &Head) {
    match saboteur {
        Saboteur::ClientKeyForwarded => put_credentials_back(head, sent),
        Saboteur::HopHeadersForwarded => put_headers_back(head, sent),
        Saboteur::HostNotRewritten => {
            if let Some(host) = sent.get("host") {
                head.set("host", host);
            }
        }
        Saboteur::TraceparentCopied => {
            if let Some(parent) = sent.get("traceparent") {
                head.set("traceparent", parent);
            }
        }
        Saboteur::XffDoubled => {
            let spoofed = sent.get("x-forwarded-for").unwrap_or_default();
            while !spoofed.is_empty() && head.all("x-forwarded-for").count() < 2 {
                head.headers.push(("X-Forwarded-For".to_owned(), spoofed.to_owned()));
            }
        }
        Saboteur::PathNotRewritten => {
            if let Some((_, target)) = sent.request_line() {
                change_target(head, |_| target.to_owned());
            }
        }
        Saboteur::BasePathDoubled => {
            let sent = sent.request_line().map(|(_, target)| target.to_owned()).unwrap_or_default();
            change_target(head, |target| if target == sent { target.to_owned() } else { begun_twice(target) });
        }
        _ => {}
    }
}

fn change_body(saboteur: Saboteur, body: &mut Vec<u8>) {
    match saboteur {
        Saboteur::BodyReserialised => rewrite(body, sorted),
        Saboteur::NumbersRounded => rewrite(body, rounded),
        Saboteur::UsageNotAsked => edit(body, |object| drop(object.shift_remove("stream_options"))),
        Saboteur::InternalFieldAdded => {
            edit(body, |object| drop(object.insert("gateway_request_id".to_owned(), "r-1".into())));
        }
        Saboteur::UnknownFieldsDropped => {
            edit(body, |object| object.retain(|key, _| KNOWN_FIELDS.contains(&key.as_str())));
        }
        _ => {}
    }
}

/// Harm to the framing, after the rest is right.
pub(super) fn misframe(saboteur: Saboteur, head: &mut Head, body: &mut Vec<u8>) {
    match saboteur {
        Saboteur::DuplicateContentLength => {
            head.headers.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        Saboteur::ContentLengthLost if !body.is_empty() => {
            head.remove("content-length");
            head.set("transfer-encoding", "chunked");
            *body = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
        }
        _ => {}
    }
}

fn cross_keys(context: &Context, index: usize, head: &mut Head) {
    let is_key = |(name, _): &&(String, String)| is_credential_header(name);
    let own = || (index, head.headers.iter().filter(is_key).cloned().collect());
    let (first, keys) = context.state().first_key.get_or_insert_with(own).clone();
    if first != index {
        head.headers.retain(|(name, _)| !is_credential_header(name));
        head.headers.extend(keys);
    }
}

fn cross_models(context: &Context, index: usize, body: &mut Vec<u8>) {
    edit(body, |object| {
        let Some(own) = object.get("model").cloned() else { return };
        let (first, model) = context.state().first_model.get_or_insert((index, own)).clone();
        if first != index {
            object.insert("model".to_owned(), model);
        }
    });
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
    if !pairs.is_empty() {
        change_target(head, |target| {
            let mark = if target.contains('?') { '&' } else { '?' };
            format!("{target}{mark}{}", pairs.join("&"))
        });
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

fn change_target(head: &mut Head, change: impl FnOnce(&str) -> String) {
    if let Some((method, target)) = head.request_line() {
        head.start = format!("{method} {} HTTP/1.1", change(target));
    }
}

/// `/v1/…` becomes `/v1/v1/…`, wherever it stands; a path without it has its first segment twice.
fn begun_twice(target: &str) -> String {
    match target.split_once("/v1/") {
        Some((before, after)) => format!("{before}/v1/v1/{after}"),
        None => {
            let first = target[1..].split(['/', '?']).next().unwrap_or_default();
            format!("/{first}{target}")
        }
    }
}

fn rewrite(body: &mut Vec<u8>, change: fn(&Value) -> Value) {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        *body = change(&value).to_string().into_bytes();
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

/// Every number as a double has it.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), rounded(value))).collect(),
        Value::Array(items) => items.iter().map(rounded).collect(),
        Value::Number(number) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "whole, and small enough")]
            Some(double) if double.fract() == 0.0 && double.abs() < 9e18 => Value::from(double as i64),
            Some(double) => Value::from(double),
            None => value.clone(),
        },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewritten_paths_begin_twice() {
        assert_eq!(begun_twice("/v1/chat/completions"), "/v1/v1/chat/completions");
        assert_eq!(begun_twice("/openai/v1/models?a=b"), "/openai/v1/v1/models?a=b");
        assert_eq!(begun_twice("/status"), "/status/status");
    }

    #[test]
    fn numbers_lose_what_a_double_cannot_hold() {
        let text = r#"{"seed":9007199254740993,"small":[7,0.5]}"#;
        let mut body = text.as_bytes().to_vec();
        rewrite(&mut body, rounded);
        assert_eq!(String::from_utf8_lossy(&body), r#"{"seed":9007199254740992,"small":[7,0.5]}"#);
    }
}
