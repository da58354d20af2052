//! Status conditions of Gateways and routes.

use super::{compile, conditions, served, status, table};

fn route(spec: &str) -> String {
    format!("kind: HTTPRoute\nmetadata: {{name: r, namespace: default}}\nspec: {spec}\n---\n{BACKEND}")
}

const BACKEND: &str =
    "kind: AgentgatewayBackend\nmetadata: {name: b}\nspec: {static: {host: 127.0.0.1, port: 9}}\n---\n";
const REF: &str = "{name: b, group: agentgateway.dev, kind: AgentgatewayBackend}";

#[test]
fn routes_say_why_they_are_not_attached() {
    let gateway = "
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: agentgateway
  listeners:
  - {name: http, port: 8080, protocol: HTTP, hostname: '*.example.com'}
  - {name: none, port: 8081, protocol: HTTP, allowedRoutes: {namespaces: {from: None}}}
  - {name: other-kind, port: 8082, protocol: HTTP, allowedRoutes: {kinds: [{kind: AIRoute, group: agentgateway.dev}]}}
  - {name: udp, port: 8083, protocol: UDP}
---
kind: Gateway
metadata: {name: foreign}
spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
";
    let cases = [
        ("{name: gw, sectionName: http}", "[a.example.com]", "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs"),
        ("{name: gw, port: 8080}", "[]", "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs"),
        ("{name: gw, sectionName: https}", "[]", "Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs"),
        ("{name: gw, port: 9999}", "[]", "Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs"),
        ("{name: nowhere}", "[]", "Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs"),
        ("{name: gw, sectionName: none}", "[]", "Accepted=False/NotAllowedByListeners ResolvedRefs=True/ResolvedRefs"),
        (
            "{name: gw, sectionName: other-kind}",
            "[]",
            "Accepted=False/NotAllowedByListeners ResolvedRefs=True/ResolvedRefs",
        ),
        ("{name: gw, sectionName: udp}", "[]", "Accepted=False/NotAllowedByListeners ResolvedRefs=True/ResolvedRefs"),
        (
            "{name: gw, sectionName: http}",
            "[a.example.org]",
            "Accepted=False/NoMatchingListenerHostname ResolvedRefs=True/ResolvedRefs",
        ),
        ("{name: gw, kind: Service, group: ''}", "[]", "Accepted=False/InvalidKind ResolvedRefs=True/ResolvedRefs"),
        ("{name: foreign}", "[]", ""),
    ];
    for (parent, hosts, expected) in cases {
        let spec = format!("{{parentRefs: [{parent}], hostnames: {hosts}, rules: [{{backendRefs: [{REF}]}}]}}");
        let compiled = compile(&format!("{gateway}{}", route(&spec)));
        assert_eq!(conditions(&compiled, "HTTPRoute", "r"), expected, "{parent} {hosts}");
    }
}

#[test]
fn routes_say_which_backends_they_cannot_reach() {
    let cases = [
        (REF, "True/ResolvedRefs"),
        ("{name: gone, group: agentgateway.dev, kind: AgentgatewayBackend}", "False/BackendNotFound"),
        ("{name: b, namespace: other, group: agentgateway.dev, kind: AgentgatewayBackend}", "False/RefNotPermitted"),
        ("{name: b, kind: AgentgatewayBackend}", "False/InvalidKind"),
        ("{name: b, kind: Pod}", "False/InvalidKind"),
        ("{name: svc}", "False/UnsupportedValue"),
        ("{name: svc, port: 80}", "False/BackendNotFound"),
    ];
    for (reference, expected) in cases {
        let compiled =
            served(&route(&format!("{{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{reference}]}}]}}")));
        let expected = format!("Accepted=True/Accepted ResolvedRefs={expected}");
        assert_eq!(conditions(&compiled, "HTTPRoute", "r"), expected, "{reference}");
    }
}

