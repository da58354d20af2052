//! The target file: what a gateway claims, how it is started and read. Strict shapes only; `target` gives them meaning.
//! `windtunnel schema target` and the README of `targets/` document every key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Kubernetes, StatusSource};
use crate::scenario::At;
use crate::scenario::text::{Span, optional_duration};
use crate::schema::names;

/// One target file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetFile {
    /// The project's name, as reports show it.
    pub name: String,
    /// Who makes it.
    #[serde(default)]
    pub organization: Option<String>,
    /// Where it lives.
    #[serde(default)]
    pub url: Option<String>,
    /// Whom to ask.
    #[serde(default)]
    pub contact: Option<String>,
    /// Its version, or the command that prints it.
    #[serde(default)]
    pub version: Option<Version>,
    /// The capabilities it claims: `all`, or a list of names.
    pub supports: Supports,
    /// Taken out of `supports: all`.
    #[serde(default)]
    #[schemars(with = "Vec<names::Capability>")]
    pub except: Vec<At<String>>,
    /// Declared choices where reasonable gateways differ: lists of allowed values.
    #[serde(default)]
    #[schemars(with = "names::Options")]
    pub options: BTreeMap<String, At<Vec<Value>>>,
    /// Allowed differences, for the report.
    #[serde(default)]
    pub quirks: Vec<Quirk>,
    /// Failures that are known, each with an end.
    #[serde(default)]
    pub expected_failures: Vec<At<ExpectedFailure>>,
    /// A process for each scenario.
    #[serde(default)]
    pub start: Option<At<Start>>,
    /// The manifests are objects on a cluster; the process of each scenario reads them there.
    #[serde(default)]
    pub kubernetes: Option<Kubernetes>,
    /// A gateway that runs already.
    #[serde(default)]
    pub attach: Option<At<Attach>>,
    /// Patterns on the lines of its output.
    #[serde(default)]
    pub says: Says,
    /// How long a changed configuration takes, for a target that says nothing; default 1 s.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schemars(with = "Option<Span>")]
    pub reload: Option<Duration>,
    /// A command that judges manifests and ends with 0 or 1.
    #[serde(default)]
    pub check: Vec<String>,
    /// How the status of objects is read; without it nothing is asked about status.
    #[serde(default)]
    pub status: Option<At<StatusSource>>,
    /// Where telemetry is, and what it is called there.
    #[serde(default)]
    pub telemetry: Telemetry,
}

/// `all`, or names.
#[derive(Debug, Clone)]
pub enum Supports {
    /// Every capability of the table.
    All,
    /// These.
    Some(Vec<At<String>>),
}

impl<'de> Deserialize<'de> for Supports {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> serde::de::Visitor<'de> for Read {
            type Value = Supports;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`all` or a list of capabilities")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Supports, E> {
                match text {
                    "all" => Ok(Supports::All),
                    other => Err(E::custom(format!("`{other}` is neither `all` nor a list of capabilities"))),
                }
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Supports, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(Supports::Some(names))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// A version as text, or a command whose output ends with it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Version {
    /// As it is.
    Text(String),
    /// From a command.
    Command {
        /// Program and arguments.
        command: Vec<String>,
    },
}

/// An allowed difference.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quirk {
    /// What is different.
    pub text: String,
    /// Where it is documented.
    pub link: String,
}

/// A failure that is known.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFailure {
    /// The scenario.
    pub id: String,
    /// The issue that tracks it.
    pub issue: String,
    /// The last day on which it is excused, as YYYY-MM-DD.
    pub until: String,
}

/// How a process is started. Its environment also has `WINDTUNNEL_CONFIG`, `WINDTUNNEL_LISTEN`, `WINDTUNNEL_METRICS`,
/// `WINDTUNNEL_READY`, `WINDTUNNEL_ADMIN`, `WINDTUNNEL_UPSTREAM_CA`, `WINDTUNNEL_CONNECT_TO` and `WINDTUNNEL_PROVIDERS`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Program and arguments, with `${…}` filled in; an argument whose reference is empty is left out.
    pub command: Vec<String>,
    /// It runs in a container of this image, as `check` and the version's command do: on the host's network, with the
    /// scenario's folder.
    #[serde(default)]
    pub image: Option<String>,
    /// More environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How long it may take to serve; default 10 s.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schemars(with = "Option<Span>")]
    pub within: Option<Duration>,
}

