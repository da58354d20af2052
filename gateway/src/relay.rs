//! Stage relay: the provider's answer to the client as it arrives, read on the side for usage.
//! Exactly one end is told: complete, client closed, upstream failed or timed out. A stream that broke
//! off is broken off towards the client too; no terminator is ever invented.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::health::{Failure, Health};
use crate::record::{End, Pending};
use crate::snapshot::{AiBackend, Operation, Provider};
use crate::tap::{StreamTap, Told};
use crate::upstream::Connection;
use crate::usage::AnswerScan;
use crate::worker::{Hold, Worker};

/// Longest time that events before the commit point are held.
const COMMIT_WAIT: Duration = Duration::from_millis(100);
/// Bytes of an answer that are kept for the log.
const LOGGED_BODY: usize = 64 * 1024;

/// Counts a provider's pending exchange for as long as it lives.
#[derive(Debug)]
pub struct InFlight(Arc<Health>);

impl InFlight {
    /// Begins to count.
    #[must_use]
    pub fn begin(health: Arc<Health>) -> Self {
        health.begin();
        Self(health)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What is read on the side of an answer.
#[derive(Debug)]
pub enum Tap {
    /// Nothing.
    None,
    /// A JSON answer.
    Json(AnswerScan),
    /// A stream of events.
    Stream(StreamTap),
}

/// Why an answer cannot be relayed to its end.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The connection or its framing broke.
    #[error("the provider broke off: {0}")]
    Transport(#[from] hyper::Error),
    /// The bytes ended in order but the answer did not.
    #[error("the provider's answer ended too early")]
    TooEarly,
    /// The rule's deadline passed.
    #[error("the request's deadline passed within the answer")]
    Deadline,
    /// An error event came before any content.
    #[error("the provider told an error instead of content")]
    ToldError,
}

/// A provider's answer: its body, and what was read of it so far.
#[derive(Debug)]
pub struct Answer {
    body: Incoming,
    ready: VecDeque<Bytes>,
    tap: Tap,
    /// The body ends with the connection, so an end proves nothing.
    close_delimited: bool,
    over: bool,
    /// A failure that was met while reading ahead; told when what came before it has been sent.
    broken: Option<Broken>,
    connection: Option<Connection>,
    _in_flight: Option<InFlight>,
}

impl Answer {
    /// An answer of which only the head was read.
    #[must_use]
    pub fn new(
        body: Incoming,
        tap: Tap,
        close_delimited: bool,
        connection: Connection,
        in_flight: Option<InFlight>,
    ) -> Self {
        let ready = VecDeque::new();
        Self {
            body,
            ready,
            tap,
            close_delimited,
            over: false,
            broken: None,
            connection: Some(connection),
            _in_flight: in_flight,
        }
    }

    /// Reads on until something is ready to be sent, or the answer is over.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while self.ready.is_empty() && !self.over {
            if let Some(broken) = self.broken.take() {
                return Poll::Ready(Err(broken));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.take(data);
                    }
                }
                None => self.end()?,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, data: Bytes) {
        match &mut self.tap {
            Tap::None => self.ready.push_back(data),
            Tap::Json(scan) => {
                scan.push(&data);
                self.ready.push_back(data);
            }
            Tap::Stream(tap) => tap.push(data, &mut self.ready),
        }
    }

    fn end(&mut self) -> Result<(), Broken> {
        self.over = true;
        match &mut self.tap {
            Tap::Json(scan) if self.close_delimited && !scan.balanced() => return Err(Broken::TooEarly),
            Tap::Stream(tap) => {
                tap.rest(&mut self.ready);
                if !tap.ended_properly(self.close_delimited) {
                    return Err(Broken::TooEarly);
                }
            }
            Tap::None | Tap::Json(_) => (),
        }
        Ok(())
    }

    /// Takes what has already arrived of the body, so that an answer that is broken from its first byte
    /// can still be replaced by an error.
    ///
    /// # Errors
    /// When the body broke before anything of it came.
    pub async fn peek(&mut self) -> Result<(), Broken> {
        let look = |cx: &mut Context<'_>| match self.poll_more(cx) {
            Poll::Pending => Poll::Ready(Ok(())),
            looked => looked,
        };
        std::future::poll_fn(look).await
    }

    /// Holds the events before the commit point, for a moment, so that a failure can still be moved elsewhere.
    ///
    /// # Errors
    /// When the stream failed before it committed.
    pub async fn hold(&mut self) -> Result<(), Broken> {
        let mut held = VecDeque::new();
        let mut time_is_up = Box::pin(tokio::time::sleep(COMMIT_WAIT));
        let outcome = std::future::poll_fn(|cx| {
            loop {
                held.append(&mut self.ready);
                match &self.tap {
                    Tap::Stream(tap) if tap.told_error() => return Poll::Ready(Err(Broken::ToldError)),
                    Tap::Stream(tap) if !tap.committed() && !self.over => (),
                    _ => return Poll::Ready(Ok(())),
                }
                if time_is_up.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                ready!(self.poll_more(cx))?;
            }
        });
        let outcome = outcome.await;
        self.ready = held;
        outcome
    }

    /// Reads a short answer whole, until a deadline, and masks `secret` in it; longer ones are relayed as they are.
    pub async fn mask(&mut self, secret: &[u8], limit: usize, until: Instant) {
        let (mut held, mut size) = (VecDeque::<Bytes>::new(), 0);
        while size < limit && !self.over {
            let more = std::future::poll_fn(|cx| self.poll_more(cx));
            let more = tokio::time::timeout_at(until.into(), more).await;
            if let Err(broken) = more.unwrap_or(Err(Broken::Deadline)) {
                self.over = false;
                self.broken = Some(broken);
                break;
            }
            size += self.ready.iter().map(Bytes::len).sum::<usize>();
            held.append(&mut self.ready);
        }
        let whole: Vec<u8> = held.iter().flatten().copied().collect();
        let masked = crate::headers::masked(whole, secret);
        self.ready.clear();
        if !masked.is_empty() {
            self.ready.push_back(Bytes::from(masked));
        }
    }
}

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
    /// Ends the answer.
    pub deadline: Option<Pin<Box<tokio::time::Sleep>>>,
    /// Room of the request body, free again when the exchange is over.
    pub hold: Option<Hold>,
}

