//! The `limits` keys: how much a provider lets its callers ask.
//!
//! Owns their YAML shape; refuses to count, which is the crate's `limits`.

use std::num::NonZeroU32;

use serde::Deserialize;

/// The quotas of a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests a minute.
    pub rpm: Option<NonZeroU32>,
    /// Tokens a minute.
    pub tpm: Option<NonZeroU32>,
    /// Requests in flight, all callers together.
    pub concurrent: Option<NonZeroU32>,
    /// Where requests wait that are over `concurrent`.
    pub queue: Queue,
    /// Whose requests and tokens are counted together.
    pub scope: Scope,
    /// When the response tells how much is left.
    pub headers: LimitHeaders,
}

/// Requests that wait for their turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// How many may wait; default none.
    pub max: u32,
    /// The status for those that find it full.
    pub when_full: WhenFull,
}

/// The answer of a provider that is busy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub enum WhenFull {
    /// 429: the caller asks too much.
    #[default]
    TooManyRequests,
    /// 503: the provider has too little.
    Unavailable,
}

impl TryFrom<u16> for WhenFull {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        match status {
            429 => Ok(Self::TooManyRequests),
            503 => Ok(Self::Unavailable),
            other => Err(format!("`when_full: {other}` is neither 429 nor 503")),
        }
    }
}

/// What shares a quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All requests with the same credential.
    #[default]
    Key,
    /// All requests.
    Provider,
    /// All requests for the same model.
    Model,
}

/// When responses carry rate-limit headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LimitHeaders {
    /// On every response.
    #[default]
    Always,
    /// On those that refuse.
    OnLimit,
    /// On none, and no `retry-after` either.
    Never,
}

/// Which quota a `rate_limited` fault pretends is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// That of requests.
    Requests,
    /// That of tokens.
    Tokens,
}

impl Measure {
    /// Its name in errors and headers.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Requests => "requests",
            Measure::Tokens => "tokens",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_read_and_nonsense_is_refused() {
        let read = |yaml: &str| serde_saphyr::from_str::<Limits>(yaml);
        let limits = read("{rpm: 3, queue: {max: 2, when_full: 503}, scope: model, headers: on_limit}").unwrap();
        assert_eq!((limits.rpm.map(NonZeroU32::get), limits.tpm, limits.queue.max), (Some(3), None, 2));
        assert_eq!(limits.queue.when_full, WhenFull::Unavailable);
        assert_eq!((limits.scope, limits.headers), (Scope::Model, LimitHeaders::OnLimit));
        assert!(read("{rpm: 0}").is_err());
        assert!(read("{queue: {when_full: 500}}").is_err_and(|e| e.to_string().contains("neither 429 nor 503")));
        assert!(read("{rps: 1}").is_err());
    }
}
