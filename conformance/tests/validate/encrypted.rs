//! `https://`: a backend whose CA is known is checked like any other, one whose CA is not is told so.

use std::sync::Arc;

use conformance::validate::backend::{Access, Backend, Base};
use conformance::validate::finding::Verdict;
use conformance::validate::outcome::Outcome;
use conformance::validate::run;
use mock_providers::tls::RunCa;
use mock_providers::{MockProvider, Options};

use crate::support::{KEY, Silent, script, setting};
use serde_json::json;

/// A mock behind TLS for these names.
async fn encrypted(ca: &RunCa, names: &[&str]) -> MockProvider {
    let options = Options { tls: Some(ca.server_config(names)), ..Options::default() };
    mock_providers::start("openai", script(&json!({"tls": true})), options).await.expect("a free port")
}

async fn validated(url: &str, roots: Option<String>, names: &[&str]) -> Outcome {
    let setting = setting(names, Some(300));
    let access = Access { key: Some(KEY.to_owned()), roots: roots.map(String::into_bytes), ..Access::default() };
    let backend = Backend::find(Base::parse(url).expect("a base URL"), &access, setting.timeout).await;
    run(&Arc::new(backend.expect("an address")), &setting, &Silent).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_84_checks_pass_behind_tls_of_a_ca_that_is_named() {
    let ca = RunCa::new();
    let mock = encrypted(&ca, &["127.0.0.1"]).await;
    let outcome = validated(&format!("https://{}", mock.addr()), Some(ca.ca_pem()), &[]).await;
    assert_eq!(outcome.count(Verdict::Pass), 84, "{:#?}", outcome.checks);
    let journal = mock.journal();
    let alpn = |name| journal.connections.iter().any(|one| one.tls.as_ref().is_some_and(|tls| tls.alpn == name));
    assert!(alpn(Some("h2".to_owned())) && alpn(None), "HTTP/2 by ALPN, and HTTP/1.1 without");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_trusted_or_of_another_name_is_told_and_nothing_is_sent() {
    let (ca, other) = (RunCa::new(), RunCa::new());
    for (names, roots, told) in [
        (["127.0.0.1"], None, "UnknownIssuer"),
        (["127.0.0.1"], Some(other.ca_pem()), "invalid peer certificate"),
        (["elsewhere.test"], Some(ca.ca_pem()), "not valid for name"),
    ] {
        let mock = encrypted(&ca, &names).await;
        let outcome = validated(&format!("https://{}", mock.addr()), roots, &["MOD"]).await;
        let why = outcome.stopped.as_deref().unwrap_or_default();
        assert!(why.starts_with("cannot reach https://127.0.0.1:") && why.contains(told), "{why}");
        assert!(why.contains("--ca"), "what to do: {why}");
        assert_eq!((outcome.exit_code(), outcome.requests, mock.journal().requests.len()), (1, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_without_tls_is_told_as_that() {
    let mock = crate::support::provider(&json!({})).await;
    let outcome = validated(&format!("https://{}", mock.addr()), None, &["MOD"]).await;
    let why = outcome.stopped.as_deref().unwrap_or_default();
    assert!(why.contains("TLS: ") && why.contains("or is it http://?"), "{why}");
    assert_eq!(outcome.exit_code(), 1);
}
