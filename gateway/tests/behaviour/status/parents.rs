//! Rows of routes and the listeners they want: names, ports, namespaces, kinds, host names.

use super::{B, GW, R, Row, row};

const TWO: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: one, port: 8080, protocol: HTTP}, {name: two, port: 8081, protocol: HTTP}]}";
const ELSEWHERE: &str = "HTTPRoute apps/r: {parentRefs: [{name: gw, namespace: default}], rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: x.example.com}}]}]}";
const SAME: &str =
    "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}";
const SELECTOR: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: ai}}}}}]}";
const EXPRESSIONS: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [apps]}]}}}}]}";
const WILD: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, hostname: '*.example.com'}]}";
const EXACT: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, hostname: a.example.com}]}";
const HOSTS: &str =
    "HTTPRoute r: {parentRefs: [{name: gw}], hostnames: ['*.example.com'], rules: [{backendRefs: [$B]}]}";

pub(super) const ROWS: &[Row] = &[
    row(
        "a route attaches to the whole Gateway",
        &[TWO, R, B],
        &[
            "HTTPRoute r [Gateway gw] Accepted=True/Accepted",
            "HTTPRoute r [Gateway gw] ResolvedRefs=True/ResolvedRefs",
            "Gateway gw [one] attachedRoutes=1",
            "Gateway gw [two] attachedRoutes=1",
        ],
        Some(("a:8081", 200)),
    ),
    row(
        "a route attaches to the listener it names and to no other",
        &[TWO, "HTTPRoute r: {parentRefs: [{name: gw, sectionName: one}], rules: [{backendRefs: [$B]}]}", B],
        &[
            "HTTPRoute r [Gateway gw#one] Accepted=True/Accepted",
            "Gateway gw [one] attachedRoutes=1",
            "Gateway gw [two] attachedRoutes=0",
        ],
        Some(("a:8081", 404)),
    ),
    row(
        "a route attaches to the listener of a port",
        &[TWO, "HTTPRoute r: {parentRefs: [{name: gw, port: 8081}], rules: [{backendRefs: [$B]}]}", B],
        &[
            "HTTPRoute r [Gateway gw:8081] Accepted=True/Accepted",
            "Gateway gw [one] attachedRoutes=0",
            "Gateway gw [two] attachedRoutes=1",
        ],
        Some(("a:8081", 200)),
    ),
    row(
        "name and port must be of one listener",
        &[
            TWO,
            "HTTPRoute r: {parentRefs: [{name: gw, sectionName: one, port: 8081}], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw#one:8081] Accepted=False/NoMatchingParent"],
        Some(("a:8081", 404)),
    ),
    row(
        "every parentRef has its own verdict",
        &[
            TWO,
            "HTTPRoute r: {parentRefs: [{name: gw, sectionName: one}, {name: gw, sectionName: gone}, {name: gw, port: 9}], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &[
            "HTTPRoute r [Gateway gw#one] Accepted=True/Accepted",
            "HTTPRoute r [Gateway gw#gone] Accepted=False/NoMatchingParent",
            "HTTPRoute r [Gateway gw:9] Accepted=False/NoMatchingParent",
        ],
        Some(("a", 200)),
    ),
    row(
        "two parentRefs of one listener count once",
        &[
            TWO,
            "HTTPRoute r: {parentRefs: [{name: gw, sectionName: one}, {name: gw, port: 8080}], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &["Gateway gw [one] attachedRoutes=1", "HTTPRoute r [Gateway gw:8080] Accepted=True/Accepted"],
        Some(("a", 200)),
    ),
    row(
        "a Gateway that is not there is no parent",
        &["HTTPRoute r: {parentRefs: [{name: gone}], rules: [{backendRefs: [$B]}]}", B],
        &["HTTPRoute r [Gateway gone] Accepted=False/NoMatchingParent"],
        None,
    ),
    row(
        "a route without parents says so",
        &["HTTPRoute r: {rules: [{backendRefs: [$B]}]}", B],
        &["HTTPRoute r Accepted=False/NoMatchingParent"],
        None,
    ),
    row(
        "a Service is no parent here",
        &["HTTPRoute r: {parentRefs: [{name: s, kind: Service, group: ''}], rules: [{backendRefs: [$B]}]}", B],
        &["HTTPRoute r [Service s] Accepted=False/InvalidKind"],
        None,
    ),
    row(
        "routes of other namespaces stay out by default",
        &[SAME, ELSEWHERE],
        &["HTTPRoute apps/r [Gateway gw] Accepted=False/NotAllowedByListeners", "Gateway gw [http] attachedRoutes=0"],
        Some(("a", 404)),
    ),
    row(
        "routes of every namespace may be let in",
        &[GW, ELSEWHERE],
        &["HTTPRoute apps/r [Gateway gw] Accepted=True/Accepted", "Gateway gw [http] attachedRoutes=1"],
        Some(("a", 302)),
    ),
    row(
        "no route may be let in",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: None}}}]}",
            R,
            B,
        ],
        &["HTTPRoute r [Gateway gw] Accepted=False/NotAllowedByListeners"],
        Some(("a", 404)),
    ),
    row(
        "a namespace with the label is let in",
        &[SELECTOR, ELSEWHERE, "{kind: Namespace, metadata: {name: apps, labels: {team: ai, more: 'yes'}}}"],
        &["HTTPRoute apps/r [Gateway gw] Accepted=True/Accepted"],
        Some(("a", 302)),
    ),
    row(
        "a namespace with another label is not",
        &[SELECTOR, ELSEWHERE, "{kind: Namespace, metadata: {name: apps, labels: {team: web}}}"],
        &["HTTPRoute apps/r [Gateway gw] Accepted=False/NotAllowedByListeners"],
        Some(("a", 404)),
    ),
    row(
        "a namespace that is not there has no labels",
        &[SELECTOR, ELSEWHERE],
        &["HTTPRoute apps/r [Gateway gw] Accepted=False/NotAllowedByListeners"],
        Some(("a", 404)),
    ),
    row(
        "a selector does not let the Gateway's own namespace in by itself",
        &[SELECTOR, R, B],
        &["HTTPRoute r [Gateway gw] Accepted=False/NotAllowedByListeners"],
        Some(("a", 404)),
    ),
    row(
        "every namespace has its name as a label",
        &[EXPRESSIONS, ELSEWHERE, R, B],
        &[
            "HTTPRoute apps/r [Gateway gw] Accepted=False/NotAllowedByListeners",
            "HTTPRoute r [Gateway gw] Accepted=True/Accepted",
        ],
        Some(("a", 200)),
    ),
    row(
        "an empty selector selects every namespace",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {}}}}]}",
            ELSEWHERE,
        ],
        &["HTTPRoute apps/r [Gateway gw] Accepted=True/Accepted"],
        Some(("a", 302)),
    ),
    row(
        "a kind that is not listed stays out",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {kinds: [{kind: AIRoute, group: agentgateway.dev}]}}]}",
            R,
            "AIRoute ai: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: b}]}]}",
            B,
        ],
        &[
            "HTTPRoute r [Gateway gw] Accepted=False/NotAllowedByListeners",
            "AIRoute ai [Gateway gw] Accepted=True/Accepted",
            "Gateway gw [http] attachedRoutes=1",
            "Gateway gw [http] supportedKinds=AIRoute",
        ],
        Some(("a", 200)),
    ),
    row(
        "a route for all hosts gets the listener's",
        &[EXACT, R, B],
        &["HTTPRoute r [Gateway gw] Accepted=True/Accepted"],
        Some(("a.example.com", 200)),
    ),
    row("a route for all hosts is not served on another host", &[EXACT, R, B], &[], Some(("b.example.com", 404))),
    row(
        "a wildcard of the route covers the listener's host",
        &[EXACT, HOSTS, B],
        &["HTTPRoute r [Gateway gw] Accepted=True/Accepted"],
        Some(("a.example.com", 200)),
    ),
    row(
        "a wildcard of the listener covers the route's host",
        &[
            WILD,
            "HTTPRoute r: {parentRefs: [{name: gw}], hostnames: [a.b.example.com], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw] Accepted=True/Accepted"],
        Some(("a.b.example.com", 200)),
    ),
    row(
        "a wildcard needs a label before it",
        &[WILD, "HTTPRoute r: {parentRefs: [{name: gw}], hostnames: [example.com], rules: [{backendRefs: [$B]}]}", B],
        &["HTTPRoute r [Gateway gw] Accepted=False/NoMatchingListenerHostname", "Gateway gw [http] attachedRoutes=0"],
        Some(("example.com", 404)),
    ),
    row(
        "two wildcards meet in the longer one",
        &[
            WILD,
            "HTTPRoute r: {parentRefs: [{name: gw}], hostnames: ['*.a.example.com'], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw] Accepted=True/Accepted"],
        Some(("b.example.com", 404)),
    ),
    row(
        "one host in common is enough, the others are not served",
        &[
            EXACT,
            "HTTPRoute r: {parentRefs: [{name: gw}], hostnames: [a.example.com, b.example.com], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw] Accepted=True/Accepted"],
        Some(("b.example.com", 404)),
    ),
    row(
        "no host in common is no match",
        &[
            EXACT,
            "HTTPRoute r: {parentRefs: [{name: gw}], hostnames: [b.example.com], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &[
            "HTTPRoute r [Gateway gw] Accepted=False/NoMatchingListenerHostname",
            "HTTPRoute r [Gateway gw] ResolvedRefs=True/ResolvedRefs",
        ],
        Some(("b.example.com", 404)),
    ),
    row(
        "a host is asked for only where the route may attach",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: a, port: 8080, protocol: HTTP, hostname: a.example.com}, {name: b, port: 8080, protocol: HTTP, hostname: b.example.com, allowedRoutes: {namespaces: {from: All}}}]}",
            "HTTPRoute apps/r: {parentRefs: [{name: gw, namespace: default}], hostnames: [a.example.com], rules: [{}]}",
        ],
        &["HTTPRoute apps/r [Gateway gw] Accepted=False/NoMatchingListenerHostname"],
        Some(("a.example.com", 404)),
    ),
    row(
        "a host of another listener of the port is that listener's alone",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: any, port: 8080, protocol: HTTP}, {name: a, port: 8080, protocol: HTTP, hostname: a.example.com}]}",
            "HTTPRoute r: {parentRefs: [{name: gw, sectionName: any}], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &["Gateway gw [any] attachedRoutes=1", "Gateway gw [a] attachedRoutes=0"],
        Some(("a.example.com", 404)),
    ),
    row(
        "a listener that waits for its certificate counts its routes",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: tls, port: 8080, protocol: HTTPS, tls: {certificateRefs: [{name: gone}]}}]}",
            R,
            B,
        ],
        &[
            "Gateway gw [tls] Programmed=False/Invalid",
            "Gateway gw [tls] attachedRoutes=1",
            "HTTPRoute r [Gateway gw] Accepted=True/Accepted",
        ],
        Some(("a", 0)),
    ),
];