impl Relay {
    /// The response body; an answer without a body is complete at once, because nobody will ask for it.
    #[must_use]
    pub fn begin(mut self) -> Reply {
        self.note_last_bytes();
        Reply::Relay(Box::new(self))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(Broken::Deadline));
        }
        ready!(self.answer.poll_more(cx))?;
        Poll::Ready(Ok(self.answer.ready.pop_front()))
    }

    /// An answer of known length is over with its last byte: nobody may ask for more.
    fn note_last_bytes(&mut self) {
        let answer = &mut self.answer;
        if !answer.ready.is_empty() || answer.broken.is_some() || self.record.end != End::ClientClosed {
            return;
        }
        if !answer.over
            && answer.body.is_end_stream()
            && let Err(broken) = answer.end()
        {
            answer.over = false;
            answer.broken = Some(broken);
            return;
        }
        if answer.over && answer.ready.is_empty() {
            self.finish(Ok(()));
        }
    }

    fn finished(&self) -> bool {
        self.record.end != End::ClientClosed
    }

    fn finish(&mut self, outcome: Result<(), &Broken>) {
        let told = match &mut self.answer.tap {
            Tap::None => Told::default(),
            Tap::Json(scan) => {
                let (usage, model) = scan.finish();
                Told { usage, model, ..Told::default() }
            }
            Tap::Stream(tap) => tap.told(),
        };
        let record = &mut *self.record;
        record.usage = told.usage;
        record.response_model = told.model;
        record.first_token = told.first_content.map(|at| at.saturating_duration_since(record.started));
        record.end = match outcome {
            Ok(()) if told.error => End::UpstreamFailed,
            Ok(()) => End::Complete,
            Err(Broken::Deadline) => End::TimedOut,
            Err(_) => End::UpstreamFailed,
        };
        if told.error && outcome.is_ok() {
            record.error = Some("the provider told an error inside the stream".into());
            record.reason = Some(crate::error::Reason::UpstreamFailure);
        }
        if let Err(broken) = outcome {
            record.error = Some(broken.to_string().into());
            record.reason = Some(if matches!(broken, Broken::Deadline) {
                crate::error::Reason::Timeout
            } else {
                crate::error::Reason::UpstreamFailure
            });
        }
        match (&self.provider, outcome) {
            (Some((backend, provider)), Err(_)) => {
                let now = Instant::now();
                let alone = !crate::select::others_live(backend, provider, now);
                provider.health.failed(Failure::Broken, backend.eviction.as_ref(), None, alone, now);
            }
            (provider, Ok(())) => {
                if let Some((_, provider)) = provider.as_ref().filter(|_| !told.error && self.record.status < 429) {
                    provider.health.completed();
                }
                if let Some(connection) = self.answer.connection.take() {
                    self.worker.pool.give_back(connection);
                }
            }
            _ => (),
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let relay = match self.get_mut() {
            Self::Full(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relay(relay) => relay,
        };
        match ready!(relay.poll_bytes(cx)) {
            Ok(Some(bytes)) => {
                relay.note_last_bytes();
                relay.record.response_bytes += bytes.len() as u64;
                if let Some(kept) = &mut relay.record.response_body {
                    let room = LOGGED_BODY.saturating_sub(kept.len()).min(bytes.len());
                    kept.extend_from_slice(&bytes[..room]);
                }
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
                Poll::Ready(Some(Err(broken)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Relay(relay) => relay.finished() && relay.answer.ready.is_empty(),
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
        if !self.finished()
            && let Tap::Stream(tap) = &mut self.answer.tap
        {
            let told = tap.told();
            self.record.usage = told.usage;
            self.record.response_model = told.model;
        }
    }
}

/// The tap for an answer: what can be read of this operation's answer in this form.
#[must_use]
pub fn tap_for(operation: Operation, event_stream: bool, plain: bool, hide_usage: bool) -> Tap {
    match operation {
        Operation::Passthrough | Operation::Models => Tap::None,
        _ if !plain => Tap::None,
        _ if event_stream => Tap::Stream(StreamTap::new(hide_usage)),
        _ => Tap::Json(AnswerScan::default()),
    }
}
