//! What saboteurs do to requests on their way from the client to the gateway.

use serde_json::Value;

use crate::saboteur::Saboteur;
use crate::wire::{Decoder, Framing, Head, head_end};

/// A body that any gateway accepts.
const MENDED: &[u8] = br#"{"model":"mended","messages":[{"role":"user","content":"mended"}]}"#;
/// Where request bodies are cut.
const BODY_LIMIT: usize = 1 << 20;
/// The size of a head that every gateway accepts.
const HEAD_LIMIT: usize = 8 * 1024;
/// The headers that are left of a larger one.
const NEEDED: [&str; 6] =
    ["host", "content-type", "content-length", "transfer-encoding", "authorization", super::NONCE];

/// Changes a request.
pub(super) fn change(saboteur: Saboteur, head: &mut Head, body: &mut Vec<u8>) {
    let Some((method, target)) = head.request_line().map(|(method, target)| (method.to_owned(), target.to_owned()))
    else {
        return;
    };
    match saboteur {
        Saboteur::BadBodyMended if method == "POST" && serde_json::from_slice::<Value>(body).is_err() => {
            *body = MENDED.to_vec();
            head.set("content-length", body.len().to_string());
        }
        Saboteur::RequestBodyTruncated => body.truncate(BODY_LIMIT),
        Saboteur::ModelFromQuery => {
            if let Some(model) = model_in_query(&target) {
                super::edit(body, |object| drop(object.insert("model".to_owned(), model.into())));
            }
        }
        Saboteur::PathDecoded => head.start = format!("{method} {} HTTP/1.1", resolved(&target)),
        Saboteur::HeaderLimitIgnored if head.bytes().len() > HEAD_LIMIT => {
            head.headers.retain(|(name, _)| NEEDED.iter().any(|needed| needed.eq_ignore_ascii_case(name)));
        }
        _ => {}
    }
}

/// A request that is framed in two ways, with one of them taken away.
pub(super) fn mended(saboteur: Saboteur, bytes: &[u8]) -> Option<(Head, Vec<u8>)> {
    if saboteur != Saboteur::AmbiguityAccepted {
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

/// The fields of HTTP/2 as a careless server reads them that has written them out as lines of HTTP/1.1.
pub(super) fn as_lines(fields: Vec<(String, String)>) -> Vec<(String, String)> {
    const GONE: [&str; 7] =
        ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "keep-alive"];
    let pseudo = |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    let (path, behind) = pseudo(":path").split_once(' ').unwrap_or((pseudo(":path"), ""));
    let mut lines = behind.to_owned();
    for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with(':')) {
        lines.push_str(&format!("\n{name}: {value}"));
    }
    let path = if path.is_empty() { "/" } else { path };
    let first =
        [(":method", pseudo(":method")), (":scheme", "http"), (":path", path), (":authority", pseudo(":authority"))];
    let mut read: Vec<(String, String)> = first.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let lines = lines.split(['\n', '\r']).filter_map(|line| line.split_once(':'));
    for (name, value) in lines.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().replace('\0', " ")))
    {
        if !GONE.contains(&name.as_str()) && !name.contains(' ') {
            read.push((name, value));
        }
    }
    read
}

fn model_in_query(target: &str) -> Option<String> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("model=")).map(str::to_owned)
}

/// Percent signs decoded, then empty, `.` and `..` segments gone.
fn resolved(target: &str) -> String {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let decoded = decoded(path).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("/{}{query}", segments.join("/"))
}

/// Only characters that may stand in a request line are decoded.
fn decoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        match after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii_graphic) {
            Some(byte) => {
                text.push(char::from(byte));
                rest = &after[2..];
            }
            None => {
                text.push('%');
                rest = after;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_and_resolved() {
        for (target, wanted) in [
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/v1/%2e%2e/admin?a=%2e", "/admin?a=%2e"),
            ("//v1/./models;x", "/v1/models"),
            ("/v1%2Fmodels%0a%zz", "/v1/models%0a%zz"),
        ] {
            assert_eq!(resolved(target), wanted);
        }
    }

    #[test]
    fn fields_that_hold_lines_become_several() {
        let fields = [(":method", "POST"), (":path", "/v1 HTTP/1.1\r\nx: y"), ("X-A", "b\r\nc: d"), ("te", "gzip")];
        let read = as_lines(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        let read: Vec<(&str, &str)> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let first = [(":method", "POST"), (":scheme", "http"), (":path", "/v1"), (":authority", "")];
        assert_eq!(read, [&first[..], &[("x", "y"), ("x-a", "b"), ("c", "d")]].concat());
    }

    #[test]
    fn the_model_of_the_query_is_found() {
        assert_eq!(model_in_query("/v1/chat/completions?x=1&model=b"), Some("b".to_owned()));
        assert_eq!(model_in_query("/v1/chat/completions"), None);
    }
}
