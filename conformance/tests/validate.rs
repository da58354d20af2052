//! Validation against the mock: green as it is, red under each check's own switch, each quirk told as what it is and
//! nothing else. What is no such API at all is told apart on raw sockets.

#[path = "validate/budget.rs"]
mod budget;
#[path = "validate/encrypted.rs"]
mod encrypted;
#[path = "validate/foreign.rs"]
mod foreign;
#[path = "validate/gateway.rs"]
mod gateway;
#[path = "validate/hostile.rs"]
mod hostile;
#[path = "validate/reports.rs"]
mod reports;
#[path = "validate/support.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use conformance::validate::check::Level;
use conformance::validate::checks;
use conformance::validate::deviation::Expected;
use conformance::validate::finding::Verdict;
use conformance::validate::outcome::Outcome;
use mock_providers::quirks::{self, Quirk};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use support::{provider, validate};

/// The check's overlays, by id.
fn overlays() -> BTreeMap<String, Value> {
    serde_saphyr::from_str(include_str!("validate/red.yaml")).expect("the table is well-formed")
}

fn verdicts(outcome: &Outcome, verdict: Verdict) -> Vec<&str> {
    outcome.checks.iter().filter(|check| check.verdict == verdict).map(|check| check.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_84_checks_pass_on_a_mock_that_is_as_openai_is() {
    let mock = provider(&json!({})).await;
    let outcome = validate(mock.addr(), &[], Some(300)).await;
    assert_eq!(verdicts(&outcome, Verdict::Pass).len(), 84, "{:#?}", outcome.checks);
    assert_eq!(outcome.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_check_turns_red_under_a_switch_of_its_own() {
    let overlays = overlays();
    let known: BTreeSet<_> = checks::all().iter().map(|check| check.id.to_owned()).collect();
    assert_eq!(overlays.keys().cloned().collect::<BTreeSet<_>>(), known);
    let mut green = Vec::new();
    for (id, overlay) in &overlays {
        let mock = provider(overlay).await;
        let burst = (id == "HDR-02").then_some(300);
        let outcome = validate(mock.addr(), &[id], burst).await;
        let [check] = &outcome.checks[..] else { panic!("{id}: one check") };
        if !matches!(check.verdict, Verdict::Fail | Verdict::Deviation) {
            green.push(format!("{id} under {overlay}: {} {:?}", check.verdict, check.why));
        }
    }
    assert_eq!(green, [""; 0]);
}

/// Quirks that need more than the script that all have: what they change must be asked for.
fn overlay_for(quirk: &str) -> Value {
    match quirk {
        // Only a failure can be hidden: here that of a prompt that is too long.
        "failure_hidden" => json!({
            "quirks": [quirk],
            "rules": [{"when": {"stream": true, "last_user": {"prefix": "a a a"}}, "respond": {"status": 500}}],
        }),
        _ => json!({"quirks": [quirk]}),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_quirk_is_told_as_its_deviations_and_those_it_implies_and_as_nothing_else() {
    let all: JoinSet<_> = quirks::all().iter().map(misjudged).collect();
    assert_eq!(all.join_all().await.into_iter().flatten().collect::<Vec<_>>(), [""; 0]);
}

/// What is wrong with what is told of this quirk.
async fn misjudged(quirk: &'static Quirk) -> Option<String> {
    let mock = provider(&overlay_for(quirk.name)).await;
    let outcome = validate(mock.addr(), &[], None).await;
    let seen: BTreeSet<&str> = outcome.deviations().flat_map(|one| &one.ids).map(String::as_str).collect();
    let wanted: BTreeSet<&str> = quirk.deviations.iter().chain(quirk.implies).copied().collect();
    let named = outcome.deviations().any(|one| one.quirk == quirk.name);
    let failed = verdicts(&outcome, Verdict::Fail);
    let right = seen == wanted && named && failed.is_empty();
    (!right).then(|| format!("{}: wanted {wanted:?}, seen {seen:?}, failed {failed:?}", quirk.name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_announced_does_not_count_and_what_was_not_does() {
    let mock = provider(&json!({"quirks": ["missing_done", "index_missing"]})).await;
    let mut outcome = validate(mock.addr(), &["STR", "TOL", "CHT"], None).await;
    let mut settled = |names: &[&str], level| {
        outcome.settle(&Expected::of(names).expect("known"), level);
        (outcome.exit_code(), outcome.not_seen.clone())
    };
    assert_eq!(settled(&[], Level::Required), (1, vec![]));
    assert_eq!(settled(&["missing_done"], Level::Required), (0, vec![]));
    assert_eq!(settled(&["missing_done"], Level::Optional), (1, vec![]));
    assert_eq!(settled(&["missing_done", "index_missing"], Level::Optional), (0, vec![]));
    let unseen = settled(&["missing_done", "index_missing", "n_ignored"], Level::Optional);
    assert_eq!(unseen, (0, vec!["n_ignored".to_owned()]));
    outcome = validate(mock.addr(), &["STR"], None).await;
    outcome.settle(&Expected::of(&["missing_done", "index_missing", "n_ignored"]).expect("known"), Level::Optional);
    assert_eq!(outcome.not_seen, [""; 0], "who was not asked about it may well have it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn surfaces_that_are_not_there_are_unsupported_and_no_failure() {
    let missing = |path: &str| json!({"status": 404, "when": {"path": path}});
    let paths = ["/v1/embeddings", "/v1/completions", "/v1/responses", "/v1/moderations"];
    let mock = provider(&json!({"faults": paths.map(missing)})).await;
    let outcome = validate(mock.addr(), &["EMB", "CMP", "RSP", "MDR"], None).await;
    assert_eq!(verdicts(&outcome, Verdict::Unsupported).len(), outcome.checks.len(), "{:#?}", outcome.checks);
    assert_eq!(outcome.exit_code(), 3, "nothing was judged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_takes_no_max_tokens_is_asked_with_max_completion_tokens() {
    let mock = provider(&json!({"rules": [{
        "when": {"body": {"$.max_tokens": {"present": true}}},
        "respond": {"status": 400, "json": {"error": {
            "message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            "type": "invalid_request_error", "param": "max_tokens", "code": "unsupported_parameter",
        }}},
    }]}))
    .await;
    let outcome = validate(mock.addr(), &["CHT-01", "CHT-08", "CHT-09"], None).await;
    assert_eq!(verdicts(&outcome, Verdict::Pass), ["CHT-01", "CHT-09"]);
    assert_eq!(verdicts(&outcome, Verdict::Unsupported), ["CHT-08"]);
}
