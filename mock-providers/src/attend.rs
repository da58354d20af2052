//! One accepted socket from its handshake to its end.
//!
//! Owns what a connection gets before HTTP: nothing at all (a black hole), a TLS handshake, or service at once; and
//! what the journal learns of it. Refuses to accept or to speak HTTP: the listener and `connection` do.

mod handshake;
mod reception;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::connection::{self, Closing, close};
use crate::http2;
use crate::journal::{End, Peer};
use crate::provider::Shared;
use crate::wire::{Gone, Stream, Wire};
pub(crate) use handshake::Greeting;
use handshake::handshake;
pub(crate) use reception::Reception;

/// What a connection gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attention {
    /// Requests are answered, unless the handshake spoils it.
    Service(Greeting),
    /// It ends at once, by FIN.
    Close,
    /// It ends at once, by RST.
    Reset,
    /// Nothing is read or written, for ever.
    Neglect,
    /// Nothing is read or written for that time, then the connection ends.
    NeglectFor(Duration),
}

/// Carries a connection to its end, or until it is cut.
pub(crate) async fn attend(
    tcp: TcpStream,
    shared: Arc<Shared>,
    id: u64,
    reception: Reception,
    mut cut: watch::Receiver<()>,
) {
    // Without it small writes would wait for each other; a socket that refuses it still works.
    let _ = tcp.set_nodelay(true);
    let Reception { delay, attention, done, not_applicable } = reception;
    if !done.is_empty() || !not_applicable.is_empty() {
        shared.recorder.spoilt(id, &done, not_applicable);
    }
    let closing = match delay {
        Some(time) if late(time, &mut cut).await => {
            crate::wire::reset_on_drop(&tcp);
            Closing { by: Peer::Mock, reset: true }
        }
        _ => receive(tcp, &shared, id, attention, &mut cut).await,
    };
    shared.recorder.closed(id, shared.now(), closing);
}

/// Waits before a connection is looked at; says whether it was cut meanwhile. Not as in `neglect`, whose look for a
/// caller that leaves would spoil the reads that follow.
async fn late(time: Duration, cut: &mut watch::Receiver<()>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => false,
        _ = cut.changed() => true,
    }
}

async fn receive(
    tcp: TcpStream,
    shared: &Arc<Shared>,
    id: u64,
    attention: Attention,
    cut: &mut watch::Receiver<()>,
) -> Closing {
    match attention {
        Attention::Service(greeting) => serve(tcp, shared, id, greeting, cut).await,
        Attention::Neglect => neglect(&tcp, None, cut).await,
        Attention::NeglectFor(time) => neglect(&tcp, Some(time), cut).await,
        Attention::Close => close(&mut Wire::new(Stream::Plain(tcp)), shared, id, Peer::Fault).await,
        Attention::Reset => {
            crate::wire::reset_on_drop(&tcp);
            Closing { by: Peer::Fault, reset: true }
        }
    }
}

async fn serve(
    tcp: TcpStream,
    shared: &Arc<Shared>,
    id: u64,
    greeting: Greeting,
    cut: &mut watch::Receiver<()>,
) -> Closing {
    let connect = shared.connect_delay(id);
    if !connect.is_zero() && late(connect, cut).await {
        crate::wire::reset_on_drop(&tcp);
        return Closing { by: Peer::Mock, reset: true };
    }
    let mut wire = match handshake(tcp, shared, id, greeting, cut).await {
        Ok(wire) => wire,
        Err(closing) => return closing,
    };
    let closing = tokio::select! {
        closing = speak(&mut wire, shared, id) => closing,
        _ = cut.changed() => {
            wire.reset();
            shared.recorder.abandon(id, End::Fault);
            Closing { by: Peer::Mock, reset: true }
        }
    };
    shared.recorder.took(id, wire.taken);
    closing
}

/// Speaks the version of HTTP that the caller begins with.
async fn speak(wire: &mut Wire, shared: &Arc<Shared>, id: u64) -> Closing {
    if shared.live().provider.speaks_http2() && http2::begins(wire).await {
        // Boxed, so that a connection of HTTP/1.1 does not hold the room for it.
        Box::pin(http2::serve(wire, shared, id)).await
    } else {
        connection::serve(wire, shared, id).await
    }
}

/// Holds a connection without a look at what it brings.
async fn neglect(tcp: &TcpStream, time: Option<Duration>, cut: &mut watch::Receiver<()>) -> Closing {
    let over = async {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        gone = departure(tcp) => gone.into(),
        () = over => Closing { by: Peer::Fault, reset: false },
        _ = cut.changed() => {
            crate::wire::reset_on_drop(tcp);
            Closing { by: Peer::Mock, reset: true }
        }
    }
}

/// Resolves when the caller has ended its side; what it sent stays unread.
async fn departure(tcp: &TcpStream) -> Gone {
    loop {
        match tcp.ready(Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => {}
            _ => return Gone { reset: tcp.take_error().is_ok_and(|error| error.is_some()) },
        }
        // Declares the bytes that have come read, so that the next look waits for something new.
        let _ = tcp.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
}
