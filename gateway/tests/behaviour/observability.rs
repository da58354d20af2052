//! The dashboard, rules and alerts of `ci/observability` speak of what the gateway exposes. `ci/dashboards.sh` asks a
//! real Prometheus for their values; this is the part that needs none.

use std::collections::BTreeSet;

use crate::support::{chat, pool, provider, start};

const DASHBOARD: &str = include_str!("../../../ci/observability/grafana/dashboards/gateway.json");
const RULES: &str = include_str!("../../../ci/observability/prometheus/rules.yaml");
const RULES_TEST: &str = include_str!("../../../ci/observability/prometheus/rules_test.yaml");
const RUNBOOKS: &str = include_str!("../../../ci/observability/runbooks.md");

/// The words of a text that may be names of metrics or of recorded series.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let part_of_name = |byte: char| byte.is_ascii_alphanumeric() || byte == '_' || byte == ':';
    text.split(move |byte| !part_of_name(byte)).map(|word| word.trim_end_matches(':'))
}

fn behind<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.trim().strip_prefix(key)).map(str::trim)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_dashboard_and_rules_is_exposed() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let exposed = tokio::task::spawn_blocking(move || {
        assert_eq!(chat(running.address(), r#"{"messages":[{"role":"user","content":"hi"}]}"#).status, 200);
        running.metrics(1)
    });
    let exposed = exposed.await.unwrap();
    let mut names = BTreeSet::new();
    for family in behind(&exposed, "# TYPE ") {
        let (name, kind) = family.split_once(' ').unwrap();
        let ends: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        names.extend(ends.iter().map(|end| format!("{name}{end}")));
    }
    let recorded: BTreeSet<_> = behind(RULES, "- record:").collect();
    let asked: BTreeSet<_> = words(DASHBOARD).chain(words(RULES)).chain(words(RULES_TEST)).collect();
    let metrics: Vec<_> = asked.iter().filter(|word| word.starts_with("agentgateway_")).collect();
    let series: Vec<_> = asked.iter().filter(|word| word.contains(":agentgateway_")).collect();
    assert!(metrics.len() > 10 && series.len() == recorded.len(), "{metrics:?} {series:?}");
    let unknown: Vec<_> = metrics.into_iter().filter(|name| !names.contains(**name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not among {names:?}");
    assert!(series.iter().all(|name| recorded.contains(**name)), "{series:?} {recorded:?}");
}

#[test]
fn every_alert_has_a_test_and_a_runbook() {
    let alerts: Vec<_> = behind(RULES, "- alert:").collect();
    assert!(alerts.len() >= 5);
    for alert in alerts {
        let link = format!("runbook_url: ci/observability/runbooks.md#{}", alert.to_lowercase());
        assert!(RUNBOOKS.lines().any(|line| line == format!("## {alert}")), "no runbook of {alert}");
        assert!(RULES.lines().any(|line| line.trim() == link), "{alert} does not lead to its runbook");
        let (fires, quiet) = (format!("        alertname: {alert}"), format!("alertname: {alert}}}"));
        assert!(RULES_TEST.lines().any(|line| line == fires), "no test in which {alert} fires");
        assert!(RULES_TEST.lines().any(|line| line.ends_with(&quiet)), "no test in which {alert} is quiet");
    }
}
