//! A request on its way up: its head, and its body as it is at hand or arrives.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Request;
use http_body::Body as _;
use smallvec::SmallVec;
use tokio::io::AsyncWrite;

use super::head::{self, Length};
use crate::buffers::Buffers;
use crate::upstream::{Error, Io, UpstreamBody, empty};

/// A body up to this size is written in one piece with its head.
const TOGETHER: usize = 16 * 1024;
/// Pieces that are written at a time.
const PIECES: usize = 8;

/// Not to be shown: it holds credentials.
pub(super) struct Upload {
    /// Whole until the first of its bytes has left; its pieces until the last has.
    request: Request<UpstreamBody>,
    /// What leaves first, and how much of it has left.
    out: Vec<u8>,
    left: usize,
    /// What leaves then.
    pieces: VecDeque<Bytes>,
    /// What the body has still to give.
    length: Length,
    begun: bool,
    /// All of it has left, also what TLS held back.
    sent: bool,
    /// Why no more can be sent.
    failed: Option<Error>,
    buffers: Rc<Buffers>,
}

impl Upload {
    pub(super) fn new(request: Request<UpstreamBody>, buffers: Rc<Buffers>) -> Self {
        let mut length = Length::of(&request);
        let mut out = buffers.writable();
        head::write(&request, length, &mut out);
        let mut pieces = VecDeque::new();
        if let (Length::Known(size), UpstreamBody::Pieces(body)) = (length, request.body()) {
            if size <= TOGETHER as u64 {
                body.iter().for_each(|piece| out.extend_from_slice(piece));
            } else {
                pieces.clone_from(body);
            }
            length = Length::NoBody;
        }
        Self { request, out, left: 0, pieces, length, begun: false, sent: false, failed: None, buffers }
    }

    /// Sends what there is. What fails is kept: an answer may have come before.
    pub(super) fn poll(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_over() {
            self.failed = ready!(self.poll_all(io, cx)).err();
        }
        Poll::Ready(())
    }

    fn poll_all(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            while self.left < self.out.len() || !self.pieces.is_empty() {
                let written = ready!(self.poll_write(io, cx))?;
                if written == 0 {
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
                }
                self.begun = true;
                self.note(written);
            }
            ready!(Pin::new(&mut *io).poll_flush(cx))?;
            if self.length == Length::NoBody {
                self.sent = true;
                self.left = 0;
                self.buffers.keep(std::mem::take(&mut self.out));
                *self.request.body_mut() = empty();
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_body(cx))?;
        }
    }

    fn poll_write(&self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        let first = &self.out[self.left..];
        if self.pieces.is_empty() {
            return io.poll_write(cx, first);
        }
        let all = std::iter::once(first).chain(self.pieces.iter().map(|piece| &piece[..]));
        let slices: SmallVec<[IoSlice<'_>; PIECES]> = all.take(PIECES).map(IoSlice::new).collect();
        io.poll_write_vectored(cx, &slices)
    }

    /// So many bytes have left.
    fn note(&mut self, mut written: usize) {
        let first = written.min(self.out.len() - self.left);
        self.left += first;
        written -= first;
        while let Some(piece) = self.pieces.front_mut() {
            if written < piece.len() {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.pieces.pop_front();
        }
    }

    /// The next piece of a body that arrives. All that was to leave has left.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let frame = ready!(Pin::new(self.request.body_mut()).poll_frame(cx)).transpose()?;
        self.out.clear();
        self.left = 0;
        let Some(frame) = frame else {
            match self.length {
                Length::Known(_) => return Poll::Ready(Err(Error::Short)),
                Length::Chunked => self.out.extend_from_slice(b"0\r\n\r\n"),
                Length::NoBody => (),
            }
            self.length = Length::NoBody;
            return Poll::Ready(Ok(()));
        };
        // trailers are of the hop before
        let Ok(mut data) = frame.into_data() else { return Poll::Ready(Ok(())) };
        match &mut self.length {
            Length::Known(left) => {
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                if *left == 0 {
                    self.length = Length::NoBody;
                }
            }
            // an empty chunk would be the last
            Length::Chunked if data.is_empty() => (),
            Length::Chunked => {
                self.out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                self.pieces.push_back(data);
                data = Bytes::from_static(b"\r\n");
            }
            Length::NoBody => (),
        }
        if !data.is_empty() {
            self.pieces.push_back(data);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether there is nothing more to send, or no way to.
    pub(super) fn is_over(&self) -> bool {
        self.sent || self.failed.is_some()
    }

    /// Whether a part of it has left.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Why not all was sent.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failed.take()
    }

    /// Why it ends, whatever the upstream says: it is the body that failed, not the connection.
    pub(super) fn take_fault(&mut self) -> Option<Error> {
        self.failed.take_if(|error| !matches!(error, Error::Io(_)))
    }

    /// The request, if nothing of it has left.
    pub(super) fn unsent(self) -> Option<Box<Request<UpstreamBody>>> {
        (!self.begun).then(|| Box::new(self.request))
    }
}
