//! `frontend.accessLog` of a policy → [`AccessLog`], and `frontend.metrics` → [`Labels`].

use std::sync::Arc;

use super::Refusal;
use super::cel::{self, Moment};
use crate::access_log::{AccessLog, Labels, Telling};
use crate::cel::Expression;
use crate::config::resources::policy::FrontendSpec;
use crate::metrics::is_taken;

/// What a policy says about log and metrics.
pub(super) fn telling(frontend: &FrontendSpec, issues: &mut Vec<String>) -> Option<Arc<Telling>> {
    let telling = Telling { log: log(frontend, issues), labels: labels(frontend, issues) };
    (telling.log.is_some() || telling.labels.is_some()).then(|| Arc::new(telling))
}

/// `frontend.accessLog`; an expression that is wrong is left out, and told.
fn log(frontend: &FrontendSpec, issues: &mut Vec<String>) -> Option<Arc<AccessLog>> {
    let spec = frontend.access_log.as_ref()?;
    let mut expression = |place: String, text: &str| {
        let issue = |refusal: Refusal| issues.push(format!("frontend.accessLog.{place}: {}", refusal.message));
        cel::compile(text, Moment::End).map_err(issue).ok()
    };
    let filter = spec.filter.as_deref().and_then(|text| expression("filter".to_owned(), text));
    let attributes = spec.attributes.clone().unwrap_or_default();
    let add = attributes.add.iter().filter_map(|attribute| {
        let read = expression(format!("attributes.add `{}`", attribute.name), &attribute.expression)?;
        Some((attribute.name.as_str().into(), read))
    });
    let log = AccessLog {
        filter,
        add: add.collect(),
        remove: attributes.remove.iter().map(|name| name.as_str().into()).collect(),
    };
    let says_something = log.filter.is_some() || !log.add.is_empty() || !log.remove.is_empty();
    says_something.then(|| Arc::new(log))
}

/// `frontend.metrics`; a label that cannot be is left out, and told.
fn labels(frontend: &FrontendSpec, issues: &mut Vec<String>) -> Option<Arc<Labels>> {
    let mut labels: Vec<(Box<str>, Expression)> = Vec::new();
    for attribute in &frontend.metrics.as_ref()?.attributes.as_ref()?.add {
        let name = &*attribute.name;
        let wrong = if !is_label(name) {
            Some("letters, digits and `_` make a label's name, no digit first and no `__`".to_owned())
        } else if is_taken(name) || labels.iter().any(|(other, _)| **other == *name) {
            Some("there is a label of that name".to_owned())
        } else {
            match cel::compile(&attribute.expression, Moment::End) {
                Ok(expression) => {
                    labels.push((name.into(), expression));
                    None
                }
                Err(refusal) => Some(refusal.message),
            }
        };
        issues.extend(wrong.map(|why| format!("frontend.metrics.attributes.add `{name}`: {why}")));
    }
    (!labels.is_empty()).then(|| Arc::new(Labels(labels)))
}

fn is_label(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    letters && !name.starts_with("__") && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}
