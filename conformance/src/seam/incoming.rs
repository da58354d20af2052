//! What arrives at a seam: whole requests one by one, or bytes that are none and are passed on as they are.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Inbound, Outbound};
use crate::wire::{Decoder, Head, head_end};

/// The next thing on a connection.
pub(super) enum Incoming {
    /// A request with its whole body.
    Message(Head, Vec<u8>),
    /// Bytes that are not one clear HTTP/1.1 request.
    Opaque,
    /// The end.
    Closed,
}

/// Reads one whole request; an idle connection also ends when its far side does, if there is one to watch.
pub(super) async fn read_request(
    inbound: &mut (impl AsyncRead + Unpin),
    pending: &mut Vec<u8>,
    mut watched: Option<&mut Outbound>,
) -> Incoming {
    loop {
        if let Some(incoming) = parsed(pending) {
            return incoming;
        }
        let mut buffer = [0; 16 * 1024];
        let mut idle = [0; 1];
        let far_end = async {
            match watched.as_mut().filter(|_| pending.is_empty()) {
                Some(outbound) => outbound.stream.read(&mut idle).await,
                None => std::future::pending().await,
            }
        };
        // A request that has come is read even if the far side has gone meanwhile: what becomes of it is an attempt.
        tokio::select! {
            biased;
            read = inbound.read(&mut buffer) => match read {
                Ok(size) if size > 0 => pending.extend_from_slice(&buffer[..size]),
                _ if pending.is_empty() => return Incoming::Closed,
                _ => return Incoming::Opaque,
            },
            _ = far_end => return Incoming::Closed,
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
