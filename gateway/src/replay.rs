//! A connection of which some bytes were read ahead: they come first.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::presence::Presence;

/// A connection with what was read of it already.
#[derive(Debug)]
pub struct Replay<T> {
    inner: T,
    first: Bytes,
}

impl<T> Replay<T> {
    /// Puts bytes back in front of a connection.
    #[must_use]
    pub fn new(inner: T, first: Bytes) -> Self {
        Self { inner, first }
    }

    /// Puts bytes that were read of it back; all that it was made with has been read by then.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        debug_assert!(self.first.is_empty(), "what was put back before comes first");
        self.first = bytes;
    }
}

impl<T: Presence> Presence for Replay<T> {
    const ASKED: bool = T::ASKED;

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.first.is_empty() { self.inner.poll_left(cx) } else { Poll::Pending }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Replay<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let part = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first[..part]);
        self.first.advance(part);
        if self.first.is_empty() {
            self.first = Bytes::new();
            // what goes on behind it may have come as well; an end or a failure is met again
            let _more = Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Replay<T> {
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
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
