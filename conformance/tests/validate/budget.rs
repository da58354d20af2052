//! What a run may cost, and that what it did not get to ask is no pass.

use std::time::{Duration, Instant};

use conformance::render::Style;
use conformance::validate::Setting;
use conformance::validate::check::Level;
use conformance::validate::deviation::Expected;
use conformance::validate::finding::Verdict;
use conformance::validate::gather::Budget;
use conformance::validate::outcome::Outcome;
use conformance::validate::report::{Kind, text};
use mock_providers::MockProvider;
use serde_json::{Value, json};

use crate::support::{provider, setting, validate_with};

/// A settled run of all checks with so many requests at most, and how many the mock has seen.
async fn within(max_requests: usize, overlay: &Value) -> (Outcome, usize) {
    let mock = provider(overlay).await;
    let budget = Budget { most: max_requests, told: max_requests };
    let mut outcome = validate_with(mock.addr(), &Setting { budget, ..setting(&[], Some(8)) }).await;
    outcome.settle(&Expected::default(), Level::Required);
    (outcome, seen(&mock))
}

fn seen(mock: &MockProvider) -> usize {
    mock.journal().requests.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_run_sends_more_than_it_may_and_it_says_how_many() {
    for most in [1, 2, 3, 5, 6, 7, 20, 60, 100] {
        let (outcome, seen) = within(most, &json!({})).await;
        assert!(seen <= most, "{seen} of {most}");
        assert_eq!(outcome.requests, seen, "of {most}");
        let code = if outcome.open() > 0 { 3 } else { 0 };
        assert_eq!((outcome.exit_code(), outcome.failing()), (code, 0), "of {most}: {:?}", outcome.stopped);
        assert_eq!(outcome.open() > 0, most < 60, "{} open of {most}", outcome.open());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_again_after_a_429_counts_too() {
    let limited = json!({"faults": [{"status": 429, "retry_after_ms": 1, "every": 2}]});
    for most in [60, 112] {
        let (outcome, seen) = within(most, &limited).await;
        assert!(seen <= most, "{seen} of {most}");
        assert_eq!(outcome.requests, seen, "of {most}");
    }
    let always = json!({"faults": [{"status": 429, "retry_after_ms": 1, "when": {"path": "/v1/chat/completions"}}]});
    let (outcome, seen) = within(115, &always).await;
    assert!(seen <= 115, "{seen}");
    let why = outcome.checks.iter().filter_map(|check| check.why.as_deref());
    assert!(
        why.clone().any(|why| why.contains("429") && why.contains("--max-requests 115")),
        "{:?}",
        why.collect::<Vec<_>>()
    );
    assert_eq!((outcome.exit_code(), outcome.stopped), (3, None), "who lets nobody ask gets no verdict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_asked_names_the_flag_and_is_no_pass_in_any_report() {
    let (outcome, _) = within(20, &json!({})).await;
    let open: Vec<_> = outcome.checks.iter().filter(|check| check.open).collect();
    assert!(!open.is_empty() && open.iter().all(|check| check.level == Level::Required));
    for check in outcome.checks.iter().filter(|check| check.due) {
        let why = check.why.as_deref().unwrap_or_default();
        assert!(why.contains("--max-requests 20 leaves") && !why.contains(" 0 more requests"), "{}: {why}", check.id);
    }
    let asked = outcome.checks.iter().filter(|check| check.verdict != Verdict::Skipped).count();
    let told = format!("{asked} of 84 checks asked; no verdict on the rest, {} of which count", open.len());
    let page = text::text(&outcome, Style::default());
    assert!(page.contains(&told) && !page.contains("passes"), "{page}");
    assert!(Kind::Markdown.text(&outcome).contains(&told) && Kind::Html.text(&outcome).contains(&told));
    assert!(Kind::Junit.text(&outcome).contains(&format!(" errors=\"{}\"", open.len())));
    let json: Value = serde_json::from_str(&Kind::Json.text(&outcome)).expect("JSON");
    assert_eq!(json["exit_code"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_matters_most_is_asked_first() {
    let (outcome, _) = within(60, &json!({})).await;
    let skipped = |level| outcome.checks.iter().filter(|check| check.level == level && check.due).count();
    assert_eq!(skipped(Level::Required), 0);
    assert!(skipped(Level::Optional) > 0);
    assert_eq!(outcome.exit_code(), 0, "all that counts was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selection_that_was_asked_whole_passes_and_what_a_user_must_tell_does_not_count() {
    let mock = provider(&json!({})).await;
    let mut some = setting(&["MOD", "ERR-03", "ERR-04"], None);
    some.wishes.context_window = None;
    some.wishes.model = Some("text-embedding-3-small".to_owned());
    let mut outcome = validate_with(mock.addr(), &some).await;
    outcome.settle(&Expected::default(), Level::Optional);
    let skipped: Vec<_> = outcome.checks.iter().filter(|check| check.verdict == Verdict::Skipped).collect();
    assert!(skipped.iter().any(|check| check.id == "ERR-04"), "{skipped:?}");
    assert_eq!((outcome.open(), outcome.exit_code()), (0, 0), "{:?}", outcome.checks);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_slow_answers_ends_with_the_run() {
    let slow = json!({"faults": [{"delay_head": "90ms"}], "limits": {"rpm": 100_000}});
    let mock = provider(&slow).await;
    let timeout = Duration::from_millis(150);
    let began = Instant::now();
    let mut outcome =
        validate_with(mock.addr(), &Setting { timeout, ..setting(&["MOD-02", "HDR-02"], Some(900)) }).await;
    outcome.settle(&Expected::default(), Level::Optional);
    // Not a measure of speed: twenty timeouts are what `--help` promises; nine hundred answers take eighty seconds.
    assert!(began.elapsed() < timeout * 20 + Duration::from_secs(10), "{:?}", began.elapsed());
    let burst = outcome.checks.iter().find(|check| check.id == "HDR-02").expect("it was chosen");
    assert_eq!(burst.why.as_deref(), Some("the run took longer than 3 s; nothing more is asked"));
    // Our own bound says nothing of the backend.
    assert_eq!((outcome.stopped.as_deref(), outcome.failing(), outcome.exit_code()), (None, 0, 3));
    let page = text::text(&outcome, Style::default());
    assert!(page.contains("no verdict on the rest, 1 of which count") && !page.contains("does not pass"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_limited_on_a_connection_of_its_own_or_over_http2_gets_no_verdict() {
    let limited = json!({"faults": [{"status": 429, "retry_after_ms": 1, "when": {"path": "/v1/models"}}]});
    let mock = provider(&limited).await;
    let mut outcome = validate_with(mock.addr(), &setting(&["CON-01", "CON-02", "CON-04"], None)).await;
    outcome.settle(&Expected::default(), Level::Optional);
    for check in &outcome.checks {
        assert!(check.open && check.verdict == Verdict::Skipped, "{check:?}");
        assert!(check.why.as_deref().is_some_and(|why| why.contains("limits its callers")), "{:?}", check.why);
    }
    assert_eq!((outcome.failing(), outcome.exit_code()), (0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selection_of_which_nothing_counts_is_no_pass_and_names_the_flag() {
    for (quirks, judged) in [(json!(["index_missing"]), Verdict::Deviation), (json!([]), Verdict::Pass)] {
        let mock = provider(&json!({"quirks": quirks})).await;
        let mut outcome = validate_with(mock.addr(), &setting(&["TOL-05"], None)).await;
        outcome.settle(&Expected::default(), Level::Required);
        assert_eq!((outcome.checks[0].verdict, outcome.exit_code()), (judged, 3));
        let page = text::text(&outcome, Style::default());
        assert!(page.contains("none of these checks counts at this level; --level says which do"), "{page}");
        assert!(!page.contains("passes"), "{page}");
        outcome.settle(&Expected::default(), Level::Optional);
        assert_eq!(outcome.exit_code(), u8::from(judged == Verdict::Deviation));
    }
}
