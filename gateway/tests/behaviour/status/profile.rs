//! Rows for what the conformance profile GATEWAY-HTTP of the Gateway API looks for in status.

use super::{B, Row, row};

const COUNTS: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, hostname: foo.example.com, allowedRoutes: {kinds: [{kind: HTTPRoute}], namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: default}}}}}]}";
const HOSTS: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [
  {name: exact, port: 8080, protocol: HTTP, hostname: very.specific.com},
  {name: wild, port: 8080, protocol: HTTP, hostname: '*.wildcard.io'},
  {name: other, port: 8080, protocol: HTTP, hostname: '*.anotherwildcard.io'}]}";
const TLS_GONE: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: https, port: 8443, protocol: HTTPS, allowedRoutes: {kinds: [{kind: HTTPRoute}]}, tls: {certificateRefs: [{name: gone}]}}]}";
const TLS_GROUP: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: https, port: 8443, protocol: HTTPS, allowedRoutes: {kinds: [{kind: HTTPRoute}]}, tls: {certificateRefs: [{name: c, group: example.com, kind: Secret}]}}]}";
const TLS_KIND: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: https, port: 8443, protocol: HTTPS, allowedRoutes: {kinds: [{kind: HTTPRoute}]}, tls: {certificateRefs: [{name: c, group: '', kind: ConfigMap}]}}]}";
const TLS_C: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: https, port: 8443, protocol: HTTPS, allowedRoutes: {kinds: [{kind: HTTPRoute}]}, tls: {certificateRefs: [{name: c}]}}]}";
const FAR: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: https, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: c, namespace: certs}]}}]}";
const NO_CERTIFICATE: &[&str] = &[
    "Gateway gw Accepted=False/ListenersNotValid",
    "Gateway gw [https] Accepted=True/Accepted",
    "Gateway gw [https] ResolvedRefs=False/InvalidCertificateRef",
    "Gateway gw [https] Programmed=False/Invalid",
    "Gateway gw [https] attachedRoutes=0",
    "Gateway gw [https] supportedKinds=HTTPRoute",
];
const NOT_PERMITTED: &[&str] =
    &["Gateway gw [https] ResolvedRefs=False/RefNotPermitted", "Gateway gw [https] Programmed=False/Invalid"];

