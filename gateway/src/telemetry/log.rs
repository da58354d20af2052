//! The access log: one line per record, as JSON or as text. A log that is closed or slow holds up nobody but itself.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::Value;

use crate::record::Record;

/// Bytes gathered before a write while more records wait.
const BATCH: usize = 64 * 1024;

/// How a line is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// One JSON object.
    #[default]
    Json,
    /// Time, level and scope between tabs, then `key=value`.
    Text,
}

/// The log and what was not written to it yet.
pub(super) struct Log {
    to: Box<dyn Write + Send>,
    form: Form,
    lines: Vec<u8>,
}

impl Log {
    pub(super) fn new(to: Box<dyn Write + Send>, form: Form) -> Self {
        Self { to, form, lines: Vec::with_capacity(2 * BATCH) }
    }

    /// Appends the record's line; none where the access log's filter says so.
    pub(super) fn tell(&mut self, record: &Record) {
        let written = match (&record.kept, self.form) {
            (None, Form::Json) => serde_json::to_writer(&mut self.lines, record).is_ok(),
            (None, Form::Text) => self.put_text(serde_json::to_value(record).ok()),
            (Some(kept), Form::Json) => {
                kept.line(record).is_some_and(|line| serde_json::to_writer(&mut self.lines, &line).is_ok())
            }
            (Some(kept), Form::Text) => self.put_text(kept.line(record)),
        };
        if written {
            self.lines.push(b'\n');
        }
        if self.lines.len() >= BATCH {
            self.flush();
        }
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) {
        // a closed or full log must not stop the counting
        let _written = self.to.write_all(&self.lines).and_then(|()| self.to.flush());
        self.lines.clear();
    }

    fn put_text(&mut self, line: Option<Value>) -> bool {
        let text = line.as_ref().and_then(text);
        self.lines.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
        text.is_some()
    }
}

/// Values with spaces, quotes or control characters are quoted as JSON strings are: a line stays a line.
fn text(line: &Value) -> Option<String> {
    let members = line.as_object()?;
    let of = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut out = format!("{}\t{}\t{}", of("time"), of("level"), of("scope"));
    for (name, value) in members.iter().filter(|(name, _)| !matches!(name.as_str(), "time" | "level" | "scope")) {
        let _infallible = match value {
            Value::String(text) if is_plain(text) => write!(out, " {name}={text}"),
            other => write!(out, " {name}={other}"),
        };
    }
    Some(out)
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\\' | '='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_one_line_whatever_the_values() {
        let line = serde_json::json!({
            "level": "info", "time": "T", "scope": "request", "route": "default/a", "error": "two\nlines \"x\"",
            "http.status": 200, "attempt.detail": [{"provider": "a b"}], "http.host": ""
        });
        let expected = "T\tinfo\trequest route=default/a error=\"two\\nlines \\\"x\\\"\" http.status=200 \
                        attempt.detail=[{\"provider\":\"a b\"}] http.host=\"\"";
        assert_eq!(text(&line).as_deref(), Some(expected));
    }
}
