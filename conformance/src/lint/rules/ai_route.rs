//! D1: a kind that agentgateway does not have.

use super::{Hit, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D1",
    severity: Severity::Error,
    title: "AIRoute is no kind of agentgateway",
    why: "agentgateway ships no such resource definition, so the API server refuses the object. An HTTPRoute whose \
          backendRefs name an AgentgatewayBackend does the same.",
    mend: "
kind: HTTPRoute            # apiVersion: gateway.networking.k8s.io/v1
spec:
  rules:
  - backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: …}]
",
    bad: "
kind: AIRoute
apiVersion: agentgateway.dev/v1alpha1
metadata: {name: chat}
spec:
  parentRefs: [{name: gateway}]
  rules: [{backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]}]
",
    good: "
kind: HTTPRoute
apiVersion: gateway.networking.k8s.io/v1
metadata: {name: chat}
spec:
  parentRefs: [{name: gateway}]
  rules: [{backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]}]
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let kind = |object: &super::Object| object.root.entry("kind").map_or(object.mark(), |kind| kind.mark());
    set.of("AIRoute").map(|route| Hit::new(kind(route), "agentgateway has no kind `AIRoute`")).collect()
}
