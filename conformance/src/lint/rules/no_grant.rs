//! L5: references across namespaces that nobody granted.

use super::{Hit, Node, Object, Reference, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L5",
    severity: Severity::Warning,
    title: "another namespace's backend needs a ReferenceGrant",
    why: "Without one in the backend's namespace the route is `ResolvedRefs=False/RefNotPermitted`, and its \
          requests get a 500.",
    mend: "
kind: ReferenceGrant                 # apiVersion: gateway.networking.k8s.io/v1beta1
metadata: {name: routes, namespace: …}     # the backend's
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: …}]
  to: [{group: agentgateway.dev, kind: AgentgatewayBackend}]
",
    bad: "
kind: HTTPRoute
metadata: {name: chat, namespace: apps}
spec: {rules: [{backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai, namespace: ai}]}]}
",
    good: "
kind: HTTPRoute
metadata: {name: chat, namespace: apps}
spec: {rules: [{backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai, namespace: ai}]}]}
---
kind: ReferenceGrant
metadata: {name: routes, namespace: ai}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: apps}]
  to: [{group: agentgateway.dev, kind: AgentgatewayBackend}]
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let abroad = set.route_rules().flat_map(|rule| {
        let route = rule.route;
        rule.backends().filter(|to| to.namespace != route.namespace).map(move |to| (route, to))
    });
    abroad.filter(|(route, to)| !granted(set, route, to)).map(|(route, to)| hit(route, &to)).collect()
}

fn granted(set: &Set<'_>, route: &Object, to: &Reference<'_>) -> bool {
    let from = |node: &Node| {
        node.text_at("group") == Some(&route.group)
            && node.text_at("kind") == Some(&route.kind)
            && node.text_at("namespace") == Some(&route.namespace)
    };
    let target = |node: &Node| {
        node.text_at("group").unwrap_or_default() == to.group
            && node.text_at("kind") == Some(to.kind)
            && node.text_at("name").is_none_or(|name| name == to.name)
    };
    let grants = set.of("ReferenceGrant").filter(|grant| grant.namespace == to.namespace);
    grants
        .map(|grant| &grant.root)
        .any(|grant| grant.items_at("spec.from").iter().any(from) && grant.items_at("spec.to").iter().any(target))
}

fn hit(route: &Object, to: &Reference<'_>) -> Hit {
    let at = to.node.entry("namespace").map_or_else(|| to.node.mark(), |entry| entry.mark());
    let (own, group, kind) = (&route.namespace, to.group, to.kind);
    let what = format!("no ReferenceGrant lets routes of `{own}` use {}", to.title());
    let group = if group.is_empty() { "\"\"" } else { group };
    let from = format!("group: {}, kind: {}, namespace: {own}", route.group, route.kind);
    let mend = format!(
        "kind: ReferenceGrant                 # apiVersion: gateway.networking.k8s.io/v1beta1\n\
         metadata: {{name: from-{own}, namespace: {}}}\n\
         spec:\n  from: [{{{from}}}]\n  to: [{{group: {group}, kind: {kind}}}]",
        to.namespace
    );
    Hit::new(at, what).mend(mend)
}
