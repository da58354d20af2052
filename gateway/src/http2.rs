//! HTTP/2 with clients: by ALPN, or by prior knowledge on a plain port, where the first bytes tell.
//! Owns limits on streams and resets, the end of idle connections, and what an HTTP/2 head must be before it may become
//! an HTTP/1.1 one. Frames are hyper's business.

mod streams;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::interval;

use crate::error::{Reason, Rejection};
use crate::framing::Framing;
use crate::listen::{Door, HEAD_FIELDS, HEAD_SIZE, LAST_HEAD, Stage};
use crate::proxy;
use crate::received::Received;
use crate::replay::Replay;
use streams::{Counted, Stream, Streams};

/// Requests of one connection that may be in flight.
const STREAMS: u32 = 256;
/// Body bytes that a client may send ahead of what is read of them, for one request.
const WINDOW: u32 = 1024 * 1024;
/// The same for all its requests: backends that do not read make a client's bytes wait with the client.
const CONNECTION_WINDOW: u32 = 4 * WINDOW;
/// Bytes of an answer that are kept for a client that does not read: for all its requests together, 16 MiB.
const SEND_BUFFER: usize = 64 * 1024;
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
    let (idle, unread) = (worker.shared.header_timeout, worker.shared.reader_timeout);
    let streams = Rc::new(Streams::new());
    let elsewhere = Rc::new(Notify::new());
    let (counted, goes, told) = (streams.clone(), elsewhere.clone(), Cell::new(false));
    let service = service_fn(move |request: Request<Incoming>| {
        let stream = Stream::begin(counted.clone());
        if !told.get() && worker.lets_go(Instant::now()) {
            told.set(true);
            goes.notify_one();
        }
        let answer = proxy::handle(worker.clone(), client.clone(), request.map(Received::Layer));
        async move { Ok::<_, std::convert::Infallible>(answer.await.map(|reply| Counted::new(reply, stream))) }
    });
    let mut connection = pin!(builder().serve_connection(TokioIo::new(io), service));
    let mut drained = pin!(drained(&mut door, &streams));
    let (mut leaving, mut look) = (false, interval((unread / 4).max(Duration::from_millis(1))));
    loop {
        let patience = if leaving { LAST_HEAD } else { idle };
        tokio::select! {
            // how a connection ended is the business of its exchanges
            _ended = connection.as_mut() => return,
            () = drained.as_mut(), if !leaving => (),
            () = elsewhere.notified(), if !leaving => (),
            _ = look.tick() => {
                streams.let_go_of_unread(unread);
                continue;
            }
            _quiet_or_flooded = streams.end(patience) => {
                if leaving {
                    return;
                }
            }
        }
        // GOAWAY; what is in flight goes on
        leaving = true;
        streams.restart();
        connection.as_mut().graceful_shutdown();
    }
}

/// Waits until a connection is to go elsewhere: one that came while others were asked to leave is for its first request.
async fn drained(door: &mut Door, streams: &Streams) {
    door.reached(Stage::Draining).await;
    // a client that stays silent has no request to lose
    let _silent = tokio::time::timeout(LAST_HEAD, streams.used()).await;
}

fn builder() -> http2::Builder<Local> {
    let mut builder = http2::Builder::new(Local);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_SIZE as u32)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
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
    if head.headers.len() > HEAD_FIELDS {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let message = format!("a request has at most {HEAD_FIELDS} header fields");
        return Err(Rejection::new(status, Reason::InvalidRequest, "too_many_headers", message));
    }
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
    use std::pin::Pin;
    use std::task::{Context, Poll};

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
}
