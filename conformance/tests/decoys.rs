//! Four things that are no gateways, asked everything: the verdicts are sensible, come in bounded time, and none of
//! them is a pass on what only a gateway can do.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conformance::load::{self, Loaded};
use conformance::outcome::{Outcome, ProfileResult, Verdict, result};
use conformance::run::Setting;
use conformance::run::suite::{self, Plan};
use conformance::scenario::Level;
use conformance::target::Target;

/// Profiles in which nothing that is no gateway can pass.
const GUARDED: &[&str] = &["auth", "failover", "telemetry", "lifecycle", "kubernetes", "security"];

async fn outcomes(decoy: &str) -> Vec<Outcome> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here.join("../targets/decoys").join(format!("{decoy}.yaml"));
    let target = Target::load(&file, Path::new(env!("CARGO_BIN_EXE_windtunnel"))).expect("a target file");
    let plan = Plan {
        setting: Setting::of(Arc::new(target)),
        // They hardly do anything: most of the time is waiting for what never comes.
        jobs: 48,
        repeat: 1,
        shuffle: None,
        fail_fast: false,
        long: false,
        left_out: BTreeMap::new(),
    };
    let scenarios: Vec<Loaded> = load::suite(&here.join("../scenarios")).expect("the suite");
    let all = scenarios.len();
    let limit = Duration::from_secs(150);
    let run = tokio::time::timeout(limit, suite::run(scenarios, &plan, |_, _| {})).await.expect("an end in time");
    assert_eq!(run.outcomes.len(), all, "every scenario has a verdict");
    assert_eq!(run.exit_code(), 1, "the target failed, we did not");
    run.outcomes
}

fn passed(outcomes: &[Outcome]) -> Vec<&str> {
    outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Pass).map(|outcome| outcome.id.as_str()).collect()
}

fn nothing_guarded_passes(outcomes: &[Outcome]) {
    for profile in GUARDED {
        let own: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.profile == *profile).collect();
        let passed: Vec<&str> =
            own.iter().filter(|outcome| outcome.verdict == Verdict::Pass).map(|outcome| outcome.id.as_str()).collect();
        assert_eq!(passed, Vec::<&str>::new(), "{profile}");
        // A profile without a single MUST has nothing that fails it.
        let musts = own.iter().any(|outcome| outcome.level == Level::Must);
        let worst = if musts { ProfileResult::Failure } else { ProfileResult::Partial };
        assert_eq!(result(own.into_iter()), worst, "{profile}");
    }
    let errors: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Error).collect();
    assert!(errors.is_empty(), "{:?}", errors.iter().map(|one| (&one.id, &one.why)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_answers_200_to_everything_passes_nothing() {
    let outcomes = outcomes("yes").await;
    nothing_guarded_passes(&outcomes);
    assert_eq!(passed(&outcomes), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_resets_every_connection_passes_nothing() {
    let outcomes = outcomes("reset").await;
    nothing_guarded_passes(&outcomes);
    assert_eq!(passed(&outcomes), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_never_answers_passes_nothing() {
    let outcomes = outcomes("hang").await;
    nothing_guarded_passes(&outcomes);
    assert_eq!(passed(&outcomes), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_tcp_proxy_passes_only_what_needs_no_gateway() {
    nothing_guarded_passes(&outcomes("tcp").await);
}
