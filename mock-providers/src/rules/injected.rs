//! Faults that the owner of a process puts over those of a script while it runs, and the lists that they head.
//!
//! Owns the order of all faults that share one roll. Refuses to count, and to end with a script: the next one gets what
//! lies over this one.

use std::sync::Arc;

use serde_json::Value;

use super::early::Occasion;
use super::live::LiveRule;
use super::{Entry, Live};
use crate::script::Fault;
use crate::states::Moment;

/// A fault that came from outside the script.
#[derive(Clone)]
pub(crate) struct Injected {
    /// How its owner calls it.
    pub(crate) id: Arc<str>,
    /// As it was written, secrets included.
    pub(crate) written: Arc<Value>,
    pub(super) entry: Arc<Entry>,
}

impl Injected {
    pub(crate) fn new(id: String, written: Value, fault: Fault) -> Self {
        Self { id: id.into(), written: written.into(), entry: Entry::new(fault).into() }
    }

    /// How often it happened.
    pub(crate) fn fired(&self) -> u64 {
        self.entry.fired()
    }
}

impl Live {
    /// The same script with the same counts, and these faults over it.
    pub(crate) fn under(&self, injected: Vec<Injected>) -> Self {
        Self { injected, ..self.clone() }.settled()
    }

    /// What lies over it.
    pub(crate) fn injected(&self) -> &[Injected] {
        &self.injected
    }

    /// With what follows from all of its rules and faults.
    pub(super) fn settled(mut self) -> Self {
        let early = self.listed_anywhere().any(|entry| entry.occasion != Occasion::Request);
        let counts = self.rules.iter().any(LiveRule::counts) || self.listed_anywhere().any(Entry::counts);
        let faulty = self.rules.iter().any(LiveRule::has_faults) || self.listed_anywhere().next().is_some();
        (self.early, self.counts, self.timely) = (early, counts, faulty || !self.states.is_empty());
        self
    }

    /// The faults of all lists, in whatever state.
    fn listed_anywhere(&self) -> impl Iterator<Item = &Entry> {
        self.over().chain(self.states.all_faults()).chain(&*self.faults)
    }

    /// The faults that share one roll at this moment.
    pub(super) fn listed<'l, 'm>(&'l self, moment: &'m Moment) -> impl Iterator<Item = &'l Entry> + use<'l, 'm> {
        self.over().chain(self.states.faults(moment)).chain(&*self.faults)
    }

    fn over(&self) -> impl Iterator<Item = &Entry> {
        self.injected.iter().map(|injected| &*injected.entry)
    }
}
