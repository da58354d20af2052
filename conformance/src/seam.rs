//! A small man in the middle for saboteurs: relays HTTP/1.1 exchanges between two sockets, streaming, and
//! spoils exactly what its saboteur spoils. What it cannot read it passes on untouched, byte by byte.

mod context;
mod request;
mod response;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::wire::{Decoder, Head, head_end};

pub(crate) use context::NONCE;
pub use context::{Context, Hop};
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

async fn serve<S: Inbound>(mut inbound: S, context: &Context, hop: Hop) {
    let mut pending = Vec::new();
    let mut outbound: Option<Outbound> = None;
    loop {
        let message = match read_request(&mut inbound, &mut pending, outbound.as_mut()).await {
            Incoming::Message(head, body) => (head, body),
            Incoming::Opaque => {
                if let Some((head, body)) = context.mended(&pending) {
                    pending.clear();
                    (head, body)
                } else {
                    return tunnel(inbound, pending, context.address(hop)).await;
                }
            }
            Incoming::Closed => return,
        };
        let left = match context.request(hop, message.0, message.1) {
            Action::Forward(forward) => {
                exchange(&mut inbound, &mut pending, &mut outbound, context, hop, forward).await
            }
            Action::Answer(bytes) => match inbound.write_all(&bytes).await {
                Ok(()) => Left::Closed,
                Err(_) => Left::Reset,
            },
            Action::Close => Left::Closed,
        };
        match left {
            Left::Open => {}
            Left::Closed => {
                let _ = inbound.shutdown().await;
                return;
            }
            Left::Reset => return inbound.reset(),
        }
    }
}

enum Incoming {
    Message(Head, Vec<u8>),
    /// Bytes that are not one clear HTTP/1.1 request.
    Opaque,
    Closed,
}

/// Reads one whole request; an idle connection also ends when its far side does.
async fn read_request(
    inbound: &mut (impl AsyncRead + Unpin),
    pending: &mut Vec<u8>,
    mut outbound: Option<&mut Outbound>,
) -> Incoming {
    loop {
        if let Some(end) = head_end(pending) {
            let Some(head) = Head::parse(&pending[..end]).filter(|head| head.request_line().is_some()) else {
                return Incoming::Opaque;
            };
            let Ok(framing) = head.request_framing() else { return Incoming::Opaque };
            if head.get("expect").is_some() {
                return Incoming::Opaque;
            }
            let (mut decoder, mut body) = (Decoder::new(framing), Vec::new());
            match decoder.feed(&pending[end..], &mut body) {
                Ok(taken) if decoder.complete() => {
                    pending.drain(..end + taken);
                    return Incoming::Message(head, body);
                }
                Ok(_) => {}
                Err(_) => return Incoming::Opaque,
            }
        }
        let mut buffer = [0; 16 * 1024];
        let mut idle = [0; 1];
        let far_end = async {
            match outbound.as_mut().filter(|_| pending.is_empty()) {
                Some(outbound) => outbound.stream.read(&mut idle).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = inbound.read(&mut buffer) => match read {
                Ok(size) if size > 0 => pending.extend_from_slice(&buffer[..size]),
                _ if pending.is_empty() => return Incoming::Closed,
                _ => return Incoming::Opaque,
            },
            _ = far_end => return Incoming::Closed,
        }
    }
}

/// Passes everything on as it is.
async fn tunnel(mut inbound: impl Inbound, pending: Vec<u8>, address: SocketAddr) {
    let Ok(mut outbound) = TcpStream::connect(address).await else { return };
    if outbound.write_all(&pending).await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
    }
}

/// A request on its way.
struct Forward {
    address: SocketAddr,
    method: String,
    nonce: String,
    bytes: Vec<u8>,
    /// Sent once more before, its answer thrown away.
    twice: bool,
}

async fn exchange<S: Inbound>(
    inbound: &mut S,
    pending: &mut Vec<u8>,
    outbound: &mut Option<Outbound>,
    context: &Context,
    hop: Hop,
    forward: Forward,
) -> Left {
    if forward.twice {
        let _ = tokio::time::timeout(Duration::from_millis(500), send_and_forget(&forward)).await;
    }
    if outbound.as_ref().is_some_and(|outbound| outbound.address != forward.address) {
        *outbound = None;
    }
    let outbound = match outbound {
        Some(outbound) => outbound,
        None => match TcpStream::connect(forward.address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                outbound.insert(Outbound { address: forward.address, stream, pending: Vec::new() })
            }
            Err(_) => {
                context.no_answer(hop, &forward.nonce);
                return Left::Reset;
            }
        },
    };
    if outbound.stream.write_all(&forward.bytes).await.is_err() {
        context.no_answer(hop, &forward.nonce);
        return Left::Reset;
    }
    response::relay(inbound, pending, outbound, context, hop, &forward).await
}

async fn send_and_forget(forward: &Forward) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(forward.address).await?;
    stream.write_all(&forward.bytes).await?;
    // An answer has begun: the provider has had the request.
    stream.read_u8().await?;
    Ok(())
}
