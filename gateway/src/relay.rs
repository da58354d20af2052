//! Stage relay: the provider's answer to the client as it arrives.
//! Exactly one end is told: complete, client closed, upstream failed or timed out. A stream that broke
//! off is broken off towards the client too, after an error event where one fits; no terminator is ever invented.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::answer::{Answer, Broken};
use crate::health::{Failed, Failure};
use crate::record::{End, Pending};
use crate::snapshot::{AiBackend, Operation, Provider};
use crate::worker::{Hold, Worker};
use crate::{error, select};

/// Bytes of a body, either way, that are kept for the log.
pub(crate) const LOGGED_BODY: usize = 64 * 1024;

/// A response body: the gateway's own, or a provider's.
#[derive(Debug)]
pub enum Reply {
    /// Complete.
    Full(Option<Bytes>),
    /// As it arrives.
    Relay(Box<Relay>),
}

impl Reply {
    /// A complete body.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        Self::Full(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

/// The timers of an answer.
#[derive(Debug, Default)]
pub struct Timers {
    deadline: Option<Pin<Box<Sleep>>>,
    idle: Option<Idle>,
}

/// `timeouts.responseIdle`: the timer runs only while the provider is waited for.
#[derive(Debug)]
struct Idle {
    limit: Duration,
    heard: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Timers {
    /// Timers for an answer whose head has just come.
    #[must_use]
    pub fn new(deadline: Option<Instant>, idle: Option<Duration>) -> Self {
        let sleep_until = |at: Instant| Box::pin(tokio::time::sleep_until(at.into()));
        let idle = idle.map(|limit| {
            let heard = Instant::now();
            Idle { limit, heard, timer: sleep_until(heard + limit) }
        });
        Self { deadline: deadline.map(sleep_until), idle }
    }

    fn heard(&mut self) {
        if let Some(idle) = &mut self.idle {
            idle.heard = Instant::now();
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.deadline.as_mut().map_or(Poll::Pending, |deadline| deadline.as_mut().poll(cx))
    }

    /// A silence counts from the last bytes, not from the last look.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(idle) = &mut self.idle else { return Poll::Pending };
        while idle.timer.as_mut().poll(cx).is_ready() {
            let end = idle.heard + idle.limit;
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            idle.timer.as_mut().reset(end.into());
        }
        Poll::Pending
    }
}

/// A relayed body with its record.
#[derive(Debug)]
pub struct Relay {
    /// What is relayed.
    pub answer: Answer,
    /// Handed over at the end.
    pub record: Pending,
    /// The core.
    pub worker: Rc<Worker>,
    /// Told when the answer breaks.
    pub provider: Option<(Arc<AiBackend>, Arc<Provider>)>,
    /// What an error event would look like.
    pub operation: Operation,
    /// End the answer.
    pub timers: Timers,
    /// Room of the request body, free again when the exchange is over.
    pub hold: Option<Hold>,
    /// Set when the answer broke.
    pub breaking: Option<Breaking>,
}

/// An answer that broke: the connection to the client follows as soon as what was said before has been written.
#[derive(Debug)]
pub struct Breaking {
    broken: Broken,
    written: bool,
}

impl Relay {
    /// The response body; an answer without a body is complete at once, because nobody will ask for it.
    #[must_use]
    pub fn begin(mut self) -> Reply {
        self.note_last_bytes();
        Reply::Relay(Box::new(self))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        if self.timers.poll_deadline(cx).is_ready() {
            return Poll::Ready(Err(Broken::Deadline));
        }
        if let Poll::Ready(outcome) = self.answer.poll_bytes(cx) {
            self.timers.heard();
            return Poll::Ready(outcome);
        }
        ready!(self.timers.poll_silence(cx));
        Poll::Ready(Err(Broken::Silent))
    }

    /// The record is handed over with the last byte: nobody may ask for more.
    fn note_last_bytes(&mut self) {
        if !self.finished() && self.answer.is_spent() {
            self.finish(Ok(()));
        }
    }

    fn finished(&self) -> bool {
        self.record.end != End::ClientClosed
    }

