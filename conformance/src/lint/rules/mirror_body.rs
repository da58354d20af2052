//! L19: copies without a body.

use super::{Hit, RouteRule, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L19",
    severity: Severity::Warning,
    title: "a mirrored request has no body",
    why: "agentgateway sends mirrored requests without their body, so a copy of a chat completion says nothing and \
          gets a 400.",
    mend: "
# leave the filter out, and send a share of the traffic instead:
backendRefs:
- {group: agentgateway.dev, kind: AgentgatewayBackend, name: openai, weight: 99}
- {group: agentgateway.dev, kind: AgentgatewayBackend, name: candidate, weight: 1}
",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}}
---
kind: HTTPRoute
metadata: {name: chat}
spec:
  rules:
  - filters: [{type: RequestMirror, requestMirror: {backendRef: {name: candidate, port: 80}}}]
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
  - backendRefs:
    - {group: agentgateway.dev, kind: AgentgatewayBackend, name: openai, weight: 99}
    - {name: candidate, port: 80, weight: 1}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let mirror = |rule: RouteRule<'_>| {
        let filter = rule.filter("RequestMirror")?;
        Some(Hit::new(filter.mark(), format!("{} mirrors prompts without the prompts", rule.route.title())))
    };
    set.ai_rules().filter_map(mirror).collect()
}
