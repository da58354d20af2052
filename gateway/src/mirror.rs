//! Mirrors: copies of requests for other backends, whose answers are read and thrown away.
//! A copy never delays or fails the request that it is made of: one that does not fit (too many at once, no room for its
//! body, no time) is not sent, and nothing of a mirror is booked as a provider's health. It is told neither to the log
//! nor to metrics, which count what clients asked for.

use std::borrow::Cow;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Uri};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::admit::Admitted;
use crate::edit::Prompt;
use crate::exchange::Exchange;
use crate::send::{self, Outbound, ToProvider};
use crate::snapshot::{AiBackend, Credential, Endpoint, Operation, Provider, RouteEntry, Target};
use crate::upstream::{BodyBroken, Connection, Passing, UpstreamBody};
use crate::worker::Worker;
use crate::{headers, operation};

/// Largest streamed body that is copied; one that is held anyway is shared.
const LARGEST_COPY: usize = 1024 * 1024;
/// Bytes of copies in flight per core; what goes beyond is not copied.
const ROOM: usize = 64 * 1024 * 1024;
/// What a copy takes beside its body, by a generous guess.
const OVERHEAD: usize = 64 * 1024;
/// Longest life of a copy, from the request's start to the end of the answer.
const LONGEST: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read for the sake of the connection.
const ANSWER: usize = 1024 * 1024;

/// A RequestMirror filter, compiled.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// Where copies go; one of them gets each copy.
    pub targets: Vec<Target>,
    /// Which share of the requests is copied.
    pub share: Share,
}

/// A fraction of all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Of `denominator` requests, so many.
    pub numerator: u32,
    /// Never 0.
    pub denominator: u32,
}

impl Share {
    /// Whether a request with these random bits is among them.
    #[must_use]
    pub fn takes(self, random: u64) -> bool {
        (u128::from(random) * u128::from(self.denominator)) >> 64 < u128::from(self.numerator)
    }
}

/// The copies that are to be made of one request; they leave as soon as they are given its body.
#[derive(Debug)]
struct Copies {
    to: oneshot::Sender<Held>,
    room: Room,
}

/// A whole body.
#[derive(Debug)]
struct Held {
    bytes: Bytes,
    _room: Room,
}

/// What the copies of one request may take of their core, until they have ended.
#[derive(Debug)]
struct Room {
    taken: Rc<Cell<usize>>,
    own: usize,
}

impl Room {
    /// Takes more; false, and nothing taken, when there is no more.
    fn grow(&mut self, bytes: usize) -> bool {
        let fits = self.taken.get() + bytes <= ROOM;
        if fits {
            self.taken.set(self.taken.get() + bytes);
            self.own += bytes;
        }
        fits
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.set(self.taken.get() - self.own);
    }
}

/// One copy, whole but for its body.
struct Planned {
    request: Request<UpstreamBody>,
    endpoint: Endpoint,
    /// Whose prompt it is to become.
    provider: Option<Arc<Provider>>,
}

/// Copies a request that was admitted to an AI backend.
pub fn copy_admitted(exchange: &Exchange, entry: &RouteEntry, index: usize, admitted: &mut Admitted) {
    let Some(copies) = plan(exchange, entry, index, &admitted.path) else { return };
    match (&admitted.prompt, admitted.stream.take()) {
        (None, Some(UpstreamBody::Stream(body))) => admitted.stream = Some(copies.along(body)),
        (prompt, stream) => {
            admitted.stream = stream;
            copies.with(prompt.as_ref().map(|prompt| prompt.body.clone()).unwrap_or_default());
        }
    }
}

/// Copies a request whose body passes by.
#[must_use]
pub fn copy_stream(exchange: &Exchange, entry: &RouteEntry, index: usize, path: &str, body: Passing) -> UpstreamBody {
    match plan(exchange, entry, index, path) {
        Some(copies) => copies.along(body),
        None => UpstreamBody::Stream(body),
    }
}

/// Copies a request whose body is held.
pub fn copy_held(exchange: &Exchange, entry: &RouteEntry, index: usize, path: &str, body: &Bytes) {
    if let Some(copies) = plan(exchange, entry, index, path) {
        copies.with(body.clone());
    }
}

