//! D8: a Gateway from which no traces come.

use super::{Hit, Object, Rule, Set, Severity, gateways};

pub(super) const RULE: Rule = Rule {
    id: "D8",
    severity: Severity::Info,
    title: "no traces are exported",
    why: "Spans leave the gateway only with a tracing policy on the Gateway, and a new trace begins only with \
          `randomSampling`, which is off by default.",
    mend: "
kind: AgentgatewayPolicy             # apiVersion: agentgateway.dev/v1alpha1
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: …}]
  frontend:
    tracing: {backendRef: {name: collector, port: 4317}, randomSampling: \"true\"}
",
    bad: "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
kind: AgentgatewayPolicy
metadata: {name: traces}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gateway}]
  frontend: {tracing: {backendRef: {name: collector, port: 4317}}}
",
    good: "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
kind: AgentgatewayPolicy
metadata: {name: traces}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gateway}]
  frontend: {tracing: {backendRef: {name: collector, port: 4317}, randomSampling: \"true\"}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let traced =
        |gateway: &Object| set.policies_on(gateway).any(|policy| policy.root.get("spec.frontend.tracing").is_some());
    let silent = gateways(set).filter(|gateway| !traced(gateway));
    let silent =
        silent.map(|gateway| Hit::new(gateway.mark(), format!("no policy lets {} export traces", gateway.title())));
    silent.chain(set.of("AgentgatewayPolicy").filter_map(unsampled)).collect()
}

fn unsampled(policy: &Object) -> Option<Hit> {
    let tracing = policy.root.entry("spec.frontend.tracing")?;
    if tracing.value.get("randomSampling").is_some() {
        return None;
    }
    let what =
        "no trace begins here: `randomSampling` is not set, so only requests that bring a sampled trace have spans";
    Some(
        Hit::new(tracing.mark(), what)
            .mend("randomSampling: \"true\"        # or a share such as \"0.1\"")
            .severity(Severity::Warning),
    )
}
