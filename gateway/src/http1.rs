//! HTTP/1.1 with clients, as nearly all of them speak it: a head that comes whole, a body of known length or none, and
//! nothing asked of the connection but whether it persists. Owns such exchanges from the first byte to the last, so that
//! nothing stands between the socket and them. It refuses nothing: with whatever is not so (chunks, upgrades, `Expect`,
//! HTTP/1.0, a head that is malformed, too large, or comes in parts) the connection goes to the HTTP layer for good, with
//! all that was not served, so that requests are framed by its rules.

mod answer;
mod request;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::buffers::Buffers;
use crate::listen::{Door, Stage};
use crate::patience::{Over, Patience};
use crate::presence::Presence;
use crate::proxy::{self, Client};
use crate::received::{Intake, Received, in_parts};
use crate::relay::Reply;
use crate::replay::Replay;
use answer::{Answer, Broken};

/// A body that its answer has outlived is read for so long.
const LINGERING: Duration = Duration::from_secs(10);

/// Serves a connection as long as what comes is ordinary; what it gives back is for the HTTP layer.
pub(crate) async fn serve<T>(door: &mut Door, io: Replay<T>, client: Client) -> Option<Replay<T>>
where
    T: AsyncRead + AsyncWrite + Presence + Unpin,
{
    let worker = door.worker.clone();
    let mut line = Line { io, ahead: Bytes::new(), buffers: worker.pool.buffers() };
    let mut patience = Patience::new(worker.shared.header_timeout);
    loop {
        let next = tokio::select! {
            // first: what has come is served, whatever else has happened
            biased;
            next = poll_fn(|cx| line.poll_next(&mut patience, cx)) => next,
            () = door.reached(Stage::Stopping) => Next::End,
        };
        let asked = match next {
            Next::Asked(asked) => asked,
            Next::Other(bytes) => {
                line.io.put_back(bytes);
                return Some(line.io);
            }
            Next::End => break,
        };
        let Asked { request, intake, closes } = asked;
        let answer = proxy::handle(worker.clone(), client.clone(), request);
        let closes = || closes || door.has_reached(Stage::Stopping);
        if !line.exchange(answer, intake.as_ref(), closes).await? || door.has_reached(Stage::Stopping) {
            break;
        }
    }
    // how a connection ends is the business of its exchanges
    let _closed = line.io.shutdown().await;
    None
}

/// What a client says next.
#[expect(clippy::large_enum_variant, reason = "the large variant is the common one, and it lives for a moment")]
enum Next {
    Asked(Asked),
    /// What is not ordinary, from its beginning.
    Other(Bytes),
    /// Nothing: it has left, or was silent for too long.
    End,
}

struct Asked {
    request: Request<Received>,
    intake: Option<Intake>,
    closes: bool,
}

/// What these bytes begin with, and how many of them it takes.
fn read(bytes: &[u8]) -> (Next, usize) {
    let Some(ordinary) = request::read(bytes) else { return (Next::Other(Bytes::copy_from_slice(bytes)), bytes.len()) };
    let (body, intake) = if ordinary.left == 0 {
        (Received::Whole(ordinary.arrived), None)
    } else {
        let (rest, intake) = in_parts(ordinary.arrived, ordinary.left);
        (Received::Rest(rest), Some(intake))
    };
    let asked = Asked { request: ordinary.head.map(|()| body), intake, closes: ordinary.closes };
    (Next::Asked(asked), ordinary.size)
}

/// A client's connection.
struct Line<T> {
    io: Replay<T>,
    /// What was read behind a request.
    ahead: Bytes,
    buffers: Rc<Buffers>,
}

