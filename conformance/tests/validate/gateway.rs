//! `--through`: only what lies between is told.

use conformance::render::Style;
use conformance::validate::Setting;
use conformance::validate::check::Level;
use conformance::validate::deviation::Expected;
use conformance::validate::finding::Verdict;
use conformance::validate::gather::Budget;
use conformance::validate::outcome::Outcome;
use conformance::validate::report::text;
use conformance::validate::through::{Changes, changes};
use serde_json::{Value, json};

use crate::support::{provider, setting, validate, validate_with};

/// A settled run of these checks against a mock with this laid over it.
async fn run(overlay: &Value, names: &[&str], quirks: &[&str]) -> Outcome {
    let mock = provider(overlay).await;
    let mut outcome = validate(mock.addr(), names, None).await;
    outcome.settle(&Expected::of(quirks).expect("known"), Level::Optional);
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_against_the_same_backend_differ_in_nothing() {
    let mock = provider(&json!({})).await;
    let direct = validate(mock.addr(), &[], None).await;
    let again = validate(mock.addr(), &[], None).await;
    assert_eq!(changes(&direct, &again), Changes::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_on_the_way_is_told_and_only_that() {
    let mock = provider(&json!({})).await;
    let other = provider(
        &json!({"quirks": ["missing_done"], "faults": [{"extra_field": true, "when": {"path": "/v1/models"}}]}),
    )
    .await;
    let names = ["MOD-02", "STR-03", "CHT-01", "ERR-03"];
    let (direct, through) = (validate(mock.addr(), &names, None).await, validate(other.addr(), &names, None).await);
    let changes = changes(&direct, &through);
    let told: Vec<_> = changes.checks.iter().map(|change| (change.direct.id.as_str(), change.is_worse())).collect();
    assert_eq!(told, [("MOD-02", false), ("STR-03", true)]);
    assert_eq!(changes.everywhere, []);
    assert!(changes.checks[1].differences.contains(&"- [DONE]".to_owned()), "{:?}", changes.checks[1].differences);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_is_added_to_every_answer_is_told_once() {
    let ids = |ids: Value| json!({"rules": [{"respond": {"headers": {"x-request-id": ids}}}]});
    let (mock, other) = (provider(&ids(json!([]))).await, provider(&ids(json!(["the same"]))).await);
    let names = ["MOD", "CHT"];
    let (direct, through) = (validate(mock.addr(), &names, None).await, validate(other.addr(), &names, None).await);
    let changes = changes(&direct, &through);
    assert_eq!(changes.checks, [], "and nothing besides");
    let all = direct.checks.len();
    let page = text::changes(&direct, &through, &changes, Style::default());
    assert_eq!(page.matches("+ x-request-id: (some)").count(), 1, "{page}");
    let (line, count) = &changes.everywhere[0];
    assert!(*count > all / 2 && page.contains(&format!("everywhere   {line}, in {count} of {all} checks")), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_gateway_adds_counts_unless_it_was_announced() {
    for (quirks, worse) in [(&["n_ignored"][..], &[][..]), (&["vllm"], &["CHT-12"]), (&[], &["CHT-12"])] {
        let direct = run(&json!({}), &["CHT-12"], quirks).await;
        let mut through = run(&json!({"quirks": ["n_ignored"]}), &["CHT-12"], quirks).await;
        let changes = changes(&direct, &through);
        assert_eq!(changes.worse().collect::<Vec<_>>(), worse, "{quirks:?}");
        changes.settle(&direct, &mut through, Level::Optional);
        assert_eq!(through.exit_code(), u8::from(!worse.is_empty()), "{quirks:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_backend_says_it_lacks_and_the_gateway_fails_at_is_worse() {
    let embeddings = |status: u16| json!({"faults": [{"status": status, "when": {"path": "/v1/embeddings"}}]});
    let direct = run(&embeddings(404), &["EMB-01"], &[]).await;
    let through = run(&embeddings(502), &["EMB-01"], &[]).await;
    assert_eq!([direct.checks[0].verdict, through.checks[0].verdict], [Verdict::Unsupported, Verdict::Fail]);
    assert_eq!(changes(&direct, &through).worse().collect::<Vec<_>>(), ["EMB-01"]);
    assert_eq!(changes(&through, &direct).worse().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_worse_once_counts_only_when_it_is_worse_again() {
    let good = run(&json!({}), &["STR-03", "STR-04"], &[]).await;
    let bad = run(&json!({"quirks": ["missing_done"]}), &["STR-03", "STR-04"], &[]).await;
    let unasked = Outcome::default();
    for (again, worse) in [([&good, &bad], 1), ([&good, &unasked], 1), ([&good, &good], 0), ([&bad, &bad], 0)] {
        let (mut changes, mut through) = (changes(&good, &bad), bad.clone());
        changes.confirm(again[0], again[1]);
        changes.settle(&good, &mut through, Level::Required);
        assert_eq!((changes.worse().count(), usize::from(through.exit_code())), (worse, worse));
        let page = text::changes(&good, &through, &changes, Style::default());
        assert!(page.contains(&format!("{worse} for the worse")), "{page}");
        assert_eq!(page.contains("asked again, both ways, it was not worse"), worse == 0, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_one_way_only_is_no_change_and_gets_no_verdict() {
    let mock = provider(&json!({})).await;
    let few = Setting { budget: Budget { most: 20, told: 20 }, ..setting(&[], None) };
    let (mut direct, mut through) = (validate_with(mock.addr(), &few).await, validate(mock.addr(), &[], None).await);
    for outcome in [&mut direct, &mut through] {
        outcome.settle(&Expected::default(), Level::Required);
    }
    let changes = changes(&direct, &through);
    assert_eq!(changes, Changes::default());
    changes.settle(&direct, &mut through, Level::Required);
    assert_eq!((through.asked(), through.open(), through.exit_code()), (direct.asked(), direct.open(), 3));
    let page = text::changes(&direct, &through, &changes, Style::default());
    assert!(page.contains(&format!("{} of 84 checks asked; no verdict on the rest", direct.asked())), "{page}");
}
