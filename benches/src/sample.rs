//! What one window showed: histograms that can be added up, counts, and what went wrong.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::answer::Fault;

/// Durations of one kind: three significant digits, up to two minutes. What is longer counts as two minutes.
#[derive(Clone, Debug)]
pub struct Durations(Histogram<u64>);

/// The longest duration that is told apart from longer ones, in nanoseconds.
const LONGEST: u64 = 120_000_000_000;

impl Default for Durations {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).expect("these bounds and digits are allowed"))
    }
}

impl Durations {
    /// Adds one.
    pub fn record(&mut self, duration: Duration) {
        self.0.saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The duration that this share, from 0 to 1, does not exceed; 0 of none.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(if self.is_empty() { 0 } else { self.0.value_at_quantile(share) })
    }

    /// The longest; 0 of none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// The mean; 0 of none.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.mean() as u64)
    }
}

/// One window of one lane.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// From when a request was due to the end of its answer; of good answers only.
    pub latency: Durations,
    /// From when a request was due to the first event with text; empty for plain answers.
    pub first_event: Durations,
    /// How late each later event was, by the provider's schedule, counted from the first; empty unless paced.
    pub event_lag: Durations,
    /// How late requests were sent, because a connection was missing or the generator behind.
    pub send_lag: Durations,
    /// Requests that were due.
    pub due: u64,
    /// How many answers failed, by fault.
    pub faults: Vec<(Fault, u64)>,
    /// Connections that the other side had closed before a request, which went over another one.
    pub reconnected: u64,
    /// From the first to the last byte of the window.
    pub took: Duration,
}

impl Sample {
    /// Good answers.
    pub fn good(&self) -> u64 {
        self.latency.len()
    }

    /// Requests without a good answer.
    pub fn failed(&self) -> u64 {
        self.faults.iter().map(|(_, count)| count).sum()
    }

    /// Good answers a second.
    pub fn throughput(&self) -> f64 {
        self.good() as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Adds a failure.
    pub fn fail(&mut self, fault: Fault) {
        match self.faults.iter_mut().find(|(known, _)| *known == fault) {
            Some((_, count)) => *count += 1,
            None => self.faults.push((fault, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_several_windows_add_up() {
        let (mut one, mut other) = (Durations::default(), Durations::default());
        for micros in 1..=500 {
            one.record(Duration::from_micros(micros));
            other.record(Duration::from_micros(micros + 500));
        }
        one.add(&other);
        assert_eq!(one.len(), 1000);
        for (share, micros) in [(0.5, 500), (0.99, 990), (1.0, 1000)] {
            let off = one.quantile(share).as_nanos().abs_diff(micros * 1000);
            assert!(off <= micros * 2, "{share}: {:?}", one.quantile(share));
        }
    }

    #[test]
    fn no_durations_are_zero_and_endless_ones_are_counted() {
        let mut durations = Durations::default();
        assert_eq!((durations.quantile(0.99), durations.mean()), (Duration::ZERO, Duration::ZERO));
        durations.record(Duration::from_secs(10_000));
        assert!(durations.len() == 1 && durations.max() >= Duration::from_secs(119));
    }

    #[test]
    fn faults_are_counted_by_kind() {
        let mut sample = Sample::default();
        for fault in [Fault::Broken, Fault::Status(503), Fault::Broken] {
            sample.fail(fault);
        }
        assert_eq!((sample.failed(), sample.faults), (3, vec![(Fault::Broken, 2), (Fault::Status(503), 1)]));
    }
}
