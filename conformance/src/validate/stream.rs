//! A strict reader of event streams that also says what the official SDKs would make of each frame.
//!
//! Owns the rules by which openai-python and openai-node decode: where both agree with the WHATWG standard nothing is
//! said, where one raises, drops or replaces, there is a [`Problem`]. Refuses to know what the chunks say.

use std::fmt;

use serde_json::Value;

/// What an SDK does with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Reads it as it was meant.
    Reads,
    /// Raises this.
    Raises(&'static str),
    /// Loses it without a word.
    Drops,
    /// Reads something else.
    Garbles,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Reads => f.write_str("reads on"),
            Fate::Raises(what) => write!(f, "raises {what}"),
            Fate::Drops => f.write_str("drops the event silently"),
            Fate::Garbles => f.write_str("reads replacement characters"),
        }
    }
}

/// The kinds of frames that are not as OpenAI sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// `data:` with nothing behind it.
    EmptyData,
    /// A comment sent as data.
    CommentAsData,
    /// Data that is no JSON.
    NotJson,
    /// A `retry:` line.
    Retry,
    /// An `event:` line without data.
    EventOnly,
    /// A blank line where an SDK still remembers an `id:`.
    AfterId,
    /// A byte order mark.
    Bom,
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// An event that no blank line ends.
    Unended,
}

/// A frame that an SDK does not read as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub oddity: Oddity,
    /// Which frame, from 1.
    pub frame: usize,
    /// What openai-python does.
    pub python: Fate,
    /// What openai-node does.
    pub node: Fate,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.oddity {
            Oddity::EmptyData => "has an empty `data:`",
            Oddity::CommentAsData => "is a comment sent as data",
            Oddity::NotJson => "is not JSON",
            Oddity::Retry => "is a `retry:`",
            Oddity::EventOnly => "has an `event:` and no data",
            Oddity::AfterId => "is a blank line or comment after an `id:`",
            Oddity::Bom => "starts with a byte order mark",
            Oddity::NotUtf8 => "is not UTF-8",
            Oddity::Unended => "is not ended by a blank line",
        };
        write!(f, "frame {} {what}: openai-python {}, openai-node {}", self.frame, self.python, self.node)
    }
}

/// One event whose data is JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Its `event:`; empty means none.
    pub event: String,
    /// What it says.
    pub value: Value,
    /// Where it ends in the body.
    pub end: usize,
}

/// A stream, read to its end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stream {
    /// The events that are JSON, in order; none behind `[DONE]`.
    pub chunks: Vec<Chunk>,
    /// How often `[DONE]` came.
    pub done: usize,
    /// How many events came behind the first `[DONE]`.
    pub after_done: usize,
    /// The comments, in order.
    pub comments: Vec<String>,
    /// What an SDK stumbles over.
    pub problems: Vec<Problem>,
}

/// The lines of one event.
#[derive(Default)]
struct Frame {
    event: String,
    data: Vec<String>,
    retry: bool,
    comment: bool,
    utf8: bool,
}

impl Stream {
    /// Reads a body as strictly as the stricter SDK does.
    pub fn read(body: &[u8]) -> Stream {
        let mut stream = Stream::default();
        let mut reader = Reader { stream: &mut stream, frames: 0, id: false };
        let bom = body.starts_with(b"\xef\xbb\xbf");
        let mut at = if bom { 3 } else { 0 };
        if bom {
            reader.problem(Oddity::Bom, Fate::Drops, Fate::Reads);
        }
        let mut frame = Frame { utf8: true, ..Frame::default() };
        while let Some((line, next)) = line(body, at) {
            at = next;
            if line.is_empty() {
                reader.dispatch(std::mem::replace(&mut frame, Frame { utf8: true, ..Frame::default() }), at);
            } else {
                reader.line(&mut frame, line);
            }
        }
        if at < body.len() {
            reader.line(&mut frame, &body[at..]);
        }
        if !frame.data.is_empty() {
            reader.unended(frame, body.len());
        }
        stream
    }

    /// The error inside the stream, if there is one.
    pub fn error(&self) -> Option<&Value> {
        self.chunks.iter().find_map(|chunk| chunk.value.get("error").filter(|error| !error.is_null()))
    }

    /// Whether either SDK would raise.
    pub fn raises(&self) -> impl Iterator<Item = &Problem> {
        let raises = |fate: Fate| matches!(fate, Fate::Raises(_));
        self.problems.iter().filter(move |problem| raises(problem.python) || raises(problem.node))
    }
}

struct Reader<'s> {
    stream: &'s mut Stream,
    frames: usize,
    /// Whether openai-python remembers an id: it then takes every blank line for an event.
    id: bool,
}

