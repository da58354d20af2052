//! D12: a kill switch that does not cut everything.

use super::{Hit, Object, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D12",
    severity: Severity::Info,
    title: "deleting one route does not stop the backend",
    why: "Deleting an HTTPRoute answers its requests with 404 `route not found`, but other routes go on using the \
          backend. Deleting or breaking the backend's Secret stops all of them, with 500 `service not found`.",
    mend: "kubectl delete httproute …  # every route that names the backend, or delete its Secret",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}}
---
kind: HTTPRoute
metadata: {name: chat}
spec:
  rules:
  - matches: [{path: {value: /chat}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]
---
kind: HTTPRoute
metadata: {name: agents}
spec:
  rules:
  - matches: [{path: {value: /agents}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}}
---
kind: HTTPRoute
metadata: {name: chat}
spec:
  rules:
  - matches: [{path: {value: /chat}}, {path: {value: /agents}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.ai_backends().filter_map(|backend| hit(set, backend)).collect()
}

fn hit(set: &Set<'_>, backend: &Object) -> Option<Hit> {
    let leads = |route: &&Object| set.rules_to(backend).any(|rule| std::ptr::eq(rule.route, *route));
    let routes: Vec<_> = set.routes().filter(leads).map(|route| format!("{} {}", route.kind, route.id())).collect();
    let (last, first) = routes.split_last().filter(|(_, first)| !first.is_empty())?;
    Some(Hit::new(
        backend.mark(),
        format!(
            "{} is used by {} and {last}: deleting one of them does not stop it",
            backend.title(),
            first.join(", ")
        ),
    ))
}
