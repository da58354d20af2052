//! Where records go: one thread per gateway that prices and counts them and writes the access log.
//! The queue is bounded, by number and by bytes, and so is what waits for the log; what finds no room is not logged, which
//! is counted, and never holds up a request.

mod core;
mod log;

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::cost::Catalogs;
use crate::metrics::Metrics;
use crate::metrics::family;
use crate::metrics::write::Text;
use crate::otlp::{Counts, Dropped, Exporter};
use crate::page::recent::Recent;
use crate::record::{Record, Records};

pub use self::core::Core;
pub use log::Form;

/// Records that may wait for the thread.
const QUEUE: usize = 65_536;
/// Bytes of bodies and headers in the records that wait.
const MOST_HELD: usize = 64 << 20;
/// How long records are gathered while more come.
const GATHER: Duration = Duration::from_millis(10);
/// Records that were told of before a core has them back.
const TOGETHER: usize = 256;
/// Records that wait to be used again: as many as a core makes while they are gathered.
const MOST_BLANK: usize = 512;

/// What the thread, the request path and the scraper share.
#[derive(Debug, Default)]
struct Shared {
    metrics: Mutex<Metrics>,
    catalogs: ArcSwap<Catalogs>,
    /// Bytes of bodies and headers in the queue.
    held: AtomicUsize,
    /// Records that are not logged.
    dropped: Arc<AtomicU64>,
    spans: Arc<Counts>,
    cores: Mutex<Vec<Arc<Core>>>,
}

impl Shared {
    fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cores(&self) -> MutexGuard<'_, Vec<Arc<Core>>> {
        self.cores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives records back to the cores that made them; the large ones are let go of.
    fn give_back(&self, told: &mut Records) {
        told.retain(|record| record.is_small());
        for (number, core) in self.cores().iter().enumerate() {
            let mut own: Records = told.extract_if(.., |record| record.core == Some(number)).collect();
            core.give_back(&mut own);
        }
        told.clear();
    }

    /// Prices and counts.
    fn count(&self, record: &mut Record) {
        self.catalogs.load().price(record);
        self.metrics().count(record);
    }
}

/// A core's end of the queue, and of the way back: a record is made of one that was told of, because memory that one
/// thread takes and another one frees costs both of them more than all that is told.
#[derive(Debug, Clone)]
pub struct Sink {
    queue: SyncSender<Box<Record>>,
    shared: Arc<Shared>,
    /// What this core counts by itself.
    pub core: Arc<Core>,
    /// As the thread numbers the cores.
    number: Option<usize>,
    /// To be used again.
    blank: RefCell<Records>,
    muted: bool,
}

impl Sink {
    /// The end of another core.
    #[must_use]
    pub fn of_a_core(&self) -> Self {
        let core = Arc::new(Core::default());
        let mut cores = self.shared.cores();
        let number = Some(cores.len());
        cores.push(core.clone());
        Self { core, number, ..self.clone() }
    }

    /// An empty record.
    #[must_use]
    pub fn blank(&self) -> Box<Record> {
        let mut blank = self.blank.borrow_mut();
        if blank.is_empty() {
            self.core.take_back(&mut blank);
        }
        let mut record = blank.pop().map_or_else(
            || Box::new(Record::empty()),
            |mut record| {
                record.clear();
                record
            },
        );
        record.core = self.number;
        record
    }

    /// Tells nobody of any record, where telemetry is off.
    #[must_use]
    pub fn muted(self, muted: bool) -> Self {
        Self { muted, ..self }
    }

    /// Hands a record over without waiting for the log; one that finds no room is still counted.
    pub fn send(&self, record: Box<Record>) {
        if self.muted {
            return self.keep(record);
        }
        // most records hold nothing, and touch nothing that the cores share
        let weight = record.weight();
        if weight > 0 && self.shared.held.fetch_add(weight, Relaxed) + weight > MOST_HELD {
            return self.count_alone(record);
        }
        if let Err(TrySendError::Full(record) | TrySendError::Disconnected(record)) = self.queue.try_send(record) {
            self.count_alone(record);
        }
    }

    /// For a record that nobody is told of.
    fn keep(&self, mut record: Box<Record>) {
        record.lighten();
        let mut blank = self.blank.borrow_mut();
        if record.is_small() && blank.len() < MOST_BLANK {
            blank.push(record);
        }
    }

    /// For a record that nobody will log or trace.
    #[cold]
    fn count_alone(&self, mut record: Box<Record>) {
        self.shared.held.fetch_sub(record.weight(), Relaxed);
        self.shared.dropped.fetch_add(1, Relaxed);
        if record.tracing.is_some() {
            self.shared.spans.dropped(Dropped::QueueFull, 1 + record.attempts.len() as u64);
        }
        self.shared.count(&mut record);
    }
}

/// The scraper's view of what is counted.
#[derive(Debug, Clone)]
pub struct Exposition(Arc<Shared>);

impl Exposition {
    /// From now on exchanges are priced by these.
    pub fn price_by(&self, catalogs: Catalogs) {
        self.0.catalogs.store(Arc::new(catalogs));
    }

