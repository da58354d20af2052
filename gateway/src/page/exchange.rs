//! One exchange as JSON: what the record knows, times in milliseconds since its start. And which ones are asked for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::record::{Attempt, Record, timestamp};

/// The exchange with this number.
#[must_use]
pub fn told(number: u64, record: &Record) -> Value {
    let end = record.duration;
    let attempts: Vec<Value> = record.attempts.iter().map(attempt).collect();
    json!({
        "number": number,
        "time": timestamp(record.since_epoch()),
        "request_id": record.request_id,
        "trace_id": format!("{:032x}", record.trace.trace_id),
        "span_id": format!("{:016x}", record.trace.span_id),
        "method": record.method.as_str(),
        "host": record.host,
        "path": record.path,
        "port": record.port,
        "gateway": record.gateway.as_deref(),
        "listener": record.listener.as_deref(),
        "route": record.route.as_deref(),
        "rule": record.rule.as_deref(),
        "backend": record.backend.as_deref(),
        "operation": record.operation,
        "provider": record.attempts.last().map(|attempt| &*attempt.provider),
        "system": record.system,
        "requested_model": record.requested_model,
        "upstream_model": record.operation.and(record.sent_model()),
        "response_model": record.response_model,
        "upstream_request_id": record.upstream_request_id,
        "stream": record.stream,
        "status": record.status,
        "end": record.end.name(),
        "reason": record.reason.map(crate::error::Reason::name),
        "error": record.error,
        "duration_ms": ms(end),
        "first_token_ms": record.first_token.map(ms),
        "response_bytes": record.response_bytes,
        "usage": record.usage.map(|usage| json!({
            "input": usage.input, "output": usage.output, "cached": usage.cached,
            "cache_written": usage.cache_written, "reasoning": usage.reasoning,
        })),
        "cost": record.cost.map(|cost| cost.total().approximate()),
        "attempts": attempts,
    })
}

/// An attempt ends for the waterfall when its answer's head came or it failed; the last one's answer goes on.
fn attempt(attempt: &Attempt) -> Value {
    json!({
        "provider": &*attempt.provider,
        "endpoint": attempt.endpoint,
        "standing": attempt.standing,
        "status": attempt.status,
        "error": attempt.error,
        "good": attempt.good,
        "start_ms": ms(attempt.started),
        "connect_ms": attempt.connect.map(ms),
        "head_ms": ms(attempt.started + attempt.duration),
    })
}

/// With microseconds.
fn ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// Which exchanges are asked for; everything by default.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filter {
    model: Option<String>,
    status: Option<String>,
    route: Option<String>,
    text: Option<String>,
}

impl Filter {
    /// Reads `model`, `status` (`404`, or `4xx`), `route` and `text` of a query.
    ///
    /// # Errors
    /// When it has another parameter, or a status of another form.
    pub fn read(query: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = Some(decoded(value)).filter(|value| !value.is_empty());
            match key {
                "model" => filter.model = value,
                "status" => filter.status = value.map(a_status).transpose()?,
                "route" => filter.route = value,
                "text" => filter.text = value.map(|text| text.to_lowercase()),
                _ => return Err(format!("no parameter `{key}`: use model, status, route or text")),
            }
        }
        Ok(filter)
    }

    /// Whether the exchange is asked for.
    #[must_use]
    pub fn fits(&self, record: &Record) -> bool {
        let models = [record.requested_model.as_deref(), record.sent_model(), record.response_model.as_deref()];
        let model = |wanted: &String| models.contains(&Some(wanted.as_str()));
        let status = |wanted: &String| match wanted.strip_suffix("xx") {
            Some(class) => (record.status / 100).to_string() == class,
            None => record.status.to_string() == *wanted,
        };
        let route = |wanted: &String| record.route.as_deref() == Some(wanted);
        let text = |wanted: &String| texts(record).any(|text| text.to_lowercase().contains(wanted));
        self.model.as_ref().is_none_or(model)
            && self.status.as_ref().is_none_or(status)
            && self.route.as_ref().is_none_or(route)
            && self.text.as_ref().is_none_or(text)
    }
}

/// What a text is looked for in.
fn texts(record: &Record) -> impl Iterator<Item = &str> {
    let own = [record.method.as_str(), &record.host, &record.path, &record.request_id, record.end.name()];
    let optional = [record.route.as_deref(), record.backend.as_deref(), record.error.as_deref()];
    let models = [record.requested_model.as_deref(), record.sent_model(), record.response_model.as_deref()];
    let attempts = record.attempts.iter();
    let attempts = attempts.flat_map(|attempt| [Some(&*attempt.provider), attempt.error.as_deref()]);
    own.into_iter().chain(optional.into_iter().chain(models).chain(attempts).flatten())
}

fn a_status(text: String) -> Result<String, String> {
    let class = |text: &str| text.ends_with("xx") && text.len() == 3 && text.as_bytes()[0].is_ascii_digit();
    let exact = |text: &str| text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    match class(&text) || exact(&text) {
        true => Ok(text),
        false => Err("status is a number or a class, as in 404 or 4xx".to_owned()),
    }
}

fn decoded(value: &str) -> String {
    let value = value.replace('+', " ");
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.filter(|hex| !hex.starts_with('+')).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_or_refused_by_name() {
        let read = |query| Filter::read(query).unwrap();
        assert_eq!(read(""), Filter::default());
        assert_eq!(read("model=&text="), Filter::default());
        assert_eq!(read("route=a%2Fb&text=Up+Down%").route.as_deref(), Some("a/b"));
        assert_eq!(read("route=a%2Fb&text=Up+Down%").text.as_deref(), Some("up down%"));
        assert_eq!(read("status=4xx").status.as_deref(), Some("4xx"));
        assert!(Filter::read("status=bad").unwrap_err().contains("4xx"));
        assert!(Filter::read("modell=a").unwrap_err().contains("`modell`"));
    }
}
