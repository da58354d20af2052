//! The shape of an expectation on what a target says about one object. How it is judged is `crate::expect::status`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::matcher::Matcher;
use crate::scenario::At;

/// What the status of an object must tell. Conditions count only when they are about the object's present generation,
/// where that is known.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusExpect {
    /// Its kind.
    pub kind: At<String>,
    /// Its name.
    pub name: String,
    /// Its namespace; default `default`.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Conditions about the parent or ancestor of this name; without it, those about each of them.
    #[serde(default)]
    pub parent: Option<String>,
    /// Conditions of this listener of a Gateway.
    #[serde(default)]
    pub listener: Option<String>,
    /// By type: what the condition must be.
    pub conditions: BTreeMap<String, At<ConditionExpect>>,
}

impl StatusExpect {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }
}

/// One condition.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConditionExpect {
    /// `true` or `false`; `{not: true}` also where the condition is not there.
    pub status: At<Matcher>,
    /// The reason.
    #[serde(default)]
    pub reason: Option<At<Matcher>>,
    /// What people are told.
    #[serde(default)]
    pub message: Option<At<Matcher>>,
}
