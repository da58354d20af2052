//! What a series holds: a count or a distribution, each with the last sampled trace that added to it.

use super::bounds;
use super::family::{Family, MOST_BOUNDS};

/// A trace that stands for an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    /// The trace.
    pub trace_id: u128,
    /// What it added.
    pub value: f64,
    /// Seconds since 1970.
    pub time: f64,
}

/// The sampled trace that an observation belongs to, and when it ended.
pub type Sampled = Option<(u128, f64)>;

fn exemplar(sampled: Sampled, value: f64) -> Option<Exemplar> {
    sampled.map(|(trace_id, time)| Exemplar { trace_id, value, time })
}

/// Only grows.
#[derive(Debug, Clone, Default)]
pub struct Count {
    /// The sum.
    pub sum: u64,
    /// The last sampled trace that added to it.
    pub exemplar: Option<Exemplar>,
}

impl Count {
    /// Adds.
    pub fn add(&mut self, value: u64, sampled: Sampled) {
        self.sum = self.sum.saturating_add(value);
        if let (Some(_), true) = (sampled, value > 0) {
            self.exemplar = exemplar(sampled, value as f64);
        }
    }
}

/// A distribution over the bounds of its family; the last count is of what lies above all of them.
#[derive(Debug, Clone, Default)]
pub struct Distribution {
    /// Observations by bucket, not cumulated.
    pub counts: [u64; MOST_BOUNDS + 1],
    /// Of all values.
    pub sum: f64,
    /// Of all observations.
    pub count: u64,
    /// The last sampled trace of each bucket.
    pub exemplars: Option<Box<[Option<Exemplar>; MOST_BOUNDS + 1]>>,
}

impl Distribution {
    /// Adds an observation.
    pub fn observe(&mut self, family: &Family, value: f64, sampled: Sampled) {
        let bounds = bounds(family);
        let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        self.counts[bucket] += 1;
        self.sum += value;
        self.count += 1;
        if sampled.is_some() {
            self.exemplars.get_or_insert_default()[bucket] = exemplar(sampled, value);
        }
    }

    /// Adds what another one has seen.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum += other.sum;
        self.count += other.count;
    }
}
