//! Rows of references to backends: kinds, grants, Services with their endpoints, shares.

use super::{B, GW, Row, row};

const TO_SERVICE: &str = "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: s, port: 80}]}]}";
const SERVICE: &str = "Service s: {ports: [{name: http, port: 80, targetPort: web}]}";
const SLICE: &str = "{kind: EndpointSlice, metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}, addressType: IPv4, ports: [{name: http, port: $UP}], endpoints: [{addresses: [127.0.0.1]}]}";
const ABROAD: &str = "HTTPRoute apps/r: {parentRefs: [{name: gw, namespace: default}], rules: [{backendRefs: [{name: b, namespace: default, group: agentgateway.dev, kind: AgentgatewayBackend}]}]}";
const RESOLVED: &str = "HTTPRoute r [Gateway gw] ResolvedRefs=True/ResolvedRefs";
const ACCEPTED: &str = "HTTPRoute r [Gateway gw] Accepted=True/Accepted";

pub(super) const ROWS: &[Row] = &[
    row(
        "a backend that is not there",
        &[GW, "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [$B]}]}"],
        &[
            ACCEPTED,
            "HTTPRoute r [Gateway gw] ResolvedRefs=False/BackendNotFound",
            "Gateway gw [http] attachedRoutes=1",
        ],
        Some(("a", 500)),
    ),
    row(
        "a Service that is not there",
        &[GW, TO_SERVICE],
        &[ACCEPTED, "HTTPRoute r [Gateway gw] ResolvedRefs=False/BackendNotFound"],
        Some(("a", 500)),
    ),
    row(
        "a kind that is no backend",
        &[GW, "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: s, port: 80, kind: Pod}]}]}"],
        &[ACCEPTED, "HTTPRoute r [Gateway gw] ResolvedRefs=False/InvalidKind"],
        Some(("a", 500)),
    ),
    row(
        "a kind of another group",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: b, kind: AgentgatewayBackend}]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw] ResolvedRefs=False/InvalidKind"],
        Some(("a", 500)),
    ),
    row(
        "an AIRoute means our backends",
        &[GW, "AIRoute ai: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: b}]}]}", B],
        &["AIRoute ai [Gateway gw] ResolvedRefs=True/ResolvedRefs"],
        Some(("a", 200)),
    ),
    row(
        "an AIRoute has the same reasons",
        &[GW, "AIRoute ai: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: gone}]}]}", B],
        &[
            "AIRoute ai [Gateway gw] Accepted=True/Accepted",
            "AIRoute ai [Gateway gw] ResolvedRefs=False/BackendNotFound",
        ],
        Some(("a", 500)),
    ),
    row(
        "a Service needs a port",
        &[GW, "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: s}]}]}", SERVICE, SLICE],
        &["HTTPRoute r [Gateway gw] ResolvedRefs=False/UnsupportedValue"],
        Some(("a", 500)),
    ),
    row(
        "a port that the Service does not have",
        &[GW, "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: s, port: 81}]}]}", SERVICE, SLICE],
        &["HTTPRoute r [Gateway gw] ResolvedRefs=False/BackendNotFound"],
        Some(("a", 500)),
    ),
    row(
        "a Service with an endpoint, by the name of its port",
        &[GW, TO_SERVICE, SERVICE, SLICE],
        &[ACCEPTED, RESOLVED],
        Some(("a", 200)),
    ),
    row(
        "of several ports the named one is taken",
        &[
            GW,
            TO_SERVICE,
            "Service s: {ports: [{name: admin, port: 9}, {name: http, port: 80}]}",
            "{kind: EndpointSlice, metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}, ports: [{name: admin, port: 1}, {name: http, port: $UP}], endpoints: [{addresses: [127.0.0.1]}]}",
        ],
        &[RESOLVED],
        Some(("a", 200)),
    ),
    row(
        "an endpoint that is not ready is left out",
        &[
            GW,
            TO_SERVICE,
            SERVICE,
            "{kind: EndpointSlice, metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}, ports: [{name: http, port: $UP}], endpoints: [{addresses: [127.0.0.9], conditions: {ready: false}}, {addresses: [127.0.0.1], conditions: {ready: true}}]}",
        ],
        &[RESOLVED],
        Some(("a", 200)),
    ),
    row(
        "a Service none of whose endpoints is ready resolves and answers 503",
        &[
            GW,
            TO_SERVICE,
            SERVICE,
            "{kind: EndpointSlice, metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}, ports: [{name: http, port: $UP}], endpoints: [{addresses: [127.0.0.1], conditions: {ready: false}}]}",
        ],
        &[ACCEPTED, RESOLVED],
        Some(("a", 503)),
    ),
    row(
        "a Service without a slice resolves and answers 503",
        &[GW, TO_SERVICE, SERVICE],
        &[ACCEPTED, RESOLVED],
        Some(("a", 503)),
    ),
    row(
        "a slice of a Service of that name elsewhere is not its own",
        &[
            GW,
            TO_SERVICE,
            SERVICE,
            "{kind: EndpointSlice, metadata: {name: s-1, namespace: apps, labels: {kubernetes.io/service-name: s}}, ports: [{name: http, port: $UP}], endpoints: [{addresses: [127.0.0.1]}]}",
        ],
        &[RESOLVED],
        Some(("a", 503)),
    ),
    row(
        "an application protocol that is HTTP",
        &[GW, TO_SERVICE, "Service s: {ports: [{name: http, port: 80, appProtocol: http}]}", SLICE],
        &[RESOLVED],
        Some(("a", 200)),
    ),
    row(
        "an application protocol that begins as HTTP",
        &[
            GW,
            TO_SERVICE,
            "Service s: {ports: [{name: http, port: 80, protocol: TCP, appProtocol: kubernetes.io/ws}]}",
            SLICE,
        ],
        &[RESOLVED],
        Some(("a", 200)),
    ),
    row(
        "an application protocol that is none",
        &[GW, TO_SERVICE, "Service s: {ports: [{name: http, port: 80, appProtocol: mysql}]}", SLICE],
        &[ACCEPTED, "HTTPRoute r [Gateway gw] ResolvedRefs=False/UnsupportedProtocol"],
        Some(("a", 500)),
    ),
    row(
        "a UDP port",
        &[GW, TO_SERVICE, "Service s: {ports: [{name: http, port: 80, protocol: UDP}]}", SLICE],
        &["HTTPRoute r [Gateway gw] ResolvedRefs=False/UnsupportedProtocol"],
        Some(("a", 500)),
    ),
    row(
        "an external name is an endpoint",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: s, port: $UP}]}]}",
            "Service s: {type: ExternalName, externalName: localhost}",
        ],
        &[RESOLVED],
        Some(("a", 200)),
    ),
    row(
        "another namespace without a grant",
        &[GW, ABROAD, B],
        &[
            "HTTPRoute apps/r [Gateway gw] Accepted=True/Accepted",
            "HTTPRoute apps/r [Gateway gw] ResolvedRefs=False/RefNotPermitted",
        ],
        Some(("a", 500)),
    ),
    row(
        "whether it is there is told to nobody without a grant",
        &[GW, ABROAD],
        &["HTTPRoute apps/r [Gateway gw] ResolvedRefs=False/RefNotPermitted"],
        Some(("a", 500)),
    ),
    row(
        "another namespace with a grant",
        &[
            GW,
            ABROAD,
            B,
            "ReferenceGrant g: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: apps}], to: [{group: agentgateway.dev, kind: AgentgatewayBackend}]}",
        ],
        &["HTTPRoute apps/r [Gateway gw] ResolvedRefs=True/ResolvedRefs"],
        Some(("a", 200)),
    ),
    row(
        "a grant for another name",
        &[
            GW,
            ABROAD,
            B,
            "ReferenceGrant g: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: apps}], to: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: c}]}",
        ],
        &["HTTPRoute apps/r [Gateway gw] ResolvedRefs=False/RefNotPermitted"],
        Some(("a", 500)),
    ),
    row(
        "a grant for another kind of route",
        &[
            GW,
            ABROAD,
            B,
            "ReferenceGrant g: {from: [{group: agentgateway.dev, kind: AIRoute, namespace: apps}], to: [{group: agentgateway.dev, kind: AgentgatewayBackend}]}",
        ],
        &["HTTPRoute apps/r [Gateway gw] ResolvedRefs=False/RefNotPermitted"],
        Some(("a", 500)),
    ),
    row(
        "a grant for another group",
        &[
            GW,
            ABROAD,
            B,
            "ReferenceGrant g: {from: [{group: example.com, kind: HTTPRoute, namespace: apps}], to: [{group: agentgateway.dev, kind: AgentgatewayBackend}]}",
        ],
        &["HTTPRoute apps/r [Gateway gw] ResolvedRefs=False/RefNotPermitted"],
        Some(("a", 500)),
    ),
    row(
        "a grant for another namespace",
        &[
            GW,
            ABROAD,
            B,
            "ReferenceGrant g: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: web}], to: [{group: agentgateway.dev, kind: AgentgatewayBackend}]}",
        ],
        &["HTTPRoute apps/r [Gateway gw] ResolvedRefs=False/RefNotPermitted"],
        Some(("a", 500)),
    ),
    row(
        "a grant that lies in the wrong namespace",
        &[
            GW,
            ABROAD,
            B,
            "ReferenceGrant apps/g: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: apps}], to: [{group: agentgateway.dev, kind: AgentgatewayBackend}]}",
        ],
        &["HTTPRoute apps/r [Gateway gw] ResolvedRefs=False/RefNotPermitted"],
        Some(("a", 500)),
    ),
    row(
        "a reference that does not resolve gets its share and no more",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: gone, port: 80, weight: 0}, $B]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw] ResolvedRefs=False/BackendNotFound"],
        Some(("a", 200)),
    ),
    row(
        "all weight on a reference that does not resolve",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: gone, port: 80}, {name: b, group: agentgateway.dev, kind: AgentgatewayBackend, weight: 0}]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw] ResolvedRefs=False/BackendNotFound"],
        Some(("a", 500)),
    ),
    row(
        "no weight at all",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: b, group: agentgateway.dev, kind: AgentgatewayBackend, weight: 0}]}]}",
            B,
        ],
        &[ACCEPTED, RESOLVED],
        Some(("a", 500)),
    ),
    row(
        "the first of several reasons is told",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: s, kind: Pod}, {name: gone, port: 80}]}]}",
        ],
        &["HTTPRoute r [Gateway gw] ResolvedRefs=False/InvalidKind"],
        Some(("a", 500)),
    ),
    row(
        "a backend that is not accepted is there all the same",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [$B]}]}",
            "AgentgatewayBackend b: {mcp: {targets: []}}",
        ],
        &[RESOLVED, "AgentgatewayBackend b Accepted=False/Unsupported"],
        Some(("a", 500)),
    ),
];
