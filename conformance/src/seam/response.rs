//! What saboteurs do to answers: relayed raw, changed as a whole, or changed event by event (`stream`).

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::context::{Context, Hop};
use super::stream::Cook;
use super::{Forward, Inbound, Left, Outbound};
use crate::saboteur::Saboteur;
use crate::wire::{Decoder, Framing, Head, head_end};

/// How an answer is passed on.
enum Way {
    /// Byte by byte.
    Raw,
    /// Read whole first.
    Whole,
    /// Its data taken out, changed and framed anew.
    Cooked(Cook),
    /// Not at all: silence.
    Never,
}

/// What ended an answer, or the wait for it.
enum Ending {
    Complete,
    /// The far side closed; true when by reset.
    Broken(bool),
    /// The near side has gone.
    Gone,
}

/// Relays one answer.
pub(super) async fn relay<S: Inbound>(
    inbound: &mut S,
    early: &mut Vec<u8>,
    outbound: &mut Outbound,
    context: &Context,
    hop: Hop,
    forward: &Forward,
) -> Left {
    let mut link = Link { inbound, early, outbound, deaf: context.deaf(hop) };
    let head = match link.head().await {
        Ok(head) => head,
        Err(Ending::Broken(reset)) => {
            context.no_answer(hop, &forward.nonce);
            return if reset { Left::Reset } else { Left::Closed };
        }
        Err(_) => return Left::Reset,
    };
    let Ok(framing) = head.response_framing(&forward.method) else {
        return link.rest(head).await;
    };
    match context.way(hop, &head) {
        Way::Raw => link.raw(head, framing).await,
        Way::Whole => link.whole(head, framing, context, hop, &forward.nonce).await,
        Way::Cooked(cook) => link.cooked(head, framing, cook).await,
        Way::Never => {
            let mut byte = [0; 1];
            let _ = link.inbound.read(&mut byte).await;
            Left::Reset
        }
    }
}

/// Both sides of one exchange.
struct Link<'l, S> {
    inbound: &'l mut S,
    early: &'l mut Vec<u8>,
    outbound: &'l mut Outbound,
    /// Does not notice when the near side goes.
    deaf: bool,
}

