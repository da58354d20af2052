//! What exchanges cost, in log and metrics, and what is said where nobody knows.

use std::time::{Duration, Instant};

use crate::support::{Running, chat, pool, provider, start_with};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const SCRIPT: &str = "{respond: {text: ok, model: m-1, usage: {prompt_tokens: 1000, completion_tokens: 10}}}";

fn prices(output: &str) -> String {
    format!("providers: {{openai: {{models: {{m-1: {{rates: {{input: '2.5', output: '{output}'}}}}}}}}}}\n")
}

/// Sum of the samples of a family.
fn sum(metrics: &str, start: &str) -> f64 {
    let ours = metrics.lines().filter(|line| line.starts_with(start));
    ours.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn costs(log: &[serde_json::Value]) -> Vec<Option<&str>> {
    log.iter().map(|record| record["agw.ai.usage.cost.total"].as_str()).collect()
}

/// One answer of 1000 and 10 tokens.
fn ask(running: &Running) {
    assert_eq!(chat(running.address(), ASK).status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_of_the_file_is_charged_and_an_edit_acts_on_what_comes_after() {
    let mock = provider("a", SCRIPT).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.yaml");
    std::fs::write(&file, prices("10")).unwrap();
    let path = file.clone();
    let running = start_with(&pool(&[&mock], ""), |options| options.model_catalog = Some(path));
    let log = tokio::task::spawn_blocking(move || {
        let replace = |text: &str| {
            std::fs::write(folder.path().join(".new"), text).unwrap();
            std::fs::rename(folder.path().join(".new"), &file).unwrap();
            running.notice("model catalog")
        };
        ask(&running);
        running.metrics(1);
        assert_eq!(replace(&prices("20")), "model catalog reloaded");
        ask(&running);
        running.metrics(2);
        let refused = replace("providers: {openai: {modles: {}}}\n");
        assert!(refused.contains("prices.yaml:1:") && refused.contains("did you mean `models`?"), "{refused}");
        ask(&running);
        let metrics = running.metrics(3);
        let cost = sum(&metrics, "agentgateway_gen_ai_client_cost_usd_total{");
        assert!((cost - 0.008).abs() < 1e-12, "{cost}");
        assert!((sum(&metrics, "agentgateway_cost_catalog_lookups_total{status=\"Exact\"") - 3.0).abs() < 1e-9);
        running.stop()
    });
    assert_eq!(costs(&log.await.unwrap()), [Some("0.0026"), Some("0.0027"), Some("0.0027")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateways_own_catalog_overrides_the_file_and_a_bad_source_is_left_out_and_told() {
    let mock = provider("a", SCRIPT).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.yaml");
    std::fs::write(&file, prices("10")).unwrap();
    let reference =
        "infrastructure: {parametersRef: {group: agentgateway.dev, kind: AgentgatewayParameters, name: p}}, listeners";
    let manifests = |map: &str| {
        let parameters = "---\nkind: AgentgatewayParameters\nmetadata: {name: p}\nspec:\n  \
                          modelCatalog: {sources: [{configMap: {name: none}}, {configMap: {name: prices, key: own.json}}]}\n";
        let map = format!("---\nkind: ConfigMap\nmetadata: {{name: prices}}\ndata:\n  own.json: '{map}'\n");
        pool(&[&mock], "").replacen("listeners", reference, 1) + parameters + &map
    };
    let own = r#"{"providers": {"openai": {"models": {"m-1": {"rates": {"output": "100"}}}}}}"#;
    let running = start_with(&manifests(own), |options| options.model_catalog = Some(file));
    let (worse, better) = (manifests("[]"), manifests(&own.replace("100", "0")));
    let log = tokio::task::spawn_blocking(move || {
        let note = running.notice("note: AgentgatewayParameters default/p: modelCatalog");
        assert!(note.contains("sources[0] is left out: ConfigMap default/none not found"), "{note}");
        ask(&running);
        running.metrics(1);
        for (n, manifests) in [(2, worse), (3, better)] {
            assert!(running.apply(&manifests).starts_with("reloaded"));
            ask(&running);
            running.metrics(n);
        }
        running.stop()
    });
    assert_eq!(costs(&log.await.unwrap()), [Some("0.0035"), Some("0.0026"), Some("0.0025")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_takes_nothing_holds_up_neither_requests_nor_counting_nor_the_end() {
    let mock = provider("a", SCRIPT).await;
    let (nobody_reads, pipe) = std::io::pipe().unwrap();
    let running = crate::support::start_logging(&pool(&[&mock], ""), Box::new(pipe), |options| {
        options.log_bodies = true;
    });
    tokio::task::spawn_blocking(move || {
        // a pipe takes 64 KiB, and 16 MiB wait for it
        let large = format!("{{\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}", "x".repeat(200_000));
        let asked = 320;
        for _ in 0..asked {
            assert_eq!(chat(running.address(), &large).status, 200);
        }
        let metrics = running.metrics(asked);
        let lost = sum(&metrics, "agentgateway_access_log_dropped_total");
        assert!((10.0..120.0).contains(&lost), "{lost}");
        let begun = Instant::now();
        running.stop();
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    })
    .await
    .unwrap();
    drop(nobody_reads);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_a_log_refuses_are_counted() {
    let mock = provider("a", SCRIPT).await;
    let (gone, pipe) = std::io::pipe().unwrap();
    drop(gone);
    let running = crate::support::start_logging(&pool(&[&mock], ""), Box::new(pipe), |_| ());
    tokio::task::spawn_blocking(move || {
        for _ in 0..3 {
            assert_eq!(chat(running.address(), ASK).status, 200);
        }
        running.metrics_once(|text| text.contains("\nagentgateway_access_log_dropped_total 3\n"));
    })
    .await
    .unwrap();
}
