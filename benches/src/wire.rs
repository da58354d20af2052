//! HTTP/1.1 messages as bytes: enough framing to know where one ends, and nothing else.
//!
//! A measuring client or provider must cost far less than what it measures, so neither builds header maps.
//! It reads only messages that our own peers write: no trailers, no body that ends with the connection.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The end of a chunked body that has no trailers.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// How far the message at the start of a buffer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The blank line after the header section has not been seen.
    Head,
    /// The body ends at this offset.
    Counted(usize),
    /// The body is chunked and starts at this offset.
    Chunked(usize),
}

/// Reads whole messages from one connection, one at a time, into a buffer that is reused.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    /// Reads one message and returns its bytes; `None` when the peer closed between two messages.
    pub async fn message(&mut self, stream: &mut TcpStream) -> io::Result<Option<&[u8]>> {
        self.buffer.clear();
        let mut progress = Progress::Head;
        while !self.is_complete(&mut progress) {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                let between = self.buffer.is_empty();
                return if between { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
        Ok(Some(&self.buffer))
    }

    fn is_complete(&self, progress: &mut Progress) -> bool {
        if *progress == Progress::Head {
            *progress = framing(&self.buffer);
        }
        match *progress {
            Progress::Head => false,
            Progress::Counted(end) => self.buffer.len() >= end,
            Progress::Chunked(start) => self.buffer[start - 2..].ends_with(LAST_CHUNK),
        }
    }
}

/// Finds the end of the header section and how the body is framed.
fn framing(message: &[u8]) -> Progress {
    let Some(head) = message.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Progress::Head };
    let body = head + 4;
    for line in message[..head].split(|&byte| byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            return Progress::Counted(body + number(value));
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Progress::Chunked(body);
        }
    }
    Progress::Counted(body)
}

/// A decimal number written by one of our own peers.
fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit.wrapping_sub(b'0')))
}

/// One keep-alive connection of a client that waits for each answer.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    reader: Reader,
}

impl Connection {
    /// Connects with Nagle's algorithm off.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, reader: Reader::default() })
    }

    /// Sends the bytes of one request and returns the bytes of its answer.
    pub async fn round_trip(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.reader.buffer.clear();
        self.stream.write_all(request).await?;
        let answer = self.reader.message(&mut self.stream).await?;
        answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// What has come of the latest answer: all of it after a round trip, a part of it after one that failed.
    pub fn heard(&self) -> &[u8] {
        &self.reader.buffer
    }

    /// Asks again and again until `deadline`, noting how long each answer took; any answer but a 200 is an error.
    /// Connects anew where an answer ends the connection.
    pub async fn ask_until(&mut self, deadline: Instant, request: &[u8], took: &mut Vec<Duration>) -> io::Result<()> {
        let mut now = Instant::now();
        while now < deadline {
            expect_ok(self.round_trip(request).await?)?;
            let answered = Instant::now();
            took.push(answered - now);
            now = answered;
            if closes(self.heard()) {
                *self = Self::open(self.stream.peer_addr()?).await?;
                now = Instant::now();
            }
        }
        Ok(())
    }
}

/// Whether an answer of one of our own peers is the last on its connection.
pub fn closes(answer: &[u8]) -> bool {
    let head = memmem::find(answer, b"\r\n\r\n").unwrap_or(answer.len());
    memmem::find(&answer[..head], b"\r\nconnection: close").is_some()
}

/// Refuses an answer that is not a 200: a fast error would look like a fast gateway.
pub fn expect_ok(answer: &[u8]) -> io::Result<()> {
    if answer.starts_with(b"HTTP/1.1 200 ") {
        return Ok(());
    }
    let line = answer.split(|&byte| byte == b'\r').next().unwrap_or_default();
    Err(io::Error::other(format!("answered {}", String::from_utf8_lossy(line))))
}

/// The bytes of a chat completion request to `host`, with one user message of `prompt_len` bytes.
pub fn chat_request(host: SocketAddr, stream: bool, prompt_len: usize) -> Vec<u8> {
    let prompt = "x".repeat(prompt_len);
    let streamed = if stream { r#","stream":true"# } else { "" };
    let body = format!(r#"{{"model":"m-1"{streamed},"messages":[{{"role":"user","content":"{prompt}"}}]}}"#);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_body_ends_where_its_length_says() {
        assert_eq!(framing(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello"), Progress::Counted(39 + 12));
    }

    #[test]
    fn a_chunked_body_is_recognised() {
        assert_eq!(framing(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), Progress::Chunked(47));
    }

    #[test]
    fn a_head_without_its_blank_line_is_incomplete() {
        assert_eq!(framing(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n"), Progress::Head);
    }

    #[test]
    fn only_the_head_says_that_a_connection_ends() {
        assert!(closes(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"));
        assert!(!closes(b"HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n\r\nconnection: close\r\n"));
    }

    #[test]
    fn an_answer_other_than_200_is_an_error_with_its_status_line() {
        let error = expect_ok(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").unwrap_err();
        assert_eq!(error.to_string(), "answered HTTP/1.1 502 Bad Gateway");
    }
}
