//! D10: failover that can never happen.

use super::{Hit, Object, Rule, Set, Severity, providers};

pub(super) const RULE: Rule = Rule {
    id: "D10",
    severity: Severity::Warning,
    title: "failover can never happen",
    why: "Without `health.eviction` no provider is ever taken out: a lower group is never used, and in one group \
          the worse of two providers still gets at least a quarter of the requests. Retries alone may hit the same \
          provider again.",
    mend: "
policies:
  health: {eviction: {duration: 30s, consecutiveFailures: 3}}
",
    bad: "
kind: AgentgatewayBackend
metadata: {name: pool}
spec:
  ai:
    groups:
    - providers: [{name: first, openai: {model: gpt-4o}}]
    - providers: [{name: second, anthropic: {model: claude-sonnet-4-5}}]
",
    good: "
kind: AgentgatewayBackend
metadata: {name: pool}
spec:
  ai:
    groups:
    - providers: [{name: first, openai: {model: gpt-4o}}]
    - providers: [{name: second, anthropic: {model: claude-sonnet-4-5}}]
  policies: {health: {eviction: {duration: 30s, consecutiveFailures: 3}}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.ai_backends().filter_map(|backend| hit(set, backend)).collect()
}

fn hit(set: &Set<'_>, backend: &Object) -> Option<Hit> {
    let groups = backend.root.entry("spec.ai.groups")?;
    let evicts =
        |provider: super::Provider<'_>| set.in_force(backend, Some(provider.node), "health.eviction").is_some();
    if providers(backend).count() < 2 || providers(backend).any(evicts) {
        return None;
    }
    let consequence = match groups.value.items().len() {
        1 => "a provider that fails keeps its share of the requests",
        _ => "no group but the first is ever used",
    };
    let health = if set.in_force(backend, None, "health").is_some() { ": `health` has no `eviction`" } else { "" };
    Some(Hit::new(groups.mark(), format!("{} never evicts a provider{health}; {consequence}", backend.title())))
}
