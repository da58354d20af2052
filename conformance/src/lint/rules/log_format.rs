//! D7: a log that is not JSON.

use super::{Hit, Object, Rule, Set, Severity, gateways};

pub(super) const RULE: Rule = Rule {
    id: "D7",
    severity: Severity::Info,
    title: "the log is text, not JSON",
    why: "The default format of the log is text. AgentgatewayParameters or the environment (`LOG_FORMAT=json`) \
          change it.",
    mend: "
kind: AgentgatewayParameters         # apiVersion: agentgateway.dev/v1alpha1
metadata: {name: logs}
spec: {logging: {format: json}}
# and in the Gateway:
infrastructure: {parametersRef: {group: agentgateway.dev, kind: AgentgatewayParameters, name: logs}}
",
    bad: "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
",
    good: "
kind: AgentgatewayParameters
metadata: {name: logs}
spec: {logging: {format: json}}
---
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: agentgateway
  infrastructure: {parametersRef: {group: agentgateway.dev, kind: AgentgatewayParameters, name: logs}}
  listeners: [{name: http, port: 80, protocol: HTTP}]
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let text = |gateway: &&Object| parameters(set, gateway).is_some_and(|found| !found.iter().any(|one| is_json(one)));
    let hit = |gateway: &Object| Hit::new(gateway.mark(), format!("{} writes its log as text", gateway.title()));
    gateways(set).filter(text).map(hit).collect()
}

/// The parameters of a Gateway and of its class; none when one that is named is not at hand.
fn parameters<'a>(set: &'a Set<'_>, gateway: &Object) -> Option<Vec<&'a Object>> {
    let class = set.of("GatewayClass").find(|class| gateway.root.text_at("spec.gatewayClassName") == Some(&class.name));
    let own = gateway.root.text_at("spec.infrastructure.parametersRef.name");
    let of_class = class.and_then(|class| class.root.text_at("spec.parametersRef.name"));
    let find = |name: &str| set.of("AgentgatewayParameters").find(|one| one.name == name);
    own.into_iter().chain(of_class).map(find).collect()
}

fn is_json(parameters: &Object) -> bool {
    let named = |one: &super::Node| one.text_at("name") == Some("LOG_FORMAT") && one.text_at("value") == Some("json");
    let root = &parameters.root;
    root.text_at("spec.logging.format") == Some("json") || root.items_at("spec.env").iter().any(named)
}
