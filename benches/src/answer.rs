//! An answer as it comes: where it ends, and whether it is what was asked for.
//!
//! Reads HTTP/1.1 framing and server-sent events in any split. Builds no header map and no tree; of a body it
//! knows the characters of its `content` texts, in whichever way JSON spells them.

use std::ops::ControlFlow;
use std::time::Duration;

use memchr::memmem;

/// The longest head, and the longest line of a chunk's size, that is waited for.
const HEAD_LIMIT: usize = 64 << 10;

/// The longest body of a plain answer, and the longest event, that is waited for.
const BODY_LIMIT: usize = 8 << 20;

/// The longest stream.
const STREAM_LIMIT: usize = 64 << 20;

/// What is wrong with an answer, or became of a request that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody accepts connections there.
    #[error("no connection")]
    Refused,
    /// The connection ended first.
    #[error("broken off")]
    Broken,
    /// Another status than 200.
    #[error("status {0}")]
    Status(u16),
    /// No HTTP/1.1 answer.
    #[error("not HTTP/1.1")]
    Malformed,
    /// A stream was asked for, and something else came.
    #[error("no event stream")]
    NoStream,
    /// A stream without `[DONE]`.
    #[error("a stream without [DONE]")]
    Unterminated,
    /// An answer that says nothing, such as a page of somebody else.
    #[error("an answer without text")]
    NoText,
    /// More than anybody would read.
    #[error("no end after {0} MiB")]
    Endless(usize),
    /// Another text than the first answer's.
    #[error("a text of {got} characters instead of {expected}; --varies, where texts differ by themselves")]
    OtherText {
        /// Of this answer.
        got: u64,
        /// Of the first one.
        expected: u64,
    },
    /// It took longer than a request may.
    #[error("timed out")]
    TimedOut,
}

/// The state of reading one answer.
#[derive(Debug, Default)]
pub struct Answer {
    stage: Stage,
    head: Vec<u8>,
    /// The body of a plain answer, or the event that is not yet whole.
    pending: Vec<u8>,
    /// Bytes of the body so far.
    length: usize,
    status: u16,
    stream: bool,
    closes: bool,
    done: bool,
    text: u64,
    /// When each event with text was seen, since the start of the window.
    seen: Vec<Duration>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Head,
    Counted(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
    Whole,
}

impl Answer {
    /// Begins with the next answer; buffers are kept.
    pub fn clear(&mut self) {
        let (mut head, mut pending, mut seen) =
            (std::mem::take(&mut self.head), std::mem::take(&mut self.pending), std::mem::take(&mut self.seen));
        head.clear();
        pending.clear();
        seen.clear();
        *self = Self { head, pending, seen, ..Self::default() };
    }

    /// Takes bytes that came at `now`; breaks when the answer is whole.
    pub fn read(&mut self, mut bytes: &[u8], now: Duration) -> Result<ControlFlow<()>, Fault> {
        while !bytes.is_empty() && self.stage != Stage::Whole {
            bytes = match self.stage {
                Stage::Head => self.head(bytes)?,
                Stage::Counted(left) => self.data(bytes, left, now, Stage::Whole, Stage::Counted)?,
                Stage::Chunk(left) => self.data(bytes, left, now, Stage::ChunkEnd, Stage::Chunk)?,
                Stage::UntilClose => self.data(bytes, u64::MAX, now, Stage::Whole, |_| Stage::UntilClose)?,
                Stage::ChunkSize | Stage::ChunkEnd | Stage::Trailer => self.line(bytes)?,
                Stage::Whole => bytes,
            };
        }
        Ok(if self.stage == Stage::Whole { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// The connection ended: fine only where nothing else says how long the body is.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.closes = true;
        match self.stage {
            Stage::UntilClose | Stage::Whole => Ok(()),
            _ => Err(Fault::Broken),
        }
    }

    /// Whether nothing of it has come.
    pub fn is_empty(&self) -> bool {
        self.stage == Stage::Head && self.head.is_empty()
    }

    /// Whether its connection carries no further request.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// When each event with text was seen; empty for plain answers.
    pub fn seen(&self) -> &[Duration] {
        &self.seen
    }

    /// Judges a whole answer: status, kind, end; returns the characters of its text.
    pub fn judge(&mut self, stream: bool) -> Result<u64, Fault> {
        if self.status != 200 {
            return Err(Fault::Status(self.status));
        }
        if !stream {
            self.text = text(&self.pending);
        } else if !self.stream {
            return Err(Fault::NoStream);
        } else if !self.done {
            return Err(Fault::Unterminated);
        }
        if self.text == 0 { Err(Fault::NoText) } else { Ok(self.text) }
    }

    fn head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Fault> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let Some(at) = memmem::find(&self.head, b"\r\n\r\n") else {
            return if self.head.len() > HEAD_LIMIT { Err(Fault::Malformed) } else { Ok(&[]) };
        };
        self.head.truncate(at + 2);
        self.fields()?;
        Ok(&bytes[at + 4 - before..])
    }

    /// Status and framing.
    fn fields(&mut self) -> Result<(), Fault> {
        let mut lines = self.head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let first = lines.next().unwrap_or_default();
        let status = first.strip_prefix(b"HTTP/1.1 ").and_then(|rest| number(rest.get(..3)?, 10));
        self.status = u16::try_from(status.ok_or(Fault::Malformed)?).map_err(|_| Fault::Malformed)?;
        let mut stage = Stage::UntilClose;
        for line in lines {
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") && stage != Stage::ChunkSize {
                stage = match number(value, 10).ok_or(Fault::Malformed)? {
                    0 => Stage::Whole,
                    length => Stage::Counted(length),
                };
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                stage = Stage::ChunkSize;
            } else if name.eq_ignore_ascii_case(b"content-type") {
                self.stream = value.get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"));
            } else if name.eq_ignore_ascii_case(b"connection") {
                self.closes = value.eq_ignore_ascii_case(b"close");
            }
        }
        self.stage = stage;
        self.head.clear();
        Ok(())
    }

