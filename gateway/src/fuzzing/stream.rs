//! A stream of events under the reader and the tap, in any split, with a line reader of its own as the judge.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::Value;

use crate::sse::{self, Reader};
use crate::tap::StreamTap;
use crate::usage::AnswerScan;

/// Reads the bytes behind the first two, which say how they are split, as an answer. Returns how many events have data.
pub fn stream(bytes: &[u8]) -> usize {
    let [one, two, stream @ ..] = bytes else { return 0 };
    let split = chunks(stream, [usize::from(one % 17) + 1, usize::from(two % 64) + 1]);
    let whole = [Bytes::copy_from_slice(stream)];
    let expected = judged(stream);
    for chunks in [&whole[..], &split] {
        assert_eq!(read(chunks), expected, "the data of the events");
    }
    let (mut first, mut other) = (tapped(&whole, false), tapped(&split, false));
    assert!(first.shown == stream && other.shown == stream, "a stream that is only read goes through as it is");
    assert_eq!(first.outcome(), other.outcome());
    let (mut first, mut other) = (tapped(&whole, true), tapped(&split, true));
    assert_eq!(judged(&first.shown), judged(&other.shown), "what is shown");
    assert_eq!(first.outcome(), other.outcome());
    assert_nothing_but_usage_is_hidden(&expected, &judged(&first.shown));
    assert_eq!(scanned(&whole), scanned(&split), "what a JSON answer told");
    expected.len()
}

/// Pieces of these sizes in turn.
fn chunks(stream: &[u8], sizes: [usize; 2]) -> Vec<Bytes> {
    let (mut rest, mut chunks) = (stream, Vec::new());
    for size in sizes.into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        chunks.push(Bytes::copy_from_slice(chunk));
        rest = after;
    }
    chunks
}

/// The data of all whole events, line by line as the standard tells it.
fn judged(stream: &[u8]) -> Vec<Vec<u8>> {
    let (mut found, mut data, mut rest) = (Vec::new(), None::<Vec<u8>>, stream);
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        let line = &rest[..end];
        rest = &rest[end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
        if line.is_empty() {
            found.extend(data.take());
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 1..]));
        if name == b"data" {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            data = Some(data.map_or_else(|| value.to_vec(), |before| [&before, &b"\n"[..], value].concat()));
        }
    }
    found
}

fn read(chunks: &[Bytes]) -> Vec<Vec<u8>> {
    let (mut reader, mut found) = (Reader::default(), Vec::new());
    for chunk in chunks {
        reader.push(chunk.clone());
        while let Some(event) = reader.next() {
            found.extend(sse::data(&event).map(Cow::into_owned));
        }
    }
    found
}

/// What a tap made of a stream.
struct Tapped {
    shown: Vec<u8>,
    tap: StreamTap,
}

fn tapped(chunks: &[Bytes], hide_usage: bool) -> Tapped {
    let (mut tap, mut out) = (StreamTap::new(hide_usage, true), VecDeque::new());
    for chunk in chunks {
        tap.push(chunk.clone(), &mut out);
    }
    tap.rest(&mut out);
    Tapped { shown: out.into_iter().flatten().collect(), tap }
}

impl Tapped {
    /// All that the gateway concludes from it.
    fn outcome(&mut self) -> String {
        let (committed, ends) = (self.tap.committed(), [true, false].map(|close| self.tap.ended_properly(close)));
        let told = self.tap.told();
        let content = told.first_content.is_some();
        format!(
            "{committed} {ends:?} {content} {:?} {:?} {} {:?}",
            told.usage, told.model, told.error, told.particulars
        )
    }
}

/// Each event is shown, but for its `usage`, or has nothing but usage to show.
fn assert_nothing_but_usage_is_hidden(all: &[Vec<u8>], shown: &[Vec<u8>]) {
    let mut shown = shown.iter().peekable();
    for data in all {
        let alike = |shown: &&Vec<u8>| *shown == data || without_usage(shown) == without_usage(data);
        if shown.next_if(alike).is_none() {
            let hidden = serde_json::from_slice::<Value>(data).unwrap_or_default();
            let only_usage = hidden["choices"] == Value::Array(Vec::new()) && !hidden["usage"].is_null();
            assert!(only_usage, "an event was lost or changed: {}", String::from_utf8_lossy(data));
        }
    }
    assert!(shown.next().is_none(), "an event was made up");
}

fn without_usage(data: &[u8]) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(data).ok()?;
    value.as_object_mut()?.shift_remove("usage");
    Some(value)
}

fn scanned(chunks: &[Bytes]) -> String {
    let mut scan = AnswerScan::default();
    chunks.iter().for_each(|chunk| scan.push(chunk));
    format!("{:?}", scan.finish())
}
