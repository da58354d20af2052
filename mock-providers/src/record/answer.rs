//! An answer as it comes: where its head, the pieces of its body and its end are, and when.
//!
//! Owns following the framing of HTTP/1.1 in bytes that somebody else relays. Refuses to change or to withhold any, and
//! to keep a body that is larger than a recording may hold.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use crate::script::Framing;

/// No larger body is kept.
const MAX_BODY: usize = 16 << 20;
const MAX_HEAD: usize = 256 << 10;
const MAX_HEADERS: usize = 256;
const MAX_LINE: usize = 4 << 10;

/// A piece of a body, and how long after the request it came.
pub(super) type Piece = (Duration, Bytes);

/// What came so far; times count from the end of the request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    /// The length that the head declares.
    pub(super) declared: Option<u64>,
    pub(super) head_at: Duration,
    pub(super) pieces: Vec<Piece>,
    /// It was too large to be kept.
    pub(super) oversize: bool,
    /// The connection may carry another exchange after it.
    pub(super) keep_alive: bool,
}

impl Answer {
    /// The first header of that name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Fixed(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    ToTheEnd,
    Done,
    /// It is not HTTP/1.1, as far as can be told.
    Unreadable,
}

/// Follows one answer.
#[derive(Debug)]
pub(super) struct Reader {
    bodiless: bool,
    state: State,
    inbound: BytesMut,
    kept: usize,
    begun: bool,
    answer: Option<Answer>,
}

impl Reader {
    /// Of the answer to a request with this method.
    pub(super) fn new(method: &str) -> Self {
        let bodiless = method == "HEAD";
        Self { bodiless, state: State::Head, inbound: BytesMut::new(), kept: 0, begun: false, answer: None }
    }

    /// Whether a byte has come.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the last byte has come.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether it may end with the connection, and nothing is missing then.
    pub(super) fn ends_by_close(&self) -> bool {
        self.state == State::ToTheEnd
    }

    /// Whether the connection carries nothing but this answer.
    pub(super) fn leaves_connection(&self) -> bool {
        self.is_done() && self.inbound.is_empty() && self.answer.as_ref().is_some_and(|answer| answer.keep_alive)
    }

    /// What there is of it; none where its head never came or could not be read.
    pub(super) fn into_answer(self) -> Option<Answer> {
        self.answer.filter(|_| self.state != State::Unreadable)
    }

    /// Takes in what came at that time.
    pub(super) fn feed(&mut self, bytes: &[u8], at: Duration) {
        self.begun = true;
        if self.state != State::Unreadable {
            self.inbound.extend_from_slice(bytes);
            while let Some(next) = self.advance(at) {
                self.state = next;
            }
        }
        if self.state == State::Unreadable {
            self.inbound.clear();
        }
    }

    /// The state after the next part, none while more bytes are needed.
    fn advance(&mut self, at: Duration) -> Option<State> {
        match self.state {
            State::Head => self.head(at),
            State::Fixed(left) => {
                let left = self.keep(left, at)?;
                Some(if left == 0 { State::Done } else { State::Fixed(left) })
            }
            State::Chunk(left) => {
                let left = self.keep(left, at)?;
                Some(if left == 0 { State::ChunkEnd } else { State::Chunk(left) })
            }
            State::ToTheEnd => self.keep(u64::MAX, at).map(|_| State::ToTheEnd),
            State::ChunkSize => self.line().map(|line| match chunk_size(&line) {
                Some(0) => State::Trailers,
                Some(size) => State::Chunk(size),
                None => State::Unreadable,
            }),
            State::ChunkEnd => {
                self.line().map(|line| if line.is_empty() { State::ChunkSize } else { State::Unreadable })
            }
            State::Trailers => self.line().map(|line| if line.is_empty() { State::Done } else { State::Trailers }),
            State::Done | State::Unreadable => None,
        }
    }

