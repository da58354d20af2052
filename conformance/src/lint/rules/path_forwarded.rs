//! D11: a path that is not rewritten.

use super::{Hit, Provider, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D11",
    severity: Severity::Warning,
    title: "the path is not rewritten",
    why: "With a `host` of its own and neither `path` nor `pathPrefix`, a provider is asked for the client's path \
          as it came, route prefix included. Only the provider's own host gets `/v1/chat/completions`.",
    mend: "pathPrefix: /v1             # the upstream is then asked for /v1/chat/completions",
    bad: "
kind: AgentgatewayBackend
metadata: {name: local}
spec: {ai: {provider: {host: llm.internal, port: 8090, openai: {}}}}
---
kind: HTTPRoute
metadata: {name: local}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /openai}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: local}]
",
    good: "
kind: AgentgatewayBackend
metadata: {name: local}
spec: {ai: {provider: {host: llm.internal, port: 8090, pathPrefix: /v1, openai: {}}}}
---
kind: HTTPRoute
metadata: {name: local}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /openai}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: local}]
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.providers().filter_map(|provider| hit(set, &provider)).collect()
}

fn hit(set: &Set<'_>, provider: &Provider<'_>) -> Option<Hit> {
    let host = provider.node.entry("host")?;
    let custom = provider.kinds().any(|kind| kind.key == "custom");
    if custom || provider.node.get("path").is_some() || provider.node.get("pathPrefix").is_some() {
        return None;
    }
    let mut rules = set.rules_to(provider.backend).filter(|rule| rule.filter("URLRewrite").is_none());
    let (route, path) = rules.find_map(|rule| {
        let path = rule.paths().into_iter().find(|path| path.type_ != "RegularExpression" && !is_of_api(path.value))?;
        Some((rule.route.title(), path.value))
    })?;
    let upstream = host.value.text().unwrap_or_default();
    Some(Hit::new(
        host.mark(),
        format!("`{upstream}` is asked for `{path}…`, the path of {route}, as the client sends it"),
    ))
}

/// Paths under which an OpenAI-compatible server has something to say.
fn is_of_api(path: &str) -> bool {
    path.trim_end_matches('/').is_empty() || path == "/v1" || path.starts_with("/v1/")
}
