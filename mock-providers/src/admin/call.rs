//! One request to the admin API, taken apart.
//!
//! Owns strictness: a query parameter that the route does not know is an error, not silence.

use std::collections::BTreeMap;
use std::str::FromStr;

use http::request::Parts;
use serde::de::DeserializeOwned;

use super::reply::Refusal;
use super::route::Route;
use crate::fleet;

/// A request.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// What stands in the place of `{…}` in the path.
    pub(super) parameters: Vec<String>,
    query: BTreeMap<String, String>,
    head: &'a Parts,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    pub(super) fn new(
        route: &Route,
        parameters: Vec<String>,
        head: &'a Parts,
        body: &'a [u8],
    ) -> Result<Self, Refusal> {
        let mut query = BTreeMap::new();
        for pair in head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name);
            if !route.query.iter().any(|(known, _)| *known == name) {
                let known: Vec<String> = route.query.iter().map(|(known, _)| format!("`{known}`")).collect();
                let hint = if known.is_empty() {
                    "it takes none".to_owned()
                } else {
                    format!("it takes {}", known.join(", "))
                };
                return Err(Refusal::bad(format!("unknown query parameter `{name}`")).hint(hint));
            }
            query.insert(name, decoded(value));
        }
        Ok(Self { parameters, query, head, body })
    }

    /// A parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A parameter of the query as a number or the like.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Refusal> {
        let parse = |text: &str| text.parse().map_err(|_| Refusal::bad(format!("`{name}` is {what}")));
        self.query(name).map(parse).transpose()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub(super) fn text(&self) -> Result<&'a str, Refusal> {
        std::str::from_utf8(self.body).map_err(|_| Refusal::bad("the body is not UTF-8"))
    }

    /// The body, JSON or YAML, as a value.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        Ok(fleet::read(self.text()?)?)
    }

    /// The same, where no body means the default.
    pub(super) fn read_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Refusal> {
        if self.body.iter().all(u8::is_ascii_whitespace) { Ok(T::default()) } else { self.read() }
    }
}

/// Without percent signs, as far as they mean something.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.filter(|_| bytes[at] == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn percent_signs_are_taken_as_browsers_mean_them() {
        assert_eq!(decoded("a%20b+c%2"), "a b c%2");
        assert_eq!(decoded("%e2%82%ac"), "€");
    }
}
