//! The life of one connection: request after request until a side ends it.
//!
//! Owns the order of an exchange (head, journal, body, plan, delivery) and how malformed requests are answered.
//! Refuses to know sockets and scripts in detail.

use std::time::Duration;

use bytes::Bytes;

use crate::answer;
use crate::deliver::{self, After, Exchange};
use crate::digest::Random;
use crate::journal::{Advice, Peer, RequestRecord};
use crate::limits::Turn;
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
    Exchange {
        recorder,
        seq: recorder.received(record, wire.taken),
        origin: *origin,
        keep_sent: *keep_sent,
        turn: None,
    }
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
    if let Some(problem) = problem {
        shared.recorder.update(exchange.seq, |record| record.body = body.clone());
        return refuse_body(wire, shared, head, exchange, problem, &body).await;
    }
    if shared.gate.is_shut()
        && let Err(gone) = shared.gate.pass(wire).await
    {
        return exchange.gone(gone);
    }
    let arrived = Arrived { body, body_at };
    let (plan, turn) = match planned(wire, shared, head, arrived, exchange.seq).await {
        Ok(planned) => planned,
        Err(gone) => return exchange.gone(gone),
    };
    let exchange = Exchange { turn: turn.as_ref(), ..exchange };
    deliver::deliver(wire, &plan, exchange, head.keep_alive, head.method() == "HEAD").await
}

/// A whole body, and when its last byte came.
struct Arrived {
    body: Bytes,
    body_at: Option<Duration>,
}

/// The plan for a whole request, once it is its turn. What it was made from is gone when it is carried out, which may
/// take long.
async fn planned(
    wire: &mut Wire,
    shared: &Shared,
    head: &Head,
    arrived: Arrived,
    seq: u64,
) -> Result<(Plan, Option<Turn>), Gone> {
    let Arrived { body, body_at } = arrived;
    let request = Request::new(head, &body);
    let live = shared.live();
    let note_body = |record: &mut RequestRecord| {
        record.model = request.model().map(str::to_owned);
        record.stream = request.stream();
        record.body_complete = true;
        record.body_at = body_at;
        record.body = body.clone();
    };
    let mut turn = None;
    if live.limits.is_some() {
        shared.recorder.update(seq, note_body);
        turn = wire.meanwhile(answer::admit(&live, &request, || shared.now())).await?;
    }
    let (account, plan) = answer::plan(shared, &live, &request, &body, turn.as_ref());
    shared.recorder.update(seq, |record| {
        if turn.is_none() {
            note_body(record);
        }
        account.enter(record);
        record.fault = plan.fault.clone();
        record.not_applicable = plan.not_applicable.clone();
        record.delay = plan.delay;
        record.advice = Advice::of(plan.status, &plan.headers);
    });
    Ok((plan, turn))
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

async fn refuse_body(
    wire: &mut Wire,
    shared: &Shared,
    head: &Head,
    exchange: Exchange<'_>,
    problem: BodyProblem,
    body: &[u8],
) -> After {
    let plan = match problem {
        BodyProblem::Gone(gone) => return exchange.gone(gone),
        BodyProblem::TooLarge => refusal(shared, head, 413, None, &shared.dice.ids_of(head, body)),
        BodyProblem::Malformed(reason) => {
            exchange.recorder.update(exchange.seq, |record| record.malformed = Some(reason.clone()));
            refusal(shared, head, 400, Some(&reason), &shared.dice.ids_of(head, body))
        }
    };
    deliver::deliver(wire, &plan, exchange, false, false).await
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
    let random = shared.dice.ids_of(&head, &record.body);
    let exchange = begin(wire, shared, record);
    match gone {
        Some(gone) => exchange.gone(gone),
        None => {
            let plan = refusal(shared, &head, 400, Some(reason), &random);
            deliver::deliver(wire, &plan, exchange, false, false).await
        }
    }
}

/// The answer to what is not HTTP as it should be, in the form of the dialect.
fn refusal(shared: &Shared, head: &Head, status: u16, reason: Option<&str>, random: &Random) -> Plan {
    let message = reason.map(|reason| format!("Malformed HTTP request: {reason}."));
    let dialect = shared.live().provider.dialect.of(head);
    let common = dialect.common_headers(random, head, Duration::ZERO).into_iter().flatten();
    dialect.error(status, message.as_deref(), random).plan(&Respond::default(), common, Duration::ZERO)
}
