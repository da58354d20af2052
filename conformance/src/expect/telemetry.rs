//! What telemetry shows: counters as differences, and access-log records.

use std::collections::BTreeMap;

use mock_providers::Journal;
use serde_json::Value;

use super::Judge;
use crate::matcher::{Matcher, Seen};
use crate::scenario::At;
use crate::scenario::expect::{CounterExpect, DeltaExpect, HistogramExpect, TelemetryExpect, TokensExpect};
use crate::target::Telemetry;
use crate::telemetry::{Metrics, Sample, field};

/// Everything telemetry says at one moment.
#[derive(Debug)]
pub struct Evidence<'e> {
    /// Metrics before the first step.
    pub before: &'e Metrics,
    /// Metrics now.
    pub now: Metrics,
    /// Access-log records so far.
    pub records: Vec<Value>,
    /// Spans so far.
    pub spans: Vec<Value>,
    /// What the mocks reported.
    pub journals: &'e BTreeMap<String, Journal>,
    /// What things are called.
    pub telemetry: &'e Telemetry,
    /// Exchanges that reached the target.
    pub reached: usize,
}

/// Judges telemetry.
pub fn judge(judge: &mut Judge<'_>, expect: &TelemetryExpect, evidence: &Evidence<'_>) {
    judge.below(".telemetry", |judge| {
        if let Some(place) = expect.on_metrics().filter(|_| evidence.now.samples.is_empty()) {
            judge.fail("", &place, "metrics", "there are none");
        }
        for counter in expect.requests.iter().flat_map(|list| &list.0) {
            requests(judge, counter, evidence);
        }
        for wanted in expect.tokens.iter().flat_map(|list| &list.0) {
            tokens(judge, wanted, evidence);
        }
        series(judge, expect, evidence);
        log(judge, expect, &evidence.records);
        spans(judge, expect, &evidence.spans);
    });
}

impl Evidence<'_> {
    fn delta(&self, name: &str, wanted: impl Fn(&Sample) -> bool) -> f64 {
        self.now.sum(name, &wanted) - self.before.sum(name, &wanted)
    }

    /// Whether a token series is about these tokens; some series have no backend label.
    fn counts(&self, sample: &Sample, kind: &str, expect: &TokensExpect) -> bool {
        let labels = &self.telemetry.labels;
        let kind = if kind == "input" { &labels.input } else { &labels.output };
        let backend = |name| sample.label(&labels.backend).is_none() || sample.names(&labels.backend, name);
        let model = |model| labels.models.iter().any(|label| sample.label(label) == Some(model));
        sample.label(&labels.token_type) == Some(kind)
            && expect.backend.as_deref().is_none_or(backend)
            && expect.model.as_deref().is_none_or(model)
    }

    fn reported(&self, provider: Option<&str>, kind: &str) -> u64 {
        let journals = self.journals.iter().filter(|(name, _)| provider.is_none_or(|provider| provider == *name));
        let usages = journals.flat_map(|(_, journal)| &journal.requests).filter_map(|request| request.usage);
        usages.map(|usage| if kind == "input" { usage.prompt_tokens } else { usage.completion_tokens }).sum()
    }
}

fn requests(judge: &mut Judge<'_>, expect: &CounterExpect, evidence: &Evidence<'_>) {
    let status = expect.status.map(|status| status.to_string());
    let (names, labels) = (&evidence.telemetry.names, &evidence.telemetry.labels);
    let delta = evidence.delta(&names.requests, |sample| {
        status.as_deref().is_none_or(|status| sample.label(&labels.status) == Some(status))
            && expect.reason.as_deref().is_none_or(|reason| sample.label("reason") == Some(reason))
            && expect.route.as_deref().is_none_or(|route| sample.names(&labels.route, route))
            && expect.backend.as_deref().is_none_or(|backend| sample.names(&labels.backend, backend))
    });
    judge.check(".requests.delta", &expect.delta, &Seen::one(whole(delta)));
}

