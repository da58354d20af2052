//! What the identifiers of calls say: one call with two bodies, or served twice.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::chain::{IDENTIFIERS, failed, meaning};
use super::{Finding, finding};
use crate::journal::{End, RequestRecord};

pub(super) fn judge(all: &[&RequestRecord]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in IDENTIFIERS {
        for attempts in by_value(all, name) {
            findings.extend(attempts.windows(2).filter_map(|pair| mutated(name, pair)));
        }
    }
    for attempts in by_value(all, "idempotency-key") {
        findings.extend(charged_twice(&attempts));
    }
    findings
}

/// Requests with the same value of a header, in order of that value's first appearance.
fn by_value<'a>(all: &[&'a RequestRecord], name: &str) -> Vec<Vec<&'a RequestRecord>> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut groups: Vec<Vec<&RequestRecord>> = Vec::new();
    for record in all.iter().filter(|record| record.head.method() == "POST" && record.body_complete) {
        let Some(value) = record.header(name).filter(|value| !value.is_empty()) else { continue };
        let place = *places.entry((value, record.head.path())).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(record);
    }
    groups
}

/// A failed attempt and its repetition differ in more than what a gateway rewrites.
fn mutated(name: &str, pair: &[&RequestRecord]) -> Option<Finding> {
    if !failed(pair[0]) || meaning(&pair[0].body) == meaning(&pair[1].body) {
        return None;
    }
    let fields = match (object(pair[0]), object(pair[1])) {
        (Some(one), Some(other)) => differing(&one, &other),
        _ => "the body".to_owned(),
    };
    let evidence = format!("two attempts with the same `{name}` differ in {fields}");
    Some(finding("body_mutated", pair, evidence))
}

fn object(record: &RequestRecord) -> Option<Map<String, Value>> {
    serde_json::from_slice(&record.body).ok()
}

/// The names alone: values may be secret.
fn differing(one: &Map<String, Value>, other: &Map<String, Value>) -> String {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let rewritten = |name: &&&String| !matches!(name.as_str(), "model" | "stream_options");
    let differing = names.iter().filter(rewritten).filter(|name| one.get(**name) != other.get(**name));
    let names: Vec<String> = differing.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "the order of their fields".to_owned() } else { names.join(", ") }
}

fn charged_twice(attempts: &[&RequestRecord]) -> Option<Finding> {
    let served = |record: &&RequestRecord| {
        record.end == End::Complete && record.status.is_some_and(|status| (200..300).contains(&status))
    };
    let served: Vec<&RequestRecord> = attempts.iter().copied().filter(served).collect();
    let evidence = format!("served {} times under one idempotency key", served.len());
    (served.len() > 1).then(|| finding("duplicate_charge", &served, evidence))
}
