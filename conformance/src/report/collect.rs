//! From a finished run to its report: names, sums and texts, nothing judged anew.

use std::time::Duration;

use serde_json::Map;

use super::model::{
    Adapter, Environment, Expectation, LevelCounts, Profile, Report, RunFacts, SCHEMA, Scenario, Suite, Target,
};
use crate::capability::CAPABILITIES;
use crate::expect::Failure;
use crate::outcome::{Counts, Outcome, Run, Verdict};
use crate::scenario::Level;

impl Report {
    /// The report of a run.
    pub fn of(run: &Run) -> Report {
        let sabotage = run.sabotage.as_deref();
        Report {
            schema: SCHEMA.to_owned(),
            suite: Suite {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                scenarios: run.outcomes.len(),
                scenarios_digest: digest(run),
            },
            target: target(),
            environment: environment(),
            run: RunFacts {
                started: run.started,
                duration: seconds(run.duration),
                seed: run.seed,
                repeats: run.repeat,
                sabotage: run.sabotage.clone(),
                exit_code: run.exit_code(),
                command: command(run),
            },
            summary: Counts::of(run.outcomes.iter()),
            profiles: run.profiles().into_iter().map(|(name, outcomes)| profile(name, &outcomes)).collect(),
            scenarios: run.outcomes.iter().map(|outcome| scenario(outcome, sabotage)).collect(),
        }
    }
}

fn target() -> Target {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Target {
        organization: "windtunnel".to_owned(),
        project: "windtunnel".to_owned(),
        version: version.clone(),
        url: String::new(),
        adapter: Adapter { name: "reference".to_owned(), version },
        mode: "process".to_owned(),
        supports: CAPABILITIES.iter().map(|capability| capability.name.to_owned()).collect(),
        options: Map::new(),
        quirks: Vec::new(),
    }
}

fn environment() -> Environment {
    Environment {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        clock: "monotonic".to_owned(),
        noise: None,
    }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

/// What does the whole suite again in the same way; the command line narrows it to what was asked for.
fn command(run: &Run) -> String {
    let mut command = "windtunnel run".to_owned();
    if let Some(seed) = run.seed {
        command.push_str(&format!(" --shuffle {seed}"));
    }
    if run.repeat > 1 {
        command.push_str(&format!(" --repeat {}", run.repeat));
    }
    command + &sabotaged(run.sabotage.as_deref())
}

fn sabotaged(name: Option<&str>) -> String {
    name.map(|name| format!(" --sabotage {}", quoted(name))).unwrap_or_default()
}

/// One word for a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    match word {
        "" => "''".to_owned(),
        word if word.chars().all(plain) => word.to_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn profile(name: &str, outcomes: &[&Outcome]) -> Profile {
    let level = |level: Level| {
        let counts = Counts::of(outcomes.iter().copied().filter(|outcome| outcome.level == level));
        LevelCounts { result: counts.result().to_owned(), counts }
    };
    let needed = |name: &&str| outcomes.iter().any(|outcome| outcome.needs.iter().any(|need| need == name));
    Profile {
        name: name.to_owned(),
        result: Counts::of(outcomes.iter().copied()).result().to_owned(),
        must: level(Level::Must),
        should: level(Level::Should),
        may: level(Level::May),
        supported: CAPABILITIES.iter().map(|one| one.name).filter(needed).map(str::to_owned).collect(),
        unsupported: Vec::new(),
    }
}

fn scenario(outcome: &Outcome, sabotage: Option<&str>) -> Scenario {
    Scenario {
        id: outcome.id.clone(),
        title: outcome.title.clone(),
        level: outcome.level,
        profile: outcome.profile.clone(),
        verdict: outcome.verdict,
        duration: seconds(outcome.duration),
        repeats: outcome.repeats.clone(),
        file: outcome.source.path.display().to_string(),
        expectations: outcome.failures.iter().map(|failure| expectation(outcome, failure)).collect(),
        error: outcome.error.clone(),
        why: None,
        expected_failure: None,
        needs: outcome.needs.clone(),
        anchors: outcome.anchors.clone(),
        evidence: outcome.evidence.clone(),
        sabotage: Vec::new(),
        command: format!("windtunnel run {}{}", quoted(&outcome.argument), sabotaged(sabotage)),
        transcript: outcome.transcript.clone(),
    }
}

fn expectation(outcome: &Outcome, failure: &Failure) -> Expectation {
    Expectation {
        path: format!("{}.{}", outcome.id, failure.path),
        level: outcome.level,
        verdict: Verdict::Fail,
        line: failure.line,
        column: failure.column,
        width: failure.width,
        source: failure
            .line
            .checked_sub(1)
            .and_then(|line| outcome.source.text.lines().nth(line))
            .unwrap_or_default()
            .to_owned(),
        expected: failure.expected.clone(),
        actual: failure.actual.clone(),
    }
}

/// FNV-1a over the scenarios' texts: tells two suites apart, promises nothing more.
fn digest(run: &Run) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for outcome in &run.outcomes {
        for byte in outcome.id.bytes().chain(outcome.source.text.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("fnv1a:{hash:016x}")
}
