//! A benchmark as data, `windtunnel.bench/v1`: what every form is written from and what `--compare` reads back.
//! Its keys are frozen, new ones may be added. Latencies are microseconds. Owns shapes only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schema's name.
pub const SCHEMA: &str = "windtunnel.bench/v1";

/// A whole run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Of windtunnel.
    pub version: String,
    /// The commit of the working directory, where it is a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Seconds since 1970.
    pub started: u64,
    /// The command line; what is in `--header` is left out.
    pub command: Vec<String>,
    /// Of the arrivals.
    pub seed: u64,
    /// How it was measured; none in reports of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// Where it ran.
    pub machine: Machine,
    /// What the instruments can do by themselves.
    #[serde(default)]
    pub ceilings: Vec<Ceiling>,
    /// What a reader has to know.
    #[serde(default)]
    pub notes: Vec<String>,
    /// One for each load.
    pub cases: Vec<Case>,
    /// Of a sweep: how far each lane came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saturation: Vec<Saturation>,
}

/// What decides on figures besides the load of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// How long a window is.
    pub window_ms: f64,
    /// How long each lane was asked before.
    pub warmup_ms: f64,
    /// How long an answer may take.
    pub timeout_ms: f64,
    /// What p99 had to keep in a sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective_ms: Option<f64>,
    /// Windows of each lane.
    pub rounds: usize,
    /// How requests of an open loop are spread.
    pub arrivals: String,
    /// Most connections of an open loop.
    pub max_connections: usize,
    /// Content events of a stream, where the provider is our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u16>,
    /// What the others are compared with: an address, or `builtin` for the bare proxy of the benchmark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// What is behind the lanes, where that was said: an address, or `builtin` for our own mock provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model that was asked for; none in reports of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Texts of answers were allowed to differ; none in reports of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub varies: Option<bool>,
}

/// The machine of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Those we may use.
    pub cores: usize,
    /// Of the whole machine.
    pub memory_mib: u64,
    /// Operating system, architecture and kernel.
    pub system: String,
    /// Runnable threads over the last minute when it began, without ours.
    pub load: f64,
}

/// What can be measured at all: closed loop at full speed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Ceiling {
    /// `generator` (against the cheapest provider there is), or `provider` (the one behind the lanes).
    pub what: String,
    /// With streams.
    pub stream: bool,
    /// Bytes of the prompt.
    pub prompt: u64,
    /// Answers a second.
    pub rate: f64,
}

/// One load on all lanes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// Tells cases of a run apart, and is the same in the next run.
    pub name: String,
    /// With streams.
    pub stream: bool,
    /// Bytes of the prompt.
    pub prompt: u64,
    /// Requests a second of an open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Callers of a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<usize>,
    /// The floor first, where there is one.
    pub lanes: Vec<Lane>,
}

/// One target, or the floor, under one load.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Lane {
    /// As given with `--target`, or `floor`.
    pub name: String,
    /// The others are compared with it.
    pub floor: bool,
    /// In order of rounds.
    pub windows: Vec<Window>,
    /// Of the windows that are not void.
    pub figures: Vec<Figure>,
    /// Of all their latencies: pairs of a share, from 0 to 1, and what it does not exceed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<(f64, f64)>,
    /// Of all their events, where streams are paced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_lag: Vec<(f64, f64)>,
}

/// One window.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// From 0.
    pub round: usize,
    /// A request failed, so that nothing here counts; in a sweep failures are the result, and nothing is void.
    pub void: bool,
    /// Requests that were due.
    pub due: u64,
    /// Good answers.
    pub good: u64,
    /// What went wrong, and how often.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<(String, u64)>,
    /// Requests that had to go over another connection, because theirs was closed.
    #[serde(default)]
    pub reconnected: u64,
    /// Good answers a second.
    pub throughput: f64,
    /// Latency, from when a request was due.
    pub p50: f64,
    /// Latency.
    pub p90: f64,
    /// Latency.
    pub p99: f64,
    /// Latency.
    pub p999: f64,
    /// Latency.
    pub max: f64,
    /// How late requests were sent, which is part of their latency.
    pub send_lag_p99: f64,
    /// From when a request was due to the first event with text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_event_p50: Option<f64>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_event_p99: Option<f64>,
    /// How late events were by the provider's schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_lag_p50: Option<f64>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_lag_p99: Option<f64>,
    /// CPU time of the processes behind the address, for each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Their resident memory at the end, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_mib: Option<f64>,
}

