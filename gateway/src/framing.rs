//! Watches the raw bytes of a client connection for requests whose length is told twice.
//! hyper resolves `Content-Length` with `Transfer-Encoding` by the letter of RFC 9112 section 6.3 and hides
//! the first; a proxy should refuse such a request, so this wrapper notes it. It never changes a byte.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What was seen on a connection, shared with those who serve it.
#[derive(Debug, Clone, Default)]
pub struct Framing(Rc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    ambiguous: Cell<bool>,
    mid_head: Cell<bool>,
}

impl Framing {
    /// Whether a request told its length in two ways, or in one that cannot be followed: from then on requests of
    /// this connection must be refused.
    #[must_use]
    pub fn ambiguous(&self) -> bool {
        self.0.ambiguous.get()
    }

    /// Whether a part of a request head has arrived, and the rest has not.
    #[must_use]
    pub fn mid_head(&self) -> bool {
        self.0.mid_head.get()
    }
}

/// The connection with its watcher.
#[derive(Debug)]
pub struct Watched<T> {
    inner: T,
    watcher: Watcher,
}

impl<T> Watched<T> {
    /// Wraps a connection; the second value tells what was seen.
    #[must_use]
    pub fn new(inner: T) -> (Self, Framing) {
        let framing = Framing::default();
        (Self { inner, watcher: Watcher::new(framing.clone()) }, framing)
    }

    /// The connection without its watcher.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.inner
    }
}

#[derive(Debug)]
struct Watcher {
    framing: Framing,
    state: State,
    line: Vec<u8>,
    length: Option<u64>,
    chunked: bool,
    first_line: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Inside a request head.
    Head,
    /// Inside a body of known length.
    Body(u64),
    /// Behind a chunked head: this connection is not followed any further.
    Opaque,
}

/// Only the start of a line matters.
const LINE_START: usize = 64;

impl Watcher {
    fn new(framing: Framing) -> Self {
        Self { framing, state: State::Head, line: Vec::new(), length: None, chunked: false, first_line: true }
    }

