//! Export of traces over OTLP: finished records in, batches to collectors out, on a thread of its own.
//! What waits is bounded by bytes; a collector that is dead, slow or refuses costs spans, which are counted, and never
//! holds anybody up. The messages are written by hand ([`wire`]) and sent over the gateway's own upstream connections:
//! a gRPC call without streaming is one HTTP/2 request, so that neither tonic nor the SDK's tracers are needed.

mod call;
mod lane;
#[cfg(test)]
pub(crate) mod tests;
pub mod wire;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls_pki_types::CertificateDer;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};

use crate::metrics::family;
use crate::metrics::write::Text;
use crate::otel::Environment;
use crate::record::Record;
use crate::server::Notices;
use crate::span::{self, Value};
use crate::tracing::Collector;
use crate::upstream::Pool;
use crate::{ConnectTo, span::dialect::Dialect};
use lane::{Finished, Lane};
use wire::Message;

/// Bytes of spans that may wait for one collector.
const MOST_WAITING: usize = 16 * 1024 * 1024;
/// A collector that nothing was sent to for so long is forgotten.
const IDLE: Duration = Duration::from_secs(300);
/// How long the last spans may take when the gateway ends.
const FLUSH: Duration = Duration::from_secs(3);

/// Why spans were not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Too many wait for the collector.
    QueueFull,
    /// The collector cannot be reached, or does not answer.
    Unreachable,
    /// The collector does not take them.
    Refused,
}

const REASONS: [(Dropped, &str); 3] =
    [(Dropped::QueueFull, "queue_full"), (Dropped::Unreachable, "unreachable"), (Dropped::Refused, "refused")];

/// Spans by what became of them.
#[derive(Debug, Default)]
pub struct Counts {
    exported: AtomicU64,
    dropped: [AtomicU64; 3],
}

impl Counts {
    /// Counts spans that a collector took.
    pub fn exported(&self, spans: u64) {
        self.exported.fetch_add(spans, Relaxed);
    }

    /// Counts spans that nobody got.
    pub fn dropped(&self, why: Dropped, spans: u64) {
        self.dropped[why as usize].fetch_add(spans, Relaxed);
    }

    /// How many were exported, and dropped by reason.
    pub fn read(&self) -> (u64, impl Iterator<Item = (&'static str, u64)>) {
        let dropped = REASONS.iter().map(|(why, name)| (*name, self.dropped[*why as usize].load(Relaxed)));
        (self.exported.load(Relaxed), dropped)
    }

    /// Writes both families.
    pub fn write(&self, text: &mut Text) {
        let (exported, dropped) = self.read();
        text.values(&family::SPANS_EXPORTED, [("", exported)]);
        text.values(&family::SPANS_DROPPED, dropped.map(|(reason, count)| (format!("reason=\"{reason}\""), count)));
    }
}

/// What an exporter needs to know beside what it exports.
#[derive(Clone)]
pub struct Setup {
    /// Resource and dialect.
    pub otel: Environment,
    /// Collectors that are really elsewhere.
    pub connect_to: Vec<ConnectTo>,
    /// Trusted beside the public roots.
    pub roots: Vec<CertificateDer<'static>>,
    /// Told when a collector fails, and when it is back.
    pub notices: Notices,
}

impl Default for Setup {
    /// Nothing is exported unless a policy says so, and nobody is told.
    fn default() -> Self {
        Self {
            otel: Environment::default(),
            connect_to: Vec::new(),
            roots: Vec::new(),
            notices: Arc::new(|_: &str| ()),
        }
    }
}

/// The telemetry thread's end: makes spans of records and queues them.
pub struct Exporter {
    otel: Environment,
    to: Vec<Queue>,
    open: mpsc::UnboundedSender<Lane>,
    ending: watch::Receiver<bool>,
    notices: Notices,
    counts: Arc<Counts>,
    thread: JoinHandle<()>,
}

/// The way to one collector.
struct Queue {
    collector: Arc<Collector>,
    spans: mpsc::UnboundedSender<Finished>,
    waiting: Arc<AtomicUsize>,
    used: Instant,
}

impl Exporter {
    /// Starts the thread, which ends with [`Exporter::finish`].
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(setup: Setup) -> io::Result<Self> {
        let Setup { otel, connect_to, roots, notices } = setup;
        let (open, lanes) = mpsc::unbounded_channel();
        let (end, ending) = watch::channel(false);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("traces".into()).spawn(move || {
            LocalSet::new().block_on(&runtime, serve(Pool::new(connect_to, roots), lanes, end));
        })?;
        Ok(Self { otel, to: Vec::new(), open, ending, notices, counts: Arc::default(), thread })
    }

