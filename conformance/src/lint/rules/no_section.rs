//! L4: sections that are not there.

use gateway::yaml::did_you_mean;

use super::{Hit, Node, Object, Parent, Reference, Rule, Set, Severity, providers, targets};

pub(super) const RULE: Rule = Rule {
    id: "L4",
    severity: Severity::Error,
    title: "`sectionName` or `port` names no part of its object",
    why: "A route whose parentRef names no listener is `Accepted=False/NoMatchingParent` and not served; a policy \
          whose target has no such listener, rule or provider acts on nothing.",
    mend: "sectionName: …              # a listener, a named rule of the route, or a provider",
    bad: "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
kind: HTTPRoute
metadata: {name: chat}
spec: {parentRefs: [{name: gateway, sectionName: https}], rules: [{backendRefs: [{name: llm, port: 80}]}]}
",
    good: "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
kind: HTTPRoute
metadata: {name: chat}
spec: {parentRefs: [{name: gateway, sectionName: http}], rules: [{backendRefs: [{name: llm, port: 80}]}]}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let parents = set.parents().filter_map(|parent| no_listener(set.find(&parent.to)?, &parent));
    let policies = set.of("AgentgatewayPolicy").flat_map(targets);
    parents.chain(policies.filter_map(|to| no_part(set.find(&to)?, &to))).collect()
}

fn no_listener(gateway: &Object, parent: &Parent<'_>) -> Option<Hit> {
    if !parent.listeners(gateway).is_empty() {
        return None;
    }
    let node = parent.to.node;
    let wanted = node.entry("sectionName").or_else(|| node.entry("port"))?;
    let value = wanted.value.text().unwrap_or_default();
    let hit = Hit::new(wanted.mark(), format!("{} has no listener with `{}: {value}`", gateway.title(), wanted.key));
    Some(guess(hit, wanted.key == "sectionName", value, &parts(gateway)))
}

fn no_part(object: &Object, to: &Reference<'_>) -> Option<Hit> {
    let section = to.node.entry("sectionName")?;
    let (value, parts) = (section.value.text()?, parts(object));
    // the ports of a Service are its sections
    if object.kind == "Service" || parts.contains(&value) {
        return None;
    }
    Some(guess(Hit::new(section.mark(), format!("{} has no part `{value}`", object.title())), true, value, &parts))
}

fn guess(hit: Hit, named: bool, value: &str, parts: &[&str]) -> Hit {
    match did_you_mean(value, parts.iter().copied()).or(parts.first().copied()) {
        Some(close) if named => hit.mend(format!("sectionName: {close}")),
        _ => hit,
    }
}

/// What can be named of an object.
fn parts(object: &Object) -> Vec<&str> {
    let named = |path: &str| -> Vec<&str> { object.root.items_at(path).iter().filter_map(name).collect() };
    match object.kind.as_str() {
        "Gateway" => named("spec.listeners"),
        "AgentgatewayBackend" => providers(object).filter_map(|provider| provider.name).collect(),
        _ => named("spec.rules"),
    }
}

fn name(node: &Node) -> Option<&str> {
    node.text_at("name")
}
