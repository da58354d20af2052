//! Changing what goes wrong while providers run: faults put over scripts, states, and what a reset resets.

use serde_json::{Value, json};

use crate::desk::{Desk, KEY, TWO};
use crate::support::HI;

const PROVIDERS: &str = r#"
states:
  outage: {initial: up, states: {up: {}, down: {faults: [{status: 504}]}}}
providers:
  a: {faults: [{status: 502}], sequence: [{respond: {text: first}}, {respond: {text: then}}]}
"#;

impl Desk {
    async fn status(&self, provider: &str) -> u16 {
        self.ask(provider, "", HI).await.status
    }

    async fn inject(&self, fault: &str) -> Value {
        let added = self.call("POST", "/faults", "", fault).await;
        assert_eq!(added.status, 201, "{}", added.text());
        added.json()
    }

    async fn reset(&self, what: &str) {
        let done = self.call("POST", &format!("/reset?what={what}"), "", "").await;
        assert_eq!(done.status, 200, "{}", done.text());
    }
}

#[tokio::test]
async fn a_fault_that_is_put_over_a_script_comes_first_and_once_if_it_says_so() {
    let desk = Desk::start(PROVIDERS).await;
    assert_eq!(desk.inject("{times: 1, status: 418}").await, json!({"provider": "a", "id": "fault-1"}));
    assert_eq!((desk.status("a").await, desk.status("a").await), (418, 502));
    desk.call("PUT", "/states/outage", "", "down").await;
    assert_eq!(desk.status("a").await, 504);
    desk.inject("status: 418").await;
    assert_eq!((desk.status("a").await, desk.status("a").await), (418, 418));
    let faults = desk.get("/faults?provider=a").await;
    let fired: Vec<Value> =
        faults["faults"].as_array().expect("a list").iter().map(|one| one["fired"].clone()).collect();
    assert_eq!(fired, [2, 1]);
    assert_eq!(faults["faults"][0], json!({"id": "fault-2", "provider": "a", "fired": 2, "fault": {"status": 418}}));
    assert_eq!(desk.call("DELETE", "/faults/fault-2", "", "").await.json()["done"], json!(["fault-2"]));
    assert_eq!(desk.status("a").await, 504);
    let gone = desk.call("DELETE", "/faults/fault-2", "", "").await;
    assert!(gone.status == 404 && gone.text().contains("there are fault-1"), "{}", gone.text());
}

#[tokio::test]
async fn such_faults_share_the_one_roll_and_are_decided_as_early_as_others() {
    let desk = Desk::start("providers: {a: {}}").await;
    desk.inject("{probability: 0.000001, status: 418}").await;
    assert_eq!(desk.status("a").await, 200);
    desk.inject("{early_response: drain, status: 413, times: 1}").await;
    assert_eq!((desk.status("a").await, desk.status("a").await), (413, 200));
    desk.inject("{accept_then_close: true, nth: 2}").await;
    assert_eq!(desk.status("a").await, 200);
    let addr = desk.fleet.running().member("a").expect("it runs").addr();
    let mut stream = tokio::net::TcpStream::connect(addr).await.expect("the port is open");
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await.expect("a clean end");
    assert!(rest.is_empty());
    assert_eq!(desk.status("a").await, 200);
}

