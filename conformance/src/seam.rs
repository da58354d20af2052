//! A small man in the middle for saboteurs: relays HTTP/1.1 exchanges and frames of HTTP/2 between two sockets,
//! streaming, and spoils exactly what its saboteur spoils. What it cannot read it passes on untouched, byte by byte.

mod answer;
mod astray;
mod cache;
pub(crate) mod configuration;
mod context;
mod events;
mod http2;
mod incoming;
mod request;
mod response;
pub(crate) mod status;
mod stream;
pub(crate) mod telemetry;
mod towards_gateway;
mod towards_provider;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::saboteur::Saboteur;
use crate::wire::Head;

pub(crate) use context::NONCE;
pub use context::{Context, Hop};
use incoming::{Incoming, begun, read_request, tunnel};
use request::Action;

/// One listening seam; stops when dropped.
#[derive(Debug)]
pub struct Seam {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Seam {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a seam in front of `hop`; with `tls` it ends TLS itself and speaks plain text behind.
pub async fn start(context: Arc<Context>, hop: Hop, tls: Option<Arc<rustls::ServerConfig>>) -> std::io::Result<Seam> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            if context.is_too_early() {
                stream.reset();
                continue;
            }
            let _ = stream.set_nodelay(true);
            let (context, tls) = (Arc::clone(&context), tls.clone());
            connections.spawn(async move {
                match tls {
                    None => serve(stream, &context, hop).await,
                    Some(config) => {
                        if let Ok(stream) = tokio_rustls::TlsAcceptor::from(config).accept(stream).await {
                            serve(stream, &context, hop).await;
                        }
                    }
                }
            });
            while connections.try_join_next().is_some() {}
        }
    });
    Ok(Seam { address, task })
}

/// A stream that can end with a reset.
trait Inbound: AsyncRead + AsyncWrite + Unpin + Send {
    fn reset(self);
}

impl Inbound for TcpStream {
    fn reset(self) {
        let _ = socket2::SockRef::from(&self).set_linger(Some(Duration::ZERO));
    }
}

impl Inbound for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset(self) {
        self.into_inner().0.reset();
    }
}

/// How one exchange left the connection.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// Both sides may be used again.
    Open,
    /// The inbound side ends properly.
    Closed,
    /// The inbound side is reset.
    Reset,
}

/// The far side of a connection, kept between requests.
struct Outbound {
    address: SocketAddr,
    stream: TcpStream,
    /// Bytes read behind the last answer.
    pending: Vec<u8>,
}

/// A request on its way.
struct Forward {
    address: SocketAddr,
    method: String,
    nonce: String,
    /// Which attempt of its exchange it is, from 1.
    attempt: u32,
    bytes: Vec<u8>,
}

/// One inbound connection and the far side that belongs to it.
struct Connection<'c, S> {
    inbound: S,
    /// Bytes that came and were not used.
    pending: Vec<u8>,
    outbound: Option<Outbound>,
    context: &'c Context,
    hop: Hop,
}

async fn serve<S: Inbound>(inbound: S, context: &Context, hop: Hop) {
    let mut connection = Connection { inbound, pending: Vec::new(), outbound: None, context, hop };
    loop {
        let (head, body) = match connection.next().await {
            Incoming::Message(head, body) => (head, body),
            Incoming::Opaque if http2::begins(&connection.pending) => {
                return http2::relay(connection.inbound, connection.pending, context, hop).await;
            }
            Incoming::Opaque => match towards_gateway::mended(context.saboteur, &connection.pending) {
                Some(mended) => {
                    connection.pending.clear();
                    mended
                }
                None => return tunnel(connection.inbound, connection.pending, context.address(hop)).await,
            },
            Incoming::Crossed(head, body) => {
                if matches!(hop, Hop::Provider(_)) {
                    // an attempt that got no answer: what would have happened to it is nobody's business any more
                    let _counted = context.request(hop, head, body);
                    context.no_answer(hop, false);
                }
                return;
            }
            Incoming::Closed => return,
        };
        context.begins(hop);
        let left = connection.answered(head, body).await;
        context.ends(hop);
        match left {
            Left::Open => {}
            Left::Closed => {
                let _ = connection.inbound.shutdown().await;
                return;
            }
            Left::Reset => return connection.inbound.reset(),
        }
    }
}

impl<S: Inbound> Connection<'_, S> {
    async fn next(&mut self) -> Incoming {
        let at_gateway = matches!(self.hop, Hop::Gateway(_));
        match self.context.saboteur {
            Saboteur::SlowClientStarvesOthers if at_gateway => {
                if !begun(&mut self.inbound, &mut self.pending).await {
                    return Incoming::Closed;
                }
                let _turn = self.context.arriving.lock().await;
                read_request(&mut self.inbound, &mut self.pending, None).await
            }
            Saboteur::StaleConnectionKept => read_request(&mut self.inbound, &mut self.pending, None).await,
            _ => read_request(&mut self.inbound, &mut self.pending, self.outbound.as_mut()).await,
        }
    }

    async fn answered(&mut self, head: Head, body: Vec<u8>) -> Left {
        match self.context.request(self.hop, head, body) {
            Action::Forward(forward) => self.exchange(forward).await,
            Action::Answer(bytes) => match self.inbound.write_all(&bytes).await {
                Ok(()) => Left::Closed,
                Err(_) => Left::Reset,
            },
            Action::Close => Left::Closed,
            Action::Hang => {
                let _ = self.inbound.read(&mut [0; 1]).await;
                Left::Reset
            }
        }
    }

    async fn exchange(&mut self, forward: Forward) -> Left {
        let at_provider = matches!(self.hop, Hop::Provider(_));
        let saboteur = self.context.saboteur;
        if saboteur == Saboteur::RequestDuplicated && at_provider {
            astray::send_and_forget(&forward, forward.address).await;
        }
        let other = self.outbound.as_ref().is_some_and(|outbound| outbound.address != forward.address);
        if other || (saboteur == Saboteur::ConnectionPerRequest && at_provider) {
            self.outbound = None;
        }
        if self.outbound.is_none() {
            let Ok(stream) = TcpStream::connect(forward.address).await else {
                self.context.no_answer(self.hop, false);
                return Left::Reset;
            };
            let _ = stream.set_nodelay(true);
            self.outbound = Some(Outbound { address: forward.address, stream, pending: Vec::new() });
        }
        let outbound = self.outbound.as_mut().expect("connected just now");
        // What a failed write means shows when the answer is read.
        let _ = outbound.stream.write_all(&forward.bytes).await;
        response::relay(&mut self.inbound, &mut self.pending, outbound, self.context, self.hop, &forward).await
    }
}

/// Changes a body that is a JSON object.
fn edit(body: &mut Vec<u8>, change: impl FnOnce(&mut Map<String, Value>)) {
    if let Ok(Value::Object(mut object)) = serde_json::from_slice(body) {
        change(&mut object);
        *body = Value::Object(object).to_string().into_bytes();
    }
}
