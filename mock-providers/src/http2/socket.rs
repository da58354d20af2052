//! A wire as the library of HTTP/2 wants it.
//!
//! Owns the bytes that were read before the protocol was known, and the gauge of what passes. Refuses to end the
//! stream: how a connection ends is the script's.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wire::Wire;

/// What is known of a socket while the library holds it.
#[derive(Default)]
pub(super) struct Gauge {
    taken: AtomicU64,
    blocked: AtomicBool,
}

impl Gauge {
    /// How many bytes came so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether bytes are waiting for the caller to read.
    pub(super) fn blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }
}

/// The wire of a connection.
pub(super) struct Socket<'w> {
    wire: &'w mut Wire,
    gauge: Arc<Gauge>,
}

impl<'w> Socket<'w> {
    pub(super) fn new(wire: &'w mut Wire, gauge: Arc<Gauge>) -> Self {
        Self { wire, gauge }
    }

    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.gauge.blocked.store(written.is_pending(), Ordering::Relaxed);
        written
    }
}

impl AsyncRead for Socket<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { wire, gauge } = self.get_mut();
        if wire.inbound.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut wire.stream).poll_read(cx, buf))?;
            wire.taken += (buf.filled().len() - before) as u64;
        } else {
            let early = wire.inbound.len().min(buf.remaining());
            buf.put_slice(&wire.inbound[..early]);
            wire.inbound.advance(early);
        }
        gauge.taken.store(wire.taken, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.wire.stream).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.wire.stream).poll_flush(cx);
        self.note(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
