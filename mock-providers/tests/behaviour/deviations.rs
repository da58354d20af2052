//! Every key that changes what an answer says: exact bytes, told as a change of the plain answer.

use mock_providers::script::{Fault, Stage};
use serde_json::{Value, json};

use crate::support::{Client, Response, only_request, provider};

const TEXT: &str = "{chunks: [one, two], model: m-x}";
const CALLS: &str = "{model: m-x, blocks: [{tool_call: {name: f, id: a, arguments: '{\"x\": 1}'}}, {tool_call: {name: g, id: b, arguments: '{\"y\": 2}'}}]}";
const STREAM: &str = r#"{"model":"m-1","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;
const JSON: &str = r#"{"model":"m-1","messages":[{"role":"user","content":"hi"}]}"#;

pub(crate) async fn post(script: &str, path: &str, body: &str) -> (Response, mock_providers::RequestRecord) {
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    client.post(path, body).await;
    (client.response().await, only_request(&mock).await)
}

/// The frames of a stream, with their blank lines.
fn frames(text: &str) -> Vec<String> {
    text.split_inclusive("\n\n").map(str::to_owned).collect()
}

async fn answered(respond: &str, fault: &str, body: &str) -> (Response, mock_providers::RequestRecord) {
    post(&format!("{{respond: {respond}, fault: {{{fault}}}}}"), "/v1/chat/completions", body).await
}

fn without(all: &[String], at: usize) -> String {
    all.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, frame)| frame.as_str()).collect()
}

fn inserted(all: &[String], at: usize, more: &str) -> String {
    [&all[..at].concat(), more, &all[at..].concat()].concat()
}

/// Every event's JSON changed; `[DONE]` stays.
fn changed(all: &[String], mut change: impl FnMut(usize, &mut Value)) -> String {
    let one = |(index, frame): (usize, &String)| {
        let Some(mut json) = frame.strip_prefix("data: ").and_then(|data| serde_json::from_str::<Value>(data).ok())
        else {
            return frame.clone();
        };
        change(index, &mut json);
        format!("data: {json}\n\n")
    };
    all.iter().enumerate().map(one).collect()
}

fn usage_of(frame: &str) -> &str {
    let at = frame.find("\"usage\":").expect("a usage") + 8;
    frame[at..].trim_end().strip_suffix('}').expect("an object")
}

type Expected = fn(&[String]) -> Vec<u8>;

