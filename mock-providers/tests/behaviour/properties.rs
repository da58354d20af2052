//! Whatever the script and whatever the bytes: no connection's task ends without a word.

use std::time::Duration;

use mock_providers::fuzzing::vocabulary;
use mock_providers::script::{Config, Provider};
use mock_providers::{ConnectionRecord, End, Journal, Options, Workers};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// So many cases, or as many as `PROPTEST_CASES` says.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual);
    ProptestConfig { cases, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() }
}

/// One of a few values.
fn one_of(values: &[Value]) -> BoxedStrategy<Value> {
    proptest::sample::select(values.to_vec()).boxed()
}

/// A map that has each of the keys with that probability.
fn some_of(weight: f64, keys: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let members: Vec<_> = keys
        .into_iter()
        .map(|(key, value)| proptest::option::weighted(weight, value.prop_map(move |v| (key, v))))
        .collect();
    let object = |members: Vec<Option<(&str, Value)>>| -> Value {
        members.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
    };
    members.prop_map(object).boxed()
}

const PATHS: &[&str] = &[
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/models/é",
    "/",
];

/// The fields that operations look at, with values that fit and values that do not.
fn body() -> BoxedStrategy<String> {
    let odd = || {
        one_of(&[
            json!(null),
            json!(0),
            json!(-1),
            json!(1e300),
            json!(""),
            json!([]),
            json!({}),
            json!([[1], "x", {}]),
        ])
    };
    let either = |usual: Value| prop_oneof![8 => Just(usual), 1 => odd()].boxed();
    let messages =
        json!([{"role": "user", "content": "hi"}, {"role": "user", "content": [{"type": "text", "text": "é"}]}]);
    some_of(
        0.8,
        vec![
            ("model", either(json!("m"))),
            ("model", either(json!("text-embedding-3-small"))),
            ("messages", either(messages.clone())),
            ("messages", either(messages.clone())),
            ("input", either(messages)),
            ("input", either(json!(["a", "b"]))),
            ("prompt", either(json!("x"))),
            ("stream", either(json!(true))),
            ("stream_options", either(json!({"include_usage": true}))),
            ("n", either(json!(3))),
            ("max_tokens", either(json!(1))),
            ("max_output_tokens", either(json!(2))),
            ("stop", either(json!(["a", "é"]))),
            ("dimensions", either(json!(3))),
            ("stop_sequences", either(json!(["a", "é"]))),
            ("system", either(json!([{"type": "text", "text": "é"}]))),
            ("thinking", either(json!({"type": "adaptive"}))),
            (
                "tools",
                either(json!([{
                    "function": {"name": "f", "parameters": {"enum": []}},
                    "name": "f", "input_schema": {"type": "object", "enum": []},
                }])),
            ),
            (
                "tools",
                either(json!([{"type": "function", "function": {"name": "f", "parameters": {
                    "type": "object", "required": ["a"], "properties": {"a": {"type": "string", "pattern": "^a+$", "minLength": 9}},
                }}}])),
            ),
            ("tool_choice", either(json!("required"))),
            ("tool_choice", either(json!({"type": "any"}))),
            ("tool_choice", either(json!({"type": "function", "function": {"name": "f"}}))),
            ("functions", either(json!([{"name": "g", "parameters": {"type": "object"}}]))),
            ("logprobs", either(json!(true))),
            ("top_logprobs", either(json!(2))),
            ("logprobs", either(json!(2))),
            ("echo", either(json!(true))),
            ("best_of", either(json!(4))),
            ("prompt", either(json!([[1, 2], "x"]))),
            ("reasoning_effort", either(json!("high"))),
            ("logit_bias", either(json!({"1": 1}))),
            ("metadata", either(json!({"a": "b"}))),
            (
                "response_format",
                either(
                    json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer", "minimum": i64::MAX}}}),
                ),
            ),
        ],
    )
    .prop_map(|body| body.to_string())
    .boxed()
}

