//! D18: a backendRef that means a Service.

use super::{Hit, Node, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D18",
    severity: Severity::Error,
    title: "a backendRef means a Service without a port",
    why: "In an HTTPRoute the defaults are the core group and kind Service, which needs a port: the reference is \
          refused (`port is required in Service backendRef`) and requests get a 500.",
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

fn hit(node: &Node, route: &str) -> Option<Hit> {
    let name = node.text_at("name")?;
    let group = node.text_at("group").filter(|group| !group.is_empty());
    let what = match (group, node.text_at("kind")) {
        (None, None | Some("Service")) if node.get("port").is_none() => "a core Service without a port".to_owned(),
        (None, Some("AgentgatewayBackend")) => "of the core group, which has no AgentgatewayBackend".to_owned(),
        (Some(group), None) => format!("a Service of group `{group}`"),
        _ => return None,
    };
    let once = if route == "AIRoute" { ", once this is an HTTPRoute" } else { "" };
    let mend = format!("- {{group: agentgateway.dev, kind: AgentgatewayBackend, name: {name}}}");
    Some(Hit::new(node.mark(), format!("`{name}` is {what}{once}")).mend(mend))
}