/// Frames of the plain answer: role, one, two, finish, usage, done.
const OF_TEXT: &[(&str, Expected)] = &[
    ("missing_done: true", |all| without(all, 5).into()),
    ("double_done: true", |all| inserted(all, 6, &all[5]).into()),
    ("data_after_done: true", |all| inserted(all, 6, &all[1]).into()),
    ("missing_finish: true", |all| without(all, 3).into()),
    ("double_finish: true", |all| inserted(all, 3, &all[3]).into()),
    ("early_finish: true", |all| {
        [&all[0], &all[1], &all[3], &all[2], &all[4], &all[5]].map(String::as_str).concat().into()
    }),
    ("wrong_finish: eos_token", |all| all.concat().replace("\"stop\"", "\"eos_token\"").into()),
    ("finish_names: {stop: eos_token}", |all| all.concat().replace("\"stop\"", "\"eos_token\"").into()),
    ("finish_on_content_chunk: true", |all| {
        let last = all[2].replace("\"finish_reason\":null", "\"finish_reason\":\"stop\"");
        [&all[0], &all[1], &last, &all[4], &all[5]].map(String::as_str).concat().into()
    }),
    ("finish_empty: true", |all| all.concat().replace("\"finish_reason\":null", "\"finish_reason\":\"\"").into()),
    ("finish_key_missing: true", |all| all.concat().replace(",\"finish_reason\":null", "").into()),
    ("finish_camel_case: true", |all| all.concat().replace("finish_reason", "finishReason").into()),
    ("missing_usage: true", |all| without(all, 4).into()),
    ("usage_mismatch: {delta: 3}", |all| {
        changed(all, |index, json| {
            if index == 4 {
                json["usage"]["total_tokens"] = (json["usage"]["total_tokens"].as_u64().expect("a count") + 3).into();
            }
        })
        .into()
    }),
    ("usage_on_finish_chunk: true", |all| {
        let usage = format!("\"usage\":{}", usage_of(&all[4]));
        [&all[..3].concat(), &all[3].replace("\"usage\":null", &usage), &all[5]].map(String::as_str).concat().into()
    }),
    ("usage_on_content_chunk: true", |all| {
        let usage = format!("\"usage\":{}", usage_of(&all[4]));
        [&all[0], &all[1], &all[2].replace("\"usage\":null", &usage), &all[3], &all[5]]
            .map(String::as_str)
            .concat()
            .into()
    }),
    ("usage_null_missing: true", |all| all.concat().replace(",\"usage\":null", "").into()),
    ("missing_role: true", |all| all.concat().replace("\"role\":\"assistant\",", "").into()),
    ("empty_deltas: 2", |all| {
        let empty = all[1].replace("{\"content\":\"one\"}", "{}");
        inserted(all, 1, &empty.repeat(2)).into()
    }),
    ("duplicate_chunk: 2", |all| inserted(all, 2, &all[2]).into()),
    ("reorder: true", |all| {
        [&all[0], &all[2], &all[1]]
            .map(String::as_str)
            .concat()
            .into_bytes()
            .into_iter()
            .chain(all[3..].concat().into_bytes())
            .collect()
    }),
    ("id_changes: true", |all| {
        changed(all, |index, json| {
            if index > 0 {
                json["id"] = format!("{}-{}", json["id"].as_str().expect("an id"), index + 1).into();
            }
        })
        .into()
    }),
    ("model_changes: true", |all| {
        [all[0].clone(), all[1..].concat().replace("\"m-x\"", "\"m-x-other\"")].concat().into()
    }),
    ("chunk_fields: {timings: {n: 1}}", |all| changed(all, |_, json| json["timings"] = json!({"n": 1})).into()),
    ("choice_fields: {matched_stop: null}", |all| {
        changed(all, |_, json| {
            if let Some(choice) = json["choices"].get_mut(0) {
                choice["matched_stop"] = Value::Null;
            }
        })
        .into()
    }),
    ("wrong_language_chars: true", |all| {
        let foreign =
            |text: &str| text.chars().map(|c| char::from_u32(0x4e00 + c as u32).expect("a character")).collect();
        let [one, two]: [String; 2] = [foreign("one"), foreign("two")];
        all.concat().replace("\"one\"", &format!("\"{one}\"")).replace("\"two\"", &format!("\"{two}\"")).into()
    }),
    ("slow_reasoning: {for: 2ms, deltas: 2}", |all| {
        inserted(all, 1, &all[1].replace("{\"content\":\"one\"}", "{\"reasoning_content\":\"hmm \"}").repeat(2)).into()
    }),
    ("malformed_event: true", |all| {
        [&all[0], all[1].replace("}\n\n", "\n\n").as_str(), &all[2..].concat()].concat().into()
    }),
    ("invalid_utf8: true", |all| {
        let text = all.concat();
        let at = text.find("one\"").expect("the text") + 3;
        [&text.as_bytes()[..at], b"\xff\xfe", &text.as_bytes()[at..]].concat()
    }),
    ("oversize_event: 20KiB", |all| {
        let more = "x".repeat((20 << 10) - all[1].len());
        all.concat().replace("\"one\"", &format!("\"one{more}\"")).into()
    }),
    ("comment_keepalive: {}", |all| inserted(all, 1, ": keep-alive\n\n").into()),
    ("comment_keepalive: {every: 2, text: ping}", |all| inserted(all, 2, ": ping\n\n").into()),
    ("data_keepalive: {}", |all| inserted(all, 1, "data: : keepalive\n\n").into()),
    ("data_keepalive: {every: 1}", |all| {
        let kept = "data: : keepalive\n\n";
        [&all[0], kept, &all[1], kept, &all[2..].concat()].concat().into()
    }),
    ("retry_frame: true", |all| inserted(all, 0, "retry: 3000\n\n").into()),
    ("event_frame: true", |all| inserted(all, 1, "event: ping\n\n").into()),
    ("empty_data_frame: true", |all| inserted(all, 1, "data:\n\n").into()),
    ("id_lines: true", |all| {
        all.iter().enumerate().map(|(index, frame)| format!("id: {}\n{frame}", index + 1)).collect::<String>().into()
    }),
    ("no_space: true", |all| all.concat().replace("data: ", "data:").into()),
    ("crlf: true", |all| all.concat().replace('\n', "\r\n").into()),
    ("cr: true", |all| all.concat().replace('\n', "\r").into()),
    ("bom: true", |all| format!("\u{feff}{}", all.concat()).into()),
    ("no_final_blank_line: true", |all| all.concat().strip_suffix('\n').expect("a blank line").into()),
    ("choices_empty_first: true", |all| {
        let safe = json!({"filtered": false, "severity": "safe"});
        let results = json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe});
        let first = json!({
            "id": "", "object": "chat.completion.chunk", "created": 0, "model": "",
            "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": results}], "choices": [],
        });
        inserted(all, 0, &format!("data: {first}\n\n")).into()
    }),
    ("error_event: {after_chunks: 1, shape: object, error: {message: m}}", |all| {
        [&all[0], &all[1], "data: {\"error\":{\"message\":\"m\"}}\n\n"].concat().into()
    }),
    ("error_event: {after_chunks: 1, shape: string, error: {message: m}}", |all| {
        [&all[0], &all[1], "data: {\"error\":\"m\"}\n\n"].concat().into()
    }),
    ("error_event: {after_chunks: 1, shape: flat, error: {message: m, code: 3}}", |all| {
        [&all[0], &all[1], "data: {\"object\":\"error\",\"message\":\"m\",\"code\":3}\n\n"].concat().into()
    }),
    ("error_event: {after_chunks: 1, shape: no_type, error: {message: m}}", |all| {
        [&all[0], &all[1], "data: {\"error\":{\"message\":\"m\"},\"message\":\"m\"}\n\n"].concat().into()
    }),
    ("error_event: {after_chunks: 1, shape: array, error: {message: m}}", |all| {
        [&all[0], &all[1], "data: [{\"error\":{\"message\":\"m\"}}]\n\n"].concat().into()
    }),
    ("failure_hidden: true, error_event: {after_chunks: 0}", |_| b"data: [DONE]\n\n".to_vec()),
];

