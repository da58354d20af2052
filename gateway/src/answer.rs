//! A provider's answer: its body as it arrives, what is read of it on the side, and how it may be looked at
//! before any of it is sent on. Who gets it, and what is told of its end, is `relay`'s business.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Frame;

use crate::decode::Decoder;
use crate::error::{Reason, Rejection};
use crate::health::Health;
use crate::particulars;
use crate::snapshot::Operation;
use crate::tap::{StreamTap, Told};
use crate::upstream::{self, Connection};
use crate::usage::AnswerScan;

/// Most bytes of events before the commit point that are held.
const MOST_HELD: usize = 64 * 1024;
/// Bytes that have arrived together and are sent on in one piece.
const TOGETHER: usize = 64 * 1024;

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
    /// A JSON answer, and where its spans are exported its particulars.
    Json(AnswerScan, Option<Box<particulars::Scan>>),
    /// A stream of events.
    Stream(StreamTap),
}

impl Tap {
    /// What can be read of this operation's answer in this form.
    #[must_use]
    pub fn of(operation: Operation, event_stream: bool, plain: bool, hide_usage: bool, traced: bool) -> Self {
        match operation {
            Operation::Passthrough | Operation::Models => Self::None,
            _ if !plain => Self::None,
            _ if event_stream => Self::Stream(StreamTap::new(hide_usage, traced)),
            _ => Self::Json(AnswerScan::default(), traced.then(Box::default)),
        }
    }
}

/// Why an answer cannot be relayed to its end.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The connection or its framing broke.
    #[error("the provider broke off: {0}")]
    Transport(#[from] upstream::Error),
    /// The bytes ended in order but the answer did not.
    #[error("the provider's answer ended too early")]
    TooEarly,
    /// The compressed bytes make no sense.
    #[error("the provider's compressed answer is damaged: {0}")]
    Encoding(std::io::Error),
    /// The rule's deadline passed.
    #[error("the request's deadline passed within the answer")]
    Deadline,
    /// `timeouts.responseIdle` passed.
    #[error("the provider fell silent for longer than timeouts.responseIdle")]
    Silent,
    /// The client took nothing of it for too long.
    #[error("the client took nothing of the answer for too long")]
    Unread,
    /// An error event came before any content.
    #[error("the provider told an error instead of content")]
    ToldError,
}

impl Broken {
    /// A timer of ours passed.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        matches!(self, Self::Deadline | Self::Silent)
    }

    /// OpenAI `error.code`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        if self.timed_out() { "upstream_timeout" } else { "upstream_broken" }
    }

    /// As the gateway's own answer, when nothing was sent yet.
    #[must_use]
    pub fn rejection(&self, who: &str) -> Rejection {
        let (status, reason) = match self.timed_out() {
            true => (StatusCode::GATEWAY_TIMEOUT, Reason::Timeout),
            false => (StatusCode::BAD_GATEWAY, Reason::UpstreamFailure),
        };
        Rejection::new(status, reason, self.code(), format!("{who}: {self}"))
    }
}

/// What is known of an answer when its head was read.
#[derive(Debug)]
pub struct Form {
    /// What is read on the side.
    pub tap: Tap,
    /// Set when the provider compressed it.
    pub decoder: Option<Box<Decoder>>,
    /// The body ends with the connection, so an end proves nothing.
    pub close_delimited: bool,
    /// The client was told how long the body is: what is put into it would stand for what is missing of it.
    pub sized: bool,
}

/// A provider's answer: its body, and what was read of it so far.
#[derive(Debug)]
pub struct Answer {
    ready: VecDeque<Bytes>,
    form: Form,
    over: bool,
    /// A failure that was met while reading ahead; told when what came before it has been sent.
    broken: Option<Broken>,
    /// What it comes on; `None` when it is over.
    connection: Option<Connection>,
    _in_flight: Option<InFlight>,
}

