//! What tokens cost: the model catalog (USD per million tokens by provider and model) and the price of one exchange.
//! Amounts are whole numbers of 10⁻¹² USD, so that sums are exact. A price that is not known is never 0.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use crate::record::Record;
use crate::usage::Usage;
use crate::yaml::{self, Problem, Source};

/// 10⁻¹² USD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub u128);

impl Usd {
    /// As a number, which may be off in the sixteenth digit.
    #[must_use]
    pub fn approximate(self) -> f64 {
        self.0 as f64 / 1e12
    }
}

impl fmt::Display for Usd {
    /// As a decimal without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1_000_000_000_000, self.0 % 1_000_000_000_000);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{part:012}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// USD per million tokens, at most six digits after the point: 10⁻¹² USD per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate(u64);

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || "expected USD per million tokens, such as \"2.50\", with at most six digits after the point".to_owned();
        let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 6 {
            return Err(wrong());
        }
        let rate: u64 = format!("{whole}{part:0<6}").parse().map_err(|_| wrong())?;
        Ok(Self(rate))
    }
}

/// What a model's tokens cost. Reasoning costs as output does and cache reads and writes as input does, where they have
/// no rate of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rates {
    /// Tokens of the prompt.
    pub input: Option<Rate>,
    /// Tokens of the answer.
    pub output: Option<Rate>,
    /// Tokens of the prompt that came from the provider's cache.
    pub cache_read: Option<Rate>,
    /// Tokens of the prompt that went into it.
    pub cache_write: Option<Rate>,
    /// Tokens of the answer that nobody sees.
    pub reasoning: Option<Rate>,
    /// Not told apart from other input.
    pub input_audio: Option<Rate>,
    /// Not told apart from other output.
    pub output_audio: Option<Rate>,
}

impl Rates {
    fn overlaid(self, with: Self) -> Self {
        Self {
            input: with.input.or(self.input),
            output: with.output.or(self.output),
            cache_read: with.cache_read.or(self.cache_read),
            cache_write: with.cache_write.or(self.cache_write),
            reasoning: with.reasoning.or(self.reasoning),
            input_audio: with.input_audio.or(self.input_audio),
            output_audio: with.output_audio.or(self.output_audio),
        }
    }

    /// `None` when something that was used has no rate.
    fn price(&self, usage: Usage) -> Option<Cost> {
        let of = |tokens: u64, rate: Option<Rate>| match (tokens, rate) {
            (0, _) => Some(Usd(0)),
            (tokens, rate) => Some(Usd(u128::from(tokens) * u128::from(rate?.0))),
        };
        let cached = usage.cached.min(usage.input);
        let written = usage.cache_written.min(usage.input - cached);
        let reasoning = usage.reasoning.min(usage.output);
        Some(Cost {
            input: of(usage.input - cached - written, self.input)?,
            cache_read: of(cached, self.cache_read.or(self.input))?,
            cache_write: of(written, self.cache_write.or(self.input))?,
            output: of(usage.output - reasoning, self.output)?,
            reasoning: of(reasoning, self.reasoning.or(self.output))?,
        })
    }
}

/// Other rates for long prompts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tier {
    /// Input tokens above which they hold.
    pub context_over: u64,
    /// What differs from the model's own rates.
    pub rates: Rates,
}

/// One model.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    /// Its rates.
    #[serde(default)]
    pub rates: Rates,
    /// Rates for long prompts.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// Not looked at.
    pub limits: Option<serde::de::IgnoredAny>,
    /// Not looked at.
    pub tags: Option<serde::de::IgnoredAny>,
}

impl Model {
    fn rates(&self, input: u64) -> Rates {
        let tiers = self.tiers.iter().filter(|tier| input > tier.context_over);
        tiers.max_by_key(|tier| tier.context_over).map_or(self.rates, |tier| self.rates.overlaid(tier.rates))
    }
}

/// The models of one provider.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// By exact name.
    #[serde(default)]
    pub models: BTreeMap<Box<str>, Model>,
}

