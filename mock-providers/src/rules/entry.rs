//! Faults with their triggers: which of them happens to a request.
//!
//! Owns counting and the one roll of a list. Refuses to know what a fault does.

use std::sync::atomic::{AtomicU64, Ordering};

use super::check::Scene;
use super::early::Occasion;
use crate::digest::Random;
use crate::script::Fault;

/// A fault and how often it was looked at.
pub(crate) struct Entry {
    pub(crate) fault: Fault,
    /// When it is decided whether it happens.
    pub(super) occasion: Occasion,
    /// How many requests were what its `when`, `state` and `during` ask for.
    matched: AtomicU64,
    /// How often it happened.
    fired: AtomicU64,
}

impl Entry {
    pub(crate) fn new(fault: Fault) -> Self {
        let occasion = fault.occasion();
        Self { fault, occasion, matched: AtomicU64::new(0), fired: AtomicU64::new(0) }
    }

    pub(crate) fn reset(&self) {
        self.matched.store(0, Ordering::Relaxed);
        self.fired.store(0, Ordering::Relaxed);
    }

    /// Whether what it does depends on how many requests came before.
    pub(crate) fn counts(&self) -> bool {
        let Fault { times, first, after, every, nth, .. } = &self.fault;
        times.or(*first).or(*after).or(*every).is_some() || !nth.0.is_empty()
    }

    /// Counts the request if it is one that the entry is about; says whether all triggers but the probability hold.
    fn holds(&self, scene: &Scene<'_>) -> bool {
        let Fault { first, after, every, nth, during, state, when, times, .. } = &self.fault;
        let about = during.is_none_or(|during| during.holds(scene.moment.elapsed))
            && scene.moment.has(state)
            && when.as_ref().is_none_or(|when| scene.fits(when));
        if !about || !self.counts() {
            return about;
        }
        let count = self.matched.fetch_add(1, Ordering::Relaxed) + 1;
        first.is_none_or(|first| count <= first)
            && after.is_none_or(|after| count > after)
            && every.is_none_or(|every| count.is_multiple_of(every))
            && (nth.0.is_empty() || nth.0.contains(&count))
            && times.is_none_or(|times| self.fired() < times)
    }

    /// How often it happened.
    pub(super) fn fired(&self) -> u64 {
        self.fired.load(Ordering::Relaxed)
    }

    /// Counts that it happens, unless its `times` are used up.
    fn fire(&self) -> bool {
        let times = self.fault.times.unwrap_or(u64::MAX);
        let take = |fired| (fired < times).then_some(fired + 1);
        self.fired.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

/// The one of these that happens. Those whose other triggers hold share one roll: the first happens below its
/// probability, the second below the sum of both, and so on. All of them count the request.
pub(crate) fn happening<'e>(
    entries: impl Iterator<Item = &'e Entry>,
    scene: &Scene<'_>,
    random: &Random,
    roll: &mut Option<f64>,
) -> Option<&'e Fault> {
    let (mut below, mut chosen) = (0.0, None);
    for entry in entries {
        if !entry.holds(scene) || chosen.is_some() {
            continue;
        }
        below += entry.fault.probability.unwrap_or(1.0);
        let happens = below >= 1.0 || *roll.get_or_insert_with(|| random.clone().unit()) < below;
        if happens && entry.fire() {
            chosen = Some(&entry.fault);
        }
    }
    chosen
}
