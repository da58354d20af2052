//! Durations in buckets of powers of two, from 1 µs to 67 s.
//!
//! Owns counting and the bounds that Prometheus is told. Refuses quantiles: whoever reads makes them.

use std::time::Duration;

/// The last bound is 2^26 µs; one bucket more takes what lies above.
const BUCKETS: usize = 28;

#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    buckets: [u64; BUCKETS],
    micros: u64,
}

impl Histogram {
    pub(super) fn observe(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // The least n with micros ≤ 2^n.
        let bits = (u64::BITS - micros.saturating_sub(1).leading_zeros()) as usize;
        self.buckets[bits.min(BUCKETS - 1)] += 1;
        self.micros = self.micros.wrapping_add(micros);
    }

    /// Upper bounds in seconds with how many are at most that; the last bound is infinite.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut total = 0;
        self.buckets.iter().enumerate().map(move |(power, count)| {
            total += count;
            let bound = if power == BUCKETS - 1 { f64::INFINITY } else { (1_u64 << power) as f64 / 1e6 };
            (bound, total)
        })
    }

    /// All of them together, in seconds.
    pub(super) fn sum(&self) -> f64 {
        self.micros as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_for_every_bound_that_it_does_not_exceed() {
        let mut histogram = Histogram::default();
        for micros in [0, 1, 2, 3, 1024, 1025] {
            histogram.observe(Duration::from_micros(micros));
        }
        histogram.observe(Duration::MAX);
        let at = |wanted: f64| histogram.cumulative().find(|(bound, _)| *bound == wanted).map(|(_, count)| count);
        assert_eq!([at(1e-6), at(2e-6), at(4e-6), at(1024e-6), at(2048e-6)], [2, 3, 4, 5, 6].map(Some));
        assert_eq!(at(f64::INFINITY), Some(7));
    }
}
