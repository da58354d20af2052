//! Faults that the owner of a process puts over those of a script while it runs.
//!
//! Owns their list and how often each happened. Refuses to end with a script: the next one gets them too.

use std::sync::Arc;

use serde_json::Value;

use super::{Entry, Live};

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
    pub(crate) fn new(id: String, written: Value, fault: crate::script::Fault) -> Self {
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
}
