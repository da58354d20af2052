//! The requests of one HTTP/2 connection: how many are in flight, since when none is, how many were taken back, and
//! which answers nobody reads: those are let go, with what they hold upstream, and the others go on.
//! Says when the connection should end; ending it is up to who serves it.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

use super::STREAMS;
use crate::answer::Broken;
use crate::relay::Reply;

/// By how many the requests that were taken back before they were answered may outnumber the answered ones: twice as
/// many as may be in flight is a client that does little else.
const TAKEN_BACK: u32 = 2 * STREAMS;

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Streams {
    open: Cell<u32>,
    /// `None` while one is open.
    quiet_since: Cell<Option<Instant>>,
    /// Those that were taken back, less those that were answered.
    taken_back: Cell<u32>,
    used: Cell<bool>,
    /// Answers that may be under way.
    answers: RefCell<Vec<Weak<Held>>>,
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
        Self {
            open: Cell::new(0),
            quiet_since: Cell::new(Some(Instant::now())),
            taken_back: Cell::new(0),
            used: Cell::new(false),
            answers: RefCell::default(),
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

    /// Waits for the first request.
    pub(super) async fn used(&self) {
        while !self.used.get() {
            self.changed.notified().await;
        }
    }

    /// Patience begins anew.
    pub(super) fn restart(&self) {
        self.taken_back.set(0);
        self.quiet_since.set(self.quiet_since.get().map(|_| Instant::now()));
    }

    /// Lets go of answers of which the client has taken nothing for so long. HTTP/2 does not ask for the rest of an
    /// answer that has no room on its way, so this is looked at from outside.
    pub(super) fn let_go_of_unread(&self, limit: Duration) {
        self.answers.borrow_mut().retain(|answer| {
            let Some(answer) = answer.upgrade() else { return false };
            let unread = answer.offered.get().is_some_and(|since| since.elapsed() >= limit);
            if unread {
                answer.reply.take();
            }
            !unread
        });
    }

    fn count(&self, answered: bool) {
        let taken_back = self.taken_back.get();
        self.taken_back.set(if answered { taken_back.saturating_sub(1) } else { taken_back + 1 });
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
        if !streams.used.replace(true) {
            streams.changed.notify_waiters();
        }
        Self { streams, answered: false }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = &self.streams;
        streams.count(self.answered);
        streams.open.set(streams.open.get() - 1);
        if streams.open.get() == 0 {
            streams.quiet_since.set(Some(Instant::now()));
        }
        streams.changed.notify_waiters();
    }
}

/// An answer that keeps its stream open.
#[derive(Debug)]
pub(super) struct Counted {
    held: Rc<Held>,
    stream: Stream,
}

#[derive(Debug)]
struct Held {
    /// Gone when nobody read it.
    reply: RefCell<Option<Reply>>,
    /// Since when the client has not taken what there is; `None` while the provider is waited for.
    offered: Cell<Option<Instant>>,
}

impl Counted {
    pub(super) fn new(reply: Reply, mut stream: Stream) -> Self {
        stream.answered = reply.is_end_stream();
        let held = Rc::new(Held { reply: RefCell::new(Some(reply)), offered: Cell::new(Some(Instant::now())) });
        if !stream.answered {
            stream.streams.answers.borrow_mut().push(Rc::downgrade(&held));
        }
        Self { held, stream }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        // nobody asks for the body of an answer whose head could not be sent
        self.stream.answered = true;
        let mut reply = self.held.reply.borrow_mut();
        let Some(reply) = reply.as_mut() else { return Poll::Ready(Some(Err(Broken::Unread))) };
        let polled = Pin::new(reply).poll_frame(cx);
        self.held.offered.set(polled.is_ready().then(Instant::now));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.held.reply.borrow().as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.held.reply.borrow().as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_takes_back_more_than_it_lets_be_answered_is_found_out() {
        let streams = Rc::new(Streams::new());
        let begun = |answered| {
            let mut stream = Stream::begin(streams.clone());
            stream.answered = answered;
            stream
        };
        for _ in 0..2 * TAKEN_BACK {
            drop((begun(false), begun(true)));
        }
        assert_eq!(streams.end(Duration::ZERO).await, End::Quiet);
        (0..=TAKEN_BACK).for_each(|_| drop(begun(false)));
        assert_eq!(streams.end(Duration::from_secs(60)).await, End::Flooded);
        streams.restart();
        assert_eq!(streams.end(Duration::ZERO).await, End::Quiet);
    }
}
