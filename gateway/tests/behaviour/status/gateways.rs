//! Rows of GatewayClasses, Gateways and their listeners.

use super::{B, GW, R, Row, row};

const TWO_OF_ONE_HOST: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: a, port: 8080, protocol: HTTP, hostname: a.example.com}, {name: b, port: 8080, protocol: HTTP, hostname: A.Example.com}, {name: c, port: 8081, protocol: HTTP}]}";
const TWO_PROTOCOLS: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: plain, port: 8080, protocol: HTTP}, {name: tls, port: 8080, protocol: HTTPS, hostname: a.example.com, tls: {certificateRefs: [{name: c}]}}, {name: c, port: 8081, protocol: HTTP}]}";
const OVERLAPPING: &str = "Gateway gw: {gatewayClassName: agentgateway, listeners: [
  {name: a, port: 8080, protocol: HTTPS, hostname: a.example.com, tls: {certificateRefs: [{name: c}]}},
  {name: wild, port: 8080, protocol: HTTPS, hostname: '*.example.com', tls: {certificateRefs: [{name: c}]}},
  {name: b, port: 8080, protocol: HTTPS, hostname: b.example.org, tls: {certificateRefs: [{name: c}]}},
  {name: port, port: 8081, protocol: HTTPS, hostname: '*.example.com', tls: {certificateRefs: [{name: c}]}},
  {name: plain, port: 8082, protocol: HTTP, hostname: a.example.com}]}";
const PARAMETERS: &str = "AgentgatewayParameters infra/p: {}";

