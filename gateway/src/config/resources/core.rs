//! Core and discovery resources: Secret, ConfigMap, Namespace, Service, EndpointSlice.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::meta::{Metadata, Present, SecretString};

/// A Secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secret {
    /// Checked before this type is read.
    pub api_version: Option<String>,
    /// Checked before this type is read.
    pub kind: Option<String>,
    /// Name and namespace.
    pub metadata: Metadata,
    /// Base64 values.
    #[serde(default)]
    pub data: Option<BTreeMap<String, SecretString>>,
    /// Plain values; they win over `data`.
    #[serde(default)]
    pub string_data: Option<BTreeMap<String, SecretString>>,
    /// Looked at for certificates only.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// Not looked at.
    pub immutable: Option<bool>,
}

/// A ConfigMap.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMap {
    /// Checked before this type is read.
    pub api_version: Option<String>,
    /// Checked before this type is read.
    pub kind: Option<String>,
    /// Name and namespace.
    pub metadata: Metadata,
    /// Text entries.
    #[serde(default)]
    pub data: Option<BTreeMap<String, String>>,
    /// Not looked at.
    pub binary_data: Option<Present>,
    /// Not looked at.
    pub immutable: Option<bool>,
}

/// A Namespace; only its labels matter.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Namespace {
    /// Checked before this type is read.
    pub api_version: Option<String>,
    /// Checked before this type is read.
    pub kind: Option<String>,
    /// Name and labels.
    pub metadata: Metadata,
    /// Not looked at.
    pub spec: Option<Present>,
    /// Not looked at.
    pub status: Option<Present>,
}

/// The parts of a Service's spec that routing needs; the rest is the cluster's business.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// `ClusterIP` when absent.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// For `type: ExternalName`.
    pub external_name: Option<String>,
    /// Service ports.
    #[serde(default)]
    pub ports: Vec<ServicePort>,
}

/// One port of a Service.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Joins it with the EndpointSlice's port.
    pub name: Option<String>,
    /// What a backendRef names.
    pub port: u16,
    /// `TCP` when absent.
    pub protocol: Option<String>,
    /// What is spoken there; HTTP when absent.
    pub app_protocol: Option<String>,
}

/// An EndpointSlice; its label `kubernetes.io/service-name` names the Service.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointSlice {
    /// Checked before this type is read.
    pub api_version: Option<String>,
    /// Checked before this type is read.
    pub kind: Option<String>,
    /// Name, namespace, service label.
    pub metadata: Metadata,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: Option<String>,
    /// Addresses.
    #[serde(default)]
    pub endpoints: Option<Vec<SliceEndpoint>>,
    /// Ports at those addresses.
    #[serde(default)]
    pub ports: Option<Vec<SlicePort>>,
}

/// One endpoint of a slice.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceEndpoint {
    /// Equivalent addresses; the first is used.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Readiness.
    #[serde(default)]
    pub conditions: Option<SliceConditions>,
}

/// Readiness of an endpoint.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceConditions {
    /// Unknown counts as ready.
    pub ready: Option<bool>,
}

/// One port of a slice.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlicePort {
    /// The Service port's name, empty for the only one.
    pub name: Option<String>,
    /// Port at the endpoint.
    pub port: Option<u16>,
}
