//! One accepted connection as bytes: read, write, wait, end.
//!
//! Owns watching the caller: whatever is awaited here notices a FIN or RST at once.
//! Refuses to know HTTP, and never writes a byte that it was not given.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// While an answer is under way, at most this much of a next request is taken in.
const AHEAD: usize = 1 << 20;
const READ_SIZE: usize = 8 << 10;
/// A buffer of this size may stay while nothing is in it.
const KEPT: usize = 2 << 10;
/// How long a caller may keep sending after our FIN, before the close turns into a reset.
const LINGER: Duration = Duration::from_secs(1);

/// How often a slow reader reads.
const TICKS_PER_SECOND: usize = 50;

/// The caller is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    /// By RST rather than FIN.
    pub(crate) reset: bool,
}

/// A connection and what was read from it but not yet used.
pub(crate) struct Wire {
    pub(crate) stream: Stream,
    pub(crate) inbound: BytesMut,
    /// How many bytes of the application came so far.
    pub(crate) taken: u64,
    /// How many bytes a second are read, where a script slows that down.
    pub(crate) rate: Option<usize>,
}

/// Plain or encrypted.
pub(crate) enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, inbound: BytesMut::new(), taken: 0, rate: None }
    }

    /// Reads more, at least one byte.
    pub(crate) async fn fill(&mut self) -> Result<(), Gone> {
        if let Some(rate) = self.rate {
            return self.sip(rate).await;
        }
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Reads a tick's share of a rate, or one byte where that is more, after the time that it takes.
    async fn sip(&mut self, rate: usize) -> Result<(), Gone> {
        let share = (rate / TICKS_PER_SECOND).max(1);
        tokio::time::sleep(Duration::from_secs_f64(share as f64 / rate as f64)).await;
        let read = (&mut self.stream).take(share as u64).read_buf(&mut self.inbound).await;
        self.came(read)
    }

    /// Writes everything, unless the caller leaves first.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let mut rest = bytes;
        poll_fn(|cx| {
            self.poll_watch(cx)?;
            while !rest.is_empty() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, rest)).map_err(|_| Gone { reset: true });
                rest = &rest[written?..];
            }
            Pin::new(&mut self.stream).poll_flush(cx).map_err(|_| Gone { reset: true })
        })
        .await
    }

    /// Waits for the time, or for ever, unless the caller leaves first.
    pub(crate) async fn wait(&mut self, until: Option<Instant>) -> Result<(), Gone> {
        match until {
            Some(until) => self.meanwhile(tokio::time::sleep_until(until.into())).await,
            None => self.meanwhile(std::future::pending()).await,
        }
    }

    /// Waits for something else, unless the caller leaves first.
    pub(crate) async fn meanwhile<T>(&mut self, other: impl Future<Output = T>) -> Result<T, Gone> {
        let watch = poll_fn(|cx| match self.poll_watch(cx) {
            Err(gone) => Poll::Ready(gone),
            Ok(()) => Poll::Pending,
        });
        tokio::select! {
            biased;
            gone = watch => Err(gone),
            done = other => Ok(done),
        }
    }

    fn poll_watch(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        while self.inbound.len() < AHEAD {
            match self.poll_fill(cx) {
                Poll::Ready(read) => read?,
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let room = self.inbound.capacity() - self.inbound.len();
        let read = if room >= READ_SIZE {
            ready!(pin!(self.stream.read_buf(&mut self.inbound)).poll(cx))
        } else {
            // Through the stack: what waits for its caller, perhaps for long, holds no buffer.
            let mut space = [MaybeUninit::uninit(); READ_SIZE];
            let mut space = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space));
            self.inbound.extend_from_slice(space.filled());
            read.map(|()| space.filled().len())
        };
        Poll::Ready(self.came(read))
    }

    /// Counts what a read brought.
    fn came(&mut self, read: io::Result<usize>) -> Result<(), Gone> {
        match read {
            Ok(0) => Err(Gone { reset: false }),
            Ok(read) => {
                self.taken += read as u64;
                Ok(())
            }
            // A TLS peer that ends without a close_notify has still sent a FIN, not a RST.
            Err(e) => Err(Gone { reset: e.kind() != ErrorKind::UnexpectedEof }),
        }
    }

    /// Takes so many bytes out of what has come. A few are copied, so that whoever keeps them keeps no more than them.
    pub(crate) fn take(&mut self, length: usize) -> Bytes {
        if length > READ_SIZE {
            return self.inbound.split_to(length).freeze();
        }
        let bytes = Bytes::copy_from_slice(&self.inbound[..length]);
        self.inbound.advance(length);
        bytes
    }

    /// Gives back the buffer while nothing is in it.
    pub(crate) fn relax(&mut self) {
        if self.inbound.is_empty() && self.inbound.capacity() > KEPT {
            self.inbound = BytesMut::new();
        }
    }

    /// Ends in order: TLS says goodbye, then FIN.
    pub(crate) async fn finish(&mut self) {
        // A caller that is gone already cannot be told; the close below settles it.
        let _ = tokio::time::timeout(LINGER, self.stream.shutdown()).await;
    }

    /// Ends the TCP stream alone: FIN, and for TLS no goodbye.
    pub(crate) fn fin(&mut self) {
        // It fails only when the caller has reset, which is an end too.
        let _ = SockRef::from(self.stream.tcp()).shutdown(Shutdown::Write);
    }

    /// Makes the coming drop a reset.
    pub(crate) fn reset(&mut self) {
        reset_on_drop(self.stream.tcp());
    }

    /// After our FIN: takes what the caller still sends, so that the close does not reset what it has yet to read.
    pub(crate) async fn linger(&mut self) {
        let until = Instant::now() + LINGER;
        let drained = async {
            while self.fill().await.is_ok() {
                self.inbound.clear();
            }
        };
        // Either way the connection is dropped next.
        let _ = tokio::time::timeout_at(until.into(), drained).await;
    }
}

/// Makes the coming drop of a socket a reset.
pub(crate) fn reset_on_drop(tcp: &TcpStream) {
    // It fails only on a socket that is no more.
    let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
