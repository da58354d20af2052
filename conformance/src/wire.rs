//! HTTP/1.1 as bytes: heads, body framing, and a decoder that can be fed in pieces. HTTP/2 is `http2`'s.
//! Used by the client and by the seams; independent of any HTTP library's opinion of what is allowed.

mod chunked;
pub mod http2;

use chunked::Chunked;

/// The first line and the headers of a message, in order and as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Request line or status line.
    pub start: String,
    /// Name as written, value trimmed.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a complete head (with its blank line).
    pub fn parse(bytes: &[u8]) -> Option<Head> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let start = lines.next().filter(|line| !line.is_empty())?.to_owned();
        let mut headers = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':')?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Some(Head { start, headers })
    }

    /// All values of a header.
    pub fn all<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Drops every occurrence of a header.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// One occurrence with this value, at the place of the first or at the end.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let place = self.headers.iter().position(|(key, _)| key.eq_ignore_ascii_case(name));
        self.remove(name);
        let place = place.unwrap_or(self.headers.len()).min(self.headers.len());
        self.headers.insert(place, (name.to_owned(), value.into()));
    }

    /// The status code of a status line.
    pub fn status(&self) -> Option<u16> {
        let mut words = self.start.split(' ');
        words.next().filter(|version| version.starts_with("HTTP/"))?;
        words.next().filter(|code| code.len() == 3)?.parse().ok()
    }

    /// Method and target of a request line.
    pub fn request_line(&self) -> Option<(&str, &str)> {
        let mut words = self.start.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        (version.starts_with("HTTP/1.") && words.next().is_none()).then_some((method, target))
    }

    /// On the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// How the body of a response to this method ends; an error names what is ambiguous.
    pub fn response_framing(&self, method: &str) -> Result<Framing, String> {
        let status = self.status().unwrap_or(0);
        if method == "HEAD" || status / 100 == 1 || status == 204 || status == 304 {
            return Ok(Framing::Length(0));
        }
        Ok(self.declared_framing()?.unwrap_or(Framing::UntilClose))
    }

    /// How the body of a request ends.
    pub fn request_framing(&self) -> Result<Framing, String> {
        Ok(self.declared_framing()?.unwrap_or(Framing::Length(0)))
    }

    fn declared_framing(&self) -> Result<Option<Framing>, String> {
        let lengths: Vec<&str> = self.all("content-length").collect();
        let encodings: Vec<&str> = self.all("transfer-encoding").collect();
        match (encodings.as_slice(), lengths.as_slice()) {
            ([], []) => Ok(None),
            ([], [length]) if length.bytes().all(|b| b.is_ascii_digit()) => match length.parse() {
                Ok(length) => Ok(Some(Framing::Length(length))),
                Err(_) => Err(format!("Content-Length `{length}`")),
            },
            ([one], []) if one.eq_ignore_ascii_case("chunked") => Ok(Some(Framing::Chunked)),
            ([], several) => Err(format!("Content-Length {several:?}")),
            (encodings, []) => Err(format!("Transfer-Encoding {encodings:?}")),
            _ => Err("both Content-Length and Transfer-Encoding".to_owned()),
        }
    }
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Where the head ends (just behind its blank line).
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            let line = &bytes[line_start..at];
            if line_start > 0 && (line.is_empty() || line == b"\r") {
                return Some(at + 1);
            }
            line_start = at + 1;
        }
    }
    None
}

/// Takes the body's data out of its framing, piece by piece.
#[derive(Debug)]
pub struct Decoder {
    state: State,
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

impl Decoder {
    /// At the start of a body.
    pub fn new(framing: Framing) -> Decoder {
        let state = match framing {
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::default()),
            Framing::UntilClose => State::UntilClose,
        };
        Decoder { state }
    }

    /// Appends the data in `bytes` to `data`; returns how many bytes belonged to this body.
    pub fn feed(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<usize, String> {
        match &mut self.state {
            State::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                data.extend_from_slice(&bytes[..taken]);
                *left -= taken as u64;
                Ok(taken)
            }
            State::Chunked(chunked) => chunked.feed(bytes, data),
            State::UntilClose => {
                data.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    /// Whether the body has ended by its own framing.
    pub fn complete(&self) -> bool {
        match &self.state {
            State::Length(left) => *left == 0,
            State::Chunked(chunked) => chunked.complete(),
            State::UntilClose => false,
        }
    }

    /// Whether the end of the connection is a proper end.
    pub fn may_close(&self) -> bool {
        self.complete() || matches!(self.state, State::UntilClose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::parse(text.as_bytes()).expect("a head")
    }

    #[test]
    fn heads_are_read_as_written() {
        let head = head("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A:  b \r\n\r\n");
        assert_eq!(head.status(), Some(200));
        assert_eq!(head.get("x-a"), Some("b"));
        assert_eq!(head.bytes(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\n");
        assert_eq!(head_end(b"a\r\n\r\nrest"), Some(5));
        assert_eq!(head_end(b"a\r\nb: c\r\n"), None);
    }

    #[test]
    fn ambiguous_framing_is_an_error() {
        let framing = |text: &str| head(text).response_framing("GET");
        assert_eq!(framing("HTTP/1.1 200 OK\r\n\r\n"), Ok(Framing::UntilClose));
        assert_eq!(framing("HTTP/1.1 204 No\r\n\r\n"), Ok(Framing::Length(0)));
        assert_eq!(framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Ok(Framing::Chunked));
        assert!(framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n").is_err());
        assert!(framing("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n").is_err());
    }

    #[test]
    fn a_length_ends_the_body_and_leaves_the_rest() {
        let mut decoder = Decoder::new(Framing::Length(3));
        let mut data = Vec::new();
        assert_eq!(decoder.feed(b"ab", &mut data), Ok(2));
        assert!(!decoder.complete());
        assert_eq!(decoder.feed(b"cde", &mut data), Ok(1));
        assert!(decoder.complete());
        assert_eq!(data, b"abc");
    }

    #[test]
    fn setting_a_header_leaves_one() {
        let mut head = head("HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\nA: 3\r\n\r\n");
        head.set("a", "4");
        assert_eq!(head.headers, [("a".into(), "4".into()), ("b".to_string(), "2".to_string())]);
    }
}
