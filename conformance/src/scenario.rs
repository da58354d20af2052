//! The vocabulary of a scenario file, as strict serde types with positions.
//! Owns shapes only: reading and cross-checking is `load`, meaning is `run` and `expect`.
//! Unknown keys are errors everywhere; `scenarios/README.md` documents every key.

pub mod expect;
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
use expect::{ExchangeExpect, FinalExpect, TelemetryExpect};
use text::OneOrMany;

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
    /// How long readiness is watched for; default 3 s.
    #[serde(default, deserialize_with = "text::optional_duration")]
    #[schemars(with = "Option<text::Span>")]
    pub within: Option<Duration>,
    /// On everything printed, where the target reports problems.
    #[serde(default)]
    pub message: Option<At<Matcher>>,
}

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

/// An HTTP request, written byte by byte by the client.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `get: /path`
    #[serde(default)]
    pub get: Option<String>,
    /// `post: /path`
    #[serde(default)]
    pub post: Option<String>,
    /// `put: /path`
    #[serde(default)]
    pub put: Option<String>,
    /// `delete: /path`
    #[serde(default)]
    pub delete: Option<String>,
    /// `patch: /path`
    #[serde(default)]
    pub patch: Option<String>,
    /// `head: /path`
    #[serde(default)]
    pub head: Option<String>,
    /// `options: /path`
    #[serde(default)]
    pub options: Option<String>,
    /// The Gateway listener's port; needed only when there are several.
    #[serde(default)]
    pub port: Option<u16>,
    /// The Host header; default is the listener's address.
    #[serde(default)]
    pub host: Option<String>,
    /// More headers, in this order; a list repeats the header.
    #[serde(default)]
    pub headers: text::Pairs<OneOrMany>,
    /// A JSON body (compact, keys in this order).
    #[serde(default)]
    pub json: Option<Value>,
    /// An exact body.
    #[serde(default)]
    pub body: Option<String>,
    /// An exact body of bytes that are not text, in base64.
    #[serde(default)]
    pub body_base64: Option<String>,
    /// The whole request as it goes on the wire; `\n` is written as CRLF in the head.
    #[serde(default)]
    pub raw: Option<String>,
    /// The same in base64, for bytes that are not text or line ends that are not CRLF.
    #[serde(default)]
    pub raw_base64: Option<String>,
    /// Send the body in chunks of this many bytes with `Transfer-Encoding: chunked`.
    #[serde(default)]
    pub chunked: Option<usize>,
    /// Write slowly.
    #[serde(default)]
    pub write: Option<SlowWrite>,
    /// Read slowly.
    #[serde(default)]
    pub read: Option<SlowRead>,
    /// Keep the connection open this long after the answer, to see what else comes.
    #[serde(default, deserialize_with = "text::optional_duration")]
    #[schemars(with = "Option<text::Span>")]
    pub hold: Option<Duration>,
    /// One of the target's own endpoints instead of a listener.
    #[serde(default)]
    pub at: Option<Endpoint>,
    /// Close the connection early.
    #[serde(default)]
    pub close_after: Option<CloseAfter>,
    /// Give up after this long; default 10 s.
    #[serde(default, deserialize_with = "text::optional_duration")]
    #[schemars(with = "Option<text::Span>")]
    pub deadline: Option<Duration>,
}

impl Request {
    /// Method and path as written; `None` unless exactly one is given (or `raw`).
    pub fn target(&self) -> Option<(&'static str, &str)> {
        let all = [
            ("GET", &self.get),
            ("POST", &self.post),
            ("PUT", &self.put),
            ("DELETE", &self.delete),
            ("PATCH", &self.patch),
            ("HEAD", &self.head),
            ("OPTIONS", &self.options),
        ];
        let mut given = all.iter().filter_map(|(method, path)| path.as_deref().map(|path| (*method, path)));
        let first = given.next()?;
        given.next().is_none().then_some(first)
    }
}

/// An endpoint of the target that serves no traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Readiness.
    Ready,
    /// Metrics.
    Metrics,
}

/// The request leaves in pieces.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowWrite {
    /// Size of a piece.
    pub bytes: usize,
    /// Pause between two pieces.
    pub gap: text::Span,
}

/// The client stops reading for a while.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowRead {
    /// After so many bytes of the connection.
    #[serde(default)]
    pub after_bytes: usize,
    /// For so long.
    pub pause: text::Span,
}

/// When the client walks away: exactly one of the keys.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseAfter {
    /// After so many complete events of a stream.
    #[serde(default)]
    pub events: Option<usize>,
    /// After so many bytes of the body.
    #[serde(default)]
    pub bytes: Option<usize>,
    /// Once a provider has received the request, before an answer.
    #[serde(default)]
    pub before_head: Option<bool>,
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
    /// The longest wait; default 2 s.
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
