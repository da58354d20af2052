//! The TLS handshake of a connection, as it should be or spoilt.
//!
//! Owns what the journal learns of TLS. Refuses to know certificates: `tls` makes them.

use std::io;
use std::sync::Arc;

use rustls::server::Acceptor;
use rustls::{AlertDescription, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::{Closing, close};
use crate::journal::{Peer, TlsFacts, TlsFailure};
use crate::provider::Shared;
use crate::script::Certificate;
use crate::tls::without_http2;
use crate::wire::{Stream, Wire};

/// A record of TLS 1.2 with the fatal alert `handshake_failure`, which every version understands.
const HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// How TLS is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// As configured.
    Usual,
    /// With an alert.
    Alert,
    /// With a certificate of this kind.
    Certificate(Certificate),
}

pub(super) async fn handshake(
    tcp: TcpStream,
    shared: &Shared,
    id: u64,
    greeting: Greeting,
    cut: &mut watch::Receiver<()>,
) -> Result<Wire, Closing> {
    let Some(usual) = &shared.tls else { return Ok(Wire::new(Stream::Plain(tcp))) };
    if greeting == Greeting::Alert {
        return Err(tokio::select! {
            closing = Box::pin(alert(tcp, shared, id)) => closing,
            _ = cut.changed() => Closing { by: Peer::Mock, reset: false },
        });
    }
    let spoilt = spoilt(shared, greeting);
    // Apart, so that a plain connection does not carry the room of a handshake.
    let shaken = tokio::select! {
        shaken = Box::pin(shake_hands(tcp, spoilt.as_ref().unwrap_or(usual))) => shaken,
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

/// The configuration of a connection that shows another certificate.
fn spoilt(shared: &Shared, greeting: Greeting) -> Option<Arc<ServerConfig>> {
    let Greeting::Certificate(kind) = greeting else { return None };
    let config = shared.ca.as_ref()?.faulty_config_for_any_name(kind);
    let http2 = shared.live().provider.speaks_http2();
    Some(if http2 { config } else { without_http2(&config) })
}

/// Reads the greeting, and answers with an alert.
async fn alert(mut tcp: TcpStream, shared: &Shared, id: u64) -> Closing {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), &mut tcp).await;
    let sni = hello.as_ref().ok().and_then(|hello| hello.client_hello().server_name().map(str::to_owned));
    if let Err(error) = hello.map(drop) {
        let (failure, closing) = failure(sni, &error);
        shared.recorder.handshake_failed(id, failure);
        return closing;
    }
    let reason = "the script fails the handshake".to_owned();
    shared.recorder.handshake_failed(id, TlsFailure { sni, alert: None, reason });
    // A caller that has left meanwhile is told nothing.
    let _ = tcp.write_all(&HANDSHAKE_FAILURE).await;
    close(&mut Wire::new(Stream::Plain(tcp)), shared, id, Peer::Fault).await
}
