//! D9: metrics that agentgateway does not have.

use super::{Hit, Mark, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D9",
    severity: Severity::Warning,
    title: "no metric has this name",
    why: "Dashboards and alerts on a family that is not exported stay empty, and an empty alert never fires. Tokens \
          are `agentgateway_gen_ai_client_token_usage`; the GenAI durations have no unit in their names.",
    mend: "sum by (gen_ai_token_type) (rate(agentgateway_gen_ai_client_token_usage_sum[5m]))",
    bad: "
kind: PrometheusRule
apiVersion: monitoring.coreos.com/v1
metadata: {name: tokens}
spec: {groups: [{name: ai, rules: [{alert: Tokens, expr: 'rate(agentgateway_token_usage_total[5m]) > 1e6'}]}]}
---
kind: Namespace
metadata: {name: ai}
",
    good: "
kind: PrometheusRule
apiVersion: monitoring.coreos.com/v1
metadata: {name: tokens}
spec:
  groups:
  - name: ai
    rules: [{alert: Tokens, expr: 'rate(agentgateway_gen_ai_client_token_usage_sum[5m]) > 1e6'}]
---
kind: Namespace
metadata: {name: ai}
",
    check,
};

const PREFIX: &str = "agentgateway_";

/// All families of the proxy, without what the formats add to them.
const FAMILIES: [&str; 21] = [
    "requests",
    "request_duration_seconds",
    "response_bytes",
    "retries",
    "request_processing_seconds",
    "response_processing_seconds",
    "upstream_call_duration_seconds",
    "upstream_connect_duration_seconds",
    "tls_handshake_duration_seconds",
    "downstream_connections",
    "downstream_received_bytes",
    "downstream_sent_bytes",
    "gen_ai_client_token_usage",
    "gen_ai_server_request_duration",
    "gen_ai_server_time_to_first_token",
    "gen_ai_server_time_per_output_token",
    "gen_ai_client_cost_usd",
    "cost_catalog_lookups",
    "guardrail_checks",
    "mcp_requests",
    "build",
];

fn check(set: &Set<'_>) -> Vec<Hit> {
    let others = set.objects.iter().filter(|object| !object.ours() && object.kind != "Secret");
    others.flat_map(|object| object.root.words()).flat_map(|(text, mark)| hits(text, mark)).collect()
}

fn hits(text: &str, mark: Mark) -> Vec<Hit> {
    let mut unknown: Vec<_> = names(text).filter(|name| !known(name)).collect();
    unknown.dedup();
    unknown.into_iter().map(|name| Hit::new(mark, format!("agentgateway has no metric `{name}`"))).collect()
}

/// The words of a text that begin like a metric of agentgateway.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(PREFIX) && word.len() > PREFIX.len())
}

/// A name that ends with `_` is the beginning of a pattern.
fn known(name: &str) -> bool {
    let family = &name[PREFIX.len()..];
    let bare = ["_bucket", "_sum", "_count", "_total", "_info"].iter().find_map(|suffix| family.strip_suffix(suffix));
    FAMILIES
        .iter()
        .any(|known| family == *known || bare == Some(known) || (family.ends_with('_') && known.starts_with(family)))
}
