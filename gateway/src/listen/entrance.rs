//! The ports of one core: who is let in, and what becomes of those who wait when a port stops. What happens on their
//! connections is the business of `listen`.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, spawn_local};

use super::{Command, Crew, Door, Guest, Stage};
use crate::ports::BACKLOG;

/// A port that a core serves.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) stage: watch::Sender<Stage>,
    pub(super) door: Door,
    /// Of the core that has the socket.
    pub(super) acceptor: Option<JoinHandle<Entrance>>,
}

impl Port {
    /// Begins to accept.
    pub(super) fn open(self, listener: TcpListener, room: Arc<Semaphore>, crew: Rc<Crew>) -> Self {
        let entrance = Entrance { listener, room, door: self.door.clone(), crew };
        Self { acceptor: Some(spawn_local(entrance.accept())), ..self }
    }

    /// Accepts nobody more and lets connections go on to the end of what is in flight; whoever waits to be accepted
    /// still waits. `None` where that is not here, and when the core has come to its end.
    pub(super) async fn leave(self) -> Option<Entrance> {
        self.stage.send_replace(Stage::Stopping);
        self.acceptor?.await.ok()
    }

    /// Returns when the socket is closed, and whoever waited is being served.
    pub(super) async fn close(self) {
        if let Some(entrance) = self.leave().await {
            entrance.close();
        }
    }
}

/// Where the clients of a port come in.
#[derive(Debug)]
pub(super) struct Entrance {
    pub(super) listener: TcpListener,
    pub(super) room: Arc<Semaphore>,
    pub(super) door: Door,
    pub(super) crew: Rc<Crew>,
}

impl Entrance {
    /// Lets clients in until the port stops.
    pub(super) async fn accept(mut self) -> Self {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.door.reached(Stage::Stopping) => return self,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // only now: a port to which nobody comes has all its room
                    let seat = tokio::select! {
                        seat = self.room.clone().acquire_owned() => seat.ok(),
                        // whoever has been accepted is let in if there is room
                        () = self.door.reached(Stage::Stopping) => self.room.clone().try_acquire_owned().ok(),
                    };
                    let Some(seat) = seat else { continue };
                    self.let_in(stream, peer.ip(), seat);
                }
                // out of file descriptors, or the peer is gone already: let others finish first
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Serves a client, here or elsewhere.
    fn let_in(&self, stream: TcpStream, peer: IpAddr, seat: OwnedSemaphorePermit) {
        let Some(other) = self.crew.other() else {
            drop(spawn_local(self.door.clone().serve(stream, peer, seat, self.door.tls())));
            return;
        };
        let Ok(stream) = stream.into_std() else { return };
        let guest = Guest { port: self.door.port, stream, peer, seat, tls: self.door.tls() };
        if let Err(SendError(Command::Serve(guest))) = other.send(Command::Serve(guest)) {
            self.door.welcome(guest);
        }
    }

    /// Lets in who waits, because for a client its connection is open as soon as the kernel has it, and then nobody.
    fn close(self) {
        let Ok(listener) = self.listener.into_std() else { return };
        // not more than can have waited: a stop does not wait for those who keep coming
        for _ in 0..=BACKLOG {
            let Ok((stream, peer)) = listener.accept() else { return };
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            let (Ok(stream), Ok(seat)) = (stream, self.room.clone().try_acquire_owned()) else { continue };
            drop(spawn_local(self.door.clone().serve(stream, peer.ip(), seat, self.door.tls())));
        }
    }
}
