//! The live journal of one provider.
//!
//! Owns the bounded ring, what is counted of it, the one lock (never held across an await) and the notice that something
//! changed, which costs nothing while nobody waits. Refuses to keep more than its bounds: the oldest records give way.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{ConnectionRecord, End, Journal, RequestRecord, TlsFacts, TlsFailure};
use crate::connection::Closing;
use crate::metrics::Metrics;

/// Heads, bodies both ways and writes of all kept records stay below this together.
const KEPT_BYTES: usize = 512 << 20;

/// Where connections write what they see.
pub(crate) struct Recorder {
    state: Mutex<State>,
    changes: Notify,
    /// How many wait for a change, or are about to.
    waiting: AtomicUsize,
    /// The version that the last snapshot showed: `changed` starts from it, so that no change falls in between.
    shown: AtomicU64,
    capacity: usize,
}

struct State {
    /// Counts changes.
    version: u64,
    /// Each in a place of its own: what gives way leaves its room, still in the cache, to what comes next.
    requests: VecDeque<Box<RequestRecord>>,
    last_seq: u64,
    connections: VecDeque<ConnectionRecord>,
    last_connection: u64,
    kept_bytes: usize,
    /// Counts what the records tell.
    metrics: Metrics,
}

/// Somebody who waits for a change, counted from before the first look.
struct Waiting<'a>(&'a Recorder);

impl Recorder {
    pub(crate) fn new(capacity: usize, origin: Instant) -> Self {
        Self {
            state: Mutex::new(State::new(origin)),
            changes: Notify::new(),
            waiting: AtomicUsize::new(0),
            shown: AtomicU64::new(0),
            capacity: capacity.max(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then tells those who wait, so that whoever wakes finds the lock free. Whoever is not counted
    /// as waiting here has yet to look, and will see the change: the lock orders the look and the change.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = {
            let mut state = self.lock();
            state.version += 1;
            change(&mut state)
        };
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.changes.notify_waiters();
        }
        result
    }

    pub(crate) fn snapshot(&self) -> Journal {
        let state = self.lock();
        self.shown.fetch_max(state.version, Ordering::AcqRel);
        Journal {
            requests: state.requests.iter().map(|record| (**record).clone()).collect(),
            connections: state.connections.iter().cloned().collect(),
        }
    }

    pub(crate) async fn changed(&self) {
        let _waiting = Waiting::new(self);
        let shown = self.shown.load(Ordering::Acquire);
        loop {
            let mut change = pin!(self.changes.notified());
            change.as_mut().enable();
            let version = self.lock().version;
            if version > shown {
                self.shown.fetch_max(version, Ordering::AcqRel);
                return;
            }
            change.await;
        }
    }

    /// What has been counted so far.
    pub(crate) fn metrics(&self) -> Metrics {
        self.lock().metrics.clone()
    }

    /// What was due then has its turn now.
    pub(crate) fn late(&self, due: Instant) {
        let now = Instant::now();
        self.lock().metrics.late(due, now);
    }

    /// The last requests, oldest first.
    pub(crate) fn latest(&self, most: usize) -> Vec<RequestRecord> {
        let state = self.lock();
        let skipped = state.requests.len().saturating_sub(most);
        state.requests.iter().skip(skipped).map(|record| (**record).clone()).collect()
    }

    /// Forgets everything; what is under way is not recorded any more. Numbers go on.
    pub(crate) fn clear(&self) {
        self.change(|state| {
            let under_way = state.requests.iter().filter(|record| record.end == End::Pending).count();
            state.requests.clear();
            state.kept_bytes = 0;
            state.metrics.forgotten(under_way);
        });
    }

    /// Resolves once the journal satisfies the condition; no change can be missed in between.
    pub(crate) async fn wait_until(&self, mut condition: impl FnMut(&Journal) -> bool) -> Journal {
        let _waiting = Waiting::new(self);
        loop {
            // Registered before the look: a change in between ends the wait at once.
            let mut change = pin!(self.changes.notified());
            change.as_mut().enable();
            let journal = self.snapshot();
            if condition(&journal) {
                return journal;
            }
            change.await;
        }
    }

    pub(crate) fn opened(&self, at: Duration, peer: Option<SocketAddr>) -> u64 {
        self.change(|state| {
            state.last_connection += 1;
            let id = state.last_connection;
            if state.connections.len() == self.capacity {
                state.connections.pop_front();
            }
            state.connections.push_back(ConnectionRecord { id, peer, opened_at: at, ..ConnectionRecord::default() });
            id
        })
    }

    pub(crate) fn handshake(&self, connection: u64, facts: TlsFacts) {
        self.with_connection(connection, |record| record.tls = Some(facts));
    }

    pub(crate) fn handshake_failed(&self, connection: u64, failure: TlsFailure) {
        self.with_connection(connection, |record| record.tls_failure = Some(failure));
    }

