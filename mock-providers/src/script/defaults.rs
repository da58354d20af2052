//! The `version` and `defaults` of a configuration: what it is written for, and what lies under all of its providers.
//!
//! Owns what wins over what, once, when a configuration is read: nobody else ever meets defaults.

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::{Chunking, Config, Latency, Limits, Provider, Strict, Tokenizer};
use crate::quirks::Quirks;

/// What every provider has that does not say otherwise.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// What counts tokens.
    pub tokenizer: Option<Tokenizer>,
    /// How texts are cut into the deltas of a stream.
    pub chunking: Option<Chunking>,
    /// Whether parameters are validated.
    pub strict: Option<Strict>,
    /// When bytes leave; each key that a provider gives replaces the one here.
    pub latency: Latency,
    /// How much may be asked; replaced as a whole.
    pub limits: Option<Limits>,
    /// In what providers differ from OpenAI, always; replaced as a whole.
    pub quirks: Quirks,
}

impl Defaults {
    fn lie_under(&self, provider: &mut Provider) {
        provider.tokenizer = provider.tokenizer.or(self.tokenizer);
        provider.chunking = provider.chunking.or(self.chunking);
        provider.strict = provider.strict.or(self.strict);
        provider.latency = self.latency.overlaid(&provider.latency);
        provider.limits = provider.limits.take().or_else(|| self.limits.clone());
        if provider.quirks.names().is_empty() {
            provider.quirks = self.quirks.clone();
        }
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        // As it is written; this is the inherent function of the derive.
        let mut config = Config::deserialize(reader)?;
        let Config { defaults, providers, .. } = &mut config;
        providers.values_mut().for_each(|provider| defaults.lie_under(provider));
        Ok(config)
    }
}

/// The version that there is.
pub(super) fn version<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(reader)? {
        Some(other) if other != 1 => {
            Err(de::Error::custom(format!("`version: {other}` is not known: this windtunnel reads version 1")))
        }
        version => Ok(version),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(yaml: &str) -> Result<Config, String> {
        serde_saphyr::from_str(yaml).map_err(|error: serde_saphyr::Error| error.to_string())
    }

    #[test]
    fn what_a_provider_says_wins_over_the_defaults() {
        let config = read(
            "defaults: {tokenizer: estimate, strict: off, latency: {head: 1s, ttft: 2s}, limits: {rpm: 5, tpm: 7},
              quirks: [index_missing], chunking: {coalesce: 3}}\n\
             providers:\n  a: {}\n  b: {strict: openai, latency: {head: 9s}, limits: {rpm: 6}, quirks: [openai]}\n",
        )
        .unwrap();
        let (a, b) = (&config.providers["a"], &config.providers["b"]);
        assert_eq!((a.strict, b.strict), (Some(Strict::Off), Some(Strict::Openai)));
        assert_eq!(
            (a.tokenizer, a.chunking),
            (Some(Tokenizer::Estimate), b.chunking.filter(|own| own.coalesce.get() == 3))
        );
        let seconds = |n| Some(Duration::from_secs(n).into());
        assert_eq!((&a.latency.head, &a.latency.ttft), (&seconds(1), &seconds(2)));
        assert_eq!((&b.latency.head, &b.latency.ttft), (&seconds(9), &seconds(2)));
        let limits =
            |provider: &Provider| provider.limits.clone().map(|all| (all.rpm.unwrap().get(), all.tpm.is_some()));
        assert_eq!((limits(a), limits(b)), (Some((5, true)), Some((6, false))));
        assert_eq!(
            (a.quirks.names(), b.quirks.names()),
            (&["index_missing".to_owned()][..], &["openai".to_owned()][..])
        );
    }

    #[test]
    fn another_version_is_refused_with_the_reason() {
        assert_eq!(read("{version: 1, providers: {a: {}}}").unwrap().version, Some(1));
        let error = read("{version: 2, providers: {a: {}}}").unwrap_err();
        assert!(error.contains("reads version 1"), "{error}");
        assert!(read("{defaults: {rules: []}, providers: {a: {}}}").unwrap_err().contains("rules"));
    }
}
