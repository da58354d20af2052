//! Expectations on what came, and the verdict on who sent it.

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde_json::{Value, json};

use super::Desk;
use super::call::Call;
use super::reply::{Refusal, Reply};
use crate::journal::RequestRecord;
use crate::request::{Head, Request};
use crate::rules::{Facts, Scene};
use crate::script::{Dialect, When};
use crate::states::States;
use crate::verdict::{self, Policy, id};

/// So many near misses are told.
const NEAREST: usize = 5;

/// How many requests of which kind are expected.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    /// As in rules.
    when: When,
    /// Of this provider only.
    provider: Option<String>,
    /// A number, or bounds; at least one when left out.
    #[serde(default = "at_least_one")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Value>"))]
    count: Count,
}

/// Bounds, both included.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    #[serde(default)]
    min: usize,
    max: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Count(Bounds);

fn at_least_one() -> Count {
    Count(Bounds { min: 1, max: None })
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl<'de> Visitor<'de> for CountVisitor {
            type Value = Count;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or `{min, max}`")
            }
            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Count, E> {
                let count = usize::try_from(count).map_err(E::custom)?;
                Ok(Count(Bounds { min: count, max: Some(count) }))
            }
            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Count, E> {
                self.visit_u64(u64::try_from(count).map_err(E::custom)?)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Count, A::Error> {
                Bounds::deserialize(MapAccessDeserializer::new(map)).map(Count)
            }
        }
        reader.deserialize_any(CountVisitor)
    }
}

impl Bounds {
    fn hold(self, count: usize) -> bool {
        count >= self.min && self.max.is_none_or(|max| count <= max)
    }
}

pub(super) async fn verify(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    let Expectation { when, provider, count: Count(bounds) } = call.read()?;
    unverifiable(&when)?;
    if let Some(name) = provider.as_deref().filter(|name| desk.fleet.running().member(name).is_none()) {
        return Err(Refusal::missing(format!("there is no provider `{name}`")));
    }
    let running = desk.fleet.running();
    // What stands in a journal came to a provider that runs.
    let dialect = |name: &str| running.member(name).map(|member| member.dialect()).unwrap_or_default();
    Ok(Reply::json(&judged(&when, bounds, &desk.records(provider.as_deref()), dialect)))
}

/// A rule can ask more than journals can answer.
fn unverifiable(when: &When) -> Result<(), Refusal> {
    let refused =
        |key: &str, why: &str, hint: &str| Err(Refusal::bad(format!("`{key}` cannot be verified: {why}")).hint(hint));
    if !when.nth.0.is_empty() {
        let why = "it counts the matches of a rule, and here is none";
        return refused("nth", why, "leave it out, and say `count`");
    }
    if !when.state.is_empty() {
        let why = "journals do not say in which states machines were when a request came";
        return refused("state", why, "ask for the rule or the fault that answered: GET journal?rule=…, ?fault=…");
    }
    when.any_of.iter().chain(when.not.as_deref()).try_for_each(unverifiable)
}

fn judged(when: &When, bounds: Bounds, records: &[RequestRecord], dialect: impl Fn(&str) -> Dialect) -> Value {
    let mut matching = Vec::new();
    let mut misses = Vec::new();
    for record in records {
        let head = Head { lines: record.head.clone(), ..Head::default() };
        let reasons = mismatches(when, &Request::new(&head, &record.body), dialect(&record.provider));
        if reasons.is_empty() { matching.push(id(record)) } else { misses.push((reasons, record)) }
    }
    let pass = bounds.hold(matching.len());
    // The fewest reasons first; of equal ones the latest, which somebody has just tried.
    misses.sort_by_key(|(reasons, record)| (reasons.len(), std::cmp::Reverse(record.received_at)));
    let shown = if pass { 0 } else { NEAREST };
    let near: Vec<Value> = misses
        .iter()
        .take(shown)
        .map(|(reasons, record)| json!({"id": id(record), "path": record.head.path(), "reasons": reasons}))
        .collect();
    json!({
        "pass": pass,
        "expected": {"min": bounds.min, "max": bounds.max},
        "count": matching.len(),
        "requests": matching,
        "near_misses": near,
    })
}

/// What speaks against a request, key by key; nothing when it matches.
fn mismatches(when: &When, request: &Request<'_>, provider: Dialect) -> Vec<String> {
    let dialect = provider.of(request.head);
    let scene = Scene { facts: Facts::new(request), dialect, moment: States::default().moment() };
    scene.nearness(when).1
}

pub(super) async fn verdict(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    let policy: Policy = call.read_or_default()?;
    policy.check().map_err(Refusal::bad)?;
    let records = desk.records(None);
    let findings = verdict::judge(&records, desk.fleet.origin().elapsed(), &policy);
    Ok(Reply::json(&json!({"ok": findings.is_empty(), "judged": records.len(), "findings": findings})))
}
