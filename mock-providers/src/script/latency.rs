//! The `latency` keys: when the bytes of an answer leave.
//!
//! Owns their YAML shape and what contradicts itself in it. Refuses to draw: `pace` does, once the request is known.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::{Distribution, Quantity};

/// Delays of a response; of a rule's, each key given replaces the provider's.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "Keys")]
pub struct Latency {
    /// Before the first byte of an accepted connection is read.
    pub connect: Option<Distribution<Duration>>,
    /// Before the response head.
    pub head: Option<Distribution<Duration>>,
    /// From the head to the first content event.
    pub ttft: Option<Distribution<Duration>>,
    /// Between the events after it.
    pub itl: Option<Distribution<Duration>>,
    /// What the prompt adds to `ttft`.
    pub prefill: Option<Prefill>,
    /// How many times slower answers are when the provider is as busy as it may be.
    pub load_factor: Option<f64>,
    /// The longest that a whole answer takes; its gaps shrink in proportion.
    pub total: Option<Distribution<Duration>>,
    /// What an answer waits for that is no stream.
    pub json: Option<JsonLatency>,
}

/// What an answer waits for that is no stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum JsonLatency {
    /// For `head` alone.
    #[default]
    Head,
    /// Until all its tokens are made, as a stream would send them.
    Whole,
}

/// What the tokens of a prompt cost.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Prefill {
    /// For any prompt.
    pub overhead: Option<Distribution<Duration>>,
    /// For each token that is not cached.
    pub per_token: Option<Distribution<Duration>>,
    /// The share of the prompt that is cached, 0 to 1.
    #[serde(deserialize_with = "ratio")]
    pub cached_ratio: f64,
}

/// As it is written: `tps` is another way to say `itl`.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Latency"))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Keys {
    /// Before the first byte of an accepted connection is read; only on a provider.
    connect: Option<Distribution<Duration>>,
    /// Before the response head.
    head: Option<Distribution<Duration>>,
    /// From the head to the first content event.
    ttft: Option<Distribution<Duration>>,
    /// Between the events after it.
    itl: Option<Distribution<Duration>>,
    /// Events a second after the first one, instead of `itl`.
    tps: Option<f64>,
    /// What the prompt adds to `ttft`.
    prefill: Option<Prefill>,
    /// How many times slower answers are at `limits.concurrent` requests in flight; 1 at one, linear between.
    load_factor: Option<f64>,
    /// The longest that a whole answer takes; its gaps shrink in proportion.
    total: Option<Distribution<Duration>>,
    /// What an answer waits for that is no stream: for `head` alone, or as long as its stream would take.
    json: Option<JsonLatency>,
}

impl TryFrom<Keys> for Latency {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let Keys { connect, head, ttft, itl, tps, prefill, load_factor, total, json } = keys;
        let itl = match (itl, tps) {
            (Some(_), Some(_)) => return Err("`itl` and `tps` say the same thing: give one of them".to_owned()),
            (itl, None) => itl,
            (None, Some(tps)) if (1e-3..=1e6).contains(&tps) => Some(Duration::from_secs_f64(tps.recip()).into()),
            (None, Some(tps)) => return Err(format!("`tps: {tps}` is out of range: 0.001 to 1000000")),
        };
        if let Some(factor) = load_factor.filter(|factor| !(1.0..=1000.0).contains(factor)) {
            return Err(format!("`load_factor: {factor}` is out of range: 1 to 1000"));
        }
        Ok(Self { connect, head, ttft, itl, prefill, load_factor, total, json })
    }
}

/// The latency of an answer, which cannot be that of a connection.
pub(super) fn of_answer<'de, D: Deserializer<'de>>(reader: D) -> Result<Latency, D::Error> {
    let latency = Latency::deserialize(reader)?;
    if latency.connect.is_some() {
        return Err(de::Error::custom("`connect` concerns connections: it may only stand in the provider's `latency`"));
    }
    Ok(latency)
}

fn ratio<'de, D: Deserializer<'de>>(reader: D) -> Result<f64, D::Error> {
    let ratio = f64::deserialize(reader)?;
    if (0.0..=1.0).contains(&ratio) {
        return Ok(ratio);
    }
    Err(de::Error::custom(format_args!("`cached_ratio: {ratio}` does not lie between 0 and 1")))
}

/// The first of two that is given.
fn overlaid<T: Quantity>(own: &Option<Distribution<T>>, under: &Option<Distribution<T>>) -> Option<Distribution<T>> {
    own.as_ref().or(under.as_ref()).cloned()
}

impl Latency {
    /// This one with the keys laid over it that another gives.
    pub(crate) fn overlaid(&self, own: &Latency) -> Latency {
        Latency {
            connect: overlaid(&own.connect, &self.connect),
            head: overlaid(&own.head, &self.head),
            ttft: overlaid(&own.ttft, &self.ttft),
            itl: overlaid(&own.itl, &self.itl),
            prefill: own.prefill.as_ref().or(self.prefill.as_ref()).cloned(),
            load_factor: own.load_factor.or(self.load_factor),
            total: overlaid(&own.total, &self.total),
            json: own.json.or(self.json),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Latency, String> {
        serde_saphyr::from_str(yaml).map_err(|error: serde_saphyr::Error| error.to_string())
    }

    #[test]
    fn tokens_a_second_are_the_time_between_two() {
        let latency = read("{tps: 50}").unwrap();
        assert_eq!(latency.itl, Some(Duration::from_millis(20).into()));
        assert_eq!(latency, read("{itl: 20ms}").unwrap());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (yaml, reason) in [
            ("{tps: 50, itl: 20ms}", "give one of them"),
            ("{tps: 0}", "out of range"),
            ("{load_factor: 0.5}", "1 to 1000"),
            ("{prefill: {cached_ratio: 1.5}}", "between 0 and 1"),
            ("{prefill: {per_tokens: 1ms}}", "per_token"),
            ("{headd: 1ms}", "head"),
        ] {
            let error = read(yaml).unwrap_err();
            assert!(error.contains(reason), "{yaml}: {error}");
        }
    }

    #[cfg(feature = "schema")]
    #[test]
    fn editors_know_the_keys_as_they_are_written() {
        let schema = schemars::schema_for!(Latency).to_value();
        assert!(schema["properties"].get("tps").is_some());
        assert_eq!(schema["properties"]["head"]["anyOf"][0]["$ref"], "#/$defs/ScriptDurations");
    }

    #[test]
    fn each_key_of_an_answer_replaces_the_providers() {
        let provider = read("{head: 1ms, ttft: 2ms, prefill: {overhead: 1ms}, total: 9s}").unwrap();
        let own = read("{ttft: 5ms, itl: {uniform: {lower: 1ms, upper: 2ms}}}").unwrap();
        let both = provider.overlaid(&own);
        assert_eq!((&both.head, &both.ttft, &both.itl), (&provider.head, &own.ttft, &own.itl));
        assert_eq!((&both.prefill, &both.total), (&provider.prefill, &provider.total));
    }
}
