//! The vocabulary of a scenario file, as strict serde types with positions.
//! Owns shapes only: reading and cross-checking is `load`, meaning is `run` and `expect`.
//! Unknown keys are errors everywhere; `scenarios/README.md` documents every key.

pub mod expect;
mod request;
mod step;
pub mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use mock_providers::script::Provider;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::matcher::Matcher;
use crate::schema::{forms, names};
use expect::{FinalExpect, StatusExpect};

pub use request::{CloseAfter, Endpoint, Request, SlowRead, SlowWrite};
pub use step::{Change, ClusterEvent, ExitExpect, Half, ObjectRef, Repeat, Signal, Step, WaitUntil};

/// A value together with where it stands in the file.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub referenced: serde_saphyr::Location,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(At { value, referenced })
    }
}

/// One scenario file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Stable name such as `FO-01`.
    #[schemars(with = "names::Id")]
    pub id: At<String>,
    /// The requirement in one sentence.
    pub title: String,
    /// Why it matters, for `explain`.
    #[serde(default)]
    pub description: Option<String>,
    /// How binding the requirement is.
    pub level: Level,
    /// The named set whose result this scenario counts for.
    #[schemars(with = "names::Profile")]
    pub profile: At<String>,
    /// Capabilities a target must claim.
    #[serde(default)]
    #[schemars(with = "Vec<names::Capability>")]
    pub needs: Vec<At<String>>,
    /// Takes too long for the quick set.
    #[serde(default)]
    pub long: bool,
    /// The verdict rests on time or on a race: a `must` is run three times.
    #[serde(default)]
    pub timing: bool,
    /// Standards that demand it.
    #[serde(default)]
    pub anchors: Vec<String>,
    /// Public reports of gateways that got it wrong.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Random per run; each is a canary.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// Values for `${name}`.
    #[serde(default)]
    pub variables: BTreeMap<String, Value>,
    /// Mock providers by name, each a mock script (kept as data until `${…}` is filled in).
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Provider>")]
    pub providers: BTreeMap<String, At<Value>>,
    /// Listeners that nothing may ever connect to.
    #[serde(default)]
    pub traps: Vec<At<String>>,
    /// OTLP collectors by name, gRPC and HTTP on one port; what they are sent is what `telemetry.spans` sees.
    #[serde(default)]
    pub collectors: Vec<At<String>>,
    /// `host:port` of an upstream, sent to a mock instead.
    #[serde(default)]
    pub connect_to: BTreeMap<String, At<String>>,
    /// Kubernetes manifests, in order of age.
    #[serde(default)]
    #[schemars(with = "Vec<forms::Manifest>")]
    pub gateway: Vec<At<Value>>,
    /// The same as exact text, for manifests that are malformed on purpose.
    #[serde(default)]
    pub gateway_text: Option<String>,
    /// What `gateway --check` must say; no gateway is started and no step runs.
    #[serde(default)]
    pub check: Option<At<CheckExpect>>,
    /// How a target started with these manifests must behave; no step runs.
    #[serde(default)]
    pub start: Option<At<StartExpect>>,
    /// What happens, one after the other.
    #[serde(default)]
    pub steps: Vec<At<Step>>,
    /// What must hold at the end.
    #[serde(default)]
    pub expect: FinalExpect,
    /// Saboteurs that must turn this scenario red.
    #[serde(default)]
    #[schemars(with = "Vec<names::Saboteur>")]
    pub sabotage: Vec<At<String>>,
}

impl Scenario {
    /// All steps, those of groups included.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        fn flat(steps: &[At<Step>]) -> Vec<&Step> {
            steps.iter().flat_map(|step| std::iter::once(&step.value).chain(flat(&step.value.steps))).collect()
        }
        flat(&self.steps).into_iter()
    }

    /// Whether a step acts on the target's process itself.
    pub fn needs_process(&self) -> bool {
        let process = |step: &Step| {
            step.change.as_ref().is_some_and(|change| change.signal.is_some() || change.restart)
                || step.wait_until.as_ref().is_some_and(|wait| wait.exited.is_some())
        };
        self.expect.memory.is_some() || self.all_steps().any(process)
    }

    /// Whether a step does something to the cluster itself.
    pub fn disturbs_cluster(&self) -> bool {
        self.all_steps().any(|step| step.change.as_ref().is_some_and(|change| change.cluster.is_some()))
    }

    /// Whether a step asks one of the target's own endpoints.
    pub fn asks(&self, endpoint: Endpoint) -> bool {
        let at = |request: &Option<Request>| request.as_ref().is_some_and(|request| request.at == Some(endpoint));
        let ready = |wait: &WaitUntil| at(&wait.request) || endpoint == Endpoint::Ready && wait.ready.is_some();
        self.all_steps().any(|step| at(&step.request) || step.wait_until.as_ref().is_some_and(ready))
    }

    /// All that the target must say about its objects.
    pub fn statuses(&self) -> impl Iterator<Item = &At<StatusExpect>> {
        let waited = self.all_steps().filter_map(|step| step.wait_until.as_ref()).flat_map(|wait| &wait.status);
        waited.chain(&self.expect.status)
    }

    /// Its background steps.
    pub fn background(&self) -> impl Iterator<Item = &Step> {
        self.all_steps().filter(|step| step.background)
    }
}

/// How binding a requirement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A wire standard, or an indefensible harm.
    Must,
    /// Expected of a good gateway; defensible alternatives exist.
    Should,
    /// A matter of quality.
    May,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Must => "must",
            Level::Should => "should",
            Level::May => "may",
        })
    }
}

/// A secret drawn at random for each run.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Put before the random part, such as `sk-`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Taken from this variable of the environment instead of being drawn.
    #[serde(default)]
    pub env: Option<At<String>>,
}

/// What `gateway --check` must say about the manifests.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckExpect {
    /// Whether the check must fail (exit code 1) or succeed (0).
    pub fails: At<bool>,
    /// `line:column` that the message must name.
    #[serde(default)]
    pub at: Option<At<String>>,
    /// On everything printed.
    #[serde(default)]
    pub message: Option<At<Matcher>>,
}

/// How a start with these manifests must end: with an exit code that is not 0, or without ever becoming ready.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartExpect {
    /// Whether the start must fail.
    pub fails: At<bool>,
    /// Manifests with which the same target must serve: the positive control.
    #[serde(default)]
    pub control: Vec<At<Value>>,
    /// How long readiness is watched for; default 3 s.
    #[serde(default, deserialize_with = "text::optional_duration")]
    #[schemars(with = "Option<text::Span>")]
    pub within: Option<Duration>,
    /// On everything printed, where the target reports problems.
    #[serde(default)]
    pub message: Option<At<Matcher>>,
}
