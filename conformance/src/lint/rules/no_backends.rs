//! L17: rules that lead nowhere.

use super::{Hit, Node, RouteRule, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L17",
    severity: Severity::Warning,
    title: "a rule sends its requests nowhere",
    why: "Without backendRefs, or with weight 0 for each of them, requests get 500 `no valid backends`.",
    mend: "backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: …, weight: 1}]",
    bad: "
kind: HTTPRoute
metadata: {name: chat}
spec: {rules: [{backendRefs: [{name: a, port: 80, weight: 0}, {name: b, port: 80, weight: 0}]}]}
",
    good: "
kind: HTTPRoute
metadata: {name: chat}
spec: {rules: [{backendRefs: [{name: a, port: 80, weight: 0}, {name: b, port: 80}]}]}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let answered = |rule: &RouteRule<'_>| {
        let direct = |policy: &super::Object| policy.root.get("spec.traffic.directResponse").is_some();
        rule.filter("RequestRedirect").is_some() || set.policies_on_route(rule.route).any(direct)
    };
    set.route_rules().filter(|rule| !answered(rule)).filter_map(|rule| hit(&rule)).collect()
}

fn hit(rule: &RouteRule<'_>) -> Option<Hit> {
    let backends = rule.node.items_at("backendRefs");
    let weightless = |node: &Node| node.text_at("weight") == Some("0");
    let what = match backends {
        [] => "has no backendRefs",
        all if all.iter().all(weightless) => "gives each backend weight 0",
        _ => return None,
    };
    Some(Hit::new(rule.node.mark(), format!("rule {} of {} {what}", rule.index + 1, rule.route.title())))
}
