//! What the gateway knows of a provider's well-being: latency, failures, evictions.
//! One value per provider, shared by all cores and kept across reloads. The clock is passed in;
//! every number is an atomic of its own, because a decision that is one sample late harms nobody.

pub mod seen;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::snapshot::Eviction;

/// What one pending exchange weighs, in seconds, where the latency is not known yet.
const PENDING_UNKNOWN: f64 = 0.05;
/// The same where it is known.
const PENDING_KNOWN: f64 = 0.001;
/// Weight of a new sample in the moving averages.
const NEW_SAMPLE: f64 = 0.3;
/// Longest time out of rotation that the growth leads to.
const LONGEST_EVICTION: Duration = Duration::from_secs(60);
/// Base time out of rotation when nothing says otherwise.
const DEFAULT_EVICTION: Duration = Duration::from_secs(3);
/// Failures in a row after which an ordinary 5xx evicts by default.
const DEFAULT_CONSECUTIVE: u32 = 3;

/// Health of one provider.
#[derive(Debug)]
pub struct Health {
    epoch: Instant,
    /// Seconds, as f64 bits; 0 before the first good answer.
    latency: AtomicU64,
    /// 0–1, as f64 bits.
    score: AtomicU64,
    pending: AtomicU32,
    failures_in_a_row: AtomicU32,
    evictions_in_a_row: AtomicU32,
    evictions: AtomicU64,
    /// Nanoseconds after `epoch`; 0 is in rotation. When the time is over, a probe comes first.
    evicted_until: AtomicU64,
    probing: AtomicBool,
    /// The score on return, as f64 bits.
    restored: AtomicU64,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            latency: AtomicU64::new(0),
            score: AtomicU64::new(1f64.to_bits()),
            pending: AtomicU32::new(0),
            failures_in_a_row: AtomicU32::new(0),
            evictions_in_a_row: AtomicU32::new(0),
            evictions: AtomicU64::new(0),
            evicted_until: AtomicU64::new(0),
            probing: AtomicBool::new(false),
            restored: AtomicU64::new(1f64.to_bits()),
        }
    }
}

/// How an attempt failed, as far as health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 429: the limit of our key.
    Limited,
    /// 401 or 403: our key is not taken.
    Denied,
    /// Nothing was accepted: connection failure or 503.
    Refused,
    /// Another 5xx, a timeout, a broken answer.
    Broken,
}

impl Failure {
    /// Whether it says something about the key rather than about where the provider is.
    #[must_use]
    pub fn of_the_key(self) -> bool {
        matches!(self, Self::Limited | Self::Denied)
    }
}

/// A failed attempt.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// How.
    pub failure: Failure,
    /// What evicts; `None` is the built-in rule.
    pub rule: Option<&'a Eviction>,
    /// The pause that the provider asks for.
    pub hint: Option<Duration>,
    /// Nobody would gain by an eviction.
    pub spared: bool,
    /// It was the probe.
    pub probe: bool,
}

/// The one request that sees how an evicted provider is; until it has ended nobody else does.
#[derive(Debug)]
pub struct Probe(Arc<Health>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.probing.store(false, Relaxed);
    }
}

impl Health {
    /// Whether the provider is in rotation.
    #[must_use]
    pub fn serving(&self) -> bool {
        self.evicted_until.load(Relaxed) == 0
    }

    /// 0 to 1: the moving average of good and bad answers.
    #[must_use]
    pub fn score(&self) -> f64 {
        f64::from_bits(self.score.load(Relaxed))
    }

