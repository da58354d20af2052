//! Asking again: too soon, too often, in vain, in the wrong order, or not at all.

use std::time::Duration;

use super::chain::{Chain, Chains, credentials_of, ended_at, failed};
use super::{Finding, Policy, finding, millis};
use crate::journal::{End, RequestRecord};

/// Clocks and schedulers may be off by so much.
const TOLERANCE: Duration = Duration::from_millis(50);
/// A pause shorter than this is none.
const NO_PAUSE: Duration = Duration::from_millis(50);
/// A provider that failed may be out of the rotation for so long.
const EVICTED: Duration = Duration::from_secs(120);

/// What each attempt says together with the one before.
pub(super) fn judge(chain: &Chain<'_>, policy: &Policy) -> Vec<Finding> {
    let mut findings: Vec<Finding> = chain.windows(2).filter_map(|pair| too_soon(pair[0], pair[1])).collect();
    findings.extend(chain.windows(2).filter_map(|pair| in_vain(pair[0], pair[1])));
    if chain.len() > policy.max_attempts {
        let took = chain[chain.len() - 1].received_at - chain[0].received_at;
        let evidence = format!("{} attempts at one request within {}", chain.len(), millis(took));
        findings.push(finding("retry_storm", chain, evidence));
    }
    findings.extend(without_pause(chain));
    findings
}

/// An advice concerns the provider and the key that it was given to.
fn concerned(one: &RequestRecord, next: &RequestRecord) -> bool {
    one.provider == next.provider && credentials_of(one) == credentials_of(next)
}

fn too_soon(failed: &RequestRecord, next: &RequestRecord) -> Option<Finding> {
    let wanted = failed.advice?.retry_after.filter(|_| concerned(failed, next))?;
    let waited = next.received_at.saturating_sub(failed.head_at?);
    (waited + TOLERANCE < wanted).then(|| {
        let evidence = format!("told to wait {}, asked again after {}", millis(wanted), millis(waited));
        finding("retry_after_ignored", &[failed, next], evidence)
    })
}

fn in_vain(failed: &RequestRecord, next: &RequestRecord) -> Option<Finding> {
    let status = failed.status.filter(|_| failed.end == End::Complete && concerned(failed, next))?;
    let told = failed.advice.and_then(|advice| advice.should_retry);
    let hopeless = (400..500).contains(&status) && !matches!(status, 408 | 409 | 425 | 429);
    let evidence = match told {
        Some(true) => return None,
        Some(false) => format!("{status} with `x-should-retry: false` was asked again"),
        None if hopeless => format!("{status} was asked again with the same body"),
        None => return None,
    };
    Some(finding("retried_non_retryable", &[failed, next], evidence))
}

/// Three attempts at one provider with no pause between any of them.
fn without_pause(chain: &Chain<'_>) -> Option<Finding> {
    let hasty = |pair: &[&RequestRecord]| {
        let pause = ended_at(pair[0]).map(|end| pair[1].received_at.saturating_sub(end));
        concerned(pair[0], pair[1]) && pause.is_some_and(|pause| pause < NO_PAUSE)
    };
    let at = chain.windows(3).position(|three| three.windows(2).all(hasty))?;
    let evidence = format!("three attempts with less than {} between them", millis(NO_PAUSE));
    Some(finding("no_backoff", &chain[at..at + 3], evidence))
}

/// A passing failure at the end of a chain that nobody continued.
pub(super) fn gave_up(chain: &Chain<'_>, chains: &Chains<'_>, now: Duration, policy: &Policy) -> Option<Finding> {
    let [only] = chain.as_slice() else { return None };
    let advice = only.advice.unwrap_or_default();
    let passing = match only.status {
        _ if advice.should_retry == Some(false) => false,
        Some(status) => matches!(status, 429 | 500 | 502 | 503 | 504 | 529) && only.end == End::Complete,
        None => only.end == End::Fault,
    };
    let patience =
        Duration::from_millis(policy.patience_ms).max(advice.retry_after.unwrap_or_default().saturating_mul(2));
    let over = ended_at(only).is_some_and(|end| now.saturating_sub(end) > patience);
    if !passing || !over || chains.asked_again(only) {
        return None;
    }
    let what = only.status.map_or("a broken connection".to_owned(), |status| status.to_string());
    Some(finding("gave_up_without_retry", chain, format!("{what} was not asked again within {}", millis(patience))))
}

/// The first attempt, and each step from one provider to another, against the order that was given.
pub(super) fn order(chain: &Chain<'_>, all: &[&RequestRecord], policy: &Policy) -> Vec<Finding> {
    let place = |record: &RequestRecord| policy.order.iter().position(|name| **name == *record.provider);
    let mut findings = Vec::new();
    let mut tried: Vec<usize> = Vec::new();
    for (index, record) in chain.iter().enumerate() {
        let Some(here) = place(record) else { continue };
        let usable = |earlier: &usize| {
            let name = &policy.order[*earlier];
            !tried.contains(earlier) && !troubled(name, record, all)
        };
        // A provider that answered nothing but successes should have been asked before a later one.
        if let Some(passed_over) = (0..here).find(usable).filter(|_| !tried.contains(&here)) {
            let (name, used) = (&policy.order[passed_over], &record.provider);
            let evidence = format!("`{used}` was asked although `{name}` comes before it and had not failed");
            findings.push(finding("failover_order_wrong", &chain[..=index], evidence));
            break;
        }
        tried.push(here);
    }
    findings
}

/// Whether a provider had a failure, or something open, shortly before a request: it may rest.
fn troubled(provider: &str, before: &RequestRecord, all: &[&RequestRecord]) -> bool {
    all.iter().any(|record| {
        *record.provider == *provider
            && record.received_at <= before.received_at
            && (failed(record) || record.end == End::Pending)
            && ended_at(record).is_none_or(|end| end + EVICTED > before.received_at)
    })
}
