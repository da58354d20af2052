//! What became of the configuration: which generation is served with which status of its objects, and why a newer one
//! is not. Tells it as metrics and as a page; the log tells the same at length.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use crate::config::ObjectStatus;
use crate::metrics::family;
use crate::metrics::write::Text;

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

    /// Writes the state as metrics.
    pub fn write(&self, text: &mut Text) {
        let state = self.state();
        text.values(&family::SYNCHRONIZED, [("", u8::from(state.refusal.is_none()))]);
        let reloads = [("result=\"taken\"", state.taken), ("result=\"refused\"", state.refused)];
        text.values(&family::RELOADS, reloads);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::write::Format;

    #[test]
    fn the_same_refusal_is_told_once_until_another_comes_between() {
        let loaded = Loaded::new(Vec::new());
        let metrics = || {
            let mut text = Text::new(Format::Prometheus);
            loaded.write(&mut text);
            text.finish()
        };
        assert!(loaded.refuse("port taken") && !loaded.refuse("port taken") && loaded.refuse("half a file"));
        assert!(metrics().contains("synchronized 0\n"));
        assert_eq!(loaded.take(Vec::new()), 2);
        assert!(metrics().contains("synchronized 1\n") && loaded.refuse("half a file"));
    }
}
