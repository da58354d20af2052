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
use crate::rules::Live;
use crate::script::{Fault, Respond};
use crate::upload;
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
pub(crate) async fn close(wire: &mut Wire, shared: &Shared, connection: u64, by: Peer) -> Closing {
    let closing = Closing { by, reset: false };
    shared.recorder.took(connection, wire.taken);
    if by == Peer::Fault {
        wire.fin();
    } else {
        wire.finish().await;
    }
    // whoever reads this may count on the FIN being on its way
    shared.recorder.closed(connection, shared.now(), closing);
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

/// Opens the journal's record of an exchange; its connection has brought so many bytes by now.
pub(crate) fn begin(shared: &Shared, record: Box<RequestRecord>, taken: u64) -> Exchange<'_> {
    let Shared { recorder, origin, keep_sent, .. } = shared;
    let (origin, keep_sent, received_at) = (*origin, *keep_sent, record.received_at);
    Exchange { recorder, seq: recorder.received(record, taken), received_at, origin, keep_sent, turn: None }
}

async fn exchange(wire: &mut Wire, shared: &Shared, head: &Head, place: (u64, u32)) -> After {
    let exchange = begin(shared, record(shared, head, place), wire.taken);
    let live = shared.live();
    if let Some(fault) = live.at_head(&shared.dice, head) {
        return Box::pin(upload::exchange(wire, shared, &live, exchange, head, fault)).await;
    }
    if let Err(gone) = permit(wire, head).await {
        return exchange.gone(gone);
    }
    let with_head = wire.taken;
    let (body, problem) = request::read_body(wire, head.length, usize::MAX).await;
    let at = if wire.taken == with_head { exchange.received_at } else { exchange.now() };
    wire.relax();
    if let Some(problem) = problem {
        exchange.recorder.update(exchange.seq, |record| record.body = body.clone());
        return refuse_body(wire, shared, head, exchange, problem, &body).await;
    }
    let arrival = Arrival { body, at: Some(at), early: None, done: &[] };
    reply(wire, shared, &live, exchange, head, arrival, head.keep_alive).await
}

/// Answers what has come of a request.
pub(crate) async fn reply(
    wire: &mut Wire,
    shared: &Shared,
    live: &Live,
    exchange: Exchange<'_>,
    head: &Head,
    arrival: Arrival<'_>,
    keep_alive: bool,
) -> After {
    if shared.gate.is_shut()
        && let Err(gone) = shared.gate.pass(wire).await
    {
        return exchange.gone(gone);
    }
    match planned(wire, shared, live, exchange, head, arrival).await {
        Ok((plan, turn)) => {
            let exchange = Exchange { turn: turn.as_ref(), ..exchange };
            deliver::deliver(wire, &plan, exchange, keep_alive, head.method() == "HEAD").await
        }
        Err(gone) => exchange.gone(gone),
    }
}

/// Tells the journal of a body, and when all of it had come.
pub(crate) fn note_body(record: &mut RequestRecord, body: Bytes, at: Option<Duration>) {
    record.body = body;
    record.body_complete = at.is_some();
    record.body_at = at;
}

/// Lets a caller go on that waits for permission to send its body.
pub(crate) async fn permit(wire: &mut Wire, head: &Head) -> Result<(), Gone> {
    if head.expects_continue && wire.inbound.is_empty() && head.length != Length::None {
        wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    Ok(())
}

/// What has come of a request when it is answered.
pub(crate) struct Arrival<'a> {
    pub(crate) body: Bytes,
    /// When all of the body had come, if it has.
    pub(crate) at: Option<Duration>,
    /// What was decided with its head.
    pub(crate) early: Option<&'a Fault>,
    /// The keys of it that have happened.
    pub(crate) done: &'a [&'static str],
}

/// The plan for a request, once it is its turn. What it was made from is gone when it is carried out, which may take
/// long.
async fn planned(
    wire: &mut Wire,
    shared: &Shared,
    live: &Live,
    exchange: Exchange<'_>,
    head: &Head,
    arrival: Arrival<'_>,
) -> Result<(Plan, Option<Turn>), Gone> {
    let request = Request::new(head, &arrival.body);
    let mut turn = None;
    if live.limits.is_some() {
        exchange.recorder.update(exchange.seq, |record| note_body(record, arrival.body.clone(), arrival.at));
        turn = wire.meanwhile(Box::pin(answer::admit(live, &request, || shared.now()))).await?;
    }
    Ok((plan(shared, live, exchange, &request, arrival, turn.as_ref()), turn))
}

/// The plan for a request whose turn it is; the journal is told of both.
pub(crate) fn plan(
    shared: &Shared,
    live: &Live,
    exchange: Exchange<'_>,
    request: &Request<'_>,
    Arrival { body, at, early, done }: Arrival<'_>,
    turn: Option<&Turn>,
) -> Plan {
    let (account, mut plan) = answer::plan(shared, live, request, &body, turn, early);
    plan.did(done);
    exchange.recorder.update(exchange.seq, |record| {
        record.model = request.model().map(str::to_owned);
        record.stream = request.stream();
        account.enter(record);
        record.fault = plan.fault.clone();
        record.not_applicable = plan.not_applicable.clone();
        record.delay = plan.delay;
        record.advice = Advice::of(plan.status, &plan.headers);
        note_body(record, body, at);
    });
    plan
}

pub(crate) fn record(shared: &Shared, head: &Head, (connection, on_connection): (u64, u32)) -> Box<RequestRecord> {
    Box::new(RequestRecord {
        provider: shared.name.clone(),
        connection,
        on_connection,
        http_version: if head.http10 { "HTTP/1.0" } else { "HTTP/1.1" },
        received_at: shared.now(),
        head: head.lines.clone(),
        content_length: if let Length::Fixed(length) = head.length { Some(length) } else { None },
        chunked: head.length == Length::Chunked,
        ..RequestRecord::default()
    })
}

pub(crate) async fn refuse_body(
    wire: &mut Wire,
    shared: &Shared,
    head: &Head,
    exchange: Exchange<'_>,
    problem: BodyProblem,
    body: &[u8],
) -> After {
    let plan = match problem {
        BodyProblem::Gone(gone) => return exchange.gone(gone),
        BodyProblem::TooLarge | BodyProblem::Enough => {
            refusal(shared, head, 413, None, &shared.dice.ids_of(head, body))
        }
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
    let exchange = begin(shared, record, wire.taken);
    match gone {
        Some(gone) => exchange.gone(gone),
        None => {
            let plan = refusal(shared, &head, 400, Some(reason), &random);
            deliver::deliver(wire, &plan, exchange, false, false).await
        }
    }
}

/// The answer to what is not HTTP as it should be, in the form of the dialect.
pub(crate) fn refusal(shared: &Shared, head: &Head, status: u16, reason: Option<&str>, random: &Random) -> Plan {
    let message = reason.map(|reason| format!("Malformed HTTP request: {reason}."));
    let dialect = shared.live().provider.dialect.of(head);
    let common = dialect.common_headers(random, head, Duration::ZERO).into_iter().flatten();
    dialect.error(status, message.as_deref(), random).plan(&Respond::default(), common, Duration::ZERO)
}
