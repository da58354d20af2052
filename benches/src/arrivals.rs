//! When requests are due: a schedule that is fixed before the first one is sent, whatever the answers do.
//!
//! The same seed gives the same schedule everywhere. Nothing here looks at a clock.

use std::time::Duration;

/// How requests of an open loop are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Independent of each other, as those of many callers are: gaps are exponential.
    Poisson,
    /// At equal distances.
    Uniform,
}

/// The times of requests since the start, in order, without an end.
#[derive(Clone, Debug)]
pub struct Arrivals {
    spacing: Spacing,
    /// Nanoseconds.
    gap: f64,
    next: f64,
    random: Random,
}

impl Arrivals {
    /// `rate` requests a second, above 0.
    pub fn new(rate: f64, spacing: Spacing, seed: u64) -> Self {
        assert!(rate > 0.0 && rate.is_finite(), "a rate is a number above 0");
        let mut arrivals = Self { spacing, gap: 1e9 / rate, next: 0.0, random: Random(seed) };
        // Lanes whose windows begin together would otherwise all begin with a request.
        arrivals.next = arrivals.draw();
        arrivals
    }

    fn draw(&mut self) -> f64 {
        match self.spacing {
            Spacing::Uniform => self.gap,
            Spacing::Poisson => -self.gap * (1.0 - self.random.unit()).ln(),
        }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let due = self.next;
        self.next += self.draw();
        Some(Duration::from_nanos(due as u64))
    }
}

/// SplitMix64: small, and the same on every machine.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    /// From 0 to less than 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(spacing: Spacing, seed: u64, count: usize) -> Vec<f64> {
        Arrivals::new(1000.0, spacing, seed).take(count).map(|due| due.as_secs_f64()).collect()
    }

    #[test]
    fn uniform_arrivals_are_equally_far_apart() {
        let due: Vec<_> = Arrivals::new(250.0, Spacing::Uniform, 7).take(3).collect();
        assert_eq!(due, [4, 8, 12].map(Duration::from_millis));
    }

    #[test]
    fn the_seed_decides_on_the_schedule() {
        assert_eq!(seconds(Spacing::Poisson, 7, 100), seconds(Spacing::Poisson, 7, 100));
        assert_ne!(seconds(Spacing::Poisson, 7, 100), seconds(Spacing::Poisson, 8, 100));
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        const COUNT: usize = 100_000;
        let due = seconds(Spacing::Poisson, 1, COUNT);
        let gaps: Vec<f64> = due.windows(2).map(|pair| (pair[1] - pair[0]) * 1000.0).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        let longer = gaps.iter().filter(|gap| **gap > 1.0).count() as f64 / gaps.len() as f64;
        // Standard errors at this count: 0.003, 0.009 and 0.0015. Mean, deviation and 1/e of an exponential.
        assert!((mean - 1.0).abs() < 0.02 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert!((longer - (-1.0f64).exp()).abs() < 0.01, "{longer}");
        assert!(gaps.iter().all(|gap| *gap >= 0.0));
    }
}
