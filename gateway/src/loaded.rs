//! What became of the configuration: which generation is served with which status of its objects, and why a newer one
//! is not. Tells it as metrics and as a page; the log tells the same at length.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use crate::config::ObjectStatus;

/// Shared by whoever reloads and whoever is asked.
#[derive(Debug, Clone)]
pub struct Loaded(Arc<Mutex<State>>);

#[derive(Debug, Serialize)]
struct State {
    /// Counts the configurations that were served, from 1.
    generation: u64,
    taken: u64,
    refused: u64,
    /// Why what is on disk is not what is served.
    refusal: Option<String>,
    /// When what is served was taken.
    #[serde(skip)]
    since: SystemTime,
    /// Of every object of what is served.
    #[serde(skip)]
    status: Arc<[ObjectStatus]>,
}

impl Loaded {
    /// The first configuration is served.
    #[must_use]
    pub fn new(status: Vec<ObjectStatus>) -> Self {
        let since = SystemTime::now();
        let state = State { generation: 1, taken: 0, refused: 0, refusal: None, since, status: status.into() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A reload was taken, with this status of its objects; its generation.
    pub fn take(&self, status: Vec<ObjectStatus>) -> u64 {
        let mut state = self.state();
        (state.status, state.since) = (status.into(), SystemTime::now());
        (state.generation, state.taken, state.refusal) = (state.generation + 1, state.taken + 1, None);
        state.generation
    }

    /// A reload was refused; whether for another reason than the one before.
    pub fn refuse(&self, why: &str) -> bool {
        let mut state = self.state();
        if state.refusal.as_deref() == Some(why) {
            return false;
        }
        state.refused += 1;
        state.refusal = Some(why.to_owned());
        true
    }

    /// The status of every object of what is served.
    #[must_use]
    pub fn status(&self) -> Arc<[ObjectStatus]> {
        self.state().status.clone()
    }

    /// When what is served was taken.
    #[must_use]
    pub fn since(&self) -> SystemTime {
        self.state().since
    }

    /// The state as JSON.
    #[must_use]
    pub fn page(&self) -> String {
        serde_json::to_string(&*self.state()).expect("numbers and a text are JSON") + "\n"
    }

    /// The state as metrics.
    #[must_use]
    pub fn metrics(&self) -> String {
        let state = self.state();
        let (name, reloads) = ("agentgateway_config_synchronized", "agentgateway_config_reloads_total");
        let mut out = format!("# HELP {name} Whether what is served is what the manifests say.\n# TYPE {name} gauge\n");
        let _infallible = writeln!(out, "{name} {}", u8::from(state.refusal.is_none()));
        let _infallible = writeln!(out, "# HELP {reloads} Reloads of the manifests.\n# TYPE {reloads} counter");
        for (result, count) in [("taken", state.taken), ("refused", state.refused)] {
            let _infallible = writeln!(out, "{reloads}{{result=\"{result}\"}} {count}");
        }
        out
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refusal_is_told_once_until_another_comes_between() {
        let loaded = Loaded::new(Vec::new());
        assert!(loaded.refuse("port taken") && !loaded.refuse("port taken") && loaded.refuse("half a file"));
        assert!(loaded.metrics().contains("synchronized 0\n"));
        assert_eq!(loaded.take(Vec::new()), 2);
        assert!(loaded.metrics().contains("synchronized 1\n") && loaded.refuse("half a file"));
    }
}
