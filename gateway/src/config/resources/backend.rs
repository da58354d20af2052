//! AgentgatewayBackend and the backend policies, which AgentgatewayPolicy shares.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::meta::{ObjectReference, Present, SecretString};

/// Exactly one of `ai`, `static` and the kinds that are not supported yet.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendSpec {
    /// LLM providers: requests are read as LLM requests, and tokens are counted.
    pub ai: Option<AiSpec>,
    /// A plain HTTP host: requests are forwarded as they are.
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
    /// What holds for all of its providers: credentials, TLS, health, timeouts.
    pub policies: Option<BackendPolicies>,
}

/// A plain HTTP host.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StaticSpec {
    /// Host name or IP address; goes with `port`.
    pub host: Option<String>,
    /// Port, 1 to 65535; goes with `host`.
    pub port: Option<u16>,
    /// Not supported.
    pub unix_path: Option<Present>,
}

/// One provider or groups of them.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AiSpec {
    /// One provider. Its policies are in `spec.policies`. Excludes `groups`.
    pub provider: Option<ProviderSpec>,
    /// 1 to 8 groups, best first: a group is used while every group before it is out. Excludes `provider`.
    pub groups: Option<Vec<GroupSpec>>,
}

/// Providers that share the load.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupSpec {
    /// 1 to 16 providers that share the load; of two at random the better one is taken.
    pub providers: Vec<ProviderSpec>,
}

/// One provider: exactly one kind, and where it is reached.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderSpec {
    /// Unique in its group; policies name it as `sectionName`. For providers of `groups` only.
    pub name: Option<String>,
    /// OpenAI, or any server that speaks its API: for your own set `host` and `port` too.
    pub openai: Option<OpenAiSpec>,
    /// Azure OpenAI with its v1 API.
    pub azureopenai: Option<AzureOpenAiSpec>,
    /// Anthropic, or a server that speaks its API.
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
    /// Host name or IP address instead of the provider's own; goes with `port`. Plain HTTP unless
    /// `policies.tls` is set.
    pub host: Option<String>,
    /// Port of `host`, 1 to 65535.
    pub port: Option<u16>,
    /// The full upstream path for every request. Excludes `pathPrefix`.
    pub path: Option<String>,
    /// Stands in place of `/v1` in the provider's usual paths; needs `host`. Excludes `path`.
    pub path_prefix: Option<String>,
    /// What holds for this provider only, over the policies of the backend. For providers of `groups` only.
    pub policies: Option<BackendPolicies>,
}

/// OpenAI or compatible.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenAiSpec {
    /// The model that is asked for, whatever the client wrote. The client's when absent.
    pub model: Option<String>,
    /// Not supported.
    pub moderation: Option<Present>,
}

/// Anthropic.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnthropicSpec {
    /// The model that is asked for, whatever the client wrote. The client's when absent.
    pub model: Option<String>,
}

/// Azure OpenAI.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AzureOpenAiSpec {
    /// Host name of the resource: `NAME.openai.azure.com`.
    pub endpoint: String,
    /// The deployment that is asked for, whatever model the client wrote. The client's model when absent.
    pub deployment_name: Option<String>,
    /// `v1` when absent; the only one supported.
    pub api_version: Option<String>,
}

/// Policies of a backend or of a provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendPolicies {
    /// Credentials towards the upstream. When absent, the client’s own are passed on.
    pub auth: Option<AuthSpec>,
    /// TLS towards the upstream. When absent: TLS for the providers’ own hosts, plain HTTP for others.
    pub tls: Option<TlsSpec>,
    /// Which answers are failures, and when a provider is left out for a while.
    pub health: Option<HealthSpec>,
    /// How LLM requests are treated.
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

/// One way to authenticate.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthSpec {
    /// The key itself. Whoever can read the object can read it: better in a Secret, by `secretRef`.
    pub key: Option<SecretString>,
    /// The Secret that holds the key. A change of it takes effect at once.
    pub secret_ref: Option<SecretRef>,
    /// The client's own credentials are passed on.
    pub passthrough: Option<Present>,
    /// The header that carries the key; `Authorization: Bearer …` (Anthropic: `x-api-key`) when absent.
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
    /// Name of the Secret.
    pub name: String,
    /// Namespace of the Secret, the own one when absent. Another one needs a ReferenceGrant there.
    pub namespace: Option<String>,
    /// Data key that is read. When absent the first that is there of `Authorization`, `apiKey` and `api-key`.
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
    /// Put before the key, with its blank: `Bearer `. Nothing when absent.
    pub prefix: Option<String>,
}

/// `policies.tcp`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpSpec {
    /// For TCP and TLS together, as `5s`; at least 100ms, 10s when absent.
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
    /// Server name to ask for and to verify; the host when absent.
    pub sni: Option<String>,
    /// What of the certificate is not verified; for tests only.
    pub insecure_skip_verify: Option<SkipVerifySpec>,
    /// ConfigMaps of the same namespace whose `ca.crt` is trusted instead of the system’s roots.
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
    /// CEL on the answer: when true it counts as a failure. When absent every 5xx and every call without an answer does.
    pub unhealthy_condition: Option<String>,
    /// When and for how long a provider leaves the rotation.
    pub eviction: Option<EvictionSpec>,
}

/// `policies.health.eviction`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvictionSpec {
    /// How long a provider is left out, as `30s`; at least 1s, 3s when absent.
    pub duration: Option<String>,
    /// Health in percent, 0 to 100, with which it returns; what it had when absent.
    pub restore_health: Option<u32>,
    /// So many failures in a row evict. With no threshold at all, one does.
    pub consecutive_failures: Option<u32>,
    /// A health below this percentage, 0 to 100, evicts.
    pub health_threshold: Option<u32>,
}

/// `policies.ai`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AiPolicies {
    /// What a request is, by the end of its path: `/v1/embeddings: Embeddings`. The longest fits, `*` fits all.
    /// Everything is a chat completion when absent.
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