#[test]
fn rules_that_cannot_be_served_as_written_are_not_accepted_and_answer_500() {
    let cases = [
        ("filters: [{type: RequestMirror}]", "UnsupportedValue"),
        (
            "filters: [{type: RequestMirror, requestMirror: {backendRef: {name: b}, percent: 10, fraction: {numerator: 1}}}]",
            "UnsupportedValue",
        ),
        (
            "filters: [{type: RequestMirror, requestMirror: {backendRef: {name: b}, fraction: {numerator: 2, denominator: 1}}}]",
            "UnsupportedValue",
        ),
        ("filters: [{type: CORS, cors: {allowOrigins: ['*', 'https://a.example.com']}}]", "UnsupportedValue"),
        ("filters: [{type: CORS, cors: {}}, {type: CORS, cors: {}}]", "IncompatibleFilters"),
        ("filters: [{type: URLRewrite, urlRewrite: {}}, {type: URLRewrite, urlRewrite: {}}]", "IncompatibleFilters"),
        (
            "filters: [{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}]",
            "IncompatibleFilters",
        ),
        ("filters: [{type: RequestRedirect, requestRedirect: {statusCode: 304}}]", "UnsupportedValue"),
        (
            "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /a/../b}}}]",
            "UnsupportedValue",
        ),
        ("filters: [{type: ExternalAuth, externalAuth: {}}]", "UnsupportedValue"),
        ("filters: [{type: CORS, cors: {}, urlRewrite: {}}]", "UnsupportedValue"),
        ("filters: [{type: ExtensionRef, extensionRef: {}}]", "UnsupportedValue"),
        ("filters: [{type: RequestHeaderModifier}]", "UnsupportedValue"),
        (
            "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: 'a b', value: x}]}}]",
            "UnsupportedValue",
        ),
        (
            "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [Content-Length]}}]",
            "UnsupportedValue",
        ),
        ("filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]", "IncompatibleFilters"),
        (
            "matches: [{path: {type: Exact, value: /x}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]",
            "UnsupportedValue",
        ),
        ("timeouts: {request: '120'}", "UnsupportedValue"),
        ("timeouts: {request: 1s, backendRequest: 2s}", "UnsupportedValue"),
        ("retry: {codes: [200]}", "UnsupportedValue"),
        ("sessionPersistence: {idleTimeout: 5m}", "UnsupportedValue"),
    ];
    for (rule, reason) in cases {
        let compiled =
            served(&route(&format!("{{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{REF}], {rule}}}]}}")));
        let expected = format!("Accepted=False/{reason} ResolvedRefs=True/ResolvedRefs");
        assert_eq!(conditions(&compiled, "HTTPRoute", "r"), expected, "{rule}");
        let target = super::first_target(&compiled);
        assert!(matches!(target, gateway::snapshot::Target::Broken { .. }), "{rule}: {target:?}");
    }
}

#[test]
fn a_filter_of_a_backend_that_cannot_be_served_breaks_only_that_backend() {
    for (filters, reason) in [
        ("filters: [{type: ExtensionRef, extensionRef: {}}]", "UnsupportedValue"),
        (
            "filters: [{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}]",
            "IncompatibleFilters",
        ),
        ("weight: 1000001", "UnsupportedValue"),
    ] {
        let with = REF.replace('}', &format!(", {filters}}}"));
        let compiled =
            served(&route(&format!("{{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{with}, {REF}]}}]}}")));
        let expected = format!("Accepted=False/{reason} ResolvedRefs=True/ResolvedRefs");
        assert_eq!(conditions(&compiled, "HTTPRoute", "r"), expected, "{filters}");
        let rule = super::rules(&compiled.snapshot)[0].clone();
        let broken =
            rule.backends.iter().map(|backend| matches!(backend.target, gateway::snapshot::Target::Broken { .. }));
        assert_eq!(broken.collect::<Vec<_>>(), [true, false]);
    }
}

#[test]
fn a_mirror_that_cannot_be_reached_takes_nothing_from_the_rule() {
    for (reference, reason) in [
        ("{name: gone, port: 80}", "BackendNotFound"),
        ("{name: b}", "UnsupportedValue"),
        ("{name: b, kind: Pod}", "InvalidKind"),
        ("{name: b, namespace: other, group: agentgateway.dev, kind: AgentgatewayBackend}", "RefNotPermitted"),
    ] {
        let filters = format!("filters: [{{type: RequestMirror, requestMirror: {{backendRef: {reference}}}}}]");
        let spec = format!("{{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{REF}], {filters}}}]}}");
        let compiled = served(&route(&spec));
        let expected = format!("Accepted=True/Accepted ResolvedRefs=False/{reason}");
        assert_eq!(conditions(&compiled, "HTTPRoute", "r"), expected, "{reference}");
        assert!(matches!(super::first_target(&compiled), gateway::snapshot::Target::Static(_)), "{reference}");
    }
}

#[test]
fn a_match_that_is_none_is_not_accepted_and_matches_nothing() {
    for path in ["{value: v1}", "{type: RegularExpression, value: '('}", "{type: Exact, value: /a//b}"] {
        let spec =
            format!("{{parentRefs: [{{name: gw}}], rules: [{{matches: [{{path: {path}}}], backendRefs: [{REF}]}}]}}");
        let compiled = served(&route(&spec));
        assert!(conditions(&compiled, "HTTPRoute", "r").starts_with("Accepted=False/UnsupportedValue"), "{path}");
        assert!(compiled.snapshot.binds[0].listeners[0].routes.is_empty());
    }
}

