//! The head of a request as text: request line and headers, in one buffer.
//!
//! Owns where each part lies, so that a head costs one allocation however many headers it has, and a journal shares
//! it instead of copying it. Refuses to interpret: framing is the head reader's.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::credentials;

/// A request line and headers, in raw order and case; invalid UTF-8 replaced. Cloning shares it.
/// It holds what came over the wire, secrets included; `Debug` and `Serialize` mask them.
#[derive(Clone, Default)]
pub struct RequestHead {
    /// The method, the target and lines of `name: value`; what lies between the parts below is of no interest.
    text: Arc<str>,
    method: Span,
    path: Span,
    query: Option<Span>,
    /// Where the lines of the headers begin.
    headers: u32,
}

/// From and to in the text.
type Span = (u32, u32);

impl RequestHead {
    /// Puts a head together; the target is the path with its query.
    pub fn new<'h, N, V>(method: &str, target: &str, headers: impl Iterator<Item = (N, V)>) -> Self
    where
        N: AsRef<str> + 'h,
        V: AsRef<str> + 'h,
    {
        let mut text = format!("{method} {target}\r\n");
        for (name, value) in headers {
            for part in [name.as_ref(), ": ", value.as_ref(), "\r\n"] {
                text.push_str(part);
            }
        }
        Self::of(&text, (method.len(), target.len()))
    }

    /// That of a request that was parsed out of these bytes, which are copied at once.
    pub(crate) fn parsed(bytes: &[u8], request: &httparse::Request<'_, '_>) -> Self {
        let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
        // Empty lines may come before it.
        let from = method.as_ptr().addr() - bytes.as_ptr().addr();
        let lengths = (method.len(), target.len());
        match std::str::from_utf8(&bytes[from..]) {
            Ok(text) => Self::of(text, lengths),
            Err(_) => Self::of(&String::from_utf8_lossy(&bytes[from..]), lengths),
        }
    }

    /// A request line whose parts have these lengths, and headers.
    fn of(text: &str, (method, target): (usize, usize)) -> Self {
        let (from, to) = (method + 1, method + 1 + target);
        let query = memchr::memchr(b'?', &text.as_bytes()[from..to]).map(|at| from + at);
        let headers = memchr::memchr(b'\n', &text.as_bytes()[to..]).map_or(text.len(), |at| to + at + 1);
        let span = |from: usize, to: usize| (from as u32, to as u32);
        Self {
            text: text.into(),
            method: span(0, method),
            path: span(from, query.unwrap_or(to)),
            query: query.map(|at| span(at + 1, to)),
            headers: headers as u32,
        }
    }

    fn get(&self, (from, to): Span) -> &str {
        &self.text[from as usize..to as usize]
    }

    /// The method as sent.
    pub fn method(&self) -> &str {
        self.get(self.method)
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.get(self.path)
    }

    /// The query without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.query.map(|span| self.get(span))
    }

    /// How many bytes it holds.
    pub(crate) fn size(&self) -> usize {
        self.text.len()
    }

    /// The headers in raw order and case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &self.text[self.headers as usize..];
        std::iter::from_fn(move || {
            // The line that ends the head has no colon.
            let colon = memchr::memchr(b':', rest.as_bytes())?;
            let end = memchr::memchr(b'\n', &rest.as_bytes()[colon..]).map_or(rest.len(), |at| colon + at);
            let (name, value) = (&rest[..colon], &rest[colon + 1..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
            Some((name, trimmed(value)))
        })
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut rest = &self.text[self.headers as usize..];
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |at| at + 1);
            let line = &rest[..end];
            if line.as_bytes().get(name.len()) == Some(&b':')
                && line.as_bytes()[..name.len()].eq_ignore_ascii_case(name.as_bytes())
            {
                return Some(trimmed(&line[name.len() + 1..]));
            }
            rest = &rest[end..];
        }
        None
    }
}

/// The value of a header, without what may stand around it.
fn trimmed(value: &str) -> &str {
    value.trim_matches([' ', '\t', '\r', '\n'])
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method())
            .field("path", &credentials::redact_target(self.path()))
            .field("query", &self.query().map(credentials::redact_query))
            .field("headers", &self.masked())
            .finish()
    }
}

impl Serialize for RequestHead {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let mut head = writer.serialize_struct("RequestHead", 4)?;
        head.serialize_field("method", self.method())?;
        head.serialize_field("path", &credentials::redact_target(self.path()))?;
        head.serialize_field("query", &self.query().map(credentials::redact_query))?;
        head.serialize_field("headers", &self.masked())?;
        head.end()
    }
}

impl RequestHead {
    fn masked(&self) -> Vec<(&str, String)> {
        self.headers().map(|(name, value)| (name, credentials::redact(name, value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_again_and_secrets_are_masked() {
        let headers = [("Host", "a"), ("Authorization", "Bearer sk-canary")];
        let head = RequestHead::new("GET", "/a?key=sk-canary", headers.into_iter());
        assert_eq!((head.method(), head.path(), head.query()), ("GET", "/a", Some("key=sk-canary")));
        assert_eq!((head.header("authorization"), head.headers().count()), (Some("Bearer sk-canary"), 2));
        let shown = format!("{head:?}{}", serde_json::to_string(&head).expect("a head is JSON"));
        assert!(!shown.contains("canary") && shown.contains("[redacted]"), "{shown}");
    }
}
