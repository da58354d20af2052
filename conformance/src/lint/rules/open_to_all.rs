//! D15: a key that is lent to every caller.

use super::{Hit, Object, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D15",
    severity: Severity::Info,
    title: "nobody checks who calls",
    why: "The gateway does not check provider keys: a 401 can only come from the provider, passed through. Whoever \
          reaches the listener uses the backend's key, unless a policy asks callers for credentials of their own.",
    mend: "
kind: AgentgatewayPolicy             # apiVersion: agentgateway.dev/v1alpha1
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: …}]
  traffic: {apiKeyAuthentication: {secretRef: {name: client-keys}}}
",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}, policies: {auth: {secretRef: {name: openai}}}}
---
kind: HTTPRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: gateway}]
  rules: [{backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]}]
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}, policies: {auth: {secretRef: {name: openai}}}}
---
kind: HTTPRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: gateway}]
  rules: [{backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]}]
---
kind: AgentgatewayPolicy
metadata: {name: callers}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: chat}]
  traffic: {apiKeyAuthentication: {secretRef: {name: client-keys}}}
",
    check,
};

/// Parts of `traffic` that turn callers away.
const GUARDS: [&str; 5] =
    ["apiKeyAuthentication", "jwtAuthentication", "basicAuthentication", "extAuth", "authorization"];

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.routes().filter_map(|route| hit(set, route)).collect()
}

fn hit(set: &Set<'_>, route: &Object) -> Option<Hit> {
    let mut policies = set.policies_on_route(route);
    if policies.any(|policy| GUARDS.iter().any(|guard| policy.root.get(&format!("spec.traffic.{guard}")).is_some())) {
        return None;
    }
    let lends = |backend: &&Object| {
        let auth = set.in_force(backend, None, "auth");
        auth.is_some_and(|auth| auth.value.get("secretRef").is_some() || auth.value.get("key").is_some())
    };
    let leads = |backend: &&Object| set.rules_to(backend).any(|rule| std::ptr::eq(rule.route, route));
    let backend = set.ai_backends().filter(leads).find(lends)?;
    Some(Hit::new(route.mark(), format!("whoever reaches {} uses the key of {}", route.title(), backend.title())))
}
