//! L10: keys in manifests.

use super::{Hit, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L10",
    severity: Severity::Warning,
    title: "a key stands in the manifest",
    why: "Whoever may read backends, or the repository that they are applied from, reads the key. Secrets have \
          rights of their own and rotate without the manifest.",
    mend: "auth: {secretRef: {name: openai}}",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {auth: {key: canary-key}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {auth: {secretRef: {name: openai}}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let keys = set.auths().filter_map(|auth| Some((auth.owner, auth.node.entry("key")?)));
    keys.map(|(owner, key)| Hit::new(key.mark(), format!("{} has its key in plain text", owner.title()))).collect()
}
