//! L8: keys that travel in the clear.

use gateway::config::is_near;

use super::{Hit, Object, Rule, Set, Severity, providers};

pub(super) const RULE: Rule = Rule {
    id: "L8",
    severity: Severity::Error,
    title: "a key goes over plain HTTP",
    why: "With a `host` of its own a provider is spoken to without TLS unless `policies.tls` is set. To a public \
          address everybody on the way reads the key.",
    mend: "policies: {tls: {}}         # TLS with the system's roots",
    bad: "
kind: AgentgatewayBackend
metadata: {name: hosted}
spec:
  ai: {provider: {host: llm.example.com, port: 8080, openai: {}}}
  policies: {auth: {secretRef: {name: hosted}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: hosted}
spec:
  ai: {provider: {host: llm.example.com, port: 8443, openai: {}}}
  policies: {auth: {secretRef: {name: hosted}}, tls: {}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.of("AgentgatewayBackend").flat_map(|backend| hits(set, backend)).collect()
}

fn hits(set: &Set<'_>, backend: &Object) -> Vec<Hit> {
    let upstreams = providers(backend).map(|provider| provider.node).chain(backend.root.get("spec.static"));
    let exposed = |node: &&super::Node| {
        let part = |name: &str| set.in_force(backend, Some(node), name);
        let key =
            part("auth").is_some_and(|auth| auth.value.get("secretRef").is_some() || auth.value.get("key").is_some());
        // L9 has the port that means TLS
        key && part("tls").is_none() && node.text_at("port") != Some("443")
    };
    let hit = |node: &super::Node| {
        let host = node.entry("host")?;
        let name = host.value.text().filter(|name| !is_near(name))?;
        Some(Hit::new(host.mark(), format!("the key of {} goes to `{name}` without TLS", backend.title())))
    };
    upstreams.filter(exposed).filter_map(hit).collect()
}
