//! `/api/live`: a server-sent event each second with what is new. An event is made when the connection takes it, so
//! that nothing waits for a slow reader; one that takes nothing for a while is let go.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Page;

/// Readers at once.
pub const READERS: usize = 16;
/// Pause between two events.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest time that a reader may take for an event.
const PATIENCE: Duration = Duration::from_secs(20);
/// Exchanges that an event tells.
const MOST: usize = 50;

/// When the live answer of a connection was last asked for more; `None` where it has none.
pub type Pulse = Rc<Cell<Option<Instant>>>;

/// A body of the administrator's address.
#[derive(Debug)]
pub enum Body {
    /// Complete.
    Full(Option<Bytes>),
    /// Events without end.
    Live(Box<Live>),
}

/// The events of one reader.
#[derive(Debug)]
pub struct Live {
    page: Page,
    /// Number of the last exchange that it knows.
    seen: u64,
    ticks: Interval,
    pulse: Pulse,
    _seat: Seat,
}

/// One of the readers.
#[derive(Debug)]
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Live {
    /// A reader that knows the exchanges up to `seen`; `None` when there are too many.
    #[must_use]
    pub fn begin(page: &Page, seen: u64, pulse: &Pulse) -> Option<Self> {
        let before = page.readers.fetch_add(1, Relaxed);
        let seat = Seat(page.readers.clone());
        if before >= READERS {
            return None;
        }
        let mut ticks = interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pulse.set(Some(Instant::now()));
        Some(Self { page: page.clone(), seen, ticks, pulse: pulse.clone(), _seat: seat })
    }

    fn event(&mut self) -> Bytes {
        let news = self.page.recent.since(self.seen, MOST);
        self.seen = news.last;
        let configuration: Value =
            serde_json::from_str(&self.page.loaded.page()).expect("the page of what is loaded is JSON");
        let told = json!({
            "gateway": self.page.id,
            "last": news.last,
            "missed": news.missed,
            "exchanges": news.exchanges,
            "overview": self.page.recent.overview(),
            "configuration": configuration,
        });
        format!("id: {}\nevent: update\nretry: 1000\ndata: {told}\n\n", news.last).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Live(live) => {
                live.pulse.set(Some(Instant::now()));
                ready!(live.ticks.poll_tick(cx));
                Poll::Ready(Some(Ok(Frame::data(live.event()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Full(bytes) => http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Live(_) => http_body::SizeHint::new(),
        }
    }
}

/// Ends when the reader of a live answer has taken nothing for too long.
pub async fn stalled(pulse: &Pulse) {
    loop {
        tokio::time::sleep(PATIENCE / 4).await;
        if pulse.get().is_some_and(|last| last.elapsed() > PATIENCE) {
            return;
        }
    }
}
