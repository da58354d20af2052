//! The shapes of steps: what happens, how often, and what changes around the gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::expect::{self, ExchangeExpect, StatusExpect, TelemetryExpect};
use super::{At, Provider, Request, forms, text};
use crate::matcher::Matcher;

/// One thing that happens: exactly one of `request`, `change`, `wait_until`, `join` and `steps`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// For `${steps.ID.…}` and messages.
    #[serde(default)]
    pub id: Option<String>,
    /// The client sends a request.
    #[serde(default)]
    pub request: Option<Request>,
    /// The request many times.
    #[serde(default)]
    pub repeat: Option<Repeat>,
    /// What the client must see, each time.
    #[serde(default)]
    pub expect: ExchangeExpect,
    /// Something changes around the gateway.
    #[serde(default)]
    pub change: Option<Change>,
    /// Poll until something holds.
    #[serde(default)]
    pub wait_until: Option<WaitUntil>,
    /// The request goes on while the next steps happen; what it must show is judged by `join`, or after the last step.
    #[serde(default)]
    pub background: bool,
    /// Waits for a background step and judges it.
    #[serde(default)]
    pub join: Option<At<String>>,
    /// Steps done `repeat` times, one round after the other.
    #[serde(default)]
    pub steps: Vec<At<Step>>,
}

/// How often a request is sent, and how many at once.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// In total.
    pub times: usize,
    /// At once; default 1.
    #[serde(default = "one")]
    pub concurrency: usize,
}

fn one() -> usize {
    1
}

/// A change around the gateway. Configuration changes wait until the gateway says it has taken or refused them.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(transform = forms::with_kill)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Manifests created, or replaced by kind, namespace and name.
    #[serde(default)]
    #[schemars(with = "Vec<forms::Manifest>")]
    pub apply: Vec<At<Value>>,
    /// Manifests removed.
    #[serde(default)]
    pub delete: Vec<At<ObjectRef>>,
    /// The whole configuration, replaced by this exact text.
    #[serde(default)]
    pub text: Option<String>,
    /// The gateway must refuse the new configuration, saying this.
    #[serde(default)]
    pub refused: Option<At<Matcher>>,
    /// Providers that reset all their connections and stop listening.
    #[serde(default, alias = "kill")]
    pub stop: Vec<At<String>>,
    /// Stopped providers that listen again, on the same port.
    #[serde(default)]
    pub start: Vec<At<String>>,
    /// Providers that answer by another script from now on.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Provider>")]
    pub script: BTreeMap<String, At<Value>>,
    /// Providers that listen again and answer every request well.
    #[serde(default)]
    pub heal: Vec<At<String>>,
    /// Secret manifests, by name, whose values are replaced.
    #[serde(default)]
    pub rotate: BTreeMap<String, BTreeMap<String, String>>,
    /// A signal to the target's process.
    #[serde(default)]
    pub signal: Option<At<Signal>>,
    /// The target is ended and started anew with the same manifests.
    #[serde(default)]
    pub restart: bool,
    /// So much of the new configuration is written first, in place, and the whole of it a moment later.
    #[serde(default)]
    pub half: Option<Half>,
    /// Do not wait until the target has taken the configuration.
    #[serde(default)]
    pub quiet: bool,
    /// Something happens to the cluster that holds the manifests; the scenario then has one of its own.
    #[serde(default)]
    pub cluster: Option<At<ClusterEvent>>,
}

/// What may happen to a cluster.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClusterEvent {
    /// The API server is gone; what it knows stays.
    Outage,
    /// The API server and all CRDs are there again.
    Restore,
    /// The controller is killed; another one stands by.
    LeaderKilled,
    /// The CRD of this name is deleted, and with it its objects.
    CrdDeleted(String),
}

/// A half-written file.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Half {
    /// What of it is there at first.
    pub bytes: usize,
}

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// Please end.
    Term,
    /// Please end, from a terminal.
    Int,
    /// Often: read the configuration again.
    Hup,
    /// End at once.
    Kill,
}

/// Names one manifest.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; default `default`.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// Polls until everything in it holds, or fails when the time is up.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitUntil {
    /// The longest wait; default 2 s, with `status` as long as the target may take to settle.
    #[serde(default, deserialize_with = "text::optional_duration")]
    #[schemars(with = "Option<text::Span>")]
    pub within: Option<Duration>,
    /// Sent again and again until `expect` holds for its answer.
    #[serde(default)]
    pub request: Option<Request>,
    /// What the answer must be.
    #[serde(default)]
    pub expect: ExchangeExpect,
    /// What the providers must have seen.
    #[serde(default)]
    pub providers: BTreeMap<String, expect::ProviderExpect>,
    /// What telemetry must show.
    #[serde(default)]
    pub telemetry: Option<TelemetryExpect>,
    /// What the target must say about its objects.
    #[serde(default)]
    pub status: Vec<At<StatusExpect>>,
    /// Whether the target says that it is ready; a readiness endpoint that is gone is not ready.
    #[serde(default)]
    pub ready: Option<At<bool>>,
    /// The target's process has ended.
    #[serde(default)]
    pub exited: Option<At<ExitExpect>>,
}

/// How the target's process ended.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExitExpect {
    /// Its exit code.
    #[serde(default)]
    pub code: Option<Matcher>,
}
