//! The port of a provider and the tasks of its connections.
//!
//! Owns opening and closing the port without ever losing it: a second socket, bound but never listening, holds it.
//! Refuses to serve: connections do.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::attend::{Reception, attend};
use crate::provider::Shared;
use crate::workers::Workers;

const BACKLOG: i32 = 1024;
/// How long a system without free sockets is left alone.
const BREATH: Duration = Duration::from_millis(10);

/// What the handle asks of the listener.
pub(crate) enum Command {
    /// Close the port, reset the connections.
    Close(oneshot::Sender<io::Result<()>>),
    /// Reset the connections.
    Reset(oneshot::Sender<io::Result<()>>),
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
    /// Who carries them; none is this runtime.
    workers: Option<Workers>,
    /// Tells connections to reset.
    cut: watch::Sender<()>,
}

impl Listener {
    /// Takes the port without opening it.
    pub(crate) fn reserve(bind: SocketAddr, shared: Arc<Shared>, workers: Option<Workers>) -> io::Result<Self> {
        let reservation = bound(bind)?;
        let addr = reservation.local_addr()?.as_socket().ok_or_else(|| io::Error::other("not an IP socket"))?;
        Ok(Self {
            shared,
            addr,
            _reservation: reservation,
            open: None,
            connections: JoinSet::new(),
            workers,
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
        self.reset().await;
    }

    async fn reset(&mut self) {
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
                    Some(Command::Reset(reply)) => {
                        self.reset().await;
                        let _ = reply.send(Ok(()));
                    }
                    Some(Command::Open(reply)) => {
                        let _ = reply.send(self.open());
                    }
                },
                accepted = next(self.open.as_ref()) => self.take(accepted),
                _ = self.connections.join_next(), if !self.connections.is_empty() => {}
            }
        }
    }

    fn take(&mut self, (tcp, peer): (TcpStream, SocketAddr)) {
        let (shared, cut) = (self.shared.clone(), self.cut.subscribe());
        let id = shared.recorder.opened(shared.now(), Some(peer));
        let reception = Reception::decide(&shared, id);
        let Some(workers) = &self.workers else {
            self.connections.spawn(attend(tcp, shared, id, reception, cut));
            return;
        };
        // The socket changes its event queue with its runtime; one that cannot has ended already.
        let Ok(tcp) = tcp.into_std() else { return };
        let serve = async move {
            if let Ok(tcp) = TcpStream::from_std(tcp) {
                attend(tcp, shared, id, reception, cut).await;
            }
        };
        self.connections.spawn_on(serve, workers.next());
    }
}

async fn next(listener: Option<&TcpListener>) -> (TcpStream, SocketAddr) {
    match listener {
        Some(listener) => accept(listener).await,
        None => std::future::pending().await,
    }
}

/// The next caller. One that has left already concerns nobody; a system that has no sockets left is asked again later.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(_) => tokio::time::sleep(BREATH).await,
        }
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
