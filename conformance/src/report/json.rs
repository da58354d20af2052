//! `windtunnel.report/v1`: the report for machines. Its keys are frozen; new ones may be added.

use serde_json::{Value, json};

use crate::capability::CAPABILITIES;
use crate::outcome::{Counts, Outcome, Run, Verdict, result};
use crate::scenario::Level;

/// The schema's name.
pub const SCHEMA: &str = "windtunnel.report/v1";

/// The whole report.
pub fn text(run: &Run) -> String {
    let mut text = format!("{:#}", value(run));
    text.push('\n');
    text
}

/// As a value.
pub fn value(run: &Run) -> Value {
    json!({
        "schema": SCHEMA,
        "suite": {"version": env!("CARGO_PKG_VERSION"), "scenarios": run.outcomes.len(), "scenarios_digest": digest(run)},
        "target": run.target,
        "environment": {
            "os": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "clock": "monotonic",
            "noise": run.noise,
        },
        "run": {
            "started": run.started,
            "duration": seconds(run.duration),
            "seed": run.seed,
            "repeats": run.repeat,
            "sabotage": run.sabotage,
            "exit_code": run.exit_code(),
        },
        "summary": Counts::of(run.outcomes.iter()),
        "profiles": run.profiles().into_iter().map(|(name, outcomes)| profile(name, &outcomes)).collect::<Vec<_>>(),
        "scenarios": run.outcomes.iter().map(scenario).collect::<Vec<_>>(),
    })
}

fn seconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

fn profile(name: &str, outcomes: &[&Outcome]) -> Value {
    let level = |level: Level| {
        let counts = Counts::of(outcomes.iter().copied().filter(|outcome| outcome.level == level));
        let mut value = json!(counts);
        value["result"] = json!(result(outcomes.iter().copied().filter(|outcome| outcome.level == level)));
        value
    };
    let needed: Vec<&str> = CAPABILITIES
        .iter()
        .map(|capability| capability.name)
        .filter(|name| outcomes.iter().any(|outcome| outcome.needs.iter().any(|need| need == name)))
        .collect();
    json!({
        "name": name,
        "result": result(outcomes.iter().copied()),
        "must": level(Level::Must),
        "should": level(Level::Should),
        "may": level(Level::May),
        "supported": needed,
        "unsupported": [],
    })
}

fn scenario(outcome: &Outcome) -> Value {
    json!({
        "id": outcome.id,
        "title": outcome.title,
        "level": outcome.level,
        "profile": outcome.profile,
        "verdict": outcome.verdict,
        "duration": seconds(outcome.duration),
        "repeats": outcome.repeats,
        "file": outcome.source.path,
        "expectations": outcome.failures.iter().map(|failure| expectation(outcome, failure)).collect::<Vec<_>>(),
        "error": outcome.why.as_ref().filter(|_| outcome.verdict == Verdict::Error),
        "why": outcome.why,
        "expected_failure": outcome.expected_failure,
        "needs": outcome.needs,
        "anchors": outcome.anchors,
        "evidence": outcome.evidence,
        "transcript": outcome.transcript,
    })
}

/// Only expectations that did not hold are listed.
fn expectation(outcome: &Outcome, failure: &crate::expect::Failure) -> Value {
    json!({
        "path": format!("{}.{}", outcome.id, failure.path),
        "level": outcome.level,
        "verdict": Verdict::Fail,
        "line": failure.line,
        "column": failure.column,
        "expected": failure.expected,
        "actual": failure.actual,
    })
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
