//! D3: a field of secretRef that agentgateway does not have.

use super::{Hit, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D3",
    severity: Severity::Error,
    title: "secretRef has no `namespace`",
    why: "A Secret is looked for in the namespace of the object that refers to it. kubectl's strict validation \
          refuses the field; a client without it loses the field in silence.",
    mend: "secretRef: {name: …}         # keep the Secret in the namespace of the object that refers to it",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai, namespace: ai}
spec:
  ai: {provider: {openai: {}}}
  policies: {auth: {secretRef: {name: openai, namespace: keys}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai, namespace: ai}
spec:
  ai: {provider: {openai: {}}}
  policies: {auth: {secretRef: {name: openai}}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let hit = |auth: super::Auth<'_>| {
        let entry = auth.node.entry("secretRef.namespace")?;
        let own = &auth.owner.namespace;
        let other = entry.value.text().filter(|namespace| namespace != own);
        let more = other.map(|other| format!(": the Secret is looked for in `{own}`, not in `{other}`"));
        Some(Hit::new(entry.mark(), format!("secretRef has no field `namespace`{}", more.unwrap_or_default())))
    };
    set.auths().filter_map(hit).collect()
}
