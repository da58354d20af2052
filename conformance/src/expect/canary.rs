//! Secrets that must never appear at a place, searched for in raw bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::Exchange;
use crate::scenario::Scenario;
use mock_providers::{Journal, RequestRecord};

/// Everything in which a secret could show.
#[derive(Debug)]
pub struct Places<'p> {
    /// What the client received.
    pub exchanges: Vec<&'p Exchange>,
    /// What the providers received.
    pub journals: &'p BTreeMap<String, Journal>,
    /// Both output streams of the gateway.
    pub logs: String,
    /// The metrics text.
    pub metrics: String,
    /// All spans as JSON.
    pub spans: String,
}

/// Places where no secret may appear, unless a scenario says otherwise.
const ALWAYS: &[&str] = &["client", "logs", "metrics", "spans"];

/// A secret found where it must not be.
#[derive(Debug)]
pub struct Leak {
    /// `secrets.NAME`, or `a Secret manifest`.
    pub secret: String,
    /// The place.
    pub place: String,
    /// The expectation's name, for its position.
    pub canary: Option<String>,
}

/// All leaks of all secrets.
pub fn leaks(
    scenario: &Scenario,
    secrets: &BTreeMap<String, String>,
    keys: &BTreeSet<String>,
    places: &Places<'_>,
) -> Vec<Leak> {
    let mut leaks = Vec::new();
    for (name, value) in secrets {
        let canary = format!("secrets.{name}");
        let expect = scenario.expect.canary.get(&canary).map(|at| &at.value);
        let mut watched: BTreeSet<&str> = ALWAYS.iter().copied().collect();
        if let Some(expect) = expect {
            watched.retain(|place| !expect.allowed_at.iter().any(|allowed| allowed.value == *place));
            watched.extend(expect.never_at.iter().map(|place| place.value.as_str()));
        }
        for place in watched.into_iter().filter(|place| places.show(place, value)) {
            let position = expect.is_some().then(|| canary.clone());
            leaks.push(Leak { secret: canary.clone(), place: place.to_owned(), canary: position });
        }
    }
    let unnamed = keys.iter().filter(|key| !secrets.values().any(|value| value == *key));
    for key in unnamed {
        for place in ALWAYS.iter().filter(|place| places.show(place, key)) {
            leaks.push(Leak {
                secret: "a Secret manifest's value".to_owned(),
                place: (*place).to_owned(),
                canary: None,
            });
        }
    }
    leaks
}

impl Places<'_> {
    fn show(&self, place: &str, secret: &str) -> bool {
        match place {
            "client" => self.exchanges.iter().any(|exchange| received(exchange, secret)),
            "providers" => self.journals.values().any(|journal| journal_shows(journal, secret)),
            "logs" => self.logs.contains(secret),
            "metrics" => self.metrics.contains(secret),
            "spans" => self.spans.contains(secret),
            other => {
                let provider = other.strip_prefix("provider.").and_then(|name| self.journals.get(name));
                provider.is_some_and(|journal| journal_shows(journal, secret))
            }
        }
    }
}

fn received(exchange: &Exchange, secret: &str) -> bool {
    let head = exchange
        .head
        .as_ref()
        .is_some_and(|head| in_headers(super::pairs(&head.headers), secret) || head.start.contains(secret));
    head || in_bytes(&exchange.body, secret) || in_bytes(&exchange.extra, secret)
}

fn journal_shows(journal: &Journal, secret: &str) -> bool {
    let shows = |request: &RequestRecord| {
        in_headers(request.head.headers(), secret)
            || request.head.path().contains(secret)
            || request.head.query().is_some_and(|query| query.contains(secret))
            || in_bytes(&request.body, secret)
    };
    journal.requests.iter().any(shows)
}

fn in_headers<'h>(mut headers: impl Iterator<Item = (&'h str, &'h str)>, secret: &str) -> bool {
    headers.any(|(name, value)| name.contains(secret) || value.contains(secret))
}

fn in_bytes(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len().max(1)).any(|window| window == secret.as_bytes())
}
