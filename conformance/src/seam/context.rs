//! What the seams of one run share: the saboteur, the addresses, and what is known of each exchange by its nonce.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::saboteur::Saboteur;
use crate::wire::Head;

/// The header by which exchanges are told apart.
pub(crate) const NONCE: &str = "x-windtunnel-nonce";

/// How much too early readiness is told.
const EARLY: Duration = Duration::from_millis(500);

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
    /// Held by the one request that may arrive, where they arrive one after the other.
    pub(super) arriving: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
}

/// What happened so far.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Provider addresses by index.
    pub(super) providers: Vec<SocketAddr>,
    /// What the client sent, by nonce.
    sent: HashMap<String, (Head, Vec<u8>)>,
    /// Upstream requests so far, by nonce.
    attempts: HashMap<String, u32>,
    /// All bytes of the answer to a first attempt; empty when it had none.
    pub(super) first_answers: HashMap<String, Vec<u8>>,
    /// The headers of an attempt that failed, by nonce.
    pub(super) failed_headers: HashMap<String, Vec<(String, String)>>,
    /// Requests dealt out so far.
    pub(super) turn: usize,
    /// The provider that had the first request.
    pub(super) first: Option<usize>,
    /// The credentials that the first provider got.
    pub(super) first_key: Option<(usize, Vec<(String, String)>)>,
    /// The model that the first provider got.
    pub(super) first_model: Option<(usize, serde_json::Value)>,
    /// What was first said about each object.
    statuses: HashMap<String, serde_json::Value>,
    /// The provider that failed last.
    pub(super) failed: Option<usize>,
    /// Providers that once gave no answer in time.
    pub(super) wedged: HashSet<usize>,
    /// Exchanges of clients that have not ended.
    in_flight: usize,
    /// What went to clients, by what a cache tells requests apart by.
    pub(super) answers: HashMap<String, Vec<u8>>,
    /// The last answer that went to a client.
    last_answer: Option<Vec<u8>>,
    /// When the gateway was started anew.
    restarted: Option<Instant>,
    /// Whether a configuration was refused.
    pub(super) refused: bool,
}

impl Context {
    /// For one run.
    pub fn new(saboteur: Saboteur, provider_key: String) -> Context {
        Context { saboteur, provider_key, arriving: Arc::default(), state: Mutex::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
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

    /// The gateway was started anew.
    pub(crate) fn restarted(&self) {
        self.state().restarted = Some(Instant::now());
    }

    /// Whether a gateway that says it is ready is not yet.
    pub(super) fn is_too_early(&self) -> bool {
        let restarted = self.state().restarted.filter(|_| self.saboteur == Saboteur::ReadyTooEarly);
        restarted.is_some_and(|restarted| restarted.elapsed() < EARLY)
    }

    /// The first status that was told of an object; this one, if it is the first.
    pub(super) fn first_status(&self, object: &str, status: &serde_json::Value) -> serde_json::Value {
        self.state().statuses.entry(object.to_owned()).or_insert_with(|| status.clone()).clone()
    }

    /// A configuration was refused.
    pub(crate) fn refused(&self) {
        self.state().refused = true;
    }

    /// Every body that a client sent.
    pub fn prompts(&self) -> Vec<String> {
        self.state().sent.values().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect()
    }

    /// What the client sent with this nonce.
    pub(super) fn original(&self, nonce: &str) -> Option<(Head, Vec<u8>)> {
        self.state().sent.get(nonce).cloned()
    }

    /// Whether the client asked for a stream.
    pub(super) fn asked_for_stream(&self, nonce: &str) -> bool {
        let body = self.original(nonce).map(|(_, body)| body).unwrap_or_default();
        serde_json::from_slice::<serde_json::Value>(&body).is_ok_and(|body| body["stream"] == true)
    }

    /// Counts an attempt: which one it is, from 1.
    pub(super) fn attempt(&self, nonce: &str) -> u32 {
        let mut state = self.state();
        let attempts = state.attempts.entry(nonce.to_owned()).or_default();
        *attempts += 1;
        *attempts
    }

    /// A client's exchange begins.
    pub(super) fn begins(&self, hop: Hop) {
        if matches!(hop, Hop::Gateway(_)) {
            self.state().in_flight += 1;
        }
    }

    /// It has ended.
    pub(super) fn ends(&self, hop: Hop) {
        if matches!(hop, Hop::Gateway(_)) {
            self.state().in_flight -= 1;
        }
    }

    /// Puts another exchange's answer in this one's place, when there are several.
    pub(super) fn mix(&self, body: &mut Vec<u8>) {
        let mut state = self.state();
        let last = state.last_answer.replace(body.clone());
        if let Some(last) = last.filter(|_| state.in_flight > 1) {
            *body = last;
        }
    }

    /// Where a hop leads.
    pub(super) fn address(&self, hop: Hop) -> SocketAddr {
        match hop {
            Hop::Gateway(address) => address,
            Hop::Provider(index) => self.state().providers[index],
        }
    }
}
