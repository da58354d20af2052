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
