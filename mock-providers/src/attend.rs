//! One accepted socket from its handshake to its end.
//!
//! Owns what a connection gets before HTTP: nothing at all (a black hole), a TLS handshake, or service at once; and
//! what the journal learns of it. Refuses to accept or to speak HTTP: the listener and `connection` do.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use rustls::{AlertDescription, ServerConfig};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::{self, Closing};
use crate::journal::{End, Peer, TlsFacts, TlsFailure};
use crate::provider::Shared;
use crate::wire::{Gone, Stream, Wire};

/// What a connection gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attention {
    /// Requests are answered.
    Service,
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
    attention: Attention,
    mut cut: watch::Receiver<()>,
) {
    // Without it small writes would wait for each other; a socket that refuses it still works.
    let _ = tcp.set_nodelay(true);
    let closing = match attention {
        Attention::Service => serve(tcp, &shared, id, &mut cut).await,
        Attention::Neglect => neglect(&tcp, None, &mut cut).await,
        Attention::NeglectFor(time) => neglect(&tcp, Some(time), &mut cut).await,
    };
    shared.recorder.closed(id, shared.now(), closing);
}

async fn serve(tcp: TcpStream, shared: &Shared, id: u64, cut: &mut watch::Receiver<()>) -> Closing {
    let late = shared.connect_delay(id);
    if !late.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(late) => {}
            _ = cut.changed() => {
                crate::wire::reset_on_drop(&tcp);
                return Closing { by: Peer::Mock, reset: true };
            }
        }
    }
    let mut wire = match handshake(tcp, shared, id, cut).await {
        Ok(wire) => wire,
        Err(closing) => return closing,
    };
    let closing = tokio::select! {
        closing = connection::serve(&mut wire, shared, id) => closing,
        _ = cut.changed() => {
            wire.reset();
            shared.recorder.abandon(id, End::Fault);
            Closing { by: Peer::Mock, reset: true }
        }
    };
    shared.recorder.took(id, wire.taken);
    closing
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

async fn handshake(tcp: TcpStream, shared: &Shared, id: u64, cut: &mut watch::Receiver<()>) -> Result<Wire, Closing> {
    let Some(config) = &shared.tls else { return Ok(Wire::new(Stream::Plain(tcp))) };
    // Apart, so that a plain connection does not carry the room of a handshake.
    let shaken = tokio::select! {
        shaken = Box::pin(shake_hands(tcp, config)) => shaken,
        _ = cut.changed() => return Err(Closing { by: Peer::Mock, reset: false }),
    };
    match shaken {
        Ok(tls) => {
            shared.recorder.handshake(id, facts(&tls));
            Ok(Wire::new(Stream::Tls(Box::new(tls))))
        }
        Err((sni, error)) => {
            let (failure, closing) = failure(sni, &error);
            shared.recorder.handshake_failed(id, failure);
            Err(closing)
        }
    }
}

/// A TLS session, or why there is none and the name that was asked for.
async fn shake_hands(
    tcp: TcpStream,
    config: &Arc<ServerConfig>,
) -> Result<TlsStream<TcpStream>, (Option<String>, io::Error)> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), tcp).await.map_err(|error| (None, error))?;
    let sni = hello.client_hello().server_name().map(str::to_owned);
    hello.into_stream(config.clone()).await.map_err(|error| (sni, error))
}

fn facts(tls: &TlsStream<TcpStream>) -> TlsFacts {
    let session = tls.get_ref().1;
    TlsFacts {
        sni: session.server_name().map(ToString::to_string),
        alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        version: session.protocol_version().and_then(|version| version.as_str()).map(str::to_owned),
    }
}

fn failure(sni: Option<String>, error: &io::Error) -> (TlsFailure, Closing) {
    let alert = error.get_ref().and_then(|inner| match inner.downcast_ref() {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    });
    let reset = error.kind() == io::ErrorKind::ConnectionReset;
    let left = reset || alert.is_some() || error.kind() == io::ErrorKind::UnexpectedEof;
    let alert = alert.as_ref().map(AlertDescription::as_str).map(|name| name.unwrap_or("unknown").to_owned());
    let by = if left { Peer::Client } else { Peer::Mock };
    (TlsFailure { sni, alert, reason: error.to_string() }, Closing { by, reset })
}