#[tokio::test]
async fn each_key_changes_exactly_these_bytes_of_a_stream() {
    let plain = frames(&answered(TEXT, "", STREAM).await.0.text());
    assert_eq!(plain.len(), 6, "role, one, two, finish, usage, done");
    for (fault, expected) in OF_TEXT {
        let (response, record) = answered(TEXT, fault, STREAM).await;
        let shown = String::from_utf8_lossy(&response.body);
        let (want, name) = (expected(&plain), fault.split(':').next().expect("a key"));
        assert!(response.body == want, "{fault}\n{shown}\nwanted\n{}", String::from_utf8_lossy(&want));
        assert_ne!(response.body, plain.concat().into_bytes(), "{fault}");
        let named = record.fault.is_some_and(|names| names.split('+').any(|known| known == name));
        assert!(named && record.not_applicable.is_empty(), "{fault}: {:?}", record.not_applicable);
    }
}

/// What a streamed call says: its index, name, arguments and whatever else, delta by delta.
fn deltas(response: &Response) -> Vec<Value> {
    let calls =
        response.events().into_iter().filter_map(|event| event["choices"][0]["delta"].get("tool_calls").cloned());
    calls.flat_map(|calls| calls.as_array().expect("a list").clone()).collect()
}

fn joined(deltas: &[Value], index: u64) -> String {
    let own = deltas.iter().filter(|call| call["index"] == index);
    own.filter_map(|call| call["function"]["arguments"].as_str()).collect()
}

