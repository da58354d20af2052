//! What saboteurs do to metrics and logs, after the gateway has written them and before anyone judges them.

use serde_json::Value;

use crate::saboteur::Saboteur;
use crate::target::Telemetry;
use crate::telemetry::{Metrics, Sample};

/// What a request without usage is said to have used.
const INVENTED: f64 = 7.0;
/// The record's field for what an exchange cost.
const COST: &str = "agw.ai.usage.cost.total";
/// Where tokens go that are not counted where they belong.
const ELSEWHERE: &str = "elsewhere";

/// Changes samples; what they are called is the target's.
pub(crate) fn metrics(saboteur: Saboteur, telemetry: &Telemetry, metrics: &mut Metrics) {
    let tells = Names(telemetry);
    let is_failure = |sample: &Sample| tells.is_failure(sample);
    let is_request = |sample: &Sample| tells.is_request(sample);
    let change = |metrics: &mut Metrics, which: &dyn Fn(&Sample) -> bool, change: &dyn Fn(&mut Sample)| {
        metrics.samples.iter_mut().filter(|sample| which(sample)).for_each(change);
    };
    let is_tokens = |sample: &Sample| tells.is_tokens(sample);
    match saboteur {
        Saboteur::TokensDoubled => change(metrics, &is_tokens, &|sample| sample.value *= 2.0),
        Saboteur::TokensLost => metrics.samples.retain(|sample| !is_tokens(sample)),
        Saboteur::TokensSwapped => change(metrics, &is_tokens, &|sample| tells.swap(sample)),
        Saboteur::TokensMisplaced => change(metrics, &is_tokens, &|sample| tells.misplace(sample)),
        Saboteur::CachedTokensAdded => tells.add_cached(&mut metrics.samples),
        Saboteur::TokensInvented => tells.invent_tokens(metrics),
        Saboteur::RequestsUncounted => metrics.samples.retain(|sample| !is_request(sample)),
        Saboteur::RequestsDoubled => change(metrics, &is_request, &|sample| sample.value *= 2.0),
        Saboteur::FailuresUncounted => metrics.samples.retain(|sample| !is_failure(sample)),
        Saboteur::FailuresCountedAsSuccess => change(metrics, &is_failure, &|sample| {
            set(sample, &telemetry.labels.status, "200");
            set(sample, REASON, SUCCESS);
        }),
        Saboteur::StatusLabelLost => change(metrics, &is_failure, &|sample| set(sample, &telemetry.labels.status, "")),
        Saboteur::SeriesPerRequest => tells.open_series(&mut metrics.samples),
        Saboteur::TpotDoubled => {
            let sum = format!("{}_sum", telemetry.names.time_per_output_token);
            change(metrics, &|sample: &Sample| sample.name == sum, &|sample| sample.value *= 2.0);
        }
        Saboteur::CostDoubled => {
            change(metrics, &|sample| sample.name == telemetry.names.cost, &|sample| sample.value *= 2.0)
        }
        Saboteur::TtftLost => metrics.samples.retain(|sample| !sample.name.starts_with(&telemetry.names.ttft)),
        Saboteur::TtftForEverything => {
            let (name, requests) = (format!("{}_count", telemetry.names.ttft), tells.requests(metrics, |_| true));
            let value = (requests - metrics.sum(&name, |_| true)).max(0.0);
            metrics.samples.push(Sample { name, labels: Vec::new(), value });
        }
        _ => {}
    }
}

/// Changes the metrics text.
pub(crate) fn text(saboteur: Saboteur, text: String, secret: &str) -> String {
    match saboteur {
        Saboteur::ExpositionBroken => {
            let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("# TYPE")).collect();
            let repeated = lines.iter().rfind(|line| !line.starts_with('#')).map(|line| zeroed(line));
            lines.extend(repeated.as_deref());
            lines.join("\n") + "\n"
        }
        Saboteur::SecretInMetrics => format!("{text}agentgateway_provider_info{{key=\"{secret}\"}} 1\n"),
        _ => text,
    }
}

/// Changes access-log records.
pub(crate) fn records(saboteur: Saboteur, records: &mut Vec<Value>) {
    match saboteur {
        Saboteur::LogLost => records.clear(),
        Saboteur::LogDoubled => *records = records.iter().flat_map(|record| [record.clone(), record.clone()]).collect(),
        Saboteur::LogAlwaysComplete => {
            for record in records {
                record["end"] = Value::from("complete");
                record["http.status"] = Value::from(200);
                record.as_object_mut().map(|record| record.shift_remove("error"));
            }
        }
        Saboteur::LogModelLost => keep_fields(records, |name| !name.ends_with(".model")),
        Saboteur::CostLost => keep_fields(records, |name| name != COST),
        Saboteur::CostZeroWhenUnknown => {
            for record in records.iter_mut().filter(|record| record.get(COST).is_none()) {
                record[COST] = Value::from("0");
            }
        }
        Saboteur::TraceIdLost => keep_fields(records, |name| name != "trace.id" && name != "span.id"),
        _ => {}
    }
}

