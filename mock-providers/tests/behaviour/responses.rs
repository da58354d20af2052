use mock_providers::Usage;
use serde_json::{Value, json};

use crate::support::{Client, Response, only_request, provider};

const PLAIN: &str = r#"{"model":"m","input":"hi there"}"#;
const STREAM: &str = r#"{"model":"m","stream":true,"input":[{"role":"user","content":"hi there"}]}"#;

async fn respond(script: &str, body: &str) -> Response {
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/responses", body).await;
    client.response().await
}

/// The data of all events, each checked against the name of its event.
fn typed(response: &Response) -> Vec<Value> {
    let text = response.text();
    let event = |event: &str| -> Value {
        let (name, data) = event.split_once("\ndata: ").expect("an event line and a data line");
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    };
    text.split_terminator("\n\n").map(event).collect()
}

#[tokio::test]
async fn a_response_has_a_message_and_usage() {
    let body = respond("{respond: {text: served by a}}", PLAIN).await.json();
    assert_eq!(
        (&body["object"], &body["status"], &body["model"]),
        (&json!("response"), &json!("completed"), &json!("m"))
    );
    let message = &body["output"][0];
    assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(message["content"][0]["text"], "served by a");
    let usage = json!({
        "input_tokens": 2, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 5,
    });
    assert_eq!(body["usage"], usage);
}

#[tokio::test]
async fn a_streamed_response_has_its_events_in_order_and_ends_with_the_whole() {
    let mock = provider("{respond: {text: one two, usage: {prompt_tokens: 11, completion_tokens: 7}}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/responses", STREAM).await;
    let events = typed(&client.response().await);
    let kinds: Vec<&str> =
        events.iter().filter_map(|event| event["type"].as_str()?.strip_prefix("response.")).collect();
    assert_eq!(
        kinds,
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    assert!(events.iter().enumerate().all(|(index, event)| event["sequence_number"] == index));
    let whole = &events[9]["response"];
    assert_eq!((&whole["output"][0], &whole["status"]), (&events[8]["item"], &json!("completed")));
    assert_eq!(events[5]["item_id"], whole["output"][0]["id"]);
    let used = Usage { prompt_tokens: 11, completion_tokens: 7, ..Usage::default() };
    assert_eq!(only_request(&mock).await.usage, Some(used));
}

#[tokio::test]
async fn calls_of_tools_become_items_with_joined_arguments() {
    let script = "{respond: {blocks: [{text: a}, {tool_call: {name: f, arguments: {x: 1}, id: call_1}}]}}";
    let call = respond(script, PLAIN).await.json()["output"][1].clone();
    assert_eq!(
        (&call["type"], &call["call_id"], &call["name"]),
        (&json!("function_call"), &json!("call_1"), &json!("f"))
    );
    assert_eq!(call["arguments"], "{\"x\":1}");
    let events = typed(&respond(script, STREAM).await);
    let deltas = events.iter().filter(|event| event["type"] == "response.function_call_arguments.delta");
    let joined: String = deltas.filter_map(|event| event["delta"].as_str()).collect();
    let last = &events.last().expect("events")["response"]["output"][1];
    assert_eq!(
        (joined.as_str(), &last["arguments"], &last["call_id"]),
        ("{\"x\":1}", &call["arguments"], &call["call_id"])
    );
}

#[tokio::test]
async fn a_response_that_reaches_its_limit_is_incomplete() {
    let asked = PLAIN.replace("\"m\"", "\"m\",\"max_output_tokens\":1");
    let body = respond("{respond: {text: one two}}", &asked).await.json();
    assert_eq!((&body["status"], &body["output"][0]["content"][0]["text"]), (&json!("incomplete"), &json!("one")));
    assert_eq!(body["incomplete_details"], json!({"reason": "max_output_tokens"}));
}

#[tokio::test]
async fn faults_count_the_deltas_of_a_response() {
    let script = "{respond: {chunks: [a, b, c]}, fault: {truncate: {after_chunks: 2}}}";
    let events = typed(&respond(script, STREAM).await);
    assert_eq!(events.last().expect("events")["delta"], "b");
    let events = typed(&respond("{fault: {missing_done: true}}", STREAM).await);
    assert_eq!(events.last().expect("events")["type"], "response.output_item.done");
}

#[tokio::test]
async fn usage_in_literal_events_of_a_response_is_journalled() {
    let script = r#"{respond: {sse: [{raw: "event: response.completed\ndata: {\"response\":{\"usage\":{\"input_tokens\":3,
        \"output_tokens\":2,\"input_tokens_details\":{\"cached_tokens\":1}}}}\n\n"}]}}"#;
    let mock = provider(script).await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/responses", STREAM).await;
    client.response().await;
    let used = Usage { prompt_tokens: 3, completion_tokens: 2, cached_tokens: 1, reasoning_tokens: 0 };
    assert_eq!(only_request(&mock).await.usage, Some(used));
}

