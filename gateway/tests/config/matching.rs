//! Which route wins, and how rules arrive in the snapshot.

use gateway::mirror::Share;
use gateway::snapshot::{Hostname, PathEdit, Target};

use super::{rules, served, status, table};

fn route(name: &str, spec: &str) -> String {
    format!(
        "kind: HTTPRoute\nmetadata: {{name: {name}}}\nspec: {{parentRefs: [{{name: gw}}], rules: [{{name: {name}, {spec}}}]}}\n---\n"
    )
}

fn winners(routes: &[(&str, &str)]) -> Vec<String> {
    let text: String = routes.iter().map(|(name, spec)| route(name, spec)).collect();
    let rules = rules(&served(&text).snapshot);
    rules.iter().map(|rule| rule.name.as_deref().unwrap_or_default().to_owned()).collect()
}

#[test]
fn more_specific_matches_come_first() {
    let order = winners(&[
        ("regex", "matches: [{path: {type: RegularExpression, value: '/a/very/long/expression.*'}}]"),
        ("root", "matches: [{path: {value: /}}]"),
        ("query", "matches: [{path: {value: /a}, queryParams: [{name: q, value: x}]}]"),
        ("two-headers", "matches: [{path: {value: /a}, headers: [{name: h, value: x}, {name: i, value: x}]}]"),
        ("header", "matches: [{path: {value: /a}, headers: [{name: h, value: x}]}]"),
        ("method", "matches: [{path: {value: /a}, method: GET}]"),
        ("short", "matches: [{path: {value: /a}}]"),
        ("long", "matches: [{path: {value: /a/b}}]"),
        ("exact", "matches: [{path: {type: Exact, value: /a}}]"),
    ]);
    assert_eq!(order, ["exact", "long", "method", "two-headers", "header", "query", "short", "root", "regex"]);
}

#[test]
fn the_older_of_equal_matches_wins_in_document_order() {
    assert_eq!(winners(&[("zebra", "matches: [{path: {value: /}}]"), ("ant", "")]), ["zebra", "ant"]);
}

#[test]
fn creation_time_is_age_when_every_route_has_one() {
    let dated = |name: &str, time: &str| {
        route(name, "").replace("metadata: {", &format!("metadata: {{creationTimestamp: '{time}', "))
    };
    let young = dated("a-young", "2026-02-01T00:00:00Z");
    let old = dated("z-old", "2026-01-01T00:00:00Z");
    let twin = dated("b-old", "2026-01-01T00:00:00Z");
    let names = |text: &str| -> Vec<_> {
        rules(&served(text).snapshot).iter().filter_map(|rule| rule.name.as_deref().map(str::to_owned)).collect()
    };
    assert_eq!(names(&format!("{young}{old}{twin}")), ["b-old", "z-old", "a-young"]);
    assert_eq!(names(&format!("{young}{old}{}", route("undated", ""))), ["a-young", "z-old", "undated"]);
}

#[test]
fn a_rule_that_can_never_match_is_called_shadowed() {
    let compiled = served(&format!(
        "{}{}kind: AIRoute\nmetadata: {{name: ai}}\nspec: {{parentRefs: [{{name: gw}}], rules: [{{}}]}}\n",
        route("first", ""),
        route("second", "matches: [{path: {value: /}}, {path: {value: /other}}]"),
    ));
    assert_eq!(
        status(&compiled, "HTTPRoute", "second").notes,
        ["match 1 of rule 1 is shadowed by rule 1 of HTTPRoute default/first"]
    );
    assert!(status(&compiled, "AIRoute", "ai").notes.is_empty(), "its paths are narrower");
    assert!(table(compiled).contains(
        "note: HTTPRoute default/second: match 1 of rule 1 is shadowed by rule 1 of HTTPRoute default/first"
    ));
}

#[test]
fn hosts_are_narrowed_to_what_listener_and_route_share() {
    let compiled = super::compile(
        "
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: agentgateway
  listeners:
  - {name: any, port: 80, protocol: HTTP}
  - {name: wild, port: 80, protocol: HTTP, hostname: '*.example.com'}
  - {name: exact, port: 80, protocol: HTTP, hostname: a.example.com}
---
kind: HTTPRoute
metadata: {name: r}
spec: {parentRefs: [{name: gw}], hostnames: ['A.example.com', '*.example.com', other.org]}
",
    );
    let listeners = &compiled.snapshot.binds[0].listeners;
    let seen: Vec<(String, Vec<_>)> = listeners
        .iter()
        .map(|listener| {
            let hosts = listener.routes.iter().map(|entry| match &entry.hostname {
                Some(Hostname::Exact(name)) => name.to_string(),
                Some(Hostname::Wildcard(suffix)) => format!("*{suffix}"),
                None => String::new(),
            });
            (listener.name.to_string(), hosts.collect())
        })
        .collect();
    let expected = [
        ("exact", vec!["a.example.com"]),
        ("wild", vec!["a.example.com", "*.example.com"]),
        ("any", vec!["a.example.com", "other.org", "*.example.com"]),
    ];
    assert_eq!(seen, expected.map(|(name, hosts)| (name.to_owned(), hosts.into_iter().map(str::to_owned).collect())));
}

