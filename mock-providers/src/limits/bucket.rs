//! A quota that refills all the time.
//!
//! Owns its arithmetic, in whole numbers: who waits exactly as long as was said finds what was missing, and not before.
//! Refuses a clock of its own: every question says what time it is.

use std::num::NonZeroU32;
use std::time::Duration;

/// A minute in nanoseconds: one unit of the quota weighs this much, and each nanosecond refills by the limit.
const UNIT: i128 = 60_000_000_000;

/// So much a minute.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    limit: NonZeroU32,
    /// What is left; below zero after more was used than was foreseen.
    level: i128,
    at: Duration,
}

impl Bucket {
    pub(super) fn full(limit: NonZeroU32, now: Duration) -> Self {
        Self { limit, level: i128::from(limit.get()) * UNIT, at: now }
    }

    /// Takes in the time that has passed.
    pub(super) fn refill(&mut self, now: Duration) {
        let passed = i128::try_from(now.saturating_sub(self.at).as_nanos()).expect("no run lasts so long");
        self.level = (self.level + passed * self.rate()).min(self.most());
        self.at = self.at.max(now);
    }

    /// How long it is until so much can be taken; none when it never can.
    pub(super) fn wait(&self, amount: u64) -> Option<Duration> {
        let needed = i128::from(amount) * UNIT;
        (needed <= self.most()).then(|| self.until(needed))
    }

    /// Takes so much, or gives back what is negative.
    pub(super) fn take(&mut self, amount: i128) {
        self.level = (self.level - amount * UNIT).min(self.most());
    }

    pub(super) fn standing(&self) -> Standing {
        let remaining = u64::try_from(self.level.max(0) / UNIT).expect("at most the limit");
        Standing { limit: self.limit.get().into(), remaining, reset: self.until(self.most()) }
    }

    pub(super) fn is_full(&self) -> bool {
        self.level == self.most()
    }

    fn until(&self, level: i128) -> Duration {
        let missing = (level - self.level).max(0);
        let nanos = (missing + self.rate() - 1) / self.rate();
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn rate(&self) -> i128 {
        self.limit.get().into()
    }

    fn most(&self) -> i128 {
        self.rate() * UNIT
    }
}

/// How a quota stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    /// Until it is whole again.
    pub(super) reset: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANO: Duration = Duration::from_nanos(1);

    fn bucket(limit: u32) -> Bucket {
        Bucket::full(NonZeroU32::new(limit).expect("positive"), Duration::ZERO)
    }

    #[test]
    fn a_quota_refills_continuously_and_no_further_than_its_limit() {
        let mut bucket = bucket(60);
        bucket.take(60);
        assert_eq!(bucket.standing(), Standing { limit: 60, remaining: 0, reset: Duration::from_secs(60) });
        bucket.refill(Duration::from_millis(1500));
        let left = bucket.standing();
        assert_eq!((left.remaining, left.reset), (1, Duration::from_millis(58_500)));
        bucket.refill(Duration::from_secs(600));
        assert!(bucket.is_full());
        // A clock that is read a little late takes nothing away.
        bucket.refill(Duration::from_secs(1));
        assert!(bucket.is_full());
    }

    #[test]
    fn more_than_the_limit_is_never_to_be_had() {
        assert_eq!((bucket(3).wait(3), bucket(3).wait(4)), (Some(Duration::ZERO), None));
    }

    proptest::proptest! {
        #[test]
        fn who_waits_as_long_as_was_said_gets_it_and_not_a_nanosecond_before(
            limit in 1u32..100_000,
            taken in proptest::collection::vec((0u64..200_000, 0u64..90_000_000_000), 0..20),
            amount in 1u64..100_000,
        ) {
            let (mut bucket, mut now) = (bucket(limit), Duration::ZERO);
            for (amount, pause) in taken {
                bucket.take(amount.min(limit.into()).into());
                now += Duration::from_nanos(pause);
                bucket.refill(now);
            }
            match bucket.wait(amount) {
                None => proptest::prop_assert!(amount > limit.into()),
                Some(wait) => {
                    let after = |wait: Duration| {
                        let mut later = bucket.clone();
                        later.refill(now + wait);
                        later.wait(amount)
                    };
                    proptest::prop_assert_eq!(after(wait), Some(Duration::ZERO));
                    if !wait.is_zero() {
                        proptest::prop_assert_eq!(after(wait - NANO), Some(NANO));
                    }
                }
            }
        }
    }
}
