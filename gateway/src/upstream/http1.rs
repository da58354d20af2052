//! An upstream connection in HTTP/1.1, for one request at a time (RFC 9112). Whoever waits for its answer reads it: nothing
//! stands between the socket and the exchange. What it reads goes through one buffer of the core and leaves as one piece,
//! however many chunks it came in; a connection that waits holds none. A task of its own gets only an upload that its
//! answer has overtaken.

mod body;
mod head;
mod upload;

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::JoinHandle;

use crate::buffers::Buffers;

use super::{Error, IDLE_TIMEOUT, Io, SendError, UpstreamBody};
use body::Body;
use upload::Upload;

/// Some servers (cpp-httplib, and so llama.cpp) close a connection behind a stream without having said so: after so long
/// that is seen.
const SETTLING: Duration = Duration::from_millis(5);
/// What this core has heard of a connection this short a time ago the kernel is not asked. A provider that stops closes its
/// connections within a millisecond of its last answer.
const FRESH: Duration = Duration::from_micros(200);
/// A request that is on its way for so long still comes before the upstream gives up.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// An upload that its answer has outlived is let go after so long.
const LINGERING: Duration = Duration::from_secs(10);

/// One connection.
pub(super) struct Http1 {
    io: Io,
    buffers: Rc<Buffers>,
    /// The beginning of a head that has not come whole.
    head: Vec<u8>,
    /// What has come of the body and was not asked for.
    arrived: Bytes,
    /// What is still to come of it.
    body: Body,
    /// Why no more of it comes.
    failed: Option<Error>,
    /// The last read may have left something.
    more: bool,
    /// Another request may follow the answer.
    persists: bool,
    /// How long it may rest; less than the upstream says that it waits for a next request.
    pub(super) rests: Duration,
    /// How long it must rest first.
    pub(super) settles: Duration,
    /// Sends what was not sent when the answer began.
    upload: Option<JoinHandle<()>>,
    /// Not all of the request could be sent: an end of the connection is not the end of an answer.
    cut: Rc<Cell<bool>>,
}

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("io", &self.io).field("body", &self.body).finish_non_exhaustive()
    }
}

impl Http1 {
    /// Speaks HTTP/1.1 on a connection.
    pub(super) fn new(io: Io, buffers: Rc<Buffers>) -> Self {
        Self {
            io,
            buffers,
            head: Vec::new(),
            arrived: Bytes::new(),
            body: Body::Over,
            failed: None,
            more: false,
            persists: true,
            rests: IDLE_TIMEOUT,
            settles: Duration::ZERO,
            upload: None,
            cut: Rc::default(),
        }
    }

    /// Sends one request and waits for the answer's head.
    pub(super) async fn send(&mut self, request: Request<UpstreamBody>) -> Result<Response<()>, SendError> {
        let method = request.method().clone();
        let mut upload = Upload::new(request, self.buffers.clone());
        let answered = poll_fn(|cx| self.poll_answer(&mut upload, &method, cx)).await;
        match answered {
            Ok(response) => {
                if !upload.is_over() {
                    self.detach(upload);
                } else if upload.take_failure().is_some() {
                    self.cut.set(true);
                }
                Ok(response)
            }
            Err(error) => Err(upload.unsent().map_or(SendError::Lost(error), SendError::Unsent)),
        }
    }

