//! L21: a limit that lets more through than it says.

use super::{Entry, Hit, Node, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L21",
    severity: Severity::Info,
    title: "`burst` is added to the limit",
    why: "The bucket holds limit plus burst, and is refilled by the limit for each unit: `requests: 10, burst: 10` \
          lets twenty through at once.",
    mend: "{requests: 10, unit: Minutes}           # ten at once, and ten for each minute",
    bad: "
kind: AgentgatewayPolicy
metadata: {name: limit}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: chat}]
  traffic: {rateLimit: {local: [{requests: 10, unit: Minutes, burst: 10}]}}
",
    good: "
kind: AgentgatewayPolicy
metadata: {name: limit}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: chat}]
  traffic: {rateLimit: {local: [{requests: 10, unit: Minutes}]}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let limits = set.of("AgentgatewayPolicy").flat_map(|policy| policy.root.items_at("spec.traffic.rateLimit.local"));
    limits.filter_map(hit).collect()
}

fn hit(limit: &Node) -> Option<Hit> {
    let burst = limit.entry("burst")?;
    let kind = limit.entry("requests").or_else(|| limit.entry("tokens"))?;
    let number = |entry: &Entry| entry.value.text()?.parse::<u64>().ok();
    let (extra, usual) = (number(burst).filter(|extra| *extra > 0)?, number(kind)?);
    let what = format!("up to {} {} pass at once, not {usual}", usual.saturating_add(extra), kind.key);
    Some(Hit::new(burst.mark(), what))
}