    /// A line of the chunk framing; `head` holds what has come of it.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Fault> {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.head.extend_from_slice(bytes);
            return if self.head.len() > HEAD_LIMIT { Err(Fault::Malformed) } else { Ok(&[]) };
        };
        self.head.extend_from_slice(&bytes[..end]);
        let line = self.head.trim_ascii();
        self.stage = match self.stage {
            Stage::ChunkSize => {
                let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
                match number(digits.trim_ascii(), 16).ok_or(Fault::Malformed)? {
                    0 => Stage::Trailer,
                    size => Stage::Chunk(size),
                }
            }
            Stage::Trailer if line.is_empty() => Stage::Whole,
            Stage::Trailer => Stage::Trailer,
            _ if line.is_empty() => Stage::ChunkSize,
            _ => return Err(Fault::Malformed),
        };
        self.head.clear();
        Ok(&bytes[end + 1..])
    }

    fn data<'a>(
        &mut self,
        bytes: &'a [u8],
        left: u64,
        now: Duration,
        end: Stage,
        more: fn(u64) -> Stage,
    ) -> Result<&'a [u8], Fault> {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        if self.stream {
            self.events(now);
        }
        self.length += taken;
        for (length, limit) in [(self.pending.len(), BODY_LIMIT), (self.length, STREAM_LIMIT)] {
            if length > limit {
                return Err(Fault::Endless(limit >> 20));
            }
        }
        let left = left - taken as u64;
        self.stage = if left == 0 { end } else { more(left) };
        Ok(&bytes[taken..])
    }

    /// Takes the whole events out of what has come.
    fn events(&mut self, now: Duration) {
        let mut from = 0;
        while let Some(end) = event_end(&self.pending[from..]) {
            let event = &self.pending[from..from + end];
            let characters = text(event);
            if characters > 0 {
                self.text += characters;
                self.seen.push(now);
            } else if event.trim_ascii().ends_with(b"[DONE]") {
                self.done = true;
            }
            from += end;
        }
        self.pending.drain(..from);
    }
}

/// Behind the blank line that ends the first event.
fn event_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|at| match bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// The characters of all `"content"` texts: the same, whichever escapes JSON spells them with.
fn text(json: &[u8]) -> u64 {
    const KEY: &[u8] = br#""content""#;
    memmem::find_iter(json, KEY)
        .filter_map(|at| {
            let value = json[at + KEY.len()..].trim_ascii_start().strip_prefix(b":")?;
            Some(characters(value.trim_ascii_start().strip_prefix(b"\"")?))
        })
        .sum()
}

