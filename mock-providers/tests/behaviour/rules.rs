use crate::support::{Client, HI, chat, provider, script, settled};

fn text(body: &serde_json::Value) -> &str {
    body["choices"][0]["message"]["content"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_sequence_steps_on_and_its_last_step_repeats() {
    let mock = provider("{sequence: [{fault: {status: 503}, times: 2}, {respond: {text: fine}}]}").await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(chat(&mock, HI).await.status);
    }
    assert_eq!(statuses, [503, 503, 200, 200, 200]);
}

#[tokio::test]
async fn a_rule_that_is_used_up_is_passed_over() {
    let mock = provider("{rules: [{name: once, times: 1, respond: {text: first}}], respond: {text: later}}").await;
    assert_eq!(text(&chat(&mock, HI).await.json()), "first");
    assert_eq!(text(&chat(&mock, HI).await.json()), "later");
    let rules: Vec<_> = settled(&mock).await.requests.into_iter().map(|record| record.rule.to_string()).collect();
    assert_eq!(rules, ["once", "respond"]);
}

#[tokio::test]
async fn rules_match_on_every_part_of_a_request() {
    let yaml = r#"
rules:
  - {name: by-model, when: {model: "gpt-*"}, respond: {text: x}}
  - {name: by-stream, when: {stream: true}, respond: {text: x}}
  - {name: by-header, when: {header: {X-Test: {contains: blue}}}, respond: {text: x}}
  - {name: by-body, when: {body: {"$.metadata.tier": gold, "$.metadata.none": {present: false}}}, respond: {text: x}}
  - {name: by-user, when: {last_user: {matches: "^wea.her$"}}, respond: {text: x}}
  - {name: by-path, when: {path: "/other/*", method: post}, respond: {text: x}}
"#;
    let mock = provider(yaml).await;
    let chat = "/v1/chat/completions";
    let cases = [
        (chat, "", HI.replace("m-1", "gpt-9")),
        (chat, "", HI.replace("\"m-1\"", "\"m-1\",\"stream\":true")),
        (chat, "x-test: deep blue\r\n", HI.to_owned()),
        (chat, "", HI.replace("\"m-1\"", "\"m-1\",\"metadata\":{\"tier\":\"gold\"}")),
        (chat, "", HI.replace("\"hi\"", "[{\"type\":\"text\",\"text\":\"weather\"}]")),
        ("/other/chat/completions", "", HI.to_owned()),
        (chat, "", HI.to_owned()),
    ];
    let mut client = Client::connect(&mock).await;
    for (path, header, body) in cases {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\n{header}content-length: {length}\r\n\r\n");
        client.send(head + &body).await;
        assert_eq!(client.response().await.status, 200);
    }
    let rules: Vec<_> = settled(&mock).await.requests.into_iter().map(|record| record.rule.to_string()).collect();
    assert_eq!(rules, ["by-model", "by-stream", "by-header", "by-body", "by-user", "by-path", "default"]);
}

#[tokio::test]
async fn rules_see_keys_queries_and_whole_conversations() {
    let yaml = r#"
rules:
  - {name: by-key, when: {key: {prefix: "sk-team-"}}}
  - {name: by-query, when: {query: {api-version: "2024-10 21"}}}
  - {name: by-model, when: {model: {matches: "-2$"}}}
  - {name: result, when: {has_tool_result: true, tool_result: {contains: sunny}, tool_call_id: c1, turn: 1}}
  - {name: tools, when: {tools_include: [f, g], tools_hash: "TOOLS"}}
  - {name: by-system, when: {system: {regex: "^be "}, any_message: hi}}
  - {name: limits, when: {n_gt: 1, max_tokens_lt: 5, response_format: json_object}}
  - {name: image, when: {image_input: true}}
  - {name: either, when: {any_of: [{last_user: hm}, {last_user: ha}], not: {stream: true}}}
"#;
    let tools = r#""tools":[{"function":{"name":"f"}},{"function":{"name":"g"}}],"messages""#;
    let messages = |messages: &str| format!(r#"{{"model":"m-1","messages":[{messages}]}}"#);
    let user = r#"{"role":"user","content":"hi"}"#;
    let call =
        r#"{"role":"assistant","tool_calls":[{"id":"c1"}]},{"role":"tool","tool_call_id":"c1","content":"sunny"}"#;
    let image = r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,"}}]}"#;
    let cases = [
        ("", "authorization: Bearer sk-team-1\r\n", HI.to_owned(), "by-key"),
        ("?a=b&api-version=2024-10%2021", "", HI.to_owned(), "by-query"),
        ("", "", HI.replace("m-1", "m-2"), "by-model"),
        ("", "", messages(&format!("{user},{call}")), "result"),
        ("", "", messages(&format!("{user},{call},{user}")), "default"),
        ("", "", HI.replace("\"messages\"", tools), "tools"),
        ("", "", messages(&format!(r#"{{"role":"developer","content":"be brief"}},{user}"#)), "by-system"),
        (
            "",
            "",
            HI.replace("\"m-1\"", r#""m-1","n":2,"max_tokens":4,"response_format":{"type":"json_object"}"#),
            "limits",
        ),
        ("", "", messages(image), "image"),
        ("", "", HI.replace("\"hi\"", "\"ha\""), "either"),
        ("", "", HI.replace("\"hi\"", "\"ha\"").replace("\"m-1\"", "\"m-1\",\"stream\":true"), "default"),
    ];
    // The hash is copied out of a journal, as people do.
    let probe = provider("rules: [{}]").await;
    chat(&probe, &HI.replace("\"messages\"", tools)).await;
    let hash = settled(&probe).await.requests[0].tools_hash.clone().expect("there are tools");
    let mock = provider(&yaml.replace("TOOLS", &hash)).await;
    let mut client = Client::connect(&mock).await;
    for (query, header, body, rule) in &cases {
        let length = body.len();
        let path = format!("/v1/chat/completions{query}");
        client.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\n{header}content-length: {length}\r\n\r\n{body}")).await;
        client.response().await;
        let journal = settled(&mock).await;
        let record = journal.requests.last().expect("a request");
        assert_eq!(&*record.rule, *rule, "{query} {header} {body}: {:?}", record.rejected);
    }
}

#[tokio::test]
async fn rules_go_by_priority_and_by_the_count_of_their_matches() {
    let yaml = r#"
rules:
  - {name: usual, respond: {text: usual}}
  - {name: third, priority: 1, when: {nth: 3}, respond: {text: third}}
  - {name: odd, priority: 2, when: {nth: [1, 3]}, respond: {text: odd}}
"#;
    let mock = provider(yaml).await;
    for expected in ["odd", "usual", "third", "odd", "usual"] {
        assert_eq!(text(&chat(&mock, HI).await.json()), expected);
    }
}

#[tokio::test]
async fn a_sequence_says_what_comes_after_its_end() {
    for (on_exhausted, expected) in [
        ("repeat_last", ["one", "two", "two", "two"]),
        ("cycle", ["one", "two", "one", "two"]),
        ("fall_through", ["one", "two", "next", "next"]),
        ("error", ["one", "two", "", ""]),
    ] {
        let steps = "[{respond: {text: one}}, {respond: {text: two}}]";
        let rule = format!("{{sequence: {{steps: {steps}, on_exhausted: {on_exhausted}}}}}");
        let mock = provider(&format!("{{rules: [{rule}], respond: {{text: next}}}}")).await;
        for expected in expected {
            let response = chat(&mock, HI).await;
            let wanted = if expected.is_empty() { 404 } else { 200 };
            assert_eq!((response.status, text(&response.json())), (wanted, expected), "{on_exhausted}");
        }
    }
}

#[tokio::test]
async fn the_journal_says_why_rules_were_passed_over_and_what_was_drawn() {
    let yaml = r#"
rules:
  - {name: by-model, when: {model: gpt-4, stream: true}}
  - {name: by-key, when: {header: {authorization: {equals: "Bearer other"}}}}
  - {name: spent, times: 0}
"#;
    let mock = provider(yaml).await;
    let mut client = Client::connect(&mock).await;
    let length = HI.len();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer sk-secret\r\n";
    client.send(format!("{head}content-length: {length}\r\n\r\n{HI}")).await;
    client.response().await;
    let record = settled(&mock).await.requests.remove(0);
    let reasons: Vec<_> = record.rejected.iter().map(|(rule, reason)| (rule.as_str(), reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            ("by-model", "model is `m-1`"),
            ("by-key", "header.authorization is `Bearer [redacted]`"),
            ("spent", "times are used up"),
        ]
    );
    let draws = record.draws.expect("an admitted request has draws");
    assert_eq!((draws.seed, draws.occurrence, draws.roll), (0, 1, None));
    let shown = serde_json::to_value(&record).expect("JSON");
    assert_eq!(shown["draws"]["request"], format!("{:016x}", draws.request));
    assert!(!format!("{record:?}{shown}").contains("sk-secret"));
}

#[tokio::test]
async fn where_the_script_says_so_an_unmatched_request_is_an_error_that_names_the_nearest_rules() {
    let yaml = r#"
unmatched: error
rules:
  - {name: far, when: {model: x, stream: true}}
  - {name: near, when: {model: "m-*", last_user: weather}}
"#;
    let mock = provider(yaml).await;
    let response = chat(&mock, HI).await;
    let error = &response.json()["error"];
    let message = error["message"].as_str().expect("a message");
    assert_eq!((response.status, error["code"].as_str()), (404, Some("no_rule_matched")));
    assert!(message.contains("`near` (last_user is `hi`); `far` (model is `m-1`, stream is false)"), "{message}");
    let mut client = Client::connect(&mock).await;
    client.post("/v1/messages", HI).await;
    let response = client.response().await;
    assert_eq!((response.status, response.json()["error"]["type"].as_str()), (404, Some("not_found_error")));
}

#[tokio::test]
async fn a_new_script_answers_from_the_next_request_on() {
    let yaml = "{sequence: [{respond: {text: one}}, {respond: {text: two}}]}";
    let mock = provider(yaml).await;
    assert_eq!(text(&chat(&mock, HI).await.json()), "one");
    mock.set_script(script(yaml));
    assert_eq!(text(&chat(&mock, HI).await.json()), "one");
    assert_eq!(text(&chat(&mock, HI).await.json()), "two");
}

#[test]
fn a_misspelt_key_and_a_bad_expression_are_errors_with_a_place() {
    use mock_providers::script::Provider;
    for (yaml, part) in [
        ("respond: {txt: x}", "txt"),
        ("fault: {stall: {after: 3}}", "after"),
        ("rules: [{when: {last_user: {matches: '('}}}]", "regex"),
        ("rules: [{when: {body: {'$[': 1}}}]", "JSONPath"),
        ("latency: {head: 5}", "unit"),
        ("respond: {sse: [{data: a, raw: b}]}", "exactly one"),
    ] {
        let error = serde_saphyr::from_str::<Provider>(yaml).expect_err(yaml).to_string();
        assert!(error.contains(part), "{yaml}: {error}");
    }
}
