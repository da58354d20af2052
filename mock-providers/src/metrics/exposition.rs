//! The numbers of several providers as Prometheus' text format.
//!
//! Owns the names and their help. Refuses to count.

use std::fmt::Write;

use super::histogram::Histogram;
use super::operation::Operation;
use super::{Labels, Metrics, PLAIN, saturated};

/// The text of all numbers of these providers, by name.
pub(crate) fn expose(providers: &[(&str, Metrics)]) -> String {
    let mut text = String::new();
    requests(&mut text, providers);
    plain(&mut text, providers, "mock_in_flight", "gauge", "Exchanges that have not ended.", |m| m.in_flight());
    histogram(&mut text, providers, "mock_head_seconds", "From the whole request to the written head.", |m| &m.head);
    let help = "The same without the silence that the script asks for: the mock's own overhead.";
    histogram(&mut text, providers, "mock_own_head_seconds", help, |m| &m.own);
    let help = "How long after its time an event had its turn.";
    histogram(&mut text, providers, "mock_timer_lateness_seconds", help, |m| &m.lateness);
    plain(&mut text, providers, "mock_writes_total", "counter", "Writes of bytes of bodies.", |m| m.events);
    plain(&mut text, providers, "mock_sent_bytes_total", "counter", "Bytes of bodies.", |m| m.bytes);
    let kinds = ["prompt", "completion", "cached", "reasoning"];
    labelled(&mut text, providers, "mock_tokens_total", "Tokens that were reported as used.", ("kind", &kinds), |m| {
        &m.tokens
    });
    plain(&mut text, providers, "mock_client_aborts_total", "counter", "Exchanges that the caller left.", |m| m.aborts);
    let outcomes = ["rolled", "applied", "not_applicable"];
    let help = "Faults by what became of them.";
    labelled(&mut text, providers, "mock_faults_total", help, ("outcome", &outcomes), |m| &m.faults);
    saturation(&mut text, providers);
    text
}

/// Writing to a `String` cannot fail.
macro_rules! line {
    ($text:expr, $($format:tt)*) => { _ = writeln!($text, $($format)*) };
}

fn header(text: &mut String, name: &str, kind: &str, help: &str) {
    line!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn plain(
    text: &mut String,
    providers: &[(&str, Metrics)],
    name: &str,
    kind: &str,
    help: &str,
    value: impl Fn(&Metrics) -> u64,
) {
    header(text, name, kind, help);
    for (provider, metrics) in providers {
        line!(text, "{name}{{provider=\"{}\"}} {}", escaped(provider), value(metrics));
    }
}

fn labelled<const N: usize>(
    text: &mut String,
    providers: &[(&str, Metrics)],
    name: &str,
    help: &str,
    (label, values): (&str, &[&str; N]),
    counters: impl Fn(&Metrics) -> &[u64; N],
) {
    header(text, name, "counter", help);
    for (provider, metrics) in providers {
        for (value, counter) in values.iter().zip(counters(metrics)) {
            line!(text, "{name}{{provider=\"{}\",{label}=\"{value}\"}} {}", escaped(provider), *counter);
        }
    }
}

fn requests(text: &mut String, providers: &[(&str, Metrics)]) {
    header(text, "mock_requests_total", "counter", "Exchanges that ended, by what answered.");
    for (provider, metrics) in providers {
        for (operation, statuses) in Operation::ALL.iter().zip(&metrics.plain) {
            for (status, counter) in PLAIN.iter().zip(statuses) {
                if *counter > 0 {
                    let (rule, fault) = ("default".into(), String::new());
                    let labels = Labels { operation: *operation, status: Some(*status), rule, fault };
                    request(text, provider, &labels, *counter);
                }
            }
        }
        for (labels, count) in &metrics.scripted {
            request(text, provider, labels, *count);
        }
    }
}

fn request(text: &mut String, provider: &str, labels: &Labels, count: u64) {
    let Labels { operation, status, rule, fault } = labels;
    let (provider, rule, fault) = (escaped(provider), escaped(rule), escaped(fault));
    let (operation, status) = (operation.name(), status.map_or_else(|| "none".to_owned(), |status| status.to_string()));
    let labels = format!(
        "provider=\"{provider}\",operation=\"{operation}\",status=\"{status}\",rule=\"{rule}\",fault=\"{fault}\""
    );
    line!(text, "mock_requests_total{{{labels}}} {count}");
}

fn histogram(
    text: &mut String,
    providers: &[(&str, Metrics)],
    name: &str,
    help: &str,
    of: impl Fn(&Metrics) -> &Histogram,
) {
    header(text, name, "histogram", help);
    for (provider, metrics) in providers {
        let (provider, histogram) = (escaped(provider), of(metrics));
        let mut all = 0;
        for (bound, count) in histogram.cumulative() {
            let bound = if bound.is_infinite() { "+Inf".to_owned() } else { bound.to_string() };
            line!(text, "{name}_bucket{{provider=\"{provider}\",le=\"{bound}\"}} {count}");
            all = count;
        }
        line!(text, "{name}_sum{{provider=\"{provider}\"}} {}", histogram.sum());
        line!(text, "{name}_count{{provider=\"{provider}\"}} {all}");
    }
}

fn saturation(text: &mut String, providers: &[(&str, Metrics)]) {
    let recent = providers.iter().map(|(_, metrics)| metrics.recent());
    let (due, late) = recent.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    let help = "1 while more than one of a hundred timed events comes over 3 ms late: delays are not the script's.";
    header(text, "mock_saturated", "gauge", help);
    line!(text, "mock_saturated {}", u8::from(saturated(due, late)));
}

/// As a label's value.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::journal::{End, RequestRecord, Usage};
    use crate::request::RequestHead;

    #[test]
    fn every_line_is_a_comment_or_a_sample_and_labels_are_escaped() {
        let mut metrics = Metrics::new(Instant::now());
        let ended = RequestRecord {
            head: RequestHead::new("POST", "/v1/embeddings", [("host", "a")].into_iter()),
            rule: "say \"no\"\n".into(),
            status: Some(429),
            body_at: Some(Duration::ZERO),
            head_at: Some(Duration::from_micros(3)),
            usage: Some(Usage { prompt_tokens: 7, ..Usage::default() }),
            end: End::Complete,
            ..RequestRecord::default()
        };
        metrics.began();
        metrics.ended(&ended);
        let text = expose(&[("a", metrics)]);
        let labels = r#"provider="a",operation="embeddings",status="429",rule="say \"no\"\n",fault="""#;
        assert!(text.contains(&format!("mock_requests_total{{{labels}}} 1\n")), "{text}");
        assert!(text.contains("mock_tokens_total{provider=\"a\",kind=\"prompt\"} 7\n"), "{text}");
        assert!(text.contains("mock_head_seconds_bucket{provider=\"a\",le=\"0.000004\"} 1\n"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("mock_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