#[tokio::test]
async fn a_response_needs_an_input_and_a_model() {
    for (body, param) in
        [(r#"{"model":"m"}"#, "input"), (r#"{"input":"x"}"#, "model"), (r#"{"model":"m","input":1}"#, "input")]
    {
        let response = respond("{}", body).await;
        assert_eq!((response.status, response.json()["error"]["param"].as_str()), (400, Some(param)), "{body}");
    }
}

/// Where a request to a provider of its own goes wrong.
async fn refused(body: &Value) -> (u16, Value) {
    let answer = respond("{}", &body.to_string()).await;
    (answer.status, answer.json()["error"].clone())
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()?.strip_prefix("response.")).collect()
}

fn with(body: &str, more: Value) -> String {
    let mut body: Value = serde_json::from_str(body).expect("JSON");
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body.to_string()
}

#[tokio::test]
async fn a_streamed_call_has_its_events_in_order_and_at_its_place() {
    let script = "{respond: {blocks: [{text: a}, {tool_call: {name: f, arguments: {x: 1}, id: call_1}}]}}";
    let events = typed(&respond(script, STREAM).await);
    let at = events.iter().position(|event| event["output_index"] == 1).expect("a second item");
    let mut kinds = kinds(&events[at..]);
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed"
        ]
    );
    let id = &events[at]["item"]["id"];
    assert!(events[at + 1..events.len() - 2].iter().all(|event| event["item_id"] == *id && event["output_index"] == 1));
    assert_eq!((&events[at]["item"]["arguments"], &events[at]["item"]["status"]), (&json!(""), &json!("in_progress")));
}

#[tokio::test]
async fn thoughts_come_first_with_a_summary_and_are_counted() {
    let asked = with(STREAM, json!({"model": "o4-mini", "reasoning": {"effort": "low", "summary": "auto"}}));
    let events = typed(&respond("{respond: {text: one}}", &asked).await);
    let mut kinds = kinds(&events);
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    let delta = events.iter().find(|event| event["type"] == "response.reasoning_summary_text.delta").expect("a delta");
    assert_eq!((&delta["summary_index"], &delta["output_index"]), (&json!(0), &json!(0)));
    let whole = &events.last().expect("events")["response"];
    assert_eq!((&whole["output"][0]["type"], &whole["output"][1]["type"]), (&json!("reasoning"), &json!("message")));
    assert_eq!(whole["usage"]["output_tokens_details"]["reasoning_tokens"], 64);
    assert_eq!(whole["usage"]["output_tokens"], 65);
    assert_eq!(whole["reasoning"], json!({"effort": "low", "summary": "auto"}));
}

#[tokio::test]
async fn thoughts_without_a_summary_stay_hidden_and_may_use_up_the_limit() {
    let asked = with(PLAIN, json!({"reasoning": {}, "include": ["reasoning.encrypted_content"]}));
    let body = respond("{}", &asked).await.json();
    let item = &body["output"][0];
    assert_eq!((&item["type"], &item["summary"]), (&json!("reasoning"), &json!([])));
    assert!(item["encrypted_content"].is_string());
    let asked = with(PLAIN, json!({"model": "o4-mini", "reasoning": {"effort": "high"}, "max_output_tokens": 20}));
    let body = respond("{}", &asked).await.json();
    assert_eq!((&body["status"], body["output"].as_array().map(Vec::len)), (&json!("incomplete"), Some(1)));
    assert_eq!(body["usage"]["output_tokens_details"]["reasoning_tokens"], 20);
    let none = respond("{}", &with(PLAIN, json!({"reasoning": {"effort": "none"}}))).await.json();
    assert_eq!(none["output"][0]["type"], "message");
}

