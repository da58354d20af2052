//! Stage listen: accepts client connections on one core, serves them, and drains them when asked to stop.
//! Framing is hyper's business, watched by `framing`; limits on time and size of heads are set here.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, TcpListener as StdListener};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_local};

use crate::framing::Watched;
use crate::proxy::{self, Client};
use crate::worker::Worker;

/// Largest request head, in bytes.
const HEAD_SIZE: usize = 128 * 1024;
/// Most header fields of a request.
const HEAD_FIELDS: usize = 128;
/// Longest wait for the rest of a request head during a drain.
const LAST_HEAD: Duration = Duration::from_secs(1);
/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(10);

/// What a core is told from outside.
#[derive(Debug)]
pub enum Command {
    /// Serve this port of the configuration on this socket.
    Open(u16, StdListener),
    /// Stop accepting on this port.
    Close(u16),
    /// Answer with `Connection: close` from now on.
    Drain,
    /// Stop accepting, finish what is in flight, and return.
    Stop,
}

/// Runs one core until it is told to stop and its connections have ended, or `drain` has passed.
pub async fn run(worker: Rc<Worker>, mut commands: mpsc::UnboundedReceiver<Command>, drain: Duration) {
    let (stop, stopping) = watch::channel(false);
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let acceptors: RefCell<HashMap<u16, JoinHandle<()>>> = RefCell::default();
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let command = tokio::select! {
            command = commands.recv() => command,
            _ = sweep.tick() => {
                worker.pool.sweep();
                continue;
            }
        };
        match command {
            Some(Command::Open(port, listener)) => {
                let Ok(listener) = TcpListener::from_std(listener) else { continue };
                let accepting = accept(worker.clone(), port, listener, stopping.clone(), alive.clone());
                acceptors.borrow_mut().insert(port, spawn_local(accepting));
            }
            Some(Command::Close(port)) => {
                if let Some(acceptor) = acceptors.borrow_mut().remove(&port) {
                    acceptor.abort();
                }
            }
            Some(Command::Drain) => worker.draining.set(true),
            Some(Command::Stop) | None => break,
        }
    }
    worker.draining.set(true);
    for (_, acceptor) in acceptors.borrow_mut().drain() {
        acceptor.abort();
    }
    // a send fails only when no connection is left to tell
    let _told = stop.send(true);
    drop(alive);
    // what has not ended by then is dropped with the core, and its records say so
    let _time_is_up = tokio::time::timeout(drain, all_gone.recv()).await;
}

async fn accept(
    worker: Rc<Worker>,
    port: u16,
    listener: TcpListener,
    stopping: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                spawn_local(serve(worker.clone(), port, stream, peer.ip(), stopping.clone(), alive.clone()));
            }
            // out of file descriptors, or the peer is gone already: let others finish first
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(
    worker: Rc<Worker>,
    port: u16,
    stream: TcpStream,
    peer: IpAddr,
    mut stopping: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (watched, framing) = Watched::new(stream);
    let (seen, head_time) = (framing.clone(), worker.shared.header_timeout);
    let client = Client { port, peer, framing };
    let service = service_fn(move |request| {
        let (worker, client) = (worker.clone(), client.clone());
        async move { Ok::<_, std::convert::Infallible>(proxy::handle(worker, client, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(HEAD_SIZE)
        .max_headers(HEAD_FIELDS)
        .serve_connection(TokioIo::new(watched), service);
    let mut connection = pin!(connection);
    let stop = async {
        // an error means that the core is gone: stop as well
        let _told = stopping.wait_for(|stop| *stop).await;
    };
    tokio::select! {
        // how a connection ended is the business of its exchanges
        _ended = connection.as_mut() => return,
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    if seen.mid_head() {
        // a head that may never become whole does not hold up the drain
        let _ended = tokio::time::timeout(LAST_HEAD, connection).await;
    } else {
        let _ended = connection.await;
    }
}
