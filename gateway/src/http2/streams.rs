//! The requests of one HTTP/2 connection: how many are in flight, since when none is, and how many were taken back.
//! Says when the connection should end; ending it is up to who serves it.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

use super::STREAMS;
use crate::answer::Broken;
use crate::relay::Reply;

/// Requests of one connection that may be taken back within a second before they were answered: twice as many as may
/// be in flight is a client that does nothing else.
const TAKEN_BACK: u32 = 2 * STREAMS;

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Streams {
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
pub(super) enum End {
    /// No request was in flight for a while.
    Quiet,
    /// Too many were taken back.
    Flooded,
}

impl Streams {
    pub(super) fn new() -> Self {
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
    pub(super) async fn end(&self, patience: Duration) -> End {
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

    /// Patience begins anew.
    pub(super) fn restart(&self) {
        self.quiet_since.set(self.quiet_since.get().map(|_| Instant::now()));
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
pub(super) struct Stream {
    streams: Rc<Streams>,
    answered: bool,
}

impl Stream {
    pub(super) fn begin(streams: Rc<Streams>) -> Self {
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
pub(super) struct Counted {
    reply: Reply,
    _stream: Stream,
}

impl Counted {
    pub(super) fn new(reply: Reply, mut stream: Stream) -> Self {
        stream.answered = true;
        Self { reply, _stream: stream }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_taken_back_are_counted_by_the_second() {
        let (streams, start) = (Streams::new(), Instant::now());
        (0..5).for_each(|_| streams.take_back(start));
        assert_eq!(streams.taken_back.get(), 5);
        streams.take_back(start + Duration::from_secs(3));
        assert_eq!(streams.taken_back.get(), 1);
    }
}