/// One figure of a lane.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// Which.
    pub metric: Metric,
    /// Over the windows.
    pub value: Estimate,
    /// The difference to the floor's window of the same round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<Estimate>,
    /// How many times the floor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Estimate>,
}

/// A median with an interval that covers it with some probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Over the windows.
    pub median: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// How probable it is that the interval has the true median, from 0 to 1.
    pub coverage: f64,
}

/// How far a lane came in a sweep.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Saturation {
    /// Which lane.
    pub lane: String,
    /// With streams.
    pub stream: bool,
    /// Bytes of the prompt.
    pub prompt: u64,
    /// The highest rate that kept the objective without a failure, up to where all lower ones did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// What ended it, be it that the run was stopped; nothing where the sweep ended first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
}

/// What is told of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Median latency.
    LatencyP50,
    /// Latency of one request in a hundred.
    LatencyP99,
    /// Median time to the first event with text.
    FirstEventP50,
    /// Of one stream in a hundred.
    FirstEventP99,
    /// Median lag of events.
    EventLagP50,
    /// Of one event in a hundred.
    EventLagP99,
    /// CPU time for each request.
    Cpu,
    /// Resident memory.
    Resident,
    /// Good answers a second.
    Throughput,
}

impl Metric {
    /// All, in the order in which they are told.
    pub const ALL: [Metric; 9] = [
        Metric::LatencyP50,
        Metric::LatencyP99,
        Metric::FirstEventP50,
        Metric::FirstEventP99,
        Metric::EventLagP50,
        Metric::EventLagP99,
        Metric::Cpu,
        Metric::Resident,
        Metric::Throughput,
    ];

    /// Name and unit for people.
    pub fn name(self) -> (&'static str, &'static str) {
        match self {
            Metric::LatencyP50 => ("latency p50", "µs"),
            Metric::LatencyP99 => ("latency p99", "µs"),
            Metric::FirstEventP50 => ("first event p50", "µs"),
            Metric::FirstEventP99 => ("first event p99", "µs"),
            Metric::EventLagP50 => ("event lag p50", "µs"),
            Metric::EventLagP99 => ("event lag p99", "µs"),
            Metric::Cpu => ("CPU per request", "µs"),
            Metric::Resident => ("memory", "MiB"),
            Metric::Throughput => ("answers", "/s"),
        }
    }

    /// Whether more of it is better.
    pub fn more_is_better(self) -> bool {
        self == Metric::Throughput
    }

    /// Its value in a window, where it was measured.
    pub fn of(self, window: &Window) -> Option<f64> {
        match self {
            Metric::LatencyP50 => Some(window.p50),
            Metric::LatencyP99 => Some(window.p99),
            Metric::FirstEventP50 => window.first_event_p50,
            Metric::FirstEventP99 => window.first_event_p99,
            Metric::EventLagP50 => window.event_lag_p50,
            Metric::EventLagP99 => window.event_lag_p99,
            Metric::Cpu => window.cpu,
            Metric::Resident => window.resident_mib,
            Metric::Throughput => Some(window.throughput),
        }
    }
}

impl Lane {
    /// One of its figures.
    pub fn figure(&self, metric: Metric) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.metric == metric)
    }

    /// How many windows do not count.
    pub fn void(&self) -> usize {
        self.windows.iter().filter(|window| window.void).count()
    }
}

impl Run {
    /// All lanes of all cases.
    pub fn lanes(&self) -> impl Iterator<Item = (&Case, &Lane)> {
        self.cases.iter().flat_map(|case| case.lanes.iter().map(move |lane| (case, lane)))
    }
}
