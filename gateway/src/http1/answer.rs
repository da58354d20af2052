//! An answer on its way to the client: its head, and its body as it comes (RFC 9112 sections 4, 6 and 7). What comes together
//! leaves together; nothing waits for more.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use hyper::ext::ReasonPhrase;
use tokio::io::AsyncWrite;

use crate::buffers::Buffers;

/// A piece of a body up to this size is copied behind what leaves before it.
const TOGETHER: usize = 16 * 1024;
/// What most answers take with their head.
const ORDINARY: usize = 2 * 1024;

/// How an answer tells where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// It has none.
    NoBody,
    /// By its size, of which so much is still to come.
    Known(u64),
    /// In chunks.
    Chunked,
}

/// Not to be shown: a body is the business of those who exchange it.
pub(super) struct Answer<B> {
    /// What has still to come; `None` when all has, or nothing more will.
    body: Option<B>,
    length: Length,
    /// What leaves first, and how much of it has left.
    out: Vec<u8>,
    left: usize,
    /// What leaves then.
    piece: Bytes,
    /// The body has not been asked for anything: what it has leaves with the head.
    fresh: bool,
    broken: bool,
    buffers: Rc<Buffers>,
}

/// Why no more of it can be said.
pub(super) struct Broken;

impl<B: Body<Data = Bytes> + Unpin> Answer<B> {
    /// Writes the head; `closes` says that it is the last of its connection.
    pub(super) fn new(response: Response<B>, closes: bool, buffers: Rc<Buffers>) -> Self {
        let (head, body) = response.into_parts();
        let length = length(head.status, &head.headers, &body);
        let mut out = buffers.writable();
        out.reserve(ORDINARY);
        write_status(head.status, head.extensions.get(), &mut out);
        let keeps_length = head.status == StatusCode::NOT_MODIFIED && announced(&head.headers).is_some();
        write_fields(&head.headers, keeps_length, &mut out);
        match length {
            Length::NoBody if head.status == StatusCode::NO_CONTENT || head.status == StatusCode::NOT_MODIFIED => (),
            Length::NoBody => out.extend_from_slice(b"content-length: 0\r\n"),
            Length::Known(size) => {
                out.extend_from_slice(b"content-length: ");
                out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            Length::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        if closes && !says_close(&head.headers) {
            out.extend_from_slice(b"connection: close\r\n");
        }
        if !head.headers.contains_key(DATE) {
            write_date(&mut out);
        }
        out.extend_from_slice(b"\r\n");
        let body = Some(body).filter(|_| length != Length::NoBody);
        Self { body, length, out, left: 0, piece: Bytes::new(), fresh: true, broken: false, buffers }
    }

    /// Writes until all has left. Pending while the client takes nothing or the body has nothing; the latter is told by
    /// [`Self::rests`].
    pub(super) fn poll_write<T>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<Result<(), Broken>>
    where
        T: AsyncWrite + Unpin,
    {
        let mut waits = std::mem::take(&mut self.fresh) && self.poll_body(cx).is_pending();
        loop {
            while !self.rests() {
                let written = ready!(self.poll_out(io, cx)).map_err(|_| Broken)?;
                if written == 0 {
                    return Poll::Ready(Err(Broken));
                }
                self.note(written);
            }
            ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(|_| Broken)?;
            if self.broken {
                return Poll::Ready(Err(Broken));
            }
            if waits || self.body.is_none() {
                self.buffers.keep(std::mem::take(&mut self.out));
                return if waits { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            if self.out.capacity() == 0 {
                self.out = self.buffers.writable();
            }
            waits = self.poll_body(cx).is_pending();
        }
    }

    /// Whether all that has come has left.
    pub(super) fn rests(&self) -> bool {
        self.left == self.out.len() && self.piece.is_empty()
    }

    fn poll_out<T: AsyncWrite + Unpin>(&self, io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let (io, first) = (Pin::new(io), &self.out[self.left..]);
        if self.piece.is_empty() {
            return io.poll_write(cx, first);
        }
        io.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(&self.piece)])
    }

    /// So many bytes have left.
    fn note(&mut self, written: usize) {
        let first = written.min(self.out.len() - self.left);
        self.left += first;
        if self.left == self.out.len() {
            self.left = 0;
            self.out.clear();
        }
        if written > first {
            self.piece.advance(written - first);
            if self.piece.is_empty() && self.length == Length::Chunked {
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Takes what there is of the body, as long as it fits. Pending when the body has no more for now.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.out.len() < TOGETHER && self.piece.is_empty() {
            let Some(body) = &mut self.body else { break };
            match ready!(Pin::new(body).poll_frame(cx)) {
                // trailers would have to be announced and asked for
                Some(Ok(frame)) => frame.into_data().map_or_else(drop, |data| self.add(data)),
                Some(Err(_told_in_the_record)) => self.break_off(),
                None if matches!(self.length, Length::Known(1..)) => self.break_off(),
                None => {
                    if self.length == Length::Chunked {
                        self.out.extend_from_slice(b"0\r\n\r\n");
                    }
                    self.body = None;
                }
            }
        }
        Poll::Ready(())
    }

    /// No more comes, and what has come must not look whole.
    fn break_off(&mut self) {
        (self.body, self.broken) = (None, true);
    }

    fn add(&mut self, mut data: Bytes) {
        if let Length::Known(left) = &mut self.length {
            // more than was announced would be taken for another answer
            data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= data.len() as u64;
        }
        // an empty chunk would be the last
        if data.is_empty() {
            return;
        }
        if self.length == Length::Chunked {
            write_size(data.len(), &mut self.out);
        }
        if data.len() > TOGETHER {
            self.piece = data;
            return;
        }
        self.out.extend_from_slice(&data);
        if self.length == Length::Chunked {
            self.out.extend_from_slice(b"\r\n");
        }
    }
}

/// Where the body ends: as the fields say where that can be followed, else as the body itself does.
fn length(status: StatusCode, headers: &HeaderMap, body: &impl Body) -> Length {
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Length::NoBody;
    }
    if body.is_end_stream() {
        return Length::NoBody;
    }
    match body.size_hint().exact().or_else(|| announced(headers)) {
        Some(size) => Length::Known(size),
        None => Length::Chunked,
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next().filter(|_| lengths.next().is_none())?.to_str().ok()?;
    length.bytes().all(|byte| byte.is_ascii_digit()).then(|| length.parse().ok())?
}

/// Whether the fields end the connection.
pub(super) fn says_close(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

fn write_status(status: StatusCode, reason: Option<&ReasonPhrase>, to: &mut Vec<u8>) {
    if status == StatusCode::OK && reason.is_none() {
        to.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    to.extend_from_slice(b"HTTP/1.1 ");
    to.extend_from_slice(status.as_str().as_bytes());
    to.push(b' ');
    let usual = status.canonical_reason().unwrap_or("<none>").as_bytes();
    to.extend_from_slice(reason.map_or(usual, ReasonPhrase::as_bytes));
    to.extend_from_slice(b"\r\n");
}

/// All fields but those of the framing, which is the connection's own, except for the length of what was not modified.
fn write_fields(headers: &HeaderMap, keeps_length: bool, to: &mut Vec<u8>) {
    for (name, value) in headers {
        if *name == TRANSFER_ENCODING || (*name == CONTENT_LENGTH && !keeps_length) {
            continue;
        }
        to.extend_from_slice(name.as_str().as_bytes());
        to.extend_from_slice(b": ");
        to.extend_from_slice(value.as_bytes());
        to.extend_from_slice(b"\r\n");
    }
}

/// The size line of a chunk.
fn write_size(size: usize, to: &mut Vec<u8>) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        to.push(b"0123456789abcdef"[(size >> (4 * digit)) & 0xf]);
    }
    to.extend_from_slice(b"\r\n");
}

thread_local! {
    /// The second that `date` was written for last, and its line.
    static TODAY: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// RFC 9110 section 6.6.1.
fn write_date(to: &mut Vec<u8>) {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    TODAY.with_borrow_mut(|(written, line)| {
        if *written != second {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            (*written, *line) = (second, format!("date: {date}\r\n"));
        }
        to.extend_from_slice(line.as_bytes());
    });
}

#[cfg(test)]
mod tests;
