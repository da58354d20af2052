//! What the seams of one run share: the saboteur, the addresses, and what is known of each exchange by its nonce.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::saboteur::Saboteur;
use crate::wire::Head;

/// The header by which exchanges are told apart.
pub(crate) const NONCE: &str = "x-windtunnel-nonce";

/// Which hop a seam sits on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// In front of the gateway's listener at this address.
    Gateway(SocketAddr),
    /// In front of the provider with this index.
    Provider(usize),
}

/// Shared by all seams of a run.
#[derive(Debug)]
pub struct Context {
    /// The defect.
    pub saboteur: Saboteur,
    /// A key that clients must not see.
    pub provider_key: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Provider addresses by index.
    providers: Vec<SocketAddr>,
    /// What the client sent, by nonce.
    sent: HashMap<String, (Head, Vec<u8>)>,
    /// Upstream requests so far, by nonce.
    attempts: HashMap<String, u32>,
    /// The answer of a failed first attempt; empty when it had none.
    failures: HashMap<String, Vec<u8>>,
    /// Requests dealt out so far.
    turn: usize,
    /// The provider that had the first request.
    first: Option<usize>,
}

impl Context {
    /// For one run.
    pub fn new(saboteur: Saboteur, provider_key: String) -> Context {
        Context { saboteur, provider_key, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the address of the next provider; its index.
    pub fn add_provider(&self, address: SocketAddr) -> usize {
        let mut state = self.state();
        state.providers.push(address);
        state.providers.len() - 1
    }

    /// Remembers what the client sends.
    pub fn sent(&self, nonce: &str, head: Head, body: Vec<u8>) {
        self.state().sent.insert(nonce.to_owned(), (head, body));
    }

    /// What the client sent with this nonce.
    pub(super) fn original(&self, nonce: &str) -> Option<(Head, Vec<u8>)> {
        self.state().sent.get(nonce).cloned()
    }

    /// Counts an attempt: which one it is, from 1.
    pub(super) fn attempt(&self, nonce: &str) -> u32 {
        let mut state = self.state();
        let attempts = state.attempts.entry(nonce.to_owned()).or_default();
        *attempts += 1;
        *attempts
    }

    /// Keeps the answer of a failed first attempt.
    pub(super) fn failed(&self, nonce: &str, answer: Vec<u8>) {
        self.state().failures.entry(nonce.to_owned()).or_insert(answer);
    }

    /// The first attempt got no answer at all.
    pub(super) fn no_answer(&self, hop: Hop, nonce: &str) {
        if matches!(hop, Hop::Provider(_)) {
            self.failed(nonce, Vec::new());
        }
    }

    /// The answer of the failed first attempt.
    pub(super) fn failure(&self, nonce: &str) -> Option<Vec<u8>> {
        self.state().failures.get(nonce).cloned()
    }

    /// Where a hop leads.
    pub(super) fn address(&self, hop: Hop) -> SocketAddr {
        match hop {
            Hop::Gateway(address) => address,
            Hop::Provider(index) => self.state().providers[index],
        }
    }

    /// Where this request goes, if the saboteur sends requests astray.
    pub(super) fn chosen(&self, hop: Hop) -> SocketAddr {
        let Hop::Provider(index) = hop else { return self.address(hop) };
        let mut state = self.state();
        let index = match self.saboteur {
            Saboteur::RouteIgnored => {
                state.turn += 1;
                (state.turn - 1 + index) % state.providers.len()
            }
            Saboteur::StuckOnFirst => *state.first.get_or_insert(index),
            _ => index,
        };
        state.providers[index]
    }
}
