//! What one core holds, and what all cores of a gateway share.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::Options;
use crate::balance::Balance;
use crate::otel::Environment;
use crate::snapshot::Snapshot;
use crate::telemetry::Sink;
use crate::upstream::Pool;

/// Largest body that an AI backend is sent.
pub const BODY_LIMIT: usize = 64 * 1024 * 1024;
/// Bytes of held bodies that may be in flight at once.
const BODY_BUDGET: usize = 1024 * 1024 * 1024;
/// Retries and failovers per request, in tenths: at most 20 % of the traffic, configured or not.
const RETRY_SHARE: i64 = 2;
/// One retry, in tenths.
const RETRY: i64 = 10;
/// Retries that may be saved up, in tenths.
const RETRY_RESERVE: i64 = 1000;

/// Shared by all cores of one gateway.
#[derive(Debug)]
pub struct Shared {
    /// The configuration that new requests start with.
    pub snapshot: ArcSwap<Snapshot>,
    /// Whether prompts and answers go into the access log.
    pub log_bodies: bool,
    /// What the environment says about traces.
    pub otel: Environment,
    /// Longest wait for a request head, also between two requests of a connection.
    pub header_timeout: Duration,
    /// Longest wait for a request body that does not come at a fair pace.
    pub body_timeout: Duration,
    /// Longest wait for a client that takes nothing of its answer.
    pub reader_timeout: Duration,
    held_bytes: AtomicUsize,
    retry_balance: AtomicI64,
}

impl Shared {
    /// Begins with a snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot, options: &Options) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            log_bodies: options.log_bodies,
            otel: options.otel.clone(),
            header_timeout: options.header_timeout,
            body_timeout: options.body_timeout,
            reader_timeout: options.reader_timeout,
            held_bytes: AtomicUsize::new(0),
            retry_balance: AtomicI64::new(RETRY_RESERVE),
        }
    }

    /// Counts a request towards the retry budget.
    pub fn earn_retry(&self) {
        if self.retry_balance.load(Relaxed) < RETRY_RESERVE {
            self.retry_balance.fetch_add(RETRY_SHARE, Relaxed);
        }
    }

    /// Whether the budget has a retry left at this moment.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.retry_balance.load(Relaxed) >= RETRY
    }

    /// Takes one retry from the budget, if there is one.
    #[must_use]
    pub fn spend_retry(&self) -> bool {
        let spend = |balance: i64| (balance >= RETRY).then_some(balance - RETRY);
        self.retry_balance.fetch_update(Relaxed, Relaxed, spend).is_ok()
    }
}

/// Room reserved for a body.
#[derive(Debug)]
pub struct Hold {
    worker: Rc<Worker>,
    bytes: usize,
}

impl Hold {
    /// No room yet; what is reserved is given back when the hold is dropped.
    #[must_use]
    pub fn of(worker: Rc<Worker>) -> Self {
        Self { worker, bytes: 0 }
    }

    /// Grows the reservation; false when the budget is used up.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.worker.shared.held_bytes.fetch_add(bytes, Relaxed) + bytes <= BODY_BUDGET
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.worker.shared.held_bytes.fetch_sub(self.bytes, Relaxed);
    }
}

/// One core: its connections, its random numbers, its end of the telemetry queue.
#[derive(Debug)]
pub struct Worker {
    /// Shared by all cores.
    pub shared: Arc<Shared>,
    /// Upstream connections.
    pub pool: Pool,
    /// Telemetry.
    pub sink: Rc<Sink>,
    /// How busy it and the other cores are.
    pub balance: Balance,
    /// Set once the gateway is asked to stop.
    pub draining: Cell<bool>,
    /// Bytes that copies for mirrors take.
    pub copied_bytes: Rc<Cell<usize>>,
    random: Cell<u64>,
}

impl Worker {
    /// A core with an empty pool.
    #[must_use]
    pub fn new(shared: Arc<Shared>, mut pool: Pool, sink: Sink) -> Self {
        pool.core = sink.core.clone();
        let seed = RandomState::new().hash_one(std::process::id()) | 1;
        Self {
            shared,
            pool,
            sink: Rc::new(sink),
            balance: Balance::default(),
            draining: Cell::new(false),
            copied_bytes: Rc::default(),
            random: Cell::new(seed),
        }
    }

    /// One of several cores.
    #[must_use]
    pub fn beside(self, balance: Balance) -> Self {
        Self { balance, ..self }
    }

    /// Whether the connection of a request that came at this time goes elsewhere after it.
    #[must_use]
    pub fn lets_go(&self, now: Instant) -> bool {
        self.balance.lets_go(now, || self.sink.core.in_flight())
    }

    /// The id of a new span; 0 is none.
    #[must_use]
    pub fn span_id(&self) -> u64 {
        self.random().max(1)
    }

    /// Random bits for selection and identifiers (splitmix64; not for secrets).
    #[must_use]
    pub fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failovers_are_bounded_by_traffic() {
        let shared = Shared::new(Snapshot::default(), &Options::default());
        let reserve = (0..1000).filter(|_| shared.spend_retry()).count();
        assert_eq!(reserve, 100);
        let spent = (0..1000).filter(|_| {
            shared.earn_retry();
            shared.spend_retry()
        });
        assert_eq!(spent.count(), 200);
    }
}
