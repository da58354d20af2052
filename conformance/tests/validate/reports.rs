//! The forms of an outcome, word by word, and that no secret is in any of them.

use std::time::Duration;

use conformance::mask::Masks;
use conformance::render::Style;
use conformance::validate::check::Level;
use conformance::validate::deviation::Expected;
use conformance::validate::outcome::Outcome;
use conformance::validate::report::{Kind, list, text};
use conformance::validate::select::select;
use serde_json::json;

use crate::support::{KEY, provider, setting, validate_with};

/// How the name of the model begins that nobody has.
const MISSING: &str = "no-such-model-";

/// A small run with every verdict, the same each time.
async fn outcome() -> Outcome {
    let mock = provider(&json!({
        "quirks": ["missing_done", "array_error", "wrong_object"],
        "faults": [{"status": 404, "when": {"path": "/v1/moderations"}}],
    }))
    .await;
    let names = ["MOD-02", "CHT-01", "STR-03", "ERR-05", "HDR-02", "MDR-01"];
    let mut outcome = validate_with(mock.addr(), &setting(&names, None)).await;
    outcome.settle(&Expected::of(&["array_error", "flat_error", "n_ignored"]).expect("known"), Level::Required);
    outcome.url = "http://backend.test/v1".to_owned();
    outcome.took = Duration::from_millis(1234);
    for check in &mut outcome.checks {
        for deviation in &mut check.deviations {
            // Whose name ends with chance.
            if let Some(at) = deviation.evidence.find(MISSING).map(|at| at + MISSING.len()) {
                deviation.evidence.replace_range(at..at + 16, "0123456789abcdef");
            }
        }
        // Their times and ids are another each time.
        check.transcript.iter_mut().for_each(|one| *one = one.lines().next().unwrap_or_default().to_owned());
    }
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_form_says_the_same_in_its_own_way() {
    let outcome = outcome().await;
    insta::assert_snapshot!("validate_text", text::text(&outcome, Style::default()));
    insta::assert_snapshot!("validate_markdown", Kind::Markdown.text(&outcome));
    insta::assert_snapshot!("validate_junit", Kind::Junit.text(&outcome));
    insta::assert_snapshot!("validate_json", Kind::Json.text(&outcome));
    let page = Kind::Html.text(&outcome);
    for part in
        ["id=\"STR-03\"", "class=\"fail\"", "class=\"deviation\"", "class=\"known\"", "D35 missing_done", "&gt;"]
    {
        assert!(page.contains(part), "no {part} in the page");
    }
    assert!(!page.contains("<script"), "a page without scripts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_backend_repeats_is_in_no_report() {
    let mock = provider(&json!({"rules": [{
        "when": {"path": "/v1/chat/completions"},
        "respond": {"status": 400, "headers": {"x-echo": KEY}, "json": {"error": {"message": format!("bad key {KEY}")}}},
    }]}))
    .await;
    let mut outcome = validate_with(mock.addr(), &setting(&["CHT", "ERR-05"], None)).await;
    outcome.settle(&Expected::default(), Level::Required);
    outcome.hide(&Masks::new([(KEY.to_owned(), "[secret]".to_owned())]));
    for kind in [Kind::Json, Kind::Junit, Kind::Html, Kind::Markdown] {
        let text = kind.text(&outcome);
        assert!(!text.contains(KEY) && text.contains("secret"), "{kind:?}");
    }
    assert!(!text::text(&outcome, Style::default()).contains(KEY));
}

#[test]
fn a_check_is_explained_with_what_it_can_tell() {
    let checks = select(&["TOL-05".to_owned()]).expect("known");
    insta::assert_snapshot!("validate_explain", list::explain(checks[0], Style::default()));
}