impl Reader<'_> {
    fn problem(&mut self, oddity: Oddity, python: Fate, node: Fate) {
        if self.stream.done == 0 {
            self.stream.problems.push(Problem { oddity, frame: self.frames + 1, python, node });
        }
    }

    fn line(&mut self, frame: &mut Frame, line: &[u8]) {
        frame.utf8 &= std::str::from_utf8(line).is_ok();
        let text = String::from_utf8_lossy(line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => {
                frame.comment = true;
                self.stream.comments.push(value.to_owned());
            }
            "data" => frame.data.push(value.to_owned()),
            "event" => value.clone_into(&mut frame.event),
            "id" => self.id = true,
            "retry" => frame.retry = true,
            _ => {}
        }
    }

    fn dispatch(&mut self, frame: Frame, end: usize) {
        const PYTHON: Fate = Fate::Raises("JSONDecodeError");
        const NODE: Fate = Fate::Raises("SyntaxError");
        if !frame.utf8 {
            self.problem(Oddity::NotUtf8, Fate::Raises("UnicodeDecodeError"), Fate::Garbles);
        }
        if frame.data.is_empty() {
            if !frame.event.is_empty() {
                self.problem(Oddity::EventOnly, PYTHON, NODE);
            } else if frame.retry {
                self.problem(Oddity::Retry, PYTHON, Fate::Reads);
            } else if self.id && frame.comment {
                self.problem(Oddity::AfterId, PYTHON, Fate::Reads);
            }
            return;
        }
        let data = frame.data.join("\n");
        if data.starts_with("[DONE]") {
            self.stream.done += 1;
            self.stream.after_done += usize::from(self.stream.done > 1);
        } else if self.stream.done > 0 {
            self.stream.after_done += 1;
        } else if let Ok(value) = serde_json::from_str(&data) {
            self.stream.chunks.push(Chunk { event: frame.event, value, end });
        } else if data.is_empty() {
            self.problem(Oddity::EmptyData, PYTHON, NODE);
        } else if data.trim_start().starts_with(':') {
            self.problem(Oddity::CommentAsData, PYTHON, NODE);
        } else {
            self.problem(Oddity::NotJson, PYTHON, NODE);
        }
        self.frames += 1;
    }

    /// What openai-node still reads and openai-python drops.
    fn unended(&mut self, frame: Frame, end: usize) {
        if !frame.data[0].starts_with("[DONE]") || self.stream.done == 0 {
            self.problem(Oddity::Unended, Fate::Drops, Fate::Reads);
        }
        self.dispatch(frame, end);
    }
}

/// The line at `at` without its end (LF, CR or CRLF), and where the next begins; `None` if it has no end yet.
fn line(body: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = &body[at..];
    let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let end = if rest[length] == b'\r' && rest.get(length + 1) == Some(&b'\n') { length + 2 } else { length + 1 };
    Some((&rest[..length], at + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of one chunk, this, and the end; what each SDK does with it.
    fn fates(odd: &str) -> Option<(Fate, Fate)> {
        let body = format!("data: {{\"a\":1}}\n\n{odd}data: [DONE]\n\n");
        let stream = Stream::read(body.as_bytes());
        assert_eq!(stream.done, 1, "{odd}");
        stream.problems.first().map(|problem| (problem.python, problem.node))
    }

    #[test]
    fn what_both_sdks_read_is_no_problem() {
        for odd in [
            ": ping\n\n",
            "\n\n",
            "data:{}\n\n",
            "data: {\ndata: }\n\n",
            "data: {}\r\n\r\n",
            "data: {}\r\r",
            "x: y\n\n",
        ] {
            assert_eq!(fates(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn each_oddity_has_the_fate_that_was_observed_with_the_sdks() {
        let python = Fate::Raises("JSONDecodeError");
        let node = Fate::Raises("SyntaxError");
        assert_eq!(fates("retry: 3000\n\n"), Some((python, Fate::Reads)));
        assert_eq!(fates("event: ping\n\n"), Some((python, node)));
        assert_eq!(fates("data:\n\n"), Some((python, node)));
        assert_eq!(fates("data: : keepalive\n\n"), Some((python, node)));
        assert_eq!(fates("data: {\"a\n\n"), Some((python, node)));
        assert_eq!(fates("id: 1\ndata: {}\n\n: ping\n\n"), Some((python, Fate::Reads)));
        assert_eq!(fates("id: 1\ndata: {}\n\n"), None);
    }

    #[test]
    fn bytes_that_are_no_utf8_raise_in_python_only() {
        let stream = Stream::read(b"data: {\"a\":\"\xff\"}\n\ndata: [DONE]\n\n");
        let fates: Vec<_> = stream.problems.iter().map(|problem| (problem.python, problem.node)).collect();
        assert_eq!(fates, [(Fate::Raises("UnicodeDecodeError"), Fate::Garbles)]);
    }

    #[test]
    fn a_byte_order_mark_and_a_missing_blank_line_lose_an_event_in_python() {
        let stream = Stream::read(b"\xef\xbb\xbfdata: {}\n\ndata: [DONE]");
        let oddities: Vec<_> = stream.problems.iter().map(|problem| problem.oddity).collect();
        assert_eq!(oddities, [Oddity::Bom, Oddity::Unended]);
        assert_eq!((stream.chunks.len(), stream.done), (1, 1));
        assert_eq!(stream.raises().count(), 0);
    }

    #[test]
    fn what_comes_behind_the_end_is_counted_and_not_read() {
        let stream = Stream::read(b"data: [DONE]\n\ndata: {}\n\ndata: {\"a\n\ndata: [DONE]\n\n");
        assert_eq!((stream.done, stream.after_done, stream.chunks.len()), (2, 3, 0));
        assert_eq!(stream.problems, []);
    }
}
