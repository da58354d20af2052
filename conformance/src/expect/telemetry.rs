//! What telemetry shows: counters as differences, and access-log records.

use std::collections::BTreeMap;

use mock_providers::Journal;
use serde_json::Value;

use super::Judge;
use crate::matcher::{Matcher, Seen};
use crate::scenario::At;
use crate::scenario::expect::{CounterExpect, DeltaExpect, TelemetryExpect, TokensExpect};
use crate::telemetry::{MODELS, Metrics, REQUESTS, Sample, TOKEN_TYPE, TOKENS, field};

/// Everything telemetry says at one moment.
#[derive(Debug)]
pub struct Evidence<'e> {
    /// Metrics before the first step.
    pub before: &'e Metrics,
    /// Metrics now.
    pub now: Metrics,
    /// Access-log records so far.
    pub records: Vec<Value>,
    /// What the mocks reported.
    pub journals: &'e BTreeMap<String, Journal>,
}

/// Judges telemetry.
pub fn judge(judge: &mut Judge<'_>, expect: &TelemetryExpect, evidence: &Evidence<'_>) {
    judge.below(".telemetry", |judge| {
        for counter in expect.requests.iter().flat_map(|list| &list.0) {
            requests(judge, counter, evidence);
        }
        for wanted in expect.tokens.iter().flat_map(|list| &list.0) {
            tokens(judge, wanted, evidence);
        }
        log(judge, expect, &evidence.records);
    });
}

impl Evidence<'_> {
    fn delta(&self, name: &str, wanted: impl Fn(&Sample) -> bool) -> f64 {
        self.now.sum(name, &wanted) - self.before.sum(name, &wanted)
    }

    fn reported(&self, provider: Option<&str>, kind: &str) -> u64 {
        let journals = self.journals.iter().filter(|(name, _)| provider.is_none_or(|provider| provider == *name));
        let usages = journals.flat_map(|(_, journal)| &journal.requests).filter_map(|request| request.usage);
        usages.map(|usage| if kind == "input" { usage.prompt_tokens } else { usage.completion_tokens }).sum()
    }
}

fn requests(judge: &mut Judge<'_>, expect: &CounterExpect, evidence: &Evidence<'_>) {
    let status = expect.status.map(|status| status.to_string());
    let delta = evidence.delta(REQUESTS, |sample| {
        status.as_deref().is_none_or(|status| sample.label("status") == Some(status))
            && expect.route.as_deref().is_none_or(|route| sample.names("route", route))
            && expect.backend.as_deref().is_none_or(|backend| sample.names("backend", backend))
    });
    judge.check(".requests.delta", &expect.delta, &Seen::one(whole(delta)));
}

fn tokens(judge: &mut Judge<'_>, expect: &TokensExpect, evidence: &Evidence<'_>) {
    let kinds: [(&str, &Option<DeltaExpect>); 2] = [("input", &expect.input), ("output", &expect.output)];
    for (kind, wanted) in kinds {
        let Some(DeltaExpect { delta: wanted }) = wanted else { continue };
        for metric in TOKENS {
            let delta = evidence.delta(metric, |sample| {
                sample.label(TOKEN_TYPE) == Some(kind)
                    && expect
                        .backend
                        .as_deref()
                        .is_none_or(|name| !has(sample, "backend") || sample.names("backend", name))
                    && expect.model.as_deref().is_none_or(|model| MODELS.iter().any(|l| sample.label(l) == Some(model)))
            });
            let seen = Seen::one(whole(delta));
            let part = format!(".tokens.{kind}.delta ({metric})");
            match wanted.value.word() {
                Some("reported") => {
                    let provider = expect.provider.as_ref().map(|provider| provider.value.as_str());
                    let reported = evidence.reported(provider, kind);
                    if !Matcher::equals(reported).holds(&seen) {
                        judge.fail(&part, wanted, format!("{reported}, as reported"), seen.describe());
                    }
                }
                _ => judge.check(&part, wanted, &seen),
            }
        }
    }
}

/// The histogram has no backend label.
fn has(sample: &Sample, label: &str) -> bool {
    sample.label(label).is_some()
}

fn whole(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if value.fract() == 0.0 && value.abs() < 9e15 { Value::from(value as i64) } else { Value::from(value) }
}

fn log(judge: &mut Judge<'_>, expect: &TelemetryExpect, records: &[Value]) {
    judge.maybe(".log_count", expect.log_count.as_ref(), || Seen::one(records.len()));
    for (index, record) in records.iter().enumerate() {
        judge.below(&format!(".log_every (record {index})"), |judge| fields(judge, &expect.log_every, record));
    }
    let mut free: Vec<&Value> = records.iter().collect();
    for (index, wanted) in expect.log.iter().enumerate() {
        let fits = |record: &&Value| mismatches(judge, &wanted.value, record).is_empty();
        match free.iter().position(fits) {
            Some(found) => drop(free.remove(found)),
            None => closest(judge, index, wanted, &free),
        }
    }
}

/// Names the fields in which the closest record differs.
fn closest(judge: &mut Judge<'_>, index: usize, wanted: &At<BTreeMap<String, At<Matcher>>>, free: &[&Value]) {
    let part = format!(".log[{index}]");
    let best = free.iter().min_by_key(|record| mismatches(judge, &wanted.value, record).len());
    match best {
        Some(record) => judge.below(&part, |judge| fields(judge, &wanted.value, record)),
        None => judge.fail(&part, wanted, "a log record", "no record is left"),
    }
}

fn mismatches(judge: &Judge<'_>, wanted: &BTreeMap<String, At<Matcher>>, record: &Value) -> Vec<super::Failure> {
    let mut inner = Judge::new(judge.vars(), "");
    fields(&mut inner, wanted, record);
    inner.failures
}

fn fields(judge: &mut Judge<'_>, wanted: &BTreeMap<String, At<Matcher>>, record: &Value) {
    for (name, matcher) in wanted {
        judge.check(&format!("[{name}]"), matcher, &Seen::maybe(field(record, name).cloned()));
    }
}
