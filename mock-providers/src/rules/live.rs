//! One rule at work: whether it takes a request, and with which of its answers.
//!
//! Owns how often it matched and answered. Refuses to know other rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::check::Scene;
use super::entry::Entry;
use crate::digest::hash;
use crate::script::{OnExhausted, Respond, Rule, Turn};

/// A rule and its counts.
pub(super) struct LiveRule {
    pub(super) name: Arc<str>,
    /// Its part in the key of draws.
    pub(super) key: u64,
    pub(super) rule: Rule,
    fault: Option<Entry>,
    /// The faults of the steps of its sequence.
    steps: Vec<Option<Entry>>,
    /// How many requests were what all of `when` but `nth` asks for.
    matched: AtomicU64,
    answered: AtomicU64,
}

/// What a rule says to a request.
pub(super) enum Offer<'r> {
    /// It answers.
    Answer { respond: Option<&'r Respond>, fault: Option<&'r Entry> },
    /// Its sequence is at its end, and nobody else may answer.
    Exhausted,
    /// It is passed over: `when` does not hold.
    Unfit,
    /// It is passed over by its counts.
    Spent(String),
}

impl LiveRule {
    pub(super) fn new(name: Arc<str>, mut rule: Rule) -> Self {
        let key = hash(name.as_bytes());
        let fault = rule.fault.take().map(Entry::new);
        let steps = rule.sequence.steps.iter_mut().map(|step| step.fault.take().map(Entry::new)).collect();
        Self { name, key, rule, fault, steps, matched: AtomicU64::new(0), answered: AtomicU64::new(0) }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.steps.iter().flatten().chain(&self.fault)
    }

    pub(super) fn has_faults(&self) -> bool {
        self.entries().next().is_some()
    }

    /// Whether its answer, or that of others, depends on how many requests came before.
    pub(super) fn counts(&self) -> bool {
        let Rule { when, times, sequence, to_state, .. } = &self.rule;
        let one_step = sequence.steps.len() <= 1 && sequence.on_exhausted == OnExhausted::RepeatLast;
        let told = times.is_some() || !when.nth.0.is_empty() || !one_step || !to_state.is_empty();
        told || self.entries().any(Entry::counts)
    }

    pub(super) fn reset(&self) {
        self.matched.store(0, Ordering::Relaxed);
        self.answered.store(0, Ordering::Relaxed);
        self.entries().for_each(Entry::reset);
    }

    /// Takes the request, or says why not. `asked` is a request that names this rule: only its counts can refuse.
    pub(super) fn offer(&self, scene: &Scene<'_>, asked: bool) -> Offer<'_> {
        let Rule { when, times, sequence, respond, .. } = &self.rule;
        if !asked && !scene.fits(when) {
            return Offer::Unfit;
        }
        if !self.counts() {
            let step = sequence.steps.first();
            let fault = if step.is_some() { self.steps[0].as_ref() } else { self.fault.as_ref() };
            return Offer::Answer { respond: step.map_or(respond.as_ref(), |step| step.respond.as_ref()), fault };
        }
        let count = self.matched.fetch_add(1, Ordering::Relaxed) + 1;
        if !asked && !when.nth.0.is_empty() && !when.nth.0.contains(&count) {
            return Offer::Spent(format!("nth is {count}"));
        }
        let before = self.answered.load(Ordering::Relaxed);
        if times.is_some_and(|times| before >= times) {
            return Offer::Spent("times are used up".to_owned());
        }
        let offer = match sequence.turn(before) {
            Turn::PassedOver => return Offer::Spent("the sequence is used up".to_owned()),
            Turn::Exhausted => Offer::Exhausted,
            Turn::Step(_) if sequence.is_empty() => {
                Offer::Answer { respond: respond.as_ref(), fault: self.fault.as_ref() }
            }
            Turn::Step(at) => {
                Offer::Answer { respond: sequence.steps[at].respond.as_ref(), fault: self.steps[at].as_ref() }
            }
        };
        self.answered.store(before + 1, Ordering::Relaxed);
        offer
    }
}