    /// Sends and listens at once: an answer may say why no more is taken.
    fn poll_answer(
        &mut self,
        upload: &mut Upload,
        method: &Method,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, Error>> {
        let _all = upload.poll(&mut self.io, cx);
        if let Some(fault) = upload.take_fault() {
            return Poll::Ready(Err(fault));
        }
        match ready!(self.poll_head(method, cx)) {
            // it answers something else
            Ok(_) if !upload.has_begun() => Poll::Ready(Err(Error::Closed)),
            answered => Poll::Ready(answered.map_err(|error| upload.take_failure().unwrap_or(error))),
        }
    }

    fn poll_head(&mut self, method: &Method, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Error>> {
        let buffers = self.buffers.clone();
        loop {
            let mut room = buffers.read.borrow_mut();
            let read = ready!(self.poll_read(&mut room, cx))?;
            if read.is_empty() {
                return Poll::Ready(Err(Error::Closed));
            }
            if self.head.is_empty() {
                if let Some(response) = self.read_head(read, method)? {
                    return Poll::Ready(Ok(response));
                }
            } else {
                let mut head = std::mem::take(&mut self.head);
                head.extend_from_slice(read);
                if let Some(response) = self.read_head(&head, method)? {
                    return Poll::Ready(Ok(response));
                }
            }
        }
    }

    /// Reads heads up to the one of the answer, and keeps what has not come whole.
    fn read_head(&mut self, mut bytes: &[u8], method: &Method) -> Result<Option<Response<()>>, Error> {
        while let Some(head) = head::read(bytes)? {
            bytes = &bytes[head.size..];
            let status = head.response.status();
            if status == StatusCode::SWITCHING_PROTOCOLS {
                (self.body, self.persists) = (Body::UntilClose, false);
            } else if status.is_informational() {
                continue;
            } else {
                (self.body, self.persists) = (head.body(method)?, head.persists());
            }
            if let Some(timeout) = head.keep_alive {
                self.rests = timeout.saturating_sub(ON_ITS_WAY).min(IDLE_TIMEOUT);
            }
            self.settles = if head.framing.is_coded() { SETTLING } else { Duration::ZERO };
            self.take(bytes);
            return Ok(Some(head.response));
        }
        self.head.extend_from_slice(bytes);
        Ok(None)
    }

    /// What can be read at once; nothing at the end.
    fn poll_read<'r>(&mut self, room: &'r mut [u8], cx: &mut Context<'_>) -> Poll<Result<&'r [u8], Error>> {
        let mut buffer = ReadBuf::new(room);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
        // a TLS record may wait behind another
        self.more = buffer.remaining() == 0 || matches!(self.io, Io::Tls(_));
        let size = buffer.filled().len();
        Poll::Ready(Ok(&room[..size]))
    }

    /// Notes what of these bytes, which follow the head or what came before, is the body's.
    fn take(&mut self, mut bytes: &[u8]) {
        let mut content = Vec::with_capacity(self.body.most(bytes.len()));
        if let Err(error) = self.body.take(&mut bytes, &mut content) {
            self.failed = Some(error);
        }
        self.arrived = content.into();
        // nobody asked for what is left
        self.persists &= bytes.is_empty();
    }

    /// The next piece of the answer's body; `None` at its end.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            if !self.arrived.is_empty() {
                return Poll::Ready(Some(Ok(std::mem::take(&mut self.arrived))));
            }
            if let Some(error) = self.failed.take() {
                self.persists = false;
                return Poll::Ready(Some(Err(error)));
            }
            if self.is_over() {
                return Poll::Ready(None);
            }
            ready!(self.poll_more(cx));
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let buffers = self.buffers.clone();
        let mut room = buffers.read.borrow_mut();
        match ready!(self.poll_read(&mut room, cx)) {
            Err(error) => self.failed = Some(error),
            Ok([]) if self.is_close_delimited() && !self.cut.get() => (self.body, self.persists) = (Body::Over, false),
            Ok([]) => self.failed = Some(Error::Closed),
            Ok(bytes) => self.take(bytes),
        }
        Poll::Ready(())
    }

    /// What of the body has already come.
    pub(super) fn poll_arrived(&mut self) -> Poll<Option<Result<Bytes, Error>>> {
        let known = !self.arrived.is_empty() || self.failed.is_some() || self.is_over();
        if known || self.more { self.poll_data(&mut nobody()) } else { Poll::Pending }
    }

    /// Whether the body is known to have ended, and all of it was handed out.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.body, Body::Over) && self.arrived.is_empty() && self.failed.is_none()
    }

    /// Whether only the end of the connection ends the body.
    pub(super) fn is_close_delimited(&self) -> bool {
        matches!(self.body, Body::UntilClose)
    }

    /// The answer has ended; whether another request may follow. An upload that has not ended may go on for a while, and
    /// ends the connection.
    pub(super) fn rest(&mut self) -> bool {
        if let Some(upload) = self.upload.take_if(|upload| !upload.is_finished()) {
            let rest = upload.abort_handle();
            tokio::task::spawn_local(async move {
                // how it ends matters to nobody
                let _ended = tokio::time::timeout(LINGERING, upload).await;
                rest.abort();
            });
            return false;
        }
        self.upload = None;
        self.persists && !self.cut.get() && self.is_over() && !self.says_more()
    }

    /// Whether something was read already that nobody asked for, and the kernel knows nothing of it.
    fn says_more(&mut self) -> bool {
        let buffers = self.buffers.clone();
        let mut room = buffers.read.borrow_mut();
        self.more && self.poll_read(&mut room, &mut nobody()).is_ready()
    }

    /// Whether the peer has neither closed it nor said what nobody asked for, as far as the kernel knows; where that is
    /// nothing newer, as far as this core has heard. It was last used at `since`.
    pub(super) fn alive(&self, since: Instant, now: Instant) -> bool {
        let heard = crate::turn::last().map_or(since, |heard| heard.max(since));
        let fresh = now.saturating_duration_since(heard) < FRESH && self.settles.is_zero();
        self.io.with_socket(|socket| if fresh { socket.seems_alive() } else { socket.alive() })
    }

    /// The connection behind a 101, and what has come of what follows it.
    pub(super) fn into_tunnel(mut self) -> (Io, Bytes) {
        (self.io.clone(), std::mem::take(&mut self.arrived))
    }

    /// From now on a task sends the rest. When that fails the connection ends: its answer must not be taken for one to the
    /// whole request.
    fn detach(&mut self, mut upload: Upload) {
        let (mut io, cut) = (self.io.clone(), self.cut.clone());
        self.upload = Some(tokio::task::spawn_local(async move {
            poll_fn(|cx| upload.poll(&mut io, cx)).await;
            if upload.take_failure().is_some() {
                cut.set(true);
                io.with_socket(crate::socket::Shared::end);
            }
        }));
    }
}

impl Drop for Http1 {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            upload.abort();
        }
    }
}

/// Somebody who need not be told.
fn nobody<'w>() -> Context<'w> {
    Context::from_waker(Waker::noop())
}

#[cfg(test)]
mod tests;