/// What follows the preface and the settings: `GET /` as a whole stream, two of them, one that is reset, a body to come.
const HTTP2: &[&[u8]] = &[
    b"\0\0\x04\x01\x05\0\0\0\x01\x82\x86\x84\x41",
    b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84",
    b"\0\0\x03\x01\x05\0\0\0\x01\x83\x86\x84\0\0\x03\x01\x05\0\0\0\x03\x83\x86\x84",
    b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
    b"\0\0\x03\x01\x04\0\0\0\x01\x83\x86\x84\0\0\x02\0\0\0\0\0\x01{}",
];

/// One to three requests, perhaps spoilt at one place, perhaps nothing but noise.
fn bytes() -> BoxedStrategy<Vec<u8>> {
    let accepted = proptest::sample::select(vec![
        "",
        "x-mock-fault: stall\r\nx-mock-delay: 1ms\r\n",
        "x-mock-rule: rule-1\r\n",
        "accept-encoding: gzip, *;q=0\r\n",
        "authorization: Bearer k\r\n",
        "anthropic-version: 2023-06-01\r\n",
    ]);
    let request = (proptest::sample::select(PATHS), body(), accepted, any::<bool>()).prop_map(|(path, body, header, chunked)| {
        let length = body.len();
        match chunked {
            true => format!("POST {path} HTTP/1.1\r\nhost: a\r\n{header}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
            false => format!("POST {path} HTTP/1.1\r\nhost: a\r\n{header}content-length: {length}\r\n\r\n{body}"),
        }
    });
    let requests = proptest::collection::vec(request, 1..4).prop_map(|all| all.concat().into_bytes());
    let spoilt = (requests.clone(), any::<Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    let frames =
        (proptest::sample::select(HTTP2), any::<Index>(), any::<Option<u8>>()).prop_map(|(frames, at, byte)| {
            let mut bytes = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..], frames].concat();
            let at = at.index(bytes.len());
            bytes[at] = byte.unwrap_or(bytes[at]);
            bytes
        });
    prop_oneof![2 => frames, 4 => requests, 2 => spoilt, 1 => proptest::collection::vec(any::<u8>(), 0..400)].boxed()
}

