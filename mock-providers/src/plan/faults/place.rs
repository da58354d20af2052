//! Places in a body: where a fault happens.
//!
//! Owns what chunks, events, tokens, bytes and times mean in a plan, and cutting one there. Refuses to know faults.

use std::time::Duration;

use memchr::memmem;
use serde_json::Value;

use super::super::{Kind, Piece, Plan};
use crate::script::{Fault, Point};

/// The fields of events that hold what is said.
const SAID: [&str; 9] =
    ["content", "text", "delta", "refusal", "reasoning", "reasoning_content", "thinking", "arguments", "partial_json"];

/// Where in a body something happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) offset: usize,
    /// How long after what comes before it.
    pub(super) wait: Duration,
}

impl Place {
    fn at(offset: usize) -> Self {
        Self { offset, wait: Duration::ZERO }
    }
}

impl Plan {
    /// Counts tokens while events can still be read, when some fault asks for them later.
    pub(super) fn count_tokens(&mut self, fault: &Fault) {
        let Fault { disconnect, truncate, stall, malformed_chunk_header, http2_goaway, http2_rst_stream, .. } = fault;
        let points = [
            disconnect.as_ref().map(|fault| fault.point()),
            truncate.as_ref().map(|fault| fault.point()),
            stall.as_ref().map(|fault| fault.point()),
            malformed_chunk_header.as_ref().map(|fault| fault.point()),
            http2_goaway.as_ref().map(|fault| fault.point()),
            http2_rst_stream.as_ref().map(|fault| fault.point()),
        ];
        if points.iter().flatten().any(|point| point.tokens.is_some()) {
            self.read_tokens();
        }
    }

    fn read_tokens(&mut self) {
        let tokenizer = self.tokenizer;
        for piece in self.pieces.iter_mut().filter(|piece| piece.kind == Kind::Content) {
            piece.tokens = said(&piece.bytes).iter().map(|text| tokenizer.count(text) as u32).sum();
        }
    }

    /// Where in the body a point lies: the earliest of what it names, else right after the head.
    pub(super) fn place(&mut self, point: Point) -> Place {
        if point.tokens.is_some() && self.pieces.iter().all(|piece| piece.tokens == 0) {
            self.read_tokens();
        }
        let length = self.body_length();
        let first = |count: usize| self.pieces.iter().take(count).map(|piece| piece.bytes.len()).sum();
        let places = [
            point.chunks.map(|count| Place::at(self.after_content(count, |_| 1))),
            point.tokens.map(|count| Place::at(self.after_content(count, |piece| piece.tokens as usize))),
            point.events.map(|count| Place::at(first(count))),
            point.bytes.map(|count| Place::at(count.min(length))),
            point.time.map(|time| self.at_time(time)),
        ];
        places.into_iter().flatten().min().unwrap_or_default()
    }

    /// The end of the content event that brings the sum to this count, or the start of the first for none.
    fn after_content(&self, count: usize, weigh: impl Fn(&Piece) -> usize) -> usize {
        let (mut offset, mut seen) = (0, 0);
        for piece in &self.pieces {
            let content = piece.kind == Kind::Content;
            if content && seen >= count {
                return offset;
            }
            offset += piece.bytes.len();
            seen += if content { weigh(piece) } else { 0 };
            if content && seen >= count {
                return offset;
            }
        }
        offset
    }

    /// Before the first piece that comes later than that, as long after the one before it.
    fn at_time(&self, time: Duration) -> Place {
        let (mut offset, mut elapsed) = (0, Duration::ZERO);
        for piece in &self.pieces {
            if elapsed + piece.gap > time {
                return Place { offset, wait: time - elapsed };
            }
            elapsed += piece.gap;
            offset += piece.bytes.len();
        }
        Place::at(offset)
    }

    /// Drops what lies behind the point; says whether there was anything.
    pub(in crate::plan) fn cut(&mut self, point: Point) -> bool {
        let Place { offset, wait } = self.place(point);
        let Some(index) = self.split_at_offset(offset) else { return false };
        self.pieces.truncate(index);
        if !wait.is_zero() {
            self.pieces.push(Piece { gap: wait, ..Piece::default() });
        }
        true
    }

    /// The piece that begins at the offset, splitting one if need be; none at the end of the body.
    pub(super) fn split_at_offset(&mut self, offset: usize) -> Option<usize> {
        let mut start = 0;
        for index in 0..self.pieces.len() {
            let piece = &mut self.pieces[index];
            if start == offset && !piece.bytes.is_empty() {
                return Some(index);
            }
            let end = start + piece.bytes.len();
            if offset < end {
                let rest = piece.bytes.split_off(offset - start);
                let Piece { kind, tokens, .. } = *piece;
                let second = Piece { bytes: rest, usage: piece.usage.take(), kind, tokens, ..Piece::default() };
                self.pieces.insert(index + 1, second);
                return Some(index + 1);
            }
            start = end;
        }
        None
    }
}

/// What an event says: the texts of all its deltas.
fn said(event: &[u8]) -> Vec<String> {
    let json = memmem::find(event, b"data:").map_or(event, |at| &event[at + 5..]);
    let mut texts = Vec::new();
    if let Ok(value) = serde_json::from_slice(json) {
        collect(&value, &mut texts);
    }
    texts
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if SAID.contains(&name.as_str()) => texts.push(text.clone()),
                    _ => collect(field, texts),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        _ => {}
    }
}