/// Changes spans.
pub(crate) fn spans(saboteur: Saboteur, spans: &mut Vec<Value>, secret: &str, prompts: impl FnOnce() -> Vec<String>) {
    let lose = |spans: &mut [Value], lost: &dyn Fn(&str) -> bool| {
        let all = spans.iter_mut().filter_map(Value::as_object_mut);
        all.for_each(|span| span.retain(|name, _| !lost(name)));
    };
    match saboteur {
        Saboteur::SpansLost => spans.clear(),
        Saboteur::SpansDoubled => spans.extend_from_within(..),
        Saboteur::SpanParentLost => lose(spans, &|name| name.starts_with("parent.")),
        Saboteur::SpanTokensLost => lose(spans, &|name| name.contains(".usage.") || name.contains("token")),
        Saboteur::SpanErrorLost => lose(spans, &|name| name == "error.type" || name.starts_with("span.status")),
        Saboteur::SecretInSpan => spans.iter_mut().for_each(|span| span["provider.key"] = secret.into()),
        Saboteur::PromptInSpan => {
            let prompts = Value::from(prompts().concat());
            spans.iter_mut().for_each(|span| span["gen_ai.input.messages"] = prompts.clone());
        }
        _ => {}
    }
}

/// What is written into every log line; `prompts` are the bodies that clients sent.
pub(crate) fn logged(saboteur: Saboteur, secret: &str, prompts: impl FnOnce() -> Vec<String>) -> Option<String> {
    match saboteur {
        Saboteur::SecretInLog => Some(secret.to_owned()),
        Saboteur::PromptInLog => Some(prompts().concat()),
        _ => None,
    }
}

/// The label that says why a request ended as it did, and its value when the answer was the provider's.
const REASON: &str = "reason";
const SUCCESS: &str = "Upstream";

/// What a target's samples are about.
struct Names<'t>(&'t Telemetry);

impl Names<'_> {
    fn is_request(&self, sample: &Sample) -> bool {
        sample.name == self.0.names.requests
    }

    /// Token counters, and all parts of those that are histograms.
    fn is_tokens(&self, sample: &Sample) -> bool {
        let family = |name: &String| sample.name.starts_with(name.strip_suffix("_sum").unwrap_or(name));
        self.0.names.tokens.iter().any(family)
    }

    /// A request that did not end in a whole 2xx answer of a provider.
    fn is_failure(&self, sample: &Sample) -> bool {
        let status = sample.label(&self.0.labels.status).unwrap_or_default();
        let whole = sample.label(REASON).is_none_or(|reason| reason == SUCCESS);
        self.is_request(sample) && !(status.starts_with('2') && whole)
    }

    fn requests(&self, metrics: &Metrics, wanted: impl Fn(&Sample) -> bool) -> f64 {
        metrics.sum(&self.0.names.requests, wanted)
    }

    fn swap(&self, sample: &mut Sample) {
        let labels = &self.0.labels;
        let other = match sample.label(&labels.token_type) {
            Some(kind) if kind == labels.input => &labels.output,
            Some(kind) if kind == labels.output => &labels.input,
            _ => return,
        };
        set(sample, &labels.token_type, other);
    }

    fn misplace(&self, sample: &mut Sample) {
        let labels = &self.0.labels;
        for label in labels.models.iter().chain([&labels.backend]) {
            set(sample, label, ELSEWHERE);
        }
    }

    fn add_cached(&self, samples: &mut [Sample]) {
        let (names, labels) = (&self.0.names, &self.0.labels);
        let is = |sample: &Sample, kind: &str| sample.label(&labels.token_type) == Some(kind);
        let cached = |name: &String| -> f64 {
            let cached = samples.iter().filter(|sample| sample.name == *name && is(sample, &labels.cached));
            cached.map(|sample| sample.value).sum()
        };
        let cached = names.tokens.iter().map(cached).fold(0.0, f64::max);
        for name in &names.tokens {
            if let Some(input) = samples.iter_mut().find(|sample| sample.name == *name && is(sample, &labels.input)) {
                input.value += cached;
            }
        }
    }

    fn invent_tokens(&self, metrics: &mut Metrics) {
        let (names, labels) = (&self.0.names, &self.0.labels);
        let counts: Vec<String> =
            names.tokens.iter().filter_map(|name| Some(format!("{}_count", name.strip_suffix("_sum")?))).collect();
        let answered = self.requests(metrics, |sample| !self.is_failure(sample));
        let is_input = |sample: &Sample| sample.label(&labels.token_type) == Some(&labels.input);
        let counted: f64 = counts.iter().map(|name| metrics.sum(name, is_input)).sum();
        let value = (answered - counted).max(0.0) * INVENTED;
        for name in &names.tokens {
            for kind in [&labels.input, &labels.output] {
                let labels = vec![(labels.token_type.clone(), kind.clone())];
                metrics.samples.push(Sample { name: name.clone(), labels, value });
            }
        }
    }

    /// A counter of n becomes n counters of one.
    fn open_series(&self, samples: &mut Vec<Sample>) {
        let (counters, mut rest): (Vec<Sample>, Vec<Sample>) =
            samples.drain(..).partition(|sample| self.is_request(sample));
        for counter in counters {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
            let requests = counter.value as usize;
            for request in 0..requests {
                let mut one = Sample { value: 1.0, ..counter.clone() };
                one.labels.push(("request".to_owned(), request.to_string()));
                rest.push(one);
            }
        }
        *samples = rest;
    }
}

