//! Counters and histograms of finished exchanges, and their Prometheus text exposition.
//! Names, labels and buckets are agentgateway's, plus `agentgateway_tokens_total`. Series are bounded:
//! a model has series of its own when it is configured or a provider has answered with it, and beyond the first
//! [`MAX_MODELS`] it counts as `unknown`.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use crate::record::{End, Record};

/// Distinct model names that get series of their own.
const MAX_MODELS: usize = 200;

const DURATION_BUCKETS: [f64; 14] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 80.0];
const TOKEN_BUCKETS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
const SERVER_BUCKETS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKEN_BUCKETS: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const OUTPUT_TOKEN_BUCKETS: [f64; 14] =
    [0.001, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];

type Counter = BTreeMap<String, u64>;

#[derive(Debug)]
struct Histogram {
    buckets: &'static [f64],
    series: BTreeMap<String, Series>,
}

#[derive(Debug)]
struct Series {
    counts: Vec<u64>,
    sum: f64,
    count: u64,
}

impl Histogram {
    const fn new(buckets: &'static [f64]) -> Self {
        Self { buckets, series: BTreeMap::new() }
    }

    fn observe(&mut self, labels: String, value: f64) {
        let buckets = self.buckets;
        let empty = || Series { counts: vec![0; buckets.len()], sum: 0.0, count: 0 };
        let series = self.series.entry(labels).or_insert_with(empty);
        series.sum += value;
        series.count += 1;
        if let Some(at) = buckets.iter().position(|bound| value <= *bound) {
            series.counts[at] += 1;
        }
    }

    fn write(&self, out: &mut String, name: &str, help: &str) {
        let _infallible = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (labels, series) in &self.series {
            let mut below = 0;
            for (bound, count) in self.buckets.iter().zip(&series.counts) {
                below += count;
                let _infallible = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
            }
            let (count, sum) = (series.count, series.sum);
            let _infallible = writeln!(
                out,
                "{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}"
            );
        }
    }
}

/// All families of one gateway.
#[derive(Debug)]
pub struct Metrics {
    requests: Counter,
    tokens: Counter,
    retries: Counter,
    response_bytes: Counter,
    duration: Histogram,
    token_usage: Histogram,
    server_duration: Histogram,
    first_token: Histogram,
    output_token: Histogram,
    models: HashSet<Box<str>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Counter::new(),
            tokens: Counter::new(),
            retries: Counter::new(),
            response_bytes: Counter::new(),
            duration: Histogram::new(&DURATION_BUCKETS),
            token_usage: Histogram::new(&TOKEN_BUCKETS),
            server_duration: Histogram::new(&SERVER_BUCKETS),
            first_token: Histogram::new(&FIRST_TOKEN_BUCKETS),
            output_token: Histogram::new(&OUTPUT_TOKEN_BUCKETS),
            models: HashSet::new(),
        }
    }
}

impl Metrics {
    /// Counts one finished exchange.
    pub fn count(&mut self, record: &Record) {
        let route = route_labels(record);
        let protocol = if record.operation.is_some() { "llm" } else { "http" };
        let (method, status) = (method_label(&record.method), record.status);
        let reason = match (record.reason, record.end) {
            (Some(reason), _) => reason.name(),
            (None, End::ClientClosed) => "ClientClosed",
            (None, _) => "Upstream",
        };
        let backend = label(record.backend.as_deref());
        let http = format!(
            "backend=\"{backend}\",protocol=\"{protocol}\",method=\"{method}\",status=\"{status}\",reason=\"{reason}\",{route}"
        );
        *self.requests.entry(http.clone()).or_default() += 1;
        *self.response_bytes.entry(http.clone()).or_default() += record.response_bytes;
        let retries = record.attempts.len().saturating_sub(1) as u64;
        if retries > 0 {
            *self.retries.entry(http.clone()).or_default() += retries;
        }
        let seconds = record.duration.as_secs_f64();
        self.duration.observe(http, seconds);
        let answered = record.attempts.iter().any(|attempt| attempt.status.is_some());
        if let (Some(operation), true) = (record.operation, answered) {
            self.count_gen_ai(record, operation, &route, seconds);
        }
    }

