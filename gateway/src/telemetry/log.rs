//! The access log: one line per record, as JSON or as text. A log that is closed or slow holds up nobody: neither requests
//! nor the counting, only the thread that writes. Lines that it did not take are counted.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::record::{PlaceText, Record};

/// Bytes gathered before they are handed over while more records wait.
const BATCH: usize = 64 * 1024;
/// Bytes that wait for a log that is slow; what comes on top is lost.
const MOST_WAITING: usize = 16 * 1024 * 1024;

/// How a line is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// One JSON object.
    #[default]
    Json,
    /// Time, level and scope between tabs, then `key=value`.
    Text,
}

/// Writes lines for whoever counts; a log that does not take them holds up only its own thread.
#[derive(Debug)]
pub(super) struct Log {
    form: Form,
    lines: Vec<u8>,
    /// Where the last record was served.
    place: PlaceText,
    /// Lines in `lines`.
    told: u64,
    waiting: Arc<Waiting>,
    thread: Option<JoinHandle<()>>,
}

/// Lines on their way to the log.
#[derive(Debug, Default)]
struct Waiting {
    state: Mutex<State>,
    changed: Condvar,
    /// Lines that are in no log.
    lost: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// How many lines they are.
    lines: u64,
    ended: bool,
}

impl Log {
    /// Starts the thread that writes.
    pub(super) fn start(to: Box<dyn Write + Send>, form: Form, lost: Arc<AtomicU64>) -> io::Result<Self> {
        let waiting = Arc::new(Waiting { lost, ..Waiting::default() });
        let theirs = waiting.clone();
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || theirs.write(to))?;
        Ok(Self {
            form,
            lines: Vec::with_capacity(2 * BATCH),
            place: PlaceText::default(),
            told: 0,
            waiting,
            thread: Some(thread),
        })
    }

    /// Appends the record's line, unless the access log's filter says that there is none.
    pub(super) fn tell(&mut self, record: &Record) {
        let written = match (&record.kept, self.form) {
            (None, Form::Json) => {
                record.write(&mut self.place, &mut self.lines);
                true
            }
            (None, Form::Text) => self.put_text(Some(record.value())),
            (Some(kept), Form::Json) => {
                kept.line(record).is_some_and(|line| serde_json::to_writer(&mut self.lines, &line).is_ok())
            }
            (Some(kept), Form::Text) => self.put_text(kept.line(record)),
        };
        if written {
            self.lines.push(b'\n');
            self.told += 1;
        }
        if self.lines.len() >= BATCH {
            self.flush();
        }
    }

    /// Hands over what was told, where there is room.
    pub(super) fn flush(&mut self) {
        let told = std::mem::take(&mut self.told);
        let mut state = self.waiting.state();
        if state.bytes.len() + self.lines.len() <= MOST_WAITING {
            if state.bytes.is_empty() {
                // the usual case: nobody copies a line that the thread can take as it is
                std::mem::swap(&mut state.bytes, &mut self.lines);
            } else {
                state.bytes.extend_from_slice(&self.lines);
            }
            state.lines += told;
        } else {
            self.waiting.lost.fetch_add(told, Relaxed);
        }
        drop(state);
        self.waiting.changed.notify_one();
        self.lines.clear();
    }

    fn put_text(&mut self, line: Option<Value>) -> bool {
        let text = line.as_ref().and_then(text);
        self.lines.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
        text.is_some()
    }
}

impl Drop for Log {
    /// What was told is written before the gateway ends.
    fn drop(&mut self) {
        self.flush();
        self.waiting.state().ended = true;
        self.waiting.changed.notify_one();
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mut to: Box<dyn Write + Send>) {
        let mut bytes = Vec::new();
        loop {
            let idle = |state: &mut State| state.bytes.is_empty() && !state.ended;
            let state = self.changed.wait_while(self.state(), idle);
            let mut state = state.unwrap_or_else(PoisonError::into_inner);
            if state.bytes.is_empty() {
                return;
            }
            std::mem::swap(&mut bytes, &mut state.bytes);
            let lines = std::mem::take(&mut state.lines);
            drop(state);
            if to.write_all(&bytes).and_then(|()| to.flush()).is_err() {
                self.lost.fetch_add(lines, Relaxed);
            }
            bytes.clear();
        }
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
