//! The client of a scenario: writes exact bytes, records every read with its time and how the connection ended.
//! Never judges and never panics on what a target does. HTTP/2 is `http2`'s.

pub mod http2;
mod limit;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::sse;
use crate::wire::{Decoder, Head, head_end};

/// What to send, and when to walk away.
#[derive(Debug, Clone)]
pub struct Call {
    /// The gateway's listener.
    pub address: SocketAddr,
    /// For the framing of the answer.
    pub method: String,
    /// The whole request as it goes on the wire.
    pub wire: Bytes,
    /// The body without framing, for comparisons.
    pub body: Bytes,
    /// The value of the nonce header.
    pub nonce: String,
    /// When to close early.
    pub leave: Leave,
    /// How fast the request is written and the answer read.
    pub pace: Pace,
    /// The longest wait, in all.
    pub deadline: Duration,
    /// Over HTTP/2 instead, until it has been sent; `wire` is then what it would be over HTTP/1.1.
    pub http2: Option<http2::Via>,
}

/// A client that takes its time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Pieces of so many bytes, with a pause after each.
    pub write: Option<(usize, Duration)>,
    /// After so many bytes nothing is read for a while.
    pub read: Option<(usize, Duration)>,
    /// The connection stays open so long behind the answer.
    pub hold: Option<Duration>,
}

/// When the client closes by itself.
#[derive(Debug, Clone, Default)]
pub enum Leave {
    /// When the answer has ended.
    #[default]
    AtEnd,
    /// After so many complete events.
    AfterEvents(usize),
    /// After so many bytes of the body.
    AfterBytes(usize),
    /// When this becomes true.
    When(watch::Receiver<bool>),
}

/// How the answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By its own framing.
    Clean,
    /// The connection closed before that.
    ClosedEarly,
    /// The connection was reset.
    Reset,
    /// Its stream was reset with this code, and the connection was not.
    StreamReset(String),
    /// Nothing more until the deadline.
    TimedOut,
    /// We closed, as the scenario asked.
    WeClosed,
    /// What came was not HTTP.
    Malformed(String),
    /// There was no connection.
    NotConnected(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Clean => f.write_str("clean"),
            End::ClosedEarly => f.write_str("aborted: closed before the end"),
            End::Reset => f.write_str("aborted: connection reset"),
            End::StreamReset(code) => write!(f, "aborted: stream reset with {code}"),
            End::TimedOut => f.write_str("timed out"),
            End::WeClosed => f.write_str("the client closed"),
            End::Malformed(what) => write!(f, "malformed: {what}"),
            End::NotConnected(why) => write!(f, "no connection: {why}"),
        }
    }
}

/// All that the client saw of one exchange. Times count from the run's origin.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What was sent.
    pub call: Call,
    /// When the first byte was sent.
    pub sent_at: Duration,
    /// The final head.
    pub head: Option<Head>,
    /// When it was complete.
    pub head_at: Option<Duration>,
    /// The body without framing.
    pub body: Vec<u8>,
    /// After each read: the time and how much of the body there was.
    pub reads: Vec<(Duration, usize)>,
    /// Bytes behind the end of the answer.
    pub extra: Vec<u8>,
    /// The code with which the server has said that the connection ends.
    pub goaway: Option<String>,
    /// How it ended.
    pub end: End,
    /// When it ended.
    pub ended_at: Duration,
}

impl Exchange {
    /// The status code.
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().and_then(Head::status)
    }

    /// Whether the client has got what it wanted and leaves.
    fn has_enough(&self) -> bool {
        match &self.call.leave {
            Leave::AfterEvents(wanted) => sse::events(&self.body).len() >= *wanted,
            Leave::AfterBytes(wanted) => self.body.len() >= *wanted,
            Leave::AtEnd | Leave::When(_) => false,
        }
    }

    /// The body's events with the time at which each was complete.
    pub fn events(&self) -> Vec<(Duration, sse::Event)> {
        let timed = |event: sse::Event| {
            let read = self.reads.iter().find(|(_, size)| *size >= event.end);
            (read.map_or(self.ended_at, |(at, _)| *at), event)
        };
        sse::events(&self.body).into_iter().map(timed).collect()
    }
}