/// Those of a JSON string up to its closing quote.
fn characters(string: &[u8]) -> u64 {
    let (mut count, mut at) = (0, 0);
    while let Some(&byte) = string.get(at) {
        match byte {
            b'"' => break,
            b'\\' if string.get(at + 1) == Some(&b'u') => {
                // The second half of a pair belongs to the first.
                let low = matches!(string.get(at + 2..at + 4), Some([b'd' | b'D', b'c'..=b'f' | b'C'..=b'F']));
                count += u64::from(!low);
                at += 6;
            }
            b'\\' => {
                count += 1;
                at += 2;
            }
            // The bytes of a character after its first.
            0x80..=0xbf => at += 1,
            _ => {
                count += 1;
                at += 1;
            }
        }
    }
    count
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    u64::from_str_radix(str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{\"content\":\"h\\u00e9llo\\n\"}!";
    const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: \
        chunked\r\n\r\n1b\r\ndata: {\"content\": \"one\"}\n\nd\r\n24\r\nata: {\"content\":\"tw\"}\r\n\r\ndata: [DONE\r\n3\r\n]\n\n\r\n0\r\n\r\n";

    fn read(bytes: &str, step: usize) -> (Answer, Result<bool, Fault>) {
        let mut answer = Answer::default();
        for (at, piece) in bytes.as_bytes().chunks(step).enumerate() {
            match answer.read(piece, Duration::from_millis(at as u64)) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return (answer, Ok(true)),
                Err(fault) => return (answer, Err(fault)),
            }
        }
        (answer, Ok(false))
    }

    #[test]
    fn answers_are_read_in_any_split() {
        for step in 1..60 {
            let (mut plain, whole) = read(PLAIN, step);
            assert_eq!((whole, plain.judge(false)), (Ok(true), Ok(6)), "{step}");
            let (mut stream, whole) = read(STREAM, step);
            assert_eq!((whole, stream.judge(true)), (Ok(true), Ok(5)), "{step}");
            assert_eq!(stream.seen().len(), 2, "{step}");
        }
    }

    #[test]
    fn a_character_counts_once_however_it_is_spelled() {
        for (json, count) in [
            (r#"{"content":"é😀a"}"#, 3),
            (r#"{"content" : "\u00e9\ud83d\ude00a"}"#, 3),
            (r#"{"content":"a\"b\\"}"#, 4),
            (r#"{"content":null}"#, 0),
        ] {
            assert_eq!(text(json.as_bytes()), count, "{json}");
        }
    }

    #[test]
    fn a_stream_without_its_end_is_a_fault() {
        let (mut answer, whole) = read(&STREAM.replace("DONE", "SOME"), 7);
        assert_eq!((whole, answer.judge(true)), (Ok(true), Err(Fault::Unterminated)));
    }

    #[test]
    fn a_plain_answer_to_a_streamed_request_is_a_fault() {
        assert_eq!(read(PLAIN, 9).0.judge(true), Err(Fault::NoStream));
    }

    #[test]
    fn an_answer_that_ends_early_is_broken() {
        let (mut answer, whole) = read(&PLAIN[..PLAIN.len() - 3], 9);
        assert_eq!((whole, answer.end()), (Ok(false), Err(Fault::Broken)));
    }

    #[test]
    fn another_status_and_another_protocol_are_faults() {
        let (mut answer, _) = read("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", 50);
        assert_eq!(answer.judge(false), Err(Fault::Status(503)));
        assert_eq!(read("SSH-2.0-x\r\n\r\n", 50).1, Err(Fault::Malformed));
    }

    #[test]
    fn an_answer_that_says_nothing_or_never_ends_is_a_fault() {
        let (mut page, whole) = read("HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>", 50);
        assert_eq!((whole, page.judge(false)), (Ok(true), Err(Fault::NoText)));
        let endless = "HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"x".repeat(BODY_LIMIT + 1);
        assert_eq!(read(&endless, 1 << 20).1, Err(Fault::Endless(8)));
        let events = format!("data: {{\"content\":\"{}\"}}\n\n", "x".repeat(1 << 20)).repeat(65);
        let endless = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_owned() + &events;
        assert_eq!(read(&endless, 1 << 20).1, Err(Fault::Endless(64)));
    }

    #[test]
    fn a_body_may_end_with_its_connection() {
        let (mut answer, whole) = read("HTTP/1.1 200 OK\r\n\r\n{\"content\":\"a\"}", 5);
        assert_eq!((whole, answer.end(), answer.judge(false)), (Ok(false), Ok(()), Ok(1)));
        assert!(answer.closes());
    }
}
