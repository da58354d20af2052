//! Which fields go together: a table of rules by the name of the Rust type, each with a message that says what to do.
//! What only other objects can prove wrong is the compiler's business, and told in the status.

use serde_json::{Value, json};

/// A condition on values of a type.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The Rust type that it is about.
    pub type_: &'static str,
    /// What must hold, in the API server's CEL.
    pub rule: &'static str,
    /// What to do when it does not.
    pub message: &'static str,
}

const fn rule(type_: &'static str, rule: &'static str, message: &'static str) -> Rule {
    Rule { type_, rule, message }
}

/// Every rule.
pub const RULES: &[Rule] = &[
    rule(
        "BackendSpec",
        "[has(self.ai), has(self.static), has(self.dynamicForwardProxy), has(self.mcp), has(self.aws), has(self.a2a)]\
         .filter(set, set).size() == 1",
        "exactly one of ai, static, dynamicForwardProxy, mcp, aws, a2a must be set",
    ),
    rule(
        "BackendSpec",
        "!has(self.policies) || !has(self.policies.ai) || has(self.ai)",
        "policies.ai needs a backend with ai: remove it, or use ai instead of static",
    ),
    rule(
        "BackendSpec",
        "!has(self.policies) || !has(self.policies.mcp) || has(self.mcp)",
        "policies.mcp needs a backend with mcp: remove it",
    ),
    rule(
        "StaticSpec",
        "has(self.unixPath) ? !has(self.host) && !has(self.port) : has(self.host) && has(self.port)",
        "static takes host and port together, or unixPath alone",
    ),
    rule(
        "AiSpec",
        "has(self.provider) != has(self.groups)",
        "exactly one of ai.provider and ai.groups must be set: provider for one, groups for several",
    ),
    rule(
        "AiSpec",
        "!has(self.provider) || !has(self.provider.name) && !has(self.provider.policies)",
        "ai.provider takes no name and no policies: put policies into spec.policies, or use ai.groups",
    ),
    rule("GroupSpec", "self.providers.all(one, has(one.name))", "every provider of a group needs a name"),
    rule(
        "GroupSpec",
        "self.providers.all(one, !has(one.name) || \
         self.providers.exists_one(other, has(other.name) && other.name == one.name))",
        "provider names must be unique within a group: rename one",
    ),
    rule(
        "ProviderSpec",
        "[has(self.openai), has(self.azureopenai), has(self.anthropic), has(self.azure), has(self.gemini), \
         has(self.vertexai), has(self.bedrock), has(self.custom)].filter(set, set).size() == 1",
        "exactly one provider kind must be set: openai (also for what is compatible), anthropic, azureopenai…",
    ),
    rule("ProviderSpec", "has(self.host) == has(self.port)", "both host and port must be set together"),
    rule(
        "ProviderSpec",
        "!has(self.path) || !has(self.pathPrefix)",
        "path and pathPrefix are mutually exclusive: path is the whole path, pathPrefix stands in place of /v1",
    ),
    rule("ProviderSpec", "!has(self.pathPrefix) || has(self.host)", "pathPrefix requires host to be set"),
    rule(
        "AzureOpenAiSpec",
        "!has(self.apiVersion) || self.apiVersion == 'v1' || has(self.deploymentName)",
        "deploymentName is required for this apiVersion",
    ),
    rule(
        "AuthSpec",
        "[has(self.key), has(self.secretRef), has(self.passthrough), has(self.aws), has(self.azure), has(self.gcp), \
         has(self.oauthTokenExchange), has(self.crossAppAccess), has(self.jwtSign)].filter(set, set).size() <= 1",
        "auth takes one of key, secretRef, passthrough: a key belongs into a Secret that secretRef names",
    ),
    rule(
        "AuthSpec",
        "has(self.key) || has(self.secretRef) || has(self.passthrough) || has(self.aws) || has(self.azure) || \
         has(self.gcp) || has(self.oauthTokenExchange) || has(self.crossAppAccess) || has(self.jwtSign) || \
         has(self.credentials)",
        "auth needs one of key, secretRef, passthrough: leave auth out to send no key",
    ),
    rule(
        "AuthSpec",
        "!has(self.location) || has(self.key) || has(self.secretRef) || has(self.passthrough)",
        "auth.location says where key, secretRef or passthrough goes: set one of them",
    ),
    rule(
        "LocationSpec",
        "[has(self.header), has(self.queryParameter), has(self.cookie)].filter(set, set).size() == 1",
        "location takes exactly one of header, queryParameter, cookie",
    ),
    rule(
        "TcpSpec",
        "!has(self.connectTimeout) || duration(self.connectTimeout) >= duration('100ms')",
        "tcp.connectTimeout must be at least 100ms",
    ),
    rule(
        "EvictionSpec",
        "!has(self.duration) || duration(self.duration) >= duration('1s')",
        "health.eviction.duration must be at least 1s",
    ),
    rule(
        "PolicySpec",
        "has(self.targetRefs) != has(self.targetSelectors)",
        "exactly one of targetRefs and targetSelectors must be set",
    ),
    rule(
        "PolicySpec",
        "has(self.traffic) || has(self.frontend) || has(self.backend)",
        "at least one of traffic, frontend and backend must be set",
    ),
    rule(
        "PolicySpec",
        "!has(self.targetRefs) || self.targetRefs.all(one, has(one.kind) && has(self.targetRefs[0].kind) && \
         one.kind == self.targetRefs[0].kind)",
        "all targetRefs must have a kind, and the same one: write a policy for each kind",
    ),
    rule(
        "PolicySpec",
        "!has(self.targetSelectors) || self.targetSelectors.all(one, one.kind == self.targetSelectors[0].kind)",
        "all targetSelectors must be of one kind: write a policy for each kind",
    ),
    rule(
        "PolicySpec",
        "!has(self.targetRefs) || self.targetRefs.all(one, !has(one.namespace))",
        "targetRefs take no namespace: a policy works in its own",
    ),
    rule(
        "PolicySpec",
        "!has(self.frontend) || (!has(self.targetRefs) || self.targetRefs.all(one, has(one.kind) && one.kind == 'Gateway')) \
         && (!has(self.targetSelectors) || self.targetSelectors.all(one, one.kind == 'Gateway'))",
        "frontend is about ports: its targets must be Gateways",
    ),
    rule(
        "PolicySpec",
        "!has(self.backend) || !(has(self.backend.ai) || has(self.backend.mcp)) || \
         (!has(self.targetRefs) || self.targetRefs.all(one, !has(one.kind) || one.kind != 'Service')) \
         && (!has(self.targetSelectors) || self.targetSelectors.all(one, one.kind != 'Service'))",
        "backend.ai and backend.mcp may not target a Service: target the AgentgatewayBackend",
    ),
    rule(
        "PolicySpec",
        "!has(self.traffic) || !has(self.traffic.phase) || self.traffic.phase != 'PreRouting' || \
         (!has(self.targetRefs) || self.targetRefs.all(one, has(one.kind) && one.kind in ['Gateway', 'ListenerSet'])) \
         && (!has(self.targetSelectors) || self.targetSelectors.all(one, one.kind in ['Gateway', 'ListenerSet']))",
        "traffic.phase PreRouting acts before there is a route: its targets must be Gateways",
    ),
    rule(
        "TrafficTimeouts",
        "!has(self.request) || duration(self.request) >= duration('1ms')",
        "timeouts.request must be at least 1ms: leave it out to have none",
    ),
    rule(
        "ApiKeySpec",
        "[has(self.secretRef), has(self.secretSelector), has(self.configMapSelector)].filter(set, set).size() == 1",
        "apiKeyAuthentication takes exactly one of secretRef, secretSelector, configMapSelector",
    ),
    rule("TracingSpec", "has(self.url) != has(self.backendRef)", "exactly one of url and backendRef must be set"),
    rule(
        "TracingSpec",
        "!has(self.path) || has(self.protocol) && self.protocol == 'HTTP'",
        "only protocol HTTP has a path: remove path, or set protocol: HTTP",
    ),
    rule(
        "ModelSpec",
        "has(self.provider) != has(self.virtualModel)",
        "exactly one of provider and virtualModel must be set",
    ),
    rule(
        "ModelSpec",
        "has(self.custom) == (has(self.provider) && self.provider == 'Custom')",
        "custom must be set for provider Custom, and for no other",
    ),
    rule(
        "ModelSpec",
        "!has(self.custom) || has(self.baseURL) || has(self.custom.backendRef)",
        "provider Custom needs baseURL, as https://host/v1",
    ),
    rule(
        "ModelSpec",
        "!has(self.azure) || has(self.provider) && self.provider == 'Azure'",
        "azure goes with provider Azure only",
    ),
    rule(
        "ModelSpec",
        "!has(self.vertexai) || has(self.provider) && self.provider == 'VertexAI'",
        "vertexai goes with provider VertexAI only",
    ),
    rule(
        "ModelSpec",
        "!has(self.bedrock) || has(self.provider) && self.provider == 'Bedrock'",
        "bedrock goes with provider Bedrock only",
    ),
    rule(
        "VirtualSpec",
        "[has(self.weighted), has(self.failover), has(self.conditional)].filter(set, set).size() == 1",
        "virtualModel takes exactly one of weighted, failover, conditional",
    ),
    rule(
        "RouteSpec",
        "!has(self.rules) || self.rules.all(one, !has(one.name) || \
         self.rules.exists_one(other, has(other.name) && other.name == one.name))",
        "rule names must be unique within a route: rename one",
    ),
    rule(
        "TimeoutsSpec",
        "!has(self.request) || !has(self.backendRequest) || duration(self.request) == duration('0s') || \
         duration(self.backendRequest) <= duration(self.request)",
        "timeouts.backendRequest cannot be longer than timeouts.request",
    ),
    rule(
        "FilterSpec",
        "has(self.requestHeaderModifier) == (self.type == 'RequestHeaderModifier') \
         && has(self.responseHeaderModifier) == (self.type == 'ResponseHeaderModifier') \
         && has(self.requestRedirect) == (self.type == 'RequestRedirect') \
         && has(self.urlRewrite) == (self.type == 'URLRewrite') \
         && has(self.requestMirror) == (self.type == 'RequestMirror') \
         && has(self.cors) == (self.type == 'CORS') \
         && has(self.externalAuth) == (self.type == 'ExternalAuth') \
         && has(self.extensionRef) == (self.type == 'ExtensionRef')",
        "a filter has the field that its type names, and no other",
    ),
    rule(
        "PathModifierSpec",
        "has(self.replaceFullPath) == (self.type == 'ReplaceFullPath') \
         && has(self.replacePrefixMatch) == (self.type == 'ReplacePrefixMatch')",
        "a path has the field that its type names, and no other",
    ),
    rule("MirrorSpec", "!has(self.percent) || !has(self.fraction)", "only one of percent and fraction may be set"),
    rule(
        "SessionPersistenceSpec",
        "!has(self.cookieConfig) || !has(self.type) || self.type == 'Cookie'",
        "cookieConfig is for sessions of type Cookie only",
    ),
    rule(
        "SessionPersistenceSpec",
        "!has(self.cookieConfig) || !has(self.cookieConfig.lifetimeType) \
         || self.cookieConfig.lifetimeType != 'Permanent' || has(self.absoluteTimeout)",
        "a Permanent cookie needs absoluteTimeout",
    ),
];

/// The rules of a type, as the API server takes them.
pub(super) fn of(type_: &str) -> Vec<Value> {
    let of_type = RULES.iter().filter(|rule| rule.type_ == type_);
    of_type.map(|rule| json!({"rule": rule.rule, "message": rule.message})).collect()
}
