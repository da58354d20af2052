//! Rows of AgentgatewayBackends and AgentgatewayPolicies.

use super::{B, GW, R, Row, row};

const AI: &str = "AgentgatewayBackend b: {ai: {provider: {openai: {}, host: 127.0.0.1, port: $UP}}, policies: {auth: {secretRef: {name: key}}}}";
const POOL: &str = "AgentgatewayBackend b: {ai: {groups: [{providers: [{name: bad, openai: {}, host: 127.0.0.1, port: $UP, policies: {auth: {secretRef: {name: gone}}}}, {name: good, openai: {}, host: 127.0.0.1, port: $UP}]}]}}";
const ABROAD: &str = "AgentgatewayBackend b: {ai: {provider: {openai: {}, host: 127.0.0.1, port: $UP}}, policies: {auth: {secretRef: {name: key, namespace: vault}}}}";
const VAULT: &str = "{kind: Secret, metadata: {name: key, namespace: vault}, stringData: {apiKey: sk-1}}";
const RULES: &str = "HTTPRoute r: {parentRefs: [{name: gw}], rules: [{name: own, matches: [{path: {value: /own}}], backendRefs: [$B]}, {backendRefs: [$B]}]}";

pub(super) const ROWS: &[Row] = &[
    row("a static backend", &[GW, R, B], &["AgentgatewayBackend b Accepted=True/Accepted"], Some(("a", 200))),
    row(
        "a Secret with a key",
        &[GW, R, AI, "{kind: Secret, metadata: {name: key}, stringData: {Authorization: sk-1}}"],
        &["AgentgatewayBackend b Accepted=True/Accepted"],
        Some(("a", 200)),
    ),
    row(
        "a Secret that is not there",
        &[GW, R, AI],
        &[
            "AgentgatewayBackend b Accepted=False/TranslationError",
            "HTTPRoute r [Gateway gw] ResolvedRefs=True/ResolvedRefs",
        ],
        Some(("a", 500)),
    ),
    row(
        "a Secret without the key",
        &[GW, R, AI, "{kind: Secret, metadata: {name: key}, stringData: {other: sk-1}}"],
        &["AgentgatewayBackend b Accepted=False/TranslationError"],
        Some(("a", 500)),
    ),
    row(
        "one provider of a pool without its Secret",
        &[GW, R, POOL],
        &["AgentgatewayBackend b Accepted=True/PartiallyValid"],
        Some(("a", 200)),
    ),
    row(
        "a Secret of another namespace without a grant",
        &[GW, R, ABROAD, VAULT],
        &["AgentgatewayBackend b Accepted=False/TranslationError"],
        Some(("a", 500)),
    ),
    row(
        "a Secret of another namespace with a grant",
        &[
            GW,
            R,
            ABROAD,
            VAULT,
            "ReferenceGrant vault/g: {from: [{group: agentgateway.dev, kind: AgentgatewayBackend, namespace: default}], to: [{group: '', kind: Secret, name: key}]}",
        ],
        &["AgentgatewayBackend b Accepted=True/Accepted"],
        Some(("a", 200)),
    ),
    row(
        "a backend of no kind",
        &[GW, R, "AgentgatewayBackend b: {}"],
        &["AgentgatewayBackend b Accepted=False/Invalid"],
        Some(("a", 500)),
    ),
    row(
        "a kind of backend that is not here",
        &[GW, R, "AgentgatewayBackend b: {a2a: {host: h, port: 1}}"],
        &["AgentgatewayBackend b Accepted=False/Unsupported"],
        Some(("a", 500)),
    ),
    row(
        "a setting whose absence is harmless",
        &[GW, R, "AgentgatewayBackend b: {static: {host: 127.0.0.1, port: $UP}, policies: {tcp: {keepalive: {}}}}"],
        &["AgentgatewayBackend b Accepted=True/PartiallyValid"],
        Some(("a", 200)),
    ),
    row(
        "a CA of another namespace",
        &[
            GW,
            R,
            "AgentgatewayBackend b: {static: {host: 127.0.0.1, port: $UP}, policies: {tls: {caCertificateRefs: [{name: ca, namespace: vault}]}}}",
        ],
        &["AgentgatewayBackend b Accepted=False/InvalidCACertificateRef"],
        Some(("a", 500)),
    ),
    row(
        "a policy on a Gateway",
        &[
            GW,
            R,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}], traffic: {timeouts: {request: 9s}}}",
        ],
        &[
            "AgentgatewayPolicy p [Gateway gw] Accepted=True/Valid",
            "AgentgatewayPolicy p [Gateway gw] Attached=True/Attached",
        ],
        Some(("a", 200)),
    ),
    row(
        "a policy on a listener",
        &[
            GW,
            R,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{kind: Gateway, name: gw, sectionName: http}], traffic: {rateLimit: {local: []}}}",
        ],
        &[
            "AgentgatewayPolicy p [Gateway gw#http] Accepted=False/Invalid",
            "AgentgatewayPolicy p [Gateway gw#http] Attached=True/Attached",
        ],
        Some(("a", 500)),
    ),
    row(
        "a policy on a listener that is not there",
        &[
            GW,
            R,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{kind: Gateway, name: gw, sectionName: https}], traffic: {rateLimit: {local: []}}}",
        ],
        &["AgentgatewayPolicy p [Gateway gw#https] Attached=False/Pending"],
        Some(("a", 200)),
    ),
    row(
        "a policy on a named rule",
        &[
            GW,
            RULES,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{kind: HTTPRoute, name: r, sectionName: own}], traffic: {csrf: {}}}",
        ],
        &["AgentgatewayPolicy p [HTTPRoute r#own] Attached=True/Attached"],
        Some(("a/own", 500)),
    ),
    row(
        "a policy on a named rule leaves the other rules alone",
        &[
            GW,
            RULES,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{kind: HTTPRoute, name: r, sectionName: own}], traffic: {csrf: {}}}",
        ],
        &["AgentgatewayPolicy p [HTTPRoute r#own] Accepted=False/Invalid"],
        Some(("a/other", 200)),
    ),
    row(
        "a policy on a rule that is not there",
        &[
            GW,
            RULES,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{kind: HTTPRoute, name: r, sectionName: owm}], traffic: {timeouts: {request: 9s}}}",
        ],
        &[
            "AgentgatewayPolicy p [HTTPRoute r#owm] Accepted=True/Valid",
            "AgentgatewayPolicy p [HTTPRoute r#owm] Attached=False/Pending",
        ],
        Some(("a/own", 200)),
    ),
    row(
        "a policy on a provider that is not there",
        &[
            POOL,
            "AgentgatewayPolicy p: {targetRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: b, sectionName: best}], backend: {tls: {}}}",
        ],
        &["AgentgatewayPolicy p [AgentgatewayBackend b#best] Attached=False/Pending"],
        None,
    ),
    row(
        "a policy that gives a pool its key",
        &[
            GW,
            R,
            POOL,
            "AgentgatewayPolicy p: {targetRefs: [{kind: AgentgatewayBackend, name: b, sectionName: good}], backend: {auth: {key: sk-2}}}",
        ],
        &["AgentgatewayPolicy p [AgentgatewayBackend b#good] Attached=True/Attached"],
        Some(("a", 200)),
    ),
    row(
        "each target has its own verdict",
        &[
            GW,
            R,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{kind: HTTPRoute, name: r}, {kind: HTTPRoute, name: gone}], traffic: {timeouts: {request: 9s}}}",
        ],
        &[
            "AgentgatewayPolicy p [HTTPRoute r] Attached=True/Attached",
            "AgentgatewayPolicy p [HTTPRoute gone] Attached=False/Pending",
        ],
        Some(("a", 200)),
    ),
    row(
        "a kind that takes no policy",
        &[
            GW,
            R,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{group: '', kind: Service, name: s}], traffic: {timeouts: {request: 9s}}}",
        ],
        &["AgentgatewayPolicy p [Service s] Attached=False/Pending"],
        Some(("a", 200)),
    ),
    row(
        "labels that nothing has",
        &[
            GW,
            R,
            B,
            "AgentgatewayPolicy p: {targetSelectors: [{kind: HTTPRoute, matchLabels: {tier: paid}}], traffic: {timeouts: {request: 9s}}}",
        ],
        &[
            "AgentgatewayPolicy p [HTTPRoute *] Accepted=True/Valid",
            "AgentgatewayPolicy p [HTTPRoute *] Attached=False/Pending",
        ],
        Some(("a", 200)),
    ),
    row(
        "labels that a route has",
        &[
            GW,
            "{kind: HTTPRoute, metadata: {name: r, labels: {tier: paid}}, spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [$B]}]}}",
            B,
            "AgentgatewayPolicy p: {targetSelectors: [{kind: HTTPRoute, matchLabels: {tier: paid}}], traffic: {jwtAuthentication: {}}}",
        ],
        &[
            "AgentgatewayPolicy p [HTTPRoute r] Accepted=False/Invalid",
            "AgentgatewayPolicy p [HTTPRoute r] Attached=True/Attached",
        ],
        Some(("a", 500)),
    ),
    row(
        "a policy of two ways to aim",
        &[
            GW,
            "AgentgatewayPolicy p: {targetRefs: [{kind: Gateway, name: gw}], targetSelectors: [{kind: Gateway}], traffic: {timeouts: {request: 9s}}}",
        ],
        &[
            "AgentgatewayPolicy p [Gateway gw] Accepted=False/Invalid",
            "AgentgatewayPolicy p [Gateway gw] Attached=False/Pending",
        ],
        None,
    ),
    row(
        "a policy that says nothing",
        &[GW, R, B, "AgentgatewayPolicy p: {targetRefs: [{kind: Gateway, name: gw}]}"],
        &["AgentgatewayPolicy p [Gateway gw] Accepted=False/Invalid"],
        Some(("a", 200)),
    ),
    row(
        "targets of two kinds, and what was to be protected is closed",
        &[
            GW,
            R,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{kind: Gateway, name: gw}, {kind: HTTPRoute, name: r}], traffic: {apiKeyAuthentication: {secretRef: {name: keys}}}}",
        ],
        &["AgentgatewayPolicy p [Gateway gw] Accepted=False/Invalid"],
        Some(("a", 500)),
    ),
    row(
        "a target of another namespace",
        &[
            GW,
            R,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{kind: Gateway, name: gw, namespace: default}], traffic: {timeouts: {request: 9s}}}",
        ],
        &["AgentgatewayPolicy p [Gateway gw] Accepted=False/Invalid"],
        Some(("a", 200)),
    ),
    row(
        "a part that works beside one that does not",
        &[
            GW,
            R,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{kind: HTTPRoute, name: r}], traffic: {timeouts: {request: 9s}, delay: {}}}",
        ],
        &["AgentgatewayPolicy p [HTTPRoute r] Accepted=True/PartiallyValid"],
        Some(("a", 200)),
    ),
    row(
        "client keys that cannot be had",
        &[
            GW,
            R,
            B,
            "AgentgatewayPolicy p: {targetRefs: [{kind: HTTPRoute, name: r}], traffic: {apiKeyAuthentication: {secretRef: {name: gone}}}}",
        ],
        &["AgentgatewayPolicy p [HTTPRoute r] Accepted=False/Invalid"],
        Some(("a", 500)),
    ),
    row(
        "client keys that are there",
        &[
            GW,
            R,
            B,
            "{kind: Secret, metadata: {name: keys}, stringData: {alice: k-1}}",
            "AgentgatewayPolicy p: {targetRefs: [{kind: HTTPRoute, name: r}], traffic: {apiKeyAuthentication: {secretRef: {name: keys}}}}",
        ],
        &["AgentgatewayPolicy p [HTTPRoute r] Accepted=True/Valid"],
        Some(("a", 401)),
    ),
];