impl Answer {
    /// An answer of which only the head was read.
    #[must_use]
    pub fn new(form: Form, connection: Connection, in_flight: Option<InFlight>) -> Self {
        let (ready, connection) = (VecDeque::new(), Some(connection));
        Self { ready, form, over: false, broken: None, connection, _in_flight: in_flight }
    }

    /// The next bytes for the client; `None` at the end. What has arrived together goes on together.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        ready!(self.poll_more(cx))?;
        Poll::Ready(Ok(self.take_ready()))
    }

    /// All that is ready, in one piece as far as it is small.
    fn take_ready(&mut self) -> Option<Bytes> {
        let first = self.ready.pop_front()?;
        let fits = |size: &mut usize, piece: &Bytes| {
            *size += piece.len();
            (*size <= TOGETHER).then_some(*size)
        };
        let sizes = self.ready.iter().scan(first.len(), fits);
        let (count, size) = sizes.fold((0, 0), |(count, _), size| (count + 1, size));
        if count == 0 {
            return Some(first);
        }
        let mut together = BytesMut::with_capacity(size);
        together.extend_from_slice(&first);
        self.ready.drain(..count).for_each(|piece| together.extend_from_slice(&piece));
        Some(together.freeze())
    }

    /// Reads on until something is ready to be sent, or the answer is over, and then what has arrived with it.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while self.ready.is_empty() && !self.over {
            if let Some(broken) = self.broken.take() {
                return Poll::Ready(Err(broken));
            }
            if !self.unpack()? {
                let frame = self.connection.as_mut().map_or(Poll::Ready(None), |connection| connection.poll_frame(cx));
                self.note(ready!(frame))?;
            }
        }
        // what waits already counts: a reader that is slower than the provider must not make it more and more
        let mut left = TOGETHER.saturating_sub(self.ready.iter().map(Bytes::len).sum());
        while left > 0
            && !self.over
            && self.broken.is_none()
            && self.form.decoder.is_none()
            && let Some(connection) = &mut self.connection
            && let Poll::Ready(frame) = connection.poll_arrived()
        {
            let size = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
            if let Err(broken) = self.note(frame) {
                // it is told when what came before it has been sent
                (self.over, self.broken) = (false, Some(broken));
            }
            left = left.saturating_sub(size);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the decoder had something.
    fn unpack(&mut self) -> Result<bool, Broken> {
        let Some(decoder) = &mut self.form.decoder else { return Ok(false) };
        let Some(bytes) = decoder.unpacked().map_err(Broken::Encoding)? else { return Ok(false) };
        self.take(bytes);
        Ok(true)
    }

    /// What came of the body, or its end.
    fn note(&mut self, frame: Option<Result<Frame<Bytes>, upstream::Error>>) -> Result<(), Broken> {
        let Some(frame) = frame else { return self.end() };
        match (frame?.into_data(), &mut self.form.decoder) {
            (Ok(bytes), Some(decoder)) => decoder.push(bytes),
            (Ok(bytes), None) => self.take(bytes),
            (Err(_trailers), _) => (),
        }
        Ok(())
    }

    fn take(&mut self, data: Bytes) {
        match &mut self.form.tap {
            Tap::None => self.ready.push_back(data),
            Tap::Json(scan, particulars) => {
                scan.push(&data);
                if let Some(particulars) = particulars {
                    particulars.push(&data);
                }
                self.ready.push_back(data);
            }
            Tap::Stream(tap) => tap.push(data, &mut self.ready),
        }
    }

    fn end(&mut self) -> Result<(), Broken> {
        self.over = true;
        if let Some(decoder) = &mut self.form.decoder {
            decoder.end().map_err(Broken::Encoding)?;
        }
        match &mut self.form.tap {
            Tap::Json(scan, _) if self.form.close_delimited && !scan.balanced() => return Err(Broken::TooEarly),
            Tap::Stream(tap) if !tap.ended_properly(self.form.close_delimited) => return Err(Broken::TooEarly),
            Tap::Stream(tap) => tap.rest(&mut self.ready),
            Tap::None | Tap::Json(..) => (),
        }
        Ok(())
    }

    /// Whether everything was read and handed out. An answer of known length is over with its last byte: nobody
    /// may ask for more.
    pub fn is_spent(&mut self) -> bool {
        if !self.ready.is_empty() || self.broken.is_some() {
            return false;
        }
        let unpacked = self.form.decoder.as_ref().is_none_or(|decoder| decoder.is_idle());
        if !self.over
            && unpacked
            && self.connection.as_ref().is_none_or(Connection::is_end_stream)
            && let Err(broken) = self.end()
        {
            self.over = false;
            self.broken = Some(broken);
            return false;
        }
        self.over && self.ready.is_empty()
    }

    /// Whether nothing is waiting to be handed out.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether the client has been sent whole events only, so that one of ours could follow.
    #[must_use]
    pub fn is_between_events(&self) -> bool {
        matches!(&self.form.tap, Tap::Stream(tap) if tap.is_between_events() && !self.form.sized)
    }

    /// What the answer told about itself so far.
    pub fn told(&mut self) -> Told {
        match &mut self.form.tap {
            Tap::None => Told::default(),
            Tap::Json(scan, particulars) => {
                let (usage, model) = scan.finish();
                let particulars = particulars.take().map(|scan| Box::new(scan.finish()));
                Told { usage, model, particulars, ..Told::default() }
            }
            Tap::Stream(tap) => tap.told(),
        }
    }

    /// The connection, to be used again when the answer has been read to its end.
    pub fn take_connection(&mut self) -> Option<Connection> {
        self.connection.take()
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

    /// Holds the events before the commit point, for a moment, so that a failure can still be moved elsewhere. So many
    /// that say nothing are no beginning of an answer: they go on their way.
    ///
    /// # Errors
    /// When the stream failed before it committed.
    pub async fn hold(&mut self, until: Instant) -> Result<(), Broken> {
        let (mut held, mut size) = (VecDeque::new(), 0);
        let mut time_is_up = Box::pin(tokio::time::sleep_until(until.into()));
        let outcome = std::future::poll_fn(|cx| {
            loop {
                size += self.ready.iter().map(Bytes::len).sum::<usize>();
                held.append(&mut self.ready);
                match &self.form.tap {
                    Tap::Stream(tap) if tap.told_error() => return Poll::Ready(Err(Broken::ToldError)),
                    Tap::Stream(tap) if !tap.committed() && !self.over && size < MOST_HELD => (),
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

    /// Reads ahead until the answer is whole or longer than `limit`.
    ///
    /// # Errors
    /// When it broke, or was not there in time.
    pub async fn gather(&mut self, limit: usize, until: Instant) -> Result<(), Broken> {
        let mut held = std::mem::take(&mut self.ready);
        let mut size = held.iter().map(Bytes::len).sum::<usize>();
        while size < limit && !self.over {
            let more = std::future::poll_fn(|cx| self.poll_more(cx));
            tokio::time::timeout_at(until.into(), more).await.map_err(|_| Broken::Deadline)??;
            size += self.ready.iter().map(Bytes::len).sum::<usize>();
            held.append(&mut self.ready);
        }
        self.ready = held;
        Ok(())
    }

    /// What was gathered, if that is all of it.
    #[must_use]
    pub fn gathered(&self) -> Option<Vec<u8>> {
        self.over.then(|| self.ready.iter().flatten().copied().collect())
    }

    /// Masks a secret in what was gathered.
    pub fn mask(&mut self, secret: &[u8]) {
        let gathered: Vec<u8> = self.ready.drain(..).flatten().collect();
        let masked = crate::headers::masked(gathered, secret);
        if !masked.is_empty() {
            self.ready.push_back(Bytes::from(masked));
        }
    }

    /// Puts another body in the place of the provider's.
    pub fn replace(&mut self, body: Bytes) {
        if !self.over {
            // what is left of the provider's body is not read: its connection serves nobody else
            self.connection = None;
        }
        self.over = true;
        self.form.tap = Tap::None;
        self.ready = VecDeque::from([body]);
    }
}
