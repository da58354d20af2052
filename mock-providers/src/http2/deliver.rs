//! Carries a plan out on a stream.
//!
//! Owns DATA frames: one for each piece, each at its absolute deadline and no larger than the caller's windows allow;
//! END_STREAM on the last. A caller that resets the stream is noticed at once. Refuses to decide anything: the plan has.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use tokio::sync::mpsc;

use super::exchange::{Order, Outcome, Seat, Wish};
use super::head;
use crate::deliver::Exchange;
use crate::journal::{End, Usage};
use crate::plan::{Before, Ending, Kind, Piece, Plan};
use crate::script::ErrorCode;

/// The stream is no more.
struct Gone;

/// Writes the response, and says what its end means for the connection.
pub(super) async fn deliver(
    mut respond: SendResponse<Bytes>,
    plan: &Plan,
    exchange: Exchange<'_>,
    wish: &mpsc::Sender<Wish>,
    head_only: bool,
) -> Outcome {
    let delay = Instant::now() + plan.delay;
    let waited = match plan.before {
        Before::Silence => wait(|cx| respond.poll_reset(cx).map(drop), None).await,
        _ if plan.delay.is_zero() => Ok(()),
        _ => wait(|cx| respond.poll_reset(cx).map(drop), Some(delay)).await,
    };
    if waited.is_err() {
        exchange.left();
        return Outcome::Stream;
    }
    if plan.before != Before::Answer {
        exchange.end(End::Fault);
    }
    match plan.before {
        Before::Answer | Before::Silence => {}
        Before::Fin => return Outcome::Fin(plan.tail.clone()),
        Before::Reset => return Outcome::Reset,
        Before::ResetStream(code) => {
            respond.send_reset(reason(code));
            return Outcome::Stream;
        }
    }
    let marked = plan.pieces.iter().any(|piece| piece.kind == Kind::Goaway);
    if plan.goaway.is_some() && !marked && goaway(plan, exchange, wish).await {
        return Outcome::Stream;
    }
    let Some(response) = head::of_plan(plan) else {
        respond.send_reset(Reason::INTERNAL_ERROR);
        exchange.end(End::Fault);
        return Outcome::Stream;
    };
    let terminated = matches!(plan.ending, Ending::Complete | Ending::Cut);
    let bodiless = head_only || plan.is_bodiless();
    let last = bodiless || (terminated && plan.pieces.is_empty());
    // Before the last bytes, so that a caller that has them all finds its place free.
    if let Some(turn) = exchange.turn.filter(|_| last) {
        turn.end();
    }
    let Ok(stream) = respond.send_response(response, last) else {
        exchange.left();
        return Outcome::Stream;
    };
    let mut writer = Writer { stream, exchange, plan, wish, head: true, body: 0, usage: None, kept: Vec::new() };
    if last {
        writer.written(Some(if plan.ending == Ending::Complete { End::Complete } else { End::Fault }));
        return Outcome::Stream;
    }
    writer.body().await.unwrap_or_else(|Gone| {
        exchange.left();
        Outcome::Stream
    })
}

/// Announces the end of the connection; says whether that ends this stream too.
async fn goaway(plan: &Plan, exchange: Exchange<'_>, wish: &mpsc::Sender<Wish>) -> bool {
    let code = plan.goaway.unwrap_or(ErrorCode::NoError);
    let abrupt = code != ErrorCode::NoError;
    if abrupt {
        exchange.end(End::Fault);
    }
    Seat::ask(wish, Order::Goaway(reason(code))).await;
    abrupt
}

fn reason(code: ErrorCode) -> Reason {
    Reason::from(code as u32)
}

/// Waits for the time, or for ever, unless the stream is reset first.
async fn wait(mut reset: impl FnMut(&mut Context<'_>) -> Poll<()>, until: Option<Instant>) -> Result<(), Gone> {
    let reset = poll_fn(|cx| reset(cx));
    let Some(until) = until else {
        reset.await;
        return Err(Gone);
    };
    tokio::select! {
        biased;
        () = reset => Err(Gone),
        () = tokio::time::sleep_until(until.into()) => Ok(()),
    }
}

struct Writer<'a> {
    stream: SendStream<Bytes>,
    exchange: Exchange<'a>,
    plan: &'a Plan,
    wish: &'a mpsc::Sender<Wish>,
    /// Whether the head was sent, and the journal does not know.
    head: bool,
    /// How many bytes of the body were sent that the journal does not know of.
    body: usize,
    /// What they report.
    usage: Option<Usage>,
    /// Those of them that it is to keep.
    kept: Vec<Bytes>,
}

