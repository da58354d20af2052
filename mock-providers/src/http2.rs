//! One connection of HTTP/2 from its preface to its end.
//!
//! Owns accepting streams, obeying what they ask of their connection (flush, GOAWAY) and how the connection ends: a
//! stream whose plan ends by FIN or RST ends all of them. Refuses to answer: every stream is a task of `exchange`.

mod deliver;
mod exchange;
mod head;
mod socket;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::connection::{Closing, close};
use crate::journal::{End, Peer};
use crate::provider::Shared;
use crate::wire::{Gone, Wire};
use exchange::{Order, Outcome, Seat, Wish};
use socket::{Gauge, Socket};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Streams at once on a connection.
const MAX_STREAMS: u32 = 1024;
/// How much of its body a request may send ahead, and all requests of a connection together.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
const MAX_HEAD: u32 = 64 << 10;
/// How much of an answer may wait for the socket.
const SEND_BUFFER: usize = 64 << 10;

/// Whether the caller begins with the preface of HTTP/2; reads no more than it takes to know.
pub(crate) async fn begins(wire: &mut Wire) -> bool {
    loop {
        let seen = wire.inbound.len().min(PREFACE.len());
        if wire.inbound[..seen] != PREFACE[..seen] {
            return false;
        }
        // Of one who leaves in the middle of it, the reader of HTTP/1.1 tells.
        if seen == PREFACE.len() || wire.fill().await.is_err() {
            return seen == PREFACE.len();
        }
    }
}

/// Serves streams until the connection has ended; the caller drops the wire.
pub(crate) async fn serve(wire: &mut Wire, shared: &Arc<Shared>, connection: u64) -> Closing {
    let gauge = Arc::new(Gauge::default());
    let mut builder = server::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .max_send_buffer_size(SEND_BUFFER);
    let end = match builder.handshake(Socket::new(wire, gauge.clone())).await {
        Ok(h2) => Driver::new(h2, gauge, shared.clone(), connection).run().await,
        Err(error) => ended(&error),
    };
    match end {
        Ended::Gone(gone) => gone.into(),
        Ended::Close(by) => close(wire, shared, connection, by).await,
        Ended::Fin(tail) => {
            // A caller that has left meanwhile is told nothing.
            let _ = wire.write(&tail).await;
            close(wire, shared, connection, Peer::Fault).await
        }
        Ended::Reset => {
            wire.reset();
            Closing { by: Peer::Fault, reset: true }
        }
    }
}

/// Why no more streams are served.
enum Ended {
    /// The caller left.
    Gone(Gone),
    /// Both sides are done, or this one is.
    Close(Peer),
    /// A plan ends it by FIN, after these last bytes.
    Fin(Bytes),
    /// A plan ends it by RST.
    Reset,
}

fn ended(error: &h2::Error) -> Ended {
    match error.get_io() {
        Some(io) => Ended::Gone(Gone { reset: io.kind() == ErrorKind::ConnectionReset }),
        None if error.is_remote() => Ended::Gone(Gone { reset: false }),
        None => Ended::Close(Peer::Mock),
    }
}

struct Driver<'w> {
    h2: server::Connection<Socket<'w>, Bytes>,
    gauge: Arc<Gauge>,
    shared: Arc<Shared>,
    connection: u64,
    requests: u32,
    streams: JoinSet<Outcome>,
    wishes: mpsc::Receiver<Wish>,
    wish: mpsc::Sender<Wish>,
    /// Who announced the end, once someone did.
    farewell: Option<Peer>,
}

impl<'w> Driver<'w> {
    fn new(h2: server::Connection<Socket<'w>, Bytes>, gauge: Arc<Gauge>, shared: Arc<Shared>, connection: u64) -> Self {
        let (wish, wishes) = mpsc::channel(64);
        let streams = JoinSet::new();
        Self { h2, gauge, shared, connection, requests: 0, streams, wishes, wish, farewell: None }
    }

    async fn run(mut self) -> Ended {
        let end = self.drive().await;
        let Self { h2, mut streams, wishes, shared, connection, .. } = self;
        // Streams notice that their connection is no more, and that nobody hears what they wish.
        drop((h2, wishes));
        if matches!(end, Ended::Gone(_) | Ended::Close(Peer::Mock)) {
            while streams.join_next().await.is_some() {}
        } else {
            streams.shutdown().await;
            shared.recorder.abandon(connection, End::Fault);
        }
        end
    }

    async fn drive(&mut self) -> Ended {
        let mut idle_since = None;
        loop {
            let limit = self.shared.live().provider.idle_timeout;
            let until = limit.zip(idle_since).filter(|_| self.farewell.is_none()).map(|(limit, since)| since + limit);
            tokio::select! {
                accepted = self.h2.accept() => match accepted {
                    Some(Ok((request, respond))) => self.begin(request, respond),
                    Some(Err(error)) => return self.end(Some(&error)),
                    None => return self.end(None),
                },
                Some(wish) = self.wishes.recv() => if let Some(end) = self.grant(wish).await {
                    return end;
                },
                Some(outcome) = self.streams.join_next() => match outcome {
                    Ok(Outcome::Fin(tail)) => return Ended::Fin(tail),
                    Ok(Outcome::Reset) => return Ended::Reset,
                    _ => {}
                },
                () = sleep_until(until) => {
                    self.farewell = Some(Peer::Mock);
                    self.h2.graceful_shutdown();
                }
            }
            idle_since =
                if self.streams.is_empty() && self.requests > 0 { idle_since.or(Some(Instant::now())) } else { None };
        }
    }

    fn begin(&mut self, request: http::Request<RecvStream>, respond: SendResponse<Bytes>) {
        self.requests += 1;
        let seat = Seat {
            shared: self.shared.clone(),
            connection: self.connection,
            on_connection: self.requests,
            taken: self.gauge.taken(),
            wish: self.wish.clone(),
        };
        self.streams.spawn(seat.exchange(request, respond));
    }

    /// Does what a stream asks for; says so when that showed the end.
    async fn grant(&mut self, Wish { order, done }: Wish) -> Option<Ended> {
        match order {
            Order::Flush => {}
            Order::Goaway(Reason::NO_ERROR) => {
                self.farewell = Some(Peer::Fault);
                self.h2.graceful_shutdown();
            }
            Order::Goaway(reason) => {
                self.farewell = Some(Peer::Fault);
                self.h2.abrupt_shutdown(reason);
            }
        }
        let end = self.flush().await;
        // A stream that was reset meanwhile no longer waits.
        let _ = done.send(());
        end
    }

    /// What the end of the library's part means.
    fn end(&self, error: Option<&h2::Error>) -> Ended {
        match (self.farewell, error) {
            (Some(by), _) => Ended::Close(by),
            (None, Some(error)) => ended(error),
            (None, None) => Ended::Gone(Gone { reset: false }),
        }
    }

    /// Resolves when everything that streams have sent lies with the system, or with the end of the connection.
    async fn flush(&mut self) -> Option<Ended> {
        let mut accepted = Vec::new();
        let end = poll_fn(|cx| {
            loop {
                match self.h2.poll_accept(cx) {
                    Poll::Ready(Some(Ok(stream))) => accepted.push(stream),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(self.end(Some(&error)))),
                    Poll::Ready(None) => return Poll::Ready(Some(self.end(None))),
                    Poll::Pending if self.gauge.blocked() => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(None),
                }
            }
        })
        .await;
        accepted.into_iter().for_each(|(request, respond)| self.begin(request, respond));
        end
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}