#[tokio::test]
async fn a_refusal_is_a_part_with_events_of_its_own() {
    let script = "{respond: {text: I cannot}, fault: {refuse: true}}";
    let part = respond(script, PLAIN).await.json()["output"][0]["content"][0].clone();
    assert_eq!(part, json!({"type": "refusal", "refusal": "I cannot"}));
    let events = typed(&respond(script, STREAM).await);
    let mut kinds = kinds(&events[3..]);
    kinds.dedup();
    let expected =
        ["content_part.added", "refusal.delta", "refusal.done", "content_part.done", "output_item.done", "completed"];
    assert_eq!(kinds, expected);
    assert_eq!(events[events.len() - 4]["refusal"], "I cannot");
}

#[tokio::test]
async fn a_cut_stream_ends_with_an_incomplete_response_and_item() {
    let asked = with(STREAM, json!({"max_output_tokens": 1}));
    let events = typed(&respond("{respond: {text: one two}}", &asked).await);
    let last = events.last().expect("events");
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.incomplete"), &json!("incomplete")));
    assert_eq!(events[events.len() - 2]["item"]["status"], "incomplete");
    let filtered = respond("{respond: {finish_reason: content_filter}}", PLAIN).await.json();
    assert_eq!(filtered["incomplete_details"]["reason"], "content_filter");
}

#[tokio::test]
async fn an_error_within_a_stream_is_an_event_and_a_failed_response() {
    let script = "{respond: {chunks: [a, b]}, fault: {error_event: {after_chunks: 1, \
                  error: {message: the model gave up, type: server_error, code: null}}}}";
    let events = typed(&respond(script, STREAM).await);
    assert!(events.iter().enumerate().all(|(index, event)| event["sequence_number"] == index));
    let [error, failed] = &events[events.len() - 2..] else { panic!("two events") };
    assert_eq!((&error["type"], &error["message"]), (&json!("error"), &json!("the model gave up")));
    assert_eq!((&error["code"], &error["param"]), (&json!("server_error"), &json!(null)));
    assert_eq!((&failed["type"], &failed["response"]["status"]), (&json!("response.failed"), &json!("failed")));
    let expected = json!({"code": "server_error", "message": "the model gave up"});
    assert_eq!((&failed["response"]["error"], &failed["response"]["id"]), (&expected, &events[0]["response"]["id"]));
}

#[tokio::test]
async fn a_required_tool_is_called_until_its_output_is_there() {
    let tools = json!([
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"city": {"enum": ["Paris"]}}}},
        {"type": "function", "name": "g"},
    ]);
    for (choice, name) in [
        (json!({"type": "function", "name": "f"}), Some("f")),
        (json!({"type": "function", "name": "g"}), Some("g")),
        (json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}), Some("g")),
        (json!("auto"), None),
        (json!("none"), None),
    ] {
        let body = respond("{}", &with(PLAIN, json!({"tools": tools, "tool_choice": choice}))).await.json();
        assert_eq!(body["output"][0]["name"].as_str(), name, "{choice}");
        assert_eq!((&body["tools"], &body["tool_choice"]), (&tools, &choice));
        if name == Some("f") {
            assert_eq!(body["output"][0]["arguments"], "{\"city\":\"Paris\"}");
        }
    }
    let required = json!({"tools": tools, "tool_choice": "required", "parallel_tool_calls": false});
    let output = respond("{}", &with(PLAIN, required)).await.json()["output"].clone();
    assert_eq!((&output[0]["type"], output.as_array().map(Vec::len)), (&json!("function_call"), Some(1)));
    let history = json!([
        {"role": "user", "content": "hi"},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    ]);
    let asked = with(PLAIN, json!({"input": history, "tools": tools, "tool_choice": "required"}));
    assert_eq!(respond("{}", &asked).await.json()["output"][0]["type"], "message");
}

