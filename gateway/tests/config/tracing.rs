//! `frontend.tracing` of a policy: what it becomes, and what is said of one that is wrong.

use crate::{compile, conditions, status};

const WORLD: &str = "
kind: Gateway
metadata: {name: gw}
spec: {gatewayClassName: agentgateway, listeners: [{name: a, port: 80, protocol: HTTP}, {name: b, port: 81, protocol: HTTP}]}
---
kind: Service
metadata: {name: otel}
spec: {ports: [{port: 4317}, {port: 9}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: otel-1, labels: {kubernetes.io/service-name: otel}}
addressType: IPv4
ports: [{port: 14317}]
endpoints: [{addresses: [10.0.0.1]}]
---
kind: AgentgatewayBackend
metadata: {name: static}
spec: {static: {host: traces.example.com, port: 443}}
---
kind: AgentgatewayBackend
metadata: {name: ai}
spec: {ai: {provider: {openai: {}}}}
---
";

fn policy(name: &str, section: &str, tracing: &str) -> String {
    format!(
        "kind: AgentgatewayPolicy\nmetadata: {{name: {name}}}\nspec:\n  targetRefs: [{{group: gateway.networking.k8s.io, \
         kind: Gateway, name: gw{section}}}]\n  frontend: {{tracing: {{{tracing}}}}}\n---\n"
    )
}

/// Where each listener's spans go: host, port, TLS and path.
fn places(policies: &str) -> Vec<Option<String>> {
    let compiled = compile(&format!("{WORLD}{policies}"));
    let listeners = compiled.snapshot.binds.iter().flat_map(|bind| &bind.listeners);
    let place = listeners.map(|listener| {
        let collector = &listener.tracing.as_ref()?.collector;
        let endpoint = &collector.endpoint;
        let path = collector.path.rsplit('/').next().unwrap_or_default();
        Some(format!("{}:{} {:?} {} {path}", endpoint.host, endpoint.port, endpoint.protocol, endpoint.tls.is_some()))
    });
    place.collect()
}

#[test]
fn spans_go_to_a_url_a_service_or_a_static_backend() {
    let place = |tracing: &str| places(&policy("p", ", sectionName: a", tracing))[0].clone().unwrap();
    assert_eq!(place("url: 'http://collector:4317'"), "collector:4317 Http2 false Export");
    assert_eq!(place("url: 'https://collector', protocol: HTTP"), "collector:443 Http1 true traces");
    assert_eq!(place("url: 'http://collector', protocol: HTTP, path: /in"), "collector:80 Http1 false in");
    assert_eq!(place("backendRef: {name: otel, port: 4317}"), "10.0.0.1:14317 Http2 false Export");
    let of_backend = "backendRef: {group: agentgateway.dev, kind: AgentgatewayBackend, name: static}";
    assert_eq!(place(of_backend), "traces.example.com:443 Http2 true Export");
}

#[test]
fn a_listeners_own_tracing_beats_its_gateways() {
    let both = policy("p", "", "url: 'http://all:1'") + &policy("q", ", sectionName: b", "url: 'http://own:2'");
    let hosts: Vec<_> = places(&both).into_iter().map(|place| place.unwrap()[..3].to_owned()).collect();
    assert_eq!(hosts, ["all", "own"]);
    assert_eq!(places(""), [None, None]);
}

#[test]
fn what_is_wrong_with_a_tracing_is_told_by_its_place() {
    let url = "url: 'http://collector:4317'";
    let cases = [
        ("", "Invalid", "exactly one of url and backendRef must be set"),
        ("url: 'http://a:1', backendRef: {name: otel, port: 4317}", "Invalid", "exactly one of url and backendRef"),
        ("url: 'collector:4317'", "Invalid", "write one as in http://collector:4317"),
        ("url: 'http://collector:4317/v1/traces'", "Invalid", "write it in `path`"),
        ("backendRef: {name: otel, port: 4318}", "Invalid", "has no port 4318"),
        ("backendRef: {name: gone, port: 1}", "Invalid", "Service default/gone not found"),
        ("backendRef: {name: otel, namespace: far, port: 4317}", "Invalid", "missing a ReferenceGrant"),
        ("backendRef: {group: agentgateway.dev, kind: AgentgatewayBackend, name: ai}", "Invalid", "is not static"),
        (&format!("{url}, path: /in"), "Invalid", "only protocol HTTP has a path"),
        (&format!("{url}, protocol: HTTP, path: in"), "Invalid", "`in` is not a path"),
        (&format!("{url}, randomSampling: '1.5'"), "Invalid", "randomSampling: 1.5 is not a share from 0 to 1"),
        (
            &format!("{url}, clientSampling: 'llm.streaming'"),
            "Invalid",
            "clientSampling: 1:4: `llm.streaming` is not known yet",
        ),
        (&format!("{url}, filter: 'respond.code'"), "PartiallyValid", "filter: 1:8: `respond` is not known"),
        (
            &format!("{url}, attributes: {{add: [{{name: a, expression: '('}}]}}"),
            "PartiallyValid",
            "attributes.add `a`: 1:",
        ),
        (
            &format!("{url}, resources: [{{name: a, expression: request.path}}]"),
            "PartiallyValid",
            "resources `a`: a resource is the same",
        ),
        (&format!("{url}, randomSampling: '0.1', clientSampling: request.method == 'GET'"), "Valid", "Policy accepted"),
    ];
    for (tracing, reason, told) in cases {
        let compiled = compile(&format!("{WORLD}{}", policy("p", "", tracing)));
        let accepted = if reason == "Invalid" { "False" } else { "True" };
        let expected = format!("Accepted={accepted}/{reason} Attached=True/Attached");
        assert_eq!(conditions(&compiled, "AgentgatewayPolicy", "p"), expected, "{tracing}");
        let message = &status(&compiled, "AgentgatewayPolicy", "p").condition("Accepted").unwrap().message;
        assert!(message.contains(told), "{tracing}: {message}");
    }
}