    /// How often it has left the rotation.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Relaxed)
    }

    /// Whether the time out of rotation is over and nobody looks yet how the provider is.
    #[must_use]
    pub fn due(&self, now: Instant) -> bool {
        let until = self.evicted_until.load(Relaxed);
        until != 0 && until <= self.nanos(now) && !self.probing.load(Relaxed)
    }

    /// The probe that is due, for one request only.
    #[must_use]
    pub fn take_probe(self: &Arc<Self>, now: Instant) -> Option<Probe> {
        let free = || self.probing.compare_exchange(false, true, Relaxed, Relaxed).is_ok();
        (self.due(now) && free()).then(|| Probe(self.clone()))
    }

    /// The time until the provider may be asked again.
    #[must_use]
    pub fn away(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.evicted_until.load(Relaxed).saturating_sub(self.nanos(now)))
    }

    /// An evicted provider gave an answer all the same: it is back.
    pub fn restore(&self) {
        self.score.store(self.restored.load(Relaxed), Relaxed);
        self.evicted_until.store(0, Relaxed);
    }

    /// Larger is better: health over load-weighted latency.
    #[must_use]
    pub fn rank(&self) -> f64 {
        let (pending, latency) = (f64::from(self.pending.load(Relaxed)), f64::from_bits(self.latency.load(Relaxed)));
        let each = if latency == 0.0 { PENDING_UNKNOWN } else { PENDING_KNOWN };
        f64::from_bits(self.score.load(Relaxed)) / (1.0 + latency * (1.0 + 0.1 * pending) + each * pending)
    }

    /// An attempt begins.
    pub fn begin(&self) {
        self.pending.fetch_add(1, Relaxed);
    }

    /// An attempt ended, however.
    pub fn end(&self) {
        self.pending.fetch_sub(1, Relaxed);
    }

    /// A good answer came to its end.
    pub fn completed(&self) {
        // what is so already is not written: the other cores would have to fetch it anew
        for in_a_row in [&self.failures_in_a_row, &self.evictions_in_a_row] {
            if in_a_row.load(Relaxed) != 0 {
                in_a_row.store(0, Relaxed);
            }
        }
    }

    /// The head of a good answer came after `latency`.
    pub fn good(&self, latency: Duration) {
        self.sample(1.0);
        let old = f64::from_bits(self.latency.load(Relaxed));
        let new = latency.as_secs_f64();
        let mean = if old == 0.0 { new } else { old + NEW_SAMPLE * (new - old) };
        self.latency.store(mean.to_bits(), Relaxed);
    }

    /// A provider that fails its probe leaves again in any case. Returns whether this evicted the provider.
    pub fn failed(&self, failed: Failed<'_>, now: Instant) -> bool {
        let Failed { failure, rule, hint, spared, probe } = failed;
        let before = f64::from_bits(self.score.load(Relaxed));
        self.sample(0.0);
        if failure == Failure::Denied && !probe {
            return false;
        }
        let in_a_row = self.failures_in_a_row.fetch_add(1, Relaxed) + 1;
        let asked_for = match rule {
            None => failure != Failure::Broken || in_a_row >= DEFAULT_CONSECUTIVE,
            Some(rule) => rule.asks_for(in_a_row, before),
        };
        let evicts = probe || (asked_for && !spared);
        if evicts {
            self.evict(rule, hint, probe, now);
        }
        evicts
    }

    /// The time grows from one eviction to the next. Until a probe says otherwise, failures belong to the eviction that
    /// they came after, whenever their requests began: they lengthen it only by a hint.
    fn evict(&self, rule: Option<&Eviction>, hint: Option<Duration>, probe: bool, now: Instant) {
        let base = rule.map_or(DEFAULT_EVICTION, |rule| rule.duration);
        let own = (self.serving() || probe).then(|| {
            self.evictions.fetch_add(1, Relaxed);
            let times = self.evictions_in_a_row.fetch_add(1, Relaxed);
            base.saturating_mul(times.min(30) + 1).min(LONGEST_EVICTION.max(base))
        });
        let Some(time) = own.max(hint) else { return };
        let until = self.nanos(now).saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2));
        self.evicted_until.fetch_max(until.max(1), Relaxed);
        let restored = rule.and_then(|rule| rule.restore_health).unwrap_or(1.0);
        self.restored.store(restored.to_bits(), Relaxed);
    }

    fn sample(&self, value: f64) {
        let old = f64::from_bits(self.score.load(Relaxed));
        self.score.store((old + NEW_SAMPLE * (value - old)).to_bits(), Relaxed);
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Eviction {
    /// Both thresholds unset: at once. Else whichever is met.
    fn asks_for(&self, failures_in_a_row: u32, score_before: f64) -> bool {
        let always = self.consecutive_failures.is_none() && self.health_threshold.is_none();
        let often = self.consecutive_failures.is_some_and(|n| n > 0 && failures_in_a_row >= n);
        always || often || self.health_threshold.is_some_and(|threshold| score_before < threshold)
    }
}

#[cfg(test)]
mod tests;
