use mock_providers::MockProvider;

use crate::support::{Client, HI, Response, provider, settled};

async fn with(mock: &MockProvider, header: &str) -> Response {
    let mut client = Client::connect(mock).await;
    let length = HI.len();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{header}\r\ncontent-length: {length}\r\n\r\n");
    client.send(head + HI).await;
    client.response().await
}

#[tokio::test]
async fn a_request_steers_its_answer_where_the_script_allows_that() {
    let yaml = "{allow_overrides: true, rules: [{name: odd, when: {model: odd}, respond: {text: odd}}]}";
    let mock = provider(yaml).await;
    assert_eq!(with(&mock, "X-Mock-Status: 503").await.status, 503);
    assert_eq!(with(&mock, "X-Mock-Fault: {\"status\": 429}").await.status, 429);
    assert_eq!(with(&mock, "X-Mock-Delay: 1ms").await.status, 200);
    assert_eq!(with(&mock, "X-Mock-Rule: odd").await.json()["choices"][0]["message"]["content"], "odd");
    for (header, part) in [
        ("X-Mock-Rule: even", "there is no rule `even`, only: odd"),
        ("X-Mock-Fault: stal", "there is no fault `stal`"),
        ("X-Mock-Delay: 5", "unit"),
    ] {
        let response = with(&mock, header).await;
        assert!(response.status == 400 && response.text().contains(part), "{header}: {}", response.text());
    }
    let faults: Vec<_> = settled(&mock).await.requests.into_iter().map(|record| record.fault).collect();
    assert_eq!(faults[2].as_deref(), Some("hang_before_head"));
}

#[tokio::test]
async fn without_leave_the_headers_are_only_headers_and_the_session_a_label() {
    let mock = provider("{rules: [{name: mine, when: {session: mine}, respond: {text: mine}}]}").await;
    assert_eq!(with(&mock, "X-Mock-Status: 503").await.status, 200);
    assert_eq!(with(&mock, "X-Mock-Fault: nonsense").await.status, 200);
    assert_eq!(with(&mock, "X-Mock-Session: mine").await.status, 200);
    let records = settled(&mock).await.requests;
    let labels: Vec<_> = records.iter().map(|record| (&*record.rule, record.session.as_deref())).collect();
    assert_eq!(labels, [("default", None), ("default", None), ("mine", Some("mine"))]);
}
