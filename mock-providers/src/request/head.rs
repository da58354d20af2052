//! The head of a request.
//!
//! Owns what makes a head well-formed; refuses to wait for more bytes than can still make it so.

use std::mem::MaybeUninit;
use std::sync::LazyLock;

use memchr::memchr_iter;
use memchr::memmem::Finder;

use super::RequestHead;
use crate::credentials;

const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 128;
/// The end of a head.
static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// A well-formed head.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) lines: RequestHead,
    pub(crate) length: Length,
    pub(crate) keep_alive: bool,
    pub(crate) http10: bool,
    pub(crate) http2: bool,
    pub(crate) expects_continue: bool,
}

/// How long the body is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is none.
    #[default]
    None,
    /// As declared.
    Fixed(u64),
    /// As its chunks say.
    Chunked,
}

impl Head {
    pub(crate) fn method(&self) -> &str {
        self.lines.method()
    }

    pub(crate) fn path(&self) -> &str {
        self.lines.path()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.lines.query()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.lines.header(name)
    }
}

/// A head and its size, none while more bytes are needed, or what is wrong.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let end = END.find(bytes).map(|at| at + 4);
    let seen = &bytes[..end.unwrap_or(bytes.len())];
    if memchr_iter(b'\n', seen).any(|at| at == 0 || seen[at - 1] != b'\r') {
        return Err("a line of the head ends in a bare LF".to_owned());
    }
    if seen.len() > MAX_HEAD {
        return Err(format!("the head is larger than {MAX_HEAD} bytes"));
    }
    let mut space = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(seen, &mut space) {
        Err(error) => Err(format!("not an HTTP/1.1 head: {error}")),
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(size)) => interpret(seen, &request).map(|head| Some((head, size))),
    }
}

fn interpret(bytes: &[u8], request: &httparse::Request<'_, '_>) -> Result<Head, String> {
    let http10 = request.version == Some(0);
    let target = request.path.unwrap_or_default();
    if !target.starts_with('/') {
        let shown = credentials::redact_target(target);
        return Err(format!("the request target `{shown}` is not in origin form"));
    }
    let lines = RequestHead::parsed(bytes, request);
    let mut head = Head { keep_alive: !http10, http10, ..Head::default() };
    let mut hosts = 0;
    for header in request.headers.iter() {
        note(&mut head, header.name, header.value)?;
        hosts += usize::from(header.name.eq_ignore_ascii_case("host"));
    }
    if hosts != 1 && !http10 {
        return Err(format!("a request needs one Host header, this one has {hosts}"));
    }
    Ok(Head { lines, ..head })
}

/// Takes in what one header says about framing.
fn note(head: &mut Head, name: &str, value: &[u8]) -> Result<(), String> {
    // By length first: most headers say nothing about framing.
    if !matches!(name.len(), 6 | 10 | 14 | 17) {
        return Ok(());
    }
    let value = &*String::from_utf8_lossy(value);
    if name.eq_ignore_ascii_case("content-length") {
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let length = digits.then(|| value.parse().ok()).flatten();
        let length = length.ok_or_else(|| format!("Content-Length `{value}` is not a number"))?;
        set_length(head, Length::Fixed(length))?;
    } else if name.eq_ignore_ascii_case("transfer-encoding") {
        if !value.eq_ignore_ascii_case("chunked") || head.http10 {
            return Err(format!("Transfer-Encoding `{value}` is not plain `chunked` of HTTP/1.1"));
        }
        set_length(head, Length::Chunked)?;
    } else if name.eq_ignore_ascii_case("connection") {
        for option in value.split(',').map(str::trim) {
            if option.eq_ignore_ascii_case("close") {
                head.keep_alive = false;
            } else if option.eq_ignore_ascii_case("keep-alive") && head.http10 {
                head.keep_alive = true;
            }
        }
    } else if name.eq_ignore_ascii_case("expect") {
        head.expects_continue = value.eq_ignore_ascii_case("100-continue");
    }
    Ok(())
}

fn set_length(head: &mut Head, length: Length) -> Result<(), String> {
    match (head.length, length) {
        (Length::None, _) => head.length = length,
        (Length::Fixed(_), Length::Fixed(_)) => return Err("more than one Content-Length".to_owned()),
        (Length::Chunked, Length::Chunked) => return Err("more than one Transfer-Encoding".to_owned()),
        _ => return Err("both Content-Length and Transfer-Encoding".to_owned()),
    }
    Ok(())
}

/// What can be made out of bytes that are no head, for the journal.
pub(crate) fn loose(bytes: &[u8]) -> Head {
    let end = END.find(bytes).unwrap_or(bytes.len()).min(MAX_HEAD);
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // A folded line goes on with the value before it, whatever it looks like.
    let own = lines.filter(|line| !line.starts_with([' ', '\t']));
    let headers = own.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()));
    Head { lines: RequestHead::new(method, target, headers), ..Head::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(lines: &str) -> String {
        let bytes = format!("POST /x HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        parse(bytes.as_bytes()).expect_err("malformed")
    }

    #[test]
    fn ambiguous_framing_is_malformed() {
        assert!(reason("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n").contains("both"));
        assert!(reason("Content-Length: 3\r\nContent-Length: 3\r\n").contains("more than one"));
        assert!(reason("Content-Length: +3\r\n").contains("not a number"));
        assert!(reason("Transfer-Encoding: gzip, chunked\r\n").contains("plain"));
        assert!(reason("Host: b\r\n").contains("one Host"));
        assert!(reason("A: 1\nB: 2\r\n").contains("bare LF"));
        assert!(reason("Content-Length : 3\r\n").contains("not an HTTP/1.1 head"));
        assert!(parse(b"POST http://a/x HTTP/1.1\r\nHost: a\r\n\r\n").is_err());
    }

    #[test]
    fn a_head_is_awaited_until_its_last_byte() {
        let bytes = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\nnext";
        for end in 0..bytes.len() - 4 {
            assert!(matches!(parse(&bytes[..end]), Ok(None)), "{end}");
        }
        let (head, size) = parse(bytes).expect("well-formed").expect("complete");
        assert_eq!((head.path(), head.query(), size), ("/a", Some("b=c"), bytes.len() - 4));
        assert_eq!(head.header("x-y"), Some("z"));
    }
}