#[tokio::test]
async fn a_text_fits_the_format_that_is_asked_for() {
    let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]});
    let format = json!({"type": "json_schema", "name": "s", "schema": schema, "strict": true});
    let body = respond("{}", &with(PLAIN, json!({"text": {"format": format}}))).await.json();
    let text = body["output"][0]["content"][0]["text"].as_str().expect("text");
    assert!(serde_json::from_str::<Value>(text).expect("JSON")["ok"].is_boolean());
    assert_eq!(body["text"], json!({"format": format, "verbosity": "medium"}));
    let body = respond("{}", &with(PLAIN, json!({"text": {"format": {"type": "json_object"}}}))).await.json();
    let text = body["output"][0]["content"][0]["text"].as_str().expect("text");
    assert!(serde_json::from_str::<Value>(text).expect("JSON").is_object());
}

#[tokio::test]
async fn a_response_repeats_what_it_was_asked_with() {
    let asked = json!({
        "instructions": "be brief", "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 50, "truncation": "auto",
        "metadata": {"a": "b"}, "parallel_tool_calls": false, "store": false, "user": "u", "service_tier": "default",
    });
    let body = respond("{}", &with(PLAIN, asked.clone())).await.json();
    for (name, value) in asked.as_object().expect("an object") {
        assert_eq!(&body[name], value, "{name}");
    }
    let usual = respond("{}", PLAIN).await.json();
    assert_eq!((&usual["store"], &usual["metadata"], &usual["tools"]), (&json!(true), &json!({}), &json!([])));
    assert_eq!((&usual["error"], &usual["incomplete_details"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn invalid_parameters_are_refused_with_their_path() {
    for (more, param) in [
        (json!({"temperature": 2.1}), "temperature"),
        (json!({"top_p": -0.1}), "top_p"),
        (json!({"top_logprobs": 21}), "top_logprobs"),
        (json!({"max_output_tokens": 0}), "max_output_tokens"),
        (json!({"truncation": "some"}), "truncation"),
        (json!({"metadata": {"a": 1}}), "metadata.a"),
        (json!({"reasoning": {"effort": "much"}}), "reasoning.effort"),
        (json!({"reasoning": {"summary": "all"}}), "reasoning.summary"),
        (json!({"text": {"format": {"type": "xml"}}}), "text.format.type"),
        (json!({"text": {"format": {"type": "json_schema", "name": "s"}}}), "text.format.schema"),
        (json!({"text": {"verbosity": "loud"}}), "text.verbosity"),
        (json!({"tools": [{"name": "f"}]}), "tools[0].type"),
        (json!({"tools": [{"type": "function", "name": "a b"}]}), "tools[0].name"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"tool_choice": {"type": "function", "name": "f"}}), "tool_choice"),
        (json!({"background": true, "store": false}), "background"),
        (json!({"store": "yes"}), "store"),
        (json!({"stream_options": {}}), "stream_options"),
        (json!({"instructions": 1}), "instructions"),
        (json!({"previous_response_id": "resp_none"}), "previous_response_id"),
        (json!({"input": [1]}), "input[0]"),
        (json!({"input": [{"role": "robot", "content": "x"}]}), "input[0].role"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (json!({"input": [{"role": "user", "content": [{"type": "input_sound"}]}]}), "input[0].content[0].type"),
        (json!({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}), "input[0].content[0].text"),
        (json!({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call_output", "call_id": "call_x", "output": "x"}]}), "input"),
        (json!({"input": [{"type": "reasoning", "id": "rs_1"}]}), "input[0].summary"),
        (json!({"input": [{"type": "thought"}]}), "input[0].type"),
    ] {
        let asked: Value = serde_json::from_str(&with(PLAIN, more.clone())).expect("JSON");
        let (status, error) = refused(&asked).await;
        assert_eq!((status, error["param"].as_str()), (400, Some(param)), "{more}: {error}");
    }
}

#[tokio::test]
async fn a_stored_response_can_be_retrieved_continued_listed_and_deleted() {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    let tools = json!({"tools": [{"type": "function", "name": "f"}], "tool_choice": "required"});
    client.post("/v1/responses", &with(PLAIN, tools.clone())).await;
    let first = client.response().await.json();
    let (id, call) = (first["id"].as_str().expect("an id"), &first["output"][0]["call_id"]);
    client.get(&format!("/v1/responses/{id}")).await;
    assert_eq!(client.response().await.json(), first);

    let output = json!([{"type": "function_call_output", "call_id": call, "output": "sunny"}]);
    let next = with(&with(PLAIN, tools), json!({"input": output, "previous_response_id": id}));
    client.post("/v1/responses", &next).await;
    let second = client.response().await.json();
    assert_eq!((&second["output"][0]["type"], &second["previous_response_id"]), (&json!("message"), &json!(id)));
    let before = first["usage"]["total_tokens"].as_u64();
    assert!(second["usage"]["input_tokens"].as_u64() >= before, "a conversation is read again");

    client.get(&format!("/v1/responses/{id}/input_items")).await;
    let list = client.response().await.json();
    assert_eq!(list["data"][0]["content"], json!([{"type": "input_text", "text": "hi there"}]));
    assert_eq!((&list["first_id"], &list["has_more"]), (&list["data"][0]["id"], &json!(false)));

    client.send(format!("DELETE /v1/responses/{id} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
    assert_eq!(client.response().await.json(), json!({"id": id, "object": "response", "deleted": true}));
    for path in [format!("/v1/responses/{id}"), format!("/v1/responses/{id}/input_items")] {
        client.get(&path).await;
        let gone = client.response().await;
        assert_eq!((gone.status, &gone.json()["error"]["type"]), (404, &json!("invalid_request_error")));
    }
    client.post("/v1/responses", &next).await;
    assert_eq!(client.response().await.json()["error"]["code"], "previous_response_not_found");
}

#[tokio::test]
async fn a_response_that_is_not_to_be_stored_is_not() {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/responses", &with(PLAIN, json!({"store": false}))).await;
    let id = client.response().await.json()["id"].clone();
    client.get(&format!("/v1/responses/{}", id.as_str().expect("an id"))).await;
    assert_eq!(client.response().await.status, 404);
}

#[tokio::test]
async fn input_items_come_in_pages() {
    let mock = provider("{}").await;
    let mut client = Client::connect(&mock).await;
    let items: Vec<Value> = (0..3).map(|n| json!({"id": format!("msg_{n}"), "role": "user", "content": "x"})).collect();
    client.post("/v1/responses", &with(PLAIN, json!({"input": items}))).await;
    let id = client.response().await.json()["id"].as_str().expect("an id").to_owned();
    for (query, ids, more) in [
        ("", vec!["msg_2", "msg_1", "msg_0"], false),
        ("?order=asc&limit=2", vec!["msg_0", "msg_1"], true),
        ("?order=asc&limit=2&after=msg_1", vec!["msg_2"], false),
    ] {
        client.get(&format!("/v1/responses/{id}/input_items{query}")).await;
        let list = client.response().await.json();
        let shown: Vec<&str> =
            list["data"].as_array().expect("a list").iter().filter_map(|i| i["id"].as_str()).collect();
        assert_eq!((shown, &list["has_more"]), (ids, &json!(more)), "{query}");
    }
    client.get(&format!("/v1/responses/{id}/input_items?limit=0")).await;
    assert_eq!(client.response().await.json()["error"]["param"], "limit");
}

#[tokio::test]
async fn a_response_in_the_background_is_queued_first_and_completed_when_asked_for() {
    let mock = provider("{respond: {text: done}}").await;
    let mut client = Client::connect(&mock).await;
    let mut begin = async || {
        client.post("/v1/responses", &with(PLAIN, json!({"background": true}))).await;
        let queued = client.response().await.json();
        assert_eq!(
            (&queued["status"], &queued["output"], &queued["usage"]),
            (&json!("queued"), &json!([]), &json!(null))
        );
        queued["id"].as_str().expect("an id").to_owned()
    };
    let (seen, cancelled) = (begin().await, begin().await);
    client.get(&format!("/v1/responses/{seen}")).await;
    assert_eq!(client.response().await.json()["status"], "completed");
    for (id, status) in [(&seen, "completed"), (&cancelled, "cancelled"), (&cancelled, "cancelled")] {
        client.post(&format!("/v1/responses/{id}/cancel"), "").await;
        assert_eq!(client.response().await.json()["status"], status);
    }
    let events = typed(&respond("{}", &with(STREAM, json!({"background": true}))).await);
    assert_eq!(kinds(&events)[..3], ["created", "queued", "in_progress"]);
}

#[tokio::test]
async fn a_custom_tool_is_called_with_text() {
    let more = json!({"tools": [{"type": "custom", "name": "c"}], "tool_choice": {"type": "custom", "name": "c"}});
    let item = respond("{}", &with(PLAIN, more.clone())).await.json()["output"][0].clone();
    assert_eq!((&item["type"], &item["name"]), (&json!("custom_tool_call"), &json!("c")));
    assert!(item["input"].as_str().is_some_and(|input| !input.is_empty()) && item["call_id"].is_string());
    let events = typed(&respond("{}", &with(STREAM, more)).await);
    let mut kinds = kinds(&events[2..]);
    kinds.dedup();
    let expected = [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn log_probabilities_come_with_their_text_when_they_are_included() {
    let more = json!({"include": ["message.output_text.logprobs"], "top_logprobs": 2});
    let events = typed(&respond("{respond: {text: one two}}", &with(STREAM, more)).await);
    let of_deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
    let of_deltas: Vec<Value> =
        of_deltas.flat_map(|event| event["logprobs"].as_array().expect("a list").clone()).collect();
    let tokens: Vec<&str> = of_deltas.iter().filter_map(|logprob| logprob["token"].as_str()).collect();
    assert_eq!((tokens, of_deltas[0]["top_logprobs"].as_array().map(Vec::len)), (vec!["one", " two"], Some(2)));
    let whole = &events.last().expect("events")["response"]["output"][0]["content"][0];
    assert_eq!(whole["logprobs"], json!(of_deltas));
    assert_eq!(respond("{}", PLAIN).await.json()["output"][0]["content"][0]["logprobs"], json!([]));
}

#[tokio::test]
async fn a_provider_that_is_not_strict_takes_bad_parameters_as_left_out() {
    let asked = with(PLAIN, json!({"temperature": 9, "tools": 1, "store": "yes", "input": ["x", {"type": "thought"}]}));
    assert_eq!(respond("{strict: off}", &asked).await.status, 200);
}

#[tokio::test]
async fn a_stream_can_be_read_again_from_any_event_on() {
    let mock = provider("{respond: {text: one two three}}").await;
    let mut client = Client::connect(&mock).await;
    client.post("/v1/responses", r#"{"model":"m","input":"hi","stream":true}"#).await;
    let first = client.response().await.text();
    let id = first.split(r#""id":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("an id").to_owned();
    client.get(&format!("/v1/responses/{id}?stream=true")).await;
    assert_eq!(client.response().await.text(), first);
    client.get(&format!("/v1/responses/{id}?stream=true&starting_after=4")).await;
    let rest = client.response().await.text();
    assert!(
        first.ends_with(&rest) && rest.contains("\"sequence_number\":5,") && !rest.contains("\"sequence_number\":4,")
    );
    client.get(&format!("/v1/responses/{id}?stream=true&starting_after=x")).await;
    assert_eq!(client.response().await.json()["error"]["param"], "starting_after");
    client.post("/v1/responses", r#"{"model":"m","input":"hi"}"#).await;
    let plain = client.response().await.json();
    client.get(&format!("/v1/responses/{}?stream=true", plain["id"].as_str().expect("an id"))).await;
    assert_eq!(client.response().await.json()["error"]["param"], "stream");
}