#[tokio::test]
async fn each_key_about_calls_changes_the_deltas_of_calls() {
    let (plain, _) = answered(CALLS, "", STREAM).await;
    let plain = deltas(&plain);
    assert_eq!((joined(&plain, 0), joined(&plain, 1)), ("{\"x\": 1}".into(), "{\"y\": 2}".into()));
    let calls = async |fault: &str| {
        let (response, record) = answered(CALLS, fault, STREAM).await;
        assert!(record.fault.is_some() && record.not_applicable.is_empty(), "{fault}");
        deltas(&response)
    };
    let names = |deltas: &[Value]| -> Vec<Value> {
        deltas.iter().filter_map(|call| call["function"].get("name").cloned()).collect()
    };
    assert_eq!(names(&calls("unknown_tool: true").await), ["no_such_tool", "no_such_tool"]);
    let bad = calls("bad_arguments_json: true").await;
    assert_eq!((joined(&bad, 0), joined(&bad, 1)), ("{\"x\": 1".into(), "{\"y\": 2".into()));
    let whole = calls("whole_calls: true").await;
    let call = |index: u64, id: &str, name: &str, arguments: Value| json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    assert_eq!(whole, [call(0, "a", "f", "{\"x\": 1}".into()), call(1, "b", "g", "{\"y\": 2}".into())]);
    let objects = calls("arguments_as_object: true").await;
    assert_eq!(objects, [call(0, "a", "f", json!({"x": 1})), call(1, "b", "g", json!({"y": 2}))]);
    let zero = calls("index_always_zero: true").await;
    assert_eq!(joined(&zero, 0), "{\"x\": 1}{\"y\": 2}");
    let missing = calls("index_missing: true").await;
    assert!(missing.len() == plain.len() && missing.iter().all(|call| call.get("index").is_none()));
    let signed = calls("thought_signature: true").await;
    let signatures = signed.iter().filter(|call| call.pointer("/extra_content/google/thought_signature").is_some());
    assert_eq!(signatures.count(), 2);
}

async fn finish(respond: &str, fault: &str, body: &str) -> Vec<Value> {
    let (response, _) = answered(respond, fault, body).await;
    let values = if body.contains("\"stream\":true") { response.events() } else { vec![response.json()] };
    let reasons = values.iter().filter_map(|value| value["choices"].get(0)?.get("finish_reason"));
    reasons.filter(|reason| !reason.is_null()).cloned().collect()
}

