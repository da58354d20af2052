//! L9: plain HTTP to a port that speaks TLS.

use super::{Hit, Object, Rule, Set, Severity, providers};

pub(super) const RULE: Rule = Rule {
    id: "L9",
    severity: Severity::Error,
    title: "port 443 without TLS",
    why: "A `host` of its own takes away the provider's TLS. Port 443 does not bring it back: the gateway speaks \
          plain HTTP to it, with the key, until `policies.tls` is set.",
    mend: "policies: {tls: {}}",
    bad: "
kind: AgentgatewayBackend
metadata: {name: proxy}
spec: {ai: {provider: {host: llm.example.com, port: 443, pathPrefix: /v1, openai: {}}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: proxy}
spec:
  ai: {provider: {host: llm.example.com, port: 443, pathPrefix: /v1, openai: {}}}
  policies: {tls: {}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.of("AgentgatewayBackend").flat_map(|backend| hits(set, backend)).collect()
}

fn hits(set: &Set<'_>, backend: &Object) -> Vec<Hit> {
    let upstreams = providers(backend).map(|provider| provider.node).chain(backend.root.get("spec.static"));
    let ports = upstreams.filter(|node| set.in_force(backend, Some(node), "tls").is_none());
    let ports = ports.filter_map(|node| node.entry("port")).filter(|port| port.value.text() == Some("443"));
    ports.map(|port| Hit::new(port.mark(), format!("{} speaks plain HTTP to port 443", backend.title()))).collect()
}