/// Chooses the mirrors of a request and builds their heads; `None` when nobody gets a copy.
fn plan(exchange: &Exchange, entry: &RouteEntry, index: usize, path: &str) -> Option<Copies> {
    let of_backend = entry.rule.backends.get(index).map_or(&[][..], |backend| &backend.filters.mirrors);
    if of_backend.is_empty() && entry.rule.filters.mirrors.is_empty() {
        return None;
    }
    let worker = &exchange.worker;
    let mut room = Room { taken: worker.copied_bytes.clone(), own: 0 };
    // the filters of a backendRef are for what goes there, and for its own mirrors
    let of_rule = entry.rule.filters.mirrors.iter().map(|mirror| (mirror, None));
    let mirrors = of_rule.chain(of_backend.iter().map(|mirror| (mirror, Some(index))));
    let taken = mirrors.filter(|(mirror, _)| mirror.share.takes(worker.random()));
    let planned: Vec<Planned> = taken
        .filter_map(|(mirror, own)| {
            let target = pick(&mirror.targets, worker.random())?;
            let chosen = entry.rule.backends.get(index).map(|backend| &backend.target);
            let asked = Asked { exchange, entry, own, path, chosen };
            room.grow(OVERHEAD).then(|| asked.plan(target))?
        })
        .collect();
    if planned.is_empty() {
        return None;
    }
    let (to, body) = oneshot::channel();
    let worker = worker.clone();
    tokio::task::spawn_local(async move {
        // when the time is up, or the body never came whole, the copies are let go
        let _sent = tokio::time::timeout(LONGEST, send_all(worker, planned, body)).await;
    });
    Some(Copies { to, room })
}

fn pick<T>(all: &[T], random: u64) -> Option<&T> {
    all.get(((u128::from(random) * all.len() as u128) >> 64) as usize)
}

/// What a copy is made of.
struct Asked<'a> {
    exchange: &'a Exchange,
    entry: &'a RouteEntry,
    /// The backendRef that asks for the copy; none when the rule does.
    own: Option<usize>,
    path: &'a str,
    /// Where the request itself goes.
    chosen: Option<&'a Target>,
}

impl Asked<'_> {
    fn plan(&self, target: &Target) -> Option<Planned> {
        let Self { exchange, entry, own, path, .. } = *self;
        let empty = || UpstreamBody::Pieces(Default::default());
        match target {
            Target::Static(backend) => {
                let query = exchange.head.uri.query().map(|query| self.query(query)).filter(|query| !query.is_empty());
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                let outbound = Outbound {
                    endpoint: &backend.endpoint,
                    target: Uri::try_from(format!("{path}{query}")),
                    credential: self.credential(&backend.credential),
                    rule: &entry.rule,
                    backend: own,
                    span_id: exchange.record.trace.span_id,
                    ai: false,
                };
                let request = send::build(exchange, outbound, empty()).ok()?;
                Some(Planned { request, endpoint: backend.endpoint.clone(), provider: None })
            }
            Target::Ai(backend) => {
                let received = exchange.head.uri.path();
                let operation = operation::of(path, received, &entry.matcher.path, &backend.routes)?;
                let provider = any_provider(backend, exchange.worker.random())?;
                let span_id = exchange.record.trace.span_id;
                let to = ToProvider { provider, operation, path, rule: &entry.rule, backend: own, span_id };
                let request = send::to_provider(exchange, &to, empty()).ok()?;
                let edited = !matches!(operation, Operation::Passthrough | Operation::Models);
                let endpoint = provider.endpoint.clone();
                Some(Planned { request, endpoint, provider: edited.then(|| provider.clone()) })
            }
            Target::Broken { .. } | Target::Unready { .. } | Target::Models(_) => None,
        }
    }

    /// A mirror gets no credentials of the caller that the backend itself does not get.
    fn credential<'b>(&self, own: &'b Credential) -> &'b Credential {
        match own {
            Credential::Passthrough if !self.passes() => &Credential::None,
            own => own,
        }
    }

    fn query<'q>(&self, query: &'q str) -> Cow<'q, str> {
        if self.passes() { query.into() } else { headers::query_without_credentials(query) }
    }

    /// Whether the caller's credentials go to the backend itself.
    fn passes(&self) -> bool {
        let Some(Target::Static(backend)) = self.chosen else { return false };
        matches!(backend.credential, Credential::Passthrough)
    }
}

/// A provider of the best group; its health neither counts nor learns.
fn any_provider(backend: &AiBackend, random: u64) -> Option<&Arc<Provider>> {
    pick(backend.groups.first()?, random)
}