    /// What went wrong with a connection as the script says, and what could not.
    pub(crate) fn spoilt(&self, connection: u64, faults: &[&str], not_applicable: Vec<&'static str>) {
        self.with_connection(connection, |record| {
            record.fault = (!faults.is_empty()).then(|| faults.join("+"));
            record.not_applicable = not_applicable;
        });
    }

    /// How many bytes a connection brought.
    pub(crate) fn took(&self, connection: u64, bytes: u64) {
        self.with_connection(connection, |record| record.taken = bytes);
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.lock().connections.iter().filter(|connection| connection.closed_at.is_none()).count()
    }

    /// The first end of a connection counts.
    pub(crate) fn closed(&self, connection: u64, at: Duration, closing: Closing) {
        self.with_connection(connection, |record| {
            if record.closed_at.is_none() {
                record.closed_at = Some(at);
                record.closed_by = Some(closing.by);
                record.reset = closing.reset;
            }
        });
    }

    fn with_connection(&self, id: u64, change: impl FnOnce(&mut ConnectionRecord)) {
        self.change(|state| {
            if let Some(index) = index(id, state.last_connection, state.connections.len()) {
                change(&mut state.connections[index]);
            }
        });
    }

    /// Adds a request, and returns its number; its connection has brought so many bytes by now.
    pub(crate) fn received(&self, mut record: Box<RequestRecord>, taken: u64) -> u64 {
        self.change(|state| {
            state.metrics.began();
            state.last_seq += 1;
            record.seq = state.last_seq;
            if let Some(index) = index(record.connection, state.last_connection, state.connections.len()) {
                state.connections[index].requests += 1;
                state.connections[index].taken = taken;
            }
            state.kept_bytes += record.kept();
            state.requests.push_back(record);
            state.make_room(self.capacity);
            state.last_seq
        })
    }

    /// Changes a request, unless it has given way already.
    pub(crate) fn update(&self, seq: u64, change: impl FnOnce(&mut RequestRecord)) {
        self.change(|state| {
            let Some(index) = index(seq, state.last_seq, state.requests.len()) else { return };
            let record = &mut state.requests[index];
            let (before, pending) = (record.kept(), record.end == End::Pending);
            change(record);
            if pending && record.end != End::Pending {
                state.metrics.ended(record);
            }
            state.kept_bytes = state.kept_bytes + record.kept() - before;
            state.make_room(self.capacity);
        });
    }

    /// Ends what is still pending on a connection.
    pub(crate) fn abandon(&self, connection: u64, end: End) {
        self.change(|state| {
            let requests = state.requests.iter_mut().rev();
            for record in requests.filter(|r| r.connection == connection && r.end == End::Pending) {
                record.end = end;
                state.metrics.ended(record);
            }
        });
    }
}

impl RequestRecord {
    /// How much it weighs.
    fn kept(&self) -> usize {
        let events = self.events.len() * size_of::<(Duration, usize)>();
        self.head.size() + self.body.len() + self.sent_bytes + events
    }
}

impl State {
    fn new(origin: Instant) -> Self {
        Self {
            version: 0,
            requests: VecDeque::new(),
            last_seq: 0,
            connections: VecDeque::new(),
            last_connection: 0,
            kept_bytes: 0,
            metrics: Metrics::new(origin),
        }
    }

    /// The oldest give way, also those that have not ended.
    fn make_room(&mut self, capacity: usize) {
        while self.requests.len() > capacity || (self.kept_bytes > KEPT_BYTES && self.requests.len() > 1) {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.kept_bytes -= oldest.kept();
            self.metrics.forgotten(usize::from(oldest.end == End::Pending));
        }
    }
}

impl<'a> Waiting<'a> {
    fn new(recorder: &'a Recorder) -> Self {
        recorder.waiting.fetch_add(1, Ordering::AcqRel);
        Self(recorder)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Numbers are consecutive, so a record's place follows from the last number given.
fn index(number: u64, last: u64, len: usize) -> Option<usize> {
    let from_end = usize::try_from(last.checked_sub(number)?).ok()?;
    len.checked_sub(from_end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_records_give_way_and_late_updates_of_them_are_ignored() {
        let recorder = Recorder::new(2, Instant::now());
        for _ in 0..3 {
            recorder.received(Box::default(), 0);
        }
        recorder.update(1, |record| record.rule = "gone".into());
        recorder.update(3, |record| record.rule = "kept".into());
        let rules: Vec<_> = recorder.snapshot().requests.into_iter().map(|r| (r.seq, r.rule)).collect();
        assert_eq!(rules, [(2, "".into()), (3, "kept".into())]);
    }

    #[tokio::test]
    async fn a_change_between_the_look_and_the_wait_is_not_missed() {
        let recorder = Recorder::new(2, Instant::now());
        assert!(recorder.snapshot().requests.is_empty());
        recorder.received(Box::default(), 0);
        recorder.changed().await;
        assert_eq!(recorder.snapshot().requests.len(), 1);
    }
}
