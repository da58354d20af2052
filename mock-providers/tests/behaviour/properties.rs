//! Whatever the script and whatever the bytes: no connection's task ends without a word.

use std::time::Duration;

use mock_providers::script::Provider;
use mock_providers::{ConnectionRecord, Journal, Options};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One of a few values.
fn one_of(values: &[Value]) -> BoxedStrategy<Value> {
    proptest::sample::select(values.to_vec()).boxed()
}

fn time() -> BoxedStrategy<Value> {
    one_of(&[json!("0ms"), json!("1us"), json!("2ms")])
}

fn number() -> BoxedStrategy<Value> {
    one_of(&[json!(0), json!(1), json!(2), json!(7), json!(1000)])
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

fn respond() -> BoxedStrategy<Value> {
    let text = || one_of(&[json!(""), json!("hi"), json!("héé 你好 \u{1f300} a\r\n\r\nb\0"), json!("x".repeat(3000))]);
    some_of(
        0.15,
        vec![
            (
                "status",
                one_of(&[json!(0), json!(100), json!(200), json!(204), json!(304), json!(429), json!(503), json!(999)]),
            ),
            ("headers", one_of(&[json!({"x-a": ["1", "2"], "content-type": []}), json!({"content-length": "3"})])),
            ("text", text()),
            ("echo", one_of(&[json!(true)])),
            ("tokens", number()),
            ("blocks", one_of(&[json!([]), json!([{"tool_call": {"name": "f", "arguments": null}}, {"text": "é"}])])),
            ("chunks", one_of(&[json!([]), json!(["", "a", "é"])])),
            (
                "blocks",
                one_of(&[json!([{"refusal": "no"}]), json!([{"reasoning": "é é"}, {"refusal": ""}, {"text": ""}])]),
            ),
            ("chunking", one_of(&[json!({"unit": "char", "coalesce": 2}), json!({"unit": "word"})])),
            ("reasoning", one_of(&[json!({"tokens": 3}), json!({"tokens": 3, "field": "reasoning"})])),
            ("json", one_of(&[json!(null), json!({"usage": {"prompt_tokens": -1}})])),
            ("body", text()),
            (
                "sse",
                one_of(&[
                    json!([]),
                    json!([{"data": "a", "after": "1ms"}, {"raw": ""}, {"raw_base64": "/w=="}, "done"]),
                ]),
            ),
            ("usage", one_of(&[json!("none"), json!({"prompt_tokens": u64::MAX / 2, "completion_tokens": 1})])),
            ("size", one_of(&[json!(0), json!("300B"), json!("20KiB")])),
            ("retry_after", time()),
            ("retry_after_form", one_of(&[json!("http_date")])),
            ("delay_head", time()),
            ("framing", one_of(&[json!("content_length"), json!("chunked"), json!("close")])),
            ("encoding", one_of(&[json!("gzip"), json!("deflate"), json!("br"), json!("zstd")])),
            ("if_accepted", one_of(&[json!(true)])),
        ],
    )
}

fn fault() -> BoxedStrategy<Value> {
    let point = |more: Vec<(&'static str, BoxedStrategy<Value>)>| {
        let point = vec![
            ("after_chunks", number()),
            ("after_events", number()),
            ("after_tokens", number()),
            ("after_bytes", number()),
            ("after", time()),
        ];
        some_of(0.3, point.into_iter().chain(more).collect())
    };
    some_of(
        0.1,
        vec![
            ("disconnect", point(vec![("how", one_of(&[json!("fin"), json!("rst")]))])),
            ("truncate", point(vec![])),
            ("stall", point(vec![("for", time())])),
            ("error_event", point(vec![("error", one_of(&[json!({"code": 1})]))])),
            ("missing_done", one_of(&[json!(true)])),
            ("refuse", one_of(&[json!(true)])),
            ("content_filter", one_of(&[json!(true)])),
            ("length_cut", one_of(&[json!(true)])),
            ("ignore_n", one_of(&[json!(true)])),
            ("hang_before_head", one_of(&[json!(true), json!("1ms")])),
            ("empty_response", one_of(&[json!(true)])),
            ("rst_before_head", one_of(&[json!(true)])),
            (
                "split",
                one_of(&[
                    json!({"every": 0}),
                    json!({"every": 3}),
                    json!({"at": [0, 9, 4, 4], "inside_utf8": true, "gap": "0ms"}),
                ]),
            ),
            ("http2_goaway", point(vec![("code", code()), ("before_head", yes())])),
            ("http2_rst_stream", point(vec![("code", code()), ("before_head", yes())])),
            ("malformed_chunk_header", point(vec![])),
            ("coalesce", number()),
            ("status", one_of(&[json!(0), json!(200), json!(204), json!(429), json!(999)])),
            ("retry_after", time()),
            ("error_code", one_of(&[json!("c\r\nd")])),
            ("status_200_with_error_body", yes()),
            ("html_error_page", one_of(&[json!(502), json!(520), json!(7)])),
            ("redirect", one_of(&[json!({"to": "é"}), json!({"to": "/x", "status": 42})])),
            ("wrong_content_type", one_of(&[json!(""), json!("text/event-stream")])),
            ("missing_content_type", yes()),
            ("gzip_unasked", yes()),
            ("duplicate_headers", one_of(&[json!(["content-length", "transfer-encoding", "x"])])),
            ("huge_header", one_of(&[json!(0), json!("100KiB")])),
            ("bad_content_length", one_of(&[json!("more"), json!("less")])),
            ("delay_head", time()),
            ("garbage_then_close", yes()),
            ("dribble", one_of(&[json!({"bytes": 0, "gap": "0ms"}), json!({"bytes": 500, "gap": "1us"})])),
        ],
    )
}

fn triggers() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    vec![
        ("probability", one_of(&[json!(0), json!(0.5), json!(1)])),
        ("times", number()),
        ("first", number()),
        ("after", number()),
        ("every", one_of(&[json!(1), json!(3), json!(u64::MAX)])),
        ("nth", one_of(&[json!([0, 1]), json!(2)])),
        ("during", one_of(&[json!({"from": "1us"}), json!({"to": "1ms"})])),
        ("state", one_of(&[json!({"no": "such"})])),
        ("when", some_of(0.3, vec![("stream", one_of(&[json!(true)])), ("not", when())])),
    ]
}

