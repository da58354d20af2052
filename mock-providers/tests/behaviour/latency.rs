//! Times that are drawn, added up and capped, over real sockets.

use std::time::Duration;

use mock_providers::script::ScriptError;
use mock_providers::{End, Options, StartError};

use crate::support::{Client, HI, HI_STREAM, chat, only_request, provider, script, settled, soon};

const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_prompt_makes_the_first_token_late_and_its_cached_part_is_reported() {
    let prefill = "{overhead: 20ms, per_token: 10ms, cached_ratio: 0.5}";
    let mock = provider(&format!("{{latency: {{prefill: {prefill}}}, respond: {{text: hi}}}}")).await;
    chat(&mock, &HI_STREAM.replace("true", r#"true,"stream_options":{"include_usage":true}"#)).await;
    let record = only_request(&mock).await;
    let (head, first) = (record.head_at.expect("a head"), record.events[1].0);
    assert!(first - head >= 60 * MS, "20ms and 4 of 7 tokens, not {:?}", first - head);
    assert_eq!(record.usage.map(|usage| (usage.prompt_tokens, usage.cached_tokens)), Some((7, 3)));
}

#[tokio::test]
async fn a_total_caps_a_stream_that_would_take_for_ever() {
    let script = "{latency: {head: 1h, ttft: 1h, itl: 1h, total: 80ms}, respond: {chunks: [a, b, c, d]}}";
    let mock = provider(script).await;
    assert!(chat(&mock, HI_STREAM).await.text().ends_with("data: [DONE]\n\n"));
    let record = only_request(&mock).await;
    assert!(record.events.last().expect("events").0 - record.received_at >= 80 * MS);
}

#[tokio::test]
async fn a_busy_provider_is_slower_by_its_load_factor() {
    let rules = "[{times: 1, fault: {hang_before_head: true}}, {respond: {text: hi}}]";
    let limits = "limits: {concurrent: 2}, latency: {head: 20ms, load_factor: 4}";
    let mock = provider(&format!("{{{limits}, rules: {rules}}}")).await;
    let mut other = Client::connect(&mock).await;
    other.post("/v1/chat/completions", HI).await;
    soon(mock.wait_until(|journal| journal.requests.first().is_some_and(|request| request.fault.is_some()))).await;
    chat(&mock, HI).await;
    let journal = soon(mock.wait_until(|journal| journal.requests[1].end == End::Complete)).await;
    let slow = &journal.requests[1];
    assert!(slow.head_at.expect("a head") - slow.received_at >= 80 * MS);
}

#[tokio::test]
async fn a_connection_is_read_late_but_every_request_on_it_is_answered() {
    let mock = provider("{latency: {connect: 60ms}}").await;
    let mut client = Client::connect(&mock).await;
    for _ in 0..2 {
        client.post("/v1/chat/completions", HI).await;
        assert_eq!(client.response().await.status, 200);
    }
    let journal = settled(&mock).await;
    assert!(journal.requests[0].received_at - journal.connections[0].opened_at >= 60 * MS);
}

#[tokio::test]
async fn drawn_answers_are_the_same_for_the_same_seed_and_requests() {
    let yaml = "{respond: {tokens: {lognormal: {median: 40, sigma: 0.8, max: 200}}, \
                delay_head: {exponential: {mean: 2ms, max: 9ms}}}}";
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mock = provider(yaml).await;
        let mut run = Vec::new();
        for _ in 0..8 {
            let answer = chat(&mock, HI).await;
            let tokens = answer.json()["usage"]["completion_tokens"].as_u64().expect("a number");
            run.push((tokens, answer.header("openai-processing-ms").map(str::to_owned), answer.body));
        }
        assert!(run.iter().any(|(tokens, _, _)| *tokens != run[0].0), "each request is a draw of its own");
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn silences_may_be_drawn() {
    let uniform = "{uniform: {lower: 30ms, upper: 40ms}}";
    let yaml = format!("{{respond: {{text: a b}}, fault: {{hang_before_head: {uniform}, stall: {{for: {uniform}}}}}}}");
    let mock = provider(&yaml).await;
    chat(&mock, HI_STREAM).await;
    let record = only_request(&mock).await;
    assert!(record.head_at.expect("a head") - record.received_at >= 30 * MS);
    assert!(record.events[0].0 - record.head_at.expect("a head") >= 30 * MS);
}

#[tokio::test]
async fn a_script_that_is_no_whole_is_refused_at_the_start() {
    let start = async |yaml: &str| mock_providers::start("a", script(yaml), Options::default()).await.map(|_| ());
    let load = start("{rules: [{respond: {latency: {load_factor: 2}}}]}").await;
    assert!(matches!(load, Err(StartError::Script { source: ScriptError::LoadWithoutLimit, .. })), "{load:?}");
    let file = start("{latency: {itl: {trace: {file: no-such-file}}}}").await;
    assert!(matches!(file, Err(StartError::Script { source: ScriptError::Read { .. }, .. })), "{file:?}");
    assert!(start("{latency: {load_factor: 2}, limits: {concurrent: 4}}").await.is_ok());
}

#[test]
fn what_belongs_to_a_connection_may_not_stand_in_an_answer() {
    let wrong = "{respond: {latency: {connect: 1s}}}";
    let error = serde_saphyr::from_str::<mock_providers::script::Provider>(wrong).expect_err("refused").to_string();
    assert!(error.contains("may only stand in the provider's `latency`"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_no_stream_can_take_as_long_as_one() {
    let script = "{latency: {ttft: 40ms, itl: 20ms, json: whole}, respond: {text: one two three}}";
    let mock = provider(script).await;
    let response = chat(&mock, HI).await;
    assert_eq!(response.header("openai-processing-ms"), Some("100"));
    let record = only_request(&mock).await;
    assert!(record.head_at.expect("a head") - record.received_at >= 100 * MS, "40ms and three times 20ms");
}
