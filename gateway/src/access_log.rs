//! What a Gateway's policy changes in its access log (`frontend.accessLog`: which exchanges are told of, and what) and
//! adds to the labels of its metrics (`frontend.metrics`).
//! It works on finished records, off the request path; the record carries what its expressions look at.

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::cel::{Answered, Expression, Scope, Uses};
use crate::headers::is_credential;
use crate::metrics;
use crate::record::Record;

/// The access log of one listener.
#[derive(Debug, Default)]
pub struct AccessLog {
    /// Exchanges for which it is false are not told of; one that cannot be evaluated hides nothing.
    pub filter: Option<Expression>,
    /// Members that are added, or replaced where the record has one of that name.
    pub add: Vec<(Box<str>, Expression)>,
    /// Members that are left out.
    pub remove: Vec<Box<str>>,
}

/// Labels that the metrics of a listener have in addition (`frontend.metrics`).
#[derive(Debug)]
pub struct Labels(pub Vec<(Box<str>, Expression)>);

/// What policies say about the telemetry of one listener.
#[derive(Debug, Default)]
pub struct Telling {
    /// Of its access log.
    pub log: Option<Arc<AccessLog>>,
    /// Of its metrics.
    pub labels: Option<Arc<Labels>>,
}

impl Telling {
    /// What its expressions look at.
    #[must_use]
    pub fn uses(&self) -> Uses {
        let of_log = self.log.iter().flat_map(|log| log.filter.iter().chain(log.add.iter().map(|(_, value)| value)));
        let of_labels = self.labels.iter().flat_map(|labels| labels.0.iter().map(|(_, value)| value));
        of_log.chain(of_labels).fold(Uses::default(), |sum, expression| sum | expression.uses)
    }
}

/// What a record carries for telemetry of its own.
#[derive(Debug, Clone)]
pub struct Kept {
    telling: Arc<Telling>,
    uses: Uses,
    /// Bodies are told for everyone, not only where an expression asks for them.
    log_bodies: bool,
    request_headers: Option<HeaderMap>,
    response_headers: HeaderMap,
}

impl Kept {
    /// Nothing yet; what others than the access log look at is kept for them, and not told by it.
    #[must_use]
    pub fn new(telling: Arc<Telling>, others: Uses, log_bodies: bool) -> Self {
        let uses = telling.uses() | others;
        Self { telling, uses, log_bodies, request_headers: None, response_headers: HeaderMap::new() }
    }

    /// What it needs of the exchange.
    #[must_use]
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// The headers of a request whose client's key has been taken off; credentials are not kept.
    pub fn keep_request(&mut self, headers: &HeaderMap) {
        if self.uses.request_headers {
            let harmless = headers.iter().filter(|(name, _)| !is_credential(name.as_str()));
            self.request_headers = Some(harmless.map(|(name, value)| (name.clone(), value.clone())).collect());
        }
    }

    /// The headers that the client gets.
    pub fn keep_response(&mut self, headers: &HeaderMap) {
        if self.uses.response_headers {
            self.response_headers = headers.clone();
        }
    }

    /// Bytes of the headers that are kept.
    pub(crate) fn weight(&self) -> usize {
        let headers = self.request_headers.iter().chain([&self.response_headers]).flatten();
        headers.map(|(name, value)| name.as_str().len() + value.len()).sum()
    }

    /// What expressions see of the finished exchange.
    #[must_use]
    pub fn scope<'a>(&'a self, record: &'a Record) -> Scope<'a> {
        scope(record, self.request_headers.as_ref(), &self.response_headers)
    }

    /// The labels that the record's metrics have in addition; what is no text that fits is `unknown`.
    #[must_use]
    pub fn labels(&self, record: &Record) -> Vec<(&str, String)> {
        let Some(labels) = &self.telling.labels else { return Vec::new() };
        let scope = self.scope(record);
        let text = |expression: &Expression| match expression.value(&scope) {
            Some(Value::String(text)) if metrics::fits(&text) => text,
            _ => "unknown".to_owned(),
        };
        labels.0.iter().map(|(name, expression)| (&**name, text(expression))).collect()
    }

    /// The record as this access log tells it; `None` when it does not.
    #[must_use]
    pub fn line(&self, record: &Record) -> Option<Value> {
        let scope = self.scope(record);
        let log = self.telling.log.as_deref();
        if log.and_then(|log| log.filter.as_ref()?.holds(&scope)) == Some(false) {
            return None;
        }
        let mut line = record.value();
        let members = line.as_object_mut()?;
        if !self.log_bodies {
            members.shift_remove("request.body");
            members.shift_remove("response.body");
        }
        let Some(log) = log else { return Some(line) };
        for name in &log.remove {
            members.shift_remove(&**name);
        }
        for (name, expression) in &log.add {
            if let Some(value) = expression.value(&scope) {
                members.insert(name.as_ref().to_owned(), value);
            }
        }
        Some(line)
    }
}

fn scope<'a>(record: &'a Record, request_headers: Option<&'a HeaderMap>, headers: &'a HeaderMap) -> Scope<'a> {
    let status = StatusCode::from_u16(record.status).ok();
    Scope { record, request_headers, response: status.map(|status| Answered { status, headers }) }
}

/// What expressions see of a finished exchange of which nothing was kept for them.
#[must_use]
pub fn bare_scope(record: &Record) -> Scope<'_> {
    static NONE: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
    scope(record, None, &NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_expression_looks_at_is_kept_and_never_a_credential() {
        let headers: HeaderMap = [("x-tier", "gold"), ("x-tier", "old"), ("authorization", "Bearer sk-secret")]
            .into_iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        let kept = |text: &str, uses| {
            let program = ::cel::Program::compile(text).unwrap();
            let log = AccessLog { filter: Some(Expression::new(program, uses)), ..AccessLog::default() };
            let telling = Telling { log: Some(Arc::new(log)), labels: None };
            let mut kept = Kept::new(Arc::new(telling), Uses::default(), false);
            kept.keep_request(&headers);
            kept
        };
        let looking = kept("size(request.headers) > 0", Uses { request_headers: true, ..Uses::default() });
        assert_eq!(looking.request_headers.as_ref().map(|kept| kept.get_all("x-tier").iter().count()), Some(2));
        assert!(!format!("{looking:?}").contains("sk-secret"));
        assert!(kept("true", Uses::default()).request_headers.is_none());
    }
}
