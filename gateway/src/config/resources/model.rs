//! AgentgatewayModel.

use serde::Deserialize;

use super::backend::{AuthSpec, HealthSpec, TlsSpec};
use super::meta::{ObjectReference, Present};
use super::policy::LocalReference;

/// A concrete model has a `provider`, a virtual one stands for others.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelSpec {
    /// Gateways, or rules of HTTPRoutes with the backendRef `AgentgatewayModel *`, that offer the model.
    #[serde(default)]
    pub parent_refs: Vec<ObjectReference>,
    /// Which model names of clients mean this one; the object's name when absent.
    #[serde(rename = "match")]
    pub match_: Option<ModelMatchSpec>,
    /// Whether clients may ask for it; `Public` when absent.
    pub visibility: Option<Visibility>,
    /// Who serves it; excludes `virtualModel`.
    pub provider: Option<ModelProvider>,
    /// Not supported.
    pub azure: Option<Present>,
    /// Not supported.
    pub vertexai: Option<Present>,
    /// Not supported.
    pub bedrock: Option<Present>,
    /// What a provider `Custom` can be asked for; for that one only.
    pub custom: Option<CustomSpec>,
    /// Address and base path of the provider, `https://host/v1`. Needed for `Custom`; the provider’s own when absent.
    #[serde(rename = "baseURL")]
    pub base_url: Option<String>,
    /// Policies of a concrete model.
    pub policies: Option<ModelPolicies>,
    /// The models that this one stands for; excludes `provider`.
    pub virtual_model: Option<VirtualSpec>,
}

/// `match`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelMatchSpec {
    /// A name, `prefix*`, `*suffix` or `*`.
    pub model: Option<String>,
}

/// `visibility`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Visibility {
    /// Listed, and clients may ask for it.
    Public,
    /// Only virtual models may.
    Internal,
}

/// `provider`; all but `OpenAI` and `Custom` are not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names are the providers themselves")]
pub enum ModelProvider {
    OpenAI,
    Azure,
    Anthropic,
    Gemini,
    VertexAI,
    Bedrock,
    Cohere,
    Ollama,
    Baseten,
    Cerebras,
    Deepinfra,
    Deepseek,
    Groq,
    Huggingface,
    Mistral,
    Openrouter,
    TogetherAI,
    XAI,
    Fireworks,
    Custom,
}

/// `custom`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomSpec {
    /// 1 to 6: what the provider can be asked for.
    #[serde(default)]
    pub formats: Vec<FormatSpec>,
    /// Not supported.
    pub backend_ref: Option<Present>,
    /// Not supported.
    pub provider_override: Option<Present>,
}

/// One of `custom.formats`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormatSpec {
    /// What it is.
    #[serde(rename = "type")]
    pub type_: FormatType,
    /// Not supported.
    pub path: Option<Present>,
}

/// `custom.formats[].type`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FormatType {
    /// Chat completions.
    Completions,
    /// Anthropic messages.
    Messages,
    /// OpenAI responses.
    Responses,
    /// Embeddings.
    Embeddings,
    /// Not supported.
    AnthropicTokenCount,
    /// Not supported.
    Realtime,
    /// Not supported.
    Rerank,
}

/// `policies`: credentials, health and TLS are implemented.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelPolicies {
    /// Credentials towards the provider.
    pub auth: Option<AuthSpec>,
    /// Eviction.
    pub health: Option<HealthSpec>,
    /// TLS towards the provider.
    pub tls: Option<TlsSpec>,
    /// Not supported.
    pub tunnel: Option<Present>,
    /// Not supported.
    pub headers: Option<Present>,
    /// Not supported.
    pub prompt_guard: Option<Present>,
    /// Not supported.
    pub authorization: Option<Present>,
    /// Not supported.
    pub transformations: Option<Present>,
    /// Not supported.
    pub final_transformations: Option<Present>,
}

/// `virtualModel`; exactly one of the three.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VirtualSpec {
    /// By share.
    pub weighted: Option<WeightedModels>,
    /// By priority.
    pub failover: Option<FailoverModels>,
    /// By CEL, not supported.
    pub conditional: Option<Present>,
}

/// `virtualModel.weighted`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WeightedModels {
    /// 1 to 64.
    pub targets: Vec<WeightedModel>,
}

/// A model with its share.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WeightedModel {
    /// A concrete model of the same namespace.
    pub model_ref: LocalReference,
    /// What the provider is asked for; needed when the model has a wildcard.
    pub model: Option<String>,
    /// 1 when absent.
    pub weight: Option<u32>,
}

/// `virtualModel.failover`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailoverModels {
    /// 1 to 64.
    pub targets: Vec<FailoverModel>,
}

/// A model with its priority.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailoverModel {
    /// A concrete model of the same namespace.
    pub model_ref: LocalReference,
    /// What the provider is asked for; needed when the model has a wildcard.
    pub model: Option<String>,
    /// Smaller is tried first.
    pub priority: u32,
}