pub(super) const ROWS: &[Row] = &[
    row(
        "a class whose parameters are of a kind that nobody knows is not accepted",
        &[
            "GatewayClass agentgateway: {controllerName: agentgateway.dev/agentgateway, parametersRef: {group: example.com, kind: Unknown, name: p, namespace: infra}}",
        ],
        &["GatewayClass agentgateway Accepted=False/InvalidParameters"],
        None,
    ),
    row(
        "routes that are accepted are counted, the one whose host is another's is not",
        &[
            COUNTS,
            "HTTPRoute one: {parentRefs: [{name: gw}], rules: [{backendRefs: [$B]}]}",
            "HTTPRoute two: {parentRefs: [{name: gw}], rules: [{backendRefs: [$B]}]}",
            "HTTPRoute three: {parentRefs: [{name: gw}], hostnames: [not.accepted.com], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &[
            "Gateway gw [http] attachedRoutes=2",
            "Gateway gw [http] supportedKinds=HTTPRoute",
            "HTTPRoute three [Gateway gw] Accepted=False/NoMatchingListenerHostname",
        ],
        None,
    ),
    row(
        "a route of which nothing is served as written is not counted",
        &[COUNTS, "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{filters: [{type: CORS}]}]}"],
        &["HTTPRoute r [Gateway gw] Accepted=False/UnsupportedValue", "Gateway gw [http] attachedRoutes=0"],
        None,
    ),
    row(
        "a route is counted where nothing of it or its listener resolves",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: tls, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{group: '', kind: Secret, name: gone}], mode: Terminate}}]}",
            "HTTPRoute r: {parentRefs: [{kind: Gateway, name: gw, sectionName: tls}], rules: [{backendRefs: [{name: gone, port: 8080}]}]}",
        ],
        &[
            "Gateway gw [tls] attachedRoutes=1",
            "Gateway gw [tls] ResolvedRefs=False/InvalidCertificateRef",
            "Gateway gw [tls] Programmed=False/Invalid",
            "HTTPRoute r [Gateway gw#tls] ResolvedRefs=False/BackendNotFound",
            "HTTPRoute r [Gateway gw#tls] Accepted=True/Accepted",
        ],
        None,
    ),
    row(
        "each listener counts the routes whose hosts it serves",
        &[
            HOSTS,
            "HTTPRoute exact-exact: {parentRefs: [{name: gw}], hostnames: [non.matching.com, very.specific.com], rules: [{backendRefs: [$B]}]}",
            "HTTPRoute wild-exact: {parentRefs: [{name: gw}], hostnames: ['*.specific.com'], rules: [{backendRefs: [$B]}]}",
            "HTTPRoute exact-wild: {parentRefs: [{name: gw}], hostnames: [foo.wildcard.io, wildcard.io], rules: [{backendRefs: [$B]}]}",
            "HTTPRoute wild-wild: {parentRefs: [{name: gw}], hostnames: ['*.anotherwildcard.io'], rules: [{backendRefs: [$B]}]}",
            "HTTPRoute none: {parentRefs: [{name: gw}], hostnames: [specific.com, wildcard.io], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &[
            "Gateway gw [exact] attachedRoutes=2",
            "Gateway gw [wild] attachedRoutes=1",
            "Gateway gw [other] attachedRoutes=1",
            "HTTPRoute none [Gateway gw] Accepted=False/NoMatchingListenerHostname",
            "HTTPRoute none [Gateway gw] ResolvedRefs=True/ResolvedRefs",
        ],
        None,
    ),
    row(
        "a route of two Gateways is counted by each, and told about each",
        &[
            "Gateway one: {gatewayClassName: agentgateway, listeners: [{name: a, port: 8080, protocol: HTTP}, {name: b, port: 8081, protocol: HTTP}]}",
            "Gateway two: {gatewayClassName: agentgateway, listeners: [{name: a, port: 8082, protocol: HTTP, hostname: b.example.com}]}",
            "HTTPRoute r: {parentRefs: [{name: one}, {name: one, sectionName: b}, {name: two}], hostnames: [a.example.com], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &[
            "Gateway one [a] attachedRoutes=1",
            "Gateway one [b] attachedRoutes=1",
            "Gateway two [a] attachedRoutes=0",
            "HTTPRoute r [Gateway one] Accepted=True/Accepted",
            "HTTPRoute r [Gateway one#b] Accepted=True/Accepted",
            "HTTPRoute r [Gateway two] Accepted=False/NoMatchingListenerHostname",
        ],
        None,
    ),
    row(
        "a listener for other kinds of routes takes no HTTPRoute",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: tls, port: 8443, protocol: TLS, tls: {mode: Passthrough}, allowedRoutes: {kinds: [{kind: TLSRoute}]}}]}",
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &[
            "HTTPRoute r [Gateway gw] Accepted=False/NotAllowedByListeners",
            "HTTPRoute r [Gateway gw] ResolvedRefs=True/ResolvedRefs",
            "Gateway gw [tls] Accepted=False/UnsupportedProtocol",
            "Gateway gw [tls] attachedRoutes=0",
            "Gateway gw [tls] supportedKinds=",
        ],
        None,
    ),
    row(
        "a model is counted once by a listener, and only when it is accepted",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}",
            "AgentgatewayModel m: {parentRefs: [{name: gw}, {name: gw, sectionName: http}], provider: OpenAI}",
            "AgentgatewayModel bad: {parentRefs: [{name: gw}], provider: VertexAI, vertexai: {}}",
        ],
        &[
            "Gateway gw [http] attachedRoutes=1",
            "AgentgatewayModel m [Gateway gw#http] Accepted=True/Accepted",
            "AgentgatewayModel bad [Gateway gw] Accepted=False/Unsupported",
        ],
        None,
    ),
    row(
        "a listener that is not accepted takes no model",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: udp, port: 8080, protocol: UDP}]}",
            "AgentgatewayModel m: {parentRefs: [{name: gw}], provider: OpenAI}",
        ],
        &["Gateway gw [udp] attachedRoutes=0", "AgentgatewayModel m [Gateway gw] Accepted=False/NotAllowedByListeners"],
        None,
    ),
    row("a certificate that is not there", &[TLS_GONE], NO_CERTIFICATE, None),
    row("a certificate of another group", &[TLS_GROUP], NO_CERTIFICATE, None),
    row("a certificate of another kind", &[TLS_KIND], NO_CERTIFICATE, None),
    row(
        "a certificate that is none",
        &[
            TLS_C,
            "{kind: Secret, metadata: {name: c}, type: kubernetes.io/tls, stringData: {tls.crt: Hello, tls.key: world}}",
        ],
        NO_CERTIFICATE,
        None,
    ),
    row("a certificate of another namespace without a grant", &[FAR], NOT_PERMITTED, None),
    row(
        "a grant to Gateways of another namespace",
        &[
            FAR,
            "ReferenceGrant certs/g: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: other}], to: [{group: '', kind: Secret}]}",
        ],
        NOT_PERMITTED,
        None,
    ),
    row(
        "a grant to another kind",
        &[
            FAR,
            "ReferenceGrant certs/g: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}], to: [{group: '', kind: Secret}]}",
        ],
        NOT_PERMITTED,
        None,
    ),
    row(
        "a grant to a kind of another group",
        &[
            FAR,
            "ReferenceGrant certs/g: {from: [{group: example.com, kind: Gateway, namespace: default}], to: [{group: '', kind: Secret}]}",
        ],
        NOT_PERMITTED,
        None,
    ),
    row(
        "a grant for something else than Secrets",
        &[
            FAR,
            "ReferenceGrant certs/g: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}], to: [{group: '', kind: ConfigMap}]}",
        ],
        NOT_PERMITTED,
        None,
    ),
    row(
        "a grant for another Secret",
        &[
            FAR,
            "ReferenceGrant certs/g: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}], to: [{group: '', kind: Secret, name: other}]}",
        ],
        NOT_PERMITTED,
        None,
    ),
    row(
        "a grant that lies where the Gateway is",
        &[
            FAR,
            "ReferenceGrant g: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}], to: [{group: '', kind: Secret}]}",
        ],
        NOT_PERMITTED,
        None,
    ),
    row(
        "with a grant the Secret is looked for",
        &[
            FAR,
            "ReferenceGrant certs/g: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}], to: [{group: '', kind: Secret, name: c}]}",
        ],
        &["Gateway gw [https] ResolvedRefs=False/InvalidCertificateRef"],
        None,
    ),
];
