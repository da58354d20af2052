//! AgentgatewayBackend and the backend policies, which AgentgatewayPolicy shares.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::meta::{ObjectReference, Present, SecretString};

/// AgentgatewayBackend.spec; exactly one kind of backend.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendSpec {
    /// LLM providers.
    pub ai: Option<AiSpec>,
    /// A plain HTTP host.
    #[serde(rename = "static")]
    pub static_: Option<StaticSpec>,
    /// Not supported.
    pub dynamic_forward_proxy: Option<Present>,
    /// Not supported.
    pub mcp: Option<Present>,
    /// Not supported.
    pub aws: Option<Present>,
    /// Not supported.
    pub a2a: Option<Present>,
    /// Policies of this backend.
    pub policies: Option<BackendPolicies>,
}

/// A plain HTTP host.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StaticSpec {
    /// Host name or address.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Not supported.
    pub unix_path: Option<Present>,
}

/// One provider or groups of them.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AiSpec {
    /// The single form.
    pub provider: Option<ProviderSpec>,
    /// Priority groups, best first.
    pub groups: Option<Vec<GroupSpec>>,
}

/// Providers that share the load.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupSpec {
    /// 1 to 16.
    pub providers: Vec<ProviderSpec>,
}

/// One provider; `name` and `policies` belong to the group form only.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderSpec {
    /// Unique in its group.
    pub name: Option<String>,
    /// OpenAI or compatible.
    pub openai: Option<OpenAiSpec>,
    /// Azure OpenAI.
    pub azureopenai: Option<AzureOpenAiSpec>,
    /// Anthropic.
    pub anthropic: Option<AnthropicSpec>,
    /// Not supported.
    pub azure: Option<Present>,
    /// Not supported.
    pub gemini: Option<Present>,
    /// Not supported.
    pub vertexai: Option<Present>,
    /// Not supported.
    pub bedrock: Option<Present>,
    /// Not supported.
    pub custom: Option<Present>,
    /// Another host than the provider's own; needs `port`.
    pub host: Option<String>,
    /// Needs `host`.
    pub port: Option<u16>,
    /// The full upstream path.
    pub path: Option<String>,
    /// Instead of `/v1`; needs `host`.
    pub path_prefix: Option<String>,
    /// Policies of this provider.
    pub policies: Option<BackendPolicies>,
}

/// `openai`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenAiSpec {
    /// Replaces the client's.
    pub model: Option<String>,
    /// Not supported.
    pub moderation: Option<Present>,
}

/// `anthropic`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnthropicSpec {
    /// Replaces the client's.
    pub model: Option<String>,
}

/// `azureopenai`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AzureOpenAiSpec {
    /// `NAME.openai.azure.com`
    pub endpoint: String,
    /// Replaces the client's model.
    pub deployment_name: Option<String>,
    /// `v1` when absent; the only one supported.
    pub api_version: Option<String>,
}

/// Policies of a backend or of a provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendPolicies {
    /// Credentials towards the upstream.
    pub auth: Option<AuthSpec>,
    /// TLS towards the upstream.
    pub tls: Option<TlsSpec>,
    /// Eviction.
    pub health: Option<HealthSpec>,
    /// LLM policies.
    pub ai: Option<AiPolicies>,
    /// Connecting to the upstream.
    pub tcp: Option<TcpSpec>,
    /// HTTP towards the upstream.
    pub http: Option<HttpSpec>,
    /// Not supported.
    pub tunnel: Option<Present>,
    /// Not supported.
    pub transformation: Option<Present>,
    /// Not supported.
    pub mcp: Option<Present>,
    /// Not supported.
    pub ext_auth: Option<Present>,
    /// Not supported.
    pub ext_proc: Option<Present>,
}

/// `policies.auth`: one way to authenticate.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthSpec {
    /// Inline key.
    pub key: Option<SecretString>,
    /// Key from a Secret.
    pub secret_ref: Option<SecretRef>,
    /// The client's own credentials.
    pub passthrough: Option<Present>,
    /// Where the key goes.
    pub location: Option<LocationSpec>,
    /// Not supported.
    pub credentials: Option<Present>,
    /// Not supported.
    pub aws: Option<Present>,
    /// Not supported.
    pub azure: Option<Present>,
    /// Not supported.
    pub gcp: Option<Present>,
    /// Not supported.
    pub oauth_token_exchange: Option<Present>,
    /// Not supported.
    pub cross_app_access: Option<Present>,
    /// Not supported.
    pub jwt_sign: Option<Present>,
}