/// Sends the bytes up to where the caller leaves, in two writes, reads for a while, and waits for the provider's word.
async fn exchange(config: Config, bytes: &[u8], pause: usize, workers: Option<Workers>) -> Option<Journal> {
    let options = Options { keep_sent: 1000, journal: 2, workers, ..Options::of(&config) };
    let script = config.providers.into_values().next().expect("one provider");
    let mock = mock_providers::start("a", script, options).await.ok()?;
    let mut tcp = TcpStream::connect(mock.addr()).await.ok()?;
    let own = tcp.local_addr().expect("an address");
    // The provider may have closed already; what became of it, its journal says.
    for part in [&bytes[..pause], &bytes[pause..]] {
        let _ = tcp.write_all(part).await;
        tokio::task::yield_now().await;
    }
    let _ = tokio::time::timeout(Duration::from_millis(15), tcp.read_to_end(&mut Vec::new())).await;
    drop(tcp);
    // Of others, who may still look for what had this port before, nothing is known.
    let own = |connection: &ConnectionRecord| connection.peer == Some(own) && connection.closed_by.is_some();
    let ended = mock.wait_until(|journal| journal.connections.iter().any(own));
    // Longer than it takes to read all of the bytes slowly.
    let journal = tokio::time::timeout(Duration::from_secs(30), ended).await;
    Some(journal.unwrap_or_else(|_| panic!("its task has not ended in order: {:?}", mock.journal())))
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_script_and_no_bytes_make_a_connection_end_without_a_word(
        choices in proptest::collection::vec(any::<u16>(), 0..120),
        bytes in bytes(),
        left in any::<Index>(),
        whole in any::<bool>(),
        pause in any::<Index>(),
        threaded in any::<bool>(),
    ) {
        let text = vocabulary::config(&choices);
        let config: Config = match serde_saphyr::from_str(&text) {
            Ok(config) => config,
            Err(_) => return Ok(()),
        };
        let bytes = if whole { &bytes[..] } else { &bytes[..left.index(bytes.len() + 1)] };
        let workers = threaded.then(|| Workers::start(2).expect("threads"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let Some(journal) = runtime.block_on(exchange(config, bytes, pause.index(bytes.len() + 1), workers)) else {
            return Ok(());
        };
        let shown = format!("{journal:?}");
        prop_assert!(serde_json::to_string(&journal).is_ok(), "{}", shown);
        prop_assert!(journal.requests.len() <= 2 && journal.connections.len() <= 2, "{}", shown);
        let ended = journal.requests.iter().all(|request| request.end != End::Pending);
        prop_assert!(ended, "{}\n{}", text, shown);
    }
}

/// One of every key that changes what an answer says, as it would be scripted.
const DEVIATIONS: &[(&str, &str)] = &[
    ("missing_field", r#"{"path":"$..content"}"#),
    ("huge_body", "5000"),
    ("reasoning_as", "\"reasoning\""),
    ("chunk_fields", r#"{"timings":{"n":1},"choices":null}"#),
    ("choice_fields", r#"{"index":null,"delta":3}"#),
    ("stream_call_finish", r#"{"tool_calls":"stop"}"#),
    ("required_call_finish", "\"stop\""),
    ("finish_names", r#"{"stop":"eos_token"}"#),
    ("wrong_finish", "\"\""),
    ("usage_mismatch", r#"{"delta":-9223372036854775808}"#),
    ("empty_deltas", "18446744073709551615"),
    ("duplicate_chunk", "1"),
    ("error_event", r#"{"after_chunks":1,"shape":"flat","error":["odd"]}"#),
    ("oversize_event", "5000"),
    ("comment_keepalive", r#"{"every":"1ns","text":"a\nb"}"#),
    ("data_keepalive", r#"{"every":1}"#),
    ("slow_reasoning", r#"{"for":"10us","deltas":18446744073709551615}"#),
    ("ignored_fields", r#"["stream_options","n"]"#),
    ("refused_fields", r#"["user"]"#),
    ("overflow_as", "\"in_stream\""),
];

fn deviations() -> BoxedStrategy<Value> {
    use mock_providers::script::{Fault, Stage};
    let concerned = |stage: &Stage| matches!(stage, Stage::Body | Stage::Content | Stage::Semantic);
    let own = Fault::CATALOGUE.iter().filter(|(_, stage)| concerned(stage)).map(|(name, _)| *name);
    let value = |name: &'static str| {
        let given = DEVIATIONS.iter().find(|(known, _)| *known == name).map_or("true", |(_, value)| value);
        (name, one_of(&[serde_json::from_str(given).expect("JSON")]))
    };
    some_of(0.12, own.map(value).collect())
}

/// The whole body of the answer, and how the exchange ended.
async fn ended(script: Provider, body: &str) -> (usize, End) {
    let mock = mock_providers::start("a", script, Options::default()).await.expect("a free port");
    let mut tcp = TcpStream::connect(mock.addr()).await.expect("open");
    let path = if body.contains("\"messages\"") { "chat/completions" } else { "responses" };
    let head =
        format!("POST /v1/{path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    tcp.write_all(format!("{head}{body}").as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), tcp.read_to_end(&mut answer)).await;
    read.expect("the answer ends").expect("in order");
    let journal = mock.wait_until(|journal| journal.requests.iter().all(|request| request.end != End::Pending));
    (answer.len(), journal.await.requests[0].end)
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn whatever_goes_wrong_in_the_content_the_answer_ends_and_its_growth_is_bounded(
        fault in deviations(),
        text in proptest::sample::select(vec!["", "a", "one two three", "héé 你好 \u{1f300} a\r\n\r\nb\0 data: x\n\n"]),
        calls in any::<bool>(),
        stream in any::<bool>(),
        chat in any::<bool>(),
    ) {
        let respond = if calls {
            json!({"blocks": [{"text": text}, {"tool_call": {"name": "f", "arguments": {"a": text}}}, {"tool_call": {"name": "g", "arguments": ""}}]})
        } else {
            json!({"text": text})
        };
        let script: Provider = serde_json::from_value(json!({"respond": respond, "fault": fault})).expect("a well-formed script");
        let body = if chat {
            json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}], "n": 2})
        } else {
            json!({"model": "m", "stream": stream, "input": "hi"})
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (length, end) = runtime.block_on(ended(script, &body.to_string()));
        prop_assert!(length < 64 << 20, "{} bytes", length);
        prop_assert!(matches!(end, End::Complete | End::Fault), "{:?}", end);
    }
}
