//! The way of spans to one collector: gathers batches, sends them one after the other, and again where that may help.
//! Knows when to give up; how a batch is sent is `call`'s business.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::call::{self, Trouble};
use super::{Counts, request};
use crate::server::Notices;
use crate::tracing::Collector;
use crate::upstream::Pool;

/// Spans of a batch.
const BATCH_SPANS: u64 = 512;
/// Bytes of a batch; collectors take 4 MiB.
const BATCH_BYTES: usize = 1024 * 1024;
/// How long the first span of a batch waits for others.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// Pause before the second try; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause, also one that the collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a batch is tried.
const PATIENCE: Duration = Duration::from_secs(60);

/// The spans of one exchange, encoded.
#[derive(Debug)]
pub(super) struct Finished {
    /// How many.
    pub(super) spans: u64,
    /// As they stand in a `ScopeSpans`.
    pub(super) bytes: Vec<u8>,
}

/// The way to one collector.
pub(super) struct Lane {
    pub(super) collector: Arc<Collector>,
    /// The `Resource` of all its spans.
    pub(super) resource: Vec<u8>,
    pub(super) spans: mpsc::UnboundedReceiver<Finished>,
    /// Bytes that wait, or are on their way.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) counts: Arc<Counts>,
    pub(super) notices: Notices,
    pub(super) ending: watch::Receiver<bool>,
    /// The last batch was lost.
    pub(super) troubled: bool,
}

impl Lane {
    /// Runs until nobody sends any more and all is delivered.
    pub(super) async fn run(mut self, pool: Rc<Pool>) {
        while let Some(first) = self.spans.recv().await {
            let batch = self.gather(first).await;
            let bytes: usize = batch.iter().map(|finished| finished.bytes.len()).sum();
            self.deliver(&pool, &batch).await;
            self.waiting.fetch_sub(bytes, Relaxed);
            pool.sweep();
        }
    }

    async fn gather(&mut self, first: Finished) -> Vec<Finished> {
        let until = Instant::now() + BATCH_TIME;
        let (mut spans, mut bytes, mut batch) = (first.spans, first.bytes.len(), vec![first]);
        while spans < BATCH_SPANS && bytes < BATCH_BYTES {
            let Ok(Some(next)) = timeout_at(until, self.spans.recv()).await else { break };
            (spans, bytes) = (spans + next.spans, bytes + next.bytes.len());
            batch.push(next);
        }
        batch
    }

    async fn deliver(&mut self, pool: &Pool, batch: &[Finished]) {
        let spans = batch.iter().map(|finished| finished.spans).sum();
        let message = request(&self.resource, batch).into();
        let (until, mut pause) = (Instant::now() + PATIENCE, FIRST_PAUSE);
        let trouble = loop {
            let trouble = match call::export(pool, &self.collector, &message).await {
                Ok(refused) => return self.delivered(spans, refused.min(spans)),
                Err(trouble) => trouble,
            };
            let wait = trouble.pause.unwrap_or(pause).min(LONGEST_PAUSE);
            if !trouble.again || Instant::now() + wait > until || *self.ending.borrow() {
                break trouble;
            }
            self.tell_trouble(&trouble);
            pause *= 2;
            // the gateway's end cuts the pause short: then it is now or never
            let _ended = tokio::time::timeout(wait, self.ending.wait_for(|ending| *ending)).await;
        };
        self.tell_trouble(&trouble);
        self.counts.dropped(trouble.dropped, spans);
    }

    fn delivered(&mut self, spans: u64, refused: u64) {
        self.counts.exported(spans - refused);
        self.counts.dropped(super::Dropped::Refused, refused);
        if std::mem::take(&mut self.troubled) {
            (self.notices)(&format!("traces: collector {} takes spans again", self.place()));
        }
    }

    /// Once per trouble, not once per batch.
    fn tell_trouble(&mut self, trouble: &Trouble) {
        if !std::mem::replace(&mut self.troubled, true) {
            let why = &trouble.why;
            (self.notices)(&format!("warning: traces: collector {} gets no spans: {why}", self.place()));
        }
    }

    fn place(&self) -> String {
        self.collector.endpoint.authority.to_string()
    }
}
