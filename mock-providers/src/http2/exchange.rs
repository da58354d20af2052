//! One stream of HTTP/2: a request in, its plan out.
//!
//! Owns reading the request and the order of the exchange, which is that of HTTP/1.1. Refuses to write: `deliver` does.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Response, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::{deliver, head};
use crate::answer;
use crate::connection::{self, Arrival, note_body};
use crate::deliver::Exchange;
use crate::journal::End;
use crate::provider::Shared;
use crate::request::{Head, MAX_BODY, Request};
use crate::rules::Live;
use crate::script::{CloseDuringUpload, EarlyResponse, Fault, How};
use crate::upload;

/// What the end of a stream means for its connection.
pub(super) enum Outcome {
    /// Nothing.
    Stream,
    /// It ends by FIN, after these last bytes.
    Fin(Bytes),
    /// It ends by RST.
    Reset,
}

/// What a stream may ask of its connection.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// Hand everything to the system.
    Flush,
    /// Announce the end.
    Goaway(Reason),
}

/// An order, and who waits for it.
pub(super) struct Wish {
    pub(super) order: Order,
    pub(super) done: oneshot::Sender<()>,
}

/// A stream's place in its connection.
pub(super) struct Seat {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: u64,
    pub(super) on_connection: u32,
    /// What the connection had brought when the stream began.
    pub(super) taken: u64,
    pub(super) wish: mpsc::Sender<Wish>,
}

impl Seat {
    /// Carries the stream to its end.
    pub(super) async fn exchange(
        self,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Outcome {
        let (parts, mut inbound) = request.into_parts();
        let head = head::of_request(&parts);
        let exchange = self.begin(&head, respond.stream_id().as_u32());
        let live = self.shared.live();
        let early = live.at_head(&self.shared.dice, &head);
        let upload = Upload::of(early.filter(|_| !inbound.is_end_stream()));
        if head.expects_continue && !inbound.is_end_stream() && upload.first.is_none() {
            let mut go_on = Response::new(());
            *go_on.status_mut() = StatusCode::CONTINUE;
            // A stream that was reset meanwhile shows it at the next read.
            let _ = respond.send_informational(go_on);
        }
        let (body, read) = read_body(&mut inbound, upload.rate, upload.most()).await;
        if read == Read::Gone {
            exchange.recorder.update(exchange.seq, |record| record.body = body);
            exchange.left();
            return Outcome::Stream;
        }
        if let Some(how) = upload.cut.map(|cut| cut.how) {
            return cut_off(exchange, body, read, how);
        }
        let outcome = if read == Read::Whole || upload.first.is_some() {
            let at = (read == Read::Whole).then(|| exchange.now());
            let arrival = Arrival { body, at, early, done: upload.done() };
            self.reply(&live, exchange, &head, arrival, respond).await
        } else {
            let ids = self.shared.dice.ids_of(&head, &body);
            exchange.recorder.update(exchange.seq, |record| record.body = body);
            let plan = connection::refusal(&self.shared, &head, 413, None, &ids);
            deliver::deliver(respond, &plan, exchange, &self.wish, head.method() == "HEAD").await
        };
        if upload.first == Some(EarlyResponse::Drain) && matches!(outcome, Outcome::Stream) {
            let (body, read) = read_body(&mut inbound, upload.rate, MAX_BODY).await;
            let at = (read == Read::Whole).then(|| exchange.now());
            exchange.recorder.update(exchange.seq, |record| note_body(record, body, at));
        }
        outcome
    }

    /// Answers what has come of a request, once it is its turn.
    async fn reply(
        &self,
        live: &Live,
        exchange: Exchange<'_>,
        head: &Head,
        arrival: Arrival<'_>,
        mut respond: SendResponse<Bytes>,
    ) -> Outcome {
        if self.shared.gate.is_shut() {
            tokio::select! {
                () = self.shared.gate.opening() => {}
                _ = poll_fn(|cx| respond.poll_reset(cx)) => {
                    exchange.left();
                    return Outcome::Stream;
                }
            }
        }
        let (plan, turn) = {
            let request = Request::new(head, &arrival.body);
            let mut turn = None;
            if live.limits.is_some() {
                exchange.recorder.update(exchange.seq, |record| note_body(record, arrival.body.clone(), arrival.at));
                turn = tokio::select! {
                    turn = answer::admit(live, &request, || self.shared.now()) => turn,
                    _ = poll_fn(|cx| respond.poll_reset(cx)) => {
                        exchange.left();
                        return Outcome::Stream;
                    }
                };
            }
            (connection::plan(&self.shared, live, exchange, &request, arrival, turn.as_ref()), turn)
        };
        let exchange = Exchange { turn: turn.as_ref(), ..exchange };
        deliver::deliver(respond, &plan, exchange, &self.wish, head.method() == "HEAD").await
    }

    fn begin(&self, head: &Head, stream: u32) -> Exchange<'_> {
        let length = head.header("content-length").and_then(|length| length.trim().parse().ok());
        let mut record = connection::record(&self.shared, head, (self.connection, self.on_connection));
        (record.http_version, record.stream_id, record.content_length) = ("HTTP/2", Some(stream), length);
        connection::begin(&self.shared, record, self.taken)
    }