fn when() -> BoxedStrategy<Value> {
    let text = || one_of(&[json!("x"), json!({"contains": ""}), json!({"present": false}), json!({"prefix": "é"})]);
    some_of(
        0.1,
        vec![
            ("model", one_of(&[json!("m*"), json!({"matches": "m"})])),
            ("key", text()),
            ("query", one_of(&[json!({"q": {"present": true}})])),
            ("last_user", text()),
            ("system", text()),
            ("any_message", text()),
            ("input", text()),
            ("turn", one_of(&[json!(0), json!({"max": 3})])),
            ("has_tool_result", one_of(&[json!(true), json!(false)])),
            ("tool_result", text()),
            ("tools_include", one_of(&[json!("f")])),
            ("tools_hash", one_of(&[json!("h")])),
            ("n_gt", number()),
            ("max_tokens_lt", number()),
            ("image_input", one_of(&[json!(false)])),
            ("session", text()),
            ("state", one_of(&[json!({"no": "such"})])),
            ("any_of", one_of(&[json!([]), json!([{}]), json!([{"stream": true}, {"n_gt": 0}])])),
        ],
    )
}

fn yes() -> BoxedStrategy<Value> {
    one_of(&[json!(true)])
}

fn code() -> BoxedStrategy<Value> {
    one_of(&[json!("no_error"), json!("cancel"), json!("http_1_1_required")])
}

/// Keys that are decided before a request is whole.
fn early() -> BoxedStrategy<Value> {
    some_of(
        0.2,
        vec![
            ("accept_then_close", yes()),
            ("accept_then_hang", one_of(&[json!(true), json!("1ms")])),
            ("rst_on_accept", yes()),
            ("slow_accept", time()),
            ("tls_handshake_fail", yes()),
            ("tls_bad_cert", one_of(&[json!("expired")])),
            ("early_response", one_of(&[json!("drain"), json!("close")])),
            ("read_slowly", one_of(&[json!(0), json!(1), json!("1MiB")])),
            ("close_during_upload", one_of(&[json!({}), json!({"after_bytes": 3, "how": "rst"})])),
        ],
    )
}

