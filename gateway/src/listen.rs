//! Stage listen: accepts client connections on one core, does TLS with them, finds out what they speak, and drains
//! them when asked to stop. Ordinary HTTP/1.1 is served by `http1`, HTTP/2 by `http2`; any other framing is hyper's
//! business, watched by `framing`.

mod entrance;

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::{IpAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use hyper::server::conn::http1 as layer;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::coop::unconstrained;
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

use crate::balance::Placement;
use crate::framing::{Framing, Watched};
use crate::http1;
use crate::http2::{self, Opening};
use crate::patience::Paced;
use crate::presence::Presence;
use crate::proxy::{self, Client};
use crate::received::Received;
use crate::replay::Replay;
use crate::tunnel::Slot;
use crate::worker::Worker;
use entrance::{Entrance, Port};

/// Largest request head, in bytes.
pub(crate) const HEAD_SIZE: usize = 128 * 1024;
/// Most header fields of a request: as many as the HTTP layer has room for without asking for memory.
pub(crate) const HEAD_FIELDS: usize = 100;
/// Longest wait for what a client may still have to say when its connection is about to end.
pub(crate) const LAST_HEAD: Duration = Duration::from_secs(1);
/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(10);

/// What a core is told. One core has the sockets: it is told first what concerns them and passes it on when it is done,
/// so that the others have met by then all whom they are to serve.
#[derive(Debug)]
pub enum Command {
    /// Serve this port of the configuration on this socket, with as many connections as all cores have room for.
    Open(u16, StdListener, Arc<Semaphore>),
    /// Serve a client that came to another core.
    Serve(Guest),
    /// Finish what is in flight on this port, and serve who comes from now on, on the same socket; the other value is
    /// dropped when it is so.
    Renew(u16, std::sync::mpsc::SyncSender<()>),
    /// Stop accepting on this port and finish what is in flight; the other value is dropped when the socket is closed.
    Close(u16, std::sync::mpsc::SyncSender<()>),
    /// Answer with `Connection: close` from now on.
    Drain,
    /// Stop accepting, finish what is in flight, and return.
    Stop,
    /// Return, whatever is in flight.
    End,
}

/// A client that has been accepted.
#[derive(Debug)]
pub struct Guest {
    port: u16,
    stream: StdStream,
    peer: IpAddr,
    seat: OwnedSemaphorePermit,
    /// What the port was when it came.
    tls: Option<Arc<ServerConfig>>,
}

/// How far a core, or one of its ports, has come with its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Stage {
    /// Connections are kept.
    Serving,
    /// Connections are asked to go elsewhere.
    Draining,
    /// Connections end with what is in flight.
    Stopping,
}

/// What all connections of a port share.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) worker: Rc<Worker>,
    port: u16,
    stage: watch::Receiver<Stage>,
    _alive: mpsc::Sender<()>,
}

/// The other cores, for the one that has the sockets.
#[derive(Debug, Default)]
pub struct Crew {
    placement: RefCell<Placement>,
    others: Vec<mpsc::UnboundedSender<Command>>,
}

impl Crew {
    pub(crate) fn new(placement: Placement, others: Vec<mpsc::UnboundedSender<Command>>) -> Self {
        Self { placement: RefCell::new(placement), others }
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for core in &self.others {
            // a core that is gone needs no command
            let _told = core.send(command());
        }
    }

    /// The core that has time for one more client, if it is another one.
    fn other(&self) -> Option<&mpsc::UnboundedSender<Command>> {
        if self.others.is_empty() {
            return None;
        }
        let core = self.placement.borrow_mut().place();
        self.others.get(core.checked_sub(1)?).filter(|core| !core.is_closed())
    }

    fn look(&self) {
        self.placement.borrow_mut().look();
    }
}