#[tokio::test]
async fn finish_reasons_of_calls_follow_their_maps() {
    assert_eq!(finish(CALLS, "stream_call_finish: {tool_calls: stop}", STREAM).await, ["stop"]);
    assert_eq!(finish(CALLS, "stream_call_finish: {tool_calls: stop}", JSON).await, ["tool_calls"]);
    assert_eq!(finish(TEXT, "stream_call_finish: {stop: other}", STREAM).await, ["stop"]);
    let tools = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"required""#;
    let required = JSON.replace("\"m-1\"", &format!("\"m-1\",{tools}"));
    assert_eq!(finish("{model: m}", "required_call_finish: stop", &required).await, ["stop"]);
    assert_eq!(finish(CALLS, "required_call_finish: stop", JSON).await, ["tool_calls"]);
    let limited = STREAM.replace("\"m-1\"", "\"m-1\",\"max_tokens\":3");
    assert_eq!(finish(CALLS, "", &limited).await, ["length"]);
    let (cut, _) = answered(CALLS, "cut_call_errors: true", &limited).await;
    let events = cut.events();
    assert_eq!(events.last().expect("events")["error"]["code"], 500);
    assert!(cut.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn of_several_choices_only_the_last_may_end() {
    let two = STREAM.replace("\"m-1\"", "\"m-1\",\"n\":2");
    let (response, _) = answered(TEXT, "finish_last_choice_only: true", &two).await;
    let ends: Vec<Value> =
        response.events().iter().flat_map(|event| event["choices"].as_array().expect("choices").clone()).collect();
    let ends: Vec<&Value> =
        ends.iter().filter(|choice| !choice["finish_reason"].is_null()).map(|choice| &choice["index"]).collect();
    assert_eq!(ends, [1]);
}

#[tokio::test]
async fn reasoning_goes_by_another_name() {
    let (response, _) = answered(TEXT, "slow_reasoning: {for: 1ms, deltas: 1}, reasoning_as: reasoning", STREAM).await;
    assert_eq!(response.events()[1]["choices"][0]["delta"], json!({"reasoning": "hmm "}));
}

type Changed = fn(&str) -> Vec<u8>;

fn edited(text: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut json = serde_json::from_str(text).expect("JSON");
    change(&mut json);
    json.to_string().into_bytes()
}

const OF_BODY: &[(&str, Changed)] = &[
    ("malformed_json: true", |text| [&text[..text.len() - 1], "]"].concat().into()),
    ("truncated_json: true", |text| text[..text.len() / 2].into()),
    ("empty_body: true", |_| Vec::new()),
    ("wrong_object: true", |text| text.replace("\"chat.completion\"", "\"unexpected\"").into()),
    ("missing_field: {path: '$.choices[*].message.content'}", |text| {
        text.replace("\"content\":\"onetwo\",", "").into()
    }),
    ("extra_field: true", |text| edited(text, |json| json["unexpected_field"] = json!({"nested": [1, "two"]}))),
    ("null_choices: true", |text| edited(text, |json| json["choices"] = Value::Null)),
    ("huge_body: 100KiB", |text| {
        format!("{}{}}}", &text[..text.len() - 1], " ".repeat((100 << 10) - text.len())).into()
    }),
    ("missing_usage: true", |text| edited(text, |json| _ = json.as_object_mut().expect("a map").shift_remove("usage"))),
    ("wrong_finish: eos_token", |text| text.replace("\"stop\"", "\"eos_token\"").into()),
];

#[tokio::test]
async fn each_key_changes_exactly_these_bytes_of_a_body() {
    let plain = answered(TEXT, "", JSON).await.0.text();
    for (fault, expected) in OF_BODY {
        let (response, record) = answered(TEXT, fault, JSON).await;
        let (got, want) = (String::from_utf8_lossy(&response.body), expected(&plain));
        assert!(response.body == want, "{fault}\n{got}\nwanted\n{}", String::from_utf8_lossy(&want));
        let length = response.body.len().to_string();
        assert_eq!(response.header("content-length"), Some(length.as_str()), "{fault}");
        assert!(response.body != plain.as_bytes() && record.fault.is_some(), "{fault}");
    }
}

const OF_ERRORS: &[(&str, &str)] = &[
    ("string_error: true", r#"{"error":"m"}"#),
    ("array_error: true", r#"[{"error":{"message":"m","type":"t","param":null,"code":"c"}}]"#),
    ("flat_error: true", r#"{"object":"error","message":"m","type":"t","param":null,"code":"c"}"#),
    ("untyped_error: true", r#"{"error":{"message":"m"},"message":"m"}"#),
    ("integer_error_code: true", r#"{"error":{"message":"m","type":"BadRequestError","param":null,"code":400}}"#),
    (
        "flat_error: true, integer_error_code: true",
        r#"{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}"#,
    ),
];

#[tokio::test]
async fn each_shape_of_an_error_has_its_bytes_and_leaves_success_alone() {
    let error = "{status: 400, json: {error: {message: m, type: t, param: null, code: c}}}";
    let plain = answered(TEXT, "", JSON).await.0.body;
    for (fault, expected) in OF_ERRORS {
        let (response, _) = answered(error, fault, JSON).await;
        assert_eq!((response.status, response.text().as_str()), (400, *expected), "{fault}");
        let (response, record) = answered(TEXT, fault, JSON).await;
        assert_eq!(response.body, plain);
        let given: Vec<&str> = fault.split(", ").filter_map(|key| key.split(':').next()).collect();
        assert!(record.fault.is_none() && record.not_applicable.iter().all(|name| given.contains(name)), "{fault}");
        assert_eq!(record.not_applicable.len(), given.len(), "{fault}");
    }
    let anthropic = "{status: 400, json: {type: error, error: {type: t, message: m}}}";
    let (response, _) = answered(anthropic, "openai_error: true", JSON).await;
    assert_eq!(response.text(), r#"{"error":{"message":"m","type":"t","param":null,"code":null}}"#);
}

#[tokio::test]
async fn what_a_stream_alone_can_have_is_not_applicable_to_a_body() {
    let (response, record) =
        answered(TEXT, "missing_done: true, crlf: true, index_missing: true, malformed_json: true", JSON).await;
    assert_eq!(record.not_applicable, ["index_missing", "missing_done", "crlf"]);
    assert_eq!(record.fault.as_deref(), Some("malformed_json"));
    assert!(response.body.ends_with(b"]"));
}

#[tokio::test]
async fn the_other_streams_know_the_keys_that_make_sense_for_them() {
    let responses = |fault: &str| format!("{{respond: {{text: a b}}, fault: {{{fault}}}}}");
    let body = r#"{"model":"m","input":"hi","stream":true}"#;
    let (response, _) = post(&responses("missing_done: true"), "/v1/responses", body).await;
    assert!(!response.text().contains("event: response.completed"));
    let (response, _) =
        post(&responses("error_event: {after_chunks: 1, error: {message: m, code: c}}"), "/v1/responses", body).await;
    assert!(
        response
            .text()
            .contains("event: error\ndata: {\"type\":\"error\",\"sequence_number\":5,\"code\":\"c\",\"message\":\"m\"")
    );
    let (response, _) = post(&responses("missing_usage: true"), "/v1/responses", body).await;
    assert!(!response.text().contains("\"usage\":{"));
    let (_, record) = post(&responses("double_finish: true"), "/v1/responses", body).await;
    assert_eq!(record.not_applicable, ["double_finish"]);
    let body = r#"{"model":"m","prompt":"hi","stream":true}"#;
    let (response, record) =
        post(&responses("wrong_finish: x, duplicate_chunk: 1, crlf: true"), "/v1/completions", body).await;
    assert!(record.not_applicable.is_empty(), "{:?}", record.not_applicable);
    assert!(response.text().contains("\"finish_reason\":\"x\"") && response.text().contains("\r\n\r\n"));
}

#[tokio::test]
async fn literal_events_deviate_like_those_of_the_dialect() {
    let sse = "{sse: [{data: {choices: [{index: 0, delta: {content: a}, finish_reason: null}]}}, {raw: \": ping\\n\\n\"}, done]}";
    let (response, _) = answered(sse, "missing_done: true, id_lines: true, choice_fields: {x: 1}", STREAM).await;
    let expected = "id: 1\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null,\"x\":1}]}\n\n: ping\n\n";
    assert_eq!(response.text(), expected);
}

#[test]
fn every_key_of_bodies_and_content_has_a_case_here() {
    let own = include_str!("deviations.rs");
    for (name, stage) in Fault::CATALOGUE {
        if matches!(stage, Stage::Body | Stage::Content) {
            assert!(own.contains(&format!("{name}: ")), "{name} has no case");
        }
    }
}

/// Anthropic's events: start, block start, two deltas, block stop, message delta, stop.
const MESSAGES: &[&str] = &[
    r#"{"type":"message_start","message":{"id":"msg_1","role":"assistant","usage":{"input_tokens":3,"output_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","name":"f"}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
    r#"{"type":"content_block_stop","index":1}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}"#,
    r#"{"type":"message_stop"}"#,
];

fn message_event(json: &str) -> String {
    let json: Value = serde_json::from_str(json).expect("JSON");
    format!("event: {}\ndata: {json}\n\n", json["type"].as_str().expect("a type"))
}

#[tokio::test]
async fn anthropic_s_events_know_the_keys_that_make_sense_for_them() {
    let sse: Vec<Value> = MESSAGES.iter().map(|json| json!({"raw": message_event(json)})).collect();
    let all: Vec<String> = MESSAGES.iter().map(|json| message_event(json)).collect();
    let cases: &[(&str, String)] = &[
        ("missing_done: true", all[..6].concat()),
        ("double_finish: true", inserted(&all, 5, &all[5])),
        ("missing_finish: true", without(&all, 5)),
        ("early_finish: true", [&all[..3].concat(), &all[5], &all[3], &all[4], &all[6]].map(String::as_str).concat()),
        ("wrong_finish: x", all.concat().replace("\"stop_reason\":\"tool_use\"", "\"stop_reason\":\"x\"")),
        ("unknown_tool: true", all.concat().replace("\"name\":\"f\"", "\"name\":\"no_such_tool\"")),
        ("bad_arguments_json: true", all.concat().replace("\"1}\"", "\"1\"")),
        ("index_always_zero: true", all.concat().replace("\"index\":1", "\"index\":0")),
        ("index_missing: true", all.concat().replace(",\"index\":1", "")),
        ("missing_role: true", all.concat().replace(",\"role\":\"assistant\"", "")),
        ("usage_mismatch: {delta: -1}", all.concat().replace("\"output_tokens\":9", "\"output_tokens\":8").replace("\"output_tokens\":1}", "\"output_tokens\":0}")),
        ("reorder: true", [&all[..2].concat(), &all[3], &all[2], &all[4..].concat()].map(String::as_str).concat()),
        ("error_event: {after_events: 3, error: {type: overloaded_error, message: m}}", [
            &all[..3].concat(),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n",
        ].concat()),
    ];
    for (fault, expected) in cases {
        let script = format!("{{respond: {{sse: {}}}, fault: {{{fault}}}}}", json!(sse));
        let (response, record) = post(&script, "/v1/messages", STREAM).await;
        assert_eq!(&response.text(), expected, "{fault}");
        assert!(record.not_applicable.is_empty(), "{fault}");
    }
}