/// A plain GET, for metrics and readiness.
pub async fn get(address: SocketAddr, path: &str, origin: Instant) -> Exchange {
    let wire = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let call = Call {
        address,
        method: "GET".to_owned(),
        wire: Bytes::from(wire),
        body: Bytes::new(),
        nonce: String::new(),
        leave: Leave::AtEnd,
        pace: Pace::default(),
        deadline: Duration::from_secs(2),
        http2: None,
    };
    send(call, origin).await
}

impl Exchange {
    fn begun(call: Call, origin: Instant) -> Exchange {
        Exchange {
            call,
            sent_at: origin.elapsed(),
            head: None,
            head_at: None,
            body: Vec::new(),
            reads: Vec::new(),
            extra: Vec::new(),
            goaway: None,
            end: End::TimedOut,
            ended_at: Duration::ZERO,
        }
    }
}

/// Sends a call over a connection that is there, as HTTP/1.1, and records the answer.
pub async fn send_over<S: AsyncRead + AsyncWrite + Unpin>(call: Call, stream: &mut S, origin: Instant) -> Exchange {
    let deadline = call.deadline;
    let mut exchange = Exchange::begun(call, origin);
    let (mut reader, mut writer) = tokio::io::split(stream);
    if let Ok(end) = tokio::time::timeout(deadline, talk(&mut exchange, &mut reader, &mut writer, origin)).await {
        exchange.end = end;
    }
    exchange.ended_at = origin.elapsed();
    exchange
}

/// Sends a call and records the answer.
pub async fn send(call: Call, origin: Instant) -> Exchange {
    let deadline = call.deadline;
    let mut exchange = Exchange::begun(call, origin);
    let via = exchange.call.http2.take();
    let ended = async {
        match via {
            Some(via) => http2::run(&mut exchange, via, origin).await,
            None => run(&mut exchange, origin).await,
        }
    };
    if let Ok(end) = tokio::time::timeout(deadline, ended).await {
        exchange.end = end;
    }
    exchange.ended_at = origin.elapsed();
    exchange
}

async fn run(exchange: &mut Exchange, origin: Instant) -> End {
    let mut stream = match connect(&exchange.call).await {
        Ok(stream) => stream,
        Err(error) => return End::NotConnected(error.to_string()),
    };
    let _ = stream.set_nodelay(true);
    exchange.sent_at = origin.elapsed();
    let (mut reader, mut writer) = stream.split();
    talk(exchange, &mut reader, &mut writer, origin).await
}

async fn talk(
    exchange: &mut Exchange,
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    origin: Instant,
) -> End {
    let (wire, pace) = (exchange.call.wire.clone(), exchange.call.pace);
    // The answer may come, and end, while a large request is still being written.
    let write = async {
        let _ = write(writer, &wire, pace).await;
        std::future::pending::<End>().await
    };
    let answer = async {
        let end = read(exchange, reader, origin).await;
        if let Some(hold) = pace.hold.filter(|_| matches!(end, End::Clean)) {
            let _ = tokio::time::timeout(hold, reader.take(limit::EXTRA).read_to_end(&mut exchange.extra)).await;
        }
        end
    };
    tokio::select! {
        biased;
        end = write => end,
        end = answer => end,
    }
}

async fn connect(call: &Call) -> std::io::Result<TcpStream> {
    /// What a client that reads slowly lets the system collect.
    const SMALL_WINDOW: u32 = 64 * 1024;
    let socket = match call.address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    if call.pace.read.is_some() {
        socket.set_recv_buffer_size(SMALL_WINDOW)?;
    }
    socket.connect(call.address).await
}

