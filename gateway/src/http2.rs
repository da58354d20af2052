//! HTTP/2 with clients: by ALPN, or by prior knowledge on a plain port, where the first bytes tell.
//! Owns limits on streams and resets, the end of idle connections, and what an HTTP/2 head must be before it may become
//! an HTTP/1.1 one. Frames are hyper's business.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::{HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::Notify;

use crate::answer::Broken;
use crate::error::Rejection;
use crate::framing::Framing;
use crate::listen::{Door, HEAD_SIZE, LAST_HEAD, Stage};
use crate::proxy;
use crate::relay::Reply;
use crate::replay::Replay;

/// Requests of one connection that may be in flight.
const STREAMS: u32 = 256;
/// Requests of one connection that may be taken back within a second before they were answered: twice as many as may
/// be in flight is a client that does nothing else.
const TAKEN_BACK: u32 = 2 * STREAMS;
/// Body bytes that a client may send ahead, for one request and for all.
const WINDOW: u32 = 1024 * 1024;
/// Answer bytes that are kept for a client that does not read.
const SEND_BUFFER: usize = 256 * 1024;
/// A connection that has been silent for so long is asked whether it is still there, and how long it may think.
const PING: Duration = Duration::from_secs(20);
/// What only an HTTP/2 connection begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a connection that are read to find out what it speaks: most heads fit.
const FIRST_READ: usize = 2048;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Anything but the preface.
    Http1,
    /// The preface.
    Http2,
}

/// Reads until it is clear what a client speaks.
pub(crate) async fn listen<T: AsyncRead + Unpin>(mut io: T) -> io::Result<(Replay<T>, Opening)> {
    let mut first = Vec::with_capacity(FIRST_READ);
    loop {
        let read = io.read_buf(&mut first).await?;
        let common = first.len().min(PREFACE.len());
        let opening = match first[..common] == PREFACE[..common] {
            true if common == PREFACE.len() => Opening::Http2,
            true if read > 0 => continue,
            _ => Opening::Http1,
        };
        return Ok((Replay::new(io, first.into()), opening));
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve<T>(mut door: Door, io: T, peer: IpAddr, server_name: Option<Rc<str>>)
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (worker, client) = (door.worker.clone(), door.client(peer, server_name, Framing::default()));
    let idle = worker.shared.header_timeout;
    let streams = Rc::new(Streams::new());
    let counted = streams.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (worker, client, mut stream) = (worker.clone(), client.clone(), Stream::begin(counted.clone()));
        async move {
            let response = proxy::handle(worker, client, request).await;
            stream.answered = true;
            Ok::<_, std::convert::Infallible>(response.map(|reply| Counted { reply, _stream: stream }))
        }
    });
    let mut connection = pin!(builder().serve_connection(TokioIo::new(io), service));
    let mut leaving = false;
    loop {
        let patience = if leaving { LAST_HEAD } else { idle };
        tokio::select! {
            // how a connection ended is the business of its exchanges
            _ended = connection.as_mut() => return,
            () = door.reached(Stage::Draining), if !leaving => (),
            end = streams.end(patience) => {
                if leaving || end == End::Flooded {
                    return;
                }
            }
        }
        // GOAWAY; what is in flight goes on
        leaving = true;
        streams.quiet_since.set(streams.quiet_since.get().map(|_| Instant::now()));
        connection.as_mut().graceful_shutdown();
    }
}

fn builder() -> http2::Builder<Local> {
    let mut builder = http2::Builder::new(Local);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_SIZE as u32)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(4 * WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// Spawns on the core's own thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// The requests of one connection.
#[derive(Debug)]
struct Streams {
    open: Cell<u32>,
    /// `None` while one is open.
    quiet_since: Cell<Option<Instant>>,
    /// Taken back since `second` began.
    taken_back: Cell<u32>,
    second: Cell<Instant>,
    changed: Notify,
}

/// Why a connection should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// No request was in flight for a while.
    Quiet,
    /// Too many were taken back.
    Flooded,
}

impl Streams {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            open: Cell::new(0),
            quiet_since: Cell::new(Some(now)),
            taken_back: Cell::new(0),
            second: Cell::new(now),
            changed: Notify::new(),
        }
    }

    /// Waits until the connection should end.
    async fn end(&self, patience: Duration) -> End {
        loop {
            let changed = self.changed.notified();
            if self.taken_back.get() > TAKEN_BACK {
                return End::Flooded;
            }
            match self.quiet_since.get().map(|since| since + patience) {
                None => changed.await,
                Some(until) if until <= Instant::now() => return End::Quiet,
                Some(until) => tokio::select! { () = changed => (), () = tokio::time::sleep_until(until.into()) => () },
            }
        }
    }

    fn take_back(&self, now: Instant) {
        if now.duration_since(self.second.get()) > Duration::from_secs(1) {
            self.second.set(now);
            self.taken_back.set(0);
        }
        self.taken_back.set(self.taken_back.get() + 1);
    }
}