    /// Puts what the answer told into the record.
    fn note_told(&mut self) -> bool {
        let told = self.answer.told();
        let record = &mut *self.record;
        record.usage = told.usage;
        record.response_model = told.model;
        record.particulars = told.particulars;
        record.first_token = told.first_content.map(|at| at.saturating_duration_since(record.started));
        told.error
    }

    fn finish(&mut self, outcome: Result<(), &Broken>) {
        let told_error = self.note_told();
        let record = &mut *self.record;
        record.end = match outcome {
            Ok(()) if told_error => End::UpstreamFailed,
            Ok(()) => End::Complete,
            Err(broken) if broken.timed_out() => End::TimedOut,
            Err(_) => End::UpstreamFailed,
        };
        if told_error && outcome.is_ok() {
            record.error = Some("the provider told an error inside the stream".into());
            record.reason = Some(error::Reason::UpstreamFailure);
        }
        if let Err(broken) = outcome {
            record.error = Some(broken.to_string().into());
            let timed_out = broken.timed_out();
            record.reason = Some(if timed_out { error::Reason::Timeout } else { error::Reason::UpstreamFailure });
        }
        let good = record.attempts.last().is_some_and(|attempt| attempt.good);
        match (&self.provider, outcome) {
            (Some((backend, provider)), Err(_)) => broke(backend, provider),
            (provider, Ok(())) => {
                if let Some((_, provider)) = provider.as_ref().filter(|_| !told_error && good) {
                    provider.health.completed();
                }
                if let Some(connection) = self.answer.take_connection() {
                    self.worker.pool.give_back(connection);
                }
            }
            _ => (),
        }
    }

    /// The answer broke: tells the client inside the stream where that is possible.
    fn last_words(&mut self, broken: Broken) -> Option<Bytes> {
        let told = self.answer.is_between_events();
        let event = told.then(|| error::stream_event(self.operation, broken.code(), &broken.to_string()));
        self.breaking = Some(Breaking { broken, written: false });
        event
    }

    /// The HTTP layer writes out what it has when it is told to wait.
    fn poll_break(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.breaking.take() {
            Some(Breaking { broken, written: false }) => {
                self.breaking = Some(Breaking { broken, written: true });
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            breaking => Poll::Ready(breaking.map(|breaking| Err(breaking.broken))),
        }
    }

    fn note_sent(&mut self, bytes: &Bytes) {
        self.record.response_bytes += bytes.len() as u64;
        if let Some(kept) = &mut self.record.response_body {
            let room = LOGGED_BODY.saturating_sub(kept.len()).min(bytes.len());
            kept.extend_from_slice(&bytes[..room]);
        }
    }
}

/// Tells a provider's health that an accepted answer broke.
pub fn broke(backend: &AiBackend, provider: &Arc<Provider>) {
    let now = Instant::now();
    let spared = select::spared(backend, provider, Failure::Broken, now);
    let rule = backend.eviction.as_ref();
    // a head had come: if this was the probe, it has ended well
    provider.health.failed(Failed { failure: Failure::Broken, rule, hint: None, spared, probe: false }, now);
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let relay = match self.get_mut() {
            Self::Full(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relay(relay) => relay,
        };
        if relay.breaking.is_some() {
            return relay.poll_break(cx);
        }
        match ready!(relay.poll_bytes(cx)) {
            Ok(Some(bytes)) => {
                relay.note_last_bytes();
                relay.note_sent(&bytes);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Ok(None) => {
                if !relay.finished() {
                    relay.finish(Ok(()));
                }
                Poll::Ready(None)
            }
            Err(broken) => {
                relay.finish(Err(&broken));
                match relay.last_words(broken) {
                    Some(event) => {
                        relay.note_sent(&event);
                        Poll::Ready(Some(Ok(Frame::data(event))))
                    }
                    None => relay.poll_break(cx),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Relay(relay) => relay.finished() && relay.breaking.is_none() && relay.answer.is_drained(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Relay(_) => SizeHint::default(),
        }
    }
}

impl Drop for Relay {
    /// A relay that is dropped before its end was left by the client: what was seen so far is still told.
    fn drop(&mut self) {
        if !self.finished() {
            self.note_told();
        }
    }
}