impl Copies {
    /// A body that is here already.
    fn with(mut self, bytes: Bytes) {
        if self.room.grow(bytes.len()) {
            self.leave(bytes);
        }
    }

    /// A body that is on its way.
    fn along(self, body: Passing) -> UpstreamBody {
        let mut copied = Copied { body, copy: Some(Copy { bytes: BytesMut::new(), copies: self }) };
        copied.end_if_over();
        UpstreamBody::Copied(Box::new(copied))
    }

    fn leave(self, bytes: Bytes) {
        // it fails only when the time for the copies is up
        let _late = self.to.send(Held { bytes, _room: self.room });
    }
}

/// A request body that is copied while it passes. The copy counts only when the whole body has passed.
#[derive(Debug)]
pub struct Copied {
    body: Passing,
    copy: Option<Copy>,
}

#[derive(Debug)]
struct Copy {
    bytes: BytesMut,
    copies: Copies,
}

impl Copied {
    fn note(&mut self, bytes: &Bytes) {
        if let Some(copy) = &mut self.copy {
            if copy.copies.to.is_closed()
                || copy.bytes.len() + bytes.len() > LARGEST_COPY
                || !copy.copies.room.grow(bytes.len())
            {
                self.copy = None;
                return;
            }
            copy.bytes.extend_from_slice(bytes);
        }
        self.end_if_over();
    }

    /// The HTTP layer does not ask again after the last byte of a body of known length.
    fn end_if_over(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(Copy { bytes, copies }) = self.copy.take() {
            copies.leave(bytes.freeze());
        }
    }
}

impl Body for Copied {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => frame.data_ref().into_iter().for_each(|bytes| self.note(bytes)),
            Some(Err(_)) => self.copy = None,
            None => self.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn send_all(worker: Rc<Worker>, planned: Vec<Planned>, body: oneshot::Receiver<Held>) {
    let Ok(held) = body.await else { return };
    let held = Rc::new(held);
    let mut sending = tokio::task::JoinSet::new();
    for planned in planned {
        sending.spawn_local(send_one(worker.clone(), planned, held.clone()));
    }
    sending.join_all().await;
}

/// What becomes of a copy is nobody's concern.
async fn send_one(worker: Rc<Worker>, planned: Planned, held: Rc<Held>) {
    let Planned { mut request, endpoint, provider } = planned;
    let pieces = match provider {
        None => [held.bytes.clone()].into_iter().filter(|bytes| !bytes.is_empty()).collect(),
        Some(provider) => match Prompt::read(held.bytes.clone()) {
            Ok(prompt) => prompt.pieces(provider.model.as_ref(), false),
            Err(_) => return,
        },
    };
    *request.body_mut() = UpstreamBody::Pieces(pieces);
    if let Ok((_, connection)) = send::attempt(&worker.pool, &endpoint, request, None, None).await {
        throw_away(&worker, connection).await;
    }
}

/// Reads an answer to its end, if that is near, so that the connection can be used again.
async fn throw_away(worker: &Worker, mut connection: Connection) {
    let mut left = ANSWER;
    while let Some(frame) = std::future::poll_fn(|cx| connection.poll_frame(cx)).await {
        let Ok(frame) = frame else { return };
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
    worker.pool.give_back(connection);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_take_no_more_than_their_room_and_give_it_back() {
        let taken = Rc::default();
        let room = || Room { taken: Rc::clone(&taken), own: 0 };
        let (mut one, mut other) = (room(), room());
        assert!(one.grow(ROOM - 10) && other.grow(10) && !other.grow(1));
        drop(one);
        assert!(other.grow(1) && taken.get() == 11);
        drop(other);
        assert_eq!(taken.get(), 0);
    }

    #[test]
    fn a_share_takes_its_part_of_the_requests() {
        let randoms = || (1..2000u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let taken = |numerator, denominator| {
            let share = Share { numerator, denominator };
            randoms().filter(|&random| share.takes(random)).count()
        };
        assert_eq!((taken(0, 100), taken(100, 100), taken(7, 7)), (0, 1999, 1999));
        assert!((950..1050).contains(&taken(50, 100)), "{}", taken(50, 100));
        assert!((5..40).contains(&taken(1, 100)), "{}", taken(1, 100));
    }
}
