//! From a finished run to its report: names, sums and texts, nothing judged anew.

use std::time::Duration;

use super::model::{
    Adapter, Environment, Expectation, ExpectedFailure, LevelCounts, Noise, Profile, Quirk, Report, RunFacts, SCHEMA,
    Scenario, Suite, Target,
};
use crate::capability::CAPABILITIES;
use crate::expect::Failure;
use crate::outcome::{About, Counts, Excuse, Outcome, Run, Verdict};
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
            target: target(&run.target),
            environment: environment(run),
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
            profiles: run.profiles().iter().map(|(name, outcomes)| profile(run, name, outcomes)).collect(),
            scenarios: run.outcomes.iter().map(|outcome| scenario(outcome, sabotage)).collect(),
        }
    }
}

fn target(about: &About) -> Target {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Target {
        organization: text(&about.organization),
        project: about.project.clone(),
        version: text(&about.version),
        url: text(&about.url),
        contact: text(&about.contact),
        adapter: Adapter { name: about.project.clone(), version: env!("CARGO_PKG_VERSION").to_owned() },
        mode: about.mode.clone(),
        supports: about.supports.clone(),
        options: about.options.clone(),
        quirks: about.quirks.iter().map(|quirk| Quirk { text: quirk.text.clone(), link: quirk.link.clone() }).collect(),
    }
}

fn environment(run: &Run) -> Environment {
    Environment {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        clock: "monotonic".to_owned(),
        noise: Some(Noise { p50: run.noise.p50, p99: run.noise.p99 }),
    }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

/// The flag that names the target, unless it is the reference gateway.
fn targeted(target: Option<&str>) -> String {
    target.map(|target| format!(" --target {}", quoted(target))).unwrap_or_default()
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
    let target = run.outcomes.iter().find_map(|outcome| outcome.target.as_deref());
    command + &targeted(target) + &sabotaged(run.sabotage.as_deref())
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

fn profile(run: &Run, name: &str, outcomes: &[&Outcome]) -> Profile {
    let supports = &run.target.supports;
    let level = |level: Level| {
        let of_level = || outcomes.iter().copied().filter(|outcome| outcome.level == level);
        LevelCounts { counts: Counts::of(of_level()), result: run.result_of(name, Some(level), outcomes).to_string() }
    };
    let needed = |name: &str| outcomes.iter().any(|outcome| outcome.needs.iter().any(|need| need == name));
    let names = CAPABILITIES.iter().map(|capability| capability.name).filter(|name| needed(name)).map(str::to_owned);
    let (supported, unsupported) = names.partition(|name| supports.contains(name));
    Profile {
        name: name.to_owned(),
        result: run.result_of(name, None, outcomes).to_string(),
        must: level(Level::Must),
        should: level(Level::Should),
        may: level(Level::May),
        supported,
        unsupported,
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
        error: outcome.why.clone().filter(|_| outcome.verdict == Verdict::Error),
        why: outcome.why.clone(),
        claimed: outcome.claimed,
        expected_failure: outcome.expected_failure.as_ref().map(excuse),
        needs: outcome.needs.clone(),
        anchors: outcome.anchors.clone(),
        evidence: outcome.evidence.clone(),
        sabotage: outcome.sabotage.clone(),
        command: format!(
            "windtunnel run {}{}{}",
            quoted(&outcome.argument),
            targeted(outcome.target.as_deref()),
            sabotaged(sabotage)
        ),
        transcript: outcome.transcript.clone(),
    }
}

fn excuse(excuse: &Excuse) -> ExpectedFailure {
    let Excuse { issue, until, expired } = excuse.clone();
    ExpectedFailure { issue, until, expired }
}

fn expectation(outcome: &Outcome, failure: &Failure) -> Expectation {
    Expectation {
        path: format!("{}.{}", outcome.id, failure.path),
        level: outcome.level,
        verdict: Verdict::Fail,
        line: failure.line,
        column: failure.column,
        width: failure.width,
        source: failure.excerpt.clone(),
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
