//! Connections to upstreams: one pool per core, so that nothing is locked or shared.
//! Knows addresses, TLS and reuse; what is sent and whether it is sent again is decided elsewhere.

mod body;
mod duplex;
mod http1;
mod http2;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hashbrown::HashMap;
use http::uri::Scheme;
use http::{Request, Response, Version};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::ConnectTo;
use crate::buffers::Buffers;
use crate::snapshot::{Endpoint, Protocol, UpstreamTls};
use crate::socket::Shared;
use crate::telemetry::Core;

use http1::Http1;

pub use body::{BodyBroken, Passing, UpstreamBody, body_broken, copy, empty};
pub use duplex::Io;
pub use http2::refused;

/// Longest wait for TCP and TLS together, where the backend does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Which part of that a request waits at most for a connection that another request makes.
const SHARED_WAIT: u32 = 4;
/// Longest wait for the addresses of a name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle connections older than this are not used again, nor those that the upstream gives up earlier.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Idle connections kept per upstream and core.
const MAX_IDLE: usize = 1024;

/// Why no connection could be had; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("cannot resolve {0}")]
    Resolve(String),
    /// TCP or TLS failed.
    #[error("cannot connect: {0}")]
    Connect(#[from] io::Error),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// Too slow.
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    /// The HTTP layer refused.
    #[error("cannot start HTTP: {0}")]
    Http(#[from] hyper::Error),
}

/// Why an exchange with an upstream failed. Tells nothing of the request, which holds credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The connection ended before the answer did.
    #[error("the connection ended too early")]
    Closed,
    /// What came is not HTTP.
    #[error("not understood: {0}")]
    Malformed(&'static str),
    /// The request's body was shorter than announced.
    #[error("the request body ended too early")]
    Short,
    /// The client did not send its body.
    #[error(transparent)]
    Client(#[from] BodyBroken),
    /// HTTP/2 failed.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

/// A connection that is ready for one request; give it back when the answer has ended.
#[derive(Debug)]
pub struct Connection {
    line: Line,
    endpoint: Rc<Endpoint>,
    /// How long it took to have it; `None` of an idle one.
    pub took: Option<Duration>,
}

#[derive(Debug)]
enum Line {
    /// For one request at a time. Passed from stage to stage with its answer.
    Http1(Box<Http1>),
    /// One of several requests, and the body of its answer.
    Http2(http2::Seat, Option<Incoming>),
}

/// Why a request got no answer. Not to be shown: a request holds credentials.
pub enum SendError {
    /// The connection was gone before anything was written; the request comes back unsent.
    Unsent(Box<Request<UpstreamBody>>),
    /// The request was at least partly written.
    Lost(Error),
}

impl Connection {
    /// Sends one request and waits for the answer's head.
    ///
    /// # Errors
    /// When no answer came; [`SendError::Unsent`] may be sent again.
    pub async fn send(&mut self, mut request: Request<UpstreamBody>) -> Result<Response<()>, SendError> {
        match &mut self.line {
            Line::Http1(line) => {
                if request.version() == Version::HTTP_2 {
                    // it was meant for another connection
                    http2::restore(&mut request);
                }
                line.send(request).await
            }
            Line::Http2(seat, answer) => {
                let scheme = if self.endpoint.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
                http2::rewrite(&mut request, scheme);
                let (head, body) = seat.send(request).await?.into_parts();
                *answer = Some(body);
                Ok(Response::from_parts(head, ()))
            }
        }
    }

    /// The next piece of the answer; `None` at its end.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.line {
            Line::Http1(line) => line.poll_data(cx).map(|data| data.map(|data| data.map(Frame::data))),
            Line::Http2(_, Some(answer)) => Pin::new(answer).poll_frame(cx).map_err(Error::Http2),
            Line::Http2(_, None) => Poll::Ready(None),
        }
    }

    /// What of the answer has already come.
    pub fn poll_arrived(&mut self) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.line {
            Line::Http1(line) => line.poll_arrived().map(|data| data.map(|data| data.map(Frame::data))),
            Line::Http2(..) => self.poll_frame(&mut Context::from_waker(Waker::noop())),
        }
    }

    /// Whether the answer is known to have ended.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        match &self.line {
            Line::Http1(line) => line.is_over(),
            Line::Http2(_, answer) => answer.as_ref().is_none_or(Body::is_end_stream),
        }
    }

    /// Whether only the end of the connection ends the answer.
    #[must_use]
    pub fn is_close_delimited(&self) -> bool {
        matches!(&self.line, Line::Http1(line) if line.is_close_delimited())
    }

    /// What a connection became whose answer was a 101, and what has come of it already.
    #[must_use]
    pub fn into_tunnel(self) -> Option<(Io, Bytes)> {
        match self.line {
            Line::Http1(line) => Some(line.into_tunnel()),
            Line::Http2(..) => None,
        }
    }

    /// Whether its requests share it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.line, Line::Http2(..))
    }
}