    /// What became of all spans.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }

    /// Queues the spans of a record that is traced.
    pub fn export(&mut self, record: &Record) {
        let Some(tracing) = &record.tracing else { return };
        let (spans, bytes) = encoded(record, self.otel.dialect);
        if spans == 0 {
            return;
        }
        let queue = self.queue(&tracing.collector);
        if queue.waiting.fetch_add(bytes.len(), Relaxed) + bytes.len() > MOST_WAITING {
            queue.waiting.fetch_sub(bytes.len(), Relaxed);
            return self.counts.dropped(Dropped::QueueFull, spans);
        }
        if let Err(lost) = queue.spans.send(Finished { spans, bytes }) {
            self.counts.dropped(Dropped::Unreachable, lost.0.spans);
        }
    }

    /// The queue of a collector; a new one begins with its first spans.
    fn queue(&mut self, collector: &Arc<Collector>) -> &mut Queue {
        let now = Instant::now();
        let known = |queue: &Queue| Arc::ptr_eq(&queue.collector, collector) || queue.collector == *collector;
        let at = self.to.iter().position(known).unwrap_or_else(|| {
            // a queue without a sender ends when all of it is delivered
            self.to.retain(|queue| now - queue.used < IDLE);
            let (spans, receiver) = mpsc::unbounded_channel();
            let waiting = Arc::<AtomicUsize>::default();
            let lane = Lane {
                collector: collector.clone(),
                resource: resource(&self.otel, collector),
                spans: receiver,
                waiting: waiting.clone(),
                counts: self.counts.clone(),
                notices: self.notices.clone(),
                ending: self.ending.clone(),
                troubled: false,
            };
            // without the thread the queue is closed, which its user sees
            let _served = self.open.send(lane);
            self.to.push(Queue { collector: collector.clone(), spans, waiting, used: now });
            self.to.len() - 1
        });
        let queue = &mut self.to[at];
        queue.used = now;
        queue
    }

    /// Delivers what is left, within [`FLUSH`].
    pub fn finish(self) {
        let Self { to, open, thread, .. } = self;
        drop((to, open));
        let _ended = thread.join();
    }
}

/// All lanes until nobody opens one any more, and a little longer.
async fn serve(pool: Pool, mut lanes: mpsc::UnboundedReceiver<Lane>, end: watch::Sender<bool>) {
    let (pool, mut running) = (std::rc::Rc::new(pool), JoinSet::new());
    while let Some(lane) = lanes.recv().await {
        running.spawn_local(lane.run(pool.clone()));
        while running.try_join_next().is_some() {}
    }
    // what cannot be delivered now is not tried for long
    let _heard = end.send(true);
    let _in_time = tokio::time::timeout(FLUSH, async { while running.join_next().await.is_some() {} }).await;
}

/// The spans of a record as they stand in a `ScopeSpans`, and how many they are.
fn encoded(record: &Record, dialect: &Dialect) -> (u64, Vec<u8>) {
    let (mut message, spans) = (Message::default(), span::of(record, dialect));
    for one in &spans {
        message.nested(2, |to| span::write::span(one, record, to));
    }
    (spans.len() as u64, message.0)
}

/// What the gateway says of itself: the policy first, then the environment.
fn resource(otel: &Environment, collector: &Collector) -> Vec<u8> {
    let said = |name: &str| collector.resource.iter().chain(&otel.resource).any(|(key, _)| **key == *name);
    let of_environment = otel.resource.iter().filter(|(name, _)| collector.resource.iter().all(|(own, _)| own != name));
    let all = collector.resource.iter().chain(of_environment).map(|(name, value)| (&**name, &**value));
    let own = [("service.name", "agentgateway"), ("service.version", env!("CARGO_PKG_VERSION"))];
    let mut message = Message::default();
    for (name, value) in all.chain(own.into_iter().filter(|(name, _)| !said(name))) {
        message.nested(1, |pair| span::write::pair(pair, name, &Value::from(value)));
    }
    message.0
}

/// An `ExportTraceServiceRequest`.
fn request(resource: &[u8], spans: &[Finished]) -> Vec<u8> {
    let mut message = Message::default();
    message.nested(1, |of_resource| {
        of_resource.bytes(1, resource);
        of_resource.nested(2, |of_scope| {
            of_scope.nested(1, |scope| {
                scope.bytes(1, b"agentgateway");
                scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
            });
            for finished in spans {
                of_scope.0.extend_from_slice(&finished.bytes);
            }
        });
    });
    message.0
}
