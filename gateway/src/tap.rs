//! Reads a stream of events on its way: usage, model, commit point, proper end.
//! Bytes go through as they came, except the usage that only the gateway asked for.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::particulars::Particulars;
use crate::sse;
use crate::usage::{Usage, glance, read_event, without_null_usage};

/// Largest event that is held back to be read; a larger one goes through unread.
const MAX_EVENT: usize = 4 * 1024 * 1024;

/// What an answer told about itself.
#[derive(Debug, Default)]
pub struct Told {
    /// Tokens.
    pub usage: Option<Usage>,
    /// The answering model.
    pub model: Option<Box<str>>,
    /// When the first content came.
    pub first_content: Option<Instant>,
    /// An error inside the stream.
    pub error: bool,
    /// What only spans tell, where they are exported.
    pub particulars: Option<Box<Particulars>>,
}

/// The reader of one stream.
#[derive(Debug)]
pub struct StreamTap {
    reader: sse::Reader,
    /// The client did not ask for usage: hide what the gateway asked for.
    hide_usage: bool,
    unread: bool,
    committed: bool,
    finished: bool,
    done: bool,
    told: Told,
}

impl StreamTap {
    /// A reader at the start of a stream; only where its spans are exported the particulars are read.
    #[must_use]
    pub fn new(hide_usage: bool, traced: bool) -> Self {
        let reader = sse::Reader::default();
        let told = Told { particulars: traced.then(Box::default), ..Told::default() };
        Self { reader, hide_usage, unread: false, committed: false, finished: false, done: false, told }
    }

    /// Reads a chunk and queues what the client gets of it.
    pub fn push(&mut self, chunk: Bytes, out: &mut VecDeque<Bytes>) {
        if self.unread {
            return out.push_back(chunk);
        }
        if !self.hide_usage {
            out.push_back(chunk.clone());
        }
        self.reader.push(chunk);
        while let Some(event) = self.reader.next() {
            let shown = self.read(event);
            if let Some(shown) = shown.filter(|_| self.hide_usage) {
                out.push_back(shown);
            }
        }
        if self.reader.held() > MAX_EVENT {
            self.unread = true;
            self.committed = true;
            self.rest(out);
        }
    }

    /// Queues what was held back of an event that never became complete.
    pub fn rest(&mut self, out: &mut VecDeque<Bytes>) {
        let rest = self.reader.take_rest();
        if self.hide_usage && !rest.is_empty() {
            out.push_back(rest);
        }
    }

    /// Content, a tool call, a finish or the end was seen.
    #[must_use]
    pub fn committed(&self) -> bool {
        self.committed
    }

    /// Whether the client got whole events only.
    #[must_use]
    pub fn is_between_events(&self) -> bool {
        !self.unread && (self.hide_usage || self.reader.held() == 0)
    }

    /// An error was told inside the stream.
    #[must_use]
    pub fn told_error(&self) -> bool {
        self.told.error && !self.committed
    }

    /// Whether the stream ended as a whole one does. An end of the connection proves nothing by itself.
    #[must_use]
    pub fn ended_properly(&self, close_delimited: bool) -> bool {
        self.done || self.told.error || (!close_delimited && (self.finished || self.unread))
    }

    /// What the stream told.
    pub fn told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }

    /// Reads one event; returns what the client may see of it.
    fn read(&mut self, event: Bytes) -> Option<Bytes> {
        let Some(data) = sse::data(&event) else { return Some(event) };
        if self.committed
            && self.told.model.is_some()
            && let Some(null_usage) = glance(&data)
        {
            return self.hide_usage.then(|| if null_usage { without_null_usage(&event) } else { event });
        }
        if let Some(particulars) = &mut self.told.particulars {
            particulars.read(&data);
        }
        let seen = read_event(&data);
        self.done |= seen.done;
        self.finished |= seen.finished;
        self.told.error |= seen.error;
        if seen.commits && !seen.error {
            self.committed = true;
            self.told.first_content.get_or_insert_with(Instant::now);
        }
        self.told.usage = match (self.told.usage, seen.usage) {
            (Some(told), Some(more)) => Some(told.and(more)),
            (told, more) => more.or(told),
        };
        if self.told.model.is_none() {
            self.told.model = seen.model;
        }
        if !self.hide_usage || seen.usage_only {
            None
        } else if seen.usage_null {
            Some(without_null_usage(&event))
        } else {
            Some(event)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "data: {\"id\":\"c-1\",\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\n\n",
        ": comment\n\n",
        "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"北\"}}],\"usage\":null}\n\n",
        "data: {\"model\":\"m\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
        "data: {\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}\n\n",
        "data: [DONE]\n\n",
    );

    fn relayed(hide: bool, step: usize) -> (String, StreamTap) {
        let (mut tap, mut out) = (StreamTap::new(hide, true), VecDeque::new());
        for chunk in STREAM.as_bytes().chunks(step) {
            tap.push(Bytes::copy_from_slice(chunk), &mut out);
        }
        tap.rest(&mut out);
        (String::from_utf8(out.into_iter().flatten().collect()).unwrap(), tap)
    }

    #[test]
    fn hiding_usage_leaves_every_other_byte_alone_in_any_split() {
        let hidden = STREAM.replace(",\"usage\":null", "");
        let usage = hidden.lines().find(|line| line.contains("prompt_tokens")).unwrap();
        let hidden = hidden.replace(&format!("{usage}\n\n"), "");
        for step in [1, 2, 3, 50, 10_000] {
            let (seen, mut tap) = relayed(true, step);
            assert_eq!(seen, hidden);
            assert_eq!(relayed(false, step).0, STREAM);
            assert!(tap.ended_properly(true));
            let told = tap.told();
            assert_eq!(told.usage, Some(Usage { input: 11, output: 7, ..Usage::default() }));
            assert_eq!(told.model.as_deref(), Some("m"));
            let particulars = told.particulars.unwrap();
            assert_eq!((particulars.id(), particulars.finish_reasons()), (Some("c-1"), vec!["stop"]));
        }
    }

    #[test]
    fn a_stream_without_its_end_did_not_end_properly() {
        let mut tap = StreamTap::new(true, false);
        tap.push(Bytes::from_static(&STREAM.as_bytes()[..200]), &mut VecDeque::new());
        assert!(!tap.ended_properly(false) && !tap.ended_properly(true));
    }
}
