//! The admin API on real sockets: what each route does.

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::desk::{Desk, KEY, TWO};
use crate::support::{Client, HI, soon};

#[tokio::test]
async fn a_configuration_goes_out_masked_and_its_marks_come_back_as_the_secrets() {
    let desk = Desk::start(TWO).await;
    let shown = desk.call("GET", "/config", "", "").await;
    assert_eq!(shown.header("etag"), Some("\"1\""));
    assert_eq!(shown.json()["providers"]["a"]["auth"]["keys"], json!(["[redacted #1]"]));
    let put = desk.call("PUT", "/config", "if-match: \"1\"\r\n", &shown.text()).await;
    assert_eq!((put.status, put.header("etag")), (200, Some("\"2\"")));
    assert_eq!(desk.ask("a", KEY, HI).await.status, 200);
}

#[tokio::test]
async fn a_change_of_an_older_version_is_refused() {
    let desk = Desk::start(TWO).await;
    let refused = desk.call("PATCH", "/config", "if-match: \"7\"\r\n", "{}").await;
    assert_eq!(refused.status, 412);
    assert_eq!(refused.json()["error"]["code"], "changed_meanwhile");
    assert_eq!(desk.fleet.running().version, 1);
}

#[tokio::test]
async fn a_bad_configuration_is_told_with_its_place_and_changes_nothing() {
    let desk = Desk::start(TWO).await;
    let refused = desk.call("PUT", "/config", "", "providers:\n  a:\n    rulez: []\n").await;
    assert_eq!(refused.status, 400);
    let error = &refused.json()["error"];
    assert_eq!((&error["line"], &error["column"]), (&json!(3), &json!(5)), "{error}");
    assert!(error["message"].as_str().expect("text").starts_with("unknown field `rulez`"), "{error}");
    assert_eq!(
        desk.ask("a", KEY, r#"{"model":"gpt-x","messages":[{"role":"user","content":"hi"}]}"#).await.status,
        200
    );
    let taken = "providers: {a: {listen: 192.0.2.1:1}, c: {}}";
    assert_eq!(desk.call("PUT", "/config", "", taken).await.status, 409);
    assert_eq!(desk.fleet.running().version, 1);
    assert!(desk.fleet.running().member("b").is_some());
}

#[tokio::test]
async fn a_patch_keeps_connections_and_counts_of_what_it_does_not_touch() {
    let desk =
        Desk::start("providers: {a: {sequence: [{respond: {text: first}}, {respond: {text: then}}]}, b: {}}").await;
    let addr = desk.fleet.running().member("a").expect("it runs").addr();
    let mut client = Client::over(TcpStream::connect(addr).await.expect("the port is open"));
    client.post("/v1/chat/completions", HI).await;
    assert!(client.response().await.text().contains("first"));
    let patch = r#"{"providers": {"b": null, "c": {"respond": {"text": "new"}}}}"#;
    assert_eq!(desk.call("PATCH", "/config", "", patch).await.status, 200);
    client.post("/v1/chat/completions", HI).await;
    assert!(client.response().await.text().contains("then"));
    assert!(desk.fleet.running().member("b").is_none());
    assert!(desk.ask("c", "", HI).await.text().contains("new"));
}

#[tokio::test]
async fn a_provider_that_is_left_out_closes_its_port() {
    let desk = Desk::start("providers: {a: {}, b: {}}").await;
    let addr = desk.fleet.running().member("b").expect("it runs").addr();
    assert_eq!(desk.call("PATCH", "/config", "", r#"{"providers": {"b": null}}"#).await.status, 200);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_provider_moves_to_another_address_and_to_tls_when_told() {
    let desk = Desk::start("providers: {a: {}}").await;
    let before = desk.fleet.running().member("a").expect("it runs").addr();
    assert_eq!(desk.call("PATCH", "/config", "", r#"{"providers": {"a": {"tls": true}}}"#).await.status, 200);
    let ready = desk.get("/ready").await;
    assert_eq!(ready["providers"]["a"]["url"], format!("https://{before}"));
    assert_eq!(
        desk.call("PATCH", "/config", "", r#"{"providers": {"a": {"listen": "127.0.0.2:0"}}}"#).await.status,
        200
    );
    assert!(desk.fleet.running().member("a").expect("it runs").addr().ip().is_loopback());
    assert!(TcpStream::connect(before).await.is_err());
}

#[tokio::test]
async fn two_providers_cannot_have_one_address() {
    let desk = Desk::start("providers: {a: {}}").await;
    let addr = desk.fleet.running().member("a").expect("it runs").addr();
    let both = format!(r#"{{"providers": {{"b": {{"listen": "{addr}"}}}}}}"#);
    let refused = desk.call("PATCH", "/config", "", &both).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("a port of its own"), "{}", refused.text());
    assert!(desk.ask("a", "", HI).await.status == 200);
}

#[tokio::test]
async fn rules_come_and_go_by_name() {
    let desk = Desk::start(TWO).await;
    let rule = "{when: {model: m-1}, respond: {text: posted}}";
    let refused = desk.call("POST", "/rules", "", rule).await;
    assert_eq!(refused.status, 400);
    let added = desk.call("POST", "/rules?provider=a", "", rule).await;
    assert_eq!((added.status, &added.json()["name"]), (201, &json!("posted-1")));
    assert!(desk.ask("a", KEY, HI).await.text().contains("posted"));
    let name = "{name: weather, respond: {text: again}}";
    assert_eq!(desk.call("POST", "/rules?provider=a", "", name).await.status, 400);
    assert_eq!(desk.call("DELETE", "/rules/posted-1?provider=a", "", "").await.status, 200);
    assert!(!desk.ask("a", KEY, HI).await.text().contains("posted"));
    assert_eq!(desk.call("DELETE", "/rules/posted-1?provider=a", "", "").await.status, 404);
}

#[tokio::test]
async fn the_journal_is_filtered_and_turned_page_by_page() {
    let desk = Desk::start(TWO).await;
    for provider in ["a", "b", "a", "b", "a"] {
        desk.ask(provider, KEY, HI).await;
    }
    let ids = |page: &Value| -> Vec<String> {
        let requests = page["requests"].as_array().expect("a list").iter();
        requests.map(|request| request["id"].as_str().expect("text").to_owned()).collect()
    };
    let first = desk.get("/journal?limit=3").await;
    assert_eq!(ids(&first), ["a-1", "b-1", "a-2"]);
    let next = first["next"].as_str().expect("there is more");
    let second = desk.get(&format!("/journal?limit=3&cursor={next}")).await;
    assert_eq!((ids(&second), &second["next"]), (vec!["b-2".to_owned(), "a-3".to_owned()], &Value::Null));
    assert_eq!(ids(&desk.get("/journal?provider=b").await), ["b-1", "b-2"]);
    assert_eq!(ids(&desk.get("/journal?status=503&rule=respond&end=complete").await), ["b-1", "b-2"]);
    assert_eq!(ids(&desk.get("/journal?model=m-*&path=*completions&fault=none&provider=a&limit=1").await), ["a-1"]);
    assert_eq!(ids(&desk.get("/unmatched").await), ["a-1", "a-2", "a-3"]);
    let late = desk.get("/ready").await["now"].to_string();
    assert!(ids(&desk.get(&format!("/journal?since={late}")).await).is_empty());
    let lines = desk.call("GET", "/journal?limit=2", "accept: application/x-ndjson\r\n", "").await;
    assert_eq!(lines.text().lines().count(), 2);
    assert!(lines.header("x-next-cursor").is_some());
    assert_eq!(desk.get("/journal/b-2").await["status"], 503);
    for bad in
        ["/journal?cursor=x", "/journal?limit=0", "/journal?colour=red", "/journal?end=never", "/journal?since=-1"]
    {
        assert_eq!(desk.call("GET", bad, "", "").await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_verification_tells_what_fits_and_why_the_nearest_do_not() {
    let desk = Desk::start(TWO).await;
    desk.ask("a", KEY, HI).await;
    desk.ask("b", KEY, HI).await;
    let fits = desk.call("POST", "/verify", "", "{when: {model: m-1}, provider: a, count: 1}").await.json();
    assert_eq!((&fits["pass"], &fits["requests"]), (&json!(true), &json!(["a-1"])));
    let misses = "{when: {model: m-2, stream: true, last_user: hi}, count: {min: 1, max: 2}}";
    insta::assert_snapshot!(desk.call("POST", "/verify", "", misses).await.text());
    assert_eq!(desk.call("POST", "/verify", "", "{when: {modle: x}}").await.status, 400);
}

#[tokio::test]
async fn the_verdict_takes_a_policy_and_never_repeats_its_keys() {
    let desk = Desk::start(TWO).await;
    desk.ask("b", KEY, HI).await;
    desk.ask("b", KEY, HI).await;
    let found = desk.call("POST", "/verdict", "", "{client_keys: [sk-canary-a]}").await;
    assert!(!found.text().contains("canary"), "{}", found.text());
    let names: Vec<Value> =
        found.json()["findings"].as_array().expect("a list").iter().map(|f| f["name"].clone()).collect();
    assert_eq!(names, ["credential_leaked", "credential_leaked", "retry_after_ignored"]);
    assert_eq!(desk.get("/verdict").await["judged"], 2);
    assert_eq!(desk.call("POST", "/verdict", "", "{client_keys: [sk]}").await.status, 400);
}

#[tokio::test]
async fn a_pause_holds_answers_until_it_is_over() {
    let desk = Desk::start("providers: {a: {respond: {text: late}}}").await;
    assert_eq!(desk.call("POST", "/pause", "", "").await.status, 200);
    assert_eq!(desk.get("/ready").await["paused"], true);
    let member = desk.fleet.running().member("a").expect("it runs").clone();
    let mut client = Client::over(TcpStream::connect(member.addr()).await.expect("the port is open"));
    client.post("/v1/chat/completions", HI).await;
    soon(member.provider().wait_until(|journal| journal.requests.iter().any(|request| request.status.is_none()))).await;
    assert_eq!(desk.call("POST", "/resume", "", "").await.status, 200);
    assert!(client.response().await.text().contains("late"));
}

#[tokio::test]
async fn a_reset_says_what_it_resets() {
    let desk = Desk::start("providers: {a: {sequence: [{respond: {text: first}}, {respond: {text: then}}]}}").await;
    assert!(desk.ask("a", "", HI).await.text().contains("first"));
    assert_eq!(desk.call("POST", "/reset?what=rules", "", "").await.json()["done"], json!(["rules"]));
    assert!(desk.ask("a", "", HI).await.text().contains("first"));
    assert_eq!(desk.get("/journal").await["requests"].as_array().map(Vec::len), Some(2));
    assert_eq!(desk.call("POST", "/reset?what=journal", "", "").await.status, 200);
    assert_eq!(desk.get("/journal").await["requests"], json!([]));
    assert!(desk.ask("a", "", HI).await.text().contains("then"));
    assert_eq!(desk.get("/journal").await["requests"][0]["id"], "a-3");
    assert_eq!(desk.call("POST", "/reset?what=memory", "", "").await.status, 400);
}

#[tokio::test]
async fn numbers_are_prometheus_text() {
    let desk = Desk::start(TWO).await;
    desk.ask("b", "", HI).await;
    let metrics = desk.call("GET", "/metrics", "", "").await;
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4")));
    let line = r#"mock_requests_total{provider="b",operation="chat",status="503",rule="respond",fault=""} 1"#;
    assert!(metrics.text().contains(line), "{}", metrics.text());
    assert!(metrics.text().contains("mock_in_flight{provider=\"b\"} 0\n"), "{}", metrics.text());
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_json_with_a_hint() {
    let desk = Desk::start("providers: {a: {}}").await;
    let unknown = desk.call("GET", "/nothing", "", "").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.json()["error"]["hint"].as_str().expect("text").contains("/__mock/openapi.json"));
    let wrong = desk.call("DELETE", "/config", "", "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, PUT, PATCH")));
}
