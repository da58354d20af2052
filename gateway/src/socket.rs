//! A TCP connection of which several hold a share: whoever reads it, whoever writes it, and TLS, below which it is asked
//! whether the peer has closed it before it is used again.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A shared TCP connection.
#[derive(Debug, Clone)]
pub struct Shared(Rc<RefCell<TcpStream>>);

impl Shared {
    /// Shares a connection.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self(Rc::new(RefCell::new(stream)))
    }

    /// Whether the peer has not closed or reset the connection, as far as the kernel knows.
    #[must_use]
    pub fn alive(&self) -> bool {
        is_quiet(peek(&self.0.borrow()))
    }

    /// The same as far as this core has heard: the kernel is asked only where something was heard since all was read.
    #[must_use]
    pub fn seems_alive(&self) -> bool {
        let stream = self.0.borrow();
        is_quiet(stream.try_io(Interest::READABLE, || peek(&stream)))
    }

    /// Ends the connection in both directions, for all who hold a share of it.
    pub fn end(&self) {
        // it fails when the connection has ended already
        let _ended = SockRef::from(&*self.0.borrow()).shutdown(std::net::Shutdown::Both);
    }
}

fn peek(stream: &TcpStream) -> io::Result<usize> {
    SockRef::from(stream).peek(&mut [MaybeUninit::uninit()])
}

/// Whether there is neither an end nor bytes that nobody asked for.
fn is_quiet(peeked: io::Result<usize>) -> bool {
    peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncRead for Shared {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_closed_connection_is_known_without_reading_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut ours = Shared::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (mut peer, _) = listener.accept().await.unwrap();
        assert!(ours.alive());
        peer.write_all(b"x").await.unwrap();
        let mut byte = [0];
        ours.read_exact(&mut byte).await.unwrap();
        ours.write_all(b"y").await.unwrap();
        assert!(ours.alive() && ours.seems_alive());
        drop(peer);
        while ours.alive() {
            tokio::task::yield_now().await;
        }
        while ours.seems_alive() {
            tokio::task::yield_now().await;
        }
    }
}
