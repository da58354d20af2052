//! The head of a request as text: request line and headers, in one buffer.
//!
//! Owns where each part lies, so that a head costs few allocations however many headers it has, and a journal shares
//! it instead of copying it. Refuses to interpret: framing is the head reader's.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::credentials;

/// A request line and headers, in raw order and case; invalid UTF-8 replaced. Cloning shares it.
/// It holds what came over the wire, secrets included; `Debug` and `Serialize` mask them.
#[derive(Clone, Default)]
pub struct RequestHead(Arc<Lines>);

#[derive(Default)]
struct Lines {
    text: String,
    method: Span,
    path: Span,
    query: Option<Span>,
    headers: Vec<(Span, Span)>,
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
        let mut lines = Lines { text: String::with_capacity(256), ..Lines::default() };
        lines.method = lines.take(method);
        match target.split_once('?') {
            Some((path, query)) => {
                lines.path = lines.take(path);
                lines.query = Some(lines.take(query));
            }
            None => lines.path = lines.take(target),
        }
        lines.headers.reserve(headers.size_hint().0);
        for (name, value) in headers {
            let name = lines.take(name.as_ref());
            let value = lines.take(value.as_ref());
            lines.headers.push((name, value));
        }
        Self(Arc::new(lines))
    }

    /// The method as sent.
    pub fn method(&self) -> &str {
        self.0.get(self.0.method)
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.0.get(self.0.path)
    }

    /// The query without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.0.query.map(|span| self.0.get(span))
    }

    /// How many bytes it holds.
    pub(crate) fn size(&self) -> usize {
        self.0.text.len() + self.0.headers.len() * size_of::<(Span, Span)>()
    }

    /// The headers in raw order and case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.headers.iter().map(|&(name, value)| (self.0.get(name), self.0.get(value)))
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Lines {
    fn take(&mut self, part: &str) -> Span {
        let from = self.text.len() as u32;
        self.text.push_str(part);
        (from, self.text.len() as u32)
    }

    fn get(&self, (from, to): Span) -> &str {
        &self.text[from as usize..to as usize]
    }
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
