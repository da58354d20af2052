//! `${name}` in scenarios: the values of one run, and filling them in.
//! A whole-value reference keeps its type. An unknown name stays as it is; `load` has refused it before.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::matcher::Matcher;

/// Values by dotted name.
#[derive(Debug, Clone, Default)]
pub struct Vars(HashMap<String, Value>);

impl Vars {
    /// Adds or replaces a value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// These values and one more.
    pub fn with(&self, name: &str, value: impl Into<Value>) -> Vars {
        let mut more = self.clone();
        more.set(name, value);
        more
    }

    /// Fills a text.
    pub fn text(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, name, after)) = next_reference(rest) {
            filled.push_str(before);
            match self.0.get(name) {
                Some(Value::String(value)) => filled.push_str(value),
                Some(value) => filled.push_str(&value.to_string()),
                None => filled.push_str(&rest[before.len()..rest.len() - after.len()]),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    /// Fills every text in a value, keys included.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match next_reference(text) {
                Some(("", name, "")) => self.0.get(name).cloned().unwrap_or_else(|| value.clone()),
                Some(_) => Value::String(self.text(text)),
                None => value.clone(),
            },
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => {
                let filled: Map<String, Value> =
                    map.iter().map(|(key, value)| (self.text(key), self.value(value))).collect();
                Value::Object(filled)
            }
            other => other.clone(),
        }
    }

    /// Fills the texts of a matcher.
    pub fn matcher<'m>(&self, matcher: &'m Matcher) -> Cow<'m, Matcher> {
        Cow::Owned(matcher.filled(&|value| self.value(value)))
    }
}

/// The text before the first `${name}`, the name, the text after it.
fn next_reference(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find("${")?;
    let length = text[start + 2..].find('}')?;
    Some((&text[..start], &text[start + 2..start + 2 + length], &text[start + 3 + length..]))
}

/// Every name in a text with its byte offset.
pub fn references(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((before, name, after)) = next_reference(&text[at..]) {
        found.push((at + before.len(), name));
        at = text.len() - after.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_value_keeps_its_type() {
        let mut vars = Vars::default();
        vars.set("a.port", 8080);
        vars.set("a.host", "127.0.0.1");
        let filled = vars.value(&json!({"port": "${a.port}", "url": "http://${a.host}:${a.port}/", "n": [1, "${x}"]}));
        assert_eq!(filled, json!({"port": 8080, "url": "http://127.0.0.1:8080/", "n": [1, "${x}"]}));
    }

    #[test]
    fn references_are_found_with_their_place() {
        assert_eq!(references("a ${b} ${c.d}"), vec![(2, "b"), (7, "c.d")]);
        assert_eq!(references("no ${end"), vec![]);
    }
}