#[tokio::test]
async fn such_faults_outlive_other_scripts_and_a_provider_that_starts_anew() {
    let desk = Desk::start("providers: {a: {}}").await;
    desk.inject("{status: 418, when: {key: sk-canary-f}}").await;
    let asked = || desk.ask("a", "authorization: Bearer sk-canary-f\r\n", HI);
    assert_eq!(asked().await.status, 418);
    desk.call("PATCH", "/config", "", r#"{"providers": {"a": {"respond": {"status": 503}}}}"#).await;
    assert_eq!((asked().await.status, desk.status("a").await), (418, 503));
    desk.call("PATCH", "/config", "", r#"{"seed": 7}"#).await;
    assert_eq!((asked().await.status, desk.status("a").await), (418, 503));
    let shown = desk.call("GET", "/faults", "", "").await;
    assert_eq!(shown.json()["faults"][0]["fired"], 3);
    assert!(!shown.text().contains("canary"), "{}", shown.text());
    desk.reset("faults").await;
    assert_eq!((asked().await.status, desk.get("/faults").await), (503, json!({"faults": []})));
}

#[tokio::test]
async fn a_fault_that_could_never_happen_is_refused_with_the_reason() {
    let desk = Desk::start(PROVIDERS).await;
    for (fault, reason) in [
        ("{}", "the fault does nothing"),
        ("{times: 1}", "the fault does nothing"),
        ("{status: 503, state: {outrage: down}}", "there are: outage"),
        ("{status: 503, times: 0}", "0 times"),
        ("{stats: 503}", "unknown field `stats`"),
        ("{status: 503, when: {nth: 2}}", "an `nth` of its own"),
    ] {
        let refused = desk.call("POST", "/faults", "", fault).await;
        assert!(refused.status == 400 && refused.text().contains(reason), "{fault}: {}", refused.text());
    }
    assert_eq!(desk.call("POST", "/faults?provider=b", "", "status: 503").await.status, 404);
}

#[tokio::test]
async fn machines_go_where_they_are_sent() {
    let desk = Desk::start(PROVIDERS).await;
    let machine = || async { desk.get("/states").await["machines"]["outage"].clone() };
    assert_eq!(machine().await, json!({"state": "up", "states": ["down", "up"]}));
    let sent = desk.call("PUT", "/states/outage", "", r#"{"state": "down"}"#).await;
    assert_eq!(sent.json(), json!({"machine": "outage", "state": "down"}));
    assert_eq!(
        (machine().await["state"].clone(), desk.get("/ready").await["states"]["outage"].clone()),
        ("down".into(), "down".into())
    );
    assert_eq!(desk.status("a").await, 504);
    desk.call("PUT", "/states/outage", "", "up").await;
    assert_eq!(desk.status("a").await, 502);
    for (path, body, status, reason) in [
        ("/states/outrage", "down", 404, "there are: outage"),
        ("/states/outage", "dwn", 400, "it has: down, up"),
        ("/states/outage", "{}", 400, "names no state"),
        ("/states/outage", "7", 400, "names no state"),
    ] {
        let refused = desk.call("PUT", path, "", body).await;
        assert!(refused.status == status && refused.text().contains(reason), "{path} {body}: {}", refused.text());
    }
}

#[tokio::test]
async fn a_reset_resets_what_it_names_and_nothing_else() {
    let yaml = "states: {m: {initial: up, states: {up: {}, down: {}}}}\n\
                providers: {a: {limits: {rpm: 2}, rules: [{when: {state: {m: up}}, times: 1, respond: {status: 201}}]}}";
    let each = ["journal", "rules", "faults", "limits", "states", "all"];
    for what in each {
        let desk = Desk::start(yaml).await;
        desk.inject("{status: 418, nth: 9}").await;
        let body = desk.ask("a", "", HI).await;
        assert_eq!((body.status, desk.status("a").await, desk.status("a").await), (201, 200, 429));
        desk.call("PUT", "/states/m", "", "down").await;
        desk.reset(what).await;
        let reset = |part: &str| what == part || what == "all";
        let kept = desk.get("/journal").await["requests"].as_array().map(Vec::len);
        assert_eq!(kept, Some(if reset("journal") { 0 } else { 3 }), "{what}");
        assert_eq!(
            desk.get("/faults").await["faults"].as_array().map(Vec::len),
            Some(usize::from(!reset("faults"))),
            "{what}"
        );
        assert_eq!(desk.get("/ready").await["states"]["m"], if reset("states") { "up" } else { "down" }, "{what}");
        desk.call("PUT", "/states/m", "", "up").await;
        let again = match (reset("limits"), reset("rules")) {
            (false, _) => 429,
            (true, false) => 200,
            (true, true) => 201,
        };
        assert_eq!(desk.status("a").await, again, "{what}");
        let last = desk.get("/journal").await["requests"].as_array().and_then(|all| all.last().cloned());
        let occurrence = last.expect("it was just made")["draws"]["occurrence"].clone();
        assert_eq!(occurrence, if reset("rules") { 1 } else { 4 }, "{what}");
    }
}

#[tokio::test]
async fn a_verification_asks_as_rules_do_and_says_what_it_cannot_know() {
    let desk = Desk::start("providers: {a: {dialect: azure}, b: {}}").await;
    desk.ask("a", "api-key: sk-canary-z\r\nx-mock-session: s-1\r\n", HI).await;
    desk.ask("b", "authorization: Bearer sk-canary-z\r\nx-mock-session: s-2\r\n", HI).await;
    for (when, requests) in [
        ("{dialect: azure}", vec!["a-1"]),
        ("{dialect: openai}", vec!["b-1"]),
        ("{key: sk-canary-z}", vec!["a-1", "b-1"]),
        ("{session: s-2, not: {dialect: azure}}", vec!["b-1"]),
        ("{turn: 0, last_user: hi, header: {api-key: {present: true}}}", vec!["a-1"]),
    ] {
        let verified = desk.call("POST", "/verify", "", &format!("when: {when}")).await.json();
        assert_eq!(verified["requests"], json!(requests), "{when}");
    }
    for (when, key) in
        [("{nth: 1}", "nth"), ("{state: {m: up}}", "state"), ("{any_of: [{not: {state: {m: up}}}]}", "state")]
    {
        let refused = desk.call("POST", "/verify", "", &format!("when: {when}")).await;
        let reason = format!("`{key}` cannot be verified");
        assert!(refused.status == 400 && refused.text().contains(&reason), "{when}: {}", refused.text());
    }
    assert_eq!(desk.get("/journal?session=s-1").await["requests"][0]["id"], "a-1");
}

#[tokio::test]
async fn what_no_rule_matched_is_listed_with_the_reasons_and_without_strangers() {
    let desk = Desk::start(TWO).await;
    desk.ask("a", "authorization: Bearer sk-canary-stranger\r\n", HI).await;
    desk.ask("a", KEY, HI).await;
    let unmatched = desk.get("/unmatched").await["requests"].clone();
    assert_eq!(unmatched.as_array().map(Vec::len), Some(1), "{unmatched}");
    assert_eq!(unmatched[0]["rejected"], json!([["weather", "model is `m-1`"]]));
}
