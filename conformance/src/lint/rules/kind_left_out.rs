//! D18: a backendRef that means a Service.

use super::{Hit, Node, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D18",
    severity: Severity::Error,
    title: "a backendRef without `group` and `kind` is a Service",
    why: "In an HTTPRoute the defaults are the core group and kind Service, which needs a port: the reference is refused (`port is required in Service backendRef`) and requests get a 500.",
    mend: "- {group: agentgateway.dev, kind: AgentgatewayBackend, name: …}",
    bad: "
kind: HTTPRoute
metadata: {name: chat}
spec: {rules: [{backendRefs: [{name: openai}]}]}
",
    good: "
kind: HTTPRoute
metadata: {name: chat}
spec: {rules: [{backendRefs: [{name: openai, group: agentgateway.dev, kind: AgentgatewayBackend}]}]}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let rules = set.route_rules();
    rules
        .flat_map(|rule| rule.node.items_at("backendRefs").iter().filter_map(move |node| hit(node, &rule.route.kind)))
        .collect()
}

fn hit(node: &Node, kind: &str) -> Option<Hit> {
    let name = node.text_at("name")?;
    let group = node.text_at("group").filter(|group| !group.is_empty());
    if node.get("kind").is_some() || (group.is_none() && node.get("port").is_some()) {
        return None;
    }
    let in_route = if kind == "AIRoute" { " once this is an HTTPRoute" } else { "" };
    let what = match group {
        Some(group) => format!("`{name}` is a Service of group `{group}`{in_route}: `kind` is left out"),
        None => format!("`{name}` is a core Service without a port{in_route}: `group` and `kind` are left out"),
    };
    Some(
        Hit::new(node.mark(), what)
            .mend(format!("- {{group: agentgateway.dev, kind: AgentgatewayBackend, name: {name}}}")),
    )
}
