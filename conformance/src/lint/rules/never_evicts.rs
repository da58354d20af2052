//! L14: eviction that is never set off.

use super::{Entry, Hit, Rule, Set, Severity, healths};

pub(super) const RULE: Rule = Rule {
    id: "L14",
    severity: Severity::Warning,
    title: "the eviction's threshold is never reached",
    why: "`consecutiveFailures: 0` does not mean at once: it never triggers. Without any threshold the first \
          unhealthy answer evicts.",
    mend: "
eviction: {duration: 30s}               # at the first failure
eviction: {duration: 30s, consecutiveFailures: 3}
",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {health: {eviction: {duration: 30s, consecutiveFailures: 0}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {health: {eviction: {duration: 30s}}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    healths(set).filter_map(hit).collect()
}

fn hit(health: &Entry) -> Option<Hit> {
    let eviction = health.value.get("eviction")?;
    let is_zero = |field: &str| eviction.entry(field).filter(|entry| entry.value.text() == Some("0"));
    let failures = is_zero("consecutiveFailures")?;
    let other = eviction.get("healthThreshold").is_some() && is_zero("healthThreshold").is_none();
    (!other).then(|| Hit::new(failures.mark(), "nothing is ever evicted: 0 failures in a row are never reached"))
}
