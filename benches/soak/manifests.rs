//! The manifests that a gateway is given while it serves: always the same promises, never twice the same text.

use mock_providers::MockProvider;

const HEAD: &str = "
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: agentgateway
  listeners:
    - {name: http, port: 8080, protocol: HTTP}
";

const ROUTES: &str = "
---
kind: HTTPRoute
metadata: {name: keyed}
spec:
  parentRefs: [{name: gateway}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /keyed}}]
      backendRefs: [{name: pool, group: agentgateway.dev, kind: AgentgatewayBackend}]
---
kind: AgentgatewayPolicy
metadata: {name: keys}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: keyed}]
  traffic: {apiKeyAuthentication: {secretRef: {name: clients}}}
---
kind: Secret
metadata: {name: clients}
stringData: {alice: ck-alice}
---
kind: HTTPRoute
metadata: {name: static}
spec:
  parentRefs: [{name: gateway}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /static}}]
      filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]
      backendRefs: [{name: large, group: agentgateway.dev, kind: AgentgatewayBackend}]
---
kind: HTTPRoute
metadata: {name: pool}
spec:
  parentRefs: [{name: gateway}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /v1}}]
      backendRefs: [{name: pool, group: agentgateway.dev, kind: AgentgatewayBackend}]
";

/// Good manifests: the model changes, a listener and routes come and go.
pub(crate) fn valid(providers: &[MockProvider], edit: usize) -> String {
    let mut text = HEAD.to_owned();
    if edit % 3 == 1 {
        text.push_str("    - {name: other, port: 8081, protocol: HTTP}\n");
    }
    text.push_str(ROUTES);
    for route in 0..edit % 7 {
        text.push_str(&format!(
            "---\nkind: HTTPRoute\nmetadata: {{name: more-{route}}}\nspec:\n  parentRefs: [{{name: gateway}}]\n  rules: \
             [{{matches: [{{path: {{type: RegularExpression, value: '/more/{edit}[0-9]+'}}}}]}}]\n"
        ));
    }
    let [a, b, c] = [0, 1, 2].map(|at| providers[at].addr().port());
    text.push_str(&format!(
        "---\nkind: AgentgatewayBackend\nmetadata: {{name: pool}}\nspec:\n  ai:\n    groups:\n    - providers:\n      \
         - {{name: a, host: 127.0.0.1, port: {a}, openai: {{model: m-{edit}}}}}\n      \
         - {{name: b, host: 127.0.0.1, port: {b}, openai: {{model: m-b}}}}\n  policies: {{auth: {{key: sk-provider}}}}\n"
    ));
    text.push_str(&format!(
        "---\nkind: AgentgatewayBackend\nmetadata: {{name: large}}\nspec: {{static: {{host: 127.0.0.1, port: {c}}}}}\n"
    ));
    text
}

/// Manifests that must be refused: a key that nobody knows.
pub(crate) fn refused() -> String {
    format!("{HEAD}    - {{name: other, prt: 8081}}\n{ROUTES}")
}
