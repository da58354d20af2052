//! HTTP/2 towards upstreams: requests of one core share the connections of an endpoint.
//! Owns how many a connection carries and when it is not used any more; making connections is the pool's business.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

use super::{ConnectError, IDLE_TIMEOUT, SendError, UpstreamBody};
use crate::http2::Local;
use crate::snapshot::Endpoint;

/// Most requests of one connection, whatever the upstream allows.
const STREAMS: usize = 100;
/// Answer bytes that an upstream may send ahead, for one request and for all.
const WINDOW: u32 = 128 * 1024;
/// Largest head of an answer.
const HEAD_SIZE: u32 = 128 * 1024;
/// An upstream with requests in flight that has been silent for so long is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);

/// The shared connections of one core.
#[derive(Debug, Default)]
pub(super) struct Lanes(RefCell<HashMap<Endpoint, Rc<Lane>>>);

/// The shared connections to one endpoint.
#[derive(Debug, Default)]
pub(super) struct Lane {
    lines: RefCell<Vec<Rc<Line>>>,
    /// Held while a connection is made, so that those who come meanwhile share it.
    pub(super) connecting: Mutex<()>,
    /// The last handshake ended in HTTP/1.1.
    pub(super) http1: Cell<bool>,
}

/// One connection.
#[derive(Debug)]
struct Line {
    sender: SendRequest<UpstreamBody>,
    /// Requests at once that the upstream allows.
    allowed: Rc<Cell<usize>>,
    in_flight: Cell<usize>,
    /// When the last request ended.
    since: Cell<Instant>,
    /// It takes no more requests.
    leaving: Cell<bool>,
}

/// Room for one request on a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat(Rc<Line>);

impl Lanes {
    pub(super) fn of(&self, endpoint: &Endpoint) -> Rc<Lane> {
        let mut lanes = self.0.borrow_mut();
        match lanes.get(endpoint) {
            Some(lane) => lane.clone(),
            None => lanes.entry(endpoint.clone()).or_default().clone(),
        }
    }

    /// Lets connections go that closed or carried nothing for long.
    pub(super) fn sweep(&self) {
        self.0.borrow_mut().retain(|_, lane| {
            lane.lines.borrow_mut().retain(|line| line.usable() && !line.is_stale());
            !lane.lines.borrow().is_empty() || Rc::strong_count(lane) > 1
        });
    }
}

impl Lane {
    /// A seat on a connection with room.
    pub(super) fn seat(&self) -> Option<Seat> {
        let mut lines = self.lines.borrow_mut();
        lines.retain(|line| line.usable());
        lines.iter().find(|line| line.has_room()).map(Seat::take)
    }

    /// Begins HTTP/2 on a new connection and takes the first seat.
    pub(super) async fn start<T>(&self, io: T) -> Result<Seat, ConnectError>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut builder = Builder::new(Local);
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            // readers that stand still hold up nobody else
            .initial_connection_window_size(STREAMS as u32 * WINDOW)
            .max_header_list_size(HEAD_SIZE)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
        let allowed = Rc::new(Cell::new(STREAMS));
        let (mut connection, told) = (Box::pin(connection), allowed.clone());
        let driven = poll_fn(move |cx| {
            let polled = connection.as_mut().poll(cx);
            told.set(connection.current_max_send_streams());
            // its failure reaches whoever waits for an answer on it
            polled.map(drop)
        });
        tokio::task::spawn_local(driven);
        let (in_flight, since, leaving) = (Cell::new(0), Cell::new(Instant::now()), Cell::new(false));
        let line = Rc::new(Line { sender, allowed, in_flight, since, leaving });
        self.lines.borrow_mut().push(line.clone());
        Ok(Seat::take(&line))
    }
}

impl Line {
    fn usable(&self) -> bool {
        !self.leaving.get() && !self.sender.is_closed()
    }

