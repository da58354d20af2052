//! The life of one connection: request after request until a side ends it.
//!
//! Owns the order of an exchange (head, journal, body, plan, delivery) and how malformed requests are answered.
//! Refuses to know sockets and scripts in detail.

use bytes::Bytes;

use crate::answer;
use crate::deliver::{self, After, Exchange};
use crate::journal::{Peer, RequestRecord};
use crate::openai::ApiError;
use crate::plan::Plan;
use crate::provider::Shared;
use crate::request::{self, BodyProblem, Head, Length, Request, Start};
use crate::script::Respond;
use crate::wire::{Gone, Wire};

/// Who ended the connection, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing {
    pub(crate) by: Peer,
    pub(crate) reset: bool,
}

impl From<Gone> for Closing {
    fn from(gone: Gone) -> Self {
        Self { by: Peer::Client, reset: gone.reset }
    }
}

/// Serves requests until the connection has ended; the caller drops the wire.
pub(crate) async fn serve(wire: &mut Wire, shared: &Shared, connection: u64) -> Closing {
    let mut on_connection = 0;
    loop {
        on_connection += 1;
        if on_connection > 1 {
            match awaken(wire, shared).await {
                Ok(true) => {}
                Ok(false) => return close(wire, shared, connection, Peer::Mock).await,
                Err(gone) => return gone.into(),
            }
        }
        let after = match request::read_head(wire).await {
            Start::Head(head) => exchange(wire, shared, &head, (connection, on_connection)).await,
            Start::Gone(gone) => return gone.into(),
            Start::Malformed { reason, gone } => {
                malformed(wire, shared, &reason, gone, (connection, on_connection)).await
            }
        };
        match after {
            After::Reuse => {}
            After::Gone(gone) => return gone.into(),
            After::Close => return close(wire, shared, connection, Peer::Mock).await,
            After::Fin => return close(wire, shared, connection, Peer::Fault).await,
            After::Reset => {
                wire.reset();
                return Closing { by: Peer::Fault, reset: true };
            }
        }
    }
}

/// Ends the connection: in order, or by a bare FIN when a fault does it.
async fn close(wire: &mut Wire, shared: &Shared, connection: u64, by: Peer) -> Closing {
    let closing = Closing { by, reset: false };
    shared.recorder.took(connection, wire.taken);
    shared.recorder.closed(connection, shared.now(), closing);
    if by == Peer::Fault {
        wire.fin();
    } else {
        wire.finish().await;
    }
    wire.linger().await;
    closing
}

/// Waits for the first byte of another request; says whether it came in time.
async fn awaken(wire: &mut Wire, shared: &Shared) -> Result<bool, Gone> {
    match shared.live().provider.idle_timeout {
        Some(limit) if wire.inbound.is_empty() => {
            tokio::time::timeout(limit, wire.fill()).await.map_or(Ok(false), |filled| filled.map(|()| true))
        }
        _ => Ok(true),
    }
}

/// Opens the journal's record of an exchange.
fn begin<'s>(wire: &Wire, shared: &'s Shared, record: RequestRecord) -> Exchange<'s> {
    let Shared { recorder, origin, keep_sent, .. } = shared;
    Exchange { recorder, seq: recorder.received(record, wire.taken), origin: *origin, keep_sent: *keep_sent }
}

async fn exchange(wire: &mut Wire, shared: &Shared, head: &Head, place: (u64, u32)) -> After {
    let exchange = begin(wire, shared, record(shared, head, place));
    if head.expects_continue
        && wire.inbound.is_empty()
        && head.length != Length::None
        && let Err(gone) = wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await
    {
        return exchange.gone(gone);
    }
    let (body, problem) = request::read_body(wire, head.length).await;
    wire.relax();
    let body_at = problem.is_none().then(|| exchange.now());
    let request = Request::new(head, &body);
    let live = shared.live();
    let note_body = |record: &mut RequestRecord| {
        record.body = body.clone();
        record.body_complete = body_at.is_some();
        record.body_at = body_at;
        record.model = request.model().map(str::to_owned);
        record.stream = request.stream();
    };
    if let Some(problem) = problem {
        shared.recorder.update(exchange.seq, note_body);
        return refuse_body(wire, exchange, problem).await;
    }
    let random = shared.random(head, &body);
    let (rule, plan) = answer::plan(&live, &request, random, shared.seed);
    shared.recorder.update(exchange.seq, |record| {
        note_body(record);
        record.rule = rule.clone();
        record.fault = plan.fault.clone();
        record.not_applicable = plan.not_applicable.clone();
    });
    deliver::deliver(wire, &plan, exchange, head.keep_alive, head.method() == "HEAD").await
}

fn record(shared: &Shared, head: &Head, (connection, on_connection): (u64, u32)) -> RequestRecord {
    RequestRecord {
        provider: shared.name.clone(),
        connection,
        on_connection,
        received_at: shared.now(),
        head: head.lines.clone(),
        content_length: if let Length::Fixed(length) = head.length { Some(length) } else { None },
        chunked: head.length == Length::Chunked,
        ..RequestRecord::default()
    }
}

async fn refuse_body(wire: &mut Wire, exchange: Exchange<'_>, problem: BodyProblem) -> After {
    let error = match problem {
        BodyProblem::Gone(gone) => return exchange.gone(gone),
        BodyProblem::TooLarge => ApiError::too_large(),
        BodyProblem::Malformed(reason) => {
            exchange.recorder.update(exchange.seq, |record| record.malformed = Some(reason.clone()));
            ApiError::malformed(&reason)
        }
    };
    deliver::deliver(wire, &refusal(error), exchange, false, false).await
}

async fn malformed(wire: &mut Wire, shared: &Shared, reason: &str, gone: Option<Gone>, place: (u64, u32)) -> After {
    let head = request::loose(&wire.inbound);
    let mut record = record(shared, &head, place);
    record.malformed = Some(reason.to_owned());
    record.content_length = head.header("content-length").and_then(|length| length.trim().parse().ok());
    record.chunked = head.header("transfer-encoding").is_some();
    let end = memchr::memmem::find(&wire.inbound, b"\r\n\r\n").map_or(wire.inbound.len(), |at| at + 4);
    record.body = Bytes::copy_from_slice(&wire.inbound[end..]);
    wire.inbound.clear();
    let exchange = begin(wire, shared, record);
    match gone {
        Some(gone) => exchange.gone(gone),
        None => deliver::deliver(wire, &refusal(ApiError::malformed(reason)), exchange, false, false).await,
    }
}

fn refusal(error: ApiError) -> Plan {
    error.answer().plan(&Respond::default(), [], std::time::Duration::ZERO)
}