fn script() -> BoxedStrategy<Value> {
    let sequence = proptest::collection::vec(some_of(0.3, vec![("respond", respond()), ("times", number())]), 0..3);
    let trigger = || {
        (prop_oneof![2 => fault(), 1 => early()], some_of(0.2, triggers())).prop_map(|(mut fault, triggers)| {
            let Value::Object(triggers) = triggers else { return fault };
            triggers.into_iter().for_each(|(key, value)| fault[key] = value);
            fault
        })
    };
    let rule = some_of(
        0.3,
        vec![
            ("when", when()),
            ("priority", number()),
            ("times", number()),
            ("respond", respond()),
            ("fault", trigger().boxed()),
            ("to_state", one_of(&[json!({"no": "such"})])),
        ],
    );
    some_of(0.3, vec![
        ("rules", proptest::collection::vec(rule, 0..3).prop_map(Value::Array).boxed()),
        ("faults", proptest::collection::vec(trigger(), 0..3).prop_map(Value::Array).boxed()),
        ("unmatched", one_of(&[json!("error")])),
        ("allow_overrides", one_of(&[json!(true)])),
        ("auth", one_of(&[json!(null), json!(null), json!({"keys": ["k"]})])),
        ("latency", some_of(0.3, vec![("head", time()), ("ttft", time()), ("itl", one_of(&[json!("0ms"), json!("1us")]))])),
        ("strict", one_of(&[json!("off")])),
        ("accept", prop_oneof![8 => Just(json!("normal")), 1 => Just(json!("blackhole")), 1 => Just(json!({"stall": {"first": 1, "for": "1ms"}}))].boxed()),
        ("idle_timeout", time()),
        ("respond", respond()),
        ("http2", one_of(&[json!(true), json!(false)])),
        ("fault", fault()),
        ("sequence", sequence.prop_map(Value::Array).boxed()),
    ])
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
    let spoilt = (requests.clone(), any::<proptest::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    let frames = (proptest::sample::select(HTTP2), any::<proptest::sample::Index>(), any::<Option<u8>>()).prop_map(
        |(frames, at, byte)| {
            let mut bytes = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..], frames].concat();
            let at = at.index(bytes.len());
            bytes[at] = byte.unwrap_or(bytes[at]);
            bytes
        },
    );
    prop_oneof![2 => frames, 4 => requests, 2 => spoilt, 1 => proptest::collection::vec(any::<u8>(), 0..400)].boxed()
}

/// Sends the bytes, reads for a while, leaves, and waits for the provider's word about it.
async fn exchange(script: Provider, bytes: &[u8]) -> Journal {
    let options = Options { keep_sent: 1000, ..Options::default() };
    let mock = mock_providers::start("a", script, options).await.expect("a free port");
    let mut tcp = TcpStream::connect(mock.addr()).await.expect("open");
    let own = tcp.local_addr().expect("an address");
    // The provider may have closed already; what became of it, its journal says.
    let _ = tcp.write_all(bytes).await;
    let _ = tokio::time::timeout(Duration::from_millis(15), tcp.read_to_end(&mut Vec::new())).await;
    drop(tcp);
    // Of others, who may still look for what had this port before, nothing is known.
    let own = |connection: &ConnectionRecord| connection.peer == Some(own) && connection.closed_by.is_some();
    let ended = mock.wait_until(|journal| journal.connections.iter().any(own));
    let journal = tokio::time::timeout(Duration::from_secs(5), ended).await;
    journal.unwrap_or_else(|_| panic!("its task has not ended in order: {:?}", mock.journal()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, max_shrink_iters: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_script_and_no_bytes_make_a_connection_end_without_a_word(script in script(), bytes in bytes()) {
        let script: Provider = serde_json::from_value(script).expect("a well-formed script");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let journal = runtime.block_on(exchange(script, &bytes));
        let shown = format!("{journal:?}");
        prop_assert!(serde_json::to_string(&journal).is_ok() && !shown.is_empty(), "{}", shown);
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
async fn ended(script: Provider, body: &str) -> (usize, mock_providers::End) {
    let mock = mock_providers::start("a", script, Options::default()).await.expect("a free port");
    let mut tcp = TcpStream::connect(mock.addr()).await.expect("open");
    let path = if body.contains("\"messages\"") { "chat/completions" } else { "responses" };
    let head =
        format!("POST /v1/{path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    tcp.write_all(format!("{head}{body}").as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), tcp.read_to_end(&mut answer)).await;
    read.expect("the answer ends").expect("in order");
    let journal =
        mock.wait_until(|journal| journal.requests.iter().all(|request| request.end != mock_providers::End::Pending));
    (answer.len(), journal.await.requests[0].end)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]

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
        prop_assert!(matches!(end, mock_providers::End::Complete | mock_providers::End::Fault), "{:?}", end);
    }
}