impl Writer<'_> {
    async fn body(mut self) -> Result<Outcome, Gone> {
        let plan = self.plan;
        let terminated = matches!(plan.ending, Ending::Complete | Ending::Cut);
        let mut due = Instant::now();
        for (index, piece) in plan.pieces.iter().enumerate() {
            if !piece.gap.is_zero() {
                self.written(None);
                due += piece.gap;
                wait(|cx| self.stream.poll_reset(cx).map(drop), Some(due)).await?;
                self.exchange.recorder.late(due);
            } else if piece.apart {
                self.flush().await;
            }
            if piece.kind == Kind::Goaway {
                self.flush().await;
                if goaway(plan, self.exchange, self.wish).await {
                    return Ok(Outcome::Stream);
                }
            }
            let last = index + 1 == plan.pieces.len();
            if let Some(turn) = self.exchange.turn.filter(|_| last) {
                turn.end();
            }
            self.send(piece, terminated && last).await?;
        }
        match plan.ending {
            Ending::Complete => self.written(Some(End::Complete)),
            Ending::Cut => self.written(Some(End::Fault)),
            Ending::Silence => {
                self.written(None);
                wait(|cx| self.stream.poll_reset(cx).map(drop), None).await?;
            }
            Ending::Fin | Ending::Reset | Ending::ResetStream(_) => {
                self.flush().await;
                self.exchange.end(End::Fault);
            }
        }
        Ok(match plan.ending {
            Ending::Fin => Outcome::Fin(plan.tail.clone()),
            Ending::Reset => Outcome::Reset,
            Ending::ResetStream(code) => {
                self.stream.send_reset(reason(code));
                Outcome::Stream
            }
            _ => Outcome::Stream,
        })
    }

    /// Sends a piece as the caller's windows allow.
    async fn send(&mut self, piece: &Piece, last: bool) -> Result<(), Gone> {
        let mut rest = piece.bytes.clone();
        if rest.is_empty() && last {
            self.stream.send_data(Bytes::new(), true).map_err(|_| Gone)?;
        }
        while !rest.is_empty() {
            let now = self.capacity(rest.len()).await?.min(rest.len());
            let data = rest.split_to(now);
            if self.exchange.keep_sent > 0 {
                self.kept.push(data.clone());
            }
            self.body += now;
            self.stream.send_data(data, last && rest.is_empty()).map_err(|_| Gone)?;
        }
        self.usage = piece.usage.or(self.usage);
        Ok(())
    }

    /// How many bytes may be sent now, at least one; how long that took, the journal knows.
    async fn capacity(&mut self, wanted: usize) -> Result<usize, Gone> {
        self.stream.reserve_capacity(wanted);
        if self.stream.capacity() > 0 {
            return Ok(self.stream.capacity());
        }
        self.written(None);
        let Exchange { recorder, seq, .. } = self.exchange;
        let begun = self.exchange.now();
        recorder.update(seq, |record| record.writing_since = Some(begun));
        let granted = poll_fn(|cx| self.poll_capacity(cx)).await;
        let took: Duration = self.exchange.now().saturating_sub(begun);
        recorder.update(seq, |record| {
            record.writing_since = None;
            record.blocked = record.blocked.max(took);
        });
        granted
    }

    fn poll_capacity(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        loop {
            match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(0))) => {}
                Poll::Ready(Some(Ok(capacity))) => return Poll::Ready(Ok(capacity)),
                Poll::Ready(_) => return Poll::Ready(Err(Gone)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Resolves when everything sent lies with the system.
    fn flush(&mut self) -> impl Future<Output = ()> {
        self.written(None);
        Seat::ask(self.wish, Order::Flush)
    }

    /// Tells the journal what was sent.
    fn written(&mut self, end: Option<End>) {
        let Exchange { recorder, seq, keep_sent, .. } = self.exchange;
        if !self.head && self.body == 0 && end.is_none() {
            return;
        }
        let now = self.exchange.now();
        recorder.update(seq, |record| {
            if self.head {
                record.status = Some(self.plan.status);
                record.head_at = Some(now);
            }
            if self.body > 0 {
                record.events.push((now, self.body));
            }
            record.keep(&mut self.kept, keep_sent);
            record.usage = self.usage.or(record.usage);
            record.end = end.unwrap_or(record.end);
        });
        (self.head, self.body, self.usage) = (false, 0, None);
    }
}
