//! The draws of one request: what they follow from, and what the journal says of them.
//!
//! Owns the key (seed, provider, rule, request, occurrence) of everything that is made up. Refuses time and threads.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use super::occurrence::Occurrences;
use crate::digest::{Random, hash};
use crate::journal::Draws;
use crate::request::Head;
use crate::script::{Clock, Determinism, Ids};

/// The draws of one provider.
pub(crate) struct Dice {
    seed: u64,
    provider: u64,
    determinism: Determinism,
    clock: Clock,
    occurrences: Occurrences,
    /// How many requests came, where draws follow from that.
    arrived: AtomicU64,
}

impl Dice {
    pub(crate) fn new(provider: &str, seed: u64, determinism: Determinism, clock: Clock) -> Self {
        let (occurrences, arrived) = Default::default();
        Self { seed, provider: hash(provider.as_bytes()), determinism, clock, occurrences, arrived }
    }

    /// Counts the request; equal ones that come together each get a number of their own.
    pub(crate) fn count(&self, head: &Head, body: &[u8]) -> Draws {
        let query = head.query().map_or(0, |query| hash(query.as_bytes()));
        let target = hash(head.path().as_bytes()).rotate_left(1) ^ query.rotate_left(2);
        let request = hash(body) ^ target ^ hash(head.method().as_bytes());
        let occurrence = match self.determinism {
            Determinism::PerRequest => self.occurrences.next(request),
            Determinism::PerSequence => self.arrived.fetch_add(1, Ordering::Relaxed) + 1,
        };
        Draws { seed: self.seed, request, occurrence, ..Draws::default() }
    }

    /// The numbers that a request gets from a rule.
    pub(crate) fn random(&self, draws: &Draws, rule: u64) -> Random {
        let request = if self.determinism == Determinism::PerRequest { draws.request } else { 0 };
        Random::new(&[self.seed, self.provider, rule, request, draws.occurrence])
    }

    /// The numbers of a connection that has asked for nothing yet.
    pub(crate) fn of_connection(&self, connection: u64) -> Random {
        Random::new(&[self.seed, self.provider, connection])
    }

    /// Where the ids of its answer come from.
    pub(crate) fn ids(&self, random: &Random) -> Random {
        match self.clock.ids {
            Ids::Derived => random.clone(),
            Ids::Random => Random::new(&[RandomState::new().build_hasher().finish()]),
        }
    }

    /// Where the ids of an answer come from that no rule is asked about.
    pub(crate) fn ids_of(&self, head: &Head, body: &[u8]) -> Random {
        self.ids(&self.random(&self.count(head, body), 0))
    }

    /// When its answer claims to be made.
    pub(crate) fn created(&self) -> u64 {
        self.clock.created.seconds()
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Forgets what came before.
    pub(crate) fn reset(&self) {
        self.occurrences.reset();
        self.arrived.store(0, Ordering::Relaxed);
    }
}
