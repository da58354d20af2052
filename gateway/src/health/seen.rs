//! A provider's health as people see it: one look at the atomics, which costs the request path nothing.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Health;

/// Where a provider stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In rotation.
    Serving,
    /// Out of rotation for a while.
    Evicted,
    /// The next request may probe it.
    Due,
    /// A request sees how it is.
    Probing,
}

/// One look.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    /// Where it stands.
    pub state: State,
    /// Until it may be asked again; 0 unless evicted.
    pub returns_in_ms: u64,
    /// 0–1, a moving average.
    pub score: f64,
    /// To the head of good answers, a moving average; `None` before the first.
    pub latency_ms: Option<f64>,
    /// Attempts that have not ended.
    pub in_flight: u32,
    /// Since the last good answer.
    pub failures_in_a_row: u32,
    /// Without a good answer between them.
    pub evictions_in_a_row: u32,
}

impl Health {
    /// The health of this moment; its numbers may be of different moments, a sample apart.
    #[must_use]
    pub fn seen(&self, now: Instant) -> Seen {
        let away = self.away(now);
        let latency = f64::from_bits(self.latency.load(Relaxed));
        Seen {
            state: self.state(away),
            returns_in_ms: u64::try_from(away.as_millis()).unwrap_or(u64::MAX),
            score: f64::from_bits(self.score.load(Relaxed)),
            latency_ms: (latency > 0.0).then_some(latency * 1000.0),
            in_flight: self.pending.load(Relaxed),
            failures_in_a_row: self.failures_in_a_row.load(Relaxed),
            evictions_in_a_row: self.evictions_in_a_row.load(Relaxed),
        }
    }

    fn state(&self, away: Duration) -> State {
        if self.serving() {
            State::Serving
        } else if self.probing.load(Relaxed) {
            State::Probing
        } else if away.is_zero() {
            State::Due
        } else {
            State::Evicted
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::health::{Failed, Failure};

    #[test]
    fn an_eviction_is_seen_from_its_begin_to_its_probe() {
        let (health, start) = (Arc::new(Health::default()), Instant::now());
        health.good(Duration::from_millis(40));
        health.begin();
        let before = health.seen(start);
        assert_eq!((before.state, before.in_flight, before.returns_in_ms), (State::Serving, 1, 0));
        assert!((before.latency_ms.unwrap() - 40.0).abs() < 1e-9);
        let failed = Failed { failure: Failure::Refused, rule: None, hint: None, spared: false, probe: false };
        assert!(health.failed(failed, start));
        let out = health.seen(start);
        assert_eq!((out.state, out.failures_in_a_row, out.evictions_in_a_row), (State::Evicted, 1, 1));
        assert!((2_900..=3_000).contains(&out.returns_in_ms), "{out:?}");
        let later = start + Duration::from_secs(4);
        assert_eq!(health.seen(later).state, State::Due);
        let _probe = health.take_probe(later);
        assert_eq!(health.seen(later).state, State::Probing);
    }
}
