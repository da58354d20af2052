//! Whether a client is still there while nobody reads what it says. The HTTP layer finds out by reading, into 8 KiB of its
//! own for each answer that is waited for; a socket can be asked.

use std::task::{Context, Poll, ready};

use tokio::io::{DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection with a client.
pub(crate) trait Presence {
    /// Whether it can be asked; of others somebody has to read.
    const ASKED: bool = false;

    /// Ready when the client has closed or reset its side and has said nothing that is not read yet.
    fn poll_left(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Presence for TcpStream {
    const ASKED: bool = true;

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(self.poll_peek(cx, &mut ReadBuf::new(&mut [0]))) {
            // a next request: it is read when the answer is out
            Ok(1..) => Poll::Pending,
            Ok(0) | Err(_) => Poll::Ready(()),
        }
    }
}

/// A TLS connection says by a record that it ends.
impl<T> Presence for TlsStream<T> {}

/// In memory, for tests.
impl Presence for DuplexStream {}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::TcpStream as StdStream;

    use super::*;

    #[tokio::test]
    async fn a_client_has_left_when_it_closed_and_not_while_it_says_something() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let left = |server: &mut TcpStream| server.poll_left(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(left(&mut server).is_pending());
        client.write_all(b"x").unwrap();
        server.readable().await.unwrap();
        assert!(left(&mut server).is_pending());
        assert_eq!(server.try_read(&mut [0; 2]).unwrap(), 1);
        drop(client);
        poll_fn(|cx| server.poll_left(cx)).await;
    }
}
