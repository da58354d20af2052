//! The `auth` key: which callers are let in.
//!
//! Owns its YAML shape. Refuses to show the keys, in `Debug` too, and to know where they stand in a request.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer};

/// The accepted credentials.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// What is let in; any other key is a 401.
    pub keys: Vec<String>,
    /// The status of a request that presents none.
    #[serde(deserialize_with = "error_status")]
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 599)))]
    pub missing: u16,
}

impl Default for Auth {
    fn default() -> Self {
        Self { keys: Vec::new(), missing: 401 }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Auth {{ keys: {} redacted, missing: {} }}", self.keys.len(), self.missing)
    }
}

fn error_status<'de, D: Deserializer<'de>>(reader: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(reader)?;
    if (400..600).contains(&status) {
        return Ok(status);
    }
    Err(de::Error::custom(format!("`missing: {status}` is no status of an error: try 401 or 403")))
}
