//! The body of a client's request, wherever it comes from: the HTTP layer, or a connection that `http1` reads.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// A body as it is received.
pub enum Received {
    /// All of it has come.
    Whole(Bytes),
    /// The connection has more of it.
    Rest(Rest),
    /// The HTTP layer reads it.
    Layer(Incoming),
}

impl fmt::Debug for Received {
    /// Without its bytes, which are a prompt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}

/// Why a body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// As the HTTP layer says.
    #[error(transparent)]
    Layer(#[from] hyper::Error),
    /// The connection has ended.
    #[error("the connection ended before the request body did")]
    CutOff,
}

/// What the reader of a body and the one that reads the connection for it say to each other.
struct Shared {
    arrived: Bytes,
    /// Bytes that the connection still has to give.
    left: u64,
    cut_off: bool,
    /// The reader is gone.
    unwanted: bool,
    /// The reader, while it waits for more.
    reader: Option<Waker>,
    /// Who reads the connection.
    line: Option<Waker>,
}

/// A body of which the connection has more; it is read when it is asked for. Not to be shown: its bytes are a prompt.
pub struct Rest(Rc<RefCell<Shared>>);

/// The other end of a [`Rest`], for the one that reads the connection.
pub(crate) struct Intake(Rc<RefCell<Shared>>);

/// A body of which this has arrived, and so many bytes have not.
pub(crate) fn in_parts(arrived: Bytes, left: u64) -> (Rest, Intake) {
    let shared = Shared { arrived, left, cut_off: false, unwanted: false, reader: None, line: None };
    let shared = Rc::new(RefCell::new(shared));
    (Rest(shared.clone()), Intake(shared))
}

impl Intake {
    /// How many bytes of the connection the reader would take now; it wakes whoever asks when that changes.
    pub(crate) fn wanted(&self, cx: &mut Context<'_>) -> u64 {
        let mut shared = self.0.borrow_mut();
        if !shared.line.as_ref().is_some_and(|line| line.will_wake(cx.waker())) {
            shared.line = Some(cx.waker().clone());
        }
        if shared.reader.is_some() && !shared.cut_off { shared.left } else { 0 }
    }

    /// Bytes that the connection still has to give, whether anybody wants them or not.
    pub(crate) fn left(&self) -> u64 {
        self.0.borrow().left
    }

    /// Whether the connection has ended before the body.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.0.borrow().cut_off
    }

    /// Whether nobody reads the body any more.
    pub(crate) fn unwanted(&self) -> bool {
        self.0.borrow().unwanted
    }

    /// Some of it has come, at most what was left; nothing means that the connection has ended. `cx` is not woken, because
    /// it is who calls.
    pub(crate) fn give(&self, bytes: &[u8], cx: &mut Context<'_>) {
        let mut shared = self.0.borrow_mut();
        shared.left -= bytes.len() as u64;
        shared.cut_off |= bytes.is_empty();
        if !shared.unwanted {
            shared.arrived = Bytes::copy_from_slice(bytes);
        }
        if let Some(reader) = shared.reader.take().filter(|reader| !reader.will_wake(cx.waker())) {
            reader.wake();
        }
    }
}

impl Drop for Intake {
    /// Nobody reads the connection any more.
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        shared.cut_off = true;
        if let Some(reader) = shared.reader.take() {
            reader.wake();
        }
    }
}

impl Rest {
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Unfinished>>> {
        let mut shared = self.0.borrow_mut();
        if !shared.arrived.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut shared.arrived))));
        }
        if shared.left == 0 {
            return Poll::Ready(None);
        }
        if shared.cut_off {
            return Poll::Ready(Some(Err(Unfinished::CutOff)));
        }
        shared.reader = Some(cx.waker().clone());
        // within its own task it looks by itself
        if let Some(line) = shared.line.as_ref().filter(|line| !line.will_wake(cx.waker())) {
            line.wake_by_ref();
        }
        Poll::Pending
    }

    fn size(&self) -> u64 {
        let shared = self.0.borrow();
        shared.arrived.len() as u64 + shared.left
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        (shared.unwanted, shared.reader, shared.arrived) = (true, None, Bytes::new());
        if let Some(line) = shared.line.take() {
            line.wake();
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Rest(rest) => rest.poll_bytes(cx).map_ok(Frame::data),
            Self::Layer(body) => Pin::new(body).poll_frame(cx).map_err(Unfinished::from),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Rest(rest) => rest.size() == 0,
            Self::Layer(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Rest(rest) => SizeHint::with_exact(rest.size()),
            Self::Layer(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_said_is_not_shown() {
        let (rest, _intake) = in_parts(Bytes::from_static(b"a prompt"), 3);
        for body in [Received::Whole(Bytes::from_static(b"a prompt")), Received::Rest(rest)] {
            let shown = format!("{body:?}");
            assert!(shown.starts_with("Received") && !shown.contains("prompt"), "{shown}");
        }
    }
}
