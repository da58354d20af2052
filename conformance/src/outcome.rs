//! What became of scenarios: one outcome each, and the sums.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gateway::yaml::Source;
use serde::Serialize;

use crate::expect::Failure;
use crate::load::Loaded;
use crate::scenario::Level;
use crate::transcript::Transcript;

/// How a scenario ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything held.
    Pass,
    /// Something did not hold.
    Fail,
    /// Ours, never the target's fault.
    Error,
    /// The target does not claim what it needs.
    Unsupported,
    /// Left out by the user.
    Skipped,
    /// Mixed results over repeats.
    Flaky,
    /// Measured, not judged.
    Informational,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Error => "error",
            Verdict::Unsupported => "unsupported",
            Verdict::Skipped => "skipped",
            Verdict::Flaky => "flaky",
            Verdict::Informational => "informational",
        })
    }
}

/// One run of one scenario, or several of them put together.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The scenario's id.
    pub id: String,
    /// Its requirement.
    pub title: String,
    /// Its level.
    pub level: Level,
    /// Its profile.
    pub profile: String,
    /// Capabilities it needs.
    pub needs: Vec<String>,
    /// Standards behind it.
    pub anchors: Vec<String>,
    /// Reports behind it.
    pub evidence: Vec<String>,
    /// Its file.
    pub source: Arc<Source>,
    /// What `run` must be told to run it alone.
    pub argument: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict of each repeat.
    pub repeats: Vec<Verdict>,
    /// How long it took, repeats together.
    pub duration: Duration,
    /// What did not hold.
    pub failures: Vec<Failure>,
    /// Why it is an error.
    pub error: Option<String>,
    /// What client, upstreams and telemetry saw, of the last run that failed.
    pub transcript: Transcript,
}

impl Outcome {
    /// An outcome without evidence.
    pub fn new(loaded: &Loaded, verdict: Verdict, duration: Duration) -> Outcome {
        let scenario = &loaded.scenario;
        Outcome {
            id: scenario.id.value.clone(),
            title: scenario.title.clone(),
            level: scenario.level,
            profile: scenario.profile.value.clone(),
            needs: scenario.needs.iter().map(|need| need.value.clone()).collect(),
            anchors: scenario.anchors.clone(),
            evidence: scenario.evidence.clone(),
            source: Arc::clone(&loaded.source),
            argument: loaded.argument(),
            verdict,
            repeats: vec![verdict],
            duration,
            failures: Vec::new(),
            error: None,
            transcript: Transcript::default(),
        }
    }

    /// Adds another run of the same scenario: mixed results are `flaky`, the evidence of a failure stays.
    pub fn repeated(mut self, next: Outcome) -> Outcome {
        let (verdict, next_verdict) = (self.verdict, next.verdict);
        let mut repeats = std::mem::take(&mut self.repeats);
        repeats.extend(&next.repeats);
        let duration = self.duration + next.duration;
        let mut kept = if matches!(verdict, Verdict::Pass) { next } else { self };
        kept.verdict = match (verdict, next_verdict) {
            (Verdict::Error, _) | (_, Verdict::Error) => Verdict::Error,
            (one, other) if one == other => one,
            _ => Verdict::Flaky,
        };
        kept.repeats = repeats;
        kept.duration = duration;
        kept
    }
}

/// Numbers of verdicts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Scenarios that passed.
    pub passed: usize,
    /// That failed.
    pub failed: usize,
    /// That could not be run.
    pub errors: usize,
    /// That were skipped.
    pub skipped: usize,
    /// That need what is not claimed.
    pub unsupported: usize,
    /// With mixed results.
    pub flaky: usize,
}

impl Counts {
    /// Of these outcomes.
    pub fn of<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> Counts {
        let mut counts = Counts::default();
        for outcome in outcomes {
            match outcome.verdict {
                Verdict::Pass => counts.passed += 1,
                Verdict::Fail => counts.failed += 1,
                Verdict::Error => counts.errors += 1,
                Verdict::Skipped => counts.skipped += 1,
                Verdict::Unsupported => counts.unsupported += 1,
                Verdict::Flaky => counts.flaky += 1,
                Verdict::Informational => {}
            }
        }
        counts
    }

    /// How many were run.
    pub fn executed(&self) -> usize {
        self.passed + self.failed + self.errors + self.flaky
    }

    /// `success` when all passed and none was left out, `failure` when any failed, `none` when there were none,
    /// else `partial`.
    pub fn result(&self) -> &'static str {
        match self {
            Counts { passed: 0, failed: 0, errors: 0, flaky: 0, skipped: 0, unsupported: 0 } => "none",
            Counts { failed: 0, errors: 0, flaky: 0, skipped: 0, unsupported: 0, .. } => "success",
            Counts { failed: 0, errors: 0, flaky: 0, .. } => "partial",
            _ => "failure",
        }
    }
}

/// A whole run.
#[derive(Debug, Clone)]
pub struct Run {
    /// One per scenario, by id.
    pub outcomes: Vec<Outcome>,
    /// Wall time.
    pub duration: Duration,
    /// When it started, seconds since 1970.
    pub started: u64,
    /// The order's seed, when shuffled.
    pub seed: Option<u64>,
    /// Repeats of each scenario.
    pub repeat: usize,
    /// The defect that was put around the gateway.
    pub sabotage: Option<String>,
    /// Whether it stopped at the first failure.
    pub stopped: bool,
}

impl Run {
    /// Outcomes by profile, in the order of the profiles.
    pub fn profiles(&self) -> Vec<(&'static str, Vec<&Outcome>)> {
        let mut by_name: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
        for outcome in &self.outcomes {
            by_name.entry(&outcome.profile).or_default().push(outcome);
        }
        let known = crate::capability::PROFILES.iter();
        known.filter_map(|profile| Some((profile.name, by_name.remove(profile.name)?))).collect()
    }

    /// The exit code: 0 ok, 1 the target failed, 2 we did, 3 nothing ran.
    pub fn exit_code(&self) -> u8 {
        let counts = Counts::of(self.outcomes.iter());
        match counts {
            _ if counts.errors > 0 => 2,
            _ if counts.failed + counts.flaky > 0 => 1,
            _ if counts.executed() == 0 => 3,
            _ => 0,
        }
    }
}
