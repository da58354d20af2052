//! `traffic.apiKeyAuthentication`: who may come in, what is told to those who may not, and what goes no further.

use mock_providers::MockProvider;

use crate::support::{Answer, Running, pool, provider, raw, start};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;

fn policy(rest: &str) -> String {
    format!(
        "---\nkind: AgentgatewayPolicy\nmetadata: {{name: keys}}\nspec:\n  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gateway}}]\n  traffic: {{apiKeyAuthentication: {rest}}}\n"
    )
}

fn secret(entries: &str) -> String {
    format!("---\nkind: Secret\nmetadata: {{name: clients}}\nstringData: {entries}\n")
}

async fn gateway(rest: &str, entries: &str) -> (MockProvider, Running) {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let manifests = pool(&[&mock], "  policies: {auth: {key: sk-provider}}\n") + &policy(rest) + &secret(entries);
    let running = start(&manifests);
    (mock, running)
}

fn ask(running: &Running, headers: &str) -> Answer {
    let length = ASK.len();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{headers}\r\n");
    raw(running.address(), format!("{head}{ASK}").as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_known_key_comes_in_and_no_key_goes_further() {
    let (mock, running) = gateway(
        "{secretRef: {name: clients}}",
        "{alice: ck-alice, bob: '{\"key\": \"ck-bob\", \"metadata\": {\"team\": \"x\"}}'}",
    )
    .await;
    let running = tokio::task::spawn_blocking(move || {
        for good in ["Authorization: Bearer ck-alice\r\n", "authorization: bearer ck-bob\r\n"] {
            assert_eq!(ask(&running, good).status, 200, "{good}");
        }
        for bad in ["", "Authorization: Bearer ck-eve\r\n", "Authorization: ck-alice\r\n", "x-api-key: ck-alice\r\n"] {
            let refused = ask(&running, bad);
            assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("bearer")), "{bad}");
            assert!(refused.json()["error"]["code"].is_string());
            let shown = format!("{}{}", refused.head, refused.text());
            assert!(!["ck-alice", "ck-bob", "ck-eve"].iter().any(|key| shown.contains(key)), "{shown}");
        }
        running
    })
    .await
    .unwrap();
    let seen = mock.journal().requests;
    assert_eq!(seen.len(), 2);
    for request in seen {
        let values: Vec<_> =
            request.head.headers().filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).collect();
        assert_eq!(values.len(), 1, "the provider's key alone");
    }
    let log = running.stop();
    assert_eq!(log.iter().filter(|record| record["reason"] == "APIKeyAuth" && record["end"] == "rejected").count(), 4);
    assert!(!log.iter().any(|record| record.to_string().contains("ck-")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_changes_acts_on_the_next_request() {
    let (mock, running) = gateway("{secretRef: {name: clients}}", "{alice: ck-old}").await;
    let next = pool(&[&mock], "") + &policy("{secretRef: {name: clients}}") + &secret("{alice: ck-new}");
    let gone = pool(&[&mock], "") + &policy("{secretRef: {name: clients}}");
    tokio::task::spawn_blocking(move || {
        let status = |key: &str| ask(&running, &format!("Authorization: Bearer {key}\r\n")).status;
        assert_eq!((status("ck-old"), status("ck-new")), (200, 401));
        running.apply(&next);
        assert_eq!((status("ck-old"), status("ck-new")), (401, 200));
        running.apply(&gone);
        assert_eq!((status("ck-old"), status("ck-new")), (500, 500), "without its Secret the route is closed");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modes_and_places_are_as_configured() {
    let cases = [
        ("{mode: Optional, secretRef: {name: clients}}", "", 200),
        ("{mode: Optional, secretRef: {name: clients}}", "Authorization: Bearer nobody\r\n", 401),
        ("{mode: Permissive, secretRef: {name: clients}}", "Authorization: Bearer nobody\r\n", 200),
        ("{secretRef: {name: clients}, location: {header: {name: x-client-key}}}", "X-Client-Key: ck-alice\r\n", 200),
        (
            "{secretRef: {name: clients}, location: {header: {name: x-client-key}}}",
            "Authorization: Bearer ck-alice\r\n",
            401,
        ),
        ("{secretRef: {name: clients}, location: {cookie: {name: key}}}", "Authorization: Bearer ck-alice\r\n", 500),
        ("{secretRef: {name: missing}}", "Authorization: Bearer ck-alice\r\n", 500),
        ("{}", "Authorization: Bearer ck-alice\r\n", 500),
    ];
    for (rest, headers, expected) in cases {
        let (_mock, running) = gateway(rest, "{alice: ck-alice}").await;
        let answer = tokio::task::spawn_blocking(move || ask(&running, headers)).await.unwrap();
        assert_eq!(answer.status, expected, "{rest} {headers}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_may_be_given_as_hashes_and_an_unreadable_entry_closes_the_route() {
    let hash = "sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    let entry = format!("{{a: '{{\"keyHash\": \"{hash}\"}}'}}");
    for (entries, key, expected) in [
        (entry.as_str(), "one", 200),
        (entry.as_str(), hash, 401),
        ("{a: '{\"keyHash\": \"sha256:short\"}'}", "one", 500),
        ("{a: '{\"key\": \"one\", \"allowedModels\": [\"m\"]}'}", "one", 500),
        ("{a: one, b: ''}", "one", 500),
    ] {
        let (_mock, running) = gateway("{secretRef: {name: clients}}", entries).await;
        let header = format!("Authorization: Bearer {key}\r\n");
        let answer = tokio::task::spawn_blocking(move || ask(&running, &header)).await.unwrap();
        assert_eq!(answer.status, expected, "{entries} {key}");
    }
}