#[test]
fn listeners_count_their_routes_and_name_their_conflicts() {
    let compiled = compile(&format!(
        "
kind: Gateway
metadata: {{name: gw}}
spec:
  gatewayClassName: agentgateway
  listeners:
  - {{name: http, port: 8080, protocol: HTTP}}
  - {{name: again, port: 8080, protocol: HTTP}}
  - {{name: tls, port: 8443, protocol: HTTPS, tls: {{certificateRefs: [{{name: c}}]}}}}
  - {{name: kinds, port: 8081, protocol: HTTP, allowedRoutes: {{kinds: [{{kind: GRPCRoute}}, {{kind: HTTPRoute}}]}}}}
---
{}",
        route(&format!("{{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{REF}]}}]}}"))
    ));
    let listeners = &status(&compiled, "Gateway", "gw").listeners;
    let counts: Vec<_> = listeners.iter().map(|listener| (listener.name.as_str(), listener.attached_routes)).collect();
    assert_eq!(counts, [("http", 1), ("again", 1), ("tls", 1), ("kinds", 1)], "served or not");
    let ports: Vec<_> = compiled.snapshot.binds.iter().map(|bind| bind.port).collect();
    assert_eq!(ports, [8081], "the Gateway API forbids to pick one of two that conflict");
    insta::assert_snapshot!(table(compiled));
}

#[test]
fn gateways_with_a_process_each_are_in_nobodys_way() {
    let gateway = |name: &str, listeners: &str| {
        format!(
            "kind: Gateway\nmetadata: {{name: {name}}}\nspec: {{gatewayClassName: agentgateway, listeners: [{listeners}]}}\n---\n"
        )
    };
    let http = |name: &str| format!("{{name: {name}, port: 8080, protocol: HTTP}}");
    let text =
        gateway("one", &http("a")) + &gateway("two", &http("a")) + &gateway("three", &(http("a") + "," + &http("b")));
    let manifests = super::parse(&text).unwrap();
    let accepted = |status: Vec<gateway::config::ObjectStatus>| -> Vec<bool> {
        status.iter().map(|gateway| gateway.condition("Accepted").unwrap().status).collect()
    };
    assert_eq!(accepted(gateway::config::tell(&manifests)), [true, true, false], "only its own listeners conflict");
    assert_eq!(accepted(gateway::config::compile(&manifests, None).status), [true, false, false], "they share a port");
}

#[test]
fn every_condition_is_about_the_generation_of_its_object_and_every_parent_is_told_as_written() {
    let text = "
kind: Gateway
metadata: {name: gw, generation: GENERATION}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
kind: HTTPRoute
metadata: {name: r, generation: GENERATION}
spec:
  parentRefs:
  - {name: gw}
  - {group: gateway.networking.k8s.io, kind: Gateway, name: gw, namespace: default, sectionName: http, port: 8080}
  - {name: gw, sectionName: gone}
---
kind: AgentgatewayPolicy
metadata: {name: p, generation: GENERATION}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}], traffic: {timeouts: {request: 9s}}}
";
    for generation in [1, 2] {
        let compiled = compile(&text.replace("GENERATION", &generation.to_string()));
        let list = gateway::config::view::list(&compiled.status);
        let mut generations = Vec::new();
        observed(&list, &mut generations);
        assert_eq!(generations, vec![generation; 2 + 4 + 3 * 2 + 2], "{list}");
        let parents = &list["items"][1]["status"]["parents"];
        let parent = |index: usize| &parents[index]["parentRef"];
        let own = serde_json::json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"});
        assert_eq!(*parent(0), own, "what is not written is not told");
        let all = (&parent(1)["namespace"], &parent(1)["sectionName"], &parent(1)["port"]);
        assert_eq!(all, (&"default".into(), &"http".into(), &8080.into()));
        assert_eq!(
            (&parent(2)["sectionName"], parents[2]["conditions"][0]["reason"].as_str()),
            (&"gone".into(), Some("NoMatchingParent"))
        );
        let ancestor = &list["items"][2]["status"]["ancestors"][0]["ancestorRef"];
        assert_eq!((&ancestor["kind"], &ancestor["name"]), (&"HTTPRoute".into(), &"r".into()));
    }
}

/// Every `observedGeneration` in it.
fn observed(value: &serde_json::Value, into: &mut Vec<i64>) {
    match value {
        serde_json::Value::Object(fields) => fields.iter().for_each(|(key, value)| match key.as_str() {
            "observedGeneration" => into.extend(value.as_i64()),
            _ => observed(value, into),
        }),
        serde_json::Value::Array(values) => values.iter().for_each(|value| observed(value, into)),
        _ => {}
    }
}