/// Runs one core until it is told to stop and its connections have ended, or `drain` has passed. The core that has the
/// sockets has a crew.
pub async fn run(worker: Rc<Worker>, mut commands: mpsc::UnboundedReceiver<Command>, drain: Duration, crew: Crew) {
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let mut ports: HashMap<u16, Port> = HashMap::new();
    let mut sweep = tokio::time::interval(SWEEP);
    let crew = Rc::new(crew);
    let port = |port| {
        let now = if worker.draining.get() { Stage::Draining } else { Stage::Serving };
        let (stage, reached) = watch::channel(now);
        Port {
            stage,
            door: Door { worker: worker.clone(), port, stage: reached, _alive: alive.clone() },
            acceptor: None,
        }
    };
    loop {
        let command = tokio::select! {
            command = commands.recv() => command,
            _ = sweep.tick() => {
                worker.pool.sweep();
                crew.look();
                continue;
            }
        };
        match command {
            Some(Command::Open(number, listener, room)) => {
                let Ok(listener) = TcpListener::from_std(listener) else { continue };
                ports.insert(number, port(number).open(listener, room, crew.clone()));
            }
            Some(Command::Serve(guest)) => {
                ports.entry(guest.port).or_insert_with_key(|number| port(*number)).door.welcome(guest);
            }
            Some(Command::Renew(number, renewed)) => {
                let Some(old) = ports.remove(&number) else { continue };
                let entrance = old.leave().await;
                crew.tell(|| Command::Close(number, renewed.clone()));
                if let Some(Entrance { listener, room, .. }) = entrance {
                    ports.insert(number, port(number).open(listener, room, crew.clone()));
                }
            }
            Some(Command::Close(number, closed)) => {
                if let Some(port) = ports.remove(&number) {
                    port.close().await;
                }
                crew.tell(|| Command::Close(number, closed.clone()));
            }
            Some(Command::Drain) => {
                worker.draining.set(true);
                for port in ports.values() {
                    port.stage.send_replace(Stage::Draining);
                }
            }
            Some(Command::End) => return,
            Some(Command::Stop) | None => break,
        }
    }
    worker.draining.set(true);
    for (_, port) in ports.drain() {
        port.close().await;
    }
    crew.tell(|| Command::Stop);
    drop(alive);
    // what has not ended by then is dropped with the core, and its records say so
    tokio::select! {
        _time_is_up = tokio::time::timeout(drain, all_gone.recv()) => (),
        () = end(&mut commands) => (),
    }
}

/// Waits for the command to end at once.
async fn end(commands: &mut mpsc::UnboundedReceiver<Command>) {
    while let Some(command) = commands.recv().await {
        if matches!(command, Command::End) {
            return;
        }
    }
    pending().await
}

impl Door {
    /// Serves a client that came to another core.
    fn welcome(&self, guest: Guest) {
        if let Ok(stream) = TcpStream::from_std(guest.stream) {
            drop(spawn_local(self.clone().serve(stream, guest.peer, guest.seat, guest.tls)));
        }
    }