/// One request, until its answer has been sent or was given up.
#[derive(Debug)]
struct Stream {
    streams: Rc<Streams>,
    answered: bool,
}

impl Stream {
    fn begin(streams: Rc<Streams>) -> Self {
        streams.open.set(streams.open.get() + 1);
        streams.quiet_since.set(None);
        Self { streams, answered: false }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let (streams, now) = (&self.streams, Instant::now());
        if !self.answered {
            streams.take_back(now);
        }
        streams.open.set(streams.open.get() - 1);
        if streams.open.get() == 0 {
            streams.quiet_since.set(Some(now));
        }
        streams.changed.notify_waiters();
    }
}

/// An answer that keeps its stream open.
#[derive(Debug)]
struct Counted {
    reply: Reply,
    _stream: Stream,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Pin::new(&mut self.reply).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.reply.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.reply.size_hint()
    }
}

/// Makes an HTTP/2 head one that an HTTP/1.1 request can be made of (RFC 9113 section 8).
///
/// # Errors
/// When it does not say for which host it is, or says it in two ways.
pub(crate) fn check(head: &mut Parts) -> Result<(), Rejection> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    let authority = head.uri.authority().map(|authority| authority.as_str());
    let agree = match (authority, host) {
        (Some(authority), Some(host)) => authority.as_bytes().eq_ignore_ascii_case(host.as_bytes()),
        (None, None) => false,
        _ => true,
    };
    if !agree || another.is_some() || authority.is_some_and(|authority| authority.contains('@')) {
        return Err(Rejection::invalid("invalid_host", "one :authority is needed, and a Host header that is the same"));
    }
    join_cookies(head);
    Ok(())
}

/// RFC 9113 section 8.2.3: several cookie fields of HTTP/2 are one field of HTTP/1.1.
fn join_cookies(head: &mut Parts) {
    let cookies: Vec<_> = head.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        head.headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_bytes_tell_what_is_spoken_however_they_are_split() {
        for (bytes, expected) in [
            (PREFACE, Opening::Http2),
            (b"PRI * HTTP/2.0\r\n\r\nXX", Opening::Http1),
            (b"POST / HTTP/1.1\r\n", Opening::Http1),
            (b"PRI", Opening::Http1),
            (b"", Opening::Http1),
        ] {
            for step in [1, 5, 100] {
                let mut io = Split { bytes, step };
                let (mut replayed, opening) = listen(&mut io).await.unwrap();
                assert_eq!(opening, expected, "{bytes:?}");
                let mut all = Vec::new();
                replayed.read_to_end(&mut all).await.unwrap();
                assert_eq!(all, bytes, "nothing is lost");
            }
        }
    }

    /// Gives out so many bytes at a time.
    struct Split {
        bytes: &'static [u8],
        step: usize,
    }

    impl AsyncRead for Split {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let (now, later) = self.bytes.split_at(self.step.min(self.bytes.len()).min(buf.remaining()));
            buf.put_slice(now);
            self.bytes = later;
            Poll::Ready(Ok(()))
        }
    }

    fn checked(uri: &str, headers: &[(&str, &str)]) -> Option<Parts> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut head = request.body(()).unwrap().into_parts().0;
        check(&mut head).is_ok().then_some(head)
    }

    #[test]
    fn a_head_names_one_host_or_is_refused() {
        assert!(checked("http://a.com/x", &[]).is_some());
        assert!(checked("http://a.com/x", &[("host", "A.com")]).is_some());
        assert!(checked("/x", &[("host", "a.com")]).is_some());
        assert!(checked("http://a.com/x", &[("host", "b.com")]).is_none());
        assert!(checked("http://u@a.com/x", &[]).is_none());
        assert!(checked("/x", &[("host", "a.com"), ("host", "a.com")]).is_none());
        assert!(checked("/x", &[]).is_none());
    }

    #[test]
    fn several_cookies_become_one() {
        let head = checked("http://a/", &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2; c=3")]).unwrap();
        assert_eq!(head.headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn requests_taken_back_are_counted_by_the_second() {
        let (streams, start) = (Streams::new(), Instant::now());
        (0..5).for_each(|_| streams.take_back(start));
        assert_eq!(streams.taken_back.get(), 5);
        streams.take_back(start + Duration::from_secs(3));
        assert_eq!(streams.taken_back.get(), 1);
    }
}
