//! What metrics and log say of exchanges that were not plain, and that nobody can make them grow.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{chat, pool, post, provider, raw, start};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// Sum of the samples of a family whose labels hold all of these.
fn sum(metrics: &str, family: &str, labels: &[&str]) -> f64 {
    let ours = |line: &&str| line.starts_with(family) && labels.iter().all(|label| line.contains(label));
    metrics.lines().filter(ours).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_stream_is_no_success_in_metrics_and_every_request_has_a_status() {
    let script = "{sequence: [{respond: {text: ok}}, {respond: {chunks: [a, b]}, fault: {disconnect: {how: rst, after_chunks: 1}}}]}";
    let mock = provider("a", script).await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        chat(address, ASK);
        chat(address, STREAM);
        raw(address, &post("/nowhere", "{}"));
        chat(address, "{");
        let metrics = running.metrics(4);
        let requests = |labels: &[&str]| sum(&metrics, "agentgateway_requests_total{", labels);
        assert!((requests(&[]) - 4.0).abs() < 0.1, "{metrics}");
        assert!((requests(&["status=\"200\"", "reason=\"UpstreamFailure\""]) - 1.0).abs() < 0.1, "{metrics}");
        assert!((requests(&["status=\"200\"", "reason=\"Upstream\""]) - 1.0).abs() < 0.1, "{metrics}");
        assert!((requests(&["status=\"404\""]) + requests(&["status=\"400\""]) - 2.0).abs() < 0.1, "{metrics}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_family_is_in_the_exposition_once_and_the_providers_health_with_it() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        assert_eq!(chat(address, ASK).status, 200);
        let metrics = running.metrics(1);
        for family in gateway::metrics::family::ALL {
            let heads = metrics.lines().filter(|line| {
                let name = line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
                name.trim_end_matches("_total").trim_end_matches("_info") == family.name
            });
            assert_eq!(heads.count(), 1, "{}", family.name);
        }
        let provider = "{backend=\"default/pool\",provider=\"a\"}";
        for told in ["provider_in_rotation", "provider_health"] {
            assert!(metrics.contains(&format!("agentgateway_{told}{provider} 1\n")), "{metrics}");
        }
        assert!(metrics.contains(&format!("agentgateway_provider_evictions_total{provider} 0\n")), "{metrics}");
        assert!((sum(&metrics, "agentgateway_upstream_connect_duration_seconds_count", &[]) - 1.0).abs() < 0.1);
        assert!((sum(&metrics, "agentgateway_downstream_connections_total", &["bind=\"8080\""]) - 1.0).abs() < 0.1);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_models_and_paths_make_no_series() {
    let refused = "{rules: [{when: {model: 'junk*'}, respond: {status: 404}}], respond: {text: ok}}";
    let mock = provider("a", refused).await;
    let running = start(&pool(&[&mock], "").replace("openai: {model: m-1}", "openai: {}"));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        let ask = |model: &str| chat(address, &ASK.replacen('{', &format!("{{\"model\":\"{model}\","), 1)).status;
        assert_eq!((ask("gpt-4o"), ask("junk-0")), (200, 404));
        raw(address, &post("/junk-0", "{}"));
        let before = running.metrics(3);
        for n in 1..50 {
            assert_eq!(ask(&format!("junk-{n}")), 404);
            raw(address, &post(&format!("/junk-{n}"), "{}"));
        }
        let after = running.metrics(101);
        assert_eq!(before.lines().count(), after.lines().count());
        assert!(after.contains("gen_ai_request_model=\"gpt-4o\"") && !after.contains("junk"), "{after}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_times_are_told_once_for_streams_and_never_for_whole_answers() {
    let script = "{respond: {chunks: [a, b, c, d, e], usage: {prompt_tokens: 3, completion_tokens: 5}}, latency: {ttft: 100ms, itl: 50ms}}";
    let mock = provider("a", script).await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        assert!(chat(address, STREAM).complete);
        assert_eq!(chat(address, ASK).status, 200);
        let metrics = running.metrics(2);
        let told = |family: &str| {
            let of = |end: &str| sum(&metrics, &format!("agentgateway_gen_ai_server_{family}_{end}"), &[]);
            (of("count"), of("sum"))
        };
        let (first, output) = (told("time_to_first_token"), told("time_per_output_token"));
        assert!((first.0 - 1.0).abs() < 0.1 && (0.09..0.4).contains(&first.1), "{first:?}");
        assert!((output.0 - 1.0).abs() < 0.1 && (0.045..0.1).contains(&output.1), "{output:?}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_within_a_stream_is_recorded_with_what_was_seen() {
    let mock = provider("a", "{respond: {chunks: [one, two], model: m-9}, fault: {stall: {after_chunks: 1}}}").await;
    let running = start(&pool(&[&mock], ""));
    let mut client = TcpStream::connect(running.address()).unwrap();
    client.write_all(&post("/v1/chat/completions", STREAM)).unwrap();
    let (mut seen, mut chunk) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&seen).contains("one") {
        let n = client.read(&mut chunk).unwrap();
        seen.extend_from_slice(&chunk[..n]);
    }
    drop(client);
    let left =
        |journal: &mock_providers::Journal| matches!(journal.requests[0].end, mock_providers::End::ClientClosed { .. });
    mock.wait_until(left).await;
    let log = running.stop();
    assert_eq!((log.len(), log[0]["end"].as_str()), (1, Some("client_closed")));
    assert_eq!(log[0]["gen_ai.response.model"], "m-9");
    assert!(log[0]["agw.ai.time_to_first_token"].is_number(), "{}", log[0]);
}
