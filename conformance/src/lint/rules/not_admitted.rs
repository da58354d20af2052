//! L6: routes that no listener lets in.

use super::{Hit, Node, Object, Parent, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L6",
    severity: Severity::Error,
    title: "the listener does not admit the route",
    why: "A listener without `allowedRoutes` takes routes of its Gateway's own namespace only. The route is \
          `Accepted=False/NotAllowedByListeners`, and its requests get a 404.",
    mend: "
listeners:
- name: http
  allowedRoutes: {namespaces: {from: All}}
",
    bad: "
kind: Gateway
metadata: {name: gateway, namespace: edge}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
kind: HTTPRoute
metadata: {name: chat, namespace: apps}
spec: {parentRefs: [{name: gateway, namespace: edge}], rules: [{backendRefs: [{name: llm, port: 80}]}]}
",
    good: "
kind: Gateway
metadata: {name: gateway, namespace: edge}
spec:
  gatewayClassName: agentgateway
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
---
kind: HTTPRoute
metadata: {name: chat, namespace: apps}
spec: {parentRefs: [{name: gateway, namespace: edge}], rules: [{backendRefs: [{name: llm, port: 80}]}]}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.parents().filter_map(|parent| hit(set.find(&parent.to)?, &parent)).collect()
}

fn hit(gateway: &Object, parent: &Parent<'_>) -> Option<Hit> {
    let listeners = parent.listeners(gateway);
    if listeners.is_empty() || listeners.iter().any(|listener| admits(listener, gateway, parent.route)) {
        return None;
    }
    let what = format!("no listener of {} takes routes of namespace `{}`", gateway.title(), parent.route.namespace);
    Some(Hit::new(parent.to.node.mark(), what))
}

/// A selector may fit: namespaces and their labels are seldom among the manifests.
fn admits(listener: &Node, gateway: &Object, route: &Object) -> bool {
    match listener.text_at("allowedRoutes.namespaces.from") {
        Some("All" | "Selector") => true,
        _ => gateway.namespace == route.namespace,
    }
}