#[derive(Debug)]
struct Idle {
    line: Box<Http1>,
    endpoint: Rc<Endpoint>,
    since: Instant,
}

impl Idle {
    /// Neither too old nor known to have ended.
    fn usable(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < self.line.rests && self.line.alive(self.since, now)
    }
}

/// The connections of one core.
pub struct Pool {
    idle: RefCell<HashMap<Endpoint, Vec<Idle>>>,
    lanes: http2::Lanes,
    tls: RefCell<HashMap<(UpstreamTls, Protocol), Arc<ClientConfig>>>,
    connect_to: Vec<ConnectTo>,
    roots: Vec<CertificateDer<'static>>,
    buffers: Rc<Buffers>,
    /// Told of new connections.
    pub core: Arc<Core>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.idle).field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(connect_to: Vec<ConnectTo>, roots: Vec<CertificateDer<'static>>) -> Self {
        Self {
            idle: RefCell::default(),
            lanes: Default::default(),
            tls: RefCell::default(),
            connect_to,
            roots,
            buffers: Rc::default(),
            core: Arc::default(),
        }
    }

    /// What the connections of this core read into and write from.
    pub(crate) fn buffers(&self) -> Rc<Buffers> {
        self.buffers.clone()
    }

    /// An idle connection, else a new one.
    ///
    /// # Errors
    /// When a new one cannot be made; nothing was sent.
    pub async fn connection(&self, endpoint: &Endpoint) -> Result<Connection, ConnectError> {
        if let Some(Idle { line, endpoint, .. }) = self.take_idle(endpoint) {
            return Ok(Connection { line: Line::Http1(line), endpoint, took: None });
        }
        self.fresh(endpoint).await
    }

    /// A connection that has not been idle: a new one, or one that is shared.
    ///
    /// # Errors
    /// When it cannot be made; nothing was sent.
    pub async fn fresh(&self, endpoint: &Endpoint) -> Result<Connection, ConnectError> {
        let started = Instant::now();
        // rare and large: within the future of each exchange it would be moved about with it
        let line = match endpoint.protocol {
            Protocol::Http1 => Box::pin(self.connect_in_time(endpoint)).await?,
            Protocol::Http2 => Box::pin(self.share(endpoint)).await?,
        };
        Ok(Connection { line, endpoint: Rc::new(endpoint.clone()), took: Some(started.elapsed()) })
    }

    /// A seat on a connection that is there or about to be, else on a new one. Whoever waits for another's connection
    /// waits a part of the limit beside its own: a handshake that stalls costs nobody but the one who began it.
    async fn share(&self, endpoint: &Endpoint) -> Result<Line, ConnectError> {
        let lane = self.lanes.of(endpoint);
        if let Some(seat) = lane.seat() {
            return Ok(Line::Http2(seat, None));
        }
        if lane.http1.get() {
            // nothing to share: nobody waits for another's connection
            return self.connect_in_time(endpoint).await;
        }
        let patience = connect_limit(endpoint) / SHARED_WAIT;
        let turn = tokio::time::timeout(patience, lane.connecting.lock()).await.ok();
        match lane.seat() {
            Some(seat) => Ok(Line::Http2(seat, None)),
            None => {
                let _turn = turn.filter(|_| !lane.http1.get());
                self.connect_in_time(endpoint).await
            }
        }
    }

    async fn connect_in_time(&self, endpoint: &Endpoint) -> Result<Line, ConnectError> {
        let (limit, started) = (connect_limit(endpoint), Instant::now());
        let line =
            tokio::time::timeout(limit, self.connect(endpoint)).await.map_err(|_| ConnectError::Timeout(limit))??;
        self.core.connected(endpoint.tls.is_some(), started.elapsed());
        Ok(line)
    }

    /// Keeps a connection whose answer has ended.
    pub fn give_back(&self, connection: Connection) {
        let Connection { line: Line::Http1(mut line), endpoint, .. } = connection else { return };
        if !line.rest() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let of_endpoint = match idle.get_mut(&*endpoint) {
            Some(found) => found,
            None => idle.entry(Endpoint::clone(&endpoint)).or_default(),
        };
        if of_endpoint.len() < MAX_IDLE {
            of_endpoint.push(Idle { line, endpoint, since: Instant::now() });
        }
    }

    /// Forgets idle connections that closed or are too old.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.idle.borrow_mut().retain(|_, idle| {
            idle.retain(|entry| entry.usable(now));
            !idle.is_empty()
        });
        self.lanes.sweep();
    }

    /// The one that rests for the shortest time among those that have rested long enough.
    fn take_idle(&self, endpoint: &Endpoint) -> Option<Idle> {
        let mut idle = self.idle.borrow_mut();
        let of_endpoint = idle.get_mut(endpoint)?;
        let (mut at, now) = (of_endpoint.len(), Instant::now());
        while at > 0 {
            at -= 1;
            if now.saturating_duration_since(of_endpoint[at].since) < of_endpoint[at].line.settles {
                continue;
            }
            let entry = of_endpoint.remove(at);
            if entry.usable(now) {
                return Some(entry);
            }
        }
        None
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Line, ConnectError> {
        let tcp = self.tcp(endpoint).await?;
        tcp.set_nodelay(true)?;
        let socket = Shared::new(tcp);
        let Some(tls) = &endpoint.tls else {
            return match endpoint.protocol {
                Protocol::Http1 => Ok(self.http1(Io::Plain(socket))),
                Protocol::Http2 => Ok(Line::Http2(self.lanes.of(endpoint).start(socket).await?, None)),
            };
        };
        let stream = self.secure(endpoint, tls, endpoint.protocol, socket).await?;
        if endpoint.protocol == Protocol::Http2 {
            let (lane, agreed) = (self.lanes.of(endpoint), stream.get_ref().1.alpn_protocol() == Some(b"h2"));
            lane.http1.set(!agreed);
            if agreed {
                return Ok(Line::Http2(lane.start(stream).await?, None));
            }
        }
        Ok(self.http1(Io::Tls(Rc::new(RefCell::new(stream)))))
    }

    fn http1(&self, io: Io) -> Line {
        Line::Http1(Box::new(Http1::new(io, self.buffers.clone())))
    }

    /// A connection in HTTP/1.1 that served nobody yet, whatever else the upstream speaks.
    ///
    /// # Errors
    /// When it cannot be made; nothing was sent.
    pub async fn dedicated(&self, endpoint: &Endpoint) -> Result<Connection, ConnectError> {
        let endpoint = Endpoint { protocol: Protocol::Http1, ..endpoint.clone() };
        self.fresh(&endpoint).await
    }

    async fn secure(
        &self,
        endpoint: &Endpoint,
        tls: &UpstreamTls,
        protocol: Protocol,
        socket: Shared,
    ) -> Result<TlsStream<Shared>, ConnectError> {
        let name = tls.sni.as_deref().unwrap_or(&endpoint.host).to_owned();
        let name = ServerName::try_from(name).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = tokio_rustls::TlsConnector::from(self.tls_config(tls, protocol)?);
        Ok(connector.connect(name, socket).await?)
    }

    async fn tcp(&self, endpoint: &Endpoint) -> Result<TcpStream, ConnectError> {
        let elsewhere = self.connect_to.iter().find(|rule| *rule.host == *endpoint.host && rule.port == endpoint.port);
        let (host, port) = elsewhere.map_or((&*endpoint.host, endpoint.port), |rule| (&*rule.to_host, rule.to_port));
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(TcpStream::connect(SocketAddr::new(address, port)).await?);
        }
        let unknown = || ConnectError::Resolve(host.to_owned());
        let found = tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((host, port))).await;
        let found = found.map_err(|_| unknown())?.map_err(|_| unknown())?;
        let mut last = unknown();
        for address in found {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    fn tls_config(&self, tls: &UpstreamTls, protocol: Protocol) -> Result<Arc<ClientConfig>, ConnectError> {
        let key = (tls.clone(), protocol);
        if let Some(known) = self.tls.borrow().get(&key) {
            return Ok(known.clone());
        }
        let mut config = crate::tls::client_config(tls, &self.roots)?;
        if protocol == Protocol::Http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        let config = Arc::new(config);
        self.tls.borrow_mut().insert(key, config.clone());
        Ok(config)
    }
}

fn connect_limit(endpoint: &Endpoint) -> Duration {
    endpoint.connect_timeout.unwrap_or(CONNECT_TIMEOUT)
}