impl<T: AsyncRead + AsyncWrite + Presence + Unpin> Line<T> {
    fn poll_next(&mut self, patience: &mut Patience, cx: &mut Context<'_>) -> Poll<Next> {
        if !self.ahead.is_empty() {
            let (next, size) = read(&self.ahead);
            self.ahead.advance(size);
            return Poll::Ready(next);
        }
        let mut room = self.buffers.read.borrow_mut();
        let mut come = ReadBuf::new(&mut room);
        let outcome = Pin::new(&mut self.io).poll_read(cx, &mut come);
        match ready!(patience.poll(cx, outcome)) {
            Ok(Ok(())) if !come.filled().is_empty() => {
                let (next, size) = read(come.filled());
                self.ahead = Bytes::copy_from_slice(&come.filled()[size..]);
                Poll::Ready(next)
            }
            Ok(_) | Err(Over) => Poll::Ready(Next::End),
        }
    }

    /// Waits for the answer and writes it; whether another request may follow, nothing when the client has left or the
    /// answer broke off. When the answer is there, `closes` says whether it is the last anyway.
    async fn exchange<F>(&mut self, mut answer: F, intake: Option<&Intake>, closes: impl Fn() -> bool) -> Option<bool>
    where
        F: Future<Output = Response<Reply>> + Unpin,
    {
        let response = poll_fn(|cx| {
            loop {
                if let Poll::Ready(response) = Pin::new(&mut answer).poll(cx) {
                    return Poll::Ready(Some(response));
                }
                if self.poll_intake(intake, cx).is_ready() {
                    continue;
                }
                return self.io.poll_left(cx).map(|()| None);
            }
        });
        let response = response.await?;
        // what it holds is not needed any more
        drop(answer);
        let closes = closes() || answer::says_close(response.headers());
        let mut answer = Answer::new(response, closes, self.buffers.clone());
        let written = poll_fn(|cx| {
            let written = answer.poll_write(&mut self.io, cx);
            while self.poll_intake(intake, cx).is_ready() {
                // who reads it may be a part of the answer
                cx.waker().wake_by_ref();
            }
            match written {
                Poll::Pending if answer.rests() => self.io.poll_left(cx).map(|()| Err(Broken)),
                written => written,
            }
        });
        written.await.ok()?;
        drop(answer);
        let Some(intake) = intake else { return Some(!closes) };
        let finished = tokio::time::timeout(LINGERING, self.finish(intake)).await;
        Some(finished.unwrap_or(false) && !closes)
    }

    /// Reads what is asked for of the body; ready when something was read, or the connection has ended.
    fn poll_intake(&mut self, intake: Option<&Intake>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(intake) = intake else { return Poll::Pending };
        let wanted = intake.wanted(cx);
        if wanted == 0 { Poll::Pending } else { self.poll_body(intake, wanted, cx).map(drop) }
    }

    /// Reads on; how much it was.
    fn poll_body(&mut self, intake: &Intake, most: u64, cx: &mut Context<'_>) -> Poll<usize> {
        let mut room = self.buffers.read.borrow_mut();
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(room.len());
        let mut read = ReadBuf::new(&mut room[..most]);
        // an error is an end
        let _ended = ready!(Pin::new(&mut self.io).poll_read(cx, &mut read));
        intake.give(read.filled(), cx);
        Poll::Ready(read.filled().len())
    }

    /// The answer is out: a body that somebody still reads is read to its end, of another one what is at hand. Whether it
    /// has ended, so that what follows is a request.
    async fn finish(&mut self, intake: &Intake) -> bool {
        poll_fn(|cx| {
            loop {
                let left = intake.left();
                if left == 0 {
                    return Poll::Ready(true);
                }
                if intake.unwanted() {
                    match self.poll_body(intake, left, cx) {
                        Poll::Ready(1..) => continue,
                        Poll::Ready(0) | Poll::Pending => return Poll::Ready(false),
                    }
                }
                if intake.is_cut_off() {
                    return Poll::Ready(false);
                }
                if self.poll_intake(Some(intake), cx).is_pending() {
                    return self.io.poll_left(cx).map(|()| false);
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests;
