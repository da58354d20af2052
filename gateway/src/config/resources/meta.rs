//! What all resources share: metadata, the object envelope, references, secret strings.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroize;

/// A resource with a `spec`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Object<S> {
    /// Checked before this type is read.
    pub api_version: Option<String>,
    /// Checked before this type is read.
    pub kind: Option<String>,
    /// Name, namespace, labels.
    pub metadata: Metadata,
    /// The desired state.
    pub spec: S,
    /// Accepted and ignored: the gateway computes its own.
    pub status: Option<Present>,
}

/// ObjectMeta; what the gateway does not use is accepted and dropped.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Object name.
    pub name: String,
    /// `default` when absent.
    pub namespace: Option<String>,
    /// For selectors.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
    /// For opt-ins.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
    /// RFC 3339, as the API server writes it.
    pub creation_timestamp: Option<String>,
    /// For the status writer.
    pub generation: Option<i64>,
    /// Ignored.
    pub uid: Option<Present>,
    /// Ignored.
    pub resource_version: Option<Present>,
    /// Ignored.
    pub managed_fields: Option<Present>,
    /// Ignored.
    pub owner_references: Option<Present>,
    /// Ignored.
    pub finalizers: Option<Present>,
    /// Ignored.
    pub self_link: Option<Present>,
    /// Ignored.
    pub generate_name: Option<Present>,
    /// Ignored.
    pub deletion_timestamp: Option<Present>,
    /// Ignored.
    pub deletion_grace_period_seconds: Option<Present>,
    /// Ignored.
    pub cluster_name: Option<Present>,
}

impl Metadata {
    /// The namespace, `default` when not given.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default")
    }

    /// Whether an annotation has exactly this value.
    pub fn annotated(&self, key: &str, value: &str) -> bool {
        self.annotations.as_ref().and_then(|all| all.get(key)).is_some_and(|found| found == value)
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.as_ref()?.get(key).map(String::as_str)
    }
}

/// A field that is there, with any content.
#[derive(Debug, Clone, Copy, Default)]
pub struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A reference to another object: parent, backend, secret, policy target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectReference {
    /// API group; what an absent one means depends on the place.
    pub group: Option<String>,
    /// Kind; what an absent one means depends on the place.
    pub kind: Option<String>,
    /// The referrer's namespace when absent.
    pub namespace: Option<String>,
    /// Object name.
    pub name: String,
    /// Listener, rule or provider.
    pub section_name: Option<String>,
    /// Listener port.
    pub port: Option<u16>,
}

/// A secret value: never printed, overwritten when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretString(String);

impl SecretString {
    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretString {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Drop for SecretString {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}
