//! How long a client may let the gateway wait: for room to write an answer, for the next bytes of a body.
//! Owns the timer, which exists only once somebody had to wait, and the connection that ends when its reader takes
//! nothing. Who is told of it, and what is let go, is the business of those who wait.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::presence::Presence;

/// A limit on each single wait; whatever arrives in between begins a new one.
#[derive(Debug)]
pub struct Patience {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// The beginning of this wait.
    since: Option<Instant>,
}

/// A wait was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over;

impl Patience {
    /// Nobody waits yet.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit, timer: None, since: None }
    }

    /// Passes on what a poll said, as long as that is not "wait" for too long. A timer that was set for an earlier wait may
    /// run out first, and is set anew then.
    pub fn poll<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<T>) -> Poll<Result<T, Over>> {
        if let Poll::Ready(outcome) = outcome {
            self.since = None;
            return Poll::Ready(Ok(outcome));
        }
        let end = *self.since.get_or_insert_with(Instant::now) + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end.into())));
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= end.into() {
                return Poll::Ready(Err(Over));
            }
            timer.as_mut().reset(end.into());
        }
    }
}

/// A client's connection; writing to it fails when the client takes nothing for too long.
#[derive(Debug)]
pub struct Paced<T> {
    inner: T,
    patience: Patience,
}

impl<T> Paced<T> {
    /// Bounds each wait for the client to make room.
    #[must_use]
    pub fn new(inner: T, limit: Duration) -> Self {
        Self { inner, patience: Patience::new(limit) }
    }

    fn bounded(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let bounded = ready!(self.patience.poll(cx, written));
        Poll::Ready(bounded.unwrap_or_else(|Over| Err(io::ErrorKind::TimedOut.into())))
    }
}

impl<T: Presence> Presence for Paced<T> {
    const ASKED: bool = T::ASKED;

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_left(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.bounded(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const LIMIT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_given_up_and_one_that_takes_a_little_is_not() {
        let (client, gateway) = duplex(1);
        let mut paced = Paced::new(gateway, LIMIT);
        let idle = tokio::time::timeout(100 * LIMIT, paced.write_all(&[0; 2])).await.expect("it ends by itself");
        assert_eq!(idle.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(client);

        let (mut client, gateway) = duplex(1);
        let mut paced = Paced::new(gateway, LIMIT);
        let reading = tokio::spawn(async move {
            let mut pace = tokio::time::interval(LIMIT / 4);
            let mut byte = [0];
            for _ in 0..12 {
                pace.tick().await;
                client.read_exact(&mut byte).await.unwrap();
            }
        });
        paced.write_all(&[0; 12]).await.unwrap();
        reading.await.unwrap();
    }
}