fn set(sample: &mut Sample, label: &str, value: &str) {
    for (_, known) in sample.labels.iter_mut().filter(|(name, _)| name == label) {
        value.clone_into(known);
    }
}

fn keep_fields(records: &mut [Value], keep: impl Fn(&str) -> bool) {
    for record in records.iter_mut().filter_map(Value::as_object_mut) {
        record.retain(|name, _| keep(name));
    }
}

/// The same series, with nothing in it.
fn zeroed(line: &str) -> String {
    line.rsplit_once(' ').map_or_else(|| line.to_owned(), |(series, _)| format!("{series} 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE agentgateway_requests_total counter\n\
        agentgateway_requests_total{status=\"200\",reason=\"Upstream\",protocol=\"llm\"} 3\n\
        agentgateway_requests_total{status=\"503\",reason=\"Upstream\",protocol=\"llm\"} 1\n\
        agentgateway_tokens_total{gen_ai_token_type=\"input\",backend=\"a\"} 11\n\
        agentgateway_gen_ai_client_token_usage_sum{gen_ai_token_type=\"input\"} 11\n\
        agentgateway_gen_ai_client_token_usage_sum{gen_ai_token_type=\"input_cache_read\"} 4\n\
        agentgateway_gen_ai_client_token_usage_count{gen_ai_token_type=\"input\"} 2\n";

    fn spoilt(saboteur: Saboteur) -> Metrics {
        let mut read = Metrics::parse(TEXT);
        metrics(saboteur, &Telemetry::default(), &mut read);
        read
    }

    fn requests(saboteur: Saboteur, status: &str) -> f64 {
        spoilt(saboteur).sum("agentgateway_requests_total", |sample| sample.label("status") == Some(status))
    }

    #[test]
    fn requests_are_miscounted_as_said() {
        assert_eq!(requests(Saboteur::RequestsDoubled, "200"), 6.0);
        assert_eq!(requests(Saboteur::FailuresUncounted, "503"), 0.0);
        assert_eq!(requests(Saboteur::FailuresUncounted, "200"), 3.0);
        assert_eq!(requests(Saboteur::FailuresCountedAsSuccess, "200"), 4.0);
        assert_eq!(requests(Saboteur::StatusLabelLost, ""), 1.0);
        assert_eq!(requests(Saboteur::SeriesPerRequest, "200"), 3.0);
        assert_eq!(spoilt(Saboteur::SeriesPerRequest).samples.len(), Metrics::parse(TEXT).samples.len() + 2);
    }

    #[test]
    fn tokens_are_miscounted_as_said() {
        let is_input = |sample: &Sample| sample.label("gen_ai_token_type") == Some("input");
        for name in Telemetry::default().names.tokens {
            let input = |saboteur| spoilt(saboteur).sum(&name, is_input);
            assert_eq!(input(Saboteur::CachedTokensAdded), 15.0);
            assert_eq!(input(Saboteur::TokensInvented), 11.0 + INVENTED);
            assert_eq!(input(Saboteur::TokensSwapped), 0.0);
            assert_eq!(input(Saboteur::TokensDoubled), 22.0);
        }
        let misplaced = spoilt(Saboteur::TokensMisplaced);
        assert_eq!(misplaced.sum("agentgateway_tokens_total", |sample| sample.names("backend", "a")), 0.0);
    }

    #[test]
    fn the_broken_text_repeats_a_series_and_changes_no_sum() {
        let broken = text(Saboteur::ExpositionBroken, TEXT.to_owned(), "");
        assert!(!broken.contains("# TYPE") && broken.lines().count() == TEXT.lines().count());
        let broken = Metrics::parse(&broken);
        assert_eq!(broken.sum("agentgateway_requests_total", |_| true), 4.0);
        assert!(!broken.flaws.is_empty());
    }
}
