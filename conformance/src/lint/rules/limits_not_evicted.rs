//! L15: providers that are at their limit and stay in rotation.

use super::{Entry, Hit, Rule, Set, Severity, healths};

pub(super) const RULE: Rule = Rule {
    id: "L15",
    severity: Severity::Info,
    title: "a provider at its rate limit is not evicted",
    why: "Unhealthy means 5xx or no answer. A 429 is healthy, and its Retry-After is not looked at, unless \
          `unhealthyCondition` covers it; then say 5xx as well, the condition replaces the default.",
    mend: "
health:
  unhealthyCondition: response.code >= 500 || response.code == 429
  eviction: {duration: 30s}
",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {health: {eviction: {duration: 30s}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {health: {eviction: {duration: 30s}, unhealthyCondition: response.code >= 500 || response.code == 429}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let blind = |health: &&Entry| {
        let condition = health.value.text_at("unhealthyCondition");
        health.value.get("eviction").is_some()
            && !condition.is_some_and(|text| text.contains("429") || text.contains(">= 4"))
    };
    let hit = |health: &Entry| Hit::new(health.mark(), "a provider that answers 429 stays in rotation");
    healths(set).filter(blind).map(hit).collect()
}
