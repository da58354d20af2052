//! Which core serves whom. A connection goes to the first core that has time for it: what happens in one moment on many
//! connections then wakes one core once, and another one not at all. A core that has too much to do while another one
//! has time asks clients to connect anew.
//!
//! How busy a core is the clock tells, not the CPU time: one that waits for a processor amidst its work has no time either.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::RuntimeMetrics;

/// Over how long a new connection is placed by what cores have done.
const MOMENT: Duration = Duration::from_millis(10);
/// Over how long a core must have had too much to do.
const SPELL: Duration = Duration::from_secs(1);
/// A core that is busy for a smaller share of its time has time for a connection.
const HAS_TIME: f64 = 0.4;
/// What a connection is taken for as long as nobody can have seen what it does: the share of a core's time.
const UNSEEN: f64 = 0.01;
/// A core that is busy for a larger share has too much to do, if another one has [`HAS_TIME`].
const TOO_MUCH: f64 = 0.85;

/// The cores of a gateway, by number.
pub(crate) type Cores = Arc<[RuntimeMetrics]>;

/// What a runtime tells of its thread.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// All the time that it has worked, up to when it last looked for news.
    busy: Duration,
    /// It does not sleep.
    awake: bool,
}

fn told(cores: &Cores) -> impl Iterator<Item = Told> {
    let told = |core: &RuntimeMetrics| Told {
        busy: core.worker_total_busy_duration(0),
        awake: core.worker_park_unpark_count(0).is_multiple_of(2),
    };
    cores.iter().map(told)
}

/// What share of its time each core was busy of late.
#[derive(Debug)]
struct Shares {
    since: Instant,
    busy: Vec<Duration>,
    shares: Vec<f64>,
}

impl Shares {
    fn new(cores: usize) -> Self {
        Self { since: Instant::now(), busy: vec![Duration::ZERO; cores], shares: vec![0.0; cores] }
    }

    /// Looks anew, if the last look was so long ago.
    fn look(&mut self, now: Instant, after: Duration, told: impl Iterator<Item = Told>) -> bool {
        let passed = now.saturating_duration_since(self.since);
        if passed < after {
            return false;
        }
        self.since = now;
        for ((share, before), Told { busy, awake }) in self.shares.iter_mut().zip(&mut self.busy).zip(told) {
            // who neither slept nor told anything has been at one thing all the time
            let at_one_thing = awake && busy == *before;
            *share = if at_one_thing { 1.0 } else { busy.saturating_sub(*before).div_duration_f64(passed).min(1.0) };
            *before = busy;
        }
        true
    }
}

/// Places new connections.
#[derive(Debug)]
pub(crate) struct Placement {
    cores: Cores,
    shares: Shares,
    /// Connections that each core was given since the last look.
    given: Vec<u32>,
}

impl Default for Placement {
    /// For a core without others.
    fn default() -> Self {
        Self::new(Arc::new([]))
    }
}

impl Placement {
    pub(crate) fn new(cores: Cores) -> Self {
        Self { shares: Shares::new(cores.len()), given: vec![0; cores.len()], cores }
    }

    /// The number of the core that serves the next connection.
    pub(crate) fn place(&mut self) -> usize {
        let cores = self.cores.clone();
        self.place_at(Instant::now(), told(&cores))
    }

    /// Forgets what cores did long ago, where nobody comes for a while.
    pub(crate) fn look(&mut self) {
        let cores = self.cores.clone();
        self.look_at(Instant::now(), told(&cores));
    }

    fn look_at(&mut self, now: Instant, told: impl Iterator<Item = Told>) {
        if self.shares.look(now, MOMENT, told) {
            self.given.fill(0);
        }
    }

    fn place_at(&mut self, now: Instant, told: impl Iterator<Item = Told>) -> usize {
        self.look_at(now, told);
        let expected = |core: usize| self.shares.shares[core] + UNSEEN * f64::from(self.given[core]);
        let cores = 0..self.given.len();
        let least = || cores.clone().min_by(|a, b| expected(*a).total_cmp(&expected(*b)));
        let core = cores.clone().find(|core| expected(*core) < HAS_TIME).or_else(least).unwrap_or(0);
        if let Some(given) = self.given.get_mut(core) {
            *given += 1;
        }
        core
    }
}

/// One core, which knows how busy the others are.
#[derive(Debug)]
pub struct Balance {
    cores: Cores,
    number: usize,
    shares: RefCell<Shares>,
    /// Held by each client connection of this core.
    connection: Rc<()>,
    /// How many of them are still to be asked to go elsewhere.
    leaving: Cell<u64>,
}

impl Default for Balance {
    /// A core without others.
    fn default() -> Self {
        Self::new(Arc::new([]), 0)
    }
}

impl Balance {
    pub(crate) fn new(cores: Cores, number: usize) -> Self {
        let shares = RefCell::new(Shares::new(cores.len()));
        Self { cores, number, shares, connection: Rc::default(), leaving: Cell::default() }
    }

    /// For a client connection of this core, to keep until it ends.
    pub(crate) fn connection(&self) -> Rc<()> {
        self.connection.clone()
    }

    /// Whether the connection of a request that came at `came` is to go elsewhere: the answer to it is its last.
    /// `in_flight` tells how many requests this core has.
    pub(crate) fn lets_go(&self, came: Instant, in_flight: impl FnOnce() -> u64) -> bool {
        if self.cores.len() < 2 {
            return false;
        }
        // the clock is asked once a spell: whoever comes later finds that time has passed
        let due = came.saturating_duration_since(self.shares.borrow().since) >= SPELL;
        let now = if due { Instant::now() } else { came };
        self.lets_go_at(now, told(&self.cores), in_flight)
    }

    fn lets_go_at(&self, now: Instant, told: impl Iterator<Item = Told>, in_flight: impl FnOnce() -> u64) -> bool {
        let mut shares = self.shares.borrow_mut();
        if shares.look(now, SPELL, told) {
            let own = shares.shares[self.number];
            let others = shares.shares.iter().enumerate().filter(|(number, _)| *number != self.number);
            let least = others.map(|(_, share)| *share).fold(1.0, f64::min);
            let crowded = own > TOO_MUCH && least < HAS_TIME;
            // half of what makes the difference; a connection that is busy alone would only take its load along
            let active = in_flight().min(Rc::strong_count(&self.connection) as u64 - 1);
            let surplus = if crowded { (own - least) / own / 2.0 } else { 0.0 };
            self.leaving.set((active as f64 * surplus) as u64);
        }
        let leaving = self.leaving.get();
        self.leaving.set(leaving.saturating_sub(1));
        leaving > 0
    }
}

#[cfg(test)]
mod tests;
