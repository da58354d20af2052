//! Attempts at the same thing: same path, same body (but for what a gateway rewrites), same caller, one after another.
//!
//! Owns which request continues which. An attempt follows one that failed; two that overlap are two callers' unless
//! an identifier says otherwise, and of bodies that came side by side no chain is made at all.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use crate::credentials;
use crate::digest::hash;
use crate::journal::{End, RequestRecord};

/// What comes later than this after a failure is something new.
const WINDOW: Duration = Duration::from_secs(150);

/// Headers that name a call; equal ones make attempts of one call, different ones two calls.
pub(super) const IDENTIFIERS: &[&str] = &["idempotency-key", "x-client-request-id", "x-request-id"];

/// One attempt after another.
pub(super) type Chain<'a> = Vec<&'a RequestRecord>;

/// All chains, and which bodies came when.
pub(super) struct Chains<'a> {
    chains: Vec<Chain<'a>>,
    bodies: HashMap<u64, Vec<&'a RequestRecord>>,
}

impl<'a> Chains<'a> {
    /// Of requests in order of arrival.
    pub(super) fn of(requests: &[&'a RequestRecord]) -> Self {
        let mut callers: HashMap<(u64, u64), Vec<Chain<'a>>> = HashMap::new();
        let mut bodies: HashMap<u64, Vec<&'a RequestRecord>> = HashMap::new();
        for record in requests.iter().copied().filter(|record| record.head.method() == "POST" && record.body_complete) {
            let body = content(record);
            bodies.entry(body).or_default().push(record);
            let chains = callers.entry((body, caller(record))).or_default();
            match chains.last_mut() {
                Some(chain) if continues(chain, record) => chain.push(record),
                _ => chains.push(vec![record]),
            }
        }
        let alone = |chains: &Vec<Chain<'a>>| !chains.windows(2).any(|pair| overlap(&pair[0], &pair[1]));
        let mut chains: Vec<Chain<'a>> = callers.into_values().filter(alone).flatten().collect();
        chains.sort_by_key(|chain| (chain[0].received_at, chain[0].seq));
        Self { chains, bodies }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Chain<'a>> {
        self.chains.iter()
    }

    /// Whether the same was asked after this, by anybody.
    pub(super) fn asked_again(&self, record: &RequestRecord) -> bool {
        let same = self.bodies.get(&content(record)).into_iter().flatten();
        same.into_iter().any(|other| other.received_at > record.received_at)
    }
}

/// When it was over, as far as it is.
pub(super) fn ended_at(record: &RequestRecord) -> Option<Duration> {
    let last = record.events.last().map(|(at, _)| *at).or(record.head_at).or(record.body_at);
    match record.end {
        End::Pending => None,
        End::ClientClosed { at } => Some(at),
        End::Complete | End::Fault => last.or(Some(record.received_at)),
    }
}

/// Whether the provider failed it, or the caller left before it was whole.
pub(super) fn failed(record: &RequestRecord) -> bool {
    match record.end {
        End::Pending => false,
        End::ClientClosed { .. } | End::Fault => true,
        End::Complete => record.status.is_some_and(|status| status >= 400),
    }
}

fn continues(chain: &Chain<'_>, record: &RequestRecord) -> bool {
    let Some(last) = chain.last() else { return false };
    failed(last) && ended_at(last).is_some_and(|end| record.received_at >= end && record.received_at - end < WINDOW)
}

fn overlap(earlier: &Chain<'_>, later: &Chain<'_>) -> bool {
    let end = earlier.last().and_then(|last| ended_at(last));
    end.is_none_or(|end| later[0].received_at < end)
}

/// Path and body, without what gateways rewrite.
pub(super) fn content(record: &RequestRecord) -> u64 {
    hash(record.head.path().as_bytes()).rotate_left(1) ^ hash(meaning(&record.body).as_bytes())
}

/// The body without `model` and `stream_options`, as text.
pub(super) fn meaning(body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut fields)) => {
            ["model", "stream_options"].iter().for_each(|name| _ = fields.remove(*name));
            Value::Object(fields).to_string()
        }
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}

/// Who asks: credentials are the provider's behind a gateway and so differ between providers, but not at one.
fn caller(record: &RequestRecord) -> u64 {
    let named = IDENTIFIERS.iter().chain(&["x-mock-session", "user-agent"]).map(|name| record.header(name));
    let trace = record.header("traceparent").and_then(|value| value.split('-').nth(1));
    let parts = named.chain([trace]).map(|part| hash(part.unwrap_or_default().as_bytes()));
    parts.fold(0, |all, part| all.rotate_left(7) ^ part)
}

/// The secrets that it presents.
pub(super) fn credentials_of(record: &RequestRecord) -> Vec<&str> {
    let secret = record.head.headers().filter(|(name, _)| credentials::is_credential_header(name));
    secret.map(|(_, value)| value).collect()
}
