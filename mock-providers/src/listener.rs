//! The port of a provider and the tasks of its connections.
//!
//! Owns opening and closing the port without ever losing it: a second socket, bound but never listening, holds it.
//! Refuses to serve: connections do.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::connection::{self, Closing};
use crate::journal::{End, Peer, TlsFacts};
use crate::provider::Shared;
use crate::wire::{Stream, Wire};

const BACKLOG: i32 = 1024;

/// What the handle asks of the listener.
pub(crate) enum Command {
    /// Close the port, reset the connections.
    Close(oneshot::Sender<io::Result<()>>),
    /// Open the port.
    Open(oneshot::Sender<io::Result<()>>),
}

/// The port, open or closed, and what came in through it.
pub(crate) struct Listener {
    shared: Arc<Shared>,
    addr: SocketAddr,
    /// Keeps the port ours while it is closed.
    _reservation: Socket,
    open: Option<TcpListener>,
    connections: JoinSet<()>,
    /// Tells connections to reset.
    cut: watch::Sender<()>,
}

impl Listener {
    /// Takes the port without opening it.
    pub(crate) fn reserve(bind: SocketAddr, shared: Arc<Shared>) -> io::Result<Self> {
        let reservation = bound(bind)?;
        let addr = reservation.local_addr()?.as_socket().ok_or_else(|| io::Error::other("not an IP socket"))?;
        Ok(Self {
            shared,
            addr,
            _reservation: reservation,
            open: None,
            connections: JoinSet::new(),
            cut: watch::Sender::new(()),
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn open(&mut self) -> io::Result<()> {
        if self.open.is_none() {
            let socket = bound(self.addr)?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            self.open = Some(TcpListener::from_std(socket.into())?);
        }
        Ok(())
    }

    async fn close(&mut self) {
        self.open = None;
        self.cut.send_replace(());
        while self.connections.join_next().await.is_some() {}
    }

    /// Accepts until the handle is dropped.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    None => return,
                    Some(Command::Close(reply)) => {
                        self.close().await;
                        // Whoever asked may have stopped waiting.
                        let _ = reply.send(Ok(()));
                    }
                    Some(Command::Open(reply)) => {
                        let _ = reply.send(self.open());
                    }
                },
                accepted = accept(self.open.as_ref()) => self.take(accepted),
                _ = self.connections.join_next(), if !self.connections.is_empty() => {}
            }
        }
    }

    fn take(&mut self, accepted: io::Result<TcpStream>) {
        // A failed accept concerns a caller that has left already.
        let Ok(tcp) = accepted else { return };
        let (shared, cut) = (self.shared.clone(), self.cut.subscribe());
        let id = shared.recorder.opened(shared.now());
        self.connections.spawn(attend(tcp, shared, id, cut));
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(tcp, _)| tcp),
        None => std::future::pending().await,
    }
}

/// Serves one connection until it ends or is cut.
async fn attend(tcp: TcpStream, shared: Arc<Shared>, id: u64, mut cut: watch::Receiver<()>) {
    // Without it small writes would wait for each other; a socket that refuses it still works.
    let _ = tcp.set_nodelay(true);
    let closing = match handshake(tcp, &shared, id, &mut cut).await {
        Err(closing) => closing,
        Ok(mut wire) => tokio::select! {
            closing = connection::serve(&mut wire, &shared, id) => closing,
            _ = cut.changed() => {
                wire.reset();
                shared.recorder.abandon(id, End::Fault);
                Closing { by: Peer::Mock, reset: true }
            }
        },
    };
    shared.recorder.closed(id, shared.now(), closing.by, closing.reset);
}

async fn handshake(tcp: TcpStream, shared: &Shared, id: u64, cut: &mut watch::Receiver<()>) -> Result<Wire, Closing> {
    let Some(acceptor) = &shared.tls else { return Ok(Wire::new(Stream::Plain(tcp))) };
    let accepting = acceptor.accept(tcp).into_fallible();
    tokio::select! {
        accepted = accepting => match accepted {
            Ok(tls) => {
                let session = tls.get_ref().1;
                let alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
                let sni = session.server_name().map(ToString::to_string);
                shared.recorder.handshake(id, TlsFacts { sni, alpn });
                Ok(Wire::new(Stream::Tls(Box::new(tls))))
            }
            Err((error, tcp)) => {
                let left = matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset);
                drop(tcp);
                let by = if left { Peer::Client } else { Peer::Mock };
                Err(Closing { by, reset: error.kind() == io::ErrorKind::ConnectionReset })
            }
        },
        _ = cut.changed() => Err(Closing { by: Peer::Mock, reset: false }),
    }
}

/// A socket that shares its port with the others of this process that ask for the same one.
fn bound(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}
