//! A connection to an upstream, in the clear or in TLS. Its clones are shares of it: one side may write while another reads.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use crate::socket::Shared;

/// A share of a connection.
#[derive(Debug, Clone)]
pub enum Io {
    /// TCP.
    Plain(Shared),
    /// TLS on TCP.
    Tls(Rc<RefCell<TlsStream<Shared>>>),
}

impl Io {
    /// What it looks like to the kernel.
    pub(super) fn with_socket<T>(&self, look: impl FnOnce(&Shared) -> T) -> T {
        match self {
            Self::Plain(socket) => look(socket),
            Self::Tls(stream) => look(stream.borrow().get_ref().0),
        }
    }

    fn with<T, F>(self: Pin<&mut Self>, act: F) -> T
    where
        F: FnOnce(Pin<&mut dyn Duplex>) -> T,
    {
        match self.get_mut() {
            Self::Plain(socket) => act(Pin::new(socket)),
            Self::Tls(stream) => act(Pin::new(&mut *stream.borrow_mut())),
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_read(cx, buf))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|io| io.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|io| io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
