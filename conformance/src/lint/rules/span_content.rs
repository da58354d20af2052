//! D22: spans without prompts.

use super::{Hit, Object, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D22",
    severity: Severity::Info,
    title: "spans have no prompts and no answers",
    why: "A request makes one server span and one client span for each attempt, not one for each stage, and none of \
          them holds prompt or answer unless attributes add them as expressions.",
    mend: "
tracing:
  attributes:
    add:
    - {name: gen_ai.prompt, expression: llm.prompt}
    - {name: gen_ai.completion, expression: llm.completion}
",
    bad: "
kind: AgentgatewayPolicy
metadata: {name: traces}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gateway}]
  frontend: {tracing: {backendRef: {name: collector, port: 4317}, randomSampling: \"true\"}}
",
    good: "
kind: AgentgatewayPolicy
metadata: {name: traces}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gateway}]
  frontend:
    tracing:
      backendRef: {name: collector, port: 4317}
      randomSampling: \"true\"
      attributes: {add: [{name: gen_ai.prompt, expression: llm.prompt}]}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.of("AgentgatewayPolicy").filter_map(hit).collect()
}

fn hit(policy: &Object) -> Option<Hit> {
    let tracing = policy.root.entry("spec.frontend.tracing")?;
    let mut attributes = tracing.value.items_at("attributes.add").iter();
    let shown = attributes.any(|one| one.text_at("expression").is_some_and(super::shows_content));
    (!shown).then(|| Hit::new(tracing.mark(), "the spans of this policy hold neither prompts nor answers"))
}