pub(super) const ROWS: &[Row] = &[
    row(
        "a class of our controller is accepted",
        &[
            "GatewayClass other: {controllerName: agentgateway.dev/agentgateway}",
            "Gateway gw: {gatewayClassName: other, listeners: [{name: http, port: 8080, protocol: HTTP}]}",
            R,
            B,
        ],
        &["GatewayClass other Accepted=True/Accepted", "Gateway gw Accepted=True/Accepted"],
        Some(("a", 200)),
    ),
    row(
        "a class of another controller gets no status, nor does its Gateway or its route",
        &[
            "GatewayClass other: {controllerName: example.com/other}",
            "Gateway gw: {gatewayClassName: other, listeners: [{name: http, port: 8080, protocol: HTTP}]}",
            R,
            B,
        ],
        &["no GatewayClass other", "no Gateway gw", "no HTTPRoute r"],
        Some(("a", 0)),
    ),
    row(
        "a class whose parameters are there is accepted",
        &[
            "GatewayClass agentgateway: {controllerName: agentgateway.dev/agentgateway, parametersRef: {group: agentgateway.dev, kind: AgentgatewayParameters, name: p, namespace: infra}}",
            PARAMETERS,
            GW,
            R,
            B,
        ],
        &["GatewayClass agentgateway Accepted=True/Accepted", "Gateway gw Programmed=True/Programmed"],
        Some(("a", 200)),
    ),
    row(
        "a class whose parameters are missing is not accepted, nor are its Gateways",
        &[
            "GatewayClass agentgateway: {controllerName: agentgateway.dev/agentgateway, parametersRef: {group: agentgateway.dev, kind: AgentgatewayParameters, name: gone, namespace: infra}}",
            PARAMETERS,
            GW,
            R,
            B,
        ],
        &[
            "GatewayClass agentgateway Accepted=False/InvalidParameters",
            "Gateway gw Accepted=False/InvalidParameters",
            "Gateway gw Programmed=False/Invalid",
            "HTTPRoute r [Gateway gw] Accepted=False/NotAllowedByListeners",
        ],
        Some(("a", 0)),
    ),
    row(
        "a Gateway's parameters are of our kind",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, infrastructure: {parametersRef: {group: '', kind: ConfigMap, name: p}}, listeners: [{name: http, port: 8080, protocol: HTTP}]}",
        ],
        &["Gateway gw Accepted=False/InvalidParameters", "Gateway gw [http] Programmed=False/Invalid"],
        Some(("a", 0)),
    ),
    row(
        "a Gateway's parameters are in its own namespace",
        &[
            "Gateway infra/gw: {gatewayClassName: agentgateway, infrastructure: {parametersRef: {group: agentgateway.dev, kind: AgentgatewayParameters, name: p}}, listeners: [{name: http, port: 8080, protocol: HTTP}]}",
            PARAMETERS,
        ],
        &["Gateway infra/gw Accepted=True/Accepted", "Gateway infra/gw Programmed=True/Programmed"],
        Some(("a", 404)),
    ),
    row(
        "an address that is asked for is not supported",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, addresses: [{value: 10.0.0.1}], listeners: [{name: http, port: 8080, protocol: HTTP}]}",
        ],
        &["Gateway gw Accepted=False/UnsupportedAddress", "Gateway gw Programmed=False/AddressNotUsable"],
        Some(("a", 0)),
    ),
    row(
        "TLS for a whole Gateway is not supported",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, tls: {frontend: {}}, listeners: [{name: http, port: 8080, protocol: HTTP}]}",
        ],
        &["Gateway gw Accepted=False/Invalid", "Gateway gw Programmed=False/Invalid"],
        Some(("a", 0)),
    ),
    row(
        "a Gateway without listeners is not accepted",
        &["Gateway gw: {gatewayClassName: agentgateway, listeners: []}"],
        &["Gateway gw Accepted=False/ListenersNotValid"],
        Some(("a", 0)),
    ),
    row(
        "a listener that is fine says so in all its conditions",
        &[GW, R, B],
        &[
            "Gateway gw [http] Accepted=True/Accepted",
            "Gateway gw [http] Programmed=True/Programmed",
            "Gateway gw [http] Conflicted=False/NoConflicts",
            "Gateway gw [http] ResolvedRefs=True/ResolvedRefs",
            "Gateway gw [http] attachedRoutes=1",
            "Gateway gw [http] supportedKinds=HTTPRoute,AIRoute,AgentgatewayModel",
        ],
        Some(("a", 200)),
    ),
    row(
        "an unknown protocol is not supported; the other listener serves",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: udp, port: 8080, protocol: UDP}, {name: http, port: 8081, protocol: HTTP}]}",
            R,
            B,
        ],
        &[
            "Gateway gw Accepted=True/ListenersNotValid",
            "Gateway gw Programmed=True/Programmed",
            "Gateway gw [udp] Accepted=False/UnsupportedProtocol",
            "Gateway gw [udp] Programmed=False/Invalid",
            "Gateway gw [udp] attachedRoutes=1",
        ],
        Some(("a:8081", 200)),
    ),
    row(
        "protocols are written in capitals",
        &["Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: http}]}", R],
        &[
            "Gateway gw Accepted=False/ListenersNotValid",
            "Gateway gw Programmed=False/Invalid",
            "Gateway gw [http] Accepted=False/UnsupportedProtocol",
            "Gateway gw [http] attachedRoutes=0",
            "HTTPRoute r [Gateway gw] Accepted=False/NotAllowedByListeners",
        ],
        Some(("a", 0)),
    ),
    row(
        "port 0 cannot be had",
        &["Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 0, protocol: HTTP}]}"],
        &["Gateway gw [http] Accepted=False/PortUnavailable"],
        None,
    ),
    row(
        "a host name of a listener is one",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, hostname: 'a b'}]}",
        ],
        &["Gateway gw [http] Accepted=False/UnsupportedValue", "Gateway gw [http] Programmed=False/Invalid"],
        Some(("a", 0)),
    ),
    row(
        "a kind that is no route here is named, the others stay",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}, {kind: HTTPRoute}]}}]}",
            R,
            B,
        ],
        &[
            "Gateway gw [http] ResolvedRefs=False/InvalidRouteKinds",
            "Gateway gw [http] Accepted=True/Accepted",
            "Gateway gw [http] supportedKinds=HTTPRoute",
            "Gateway gw [http] attachedRoutes=1",
        ],
        Some(("a", 200)),
    ),
    row(
        "a listener of only such kinds takes no route",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {kinds: [{kind: HTTPRoute, group: example.com}]}}]}",
            R,
            B,
        ],
        &[
            "Gateway gw [http] ResolvedRefs=False/InvalidRouteKinds",
            "Gateway gw [http] supportedKinds=",
            "HTTPRoute r [Gateway gw] Accepted=False/NotAllowedByListeners",
        ],
        Some(("a", 404)),
    ),
    row(
        "a Selector without a selector is a mistake",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}}]}",
        ],
        &["Gateway gw [http] Accepted=False/UnsupportedValue"],
        Some(("a", 0)),
    ),
    row(
        "of two listeners of one Gateway with one host name none is picked",
        &[TWO_OF_ONE_HOST, R, B],
        &[
            "Gateway gw Accepted=True/ListenersNotValid",
            "Gateway gw [a] Conflicted=True/HostnameConflict",
            "Gateway gw [b] Conflicted=True/HostnameConflict",
            "Gateway gw [a] Accepted=False/HostnameConflict",
            "Gateway gw [b] Programmed=False/Invalid",
            "Gateway gw [c] Conflicted=False/NoConflicts",
        ],
        Some(("a.example.com", 0)),
    ),
    row(
        "the listener beside two that conflict serves",
        &[TWO_OF_ONE_HOST, R, B],
        &["HTTPRoute r [Gateway gw] Accepted=True/Accepted"],
        Some(("a.example.com:8081", 200)),
    ),
    row(
        "HTTP and HTTPS on one port conflict",
        &[TWO_PROTOCOLS, R, B],
        &[
            "Gateway gw [plain] Conflicted=True/ProtocolConflict",
            "Gateway gw [tls] Conflicted=True/ProtocolConflict",
            "Gateway gw [c] Conflicted=False/NoConflicts",
        ],
        Some(("a", 0)),
    ),
    row(
        "HTTPS listeners that share hosts are told, the others are not",
        &[OVERLAPPING],
        &[
            "Gateway gw [a] OverlappingTLSConfig=True/OverlappingHostnames",
            "Gateway gw [wild] OverlappingTLSConfig=True/OverlappingHostnames",
            "no Gateway gw [b] OverlappingTLSConfig",
            "no Gateway gw [port] OverlappingTLSConfig",
            "no Gateway gw [plain] OverlappingTLSConfig",
            "Gateway gw [a] Conflicted=False/NoConflicts",
        ],
        None,
    ),
    row(
        "a Gateway of nothing but conflicts is not accepted",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: a, port: 8080, protocol: HTTP}, {name: b, port: 8080, protocol: HTTP}]}",
        ],
        &["Gateway gw Accepted=False/ListenersNotValid", "Gateway gw Programmed=False/Invalid"],
        Some(("a", 0)),
    ),
    row(
        "between Gateways the first written keeps its port",
        &[
            GW,
            R,
            B,
            "Gateway z: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}",
        ],
        &[
            "Gateway gw [http] Conflicted=False/NoConflicts",
            "Gateway z [http] Conflicted=True/HostnameConflict",
            "Gateway z Accepted=False/ListenersNotValid",
        ],
        Some(("a", 200)),
    ),
    row(
        "between Gateways with a date the older keeps its port",
        &[
            "{kind: Gateway, metadata: {name: young, creationTimestamp: '2026-02-01T00:00:00Z'}, spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}}",
            "{kind: Gateway, metadata: {name: gw, creationTimestamp: '2026-01-01T00:00:00Z'}, spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}}",
            R,
            B,
        ],
        &["Gateway young [http] Conflicted=True/HostnameConflict", "Gateway gw [http] Conflicted=False/NoConflicts"],
        Some(("a", 200)),
    ),
    row(
        "a Gateway that is not accepted is in nobody's way",
        &[
            "Gateway a: {gatewayClassName: agentgateway, addresses: [{value: 10.0.0.1}], listeners: [{name: http, port: 8080, protocol: HTTP}]}",
            GW,
            R,
            B,
        ],
        &["Gateway gw [http] Conflicted=False/NoConflicts", "Gateway gw Accepted=True/Accepted"],
        Some(("a", 200)),
    ),
    row(
        "one name for two listeners is a mistake of the second",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: a, port: 8080, protocol: HTTP}, {name: a, port: 8081, protocol: HTTP}]}",
            R,
            B,
        ],
        &["Gateway gw Accepted=True/ListenersNotValid", "Gateway gw [a] Accepted=False/Invalid"],
        Some(("a", 200)),
    ),
    row(
        "conditions are about a generation",
        &[
            "{kind: GatewayClass, metadata: {name: agentgateway, generation: 1}, spec: {controllerName: agentgateway.dev/agentgateway}}",
            "{kind: Gateway, metadata: {name: gw, generation: 2}, spec: {gatewayClassName: agentgateway, listeners: []}}",
            "{kind: HTTPRoute, metadata: {name: r, generation: 3}, spec: {parentRefs: [{name: gw}]}}",
            "{kind: AgentgatewayBackend, metadata: {name: b, generation: 4}, spec: {}}",
            "{kind: AgentgatewayPolicy, metadata: {name: p, generation: 5}, spec: {}}",
        ],
        &[
            "GatewayClass agentgateway observedGeneration=1",
            "Gateway gw observedGeneration=2",
            "HTTPRoute r observedGeneration=3",
            "AgentgatewayBackend b observedGeneration=4",
            "AgentgatewayPolicy p observedGeneration=5",
        ],
        None,
    ),
];
