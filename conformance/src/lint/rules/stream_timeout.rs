//! D16: a timeout that does not end streams.

use super::{Entry, Hit, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D16",
    severity: Severity::Info,
    title: "the request timeout does not end a stream",
    why: "The deadline covers the call up to the head of the answer, and the body only where it is held back as a \
          whole. A streamed answer goes on for as long as the provider likes.",
    mend: "
# nothing in agentgateway bounds a stream; bound it in the client, or by max_tokens:
policies: {ai: {defaults: [{field: max_tokens, value: 4096}]}}
",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}}
---
kind: HTTPRoute
metadata: {name: chat}
spec:
  rules:
  - backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]
    timeouts: {request: 120s}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {ai: {defaults: [{field: max_tokens, value: 4096}]}}
---
kind: HTTPRoute
metadata: {name: chat}
spec:
  rules:
  - backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]
    timeouts: {backendRequest: 120s}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let of_rules = set.ai_rules().filter_map(|rule| rule.node.entry("timeouts.request"));
    let of_policies =
        set.of("AgentgatewayPolicy").filter_map(|policy| policy.root.entry("spec.traffic.timeouts.request"));
    of_rules.chain(of_policies).filter(|entry| !off(entry)).map(hit).collect()
}

/// `0s` is no deadline at all.
fn off(entry: &Entry) -> bool {
    entry.value.text().is_some_and(|time| time.trim_matches(|c: char| c.is_ascii_alphabetic()) == "0")
}

fn hit(entry: &Entry) -> Hit {
    let time = entry.value.text().unwrap_or_default();
    Hit::new(entry.mark(), format!("a stream is not cut off after {time}, only the wait for its beginning"))
}