/// A gateway that somebody else started. Its scenarios run one after the other.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// Its address for each listener port of the manifests; `0` stands for all others.
    pub listeners: BTreeMap<u16, SocketAddr>,
    /// The manifest file that it watches; written before each scenario and at each change.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Where its metrics are.
    #[serde(default)]
    pub metrics: Option<SocketAddr>,
    /// Where its readiness is.
    #[serde(default)]
    pub ready: Option<SocketAddr>,
    /// Where its status is.
    #[serde(default)]
    pub admin: Option<SocketAddr>,
}

/// Regular expressions on the lines of both output streams.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Says {
    /// Names a listener's real address, in the groups `port` and `address`; ports are then not chosen for it.
    pub listener: Option<Pattern>,
    /// Names the metrics address, in the group `address`.
    pub metrics: Option<Pattern>,
    /// Names the readiness address, in the group `address`.
    pub ready: Option<Pattern>,
    /// Names the admin address, in the group `address`.
    pub admin: Option<Pattern>,
    /// It serves; without this pattern it serves when its listeners accept connections.
    pub serving: Option<Pattern>,
    /// A changed configuration is in use.
    pub taken: Option<Pattern>,
    /// A changed configuration was refused.
    pub refused: Option<Pattern>,
    /// It has begun to end.
    pub draining: Option<Pattern>,
}

/// A regular expression, checked when read.
#[derive(Debug, Clone)]
pub struct Pattern(pub regex::Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        regex::Regex::new(&text)
            .map(Pattern)
            .map_err(|error| serde::de::Error::custom(format!("not a pattern: {error}")))
    }
}

/// Telemetry: places, and native names for the neutral ones.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// The path of the Prometheus text; none means that there are no metrics.
    pub metrics: Option<String>,
    /// The path of readiness.
    pub ready: Option<String>,
    /// The access log, when it is not standard output.
    pub log: Option<PathBuf>,
    /// How long telemetry may lag; default 5 s.
    pub settle: Option<Span>,
    /// Metric names: `requests`, `tokens` (several), `ttft`, `time_per_output_token`, `cost`.
    pub names: Names,
    /// Native labels: `status`, `route`, `backend`, `token_type`, `input`, `output`, `cached`, `models` (several).
    pub labels: Labels,
    /// The target's log field for a field of ours.
    pub fields: BTreeMap<String, String>,
    /// The target's span attribute for one of ours; the usual conventions are known.
    pub attributes: BTreeMap<String, String>,
}

/// What metrics are called.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Names {
    /// The request counter.
    pub requests: String,
    /// Token counters; each must show every token.
    pub tokens: Vec<String>,
    /// Time to the first token, a histogram in seconds.
    pub ttft: String,
    /// Time per output token, a histogram in seconds.
    pub time_per_output_token: String,
    /// What tokens cost, a counter in US dollars.
    pub cost: String,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            requests: "agentgateway_requests_total".to_owned(),
            tokens: vec![
                "agentgateway_gen_ai_client_token_usage_sum".to_owned(),
                "agentgateway_tokens_total".to_owned(),
            ],
            ttft: "agentgateway_gen_ai_server_time_to_first_token".to_owned(),
            time_per_output_token: "agentgateway_gen_ai_server_time_per_output_token".to_owned(),
            cost: "agentgateway_gen_ai_client_cost_usd_total".to_owned(),
        }
    }
}

/// What labels and their values are called.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Labels {
    /// The status of the answer.
    pub status: String,
    /// The route's name.
    pub route: String,
    /// The backend's name.
    pub backend: String,
    /// Tells kinds of tokens apart.
    pub token_type: String,
    /// Its value for input.
    pub input: String,
    /// Its value for output.
    pub output: String,
    /// Its value for cached input.
    pub cached: String,
    /// Labels that name a model.
    pub models: Vec<String>,
}

impl Default for Labels {
    fn default() -> Labels {
        let text = str::to_owned;
        Labels {
            status: text("status"),
            route: text("route"),
            backend: text("backend"),
            token_type: text("gen_ai_token_type"),
            input: text("input"),
            output: text("output"),
            cached: text("input_cache_read"),
            models: vec![text("gen_ai_request_model"), text("gen_ai_response_model")],
        }
    }
}
