//! What the gateway knows of a provider's well-being: latency, failures, evictions.
//! One value per provider, shared by all cores and kept across reloads. The clock is passed in;
//! every number is an atomic of its own, because a decision that is one sample late harms nobody.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
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
    /// Nanoseconds after `epoch`; 0 is never.
    evicted_until: AtomicU64,
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
            evicted_until: AtomicU64::new(0),
        }
    }
}

/// How an attempt failed, as far as health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was accepted: connection failure, 429 or 503.
    Refused,
    /// Another 5xx, a timeout, a broken answer.
    Broken,
}

impl Health {
    /// Whether the provider is out of rotation at `now`.
    #[must_use]
    pub fn evicted(&self, now: Instant) -> bool {
        self.evicted_until.load(Relaxed) > self.nanos(now)
    }

    /// Whether the time out of rotation has ended and this request shall be the first to see how the provider is.
    /// Says so to one request only.
    #[must_use]
    pub fn take_probe(&self, now: Instant) -> bool {
        let until = self.evicted_until.load(Relaxed);
        let due = until != 0 && until <= self.nanos(now);
        due && self.evicted_until.compare_exchange(until, 0, Relaxed, Relaxed).is_ok()
    }

    /// When the provider returns, as an ordering key: smaller is sooner.
    #[must_use]
    pub fn returns_at(&self) -> u64 {
        self.evicted_until.load(Relaxed)
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
        self.failures_in_a_row.store(0, Relaxed);
        self.evictions_in_a_row.store(0, Relaxed);
    }

    /// The head of a good answer came after `latency`. The first one after an eviction makes the provider whole.
    pub fn good(&self, latency: Duration) {
        if self.evictions_in_a_row.load(Relaxed) > 0 {
            self.score.store(1f64.to_bits(), Relaxed);
        }
        self.sample(1.0);
        let old = f64::from_bits(self.latency.load(Relaxed));
        let new = latency.as_secs_f64();
        let mean = if old == 0.0 { new } else { old + NEW_SAMPLE * (new - old) };
        self.latency.store(mean.to_bits(), Relaxed);
    }

    /// A failed attempt. `hint` is the provider's Retry-After; `alone` when no other provider is left to serve.
    /// Returns whether this evicted the provider.
    pub fn failed(
        &self,
        failure: Failure,
        rule: Option<&Eviction>,
        hint: Option<Duration>,
        alone: bool,
        now: Instant,
    ) -> bool {
        let before = f64::from_bits(self.score.load(Relaxed));
        self.sample(0.0);
        let in_a_row = self.failures_in_a_row.fetch_add(1, Relaxed) + 1;
        let (evicts, base) = match rule {
            None => {
                let evicts = match failure {
                    Failure::Refused => true,
                    Failure::Broken => in_a_row >= DEFAULT_CONSECUTIVE && !alone,
                };
                (evicts, DEFAULT_EVICTION)
            }
            Some(rule) => {
                let always = rule.consecutive_failures.is_none() && rule.health_threshold.is_none();
                let often = rule.consecutive_failures.is_some_and(|n| n > 0 && in_a_row >= n);
                let weak = rule.health_threshold.is_some_and(|threshold| before < threshold);
                (always || often || weak, rule.duration)
            }
        };
        if !evicts {
            return false;
        }
        // failures within one eviction belong to it: the time grows from one eviction to the next
        let times = if self.evicted(now) {
            self.evictions_in_a_row.load(Relaxed).saturating_sub(1)
        } else {
            self.evictions_in_a_row.fetch_add(1, Relaxed)
        };
        let grown =
            base.saturating_mul(times.min(30) + 1).min(LONGEST_EVICTION.max(base)).max(hint.unwrap_or_default());
        let until = self.nanos(now) + u64::try_from(grown.as_nanos()).unwrap_or(u64::MAX / 2);
        self.evicted_until.fetch_max(until, Relaxed);
        if let Some(score) = rule.and_then(|rule| rule.restore_health) {
            self.score.store(score.to_bits(), Relaxed);
        }
        true
    }

    fn sample(&self, value: f64) {
        let old = f64::from_bits(self.score.load(Relaxed));
        self.score.store((old + NEW_SAMPLE * (value - old)).to_bits(), Relaxed);
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_evicts_at_once_and_longer_each_time_up_to_a_cap() {
        let (health, now) = (Health::default(), Instant::now());
        assert!(health.failed(Failure::Refused, None, None, false, now));
        assert!(health.evicted(now + Duration::from_secs(2)) && !health.evicted(now + Duration::from_secs(4)));
        let later = now + Duration::from_secs(4);
        health.failed(Failure::Refused, None, None, false, later);
        assert!(health.evicted(later + Duration::from_secs(5)));
        for _ in 0..50 {
            health.failed(Failure::Refused, None, None, false, later);
        }
        assert!(!health.evicted(later + Duration::from_secs(7)), "a burst of failures is one eviction");
        let mut at = later;
        for _ in 0..50 {
            at += Duration::from_secs(61);
            health.failed(Failure::Refused, None, None, false, at);
        }
        assert!(health.evicted(at + Duration::from_secs(59)) && !health.evicted(at + Duration::from_secs(61)));
    }

    #[test]
    fn other_failures_evict_after_three_in_a_row_and_never_the_last_one_left() {
        let (health, now) = (Health::default(), Instant::now());
        for expected in [false, false, true] {
            assert_eq!(health.failed(Failure::Broken, None, None, false, now), expected);
        }
        let alone = Health::default();
        assert!(!(0..9).any(|_| alone.failed(Failure::Broken, None, None, true, now)));
    }

    #[test]
    fn a_good_answer_between_failures_starts_the_count_again() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..5 {
            assert!(!health.failed(Failure::Broken, None, None, false, now));
            assert!(!health.failed(Failure::Broken, None, None, false, now));
            health.good(Duration::from_millis(10));
            health.completed();
        }
    }

    #[test]
    fn one_request_probes_a_provider_whose_eviction_has_ended_and_a_good_answer_makes_it_whole() {
        let (health, now) = (Health::default(), Instant::now());
        assert!(!health.take_probe(now), "never evicted");
        health.failed(Failure::Refused, None, None, false, now);
        assert!(!health.take_probe(now + Duration::from_secs(2)) && health.rank() < 0.8);
        let later = now + Duration::from_secs(4);
        assert!(health.take_probe(later) && !health.take_probe(later));
        health.good(Duration::from_millis(1));
        assert!(health.rank() > 0.99);
    }

    #[test]
    fn retry_after_is_honoured() {
        let (health, now) = (Health::default(), Instant::now());
        health.failed(Failure::Refused, None, Some(Duration::from_secs(107)), false, now);
        assert!(health.evicted(now + Duration::from_secs(106)));
    }
}
