//! Every quirk against a set of requests: it changes those that it concerns, and no others.

use std::collections::BTreeSet;

use mock_providers::quirks;

use crate::support::{Client, provider};

const SCRIPT: &str = r#"
auth: {keys: [k]}
respond: {chunks: [one, two]}
rules:
  - when: {model: tools}
    respond: {blocks: [{tool_call: {name: f, arguments: {x: 1}}}, {tool_call: {name: g, arguments: {y: 2}}}]}
  - {when: {model: made-up}, respond: {}}
  - {when: {model: thinking}, respond: {sse: [{data: {choices: [{index: 0, delta: {reasoning_content: hm}}]}}, done]}}
  - {when: {model: failing}, respond: {status: 500}}
  - {when: {model: long}, respond: {status: 400, json: {error: {message: at most 8 but got 9, type: t, param: messages, code: context_length_exceeded}}}}
  - {when: {model: messages}, respond: {status: 400, json: {type: error, error: {type: t, message: m}}}}
"#;

/// What is asked: a name, a path, and what stands beside `model` and `messages`; without a body it is a GET.
pub(crate) const REQUESTS: &[(&str, &str, &str)] = &[
    ("chat", "/v1/chat/completions", r#""model":"m""#),
    ("stream", "/v1/chat/completions", r#""model":"m","stream":true,"stream_options":{"include_usage":true}"#),
    ("two", "/v1/chat/completions", r#""model":"m","stream":true,"n":2"#),
    ("tools", "/v1/chat/completions", r#""model":"tools","stream":true"#),
    ("cut", "/v1/chat/completions", r#""model":"tools","stream":true,"max_tokens":5"#),
    (
        "named",
        "/v1/chat/completions",
        r#""model":"made-up","stream":true,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}}"#,
    ),
    (
        "required",
        "/v1/chat/completions",
        r#""model":"made-up","tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required""#,
    ),
    (
        "history",
        "/v1/chat/completions",
        r#""model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"1"}]"#,
    ),
    ("thinking", "/v1/chat/completions", r#""model":"thinking","stream":true"#),
    ("developer", "/v1/chat/completions", r#""model":"m","messages":[{"role":"developer","content":"hi"}]"#),
    ("limit", "/v1/chat/completions", r#""model":"made-up","max_completion_tokens":1"#),
    (
        "format",
        "/v1/chat/completions",
        r#""model":"made-up","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}"#,
    ),
    ("hot", "/v1/chat/completions", r#""model":"m","temperature":3"#),
    ("penalty", "/v1/chat/completions", r#""model":"m","presence_penalty":3"#),
    ("bias", "/v1/chat/completions", r#""model":"m","logit_bias":{"word":1}"#),
    ("logprobs", "/v1/chat/completions", r#""model":"m","logprobs":true"#),
    ("user", "/v1/chat/completions", r#""model":"m","user":"u""#),
    ("store", "/v1/chat/completions", r#""model":"m","store":true"#),
    ("failing", "/v1/chat/completions", r#""model":"failing","stream":true"#),
    ("long", "/v1/chat/completions", r#""model":"long""#),
    ("long-stream", "/v1/chat/completions", r#""model":"long","stream":true"#),
    ("envelope", "/v1/messages", r#""model":"messages""#),
    ("keyless", "/v1/chat/completions", r#""model":"keyless""#),
    ("embeddings", "/v1/embeddings", r#""model":"e","input":"hi","messages":null"#),
    ("base64", "/v1/embeddings", r#""model":"e","input":"hi","messages":null,"encoding_format":"base64""#),
    ("dimensions", "/v1/embeddings", r#""model":"e","input":"hi","messages":null,"dimensions":4"#),
    ("models", "/v1/models", ""),
    ("path", "/v1/nothing", r#""model":"m""#),
];

/// Which requests each quirk concerns.
const CONCERNED: &[(&str, &[&str])] = &[
    ("flat_error", ERRORS),
    ("integer_error_code", ERRORS),
    ("string_error", ERRORS),
    ("array_error", ERRORS),
    ("untyped_error", ERRORS),
    ("cut_call_says_tool_calls", &["cut"]),
    ("named_call_says_tool_calls", &["named", "required"]),
    ("streamed_call_says_stop", &["tools"]),
    ("cut_call_errors", &["cut"]),
    ("failure_hidden", &["failing"]),
    ("finish_on_content_chunk", &["stream", "two", "tools", "cut", "named"]),
    ("finish_key_missing", &["stream", "two", "tools", "cut", "named"]),
    ("finish_empty", &["stream", "two", "tools", "cut", "named"]),
    ("finish_camel_case", CHATS),
    ("missing_finish", CHATS),
    ("double_finish", &["stream", "two", "tools", "cut", "named"]),
    ("finish_last_choice_only", &["two"]),
    ("eos_token", &["chat", "stream", "two", "named", "history", "developer", "format", "logprobs", "user", "store"]),
    ("tool_call_singular", &["tools", "required"]),
    ("matched_stop", CHATS_AND_THINKING),
    ("vllm_fields", CHATS_AND_THINKING),
    ("timings", CHATS_AND_THINKING),
    ("reasoning_renamed", &["thinking"]),
    ("developer_role_rejected", &["developer"]),
    ("developer_role_500", &["developer"]),
    ("openai_error_on_messages", &["envelope"]),
    ("include_usage_ignored", &["stream"]),
    ("usage_on_finish_chunk", &["stream"]),
    ("usage_on_content_chunk", &["stream"]),
    ("usage_null_missing", &["stream"]),
    (
        "usage_omitted",
        &[
            "chat",
            "stream",
            "required",
            "history",
            "developer",
            "limit",
            "format",
            "logprobs",
            "user",
            "store",
            "embeddings",
            "base64",
            "dimensions",
        ],
    ),
    ("overflow_in_stream", &["long-stream"]),
    ("overflow_empty_stream", &["long-stream"]),
    ("overflow_200", &["long", "long-stream"]),
    ("overflow_500", &["long", "long-stream"]),
    ("overflow_exceed_context_size", &["long", "long-stream"]),
    ("base64_unsupported", &["base64"]),
    ("encoding_format_ignored", &["base64"]),
    ("dimensions_ignored", &["dimensions"]),
    ("dimensions_refused", &["user", "dimensions"]),
    ("index_missing", &["tools", "cut", "named"]),
    ("index_always_zero", &["tools", "cut"]),
    ("whole_calls", &["tools", "cut", "named"]),
    ("thought_signature", &["tools", "cut", "named", "required", "history"]),
    ("max_completion_tokens_ignored", &["limit"]),
    ("n_ignored", &["two"]),
    ("one_choice_only", &["two"]),
    ("unlisted_fields_ignored", &["named", "required", "bias", "logprobs"]),
    ("api_key_ignored", &["keyless"]),
    ("unknown_path_200", &["path"]),
    ("model_without_created", &["models"]),
    ("missing_done", &["stream", "two", "tools", "cut", "named", "thinking"]),
    ("choices_empty_first", &["stream", "two", "tools", "cut", "named", "thinking"]),
    ("comments_before_content", &["stream", "two", "tools", "cut", "named", "thinking"]),
    ("comments_as_data", &["stream", "two", "tools", "cut", "named", "thinking"]),
    ("unknown_fields_422", &["stream", "limit", "bias", "logprobs", "store", "user", "dimensions"]),
    ("response_format_ignored", &["format"]),
    ("sampling_ignored", &["penalty"]),
    ("temperature_capped", &["hot"]),
    ("logprobs_ignored", &["logprobs"]),
];
const ERRORS: &[&str] = &["hot", "penalty", "bias", "failing", "long", "long-stream", "keyless", "path", "envelope"];
const CHATS: &[&str] = &[
    "chat",
    "stream",
    "two",
    "tools",
    "cut",
    "named",
    "required",
    "history",
    "developer",
    "limit",
    "format",
    "logprobs",
    "user",
    "store",
];
const CHATS_AND_THINKING: &[&str] = &[
    "chat",
    "stream",
    "two",
    "tools",
    "cut",
    "named",
    "required",
    "history",
    "developer",
    "limit",
    "format",
    "logprobs",
    "user",
    "store",
    "thinking",
];

/// The status and the body of each request's answer.
pub(crate) async fn answers(quirk: &str) -> Vec<(u16, Vec<u8>)> {
    let mock = provider(&format!("{SCRIPT}quirks: [{quirk}]")).await;
    let mut answers = Vec::new();
    let mut client = Client::connect(&mock).await;
    for (name, path, fields) in REQUESTS {
        let key = if *name == "keyless" { "wrong" } else { "k" };
        let head = format!("{path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n");
        if fields.is_empty() {
            client.send(format!("GET {head}\r\n")).await;
        } else {
            let messages = if fields.contains("\"messages\"") {
                ""
            } else {
                ",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
            };
            let body = format!("{{{fields}{messages}}}").replace(",\"messages\":null", "");
            client.send(format!("POST {head}content-length: {}\r\n\r\n{body}", body.len())).await;
        }
        let response = client.response().await;
        answers.push((response.status, response.body));
    }
    answers
}

async fn changed(quirk: &str, plain: &[(u16, Vec<u8>)]) -> BTreeSet<&'static str> {
    let all = answers(quirk).await;
    let changed = REQUESTS.iter().zip(all).zip(plain).filter(|((_, new), old)| new != *old);
    changed.map(|(((name, ..), _), _)| *name).collect()
}

#[tokio::test]
async fn each_quirk_changes_what_it_concerns_and_nothing_else() {
    let plain = answers("").await;
    let mut wrong = Vec::new();
    for quirk in quirks::all() {
        let row = CONCERNED.iter().find(|(name, _)| *name == quirk.name);
        let (_, concerned) = row.unwrap_or_else(|| panic!("{} has no row", quirk.name));
        let concerned: BTreeSet<&str> = concerned.iter().copied().collect();
        let changed = changed(quirk.name, &plain).await;
        if changed != concerned {
            let more: Vec<_> = changed.difference(&concerned).collect();
            let less: Vec<_> = concerned.difference(&changed).collect();
            wrong.push(format!("{}: also changed {more:?}, did not change {less:?}", quirk.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(CONCERNED.len(), quirks::all().len());
}

#[tokio::test]
async fn the_profile_openai_changes_nothing_and_every_other_changes_what_its_quirks_do() {
    let plain = answers("").await;
    assert_eq!(changed("openai", &plain).await, BTreeSet::new());
    for profile in quirks::profiles().iter().filter(|profile| profile.name != "openai") {
        let concerned = CONCERNED.iter().filter(|(name, _)| profile.quirks.contains(name));
        let concerned: BTreeSet<&str> = concerned.flat_map(|(_, requests)| requests.iter().copied()).collect();
        let changed = changed(profile.name, &plain).await;
        assert!(changed.is_subset(&concerned) && !changed.is_empty(), "{}: {changed:?}", profile.name);
    }
}

#[tokio::test]
async fn a_rule_s_own_fault_wins_over_quirks_and_these_are_never_not_applicable() {
    let mock =
        provider("{quirks: [eos_token, missing_done, crlf], fault: {finish_names: {stop: mine}, bom: true, cr: true}}")
            .await;
    let response = crate::support::chat(&mock, crate::support::HI).await;
    assert_eq!(response.body[..3], *b"\xef\xbb\xbf");
    let json: serde_json::Value = serde_json::from_slice(&response.body[3..]).expect("JSON");
    assert_eq!(json["choices"][0]["finish_reason"], "mine");
    let record = crate::support::only_request(&mock).await;
    assert_eq!(record.not_applicable, ["cr"]);
}
