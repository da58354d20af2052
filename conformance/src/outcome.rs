//! What became of scenarios: one outcome each, and the sums.

mod result;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gateway::yaml::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::expect::Failure;
use crate::load::Loaded;
use crate::noise::Lateness;
use crate::scenario::Level;
use crate::transcript::Transcript;

pub use result::{About, ProfileResult, result};

/// How a scenario ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
    /// Measured, not judged (profile `load`).
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

/// Why a failure is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excuse {
    /// The issue that tracks it.
    pub issue: String,
    /// The last day on which it is excused, as YYYY-MM-DD.
    pub until: String,
    /// Whether that day has passed.
    pub expired: bool,
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
    /// Saboteurs that must turn it red.
    pub sabotage: Vec<String>,
    /// Its file.
    pub source: Arc<Source>,
    /// What `run` must be told to run it alone.
    pub argument: String,
    /// What `--target` must be told, if anything.
    pub target: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict of each repeat.
    pub repeats: Vec<Verdict>,
    /// How long it took, repeats together.
    pub duration: Duration,
    /// What did not hold.
    pub failures: Vec<Failure>,
    /// Why it is an error, unsupported or skipped.
    pub why: Option<String>,
    /// Whether the target claims all that it needs.
    pub claimed: bool,
    /// The failure is known.
    pub expected_failure: Option<Excuse>,
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
            sabotage: scenario.sabotage.iter().map(|name| name.value.clone()).collect(),
            source: Arc::clone(&loaded.source),
            argument: loaded.argument(),
            target: None,
            verdict,
            repeats: vec![verdict],
            duration,
            failures: Vec::new(),
            why: None,
            claimed: true,
            expected_failure: None,
            transcript: Transcript::default(),
        }
    }

    /// Whether the target failed without an excuse.
    pub fn counts_as_failure(&self) -> bool {
        let failed = matches!(self.verdict, Verdict::Fail | Verdict::Flaky);
        failed && self.expected_failure.as_ref().is_none_or(|excuse| excuse.expired)
    }

    /// Whether it passed although a failure was expected.
    pub fn passed_unexpectedly(&self) -> bool {
        self.verdict == Verdict::Pass && self.expected_failure.is_some()
    }

    /// Adds another run of the same scenario: mixed results are `flaky`, the evidence of a failure stays.
    pub fn repeated(mut self, next: Outcome) -> Outcome {
        let (verdict, next_verdict) = (self.verdict, next.verdict);
        let mut repeats = std::mem::take(&mut self.repeats);
        repeats.extend(&next.repeats);
        let duration = self.duration + next.duration;
        let failed = |verdict| matches!(verdict, Verdict::Fail | Verdict::Flaky);
        let take_next = verdict == Verdict::Pass || verdict == Verdict::Error && failed(next_verdict);
        let mut kept = if take_next { next } else { self };
        kept.verdict = verdict.and(next_verdict);
        kept.repeats = repeats;
        kept.duration = duration;
        kept
    }
}

impl Verdict {
    /// Of several runs of one scenario: mixed results are `flaky`.
    fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (one, other) if one == other => one,
            // What failed has failed; what passed once and could not be judged once is not judged.
            (Verdict::Error, Verdict::Pass) | (Verdict::Pass, Verdict::Error) => Verdict::Error,
            (Verdict::Error, other) | (other, Verdict::Error) => other,
            _ => Verdict::Flaky,
        }
    }
}

/// Numbers of verdicts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
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
    /// Measured, not judged.
    pub informational: usize,
}

impl Counts {
    /// Of these outcomes.
    pub fn of<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> Counts {
        Counts::of_verdicts(outcomes.map(|outcome| outcome.verdict))
    }

    /// Of these verdicts.
    pub fn of_verdicts(verdicts: impl Iterator<Item = Verdict>) -> Counts {
        let mut counts = Counts::default();
        for verdict in verdicts {
            match verdict {
                Verdict::Pass => counts.passed += 1,
                Verdict::Fail => counts.failed += 1,
                Verdict::Error => counts.errors += 1,
                Verdict::Skipped => counts.skipped += 1,
                Verdict::Unsupported => counts.unsupported += 1,
                Verdict::Flaky => counts.flaky += 1,
                Verdict::Informational => counts.informational += 1,
            }
        }
        counts
    }

    /// How many were run.
    pub fn executed(&self) -> usize {
        self.passed + self.failed + self.errors + self.flaky + self.informational
    }
}

/// Numbers of scenarios by profile and level.
pub type LeftOut = BTreeMap<(String, Level), usize>;

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
    /// Scenarios of the suite that nobody asked for, by profile and level.
    pub left_out: LeftOut,
    /// What was tested.
    pub target: About,
    /// How punctual the host was before the run.
    pub noise: Lateness,
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

    /// How many scenarios of a profile, or of one level of it, nobody asked for.
    pub fn left_out_of(&self, profile: &str, level: Option<Level>) -> usize {
        let fits = |(name, of): &(String, Level)| name == profile && level.is_none_or(|level| level == *of);
        self.left_out.iter().filter(|(key, _)| fits(key)).map(|(_, count)| count).sum()
    }

    /// The result of a profile, or of one level of it: what was not asked for as a whole is `partial` at best.
    pub fn result_of(&self, profile: &str, level: Option<Level>, outcomes: &[&Outcome]) -> ProfileResult {
        let fits = |outcome: &&Outcome| level.is_none_or(|level| level == outcome.level);
        let result = result(outcomes.iter().copied().filter(fits));
        let whole = self.left_out_of(profile, level) == 0;
        if result == ProfileResult::Success && !whole { ProfileResult::Partial } else { result }
    }

    /// The exit code: 0 ok, 1 the target failed, 2 we did, 3 nothing ran.
    pub fn exit_code(&self) -> u8 {
        let counts = Counts::of(self.outcomes.iter());
        match counts {
            _ if counts.errors > 0 => 2,
            _ if self.outcomes.iter().any(Outcome::counts_as_failure) => 1,
            _ if counts.executed() == 0 => 3,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests;