#[test]
fn filters_deadlines_and_retries_arrive_as_written() {
    let text = route(
        "r",
        "timeouts: {request: 0s, backendRequest: 1m30s}, retry: {codes: [429, 503], attempts: 3, backoff: 250ms}, filters: [
          {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: '1'}], remove: [x-b]}},
          {type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: X-C, value: '2'}]}},
          {type: URLRewrite, urlRewrite: {hostname: new.example.com, path: {type: ReplacePrefixMatch, replacePrefixMatch: /v1}}}]",
    );
    let rule = rules(&served(&text).snapshot)[0].clone();
    assert_eq!((rule.timeouts.request, rule.timeouts.backend_request.map(|time| time.as_secs())), (None, Some(90)));
    let retry = rule.retry.as_ref().expect("configured");
    assert_eq!((retry.attempts, retry.codes.len(), retry.backoff.as_millis()), (3, 2, 250));
    let edit = &rule.filters.request_headers;
    assert_eq!((edit.set.len(), edit.add.len(), edit.remove.len()), (1, 1, 1));
    let rewrite = rule.filters.rewrite.as_ref().expect("configured");
    assert!(matches!(&rewrite.path, Some(PathEdit::Prefix(prefix)) if &**prefix == "/v1"));
}

#[test]
fn a_mirror_has_the_endpoints_of_its_service_and_its_share() {
    let mirror = |name: &str, share: &str| {
        format!("{{type: RequestMirror, requestMirror: {{backendRef: {{name: {name}, port: 80}}{share}}}}}")
    };
    let mirrors =
        [mirror("svc", ""), mirror("svc", ", percent: 5"), mirror("svc", ", fraction: {numerator: 1, denominator: 7}")];
    let text = route("r", &format!("filters: [{}]", mirrors.join(", ")))
        + "
kind: Service
metadata: {name: svc}
spec: {ports: [{port: 80}]}
---
kind: EndpointSlice
metadata: {name: svc-1, labels: {kubernetes.io/service-name: svc}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.1.0.1]}, {addresses: [10.1.0.2]}]
";
    let rule = rules(&served(&text).snapshot)[0].clone();
    let seen = rule.filters.mirrors.iter().map(|mirror| {
        let Share { numerator, denominator } = mirror.share;
        (mirror.targets.len(), numerator, denominator)
    });
    assert_eq!(seen.collect::<Vec<_>>(), [(2, 100, 100), (2, 5, 100), (2, 1, 7)]);
}

#[test]
fn a_service_shares_its_weight_among_its_ready_endpoints() {
    let text = route("r", "backendRefs: [{name: svc, port: 80, weight: 1}, {name: other, port: 81, weight: 3}]")
        + "
kind: Service
metadata: {name: svc}
spec: {clusterIP: 10.0.0.1, selector: {a: b}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: EndpointSlice
metadata: {name: svc-1, labels: {kubernetes.io/service-name: svc}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints:
- {addresses: [10.1.0.1], conditions: {ready: true, serving: true}}
- {addresses: [10.1.0.2]}
- {addresses: [10.1.0.3], conditions: {ready: false}}
---
kind: EndpointSlice
metadata: {name: svc-2, labels: {kubernetes.io/service-name: svc}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.1.0.2]}]
---
kind: Service
metadata: {name: other}
spec: {type: ExternalName, externalName: other.example.com, ports: [{port: 81}]}
";
    let rule = rules(&served(&text).snapshot)[0].clone();
    let shares: Vec<_> = rule
        .backends
        .iter()
        .map(|backend| match &backend.target {
            Target::Static(target) => (target.endpoint.host.to_string(), target.endpoint.port, backend.weight),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [("10.1.0.1", 8080, 1), ("10.1.0.2", 8080, 1), ("other.example.com", 81, 6)];
    assert_eq!(shares, expected.map(|(host, port, weight)| (host.to_owned(), port, weight)));
}

#[test]
fn what_does_not_resolve_keeps_its_share() {
    let text = route(
        "r",
        "backendRefs: [{name: gone, port: 80, weight: 1}, {name: idle, port: 80, weight: 2}, {name: other, port: 81, weight: 3}]",
    ) + "
kind: Service
metadata: {name: idle}
spec: {ports: [{port: 80}]}
---
kind: Service
metadata: {name: other}
spec: {type: ExternalName, externalName: other.example.com, ports: [{port: 81}]}
";
    let rule = rules(&served(&text).snapshot)[0].clone();
    let shares: Vec<_> = rule
        .backends
        .iter()
        .map(|backend| match &backend.target {
            Target::Broken { backend: name, .. } => ("broken", name.to_string(), backend.weight),
            Target::Unready { service } => ("unready", service.to_string(), backend.weight),
            Target::Static(target) => ("static", target.name.to_string(), backend.weight),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [("broken", "default/gone", 1), ("unready", "default/idle", 2), ("static", "default/other", 3)];
    assert_eq!(shares, expected.map(|(kind, name, weight)| (kind, name.to_owned(), weight)));
}
