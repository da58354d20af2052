//! Where records go: one thread per gateway that counts them and writes the access log.
//! The queue is bounded; a full queue drops log lines, which is counted, and never holds up a request.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::metrics::Metrics;
use crate::otlp::{Counts, Exporter};
use crate::record::Record;

/// Records that may wait for the thread.
const QUEUE: usize = 65_536;
/// Log bytes gathered before a write while more records wait.
const BATCH: usize = 64 * 1024;

/// The request path's end of the queue.
#[derive(Debug, Clone)]
pub struct Sink {
    queue: SyncSender<Box<Record>>,
    metrics: Arc<Mutex<Metrics>>,
    dropped: Arc<AtomicU64>,
    muted: bool,
}

impl Sink {
    /// Lets go of every record instead, where telemetry is off.
    #[must_use]
    pub fn muted(self, muted: bool) -> Self {
        Self { muted, ..self }
    }

    /// Hands a record over without waiting for the log; one that finds no room is still counted.
    pub fn send(&self, record: Box<Record>) {
        if self.muted {
            return;
        }
        if let Err(TrySendError::Full(record) | TrySendError::Disconnected(record)) = self.queue.try_send(record) {
            self.dropped.fetch_add(1, Relaxed);
            self.metrics.lock().unwrap_or_else(PoisonError::into_inner).count(&record);
        }
    }
}

/// The scraper's view of the metrics.
#[derive(Debug, Clone)]
pub struct Exposition {
    metrics: Arc<Mutex<Metrics>>,
    dropped: Arc<AtomicU64>,
    spans: Arc<Counts>,
}

impl Exposition {
    /// The Prometheus text exposition of this moment.
    #[must_use]
    pub fn text(&self) -> String {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.text(self.dropped.load(Relaxed)) + &self.spans.text()
    }
}

/// Starts the thread; it ends when every [`Sink`] is gone.
pub fn start(log: Box<dyn Write + Send>, mut traces: Exporter) -> io::Result<(Sink, Exposition, JoinHandle<()>)> {
    let (queue, records) = sync_channel(QUEUE);
    let (metrics, dropped) = (Arc::new(Mutex::new(Metrics::default())), Arc::new(AtomicU64::new(0)));
    let exposition = Exposition { metrics: metrics.clone(), dropped: dropped.clone(), spans: traces.counts() };
    let sink = Sink { queue, metrics: metrics.clone(), dropped, muted: false };
    let thread = std::thread::Builder::new().name("telemetry".into()).spawn(move || {
        run(&records, &metrics, &mut traces, log);
        traces.finish();
    })?;
    Ok((sink, exposition, thread))
}

/// Appends the record's line; none where the access log's filter says so.
fn tell(lines: &mut Vec<u8>, record: &Record) {
    let written = match &record.kept {
        None => serde_json::to_writer(&mut *lines, record).is_ok(),
        Some(kept) => kept.line(record).is_some_and(|line| serde_json::to_writer(&mut *lines, &line).is_ok()),
    };
    if written {
        lines.push(b'\n');
    }
}

fn run(
    records: &Receiver<Box<Record>>,
    metrics: &Mutex<Metrics>,
    traces: &mut Exporter,
    mut log: Box<dyn Write + Send>,
) {
    let mut lines = Vec::with_capacity(2 * BATCH);
    let mut waiting = records.recv().ok();
    while let Some(record) = waiting {
        metrics.lock().unwrap_or_else(PoisonError::into_inner).count(&record);
        traces.export(&record);
        tell(&mut lines, &record);
        waiting = records.try_recv().ok();
        if waiting.is_none() || lines.len() >= BATCH {
            // a closed or full log must not stop the counting
            let _written = log.write_all(&lines).and_then(|()| log.flush());
            lines.clear();
        }
        if waiting.is_none() {
            waiting = records.recv().ok();
        }
    }
}