    async fn serve(
        self,
        stream: TcpStream,
        peer: IpAddr,
        _seat: OwnedSemaphorePermit,
        config: Option<Arc<ServerConfig>>,
    ) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let _counted = self.worker.balance.connection();
        let stream = Paced::new(stream, self.worker.shared.reader_timeout);
        self.worker.sink.core.accepted(self.port, if config.is_some() { "https" } else { "http" });
        // what is not spoken on a connection is boxed apart, and takes no room in it
        match config {
            Some(config) => Box::pin(self.serve_tls(config, stream, peer)).await,
            None => self.serve_plain(stream, peer).await,
        }
    }

    async fn serve_tls(mut self, config: Arc<ServerConfig>, stream: Paced<TcpStream>, peer: IpAddr) {
        let started = Instant::now();
        let Some(stream) = self.in_time(TlsAcceptor::from(config).accept(stream)).await else { return };
        self.worker.sink.core.shook_hands(started.elapsed());
        let session = stream.get_ref().1;
        let server_name = Some(session.server_name().unwrap_or_default().to_ascii_lowercase().into());
        match session.alpn_protocol() {
            Some(b"h2") => Box::pin(http2::serve(self, stream, peer, server_name)).await,
            _ => self.serve_http1(stream, peer, server_name).await,
        }
    }

    /// A connection without TLS, whatever is spoken on it.
    pub(crate) async fn serve_plain<T>(mut self, io: T, peer: IpAddr)
    where
        T: AsyncRead + AsyncWrite + Presence + Unpin + 'static,
    {
        let Some((io, opening)) = self.in_time(http2::listen(io)).await else { return };
        match opening {
            Opening::Http1 => {
                let client = self.client(peer, None, Framing::default());
                if let Some(io) = http1::serve(&mut self, io, client).await {
                    Box::pin(self.serve_http1(io, peer, None)).await;
                }
            }
            Opening::Http2 => Box::pin(http2::serve(self, io, peer, None)).await,
        }
    }

    /// The certificates of this moment: a connection keeps those that it began with.
    fn tls(&self) -> Option<Arc<ServerConfig>> {
        let snapshot = self.worker.shared.snapshot.load();
        snapshot.binds.iter().find(|bind| bind.port == self.port)?.tls.clone()
    }

    /// What comes before the first request may take as long as a head, and less once the port stops.
    async fn in_time<T>(&mut self, step: impl Future<Output = io::Result<T>>) -> Option<T> {
        let limit = self.worker.shared.header_timeout;
        let stopping = async {
            reached(&mut self.stage, Stage::Stopping).await;
            tokio::time::sleep(LAST_HEAD).await;
        };
        tokio::select! {
            // first: a core that had no time for a client does not hold it against the client
            biased;
            done = tokio::time::timeout(limit, step) => done.ok()?.ok(),
            () = stopping => None,
        }
    }

    /// Waits until the port has come so far.
    pub(crate) async fn reached(&mut self, stage: Stage) {
        reached(&mut self.stage, stage).await;
    }

    /// Whether the port has come so far.
    pub(crate) fn has_reached(&self, stage: Stage) -> bool {
        self.stage.has_changed().is_err() || *self.stage.borrow() >= stage
    }

    /// A client of this port.
    pub(crate) fn client(&self, peer: IpAddr, server_name: Option<Rc<str>>, framing: Framing) -> Client {
        Client { port: self.port, peer, server_name, framing, tunnel: Slot::default() }
    }

    async fn serve_http1<T>(mut self, io: T, peer: IpAddr, server_name: Option<Rc<str>>)
    where
        T: AsyncRead + AsyncWrite + Presence + Unpin + 'static,
    {
        let (watched, framing) = Watched::new(io);
        let (worker, client) = (self.worker.clone(), self.client(peer, server_name, framing.clone()));
        let slot = client.tunnel.clone();
        let service = service_fn(move |request| {
            let answer = proxy::handle(worker.clone(), client.clone(), request.map(Received::Layer));
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        let mut connection = layer::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.worker.shared.header_timeout)
            // whether the client has left `framing` asks, where it can
            .half_close(T::ASKED)
            .max_buf_size(HEAD_SIZE)
            .max_headers(HEAD_FIELDS)
            .serve_connection(TokioIo::new(watched), service);
        let stopping = async {
            self.reached(Stage::Stopping).await;
            if !framing.spoken() {
                tokio::time::sleep(LAST_HEAD).await;
            }
        };
        let ended = tokio::select! {
            // first, because hyper answers nobody whose bytes it has not seen when it is asked to shut down
            biased;
            ended = &mut connection => Some(ended),
            () = stopping => None,
        };
        // how a connection ended is the business of its exchanges
        let ended = match ended {
            Some(ended) => ended.is_ok(),
            None => {
                Pin::new(&mut connection).graceful_shutdown();
                // a head that may never become whole does not hold up the drain
                let patience = if framing.mid_head() { LAST_HEAD } else { Duration::MAX };
                tokio::time::timeout(patience, &mut connection).await.is_ok_and(|ended| ended.is_ok())
            }
        };
        if let Some(tunnel) = slot.take().filter(|_| ended) {
            let parts = connection.into_parts();
            Box::pin(tunnel.run(Replay::new(parts.io.into_inner().into_inner(), parts.read_buf))).await;
        }
    }
}

/// A port without a socket and a core that never stops.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) struct Alone {
    pub(crate) door: Door,
    _stage: watch::Sender<Stage>,
}

#[cfg(any(test, feature = "fuzzing"))]
impl Alone {
    pub(crate) fn new(worker: Rc<Worker>, port: u16) -> Self {
        let (stage, reached) = watch::channel(Stage::Serving);
        let (alive, _) = mpsc::channel(1);
        Self { door: Door { worker, port, stage: reached, _alive: alive }, _stage: stage }
    }
}

/// An error means that the port is gone: it has come to its end. It is polled with all that happens on a connection, and
/// looks only when there is news, or another one to be woken. News is looked at once: whether the task has used up its
/// budget must not matter then.
async fn reached(now: &mut watch::Receiver<Stage>, stage: Stage) {
    let (mut news, mut woken) = (now.clone(), None::<Waker>);
    let mut wait = pin!(unconstrained(now.wait_for(|now| *now >= stage)));
    poll_fn(|cx| {
        let waits = woken.as_ref().is_some_and(|woken| woken.will_wake(cx.waker()));
        if waits && matches!(news.has_changed(), Ok(false)) {
            return Poll::Pending;
        }
        news.mark_unchanged();
        woken = Some(cx.waker().clone());
        wait.as_mut().poll(cx).map(drop)
    })
    .await;
}

#[cfg(test)]
mod tests;
