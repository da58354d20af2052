//! What arrives at a seam: whole requests one by one, or bytes that are none and are passed on as they are.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{Inbound, Outbound};
use crate::wire::{Decoder, Head, head_end};

/// The next thing on a connection.
pub(super) enum Incoming {
    /// A request with its whole body.
    Message(Head, Vec<u8>),
    /// A request that was sent before its sender could know that the connection ends: nobody answers it.
    Crossed(Head, Vec<u8>),
    /// Bytes that are not one clear HTTP/1.1 request.
    Opaque,
    /// The end.
    Closed,
}

/// How long a request is waited for that crosses with the end of the connection.
const CROSSING: Duration = Duration::from_secs(1);

/// Reads one whole request; an idle connection also ends when its far side does, if there is one to watch. A request
/// that crosses with that end is still read: it is an attempt, and who counts attempts must not miss it.
pub(super) async fn read_request(
    inbound: &mut (impl AsyncRead + AsyncWrite + Unpin),
    pending: &mut Vec<u8>,
    mut watched: Option<&mut Outbound>,
) -> Incoming {
    let mut ends = None;
    loop {
        if let Some(incoming) = parsed(pending) {
            return match (incoming, ends) {
                (incoming, None) => incoming,
                (Incoming::Message(head, body), Some(_)) => Incoming::Crossed(head, body),
                (_, Some(_)) => Incoming::Closed,
            };
        }
        let mut buffer = [0; 16 * 1024];
        let mut idle = [0; 1];
        let far_end = async {
            match watched.as_mut().filter(|_| pending.is_empty()) {
                Some(outbound) => drop(outbound.stream.read(&mut idle).await),
                None => std::future::pending().await,
            }
        };
        let over = async {
            match ends.filter(|_| pending.is_empty()) {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        // A request that has come is read even if the far side has gone meanwhile: what becomes of it is an attempt.
        tokio::select! {
            biased;
            read = inbound.read(&mut buffer) => match read {
                Ok(size) if size > 0 => pending.extend_from_slice(&buffer[..size]),
                _ if pending.is_empty() || ends.is_some() => return Incoming::Closed,
                _ => return Incoming::Opaque,
            },
            () = far_end => {
                let _ = inbound.shutdown().await;
                (watched, ends) = (None, Some(Instant::now() + CROSSING));
            }
            () = over => return Incoming::Closed,
        }
    }
}

/// Takes a whole request out of `pending`; `None` when more must come first.
fn parsed(pending: &mut Vec<u8>) -> Option<Incoming> {
    let end = head_end(pending)?;
    let Some(head) = Head::parse(&pending[..end]).filter(|head| head.request_line().is_some()) else {
        return Some(Incoming::Opaque);
    };
    let Ok(framing) = head.request_framing() else { return Some(Incoming::Opaque) };
    if head.get("expect").is_some() {
        return Some(Incoming::Opaque);
    }
    let (mut decoder, mut body) = (Decoder::new(framing), Vec::new());
    match decoder.feed(&pending[end..], &mut body) {
        Ok(taken) if decoder.complete() => {
            pending.drain(..end + taken);
            Some(Incoming::Message(head, body))
        }
        Ok(_) => None,
        Err(_) => Some(Incoming::Opaque),
    }
}

/// Waits for the first bytes of a request; false when none come.
pub(super) async fn begun(inbound: &mut (impl AsyncRead + Unpin), pending: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 16 * 1024];
    if pending.is_empty()
        && let Ok(size) = inbound.read(&mut buffer).await
    {
        pending.extend_from_slice(&buffer[..size]);
    }
    !pending.is_empty()
}

/// Passes everything on as it is.
pub(super) async fn tunnel(mut inbound: impl Inbound, pending: Vec<u8>, address: SocketAddr) {
    let Ok(mut outbound) = TcpStream::connect(address).await else { return };
    if outbound.write_all(&pending).await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A far side that has closed.
    async fn ended() -> Outbound {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        drop(listener.accept().await.unwrap());
        Outbound { address, stream, pending: Vec::new() }
    }

    #[tokio::test]
    async fn a_request_that_crosses_with_the_end_is_read() {
        let mut outbound = ended().await;
        let (mut gateway, mut inbound) = tokio::io::duplex(1024);
        let mut pending = Vec::new();
        let sender = async {
            assert_eq!(gateway.read(&mut [0; 1]).await.unwrap(), 0, "the end shows");
            gateway.write_all(b"GET /late HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        };
        let both = async { tokio::join!(read_request(&mut inbound, &mut pending, Some(&mut outbound)), sender) };
        let (read, ()) = tokio::time::timeout(10 * CROSSING, both).await.expect("the connection ends");
        let Incoming::Crossed(head, _) = read else { panic!("the request was not read") };
        assert_eq!(head.request_line(), Some(("GET", "/late")));
    }

    #[tokio::test]
    async fn a_connection_that_has_ended_is_let_go_though_nobody_closes_it() {
        let mut outbound = ended().await;
        let (_gateway, mut inbound) = tokio::io::duplex(1024);
        let read = read_request(&mut inbound, &mut Vec::new(), Some(&mut outbound)).await;
        assert!(matches!(read, Incoming::Closed));
    }
}
