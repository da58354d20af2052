//! AgentgatewayParameters: the model catalog is the gateway's, the rest describes its deployment and is the controller's.

use serde::Deserialize;
use serde_json::Value;

#[cfg(feature = "schema")]
use super::meta::Present;

/// AgentgatewayParameters.spec; other fields than these are passed over.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ParametersSpec {
    /// Prices of models.
    pub model_catalog: Option<CatalogSpec>,
    /// The image of the data plane; parts that are not given stay.
    pub image: Option<ImageSpec>,
    /// Pods of the data plane; whoever scales the Deployment decides when absent.
    pub replicas: Option<u32>,
    /// Resources of the container, as a Pod has them.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Present>"))]
    pub resources: Option<Value>,
    /// Environment of the container, as a Pod has it; wins over what is set without it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Present>"))]
    pub env: Vec<Value>,
    /// What is logged, and how.
    pub logging: Option<LoggingSpec>,
    /// How long a Pod takes to stop.
    pub shutdown: Option<ShutdownSpec>,
    /// Laid over the Deployment: objects key by key, lists of named objects name by name, null removes.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Present>"))]
    pub deployment: Option<Value>,
    /// Laid over the Service in the same way.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Present>"))]
    pub service: Option<Value>,
    /// Laid over the ServiceAccount in the same way.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Present>"))]
    pub service_account: Option<Value>,
}

/// `image`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageSpec {
    /// Host, and port where it has one.
    pub registry: Option<String>,
    /// Name within the registry.
    pub repository: Option<String>,
    /// Version.
    pub tag: Option<String>,
    /// Exact contents; wins over a tag.
    pub digest: Option<String>,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: Option<String>,
}

/// `logging`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoggingSpec {
    /// What `RUST_LOG` is set to; the reference gateway does not read it, as neither its access log nor its notices have levels.
    pub level: Option<String>,
    /// `json` or `text`.
    pub format: Option<String>,
}

/// `shutdown`, in seconds.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShutdownSpec {
    /// How long new requests are still taken.
    pub min: Option<u32>,
    /// How long all of it may take.
    pub max: Option<u32>,
}

/// `modelCatalog`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatalogSpec {
    /// Later ones override earlier ones.
    #[serde(default)]
    pub sources: Vec<CatalogSource>,
}

/// Where a catalog is.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatalogSource {
    /// In a ConfigMap beside the parameters.
    pub config_map: Option<CatalogMap>,
}

/// A key of a ConfigMap.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatalogMap {
    /// The ConfigMap's name.
    pub name: String,
    /// `catalog.json` when absent.
    pub key: Option<String>,
}