async fn write(writer: &mut (impl AsyncWriteExt + Unpin), wire: &[u8], pace: Pace) -> std::io::Result<()> {
    let Some((size, gap)) = pace.write else {
        writer.write_all(wire).await?;
        return writer.flush().await;
    };
    for piece in wire.chunks(size.max(1)) {
        writer.write_all(piece).await?;
        tokio::time::sleep(gap).await;
    }
    Ok(())
}

async fn read(exchange: &mut Exchange, reader: &mut (impl AsyncReadExt + Unpin), origin: Instant) -> End {
    let mut answer = Answer { exchange, pending: Vec::new(), decoder: None };
    let mut buffer = vec![0; 64 * 1024];
    let (mut received, mut pause) = (0, answer.exchange.call.pace.read);
    let mut leave = match &answer.exchange.call.leave {
        Leave::When(signal) => Some(signal.clone()),
        _ => None,
    };
    loop {
        let left = async {
            match &mut leave {
                Some(signal) => drop(signal.wait_for(|now| *now).await),
                None => std::future::pending().await,
            }
        };
        let read = tokio::select! {
            read = reader.read(&mut buffer) => read,
            () = left => return End::WeClosed,
        };
        received += read.as_ref().copied().unwrap_or(0);
        if let Some((_, length)) = pause.take_if(|(after, _)| received >= *after) {
            tokio::time::sleep(length).await;
        }
        let end = match read {
            Ok(0) => Some(answer.closed()),
            Ok(size) => answer.feed(&buffer[..size], origin.elapsed()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Some(End::Reset),
            Err(_) => Some(End::ClosedEarly),
        };
        if let Some(end) = end {
            return end;
        }
    }
}

/// An answer as it comes in.
struct Answer<'e> {
    exchange: &'e mut Exchange,
    pending: Vec<u8>,
    decoder: Option<Decoder>,
}

impl Answer<'_> {
    fn feed(&mut self, bytes: &[u8], now: Duration) -> Option<End> {
        self.pending.extend_from_slice(bytes);
        while self.decoder.is_none() {
            let Some(end) = head_end(&self.pending) else {
                return (self.pending.len() > limit::HEAD)
                    .then(|| End::Malformed(format!("a head of more than {} bytes", limit::HEAD)));
            };
            let Some(head) = Head::parse(&self.pending[..end]).filter(|head| head.status().is_some()) else {
                return Some(End::Malformed("the answer does not start with an HTTP head".to_owned()));
            };
            self.pending.drain(..end);
            if head.status().is_some_and(|status| status / 100 == 1 && status != 101) {
                continue;
            }
            let framing = head.response_framing(&self.exchange.call.method);
            self.exchange.head = Some(head);
            self.exchange.head_at = Some(now);
            match framing {
                Ok(framing) => self.decoder = Some(Decoder::new(framing)),
                Err(what) => return Some(End::Malformed(what)),
            }
        }
        self.body(now)
    }

    fn body(&mut self, now: Duration) -> Option<End> {
        let decoder = self.decoder.as_mut()?;
        let pending = std::mem::take(&mut self.pending);
        let fed = decoder.feed(&pending, &mut self.exchange.body);
        if self.exchange.reads.len() < limit::READS {
            self.exchange.reads.push((now, self.exchange.body.len()));
        }
        match fed {
            Err(what) => return Some(End::Malformed(what)),
            Ok(taken) if decoder.complete() => {
                self.exchange.extra = pending[taken..].to_vec();
                return Some(End::Clean);
            }
            Ok(_) if self.exchange.body.len() > limit::BODY => {
                return Some(End::Malformed(format!("a body of more than {} bytes", limit::BODY)));
            }
            Ok(_) => {}
        }
        self.exchange.has_enough().then_some(End::WeClosed)
    }

    fn closed(&self) -> End {
        match &self.decoder {
            Some(decoder) if decoder.may_close() => End::Clean,
            _ => End::ClosedEarly,
        }
    }
}

#[cfg(test)]
mod tests;
