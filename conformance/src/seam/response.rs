//! How answers pass a seam: raw, read whole first, or event by event. What is changed is said in `answer` and `stream`.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::astray::{self, Next};
use super::context::{Context, Hop};
use super::stream::{Cook, Finish};
use super::{Forward, Inbound, Left, Outbound};
use crate::saboteur::Saboteur;
use crate::wire::{Decoder, Framing, Head, head_end};

/// How an answer is passed on.
pub(super) enum Way {
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

/// What a gateway says of a provider that does not answer.
const BAD_GATEWAY: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: application/json\r\ncontent-length: 35\r\n\r\n{\"error\":{\"message\":\"bad gateway\"}}";
/// Longer than any answer takes.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Relays one answer.
pub(super) async fn relay<S: Inbound>(
    inbound: &mut S,
    early: &mut Vec<u8>,
    outbound: &mut Outbound,
    context: &Context,
    hop: Hop,
    forward: &Forward,
) -> Left {
    let mut link = Link { inbound, early, outbound, context, hop, forward };
    match link.final_head().await {
        Ok(head) => link.body(head).await,
        Err(ending) => {
            context.no_answer(hop, matches!(ending, Ending::Gone));
            link.nothing(&ending).await
        }
    }
}

/// Both sides of one exchange.
struct Link<'l, S> {
    inbound: &'l mut S,
    early: &'l mut Vec<u8>,
    outbound: &'l mut Outbound,
    context: &'l Context,
    hop: Hop,
    forward: &'l Forward,
}

impl<S: Inbound> Link<'_, S> {
    /// Does not notice when the near side goes.
    fn deaf(&self) -> bool {
        self.context.saboteur == Saboteur::CancelNotPropagated && matches!(self.hop, Hop::Gateway(_))
    }

    /// More bytes from the far side into its pending buffer.
    async fn more(&mut self) -> Result<(), Ending> {
        let mut buffer = [0; 16 * 1024];
        let mut ahead = [0; 4 * 1024];
        loop {
            let watched = !self.deaf() && self.early.is_empty();
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
        self.context.heard(self.hop, self.forward, bytes);
        let written = match self.context.saboteur {
            Saboteur::BackpressureLost => self.write_reading_on(bytes).await,
            _ => self.inbound.write_all(bytes).await,
        };
        match written {
            Err(_) if !self.deaf() => Err(Ending::Gone),
            _ => {
                let _ = self.inbound.flush().await;
                Ok(())
            }
        }
    }

    /// Writes, and takes whatever the far side sends meanwhile.
    async fn write_reading_on(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let mut open = true;
        while !bytes.is_empty() {
            tokio::select! {
                written = self.inbound.write(bytes) => bytes = &bytes[written?..],
                read = self.outbound.stream.read(&mut buffer), if open => match read {
                    Ok(size) if size > 0 => self.outbound.pending.extend_from_slice(&buffer[..size]),
                    _ => open = false,
                },
            }
        }
        Ok(())
    }

    /// The head of the answer that is passed on, whichever attempt it belongs to.
    async fn final_head(&mut self) -> Result<Head, Ending> {
        let head = self.head().await?;
        let Hop::Provider(index) = self.hop else { return Ok(head) };
        match self.context.next(index, &head) {
            Next::Relay => Ok(head),
            Next::Again(times) => {
                for _ in 0..times {
                    astray::send_and_forget(self.forward, self.forward.address).await;
                }
                Ok(head)
            }
            Next::Elsewhere(address) => {
                let Ok(mut stream) = TcpStream::connect(address).await else { return Err(Ending::Broken(false)) };
                let sent = stream.write_all(&self.forward.bytes).await;
                *self.outbound = Outbound { address, stream, pending: Vec::new() };
                sent.map_err(|_| Ending::Broken(true))?;
                self.head().await
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

    /// What follows when there is no head.
    async fn nothing(&mut self, ending: &Ending) -> Left {
        if self.context.saboteur == Saboteur::StaleConnectionKept && matches!(self.hop, Hop::Provider(_)) {
            let _ = self.write(BAD_GATEWAY).await;
            return Left::Closed;
        }
        left(ending)
    }

    async fn body(&mut self, mut head: Head) -> Left {
        let Ok(framing) = head.response_framing(&self.forward.method) else {
            return self.rest(head).await;
        };
        let way = self.context.way(self.hop, &head, &self.forward.nonce);
        self.context.change_head(self.hop, &mut head, &self.forward.nonce);
        match way {
            Way::Raw => self.raw(head, framing).await,
            Way::Whole => self.whole(head, framing).await,
            Way::Cooked(cook) => self.cooked(head, framing, cook).await,
            Way::Never => self.silence().await,
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
        if matches!(ending, Ending::Broken(_)) && !decoder.may_close() {
            self.broken().await;
        }
        left(&ending)
    }

    /// An answer has broken off.
    async fn broken(&mut self) {
        if let (Saboteur::ReplayElsewhere, Hop::Provider(index)) = (self.context.saboteur, self.hop) {
            astray::send_and_forget(self.forward, self.context.other(index)).await;
        }
    }

    async fn whole(&mut self, mut head: Head, framing: Framing) -> Left {
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
        let behind = self.context.change_answer(&mut head, &mut body);
        head.remove("transfer-encoding");
        head.set("content-length", body.len().to_string());
        match self.write(&[&head.bytes(), &*body, behind].concat()).await {
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
        let end = Instant::now() + cook.lifetime().unwrap_or(FOREVER);
        let ending = match tokio::time::timeout_at(end, self.cook(framing, &mut cook)).await {
            Ok(Ending::Gone) => return Left::Reset,
            Ok(ending) => ending,
            Err(_) => return Left::Closed,
        };
        let (last, finish) = cook.end(matches!(ending, Ending::Complete));
        if self.chunk(&last).await.is_err() {
            return Left::Reset;
        }
        match finish {
            Finish::Clean if self.write(b"0\r\n\r\n").await.is_ok() => Left::Closed,
            Finish::Never => self.silence().await,
            _ => left(&ending),
        }
    }

    /// Passes the data on, changed, until it ends.
    async fn cook(&mut self, framing: Framing, cook: &mut Cook) -> Ending {
        let mut decoder = Decoder::new(framing);
        loop {
            let mut data = Vec::new();
            match decoder.feed(&self.outbound.pending, &mut data) {
                Ok(taken) => drop(self.outbound.pending.drain(..taken)),
                Err(_) => return Ending::Broken(false),
            }
            if let Err(ending) = self.chunk(&cook.data(&data)).await {
                return ending;
            }
            if decoder.complete() {
                return Ending::Complete;
            }
            match self.more().await {
                Err(Ending::Broken(false)) if decoder.may_close() => return Ending::Complete,
                Err(ending) => return ending,
                Ok(()) => {}
            }
        }
    }

    async fn chunk(&mut self, data: &[u8]) -> Result<(), Ending> {
        if data.is_empty() {
            return Ok(());
        }
        let framed = [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
        self.write(&framed).await
    }

    /// Nothing more, until the near side goes.
    async fn silence(&mut self) -> Left {
        let mut byte = [0; 1];
        let _ = self.inbound.read(&mut byte).await;
        Left::Reset
    }
}

fn left(ending: &Ending) -> Left {
    match ending {
        Ending::Complete => Left::Open,
        Ending::Broken(false) => Left::Closed,
        Ending::Broken(true) | Ending::Gone => Left::Reset,
    }
}
