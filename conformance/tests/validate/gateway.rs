//! `--through`: only what lies between is told.

use conformance::validate::through::changes;
use serde_json::json;

use crate::support::{provider, validate};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_against_the_same_backend_differ_in_nothing() {
    let mock = provider(&json!({})).await;
    let direct = validate(mock.addr(), &[], None).await;
    let again = validate(mock.addr(), &[], None).await;
    assert_eq!(changes(&direct, &again), []);
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
    let told: Vec<_> = changes.iter().map(|change| (change.direct.id.as_str(), change.is_worse())).collect();
    assert_eq!(told, [("MOD-02", false), ("STR-03", true)]);
    assert!(changes[1].differences.contains(&"- [DONE]".to_owned()), "{:?}", changes[1].differences);
}
