//! The `defaults` of a configuration: what lies under all its providers.
//!
//! Owns their YAML shape and laying them under. Refuses to win over anything that a provider says itself.

use serde::Deserialize;

use super::{Chunking, Latency, Provider, Strict, Tokenizer};

/// What a provider has that does not say it itself.
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
    /// When bytes leave; each key that the provider gives replaces this one's.
    pub latency: Latency,
}

impl Defaults {
    /// Lays them under a provider.
    pub(super) fn under(&self, provider: &mut Provider) {
        provider.tokenizer = provider.tokenizer.or(self.tokenizer);
        provider.chunking = provider.chunking.or(self.chunking);
        provider.strict = provider.strict.or(self.strict);
        provider.latency = self.latency.overlaid(&provider.latency);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use crate::script::{Config, Strict};

    #[test]
    fn what_a_provider_says_itself_lies_over_the_defaults() {
        let yaml = "{version: 1, defaults: {strict: off, latency: {head: 1s, ttft: 2s}}, \
                    providers: {a: {}, b: {strict: openai, latency: {head: 3s}}}}";
        let mut config: Config = serde_saphyr::from_str(yaml).expect("well-formed");
        config.resolve(Path::new("")).expect("no files");
        let of = |name: &str| (config.providers[name].strict, config.providers[name].latency.clone());
        let seconds = |seconds| Some(Duration::from_secs(seconds).into());
        let (strict, latency) = of("a");
        assert_eq!((strict, latency.head, latency.ttft), (Some(Strict::Off), seconds(1), seconds(2)));
        let (strict, latency) = of("b");
        assert_eq!((strict, latency.head, latency.ttft), (Some(Strict::Openai), seconds(3), seconds(2)));
    }

    #[test]
    fn another_version_is_refused() {
        let error = serde_saphyr::from_str::<Config>("{version: 2, providers: {a: {}}}").expect_err("refused");
        assert!(error.to_string().contains("`version: 2` is not known: the only one is 1"), "{error}");
    }
}