    fn count_gen_ai(&mut self, record: &Record, operation: &str, route: &str, seconds: f64) {
        let good = (200..300).contains(&record.status);
        let requested = self.model(record.sent_model(), good || record.upstream_model.is_some());
        let answered = self.model(record.response_model.as_deref(), good);
        let system = label(record.system);
        let gen_ai = format!(
            "gen_ai_operation_name=\"{operation}\",gen_ai_system=\"{system}\",gen_ai_request_model=\"{requested}\",gen_ai_response_model=\"{answered}\",{route}"
        );
        if let Some(usage) = record.usage {
            let backend = label(record.backend.as_deref());
            let provider = label(record.attempts.last().map(|attempt| &*attempt.provider));
            for (kind, tokens) in [("input", usage.input), ("output", usage.output)] {
                let labels = format!("gen_ai_token_type=\"{kind}\",{gen_ai}");
                let with_provider = format!("{labels},backend=\"{backend}\",provider=\"{provider}\"");
                *self.tokens.entry(with_provider).or_default() += tokens;
                self.token_usage.observe(labels, tokens as f64);
            }
            if usage.cached > 0 {
                let labels = format!("gen_ai_token_type=\"input_cache_read\",{gen_ai}");
                self.token_usage.observe(labels, usage.cached as f64);
            }
        }
        if let Some(first) = record.first_token {
            let after_first = record.usage.map_or(0, |usage| usage.output.saturating_sub(1));
            if after_first > 0 {
                let rest = (seconds - first.as_secs_f64()).max(0.0);
                self.output_token.observe(gen_ai.clone(), rest / after_first as f64);
            }
            self.first_token.observe(gen_ai.clone(), first.as_secs_f64());
        }
        self.server_duration.observe(gen_ai, seconds);
    }

    /// A model's label value; names that nobody vouches for, or that come too late, are `unknown`.
    fn model(&mut self, name: Option<&str>, vouched_for: bool) -> String {
        let Some(name) = name.filter(|name| !name.is_empty() && name.len() <= 128) else { return "unknown".into() };
        if !self.models.contains(name) {
            if !vouched_for || self.models.len() >= MAX_MODELS {
                return "unknown".into();
            }
            self.models.insert(name.into());
        }
        label(Some(name))
    }

    /// The Prometheus text exposition, the families that people look for first on top.
    #[must_use]
    pub fn text(&self, log_drops: u64) -> String {
        let mut out = String::with_capacity(16 * 1024);
        counter(&mut out, "agentgateway_requests_total", "Finished requests.", &self.requests);
        counter(&mut out, "agentgateway_tokens_total", "Tokens as reported by the providers.", &self.tokens);
        counter(&mut out, "agentgateway_retries_total", "Upstream requests after the first.", &self.retries);
        let help = "Bytes of response bodies sent to clients.";
        counter(&mut out, "agentgateway_response_bytes_total", help, &self.response_bytes);
        let drops = "agentgateway_access_log_dropped_total";
        let _infallible =
            writeln!(out, "# HELP {drops} Records lost to a full queue.\n# TYPE {drops} counter\n{drops} {log_drops}");
        let help = "From the request's start to its end.";
        self.duration.write(&mut out, "agentgateway_request_duration_seconds", help);
        let help = "Tokens per request.";
        self.token_usage.write(&mut out, "agentgateway_gen_ai_client_token_usage", help);
        let help = "Seconds of LLM requests.";
        self.server_duration.write(&mut out, "agentgateway_gen_ai_server_request_duration", help);
        let help = "Seconds to the first event of a stream.";
        self.first_token.write(&mut out, "agentgateway_gen_ai_server_time_to_first_token", help);
        let help = "Seconds per output token of a stream.";
        self.output_token.write(&mut out, "agentgateway_gen_ai_server_time_per_output_token", help);
        out
    }
}

fn counter(out: &mut String, name: &str, help: &str, counter: &Counter) {
    let _infallible = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
    for (labels, value) in counter {
        let _infallible = writeln!(out, "{name}{{{labels}}} {value}");
    }
}

fn route_labels(record: &Record) -> String {
    let port = record.port;
    let gateway = label(record.gateway.as_deref());
    let bind = if record.gateway.is_some() { format!("{port}/{gateway}") } else { format!("{port}/unknown") };
    let (listener, route) = (label(record.listener.as_deref()), label(record.route.as_deref()));
    let rule = label(record.rule.as_deref());
    format!("bind=\"{bind}\",gateway=\"{gateway}\",listener=\"{listener}\",route=\"{route}\",route_rule=\"{rule}\"")
}

fn method_label(method: &http::Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH" | "CONNECT" | "TRACE") => known,
        _ => "unknown",
    }
}

fn label(value: Option<&str>) -> String {
    match value {
        None => "unknown".into(),
        Some(text) => {
            let shown = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            shown.replace(char::is_control, "\u{fffd}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_model_names_do_not_mint_series_for_ever() {
        let mut metrics = Metrics::default();
        assert_eq!(metrics.model(Some("refused"), false), "unknown");
        assert_eq!(metrics.model(Some("served"), true), "served");
        assert_eq!(metrics.model(Some("served"), false), "served");
        let names: HashSet<String> = (0..10_000).map(|n| metrics.model(Some(&format!("junk-{n}")), true)).collect();
        assert_eq!(names.len(), MAX_MODELS);
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(label(Some("a\"b\\c\nd\re")), "a\\\"b\\\\c\\nd\u{fffd}e");
    }
}