    fn see(&mut self, bytes: &[u8]) {
        self.follow(bytes);
        self.framing.0.mid_head.set(self.state == State::Head && !(self.first_line && self.line.is_empty()));
    }

    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.state {
                State::Opaque => return,
                State::Body(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[here..];
                    let left = left - here as u64;
                    self.state = if left == 0 { State::Head } else { State::Body(left) };
                }
                State::Head => {
                    let end = memchr::memchr(b'\n', bytes);
                    let part = &bytes[..end.unwrap_or(bytes.len())];
                    let room = LINE_START.saturating_sub(self.line.len());
                    self.line.extend_from_slice(&part[..part.len().min(room)]);
                    bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
                    if end.is_some() {
                        self.end_line();
                    }
                }
            }
        }
    }

    fn end_line(&mut self) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if line.is_empty() {
            if !self.first_line {
                self.end_head();
            }
        } else {
            self.first_line = false;
            let named = |name: &[u8]| line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name);
            if named(b"content-length:") {
                let value = std::str::from_utf8(&line[15..]).ok().and_then(|value| value.trim().parse().ok());
                // a length that cannot be read, or of which only the start was seen, cannot be followed
                let value = value.filter(|_| line.len() < LINE_START - 1);
                if value.is_none() {
                    self.framing.0.ambiguous.set(true);
                }
                self.length = Some(value.unwrap_or(0));
            } else if named(b"transfer-encoding:") {
                self.chunked = true;
            }
        }
        self.line.clear();
    }

    fn end_head(&mut self) {
        if self.chunked && self.length.is_some() {
            self.framing.0.ambiguous.set(true);
        }
        self.state = match self.length {
            _ if self.chunked => State::Opaque,
            Some(length) if length > 0 => State::Body(length),
            _ => State::Head,
        };
        self.length = None;
        self.first_line = true;
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Some(new) = buf.filled().get(before..) {
            self.watcher.see(new);
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Body;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn ambiguous(stream: &str, step: usize) -> bool {
        let framing = Framing::default();
        let mut watcher = Watcher::new(framing.clone());
        stream.as_bytes().chunks(step).for_each(|part| watcher.see(part));
        framing.ambiguous()
    }

    #[test]
    fn a_length_told_twice_is_seen_in_any_order_and_any_split() {
        let good = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        for step in [1, 2, 7, 1000] {
            for bad in [
                "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 3\r\n\r\n",
                "POST / HTTP/1.1\ntransfer-encoding:chunked\ncontent-length:3\n\n",
            ] {
                assert!(ambiguous(bad, step) && ambiguous(&format!("{good}{bad}"), step));
            }
            assert!(!ambiguous(&good.repeat(3), step));
            let padded = format!("POST / HTTP/1.1\r\nContent-Length:{}3\r\n\r\nabc", " ".repeat(60));
            assert!(ambiguous(&padded, step));
            assert!(!ambiguous(
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\ncontent-length: 3\r\n\r\n",
                step
            ));
            let inside = "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n";
            assert!(!ambiguous(&format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{inside}", inside.len()), step));
        }
    }

    const HEADS: [&str; 4] = [
        "POST /a HTTP/1.1\r\nHost: a\r\n",
        "GET /b HTTP/1.1\r\nHost: a\r\n",
        "POST /c HTTP/1.0\r\n",
        "POST /d HTTP/1.1\nHost: a\n",
    ];
    const LENGTHS: [&str; 12] = [
        "Content-Length: 3\r\n",
        "content-length: 13\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 5\n",
        "Content-Length: +3\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length : 3\r\n",
        " Content-Length: 3\r\n",
        "Content-Length:\t3 \r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length\r\n",
    ];
    const CODINGS: [&str; 8] = [
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding:chunked\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, x\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ];
    const OTHERS: [&str; 8] = [
        "X: y\r\n",
        "X:\r\n\tContent-Length: 4\r\n",
        "X: y\rContent-Length: 4\r\n",
        "Connection: close\r\n",
        "Expect: 100-continue\r\n",
        "Upgrade: h2c\r\n",
        "Host: b\r\n",
        "\0",
    ];
    const BODIES: [&str; 10] = [
        "",
        "abc",
        "abcde",
        "3\r\nabc\r\n0\r\n\r\n",
        "3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
        "3\nabc\n0\n\n",
        "0\r\n\r\n",
        "-1\r\nabc\r\n",
        "fffffffffffffffff\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
    ];

    /// Requests with fields and bodies that need not fit together, and here and there something that fits nowhere.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let one = |of: &'static [&'static str]| prop::sample::select(of).prop_map(|text| text.as_bytes().to_vec());
        let field = prop_oneof![3 => one(&LENGTHS), 2 => one(&CODINGS), 2 => one(&OTHERS)];
        let plain = prop_oneof![one(&LENGTHS[..4]), one(&CODINGS[..2])];
        let fields = prop_oneof![prop::collection::vec(field, 0..4), prop::collection::vec(plain, 0..3)];
        let end = prop::sample::select(vec!["\r\n", "\r\n", "\n", "\r\n\r\n", "\r"])
            .prop_map(|text| text.as_bytes().to_vec());
        let noise = prop_oneof![9 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 0..20)];
        let request = (one(&HEADS), fields, end, one(&BODIES), noise)
            .prop_map(|(head, fields, end, body, noise)| [head, fields.concat(), end, body, noise].concat());
        prop::collection::vec(request, 1..4).prop_map(|requests| requests.concat())
    }

    /// What a request is known by: its path and its body.
    type Told = (String, Vec<u8>);

    /// The requests that pass, as `listen` and `proxy` let them pass: hyper reads, this module watches, and a chunked
    /// request is the last of its connection.
    async fn passed(stream: &[u8], step: usize) -> Vec<Told> {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let (watched, framing) = Watched::new(server);
        let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
        let told = seen.clone();
        let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let (framing, told) = (framing.clone(), told.clone());
            async move {
                let refused = framing.ambiguous();
                let close = refused || request.headers().contains_key(http::header::TRANSFER_ENCODING);
                let (path, mut body, mut bytes) = (request.uri().path().to_owned(), request.into_body(), Vec::new());
                while let (false, Some(frame)) =
                    (refused, std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await)
                {
                    bytes.extend_from_slice(&frame?.into_data().unwrap_or_default());
                }
                if !refused {
                    told.borrow_mut().push((path, bytes));
                }
                let mut response = http::Response::new(String::new());
                if close {
                    response.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
                }
                Ok::<_, hyper::Error>(response)
            }
        });
        let writing = async {
            for part in stream.chunks(step) {
                client.write_all(part).await?;
            }
            client.shutdown().await?;
            client.read_to_end(&mut Vec::new()).await
        };
        let served =
            hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(watched), service);
        let _ended = tokio::join!(writing, served);
        seen.take()
    }

    /// The same connection as a strict reader has it, up to the first doubt.
    fn strict(mut bytes: &[u8]) -> Vec<Told> {
        let mut all = Vec::new();
        while let Some((request, rest, last)) = strict_request(bytes) {
            all.push(request);
            if last {
                break;
            }
            bytes = rest;
        }
        all
    }

    fn line<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let line = &bytes[..end];
        *bytes = &bytes[end + 1..];
        std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()
    }

    fn strict_request(mut bytes: &[u8]) -> Option<(Told, &[u8], bool)> {
        let mut first = line(&mut bytes)?;
        while first.is_empty() {
            first = line(&mut bytes)?;
        }
        let mut words = first.split(' ');
        let (_method, path, version) = (words.next()?, words.next()?, words.next()?);
        let (mut lengths, mut codings) = (Vec::new(), Vec::new());
        let mut last = version == "HTTP/1.0";
        loop {
            let field = line(&mut bytes)?;
            if field.is_empty() {
                break;
            }
            let (name, value) = field.split_once(':')?;
            match name.to_ascii_lowercase().as_str() {
                "content-length" => lengths.push(value.trim().to_owned()),
                "transfer-encoding" => codings.push(value.trim().to_owned()),
                "connection" => last = true,
                _ => (),
            }
        }
        let mut body = Vec::new();
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => (),
            ([length, others @ ..], []) if others.iter().all(|other| other == length) => {
                let digits = length.bytes().all(|byte| byte.is_ascii_digit());
                let length: usize = length.parse().ok().filter(|_| digits)?;
                body.extend_from_slice(bytes.get(..length)?);
                bytes = &bytes[length..];
            }
            ([], codings) if codings.last().is_some_and(|last| last.ends_with("chunked")) => {
                last = true;
                loop {
                    let size = line(&mut bytes)?;
                    let size = size.split(';').next()?.trim();
                    let size = usize::from_str_radix(size, 16).ok()?;
                    if size == 0 {
                        while !line(&mut bytes)?.is_empty() {}
                        break;
                    }
                    body.extend_from_slice(bytes.get(..size)?);
                    bytes = &bytes[size..];
                    line(&mut bytes)?.is_empty().then_some(())?;
                }
            }
            _ => return None,
        }
        Some(((path.to_owned(), body), bytes, last))
    }

    #[tokio::test]
    async fn both_readers_see_what_is_plain() {
        let stream = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\nPOST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
        let told =
            [("/a", "abc"), ("/b", ""), ("/c", "de")].map(|(path, body)| (path.to_owned(), body.as_bytes().to_vec()));
        for step in [1, 7, 1000] {
            assert_eq!(passed(stream.as_bytes(), step).await, told);
        }
        assert_eq!(strict(stream.as_bytes()), told);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_passes_is_what_a_strict_reader_sees(stream in pieces(), step in 1usize..200) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let passed = runtime.block_on(passed(&stream, step));
            let strict = strict(&stream);
            let same = passed.iter().zip(&strict).all(|(one, other)| one == other);
            prop_assert!(same && passed.len() <= strict.len(), "{passed:?}\n{strict:?}\n{:?}", String::from_utf8_lossy(&stream));
        }
    }
}
