//! Carries a plan out on a connection.
//!
//! Owns write boundaries, absolute deadlines and the journal of what was really written.
//! Refuses to decide anything: the plan has.

use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::journal::{End, Recorder, RequestRecord, Usage};
use crate::limits::Turn;
use crate::plan::{Before, Ending, Piece, Plan};
use crate::script::Framing;
use crate::wire::{Gone, Wire};

/// Bytes without a gap between them go out together, up to this much.
const COALESCE: usize = 256 << 10;
/// Room for a usual head.
const HEAD: usize = 320;

/// What is left of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It may carry another request.
    Reuse,
    /// It ends in order.
    Close,
    /// It ends by a bare FIN.
    Fin,
    /// It ends by a reset.
    Reset,
    /// The caller ended it.
    Gone(Gone),
}

/// One exchange as the journal knows it.
#[derive(Clone, Copy)]
pub(crate) struct Exchange<'a> {
    pub(crate) recorder: &'a Recorder,
    pub(crate) seq: u64,
    /// When its head was complete.
    pub(crate) received_at: Duration,
    /// Zero of the journal's times.
    pub(crate) origin: Instant,
    /// How many bytes of the body the journal keeps.
    pub(crate) keep_sent: usize,
    /// Its place among the provider's requests, where the script has limits.
    pub(crate) turn: Option<&'a Turn>,
}

impl Exchange<'_> {
    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub(crate) fn end(&self, end: End) {
        self.recorder.update(self.seq, |record| record.end = end);
    }

    /// The caller left: that is how the exchange ended.
    pub(crate) fn left(&self) {
        self.end(End::ClientClosed { at: self.now() });
    }

    pub(crate) fn gone(&self, gone: Gone) -> After {
        self.left();
        After::Gone(gone)
    }
}

/// Writes the response, and says what is left of the connection.
pub(crate) async fn deliver(
    wire: &mut Wire,
    plan: &Plan,
    exchange: Exchange<'_>,
    keep_alive: bool,
    head_only: bool,
) -> After {
    let keep_alive = keep_alive && plan.allows_reuse();
    match prepare(wire, plan, exchange).await {
        Ok(None) => {}
        Ok(Some(after)) => return after,
        Err(gone) => return exchange.gone(gone),
    }
    // A paced answer leaves event by event: its buffer needs no room for more than one.
    let ready = plan.pieces.iter().take_while(|piece| piece.gap.is_zero()).map(|piece| piece.bytes.len() + 8);
    let mut out = Vec::with_capacity(HEAD + ready.sum::<usize>().min(COALESCE));
    plan.head(&mut out, keep_alive);
    let mut writer = Writer { wire, exchange, plan, out, head_in_out: true, body: 0, usage: None, unsaid: Vec::new() };
    let written =
        if head_only || plan.is_bodiless() { writer.flush(Some(End::Complete)).await } else { writer.body().await };
    match (written, plan.ending) {
        (Err(gone), _) => exchange.gone(gone),
        (Ok(()), Ending::Fin) => After::Fin,
        (Ok(()), Ending::Reset | Ending::ResetStream(_)) => After::Reset,
        (Ok(()), _) if keep_alive => After::Reuse,
        (Ok(()), _) => After::Close,
    }
}

/// What happens before the head, or instead of it.
async fn prepare(wire: &mut Wire, plan: &Plan, exchange: Exchange<'_>) -> Result<Option<After>, Gone> {
    if !plan.delay.is_zero() {
        wire.wait(Some(Instant::now() + plan.delay)).await?;
    }
    let after = match plan.before {
        Before::Answer => return Ok(None),
        Before::Silence => {
            wire.wait(None).await?;
            After::Close
        }
        Before::Fin => {
            wire.write(&plan.tail).await?;
            After::Fin
        }
        Before::Reset | Before::ResetStream(_) => After::Reset,
    };
    exchange.end(End::Fault);
    Ok(Some(after))
}

struct Writer<'a> {
    wire: &'a mut Wire,
    exchange: Exchange<'a>,
    plan: &'a Plan,
    /// Ready to go out with the next write.
    out: Vec<u8>,
    head_in_out: bool,
    /// How many bytes of the body are in `out`.
    body: usize,
    /// What the bytes in `out` report.
    usage: Option<Usage>,
    /// Of the body's bytes in `out`, those that the journal is to keep.
    unsaid: Vec<Bytes>,
}

