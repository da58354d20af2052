//! The report as data, `windtunnel.report/v1`: what every form is written from, and what is read back from a file.
//! Its keys are frozen, new ones may be added; a reader passes over keys that it does not know.
//! Owns shapes only: filling them from a run is `collect`, reading files is `read`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::outcome::{Counts, Verdict};
use crate::scenario::Level;
use crate::transcript::Transcript;

/// The schema's name.
pub const SCHEMA: &str = "windtunnel.report/v1";

/// A whole report.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Which scenarios.
    #[serde(default)]
    pub suite: Suite,
    /// Which gateway.
    #[serde(default)]
    pub target: Target,
    /// Which machine.
    #[serde(default)]
    pub environment: Environment,
    /// When and how.
    #[serde(default)]
    pub run: RunFacts,
    /// Over all scenarios.
    #[serde(default)]
    pub summary: Counts,
    /// One for each profile with scenarios.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// One for each scenario, by id.
    pub scenarios: Vec<Scenario>,
}

/// The suite that was run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Suite {
    /// Of the harness.
    pub version: String,
    /// How many.
    pub scenarios: usize,
    /// Tells two suites apart.
    pub scenarios_digest: String,
}

/// The gateway under test.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Target {
    /// Who makes it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub organization: String,
    /// Its name.
    pub project: String,
    /// Its version.
    pub version: String,
    /// Where it is described.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Whom to ask.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub contact: String,
    /// How it was reached.
    pub adapter: Adapter,
    /// As a process, in a container, in a cluster.
    pub mode: String,
    /// The capabilities it claims.
    pub supports: Vec<String>,
    /// Its choices where gateways reasonably differ.
    pub options: BTreeMap<String, Value>,
    /// Differences that were allowed for it.
    pub quirks: Vec<Quirk>,
}

/// An allowed difference.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Quirk {
    /// What is different.
    pub text: String,
    /// Where it is documented.
    pub link: String,
}

/// What stands between the harness and the gateway.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Adapter {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The machine of the run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Environment {
    /// Operating system.
    pub os: String,
    /// Processor family.
    pub arch: String,
    /// Cores the harness could use.
    pub cores: usize,
    /// Which clock times are from.
    pub clock: String,
    /// How late a timer fires here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
}

/// Lateness of timers, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Noise {
    /// Half of them are later.
    pub p50: f64,
    /// One of a hundred is later.
    pub p99: f64,
}

/// When and how the suite was run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunFacts {
    /// Seconds since 1970.
    pub started: u64,
    /// Seconds.
    pub duration: f64,
    /// Of the order, when shuffled.
    pub seed: Option<u64>,
    /// How often each scenario was asked for.
    pub repeats: usize,
    /// The defect that was put around the gateway.
    pub sabotage: Option<String>,
    /// What `run` ended with.
    pub exit_code: u8,
    /// What does the same run again.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub command: String,
}

/// The result of one profile.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Profile {
    /// As in the scenarios.
    pub name: String,
    /// `success`, `partial`, `failure`, or `none` when nothing of it is claimed.
    pub result: String,
    /// Scenarios of level must.
    pub must: LevelCounts,
    /// Of level should.
    pub should: LevelCounts,
    /// Of level may.
    pub may: LevelCounts,
    /// Capabilities its scenarios need and the target claims.
    pub supported: Vec<String>,
    /// That they need and it does not claim.
    pub unsupported: Vec<String>,
}

/// The scenarios of one profile and level.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LevelCounts {
    /// By verdict.
    #[serde(flatten)]
    pub counts: Counts,
    /// As of the profile, for this level alone.
    pub result: String,
}

/// What became of one scenario.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Scenario {
    /// Its id.
    pub id: String,
    /// The requirement.
    #[serde(default)]
    pub title: String,
    /// How binding it is.
    pub level: Level,
    /// The profile it counts for.
    pub profile: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Seconds, repeats together.
    #[serde(default)]
    pub duration: f64,
    /// The verdict of each repeat.
    #[serde(default)]
    pub repeats: Vec<Verdict>,
    /// Its file.
    #[serde(default)]
    pub file: String,
    /// Only those that did not hold.
    #[serde(default)]
    pub expectations: Vec<Expectation>,
    /// Why it is an error.
    #[serde(default)]
    pub error: Option<String>,
    /// Why it is an error, unsupported or skipped.
    #[serde(default)]
    pub why: Option<String>,
    /// Whether the target claims all that it needs.
    #[serde(default = "yes")]
    pub claimed: bool,
    /// The failure that is known and for how long it may stay.
    #[serde(default)]
    pub expected_failure: Option<ExpectedFailure>,
    /// Capabilities it needs.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Standards behind it.
    #[serde(default)]
    pub anchors: Vec<String>,
    /// Reports behind it.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Defects that must turn it red.
    #[serde(default)]
    pub sabotage: Vec<String>,
    /// What runs it alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// What client, upstreams and telemetry saw.
    #[serde(default)]
    pub transcript: Transcript,
}

fn yes() -> bool {
    true
}

/// A failure that the target file announces.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExpectedFailure {
    /// Where it is tracked.
    pub issue: String,
    /// The last day on which it is accepted.
    pub until: String,
    /// Whether that day is over.
    pub expired: bool,
}

/// An expectation that did not hold.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// The scenario's id and where in it.
    #[serde(default)]
    pub path: String,
    /// As of the scenario.
    pub level: Level,
    /// Always `fail`.
    pub verdict: Verdict,
    /// Line in the file; 0 for the file as a whole.
    #[serde(default)]
    pub line: usize,
    /// Column in the file.
    #[serde(default)]
    pub column: usize,
    /// How many characters the expectation takes.
    #[serde(default)]
    pub width: usize,
    /// The line itself; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// What should have been.
    #[serde(default)]
    pub expected: String,
    /// What was.
    #[serde(default)]
    pub actual: String,
}
