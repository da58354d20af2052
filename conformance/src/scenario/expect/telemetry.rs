//! The shapes of what telemetry must show, as differences to before the first step.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, OneOrList};
use crate::matcher::Matcher;
use crate::scenario::text::{Span, optional_duration};

/// What telemetry must show, as differences to before the first step.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TelemetryExpect {
    /// How long to poll until everything is equal; default is the target's.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schemars(with = "Option<Span>")]
    pub settle: Option<Duration>,
    /// Request counters.
    #[serde(default)]
    pub requests: Option<OneOrList<CounterExpect>>,
    /// Token counters.
    #[serde(default)]
    pub tokens: Option<OneOrList<TokensExpect>>,
    /// Each entry is matched by a record of its own.
    #[serde(default)]
    pub log: Vec<At<BTreeMap<String, At<Matcher>>>>,
    /// Holds for every record.
    #[serde(default)]
    pub log_every: BTreeMap<String, At<Matcher>>,
    /// Number of records.
    #[serde(default)]
    pub log_count: Option<At<Matcher>>,
    /// Whether the metrics are well-formed Prometheus text.
    #[serde(default)]
    pub exposition: Option<At<bool>>,
    /// On the number of series.
    #[serde(default)]
    pub series: Option<SeriesExpect>,
    /// Labels of every series of the request counter.
    #[serde(default)]
    pub labels: BTreeMap<String, At<Matcher>>,
    /// The sum of the request counter over all statuses is the number of exchanges that reached the target.
    #[serde(default)]
    pub conserved: Option<At<bool>>,
    /// Input tokens that came from a cache.
    #[serde(default)]
    pub cached_tokens: Option<DeltaExpect>,
    /// What tokens cost, in US dollars.
    #[serde(default)]
    pub cost: Option<DeltaExpect>,
    /// Each entry is shown by a span; one span may show several.
    #[serde(default)]
    pub spans: Vec<At<BTreeMap<String, At<Matcher>>>>,
    /// Number of spans by kind: `server`, `client`, `internal`, `producer`, `consumer`, `unspecified`.
    #[serde(default)]
    pub span_count: BTreeMap<String, At<Matcher>>,
    /// Time to the first token of streams.
    #[serde(default)]
    pub ttft: Option<HistogramExpect>,
    /// Time per output token of streams.
    #[serde(default)]
    pub time_per_output_token: Option<HistogramExpect>,
}

impl TelemetryExpect {
    /// The first expectation that rests on metrics, for its place in the file.
    pub fn on_metrics(&self) -> Option<At<()>> {
        fn place<T>(at: &At<T>) -> At<()> {
            At { value: (), referenced: at.referenced }
        }
        let requests = self.requests.iter().flat_map(|list| &list.0).map(|counter| place(&counter.delta)).next();
        let deltas = self.tokens.iter().flat_map(|list| &list.0).flat_map(|tokens| [&tokens.input, &tokens.output]);
        let tokens = deltas.chain([&self.cached_tokens, &self.cost]).flatten().map(|delta| place(&delta.delta)).next();
        let series = self.series.as_ref().map(|series| place(&series.growth));
        let flags = self.exposition.as_ref().or(self.conserved.as_ref()).map(place::<bool>);
        requests.or(tokens).or(series).or(flags).or_else(|| self.labels.values().next().map(place))
    }
}

/// On the number of series.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesExpect {
    /// How many are new.
    pub growth: At<Matcher>,
}

/// On a histogram of times, as differences.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistogramExpect {
    /// New samples.
    #[serde(default)]
    pub count: Option<At<Matcher>>,
    /// Their mean in milliseconds.
    #[serde(default)]
    pub mean: Option<At<Matcher>>,
}

/// The request counter, over all series that carry these labels.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CounterExpect {
    /// By how much it grew.
    pub delta: At<Matcher>,
    /// Only this status.
    #[serde(default)]
    pub status: Option<u16>,
    /// Only this reason, as the target names it.
    #[serde(default)]
    pub reason: Option<String>,
    /// Only this route, by name.
    #[serde(default)]
    pub route: Option<String>,
    /// Only this backend, by name.
    #[serde(default)]
    pub backend: Option<String>,
}

/// The token counters, over all series that carry these labels.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokensExpect {
    /// The mock provider whose reported usage `reported` means; default all of them.
    #[serde(default)]
    pub provider: Option<At<String>>,
    /// Only this model, requested or answered.
    #[serde(default)]
    pub model: Option<String>,
    /// Only this backend, by name.
    #[serde(default)]
    pub backend: Option<String>,
    /// Input tokens.
    #[serde(default)]
    pub input: Option<DeltaExpect>,
    /// Output tokens.
    #[serde(default)]
    pub output: Option<DeltaExpect>,
}

/// By how much a counter grew; the word `reported` stands for what the mock reported.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeltaExpect {
    /// A matcher, or `reported`.
    pub delta: At<Matcher>,
}