    /// Asks the connection for something, and waits until it is done or the connection has ended.
    pub(super) async fn ask(wish: &mpsc::Sender<Wish>, order: Order) {
        let (done, granted) = oneshot::channel();
        if wish.send(Wish { order, done }).await.is_ok() {
            let _ = granted.await;
        }
    }
}

/// What happens while a request is read.
#[derive(Clone, Copy)]
struct Upload<'f> {
    first: Option<EarlyResponse>,
    cut: Option<&'f CloseDuringUpload>,
    rate: Option<usize>,
}

impl<'f> Upload<'f> {
    /// Of several only the first can happen, as over HTTP/1.1.
    fn of(fault: Option<&'f Fault>) -> Self {
        let cut = fault.and_then(|fault| fault.close_during_upload.as_ref());
        let first = fault.and_then(|fault| fault.early_response).filter(|_| cut.is_none());
        Self { first, cut, rate: fault.and_then(|fault| fault.read_slowly) }
    }

    /// How much of the body is wanted before things go on.
    fn most(&self) -> usize {
        match (self.cut, self.first) {
            (Some(cut), _) => cut.after_bytes.unwrap_or(0),
            (None, Some(_)) => 0,
            (None, None) => MAX_BODY,
        }
    }

    fn done(&self) -> &'static [&'static str] {
        match (self.first, self.rate) {
            (Some(_), _) => &["early_response"],
            (None, Some(_)) => &["read_slowly"],
            (None, None) => &[],
        }
    }
}

/// Ends the connection once enough has come.
fn cut_off(exchange: Exchange<'_>, body: Bytes, read: Read, how: How) -> Outcome {
    let at = (read == Read::Whole).then(|| exchange.now());
    exchange.recorder.update(exchange.seq, |record| {
        note_body(record, body, at);
        record.fault = Some("close_during_upload".to_owned());
        record.end = End::Fault;
    });
    if how == How::Rst { Outcome::Reset } else { Outcome::Fin(Bytes::new()) }
}

/// How far a body came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Whole,
    /// More would come than is wanted.
    Enough,
    Gone,
}

/// Reads a body as far as it comes or is wanted, at a rate if there is one.
async fn read_body(inbound: &mut RecvStream, rate: Option<usize>, most: usize) -> (Bytes, Read) {
    let (begun, mut body) = (Instant::now(), BytesMut::new());
    let read = loop {
        if body.len() >= most && !inbound.is_end_stream() {
            break Read::Enough;
        }
        let data = match inbound.data().await {
            None => break Read::Whole,
            Some(Err(_)) => break Read::Gone,
            Some(Ok(data)) => data,
        };
        body.extend_from_slice(&data);
        if let Some(rate) = rate {
            tokio::time::sleep_until(upload::due(begun, body.len(), rate).into()).await;
        }
        // It fails only for a stream that is no more, which the next read tells.
        let _ = inbound.flow_control().release_capacity(data.len());
    };
    (body.freeze(), read)
}
