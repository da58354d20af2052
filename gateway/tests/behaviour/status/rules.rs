//! Rows of routes that are served in part or not at all.

use super::{B, GW, Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        "a route of valid rules is not partially invalid",
        &[GW, "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{backendRefs: [$B]}]}", B],
        &["HTTPRoute r [Gateway gw] Accepted=True/Accepted", "no HTTPRoute r [Gateway gw] PartiallyInvalid"],
        Some(("a", 200)),
    ),
    row(
        "one rule that cannot be served is dropped, the other serves",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{matches: [{path: {value: /bad}}], timeouts: {request: soon}, backendRefs: [$B]}, {backendRefs: [$B]}]}",
            B,
        ],
        &[
            "HTTPRoute r [Gateway gw] Accepted=True/Accepted",
            "HTTPRoute r [Gateway gw] PartiallyInvalid=True/UnsupportedValue",
            "Gateway gw [http] attachedRoutes=1",
        ],
        Some(("a/good", 200)),
    ),
    row(
        "what a dropped rule matches does not fall through to another",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{matches: [{path: {value: /bad}}], timeouts: {request: soon}, backendRefs: [$B]}, {backendRefs: [$B]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw] PartiallyInvalid=True/UnsupportedValue"],
        Some(("a/bad", 500)),
    ),
    row(
        "a route of nothing but bad rules is not accepted and counts nowhere",
        &[GW, "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{timeouts: {request: soon}, backendRefs: [$B]}]}", B],
        &[
            "HTTPRoute r [Gateway gw] Accepted=False/UnsupportedValue",
            "no HTTPRoute r [Gateway gw] PartiallyInvalid",
            "Gateway gw [http] attachedRoutes=0",
        ],
        Some(("a", 500)),
    ),
    row(
        "filters that exclude each other are refused",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}], backendRefs: [$B]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw] Accepted=False/IncompatibleFilters"],
        Some(("a", 500)),
    ),
    row(
        "a filter by reference is refused",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{filters: [{type: ExtensionRef, extensionRef: {group: g, kind: K, name: n}}], backendRefs: [$B]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw] Accepted=False/UnsupportedValue"],
        Some(("a", 500)),
    ),
    row(
        "a match that is none is dropped alone",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{matches: [{path: {type: RegularExpression, value: '('}}, {path: {value: /good}}], backendRefs: [$B]}]}",
            B,
        ],
        &[
            "HTTPRoute r [Gateway gw] Accepted=True/Accepted",
            "HTTPRoute r [Gateway gw] PartiallyInvalid=True/UnsupportedValue",
        ],
        Some(("a/good", 200)),
    ),
    row(
        "a rule of such matches matches nothing",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{matches: [{path: {type: RegularExpression, value: '('}}], backendRefs: [$B]}]}",
            B,
        ],
        &["HTTPRoute r [Gateway gw] Accepted=False/UnsupportedValue"],
        Some(("a", 404)),
    ),
    row(
        "a host name that is none is dropped, the other serves",
        &[
            GW,
            "HTTPRoute r: {parentRefs: [{name: gw}], hostnames: ['a b', a.example.com], rules: [{backendRefs: [$B]}]}",
            B,
        ],
        &[
            "HTTPRoute r [Gateway gw] Accepted=True/Accepted",
            "HTTPRoute r [Gateway gw] PartiallyInvalid=True/UnsupportedValue",
        ],
        Some(("a.example.com", 200)),
    ),
    row(
        "a route of such host names only serves none",
        &[GW, "HTTPRoute r: {parentRefs: [{name: gw}], hostnames: [10.0.0.1], rules: [{backendRefs: [$B]}]}", B],
        &["HTTPRoute r [Gateway gw] Accepted=False/UnsupportedValue", "Gateway gw [http] attachedRoutes=0"],
        Some(("10.0.0.1", 404)),
    ),
    row(
        "default Gateways are not supported, named ones are",
        &[GW, "HTTPRoute r: {useDefaultGateways: All, parentRefs: [{name: gw}], rules: [{backendRefs: [$B]}]}", B],
        &[
            "HTTPRoute r [Gateway gw] Accepted=True/Accepted",
            "HTTPRoute r [Gateway gw] PartiallyInvalid=True/UnsupportedValue",
        ],
        Some(("a", 200)),
    ),
    row(
        "a route that is not let in says only that",
        &[
            "Gateway gw: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: None}}}]}",
            "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{timeouts: {request: soon}}, {backendRefs: [$B]}]}",
            B,
        ],
        &[
            "HTTPRoute r [Gateway gw] Accepted=False/NotAllowedByListeners",
            "no HTTPRoute r [Gateway gw] PartiallyInvalid",
        ],
        Some(("a", 404)),
    ),
    row(
        "a rule without backends answers 500",
        &[GW, "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{}]}"],
        &["HTTPRoute r [Gateway gw] Accepted=True/Accepted", "HTTPRoute r [Gateway gw] ResolvedRefs=True/ResolvedRefs"],
        Some(("a", 500)),
    ),
];
