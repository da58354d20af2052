//! An upstream connection in HTTP/1.1, for one request at a time. Whoever waits for its answer drives it: a task of its own
//! would have to be woken for each piece of it, and could not tell what arrived together. It gets one only when nobody
//! else is sure to look at it: for a body that passes, and for an upload that outlasts its answer.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::TRANSFER_ENCODING;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{IDLE_TIMEOUT, UpstreamBody};
use crate::socket::Shared;

/// How long the upstream keeps an idle connection (RFC 2068 19.7.1.1, and in use ever since).
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// Some servers (cpp-httplib, and so llama.cpp) close a connection behind a stream without having said so: after so long
/// that is seen.
const SETTLING: Duration = Duration::from_millis(5);
/// Of a connection that was in use this short a time ago the kernel is not asked. A provider that stops closes its
/// connections within a millisecond of its last answer, and this core hears of it when it next looks.
const FRESH: Duration = Duration::from_micros(200);
/// A request that is on its way for so long still comes before the upstream gives up.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// Set when the connection had more to do than it does at a time.
#[derive(Default)]
struct Unfinished(AtomicBool);

impl Wake for Unfinished {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// A piece of an answer; `None` is its end.
pub(super) type Piece = Option<Result<Frame<Bytes>, hyper::Error>>;

/// One connection.
pub(super) struct Http1 {
    sender: SendRequest<UpstreamBody>,
    socket: Shared,
    /// How long it may rest; less than the upstream says that it waits for a next request.
    pub(super) rests: Duration,
    /// How long it must rest first.
    pub(super) settles: Duration,
    /// Nothing came of the last drive: nothing will as long as nothing is heard.
    spent: bool,
    unfinished: Arc<Unfinished>,
    /// `None` where a task drives it, and when it has ended.
    driver: Option<Pin<Box<dyn Future<Output = hyper::Result<()>>>>>,
}

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("sender", &self.sender).finish_non_exhaustive()
    }
}

impl Http1 {
    /// Speaks HTTP/1.1 on a connection.
    pub(super) async fn start<T>(io: T, socket: Shared) -> hyper::Result<Self>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(io)).await?;
        Ok(Self { driver: Some(Box::pin(connection)), ..Self::driven(sender, socket) })
    }

    /// A connection that is driven elsewhere.
    pub(super) fn driven(sender: SendRequest<UpstreamBody>, socket: Shared) -> Self {
        Self {
            sender,
            socket,
            rests: IDLE_TIMEOUT,
            settles: Duration::ZERO,
            spent: false,
            unfinished: Arc::default(),
            driver: None,
        }
    }

    /// Sends one request and waits for the answer's head.
    pub(super) async fn send(
        &mut self,
        request: Request<UpstreamBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<UpstreamBody>>> {
        if !matches!(request.body(), UpstreamBody::Pieces(_)) && !request.body().is_end_stream() {
            // it may go on arriving while nobody asks for the answer
            self.detach();
        }
        let mut sent = pin!(self.sender.try_send_request(request));
        let answer =
            poll_fn(|cx| if self.drive(cx) { sent.as_mut().poll(&mut nobody()) } else { sent.as_mut().poll(cx) })
                .await?;
        if let Some(timeout) = answer.headers().get(KEEP_ALIVE).and_then(timeout) {
            self.rests = timeout.saturating_sub(ON_ITS_WAY).min(IDLE_TIMEOUT);
        }
        let streams = answer.headers().contains_key(TRANSFER_ENCODING);
        self.settles = if streams { SETTLING } else { Duration::ZERO };
        Ok(answer)
    }

    /// Lets the connection read and write what it can, and tells `cx` of more; whether that is told here, not to those
    /// who wait for its messages.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(driver) = &mut self.driver else { return false };
        self.spent = false;
        if driver.as_mut().poll(cx).is_ready() {
            // how it ended reaches whoever waits for an answer on it
            self.driver = None;
        }
        true
    }

    /// The next piece of an answer, whose body this is. Body and connection tell each other of all they do: whoever drives
    /// both need not be woken for that.
    pub(super) fn poll_frame(&mut self, body: &mut Incoming, cx: &mut Context<'_>) -> Poll<Piece> {
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(&mut nobody()) {
            return Poll::Ready(frame);
        }
        // once for what was heard, and once for what was heard meanwhile
        for _ in 0..2 {
            if self.spent {
                ready!(self.socket.poll_due(cx));
            }
            if let Poll::Ready(frame) = self.poll_driven(body) {
                return Poll::Ready(frame);
            }
        }
        self.drive(cx);
        Pin::new(body).poll_frame(&mut nobody())
    }

    /// What of an answer has already come; its body was asked for it.
    pub(super) fn poll_arrived(&mut self, body: &mut Incoming) -> Poll<Piece> {
        if self.spent || self.driver.is_none() { Poll::Pending } else { self.poll_driven(body) }
    }

    fn poll_driven(&mut self, body: &mut Incoming) -> Poll<Piece> {
        self.unfinished.0.store(false, Relaxed);
        let waker = Waker::from(self.unfinished.clone());
        self.drive(&mut Context::from_waker(&waker));
        let frame = Pin::new(body).poll_frame(&mut nobody());
        self.spent = frame.is_pending() && !self.unfinished.0.load(Relaxed);
        frame
    }

    /// The answer has ended; whether another request may follow. Wakes nobody from now on.
    pub(super) fn rest(&mut self) -> bool {
        self.drive(&mut nobody());
        if self.sender.is_closed() {
            return false;
        }
        if !self.sender.is_ready() {
            self.detach();
        }
        true
    }

    /// Whether [`Self::drive`] does anything.
    pub(super) fn is_driven_here(&self) -> bool {
        self.driver.is_some()
    }

    /// Whether it can take a request, at the latest when `cx` is told.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.drive(cx);
        self.sender.poll_ready(cx)
    }

    /// Whether it takes a request at this moment.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it has ended, as far as anybody has seen.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the peer has neither closed it nor said what nobody asked for, as far as the kernel knows; where it was in
    /// use a moment ago, as far as this core has heard.
    pub(super) fn alive(&self, age: Duration) -> bool {
        if age < FRESH && self.settles.is_zero() { self.socket.seems_alive() } else { self.socket.alive() }
    }

    /// From now on a task drives it.
    fn detach(&mut self) {
        if let Some(driver) = self.driver.take() {
            tokio::task::spawn_local(async move {
                // its failure reaches whoever waits for an answer on it
                let _ended = driver.await;
            });
        }
    }
}

/// `timeout` of a `Keep-Alive` header, in seconds.
fn timeout(header: &HeaderValue) -> Option<Duration> {
    let mut parameters = header.to_str().ok()?.split(',').filter_map(|parameter| parameter.split_once('='));
    let (_, seconds) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// Somebody who need not be told.
pub(super) fn nobody<'w>() -> Context<'w> {
    Context::from_waker(Waker::noop())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_of_keep_alive_is_read_wherever_it_stands() {
        let read = |text: &'static str| timeout(&HeaderValue::from_static(text)).map(|timeout| timeout.as_secs());
        assert_eq!(read("timeout=5, max=100"), Some(5));
        assert_eq!(read("max=100, Timeout = 15"), Some(15));
        assert_eq!([read("max=100"), read("timeout=soon"), read("timeout=-1"), read("timeout")], [None; 4]);
    }
}
