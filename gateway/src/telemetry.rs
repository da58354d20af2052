//! Where records go: one thread per gateway that prices and counts them and writes the access log.
//! The queue is bounded, and so is what waits for the log; what finds no room is not logged, which is counted, and never
//! holds up a request.

mod core;
mod log;

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;

use crate::cost::Catalogs;
use crate::metrics::Metrics;
use crate::metrics::family;
use crate::metrics::write::Text;
use crate::otlp::{Counts, Exporter};
use crate::page::recent::Recent;
use crate::record::Record;

pub use self::core::Core;
pub use log::Form;

/// Records that may wait for the thread.
const QUEUE: usize = 65_536;
/// How long records are gathered while more come.
const GATHER: std::time::Duration = std::time::Duration::from_millis(10);

/// What the thread, the request path and the scraper share.
#[derive(Debug, Default)]
struct Shared {
    metrics: Mutex<Metrics>,
    catalogs: ArcSwap<Catalogs>,
    dropped: AtomicU64,
    cores: Mutex<Vec<Arc<Core>>>,
}

impl Shared {
    fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cores(&self) -> MutexGuard<'_, Vec<Arc<Core>>> {
        self.cores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prices and counts.
    fn count(&self, record: &mut Record) {
        self.catalogs.load().price(record);
        self.metrics().count(record);
    }
}

/// A core's end of the queue.
#[derive(Debug, Clone)]
pub struct Sink {
    queue: SyncSender<Box<Record>>,
    shared: Arc<Shared>,
    /// What this core counts by itself.
    pub core: Arc<Core>,
    muted: bool,
}

impl Sink {
    /// The end of another core.
    #[must_use]
    pub fn of_a_core(&self) -> Self {
        let core = Arc::new(Core::default());
        self.shared.cores().push(core.clone());
        Self { core, ..self.clone() }
    }

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
        if let Err(TrySendError::Full(mut record) | TrySendError::Disconnected(mut record)) =
            self.queue.try_send(record)
        {
            self.shared.dropped.fetch_add(1, Relaxed);
            self.shared.count(&mut record);
        }
    }
}

/// The scraper's view of what is counted.
#[derive(Debug, Clone)]
pub struct Exposition {
    shared: Arc<Shared>,
    spans: Arc<Counts>,
}

impl Exposition {
    /// From now on exchanges are priced by these.
    pub fn price_by(&self, catalogs: Catalogs) {
        self.shared.catalogs.store(Arc::new(catalogs));
    }

    /// Writes all families of this moment.
    pub fn write(&self, text: &mut Text) {
        let cores = self.shared.cores().clone();
        let counted = self.shared.metrics().counted();
        let in_flight: u64 = cores.iter().map(|core| core.in_flight()).sum();
        text.values(&family::IN_FLIGHT, [("", in_flight)]);
        counted.write_first(text);
        counted.write_rest(text);
        core::write(&cores, text);
        text.values(&family::LOG_DROPS, [("", self.shared.dropped.load(Relaxed))]);
        self.spans.write(text);
        text.values(&family::BUILD, [(concat!("tag=\"", env!("CARGO_PKG_VERSION"), "\""), 1)]);
    }
}

/// Starts the thread; it ends when every [`Sink`] is gone. What it has told goes on to the admin page, if there is one.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(
    log: Box<dyn Write + Send>,
    form: Form,
    mut traces: Exporter,
    recent: Option<Recent>,
) -> io::Result<(Sink, Exposition, JoinHandle<()>)> {
    let (queue, records) = sync_channel(QUEUE);
    let shared = Arc::new(Shared::default());
    let sink = Sink { queue, shared: shared.clone(), core: Arc::default(), muted: false };
    let exposition = Exposition { shared: shared.clone(), spans: traces.counts() };
    let log = log::Log::start(log, form)?;
    let thread = std::thread::Builder::new().name("telemetry".into()).spawn(move || {
        run(&records, &shared, &mut traces, log, recent.as_ref());
        traces.finish();
    })?;
    Ok((sink, exposition, thread))
}

#[expect(
    clippy::disallowed_methods,
    reason = "to be woken for each record would cost the request path more than the rest"
)]
fn run(
    records: &Receiver<Box<Record>>,
    shared: &Shared,
    traces: &mut Exporter,
    mut log: log::Log,
    recent: Option<&Recent>,
) {
    // Asleep between batches, it need not be woken for each record; where nothing comes, it waits for the next one.
    while let Ok(first) = records.recv() {
        let mut batch = Some(first);
        while let Some(first) = batch {
            for mut record in std::iter::once(first).chain(records.try_iter()) {
                shared.count(&mut record);
                traces.export(&record);
                let lost = log.tell(&record);
                shared.dropped.fetch_add(lost, Relaxed);
                if let Some(recent) = recent {
                    recent.keep(record);
                }
            }
            shared.dropped.fetch_add(log.flush(), Relaxed);
            std::thread::sleep(GATHER);
            batch = records.try_recv().ok();
        }
    }
}
