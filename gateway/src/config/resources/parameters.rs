//! AgentgatewayParameters: of what describes a deployment only the model catalog is read.

use serde::Deserialize;

/// AgentgatewayParameters.spec; other fields are the deployment's business.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ParametersSpec {
    /// Prices of models.
    pub model_catalog: Option<CatalogSpec>,
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
