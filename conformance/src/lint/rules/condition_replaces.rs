//! L16: a condition that forgets the servers' errors.

use super::{Entry, Hit, Rule, Set, Severity, healths};

pub(super) const RULE: Rule = Rule {
    id: "L16",
    severity: Severity::Warning,
    title: "`unhealthyCondition` replaces the default",
    why: "With a condition of one's own, 5xx answers and connections that fail no longer count as unhealthy by \
          themselves: the expression has to name them.",
    mend: "unhealthyCondition: response.code >= 500 || response.code == 429",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {health: {unhealthyCondition: response.code == 429, eviction: {duration: 30s}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {health: {unhealthyCondition: response.code >= 500 || response.code == 429, eviction: {duration: 30s}}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    healths(set).filter_map(|health| health.value.entry("unhealthyCondition")).filter_map(hit).collect()
}

/// Speaks of statuses, of clients' or limits' only.
fn hit(condition: &Entry) -> Option<Hit> {
    let text = condition.value.text()?;
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|number| number.len() == 3);
    let open = text.contains('>') || text.contains('<') || text.contains('!');
    let forgets = text.contains("response.code") && !open && !numbers.any(|number| number.starts_with('5'));
    forgets.then(|| Hit::new(condition.mark(), "5xx answers are healthy now: the condition does not name them"))
}