    /// Writes all families of this moment.
    pub fn write(&self, text: &mut Text) {
        let cores = self.0.cores().clone();
        let counted = self.0.metrics().counted();
        let in_flight: u64 = cores.iter().map(|core| core.in_flight()).sum();
        text.values(&family::IN_FLIGHT, [("", in_flight)]);
        counted.write_first(text);
        counted.write_rest(text);
        core::write(&cores, text);
        text.values(&family::LOG_DROPS, [("", self.0.dropped.load(Relaxed))]);
        self.0.spans.write(text);
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
    let shared = Arc::new(Shared { spans: traces.counts(), ..Shared::default() });
    let sink = Sink {
        queue,
        shared: shared.clone(),
        core: Arc::default(),
        number: None,
        blank: RefCell::default(),
        muted: false,
    };
    let exposition = Exposition(shared.clone());
    let log = log::Log::start(log, form, shared.dropped.clone())?;
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
    let mut told = Vec::new();
    // Asleep between batches, it need not be woken for each record; where nothing comes, it waits for the next one.
    while let Ok(first) = records.recv() {
        let mut batch = Some(first);
        while let Some(first) = batch {
            for mut record in std::iter::once(first).chain(records.try_iter()) {
                let weight = record.weight();
                shared.count(&mut record);
                traces.export(&record);
                log.tell(&record);
                record.lighten();
                shared.held.fetch_sub(weight, Relaxed);
                told.extend(match recent {
                    Some(recent) => recent.keep(record),
                    None => Some(record),
                });
                if told.len() >= TOGETHER {
                    shared.give_back(&mut told);
                }
            }
            log.flush();
            shared.give_back(&mut told);
            std::thread::sleep(GATHER);
            batch = records.try_recv().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sink with room for one record, which nobody takes.
    fn sink() -> (Sink, Receiver<Box<Record>>) {
        let (queue, records) = sync_channel(1);
        let (core, blank) = (Arc::default(), RefCell::default());
        (Sink { queue, shared: Arc::default(), core, number: None, blank, muted: false }, records)
    }

    fn with_body(bytes: usize) -> Box<Record> {
        Box::new(Record { response_body: Some(vec![0; bytes]), ..Record::empty() })
    }

    #[test]
    fn records_that_wait_hold_no_more_than_their_share_of_memory() {
        let (sink, records) = sink();
        sink.send(with_body(MOST_HELD + 1));
        assert!(records.try_recv().is_err() && sink.shared.dropped.load(Relaxed) == 1);
        sink.send(with_body(MOST_HELD));
        sink.send(with_body(1));
        assert_eq!((sink.shared.dropped.load(Relaxed), sink.shared.held.load(Relaxed)), (2, MOST_HELD));
        assert_eq!(records.try_iter().count(), 1);
    }

    #[test]
    fn a_record_is_made_of_one_that_was_told_of_and_says_nothing_of_it() {
        let (sink, records) = sink();
        let sink = sink.of_a_core();
        let said =
            |record: &Record| format!("{:?}", Record { started: record.started, time: record.time, ..Record::empty() });
        let mut first = sink.blank();
        first.host.push_str("secret.example");
        first.path.push_str("/secret");
        first.requested_model = Some("secret".into());
        first.response_body = Some(b"secret".to_vec());
        first.attempts.push(crate::span::tests::attempt("secret", 1, 2));
        sink.send(first);
        let first = records.try_recv().expect("it was sent");
        let (place, host) = (&raw const *first, first.host.as_ptr());
        sink.shared.give_back(&mut vec![first]);
        let mut second = sink.blank();
        assert_eq!((&raw const *second, second.host.as_ptr()), (place, host), "the same room");
        assert_eq!(second.core, Some(0));
        second.core = None;
        assert_eq!(format!("{second:?}"), said(&second));
    }

    #[test]
    fn a_record_that_has_grown_large_is_not_kept_for_the_next_one() {
        let sink = sink().0.of_a_core();
        let mut large = sink.blank();
        large.requested_model = Some("m".repeat(1 << 20).into());
        assert!(large.weight() >= 1 << 20);
        sink.shared.give_back(&mut vec![large, sink.blank()]);
        assert!(sink.blank().is_small());
        assert_eq!(sink.blank.borrow().len(), 0, "only the small one came back");
    }

    #[test]
    fn a_gateway_without_telemetry_keeps_few_records_and_no_bodies() {
        let sink = sink().0.of_a_core().muted(true);
        for _ in 0..2 * MOST_BLANK {
            sink.send(with_body(1));
        }
        let blank = sink.blank.borrow();
        assert!(blank.len() == MOST_BLANK && blank.iter().all(|record| record.response_body.is_none()));
    }

    #[test]
    fn spans_of_a_record_without_room_are_counted_as_dropped() {
        let (sink, _records) = sink();
        let traced = || Box::new(crate::otlp::tests::record(1, Duration::ZERO, 0));
        sink.send(traced());
        assert_eq!(sink.shared.spans.read().1.map(|(_, count)| count).sum::<u64>(), 0);
        sink.send(traced());
        assert_eq!(sink.shared.spans.read().1.map(|(_, count)| count).sum::<u64>(), 1);
    }
}