    fn has_room(&self) -> bool {
        self.in_flight.get() < self.allowed.get().clamp(1, STREAMS)
    }

    fn is_stale(&self) -> bool {
        self.in_flight.get() == 0 && self.since.get().elapsed() >= IDLE_TIMEOUT
    }
}

impl Seat {
    fn take(line: &Rc<Line>) -> Self {
        line.in_flight.set(line.in_flight.get() + 1);
        Self(line.clone())
    }

    /// Sends this seat's request and waits for the answer's head.
    pub(super) async fn send(&self, request: Request<UpstreamBody>) -> Result<Response<Incoming>, SendError> {
        let sent = self.0.sender.clone().try_send_request(request).await;
        let sent = sent.map_err(|mut error| match error.take_message() {
            Some(request) => SendError::Unsent(Box::new(request)),
            None => SendError::Lost(error.into_error().into()),
        });
        if let Err(error) = &sent
            && !matches!(error, SendError::Lost(error) if is_reset(error))
        {
            // the connection takes no more requests
            self.0.leaving.set(true);
        }
        sent
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        self.0.since.set(Instant::now());
    }
}

/// Puts a head into HTTP/2's form: scheme and authority belong to the target, and there is no `Host`.
pub(super) fn rewrite(request: &mut Request<UpstreamBody>, scheme: Scheme) {
    let Some(host) = request.headers_mut().remove(HOST) else { return };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    (parts.scheme, parts.authority) = (Some(scheme), Some(authority));
    *request.uri_mut() = Uri::from_parts(parts).expect("a path, and now a scheme and an authority");
    *request.version_mut() = http::Version::HTTP_2;
}

/// Undoes that, for a connection of HTTP/1.1.
pub(super) fn restore(request: &mut Request<UpstreamBody>) {
    let parts = std::mem::take(request.uri_mut()).into_parts();
    if let Some(host) = parts.authority.as_ref().and_then(|authority| authority.as_str().parse().ok()) {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = parts.path_and_query.map(Uri::from).unwrap_or_default();
    *request.version_mut() = http::Version::HTTP_11;
}

/// Whether the upstream said that it has not looked at the request (RFC 9113 section 8.7): REFUSED_STREAM, or a GOAWAY
/// that leaves it out.
#[must_use]
pub fn refused(error: &super::Error) -> bool {
    cause(error).is_some_and(|error| {
        error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// Whether only the request's own stream ended, and its connection goes on.
fn is_reset(error: &super::Error) -> bool {
    cause(error).is_some_and(h2::Error::is_reset)
}

fn cause(error: &super::Error) -> Option<&h2::Error> {
    let super::Error::Http2(error) = error else { return None };
    error.source().and_then(|source| source.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_becomes_the_authority() {
        let mut request = Request::post("/v1/x?a=b").header(HOST, "a.com:81").body(super::super::empty()).unwrap();
        rewrite(&mut request, Scheme::HTTPS);
        assert_eq!(request.uri(), "https://a.com:81/v1/x?a=b");
        assert!(!request.headers().contains_key(HOST));
        rewrite(&mut request, Scheme::HTTPS);
        assert_eq!(request.uri(), "https://a.com:81/v1/x?a=b", "once is enough");
    }

    #[test]
    fn a_request_that_was_rewritten_is_restored_whole() {
        for target in ["/v1/chat/completions?x=1", "/"] {
            let body = UpstreamBody::Pieces(Default::default());
            let mut request = Request::post(target).header(HOST, "api.example.com:8443").body(body).expect("a request");
            rewrite(&mut request, Scheme::HTTPS);
            assert_eq!((request.uri().host(), request.headers().get(HOST)), (Some("api.example.com"), None));
            restore(&mut request);
            assert_eq!((request.uri().to_string().as_str(), request.version()), (target, http::Version::HTTP_11));
            assert_eq!(request.headers()[HOST], "api.example.com:8443");
        }
    }
}