/// A Secret and the data key to read.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// Secret name.
    pub name: String,
    /// The referrer's when absent.
    pub namespace: Option<String>,
    /// Data key; the usual ones when absent.
    pub key: Option<String>,
    /// Core when absent.
    pub group: Option<String>,
    /// `Secret` when absent.
    pub kind: Option<String>,
}

/// Where a key goes.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocationSpec {
    /// A header.
    pub header: Option<HeaderLocation>,
    /// Not supported.
    pub query_parameter: Option<Present>,
    /// Not supported.
    pub cookie: Option<Present>,
}

/// A header that carries a key.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderLocation {
    /// Header name.
    pub name: String,
    /// Put before the key, as `Bearer `.
    pub prefix: Option<String>,
}

/// `policies.tcp`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpSpec {
    /// For TCP and TLS together; 10 s when absent.
    pub connect_timeout: Option<String>,
    /// Not supported.
    pub keepalive: Option<Present>,
}

/// `policies.http`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpSpec {
    /// HTTP/1.1 when absent.
    pub version: Option<HttpVersion>,
    /// Not supported.
    pub request_timeout: Option<Present>,
}

/// `policies.http.version`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HttpVersion {
    /// HTTP/1.1.
    #[serde(rename = "HTTP1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "HTTP2")]
    Http2,
}

/// `policies.tls`; an empty block is TLS with the system's roots.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsSpec {
    /// Server name.
    pub sni: Option<String>,
    /// What is not verified.
    pub insecure_skip_verify: Option<SkipVerifySpec>,
    /// ConfigMaps with `ca.crt`.
    pub ca_certificate_refs: Option<Vec<ObjectReference>>,
    /// Not supported.
    pub mtls_certificate_ref: Option<Present>,
    /// Not supported.
    pub verify_subject_alt_names: Option<Present>,
    /// Not supported.
    pub alpn_protocols: Option<Present>,
    /// Not supported.
    pub key_exchange_groups: Option<Present>,
    /// Not supported.
    pub certificate_source: Option<Present>,
}

/// What is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SkipVerifySpec {
    /// Nothing is.
    All,
    /// The name is not.
    Hostname,
}

/// `policies.health`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthSpec {
    /// CEL: which answers are failures.
    pub unhealthy_condition: Option<String>,
    /// When and for how long a provider leaves the rotation.
    pub eviction: Option<EvictionSpec>,
}

/// `policies.health.eviction`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvictionSpec {
    /// 3 s when absent.
    pub duration: Option<String>,
    /// 0–100.
    pub restore_health: Option<u32>,
    /// Failures in a row.
    pub consecutive_failures: Option<u32>,
    /// 0–100.
    pub health_threshold: Option<u32>,
}

/// `policies.ai`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AiPolicies {
    /// Path suffix → what the request is.
    pub routes: Option<BTreeMap<String, RouteType>>,
    /// Not supported.
    pub prompt: Option<Present>,
    /// Not supported.
    pub prompt_guard: Option<Present>,
    /// Not supported.
    pub defaults: Option<Present>,
    /// Not supported.
    pub overrides: Option<Present>,
    /// Not supported.
    pub transformations: Option<Present>,
    /// Not supported.
    pub final_transformations: Option<Present>,
    /// Not supported.
    pub model_aliases: Option<Present>,
    /// Not supported, harmless.
    pub prompt_caching: Option<Present>,
}

/// What a request is; `TextCompletions` and `Moderations` are our own additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RouteType {
    /// A chat completion.
    Completions,
    /// A legacy text completion.
    TextCompletions,
    /// A moderation.
    Moderations,
    /// An Anthropic message.
    Messages,
    /// Model listing.
    Models,
    /// Forwarded as it is.
    Passthrough,
    /// Forwarded as it is.
    Detect,
    /// An OpenAI response.
    Responses,
    /// Embeddings.
    Embeddings,
    /// Not supported.
    AnthropicTokenCount,
    /// Not supported.
    Realtime,
    /// Not supported.
    Rerank,
    /// Not supported.
    GenerateContent,
    /// Not supported.
    GeminiCountTokens,
}
