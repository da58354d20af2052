//! WebSockets to static backends: a request that asks for one, the 101 that agrees, and then bytes in both directions
//! until one side ends or both are silent for too long. Owns no other protocol: `Upgrade: h2c` and its kin are ignored,
//! because what they lead to would pass by routes and policies.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use crate::error::{Reason, Rejection};
use crate::exchange::Exchange;
use crate::headers;
use crate::received::Received;
use crate::record::{End, Pending};
use crate::relay::Reply;
use crate::replay::Replay;
use crate::send::NoAnswer;
use crate::snapshot::{Endpoint, Rule};
use crate::upstream::{Connection, Io, Pool, SendError, UpstreamBody};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
/// Longest silence of both sides where the rule has no `responseIdle`.
const IDLE: Duration = Duration::from_secs(600);
/// Bytes that are taken from one side at a time.
const PIECE: usize = 16 * 1024;

/// Where a request leaves the tunnel that its connection becomes.
#[derive(Debug, Clone, Default)]
pub struct Slot(Rc<RefCell<Option<Tunnel>>>);

impl Slot {
    /// The tunnel that was agreed on, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<Tunnel> {
        self.0.take()
    }
}

/// A tunnel whose client has not been connected to it yet; its record ends with it.
#[derive(Debug)]
pub struct Tunnel {
    upstream: Replay<Io>,
    idle: Duration,
    record: Pending,
}

/// Whether a request asks for a WebSocket.
#[must_use]
pub fn is_asked(head: &Parts, body: &Received) -> bool {
    let Some(protocol) = head.headers.get(UPGRADE) else { return false };
    head.version == Version::HTTP_11
        && head.method == Method::GET
        && body.is_end_stream()
        && protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes())
        && says_upgrade(&head.headers)
}

fn says_upgrade(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"))
}

/// AI backends speak HTTP only.
#[must_use]
pub fn refusal() -> Rejection {
    Rejection::invalid("upgrade_not_supported", "an AI backend serves no WebSockets: send a plain HTTP request")
}

/// What an upstream said to the wish.
#[derive(Debug)]
pub enum Answer {
    /// 101: what comes after the head belongs to the tunnel.
    Agreed(Response<()>, Replay<Io>),
    /// Anything else.
    Plain(Response<()>, Connection),
}

impl Answer {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Agreed(head, _) => head.status(),
            Self::Plain(response, _) => response.status(),
        }
    }
}

/// Asks an upstream for a WebSocket, on a connection of its own.
///
/// # Errors
/// When no answer came.
pub async fn ask(pool: &Pool, endpoint: &Endpoint, mut request: Request<UpstreamBody>) -> Result<Answer, NoAnswer> {
    mark(request.headers_mut());
    let mut connection = pool.dedicated(endpoint).await.map_err(NoAnswer::Connect)?;
    let response = connection.send(request).await.map_err(|error| match error {
        SendError::Lost(error) => NoAnswer::Lost(error),
        SendError::Unsent(_) => NoAnswer::Connect(io::Error::from(io::ErrorKind::ConnectionReset).into()),
    })?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Answer::Plain(response, connection));
    }
    let (io, first) = connection.into_tunnel().ok_or(NoAnswer::Switched)?;
    Ok(Answer::Agreed(response, Replay::new(io, first)))
}

fn mark(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

/// Passes an upstream's 101 on and leaves the tunnel for the client's connection.
#[must_use]
pub fn agree(
    mut exchange: Box<Exchange>,
    rule: &Rule,
    slot: &Slot,
    head: Response<()>,
    upstream: Replay<Io>,
) -> Response<Reply> {
    let protocol = head.headers().get(UPGRADE);
    if !protocol.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes())) {
        let message = "the backend switched to another protocol than the one that was asked for";
        let status = StatusCode::BAD_GATEWAY;
        return exchange.reject(Rejection::new(status, Reason::UpstreamFailure, "upstream_broken", message));
    }
    let mut response = head.map(|()| Reply::Full(None));
    headers::strip_hop_by_hop(response.headers_mut());
    exchange.record.status = StatusCode::SWITCHING_PROTOCOLS.as_u16();
    exchange.finish_head(&mut response);
    mark(response.headers_mut());
    let idle = rule.timeouts.response_idle.unwrap_or(IDLE);
    *slot.0.borrow_mut() = Some(Tunnel { upstream, idle, record: exchange.record });
    response
}

/// When something was heard last, and how much was sent to the client.
#[derive(Debug)]
struct Traffic {
    heard: Cell<Instant>,
    to_client: Cell<u64>,
}

impl Tunnel {
    /// Carries bytes until the tunnel ends.
    pub async fn run<T: AsyncRead + AsyncWrite + Unpin>(mut self, client: T) {
        let traffic = Traffic { heard: Cell::new(Instant::now()), to_client: Cell::new(0) };
        let (from_client, to_client) = split(client);
        let (from_upstream, to_upstream) = split(self.upstream);
        let up = async {
            let heard = |_| traffic.heard.set(Instant::now());
            pump(from_client, to_upstream, heard)
                .await
                .map_err(|failed| failed.end(End::ClientClosed, End::UpstreamFailed))
        };
        let down = async {
            let heard = |bytes| {
                traffic.heard.set(Instant::now());
                traffic.to_client.set(traffic.to_client.get() + bytes);
            };
            pump(from_upstream, to_client, heard)
                .await
                .map_err(|failed| failed.end(End::UpstreamFailed, End::ClientClosed))
        };
        self.record.end = tokio::select! {
            ended = async { tokio::try_join!(up, down) } => ended.err().unwrap_or(End::Complete),
            () = silence(&traffic, self.idle) => End::TimedOut,
        };
        self.record.response_bytes = traffic.to_client.get();
    }
}

/// Waits until nothing has been heard for so long.
async fn silence(traffic: &Traffic, idle: Duration) {
    loop {
        let until = traffic.heard.get() + idle;
        if until <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(until.into()).await;
    }
}

/// Which end of a direction failed.
#[derive(Debug, Clone, Copy)]
enum Failed {
    Source,
    Sink,
}

impl Failed {
    fn end(self, source: End, sink: End) -> End {
        match self {
            Self::Source => source,
            Self::Sink => sink,
        }
    }
}

/// One direction, to its end: the end is passed on, and the other direction may go on.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    heard: impl Fn(u64),
) -> Result<(), Failed> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await.map_err(|_| Failed::Source)?;
        heard(read as u64);
        let written = match &piece[..read] {
            [] => to.shutdown().await,
            bytes => write_out(&mut to, bytes).await,
        };
        written.map_err(|_| Failed::Sink)?;
        if read == 0 {
            return Ok(());
        }
    }
}

async fn write_out(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
