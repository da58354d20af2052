//! D21: a fallback that is no fallback.

use super::{Hit, Node, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D21",
    severity: Severity::Warning,
    title: "providers of one group share the load",
    why: "Entries of one group get requests side by side. Only a second entry of `groups` is a fallback, and only \
          with `health.eviction` (and a retry, if the failing request itself is to be saved).",
    mend: "
groups:
- providers: [{name: local, …}]
- providers: [{name: hosted, …}]
",
    bad: "
kind: AgentgatewayBackend
metadata: {name: pool}
spec:
  ai:
    groups:
    - providers:
      - {name: local, host: llm.internal, port: 8090, openai: {model: gemma}}
      - {name: hosted, openai: {model: gpt-4o}}
  policies: {health: {eviction: {duration: 30s}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: pool}
spec:
  ai:
    groups:
    - providers: [{name: local, host: llm.internal, port: 8090, openai: {model: gemma}}]
    - providers: [{name: hosted, openai: {model: gpt-4o}}]
  policies: {health: {eviction: {duration: 30s}}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let groups = set.ai_backends().flat_map(|backend| backend.root.items_at("spec.ai.groups"));
    groups.filter_map(hit).collect()
}

/// A group with one's own servers and somebody else's.
fn hit(group: &Node) -> Option<Hit> {
    let providers = group.items_at("providers");
    let own = providers.iter().find(|provider| provider.get("host").is_some())?;
    let hosted = providers.iter().find(|provider| provider.get("host").is_none())?;
    let name = |provider: &Node| provider.text_at("name").unwrap_or_default().to_owned();
    Some(Hit::new(
        hosted.mark(),
        format!("`{}` is no fallback of `{}`: both get requests all the time", name(hosted), name(own)),
    ))
}
