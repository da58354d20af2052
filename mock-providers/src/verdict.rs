//! What the journals say about the caller: findings, each with its requests and the evidence.
//!
//! Owns the judgement, and its caution: what could also be the doing of two independent callers is not held against
//! one. Refuses to see what only the caller's side knows, unless its [`Policy`] tells.

mod chain;
mod cuts;
mod identity;
mod retries;
mod secrets;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::journal::RequestRecord;
use chain::Chains;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The caller is wrong.
    Error,
    /// The caller could do better.
    Warn,
}

/// Something about the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name in [`NAMES`].
    pub name: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// The requests that show it, as `provider-number`.
    pub requests: Vec<String>,
    /// What was seen; no secret is in it.
    pub evidence: String,
}

/// Every finding that there is.
pub const NAMES: &[(&str, Severity)] = &[
    ("retry_after_ignored", Severity::Error),
    ("retried_non_retryable", Severity::Error),
    ("retry_storm", Severity::Error),
    ("retried_after_stream_started", Severity::Error),
    ("truncated_stream_accepted", Severity::Error),
    ("failover_order_wrong", Severity::Error),
    ("body_mutated", Severity::Error),
    ("credential_leaked", Severity::Error),
    ("cancel_not_propagated", Severity::Error),
    ("duplicate_charge", Severity::Error),
    ("no_backoff", Severity::Warn),
    ("gave_up_without_retry", Severity::Warn),
    ("no_read_timeout", Severity::Warn),
];

/// What is expected of the caller, and what only its side knows.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// So many attempts at one request are no storm; default 5.
    pub max_attempts: usize,
    /// Failures that were not asked again after so many milliseconds are given up; default 10000.
    pub patience_ms: u64,
    /// An answer that is silent for so many milliseconds should have been left; default 610000, as the SDKs do.
    pub read_timeout_ms: u64,
    /// Within so many milliseconds a cancelled request should have ended; default 1000.
    pub cancel_within_ms: u64,
    /// Providers in the order in which they are to be tried.
    pub order: Vec<String>,
    /// Keys of clients, which no provider may see.
    pub client_keys: Vec<String>,
    /// Requests that clients cancelled.
    pub cancelled: Vec<Cancelled>,
}

/// A request that a client cancelled.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cancelled {
    /// A text that its body, and no other, contains.
    pub containing: String,
    /// When, in milliseconds of the journals' clock.
    pub at_ms: u64,
}

impl Policy {
    /// Whether it can be judged by.
    pub(crate) fn check(&self) -> Result<(), String> {
        let shortest = secrets::SHORTEST;
        match self.client_keys.iter().position(|key| key.len() < shortest) {
            Some(index) => {
                Err(format!("client key {} has fewer than {shortest} bytes and would be found by chance", index + 1))
            }
            None => Ok(()),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            patience_ms: 10_000,
            read_timeout_ms: 610_000,
            cancel_within_ms: 1000,
            order: Vec::new(),
            client_keys: Vec::new(),
            cancelled: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Policy {{ max_attempts: {}, client_keys: {} redacted, .. }}",
            self.max_attempts,
            self.client_keys.len()
        )
    }
}

/// Judges the requests of one or several journals with one clock, at this time of it.
pub fn judge(requests: &[RequestRecord], now: Duration, policy: &Policy) -> Vec<Finding> {
    let mut ordered: Vec<&RequestRecord> = requests.iter().collect();
    ordered.sort_by(|a, b| (a.received_at, &a.provider, a.seq).cmp(&(b.received_at, &b.provider, b.seq)));
    let chains = Chains::of(&ordered);
    let mut findings = Vec::new();
    for chain in chains.iter() {
        findings.extend(retries::judge(chain, policy));
        findings.extend(cuts::retried(chain));
        findings.extend(retries::gave_up(chain, &chains, now, policy));
        findings.extend(retries::order(chain, &ordered, policy));
    }
    findings.extend(cuts::accepted(&ordered));
    findings.extend(cuts::silent(&ordered, now, policy));
    findings.extend(cuts::cancelled(&ordered, now, policy));
    findings.extend(identity::judge(&ordered));
    findings.extend(secrets::judge(&ordered, policy));
    findings.sort_by(|a, b| (a.severity, a.name).cmp(&(b.severity, b.name)));
    findings
}

/// The name of a request across journals.
pub(crate) fn id(record: &RequestRecord) -> String {
    format!("{}-{}", record.provider, record.seq)
}

fn finding(name: &'static str, requests: &[&RequestRecord], evidence: String) -> Finding {
    let severity = NAMES.iter().find(|(known, _)| *known == name).map_or(Severity::Error, |(_, severity)| *severity);
    Finding { name, severity, requests: requests.iter().map(|record| id(record)).collect(), evidence }
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

#[cfg(test)]
mod tests;