#[test]
fn a_listener_that_is_added_changed_or_taken_away_is_told_as_it_is_now() {
    let told = |listeners: &str| {
        let compiled = compile(&format!(
            "kind: Gateway\nmetadata: {{name: gw}}\nspec: {{gatewayClassName: agentgateway, listeners: [{listeners}]}}\n---\n{}",
            route(&format!(
                "{{parentRefs: [{{name: gw}}, {{name: gw, sectionName: two}}], hostnames: [a.example.com], rules: [{{backendRefs: [{REF}]}}]}}"
            ))
        ));
        let listeners = &status(&compiled, "Gateway", "gw").listeners;
        let counts: Vec<_> =
            listeners.iter().map(|listener| format!("{}={}", listener.name, listener.attached_routes)).collect();
        let accepted = status(&compiled, "HTTPRoute", "r").parents.iter().map(|about| about.conditions[0].reason);
        (counts.join(" "), accepted.collect::<Vec<_>>().join(" "))
    };
    let (one, two) = ("{name: one, port: 8080, protocol: HTTP}", "{name: two, port: 8081, protocol: HTTP");
    let pair = |counts: &str, reasons: &str| (counts.to_owned(), reasons.to_owned());
    assert_eq!(told(one), pair("one=1", "Accepted NoMatchingParent"));
    assert_eq!(told(&format!("{one}, {two}}}")), pair("one=1 two=1", "Accepted Accepted"));
    let elsewhere = format!("{one}, {two}, hostname: b.example.com}}");
    assert_eq!(told(&elsewhere), pair("one=1 two=0", "Accepted NoMatchingListenerHostname"));
    assert_eq!(told(&format!("{two}}}")), pair("two=1", "Accepted Accepted"));
}

#[test]
fn namespaces_are_admitted_by_label() {
    let cases = [
        ("{}", true),
        ("{matchLabels: {team: ai}}", true),
        ("{matchLabels: {team: web}}", false),
        ("{matchLabels: {team: ai, tier: paid}}", false),
        ("{matchExpressions: [{key: team, operator: In, values: [web, ai]}]}", true),
        ("{matchExpressions: [{key: team, operator: In, values: [web]}]}", false),
        ("{matchExpressions: [{key: team, operator: NotIn, values: [web]}]}", true),
        ("{matchExpressions: [{key: team, operator: NotIn, values: [ai]}]}", false),
        ("{matchExpressions: [{key: tier, operator: NotIn, values: [paid]}]}", true),
        ("{matchExpressions: [{key: team, operator: Exists}]}", true),
        ("{matchExpressions: [{key: tier, operator: Exists}]}", false),
        ("{matchExpressions: [{key: tier, operator: DoesNotExist}]}", true),
        ("{matchExpressions: [{key: team, operator: DoesNotExist}]}", false),
        ("{matchLabels: {team: ai}, matchExpressions: [{key: tier, operator: Exists}]}", false),
        ("{matchLabels: {kubernetes.io/metadata.name: default}}", true),
    ];
    for (selector, admitted) in cases {
        let listener = format!(
            "{{name: http, port: 8080, protocol: HTTP, allowedRoutes: {{namespaces: {{from: Selector, selector: {selector}}}}}}}"
        );
        let gateway = format!(
            "kind: Gateway\nmetadata: {{name: gw, namespace: infra}}\nspec: {{gatewayClassName: agentgateway, listeners: [{listener}]}}\n---\n"
        );
        let namespace = "kind: Namespace\nmetadata: {name: default, labels: {team: ai}}\n---\n";
        let route =
            route(&format!("{{parentRefs: [{{name: gw, namespace: infra}}], rules: [{{backendRefs: [{REF}]}}]}}"));
        let told = conditions(&compile(&format!("{gateway}{namespace}{route}")), "HTTPRoute", "r");
        let expected = if admitted { "Accepted=True/Accepted" } else { "Accepted=False/NotAllowedByListeners" };
        assert!(told.starts_with(expected), "{selector}: {told}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let gateway = "kind: Gateway\nmetadata: {name: gw}\nspec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}, {name: none, port: 8081, protocol: HTTP, allowedRoutes: {namespaces: {from: None}}}]}\n---\n";
    let message = |spec: &str, condition: &str| {
        let compiled = compile(&format!("{gateway}{}", route(spec)));
        status(&compiled, "HTTPRoute", "r").condition(condition).map(|found| found.message.clone()).unwrap_or_default()
    };
    let partial = format!(
        "{{parentRefs: [{{name: gw}}], hostnames: ['a b', a], rules: [{{backendRefs: [{REF}]}}, {{matches: [{{}}, {{method: get}}]}}, {{timeouts: {{request: soon}}}}]}}"
    );
    let dropped = message(&partial, "PartiallyInvalid");
    for place in ["Dropped Rule 2 match 2: `get`", "Dropped Rule 3: ", "Dropped Rule for that host: `a b`"] {
        assert!(dropped.contains(place), "{place}: {dropped}");
    }
    assert!(dropped.starts_with("Dropped Rule") && !dropped.contains("Rule 1"), "{dropped}");
    let cases = [
        ("{name: gw, sectionName: https}", "no listener of Gateway default/gw has the name `https` (sectionName)"),
        ("{name: gw, sectionName: http, port: 9}", "no listener of Gateway default/gw has the name `http` and port 9"),
        ("{name: gw, sectionName: none}", "listener `none` takes no routes (allowedRoutes.namespaces.from: None)"),
    ];
    for (parent, expected) in cases {
        assert_eq!(message(&format!("{{parentRefs: [{parent}]}}"), "Accepted"), expected);
    }
}