    fn head(&mut self, at: Duration) -> Option<State> {
        let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut space);
        let size = match response.parse(&self.inbound) {
            Ok(httparse::Status::Complete(size)) => size,
            Ok(httparse::Status::Partial) if self.inbound.len() <= MAX_HEAD => return None,
            _ => return Some(State::Unreadable),
        };
        let answer = interpret(&response, at);
        self.inbound.advance(size);
        let next = match answer.status {
            101 => State::Unreadable,
            // An interim answer: the real one follows.
            100..=199 => return Some(State::Head),
            204 | 304 => State::Done,
            _ if self.bodiless => State::Done,
            _ => match (answer.framing, answer.declared) {
                (Framing::Chunked, _) => State::ChunkSize,
                (Framing::ContentLength, Some(0)) => State::Done,
                (Framing::ContentLength, Some(length)) => State::Fixed(length),
                _ => State::ToTheEnd,
            },
        };
        self.answer = Some(answer);
        Some(next)
    }

    /// Moves body bytes over; how many are left then, none when there was nothing to move.
    fn keep(&mut self, left: u64, at: Duration) -> Option<u64> {
        let now = self.inbound.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let answer = self.answer.as_mut().filter(|_| now > 0)?;
        let bytes = self.inbound.split_to(now).freeze();
        self.kept += now;
        if self.kept > MAX_BODY {
            answer.oversize = true;
            answer.pieces.clear();
        } else {
            answer.pieces.push((at, bytes));
        }
        Some(left - now as u64)
    }

    /// One line without its line end.
    fn line(&mut self) -> Option<Bytes> {
        match memchr::memchr(b'\n', &self.inbound) {
            Some(end) => {
                let line = self.inbound.split_to(end + 1).freeze();
                Some(line.slice(..end - usize::from(line[..end].ends_with(b"\r"))))
            }
            None if self.inbound.len() > MAX_LINE => {
                self.state = State::Unreadable;
                None
            }
            None => None,
        }
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?.trim(), 16).ok()
}

fn interpret(response: &httparse::Response<'_, '_>, head_at: Duration) -> Answer {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = response.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
    let mut answer = Answer {
        status: response.code.unwrap_or_default(),
        headers,
        framing: Framing::Close,
        declared: None,
        head_at,
        pieces: Vec::new(),
        oversize: false,
        keep_alive: false,
    };
    let says = |name: &str, word: &str| {
        let value = answer.header(name).unwrap_or_default();
        value.split(',').any(|option| option.trim().eq_ignore_ascii_case(word))
    };
    let (chunked, closes) = (says("transfer-encoding", "chunked"), says("connection", "close"));
    answer.declared = answer.header("content-length").and_then(|length| length.trim().parse().ok());
    answer.framing = match answer.declared {
        _ if chunked => Framing::Chunked,
        Some(_) => Framing::ContentLength,
        None => Framing::Close,
    };
    answer.keep_alive = response.version == Some(1) && !closes;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], step: usize) -> Reader {
        let mut reader = Reader::new("POST");
        for (index, part) in bytes.chunks(step).enumerate() {
            reader.feed(part, Duration::from_millis(index as u64));
        }
        reader
    }

    fn body(reader: Reader) -> Vec<u8> {
        reader.into_answer().expect("a head").pieces.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect()
    }

    #[test]
    fn the_end_of_an_answer_is_found_wherever_its_bytes_are_cut() {
        let heads = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n";
        let chunked = format!("{heads}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\na: b\r\n\r\n");
        let fixed = format!("{heads}Content-Length: 4\r\n\r\nabcd");
        for text in [chunked, fixed] {
            for step in 1..text.len() {
                let reader = read(text.as_bytes(), step);
                assert!(reader.leaves_connection(), "{step}: {text}");
                assert_eq!(body(reader), b"abcd", "{step}: {text}");
            }
            let cut = read(&text.as_bytes()[..text.len() - 1], 7);
            assert!(!cut.is_done() && !cut.ends_by_close(), "{text}");
        }
    }

    #[test]
    fn a_body_without_a_length_goes_to_the_end_of_the_connection() {
        let reader = read(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nabcd", 9);
        assert!(reader.ends_by_close() && !reader.is_done());
        assert_eq!(body(reader), b"abcd");
    }

    #[test]
    fn what_is_no_answer_is_relayed_by_others_and_not_kept() {
        for text in ["SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nsize?\r\n"] {
            let reader = read(text.as_bytes(), 4);
            assert!(reader.has_begun() && reader.into_answer().is_none(), "{text}");
        }
    }
}
