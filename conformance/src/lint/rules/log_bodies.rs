//! D6: prompts and answers that are not in the log.

use super::{Hit, Rule, Set, Severity, gateways};

pub(super) const RULE: Rule = Rule {
    id: "D6",
    severity: Severity::Info,
    title: "prompts and answers are not in the access log",
    why: "`request.body` and `response.body` are no default fields of the log; a policy has to add them as \
          expressions.",
    mend: "
frontend:
  accessLog:
    attributes:
      add:
      - {name: request.body, expression: request.body}
      - {name: response.body, expression: response.body}
",
    bad: "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
",
    good: "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
kind: AgentgatewayPolicy
metadata: {name: log}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gateway}]
  frontend:
    accessLog: {attributes: {add: [{name: request.body, expression: request.body}]}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let silent = |gateway: &&super::Object| {
        let mut added = set
            .policies_on(gateway)
            .flat_map(|policy| policy.root.items_at("spec.frontend.accessLog.attributes.add"))
            .filter_map(|attribute| attribute.text_at("expression"));
        !added.any(super::shows_content)
    };
    let hit = |gateway: &super::Object| {
        Hit::new(gateway.mark(), format!("the access log of {} has no prompts and no answers", gateway.title()))
    };
    gateways(set).filter(silent).map(hit).collect()
}