impl Writer<'_> {
    async fn body(&mut self) -> Result<(), Gone> {
        let mut due = None;
        for piece in &self.plan.pieces {
            if !piece.gap.is_zero() {
                let from = due.unwrap_or_else(Instant::now);
                self.flush(None).await?;
                let due = *due.insert(from + piece.gap);
                self.wire.wait(Some(due)).await?;
                self.exchange.recorder.late(due);
            } else if piece.apart {
                self.flush(None).await?;
                // Lets a reader of the same runtime see the boundary.
                tokio::task::yield_now().await;
            } else if self.out.len() > COALESCE {
                self.flush(None).await?;
            }
            if piece.bytes.len() > COALESCE {
                self.send_large(piece).await?;
            } else {
                self.add(piece);
            }
        }
        let end = match self.plan.ending {
            Ending::Silence => {
                self.flush(None).await?;
                return self.wire.wait(None).await;
            }
            Ending::Complete => End::Complete,
            Ending::Cut | Ending::Fin | Ending::Reset | Ending::ResetStream(_) => End::Fault,
        };
        let terminated = matches!(self.plan.ending, Ending::Complete | Ending::Cut);
        if terminated && self.plan.framing == Framing::Chunked {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        self.out.extend_from_slice(&self.plan.tail);
        self.flush(Some(end)).await
    }

    fn add(&mut self, piece: &Piece) {
        if !piece.bytes.is_empty() {
            self.open_chunk(piece.bytes.len());
            self.out.extend_from_slice(&piece.bytes);
            self.close_chunk();
        }
        self.note(piece);
    }

    /// Writes a piece from where it lies, instead of copying it.
    async fn send_large(&mut self, piece: &Piece) -> Result<(), Gone> {
        self.open_chunk(piece.bytes.len());
        self.flush(None).await?;
        self.note(piece);
        self.write(Some(&piece.bytes)).await?;
        self.written(None);
        self.close_chunk();
        Ok(())
    }

    fn open_chunk(&mut self, length: usize) {
        if self.plan.framing == Framing::Chunked {
            write!(self.out, "{length:x}\r\n").expect("a write into memory succeeds");
        }
    }

    fn close_chunk(&mut self) {
        if self.plan.framing == Framing::Chunked {
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Takes in what a piece means for the journal.
    fn note(&mut self, piece: &Piece) {
        self.usage = piece.usage.or(self.usage);
        self.body += piece.bytes.len();
        if self.exchange.keep_sent > 0 && !piece.bytes.is_empty() {
            self.unsaid.push(piece.bytes.clone());
        }
    }

    /// Writes what is ready, then tells the journal.
    async fn flush(&mut self, end: Option<End>) -> Result<(), Gone> {
        if let (Some(turn), Some(_)) = (self.exchange.turn, end) {
            // Before the last bytes, so that a caller that has them all finds its place free.
            turn.end();
        }
        if !self.out.is_empty() {
            self.write(None).await?;
        } else if end.is_none() {
            return Ok(());
        }
        self.written(end);
        self.out.clear();
        Ok(())
    }

    /// Writes the bytes given, or else those in `out`; how long that took, the journal knows.
    async fn write(&mut self, bytes: Option<&[u8]>) -> Result<(), Gone> {
        let Exchange { recorder, seq, keep_sent, .. } = self.exchange;
        if !self.unsaid.is_empty() {
            recorder.update(seq, |record| record.keep(&mut self.unsaid, keep_sent));
        }
        let mut write = pin!(self.wire.write(bytes.unwrap_or(&self.out)));
        let at_once = poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await;
        if let Poll::Ready(written) = at_once {
            return written;
        }
        let begun = self.exchange.now();
        recorder.update(seq, |record| record.writing_since = Some(begun));
        let written = write.await;
        let took = self.exchange.now().saturating_sub(begun);
        recorder.update(seq, |record| {
            record.writing_since = None;
            record.blocked = record.blocked.max(took);
        });
        written
    }

    /// Tells the journal that the bytes have left.
    fn written(&mut self, end: Option<End>) {
        let now = self.exchange.now();
        self.exchange.recorder.update(self.exchange.seq, |record| {
            if self.head_in_out {
                record.status = Some(self.plan.status);
                record.head_at = Some(now);
            }
            if self.body > 0 {
                record.events.push((now, self.body));
            }
            record.usage = self.usage.or(record.usage);
            record.end = end.unwrap_or(record.end);
        });
        (self.head_in_out, self.body, self.usage) = (false, 0, None);
    }
}

impl RequestRecord {
    /// Keeps the bytes that are about to leave, up to a limit.
    pub(crate) fn keep(&mut self, bytes: &mut Vec<Bytes>, limit: usize) {
        for mut piece in bytes.drain(..) {
            piece.truncate(limit.saturating_sub(self.sent_bytes));
            if piece.is_empty() {
                break;
            }
            self.sent_bytes += piece.len();
            self.sent.push(piece);
        }
    }
}
