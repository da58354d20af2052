//! Watches the raw bytes of a client connection for requests whose length is told twice.
//! hyper resolves `Content-Length` with `Transfer-Encoding` by the letter of RFC 9112 section 6.3 and hides
//! the first; a proxy should refuse such a request, so this wrapper notes it. It never changes a byte. And it notes that a
//! client has left, where that can be asked.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::presence::Presence;

/// What was seen on a connection, shared with those who serve it.
#[derive(Debug, Clone, Default)]
pub struct Framing(Rc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    ambiguous: Cell<bool>,
    mid_head: Cell<bool>,
    spoken: Cell<bool>,
}

impl Framing {
    /// Whether a request told its length in two ways, or in one that cannot be followed: from then on requests of
    /// this connection must be refused.
    #[must_use]
    pub fn ambiguous(&self) -> bool {
        self.0.ambiguous.get()
    }

    /// Whether anything has arrived.
    #[must_use]
    pub fn spoken(&self) -> bool {
        self.0.spoken.get()
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
        if bytes.is_empty() {
            return;
        }
        self.framing.0.spoken.set(true);
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
                    bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
                    let room = LINE_START.saturating_sub(self.line.len()).min(part.len());
                    match end {
                        Some(_) if self.line.is_empty() => self.end_line(&part[..room]),
                        Some(_) => {
                            let mut line = std::mem::take(&mut self.line);
                            line.extend_from_slice(&part[..room]);
                            self.end_line(&line);
                        }
                        None => self.line.extend_from_slice(&part[..room]),
                    }
                }
            }
        }
    }

    /// The start of a line is known, and that it has ended.
    fn end_line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(first) = line.first() else {
            if !self.first_line {
                self.end_head();
            }
            return;
        };
        self.first_line = false;
        let named = |name: &[u8]| line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name);
        match first {
            b'C' | b'c' if named(b"content-length:") => {
                let value = std::str::from_utf8(&line[15..]).ok().and_then(|value| value.trim().parse().ok());
                // a length that cannot be read, or of which only the start was seen, cannot be followed
                let value = value.filter(|_| line.len() < LINE_START - 1);
                if value.is_none() {
                    self.framing.0.ambiguous.set(true);
                }
                self.length = Some(value.unwrap_or(0));
            }
            b'T' | b't' if named(b"transfer-encoding:") => self.chunked = true,
            _ => (),
        }
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

impl<T: AsyncWrite + Presence + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    /// The HTTP layer does this whenever it looks at the connection; who has left needs no answer any more.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.inner.poll_left(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
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
pub(crate) mod tests;