#[test]
fn a_grant_opens_one_namespace_to_another() {
    let text = "
kind: HTTPRoute
metadata: {name: r, namespace: apps}
spec:
  parentRefs: [{name: gw, namespace: default}]
  rules: [{backendRefs: [{name: b, namespace: llm, group: agentgateway.dev, kind: AgentgatewayBackend}]}]
---
kind: AgentgatewayBackend
metadata: {name: b, namespace: llm}
spec: {static: {host: 127.0.0.1, port: 9}}
---
kind: ReferenceGrant
metadata: {name: g, namespace: llm}
spec:
  from: [{group: gateway.networking.k8s.io, kind: KIND, namespace: apps}]
  to: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: b}]
";
    let open = served(&text.replace("KIND", "HTTPRoute"));
    assert!(conditions(&open, "HTTPRoute", "r").ends_with("ResolvedRefs=True/ResolvedRefs"));
    let closed = served(&text.replace("KIND", "GRPCRoute"));
    assert!(conditions(&closed, "HTTPRoute", "r").ends_with("ResolvedRefs=False/RefNotPermitted"));
}

#[test]
fn a_route_exported_by_kubectl_can_be_applied_again() {
    let compiled = served(&format!(
        "
apiVersion: v1
kind: List
metadata: {{resourceVersion: ''}}
items:
- apiVersion: agentgateway.dev/v1alpha1
  kind: AIRoute
  metadata:
    annotations: {{kubectl.kubernetes.io/last-applied-configuration: '{{}}'}}
    creationTimestamp: '2026-01-01T00:00:00Z'
    finalizers: [x]
    generation: 3
    managedFields: [{{manager: kubectl, operation: Apply, fieldsV1: {{'f:spec': {{}}}}}}]
    name: r
    namespace: default
    ownerReferences: []
    resourceVersion: '123'
    selfLink: ''
    uid: 0b1c
  spec: {{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{{name: b}}]}}]}}
  status: {{parents: [{{conditions: [], controllerName: x, parentRef: {{name: gw}}}}]}}
---
{BACKEND}"
    ));
    assert_eq!(conditions(&compiled, "AIRoute", "r"), "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs");
}

#[test]
fn what_is_read_and_not_implemented_says_so() {
    let compiled = served(
        "
kind: AgentgatewayModel
metadata: {name: m}
spec: {parentRefs: [{name: gw}], provider: VertexAI, vertexai: {}}
---
kind: AgentgatewayParameters
metadata: {name: p}
spec: {logging: {level: debug}}
---
kind: AgentgatewayBackend
metadata: {name: mcp}
spec: {mcp: {targets: []}}
---
kind: AgentgatewayBackend
metadata: {name: vertex}
spec: {ai: {provider: {vertexai: {projectId: x}}}}
---
kind: AgentgatewayBackend
metadata: {name: guarded}
spec: {ai: {provider: {openai: {}}}, policies: {ai: {promptGuard: {request: []}}}}
---
kind: AgentgatewayBackend
metadata: {name: tuned}
spec: {ai: {provider: {openai: {}}}, policies: {tcp: {connectTimeout: 1s, keepalive: {}}, health: {unhealthyCondition: 'true'}}}
---
kind: GatewayClass
metadata: {name: agentgateway}
spec: {controllerName: agentgateway.dev/agentgateway}
---
kind: Gateway
metadata: {name: foreign}
spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
",
    );
    insta::assert_snapshot!(table(compiled));
}
