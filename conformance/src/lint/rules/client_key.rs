//! L20: the caller's key that goes on to the provider.

use super::{Hit, Object, Provider, Rule, Set, Severity, providers};

pub(super) const RULE: Rule = Rule {
    id: "L20",
    severity: Severity::Info,
    title: "the client's Authorization goes to the provider",
    why: "Without an `auth` policy the client's `Authorization` header is forwarded as it is, also one that was \
          meant for the gateway or for another provider.",
    mend: "policies: {auth: {secretRef: {name: …}}}",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}}
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
    set.ai_backends().filter_map(|backend| hit(set, backend)).collect()
}

fn hit(set: &Set<'_>, backend: &Object) -> Option<Hit> {
    let bare = |provider: &Provider<'_>| set.in_force(backend, Some(provider.node), "auth").is_none();
    let provider = providers(backend).find(bare)?;
    let mark = provider.name.map_or_else(|| backend.mark(), |_| provider.node.mark());
    Some(Hit::new(mark, format!("{} gets the clients' own Authorization header", provider.title())))
}
