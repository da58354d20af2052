//! What clients get of answers that are not as they should be, and what every answer carries.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Answer, ask, backend, chat, pool, post, provider, rules, start};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

async fn answer(script: &str, ask: &'static str) -> (Answer, Vec<serde_json::Value>) {
    let mock = provider("a", script).await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    let answer = tokio::task::spawn_blocking(move || chat(address, ask)).await.unwrap();
    (answer, running.stop())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_is_no_json_becomes_the_openai_object_with_its_status() {
    for (script, status) in [
        ("{respond: {status: 502, body: '<html>bad gateway</html>', content_type: text/html}}", 502),
        ("{respond: {status: 500, body: ''}}", 500),
        ("{respond: {status: 503, body: come back later, content_type: text/plain}}", 503),
        ("{respond: {status: 404, body: '{\"error\":', content_type: application/json}}", 404),
    ] {
        for ask in [ASK, STREAM] {
            let (answer, _) = answer(script, ask).await;
            let error = &answer.json()["error"];
            assert_eq!((answer.status, error["code"].as_str()), (status, Some("upstream_error")), "{script}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert!(!answer.text().contains("<html>") && answer.complete);
            assert_eq!(answer.text().contains("come back later"), status == 503);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_is_json_stays_as_it_is() {
    let body = r#"{ "detail" : [1, 2] }"#;
    let script = format!("{{respond: {{status: 422, body: '{body}', content_type: application/problem+json}}}}");
    let (answer, _) = answer(&script, ASK).await;
    assert_eq!((answer.status, answer.text().as_str()), (422, body));
}

fn packed(text: &str) -> String {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    STANDARD.encode(encoder.finish().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_answer_that_nobody_asked_for_is_unpacked_and_counted() {
    let usage = r#""usage":{"prompt_tokens":11,"completion_tokens":7}"#;
    let json = format!(r#"{{"model":"m","choices":[],{usage}}}"#);
    let events = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"北\"}},\"finish_reason\":\"stop\"}}]}}\n\ndata: {{\"choices\":[],{usage}}}\n\ndata: [DONE]\n\n"
    );
    for (body, kind, ask, seen) in
        [(&json, "application/json", ASK, json.as_str()), (&events, "text/event-stream", STREAM, "北")]
    {
        let packed = packed(body);
        let script = format!(
            "{{respond: {{body_base64: {packed}, content_type: {kind}, headers: {{content-encoding: gzip}}}}}}"
        );
        let (answer, log) = answer(&script, ask).await;
        assert!(answer.status == 200 && answer.complete && answer.text().contains(seen), "{answer:?}");
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(log[0]["gen_ai.usage.input_tokens"], 11);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_in_encodings_that_are_not_read_come_as_they_were_sent() {
    let bytes: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for encoding in ["br", "zstd", "'gzip, gzip'", "'deflate, br'", "compress"] {
        for (kind, ask) in [("application/json", ASK), ("text/event-stream", STREAM)] {
            let body = STANDARD.encode(&bytes);
            let head = format!("content_type: {kind}, headers: {{content-encoding: {encoding}}}");
            let (answer, _) = answer(&format!("{{respond: {{body_base64: {body}, {head}}}}}"), ask).await;
            assert!(answer.status == 200 && answer.complete && answer.body == bytes, "{encoding} {kind}");
            assert_eq!(answer.header("content-encoding"), Some(encoding.trim_matches('\'')), "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packed_stream_that_says_nothing_is_not_held_until_it_is_unpacked() {
    let nothing = packed(&": nothing\n\n".repeat(60_000));
    let head = "content_type: text/event-stream, headers: {content-encoding: gzip}";
    let a = provider("a", &format!("{{respond: {{body_base64: {nothing}, {head}}}}}")).await;
    let b = provider("b", "{respond: {text: served by b}}").await;
    let running = start(&pool(&[&a, &b], ""));
    let address = running.address();
    let answer = tokio::task::spawn_blocking(move || chat(address, STREAM)).await.unwrap();
    assert!(answer.status == 200 && !answer.complete && answer.text().starts_with(": nothing"), "{answer:?}");
    assert!(b.journal().requests.is_empty(), "what was held would have moved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_carries_the_request_id_of_its_record() {
    for script in ["{respond: {text: ok}}", "{respond: {status: 500}}", "{accept: refuse}"] {
        let (answer, log) = answer(script, ASK).await;
        assert_eq!(answer.header("x-request-id"), log[0]["request.id"].as_str(), "{script}");
        let theirs = answer.header("x-upstream-request-id");
        assert_eq!(theirs, log[0]["upstream.request.id"].as_str(), "{script}");
        assert_eq!(theirs.is_some(), !script.contains("refuse"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_broke_says_so_inside_where_the_client_got_whole_events() {
    let broken =
        "{respond: {chunks: [one, two]}, fault: {disconnect: {how: fin, after_chunks: 1}}, latency: {itl: 20ms}}";
    let (answer, log) = answer(broken, STREAM).await;
    let text = answer.text();
    assert!(!answer.complete && text.contains("one") && !text.contains("[DONE]"), "{text}");
    assert!(text.ends_with("\n\n") && text.contains("\"code\":\"upstream_broken\""), "{text}");
    assert_eq!((log[0]["end"].as_str(), log[0]["reason"].as_str()), (Some("upstream_failed"), Some("UpstreamFailure")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_see_one_chain_of_addresses_that_ends_with_the_callers() {
    let mock = provider("a", "{}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    tokio::task::spawn_blocking(move || {
        for told in ["", "X-Forwarded-For: 9.9.9.9\r\nx-forwarded-for: 8.8.8.8\r\n"] {
            let request = format!("GET /v1/models HTTP/1.1\r\nHost: a\r\n{told}\r\n");
            assert_eq!(crate::support::raw(address, request.as_bytes()).status, 200);
        }
    })
    .await
    .unwrap();
    let seen = mock.journal().requests;
    let chains = |at: usize| -> Vec<&str> {
        let named = seen[at].head.headers().filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
        named.map(|(_, value)| value).collect()
    };
    assert!(chains(0).is_empty());
    assert_eq!(chains(1), ["9.9.9.9, 8.8.8.8, 127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_of_protocols_that_nobody_asked_for_is_no_answer() {
    let a = provider("a", "{respond: {status: 101}}").await;
    let to = |name| rules(&[&a], &format!("[{{backendRefs: [{}]}}]", backend(name, "")));
    for name in ["a", "a-ai"] {
        let running = start(&to(name));
        let answer = ask(&running, post("/v1/chat/completions", r#"{"model":"m","messages":[]}"#)).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (502, Some("upstream_broken")), "{name}");
    }
}