fn tokens(judge: &mut Judge<'_>, expect: &TokensExpect, evidence: &Evidence<'_>) {
    let kinds: [(&str, &Option<DeltaExpect>); 2] = [("input", &expect.input), ("output", &expect.output)];
    for (kind, wanted) in kinds {
        let Some(DeltaExpect { delta: wanted }) = wanted else { continue };
        for metric in &evidence.telemetry.names.tokens {
            let delta = evidence.delta(metric, |sample| evidence.counts(sample, kind, expect));
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

/// The metrics as a whole, and what is measured in times.
fn series(judge: &mut Judge<'_>, expect: &TelemetryExpect, evidence: &Evidence<'_>) {
    let (names, labels) = (&evidence.telemetry.names, &evidence.telemetry.labels);
    if let Some(wanted) = expect.exposition.as_ref() {
        let actual = evidence.now.flaws.join("; ");
        if wanted.value != (actual.is_empty() && !evidence.now.samples.is_empty()) {
            let actual = if evidence.now.samples.is_empty() { "no metrics".to_owned() } else { actual };
            judge.fail(".exposition", wanted, "well-formed Prometheus text", actual);
        }
    }
    if let Some(series) = &expect.series {
        let new = evidence.now.series().difference(&evidence.before.series()).count();
        judge.check(".series.growth", &series.growth, &Seen::one(new));
    }
    for (label, matcher) in &expect.labels {
        if !evidence.now.has(&names.requests, |_| true) {
            judge.fail(&format!(".labels[{label}]"), matcher, "series of the request counter", "there is none");
        }
        let native = if label == "status" { labels.status.as_str() } else { label };
        for sample in evidence.now.samples.iter().filter(|sample| sample.name == names.requests) {
            judge.check(&format!(".labels[{label}]"), matcher, &Seen::one(sample.label(native).unwrap_or_default()));
        }
    }
    if let Some(wanted) = &expect.conserved {
        let counted = evidence.delta(&names.requests, |_| true);
        let reached = Matcher::equals(evidence.reached);
        if wanted.value != (reached.holds(&Seen::one(whole(counted))) && evidence.reached > 0) {
            let expected = format!("{} requests, as many as reached the target", evidence.reached);
            judge.fail(".conserved", wanted, expected, whole(counted).to_string());
        }
    }
    if let Some(DeltaExpect { delta }) = &expect.cached_tokens {
        let cached = |sample: &Sample| sample.label(&labels.token_type) == Some(labels.cached.as_str());
        for metric in names.tokens.iter().filter(|metric| evidence.now.has(metric, cached)) {
            let part = format!(".cached_tokens.delta ({metric})");
            judge.check(&part, delta, &Seen::one(whole(evidence.delta(metric, cached))));
        }
        if !names.tokens.iter().any(|metric| evidence.now.has(metric, cached)) {
            judge.check(".cached_tokens.delta", delta, &Seen::one(0));
        }
    }
    if let Some(DeltaExpect { delta }) = &expect.cost {
        judge.check(".cost.delta", delta, &Seen::one(evidence.delta(&names.cost, |_| true)));
    }
    let histograms = [
        (".ttft", &expect.ttft, &names.ttft),
        (".time_per_output_token", &expect.time_per_output_token, &names.time_per_output_token),
    ];
    for (part, wanted, name) in histograms {
        if let Some(wanted) = wanted {
            histogram(judge, part, wanted, name, evidence);
        }
    }
}

/// New samples of a histogram of seconds, and their mean in milliseconds.
fn histogram(judge: &mut Judge<'_>, part: &str, expect: &HistogramExpect, name: &str, evidence: &Evidence<'_>) {
    let count = evidence.delta(&format!("{name}_count"), |_| true);
    let sum = evidence.delta(&format!("{name}_sum"), |_| true);
    judge.maybe(&format!("{part}.count"), expect.count.as_ref(), || Seen::one(whole(count)));
    let known = judge.failures.len();
    judge
        .maybe(&format!("{part}.mean"), expect.mean.as_ref(), || Seen::maybe((count > 0.0).then(|| sum / count * 1e3)));
    // A time that was measured on a noisy host may be the host's.
    judge.failures[known..].iter_mut().filter(|_| count > 0.0).for_each(|failure| failure.late = true);
}

fn whole(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if value.fract() == 0.0 && value.abs() < 9e15 { Value::from(value as i64) } else { Value::from(value) }
}

fn log(judge: &mut Judge<'_>, expect: &TelemetryExpect, records: &[Value]) {
    judge.maybe(".log_count", expect.log_count.as_ref(), || Seen::one(records.len()));
    if let Some((field, matcher)) = expect.log_every.first_key_value().filter(|_| records.is_empty()) {
        judge.fail(&format!(".log_every[{field}]"), matcher, "log records", "there is none");
    }
    for (index, record) in records.iter().enumerate() {
        judge.below(&format!(".log_every (record {index})"), |judge| fields(judge, &expect.log_every, record));
    }
    let mut free: Vec<&Value> = records.iter().collect();
    for (index, wanted) in expect.log.iter().enumerate() {
        let fits = |record: &&Value| mismatches(judge, &wanted.value, record).is_empty();
        match free.iter().position(fits) {
            Some(found) => drop(free.remove(found)),
            None => closest(judge, &format!(".log[{index}]"), wanted, &free),
        }
    }
}

/// What collectors were sent.
fn spans(judge: &mut Judge<'_>, expect: &TelemetryExpect, spans: &[Value]) {
    for (kind, matcher) in &expect.span_count {
        let count = spans.iter().filter(|span| span["span.kind"] == **kind).count();
        judge.check(&format!(".span_count[{kind}]"), matcher, &Seen::one(count));
    }
    let all: Vec<&Value> = spans.iter().collect();
    for (index, wanted) in expect.spans.iter().enumerate() {
        if !spans.iter().any(|span| mismatches(judge, &wanted.value, span).is_empty()) {
            closest(judge, &format!(".spans[{index}]"), wanted, &all);
        }
    }
}

/// Names the fields in which the closest record differs.
fn closest(judge: &mut Judge<'_>, part: &str, wanted: &At<BTreeMap<String, At<Matcher>>>, free: &[&Value]) {
    let best = free.iter().min_by_key(|record| mismatches(judge, &wanted.value, record).len());
    match best {
        Some(record) => judge.below(part, |judge| fields(judge, &wanted.value, record)),
        None => judge.fail(part, wanted, "a record", "no record is left"),
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
