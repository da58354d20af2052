//! The listeners' routes as JSON, in the order in which they are tried, and who stands in whose shadow.
//! Names what a rule does; what could be a secret (values of headers, of credentials in queries) stays here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::conditions_of;
use crate::headers::{is_credential, query_without_credentials};
use crate::snapshot::{
    Filters, Hostname, Listener, Match, PathMatch, RouteEntry, Rule, Snapshot, Target, ValueMatch, WeightedBackend,
};

/// Every listener of the snapshot with its entries.
#[must_use]
pub fn told(snapshot: &Snapshot) -> Value {
    let listeners = snapshot.binds.iter().flat_map(|bind| bind.listeners.iter().map(|one| listener(bind.port, one)));
    json!({"listeners": listeners.collect::<Vec<_>>()})
}

fn listener(port: u16, listener: &Listener) -> Value {
    let mut first: HashMap<String, usize> = HashMap::new();
    let entries = listener.routes.iter().enumerate().map(|(at, entry)| {
        let earlier = earlier(&first, entry).filter(|by| !Arc::ptr_eq(&listener.routes[*by].rule, &entry.rule));
        first.entry(conditions_of(entry, entry.rule.openai_paths_only)).or_insert(at);
        told_entry(at, entry, earlier)
    });
    json!({
        "gateway": &*listener.gateway,
        "listener": &*listener.name,
        "port": port,
        "hostname": host(listener.hostname.as_ref()),
        "entries": entries.collect::<Vec<_>>(),
    })
}

/// The entry before that takes all that this one could.
fn earlier(first: &HashMap<String, usize>, entry: &RouteEntry) -> Option<usize> {
    let own = conditions_of(entry, entry.rule.openai_paths_only);
    first.get(&own).or_else(|| first.get(&conditions_of(entry, false))).copied()
}

fn told_entry(at: usize, entry: &RouteEntry, shadowed_by: Option<usize>) -> Value {
    let rule = &entry.rule;
    json!({
        "order": at + 1,
        "shadowed_by": shadowed_by.map(|by| by + 1),
        "route": &*rule.route,
        "rule": rule.name.as_deref(),
        "hostname": host(entry.hostname.as_ref()),
        "match": matched(&entry.matcher, rule.openai_paths_only),
        "client_keys": rule.client_keys.is_some(),
        "filters": filters(&rule.filters),
        "timeouts": timeouts(rule),
        "retry": rule.retry.as_ref().map(|retry| json!({
            "attempts": retry.attempts,
            "codes": retry.codes.iter().map(http::StatusCode::as_u16).collect::<Vec<_>>(),
        })),
        "sessions": rule.persistence.is_some(),
        "backends": rule.backends.iter().map(backend).collect::<Vec<_>>(),
    })
}

pub(super) fn host(hostname: Option<&Hostname>) -> Value {
    match hostname {
        None => Value::Null,
        Some(Hostname::Exact(name)) => Value::from(&**name),
        Some(Hostname::Wildcard(rest)) => Value::from(format!("*{rest}")),
    }
}

fn matched(matcher: &Match, openai_paths_only: bool) -> Value {
    let (kind, path) = match &matcher.path {
        PathMatch::Exact(path) => ("Exact", path.to_string()),
        PathMatch::Prefix(path) if path.is_empty() => ("PathPrefix", "/".to_owned()),
        PathMatch::Prefix(path) => ("PathPrefix", path.to_string()),
        PathMatch::Regex(regex) => ("RegularExpression", regex.to_string()),
    };
    let of_headers = matcher.headers.iter().map(|(name, value)| wanted(name.as_str(), value, is_credential));
    let secret = |name: &str| query_without_credentials(&format!("{name}=1")).is_empty();
    let of_query = matcher.query.iter().map(|(name, value)| wanted(name, value, secret));
    json!({
        "path": {"type": kind, "value": path},
        "openai_paths_only": openai_paths_only,
        "method": matcher.method.as_ref().map(http::Method::as_str),
        "headers": of_headers.collect::<Vec<_>>(),
        "query": of_query.collect::<Vec<_>>(),
    })
}

fn wanted(name: &str, value: &ValueMatch, secret: impl Fn(&str) -> bool) -> Value {
    let (kind, text) = match value {
        ValueMatch::Exact(text) => ("Exact", text.to_string()),
        ValueMatch::Regex(regex) => ("RegularExpression", regex.to_string()),
    };
    json!({"name": name, "type": kind, "value": if secret(name) { "***".to_owned() } else { text }})
}

fn filters(filters: &Filters) -> Vec<&'static str> {
    let edits =
        |edit: &crate::snapshot::HeaderEdit| !(edit.set.is_empty() && edit.add.is_empty() && edit.remove.is_empty());
    let present = [
        ("RequestHeaderModifier", edits(&filters.request_headers)),
        ("ResponseHeaderModifier", edits(&filters.response_headers)),
        ("URLRewrite", filters.rewrite.is_some()),
        ("RequestRedirect", filters.redirect.is_some()),
        ("CORS", filters.cors.is_some()),
        ("RequestMirror", !filters.mirrors.is_empty()),
    ];
    present.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
}

fn timeouts(rule: &Rule) -> Value {
    let ms = |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let times = &rule.timeouts;
    json!({
        "request_ms": ms(times.request),
        "backend_request_ms": ms(times.backend_request),
        "response_idle_ms": ms(times.response_idle),
    })
}

fn backend(weighted: &WeightedBackend) -> Value {
    let (kind, name) = match &weighted.target {
        Target::Ai(backend) => ("ai", Some(&*backend.name)),
        Target::Models(_) => ("models", None),
        Target::Static(backend) => ("static", Some(&*backend.name)),
        Target::Broken { backend, .. } => ("broken", Some(&**backend)),
        Target::Unready { service } => ("unready", Some(&**service)),
    };
    json!({"kind": kind, "name": name, "weight": weighted.weight, "filters": filters(&weighted.filters)})
}
