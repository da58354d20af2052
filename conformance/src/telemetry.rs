//! What the target says of itself: Prometheus text, access-log records and spans, read into plain values.
//! What things are called is the target's; telemetry saboteurs (`seam::telemetry`) spoil what is read here.

mod dialect;
mod exposition;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::target::Telemetry;

pub use dialect::neutral;

/// One series of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric.
    pub name: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
}

/// One scrape.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// The samples in their order.
    pub samples: Vec<Sample>,
    /// What is wrong with the text.
    pub flaws: Vec<String>,
}

impl Metrics {
    /// Reads the text format; lines that are not samples are passed over.
    pub fn parse(text: &str) -> Metrics {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect();
        let metrics = Metrics { samples, flaws: Vec::new() };
        Metrics { flaws: exposition::flaws(text, &metrics), ..metrics }
    }

    /// Whether there is such a sample.
    pub fn has(&self, name: &str, wanted: impl Fn(&Sample) -> bool) -> bool {
        self.samples.iter().any(|sample| sample.name == name && wanted(sample))
    }

    /// Every series by name and labels.
    pub fn series(&self) -> BTreeSet<String> {
        self.samples.iter().map(|sample| format!("{} {:?}", sample.name, sample.labels)).collect()
    }

    /// The sum over all series of a metric that `wanted` accepts.
    pub fn sum(&self, name: &str, wanted: impl Fn(&Sample) -> bool) -> f64 {
        self.samples.iter().filter(|sample| sample.name == name && wanted(sample)).map(|sample| sample.value).sum()
    }
}

impl Sample {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a label is this object, written with or without its namespace.
    pub fn names(&self, label: &str, object: &str) -> bool {
        self.label(label).is_some_and(|value| value == object || value.rsplit('/').next() == Some(object))
    }
}

fn sample(line: &str) -> Option<Sample> {
    let line = line.trim();
    let (series, rest) = match line.find('{') {
        Some(open) => {
            let close = open + end_of_labels(&line[open..])?;
            ((line[..open].to_owned(), labels(&line[open + 1..close])), &line[close + 1..])
        }
        None => {
            let (name, rest) = line.split_once(' ')?;
            ((name.to_owned(), Vec::new()), rest)
        }
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: series.0, labels: series.1, value })
}

/// The closing brace, quoted text passed over.
fn end_of_labels(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

fn labels(text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = after.char_indices();
        let mut end = after.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => value.extend(chars.next().map(|(_, c)| if c == 'n' { '\n' } else { c })),
                '"' => {
                    end = at + 1;
                    break;
                }
                c => value.push(c),
            }
        }
        labels.push((name.trim_start_matches(',').trim().to_owned(), value));
        rest = &after[end..];
    }
    labels
}

/// The field without which a line is no access-log record.
const STATUS: &str = "http.status";

/// The access-log records among the lines of a target's output, their fields under our names.
pub fn records(lines: Vec<(Duration, String)>, telemetry: &Telemetry) -> Vec<Value> {
    let parsed = lines.into_iter().filter_map(|(_, line)| serde_json::from_str::<Value>(&line).ok());
    let mut records: Vec<Value> = parsed.filter(Value::is_object).collect();
    let status = telemetry.fields.get(STATUS).map_or(STATUS, String::as_str);
    // A start-up message in JSON is no exchange.
    records.retain(|record| field(record, status).is_some());
    for (ours, theirs) in &telemetry.fields {
        for record in &mut records {
            if let Some(value) = field(record, theirs).cloned() {
                record[ours.as_str()] = value;
            }
        }
    }
    records
}

/// A field by its key, dots and all, else by walking down.
pub fn field<'r>(record: &'r Value, name: &str) -> Option<&'r Value> {
    record.get(name).or_else(|| name.split('.').try_fold(record, |value, part| value.get(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE x counter\nagentgateway_requests_total{route=\"default/a\",status=\"200\",odd=\"a\\\"},b\"} 3\nplain 1.5\nnot a sample\n";

    #[test]
    fn the_text_format_is_read() {
        let metrics = Metrics::parse(TEXT);
        assert_eq!(metrics.samples.len(), 2);
        assert_eq!(metrics.samples[0].label("odd"), Some("a\"},b"));
        assert!(metrics.samples[0].names("route", "a") && !metrics.samples[0].names("route", "b"));
        assert_eq!(metrics.sum("agentgateway_requests_total", |sample| sample.label("status") == Some("200")), 3.0);
        assert_eq!(metrics.sum("plain", |_| true), 1.5);
    }

    #[test]
    fn fields_have_dots_in_their_names_or_between_them() {
        let record = serde_json::json!({"http.status": 200, "a": {"b": 1}});
        assert_eq!(field(&record, "http.status"), Some(&Value::from(200)));
        assert_eq!(field(&record, "a.b"), Some(&Value::from(1)));
        assert_eq!(field(&record, "a.c"), None);
    }
}