impl<S: Inbound> Link<'_, S> {
    /// More bytes from the far side into its pending buffer.
    async fn more(&mut self) -> Result<(), Ending> {
        let mut buffer = [0; 16 * 1024];
        let mut ahead = [0; 4 * 1024];
        loop {
            let watched = !self.deaf && self.early.is_empty();
            tokio::select! {
                read = self.outbound.stream.read(&mut buffer) => return match read {
                    Ok(0) => Err(Ending::Broken(false)),
                    Ok(size) => {
                        self.outbound.pending.extend_from_slice(&buffer[..size]);
                        Ok(())
                    }
                    Err(_) => Err(Ending::Broken(true)),
                },
                read = self.inbound.read(&mut ahead), if watched => match read {
                    Ok(size) if size > 0 => self.early.extend_from_slice(&ahead[..size]),
                    _ => return Err(Ending::Gone),
                },
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        match self.inbound.write_all(bytes).await {
            Err(_) if !self.deaf => Err(Ending::Gone),
            _ => {
                let _ = self.inbound.flush().await;
                Ok(())
            }
        }
    }

    async fn head(&mut self) -> Result<Head, Ending> {
        loop {
            if let Some(end) = head_end(&self.outbound.pending) {
                let head = Head::parse(&self.outbound.pending[..end]).unwrap_or_default();
                if head.status().is_none_or(|status| status / 100 != 1) {
                    self.outbound.pending.drain(..end);
                    return Ok(head);
                }
                let interim: Vec<u8> = self.outbound.pending.drain(..end).collect();
                self.write(&interim).await?;
                continue;
            }
            self.more().await?;
        }
    }

    /// Everything until the far side closes, unread.
    async fn rest(&mut self, head: Head) -> Left {
        let mut bytes = head.bytes();
        loop {
            bytes.append(&mut self.outbound.pending);
            if self.write(&bytes).await.is_err() {
                return Left::Reset;
            }
            bytes.clear();
            if self.more().await.is_err() {
                return Left::Closed;
            }
        }
    }

    async fn raw(&mut self, head: Head, framing: Framing) -> Left {
        let mut decoder = Decoder::new(framing);
        let mut bytes = head.bytes();
        let ending = loop {
            let mut data = Vec::new();
            match decoder.feed(&self.outbound.pending, &mut data) {
                Ok(taken) => bytes.extend(self.outbound.pending.drain(..taken)),
                Err(_) => {
                    bytes.append(&mut self.outbound.pending);
                    let _ = self.write(&bytes).await;
                    break Ending::Broken(false);
                }
            }
            if let Err(ending) = self.write(&bytes).await {
                break ending;
            }
            bytes.clear();
            if decoder.complete() {
                break Ending::Complete;
            }
            if let Err(ending) = self.more().await {
                break ending;
            }
        };
        left(&ending)
    }

    async fn whole(&mut self, mut head: Head, framing: Framing, context: &Context, hop: Hop, nonce: &str) -> Left {
        let mut decoder = Decoder::new(framing);
        let mut body = Vec::new();
        loop {
            let Ok(taken) = decoder.feed(&self.outbound.pending, &mut body) else { return Left::Closed };
            self.outbound.pending.drain(..taken);
            if decoder.complete() {
                break;
            }
            match self.more().await {
                Ok(()) => {}
                Err(Ending::Broken(false)) if decoder.may_close() => break,
                Err(ending) => return left(&ending),
            }
        }
        context.answer(&mut head, &mut body);
        head.remove("transfer-encoding");
        head.set("content-length", body.len().to_string());
        let bytes = [head.bytes(), body].concat();
        if matches!(hop, Hop::Provider(_)) {
            context.failed(nonce, bytes.clone());
        }
        match self.write(&bytes).await {
            Ok(()) if decoder.complete() => Left::Open,
            Ok(()) => Left::Closed,
            Err(_) => Left::Reset,
        }
    }

    async fn cooked(&mut self, mut head: Head, framing: Framing, mut cook: Cook) -> Left {
        head.remove("content-length");
        head.set("transfer-encoding", "chunked");
        if self.write(&head.bytes()).await.is_err() {
            return Left::Reset;
        }
        let mut decoder = Decoder::new(framing);
        let ending = loop {
            let mut data = Vec::new();
            match decoder.feed(&self.outbound.pending, &mut data) {
                Ok(taken) => drop(self.outbound.pending.drain(..taken)),
                Err(_) => break Ending::Broken(false),
            }
            if let Err(ending) = self.chunk(&cook.data(&data)).await {
                break ending;
            }
            if decoder.complete() {
                break Ending::Complete;
            }
            match self.more().await {
                Err(Ending::Broken(false)) if decoder.may_close() => break Ending::Complete,
                Err(ending) => break ending,
                Ok(()) => {}
            }
        };
        let (last, clean) = match &ending {
            Ending::Gone => return Left::Reset,
            ending => cook.end(matches!(ending, Ending::Complete)),
        };
        if self.chunk(&last).await.is_err() {
            return Left::Reset;
        }
        if clean && self.write(b"0\r\n\r\n").await.is_ok() { Left::Closed } else { left(&ending) }
    }

    async fn chunk(&mut self, data: &[u8]) -> Result<(), Ending> {
        if data.is_empty() {
            return Ok(());
        }
        let framed = [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
        self.write(&framed).await
    }
}

fn left(ending: &Ending) -> Left {
    match ending {
        Ending::Complete => Left::Open,
        Ending::Broken(false) => Left::Closed,
        Ending::Broken(true) | Ending::Gone => Left::Reset,
    }
}

impl Context {
    fn deaf(&self, hop: Hop) -> bool {
        self.saboteur == Saboteur::CancelNotPropagated && matches!(hop, Hop::Gateway(_))
    }

    fn way(&self, hop: Hop, head: &Head) -> Way {
        let status = head.status().unwrap_or(0);
        if matches!(hop, Hop::Provider(_)) {
            let remember = self.saboteur == Saboteur::FailoverDropped && status >= 400;
            return if remember { Way::Whole } else { Way::Raw };
        }
        match self.saboteur {
            Saboteur::ErrorFlattenedTo200
            | Saboteur::ErrorStatusLost
            | Saboteur::ErrorFieldsLost
            | Saboteur::ErrorNotJson
                if status >= 400 =>
            {
                Way::Whole
            }
            Saboteur::NotFoundServed if status == 404 => Way::Whole,
            Saboteur::RedirectFollowed if status / 100 == 3 => Way::Whole,
            Saboteur::DeadlineIgnored if status == 504 || status == 408 => Way::Never,
            saboteur if head.get("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) => {
                Cook::new(saboteur).map_or(self.headers_way(), Way::Cooked)
            }
            _ => self.headers_way(),
        }
    }

    fn headers_way(&self) -> Way {
        match self.saboteur {
            Saboteur::AnswerHeadersLost | Saboteur::ProviderKeyInResponse => Way::Whole,
            _ => Way::Raw,
        }
    }

    /// Changes an answer that was read whole.
    fn answer(&self, head: &mut Head, body: &mut Vec<u8>) {
        match self.saboteur {
            Saboteur::ErrorFlattenedTo200 | Saboteur::RedirectFollowed => {
                head.start = "HTTP/1.1 200 OK".to_owned();
            }
            Saboteur::ErrorStatusLost => {
                let other = if head.status() == Some(500) { "502 Bad Gateway" } else { "500 Internal Server Error" };
                head.start = format!("HTTP/1.1 {other}");
            }
            Saboteur::ErrorFieldsLost => *body = json!({"error": {"message": "error"}}).to_string().into_bytes(),
            Saboteur::ErrorNotJson => {
                head.set("content-type", "text/plain");
                *body = b"error".to_vec();
            }
            Saboteur::NotFoundServed => {
                head.start = "HTTP/1.1 200 OK".to_owned();
                head.set("content-type", "application/json");
                let message: Value = json!({"role": "assistant", "content": "served"});
                *body = json!({"choices": [{"index": 0, "message": message}]}).to_string().into_bytes();
            }
            Saboteur::AnswerHeadersLost => head.headers.retain(|(name, _)| {
                ["content-type", "date", "connection"].iter().any(|kept| kept.eq_ignore_ascii_case(name))
            }),
            Saboteur::ProviderKeyInResponse => head.set("x-upstream-key", self.provider_key.clone()),
            _ => {}
        }
    }
}