/// A model catalog.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Catalog {
    /// By `gen_ai.provider.name`.
    #[serde(default)]
    pub providers: BTreeMap<Box<str>, Provider>,
}

impl Catalog {
    /// Reads one from YAML or JSON.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(source: &Source) -> Result<Self, Problem> {
        let documents = yaml::documents(source);
        let [document] = documents.as_slice() else {
            return Err(source.problem(0, "a model catalog is one document, {providers: {NAME: {models: …}}}"));
        };
        yaml::read(source, document)
    }

    /// This one with what another says in addition, or instead.
    #[must_use]
    pub fn overlaid(mut self, with: &Self) -> Self {
        for (name, provider) in &with.providers {
            let models = &mut self.providers.entry(name.clone()).or_default().models;
            for (name, model) in &provider.models {
                let known = models.entry(name.clone()).or_default();
                known.rates = known.rates.overlaid(model.rates);
                if !model.tiers.is_empty() {
                    known.tiers.clone_from(&model.tiers);
                }
            }
        }
        self
    }

    /// The price of these tokens.
    #[must_use]
    pub fn price(&self, provider: &str, model: &str, usage: Usage) -> (Lookup, Option<Cost>) {
        let found = self.providers.get(provider).and_then(|provider| provider.models.get(model));
        let Some(model) = found else { return (Lookup::Missing, None) };
        match model.rates(usage.input).price(usage) {
            Some(cost) if model.rates != Rates::default() => (Lookup::Exact, Some(cost)),
            _ => (Lookup::Unpriced, None),
        }
    }
}

/// What a catalog knew of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The price.
    Exact,
    /// The model, and not the price of all that was used.
    Unpriced,
    /// Nothing.
    Missing,
    /// There is no catalog.
    NoCatalog,
}

impl Lookup {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Unpriced, Self::Missing, Self::NoCatalog];

    /// The label's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "Exact",
            Self::Unpriced => "Unpriced",
            Self::Missing => "Missing",
            Self::NoCatalog => "NoCatalog",
        }
    }
}

/// What one exchange cost, by kind of tokens; each token counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rates have the same names")]
pub struct Cost {
    pub input: Usd,
    pub output: Usd,
    pub cache_read: Usd,
    pub cache_write: Usd,
    pub reasoning: Usd,
}

impl Cost {
    /// The sum.
    #[must_use]
    pub fn total(&self) -> Usd {
        Usd(self.input.0 + self.output.0 + self.cache_read.0 + self.cache_write.0 + self.reasoning.0)
    }
}

/// The catalogs of a gateway process.
#[derive(Debug, Default, Clone)]
pub struct Catalogs {
    /// For Gateways without one of their own.
    pub common: Option<Arc<Catalog>>,
    /// By `namespace/name` of the Gateway.
    pub own: HashMap<Arc<str>, Arc<Catalog>>,
}

impl Catalogs {
    /// Those of the Gateways, each on top of the common one.
    #[must_use]
    pub fn new(common: Option<Catalog>, own: &HashMap<Arc<str>, Catalog>) -> Self {
        let base = common.clone().unwrap_or_default();
        let own = own.iter().map(|(gateway, catalog)| (gateway.clone(), Arc::new(base.clone().overlaid(catalog))));
        Self { own: own.collect(), common: common.map(Arc::new) }
    }

    /// Puts the price of a finished exchange into its record: by the model that answered, else by the one that was sent.
    pub fn price(&self, record: &mut Record) {
        let (Some(usage), Some(provider)) = (record.usage, record.system) else { return };
        let own = record.gateway.as_ref().and_then(|gateway| self.own.get(gateway));
        let model = record.response_model.as_deref().or(record.sent_model()).unwrap_or_default();
        let priced = own.or(self.common.as_ref()).map(|catalog| catalog.price(provider, model, usage));
        let (lookup, cost) = priced.unwrap_or((Lookup::NoCatalog, None));
        (record.lookup, record.cost) = (Some(lookup), cost);
    }
}

#[cfg(test)]
mod tests;
