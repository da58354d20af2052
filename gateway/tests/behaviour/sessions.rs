//! `sessionPersistence`: requests of one session meet one provider, and a provider that leaves takes no others along.

use std::net::SocketAddr;

use mock_providers::MockProvider;

use crate::support::{Answer, pool, provider, raw, start};

const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

/// One group of these providers, under a rule that keeps sessions.
fn sticky(providers: &[&MockProvider], persistence: &str) -> String {
    let manifests = pool(providers, "").replace("}]\n        - providers: [", "}, ");
    let rule = format!("  rules:\n    - sessionPersistence: {persistence}\n      backendRefs");
    manifests.replace("  rules:\n    - backendRefs", &rule)
}

fn ask(address: SocketAddr, header: &str) -> Answer {
    let length = ASK.len();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\n{header}Content-Length: {length}\r\n\r\n");
    raw(address, format!("{head}{ASK}").as_bytes())
}

async fn three() -> [MockProvider; 3] {
    let named = |name: &'static str| async move { provider(name, &format!("{{respond: {{text: {name}}}}}")).await };
    [named("a").await, named("b").await, named("c").await]
}

fn served_by(answer: &Answer) -> String {
    answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_meets_the_same_provider_and_one_that_leaves_moves_only_its_own() {
    let [a, b, c] = three().await;
    let persistence = "{type: Header, sessionName: x-session}";
    let running = start(&sticky(&[&a, &b, &c], persistence));
    let address = running.address();
    let round = move || async move {
        let user = move |user| served_by(&ask(address, &format!("X-Session: user-{user}\r\n")));
        tokio::task::spawn_blocking(move || (0..40).map(user).collect::<Vec<_>>()).await.unwrap()
    };
    let before = round().await;
    assert_eq!(round().await, before);
    assert!(["a", "b", "c"].iter().all(|name| before.iter().any(|served| served == name)), "{before:?}");
    running.apply(&sticky(&[&a, &c], persistence));
    let after = round().await;
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || before == "b", "{before} became {after}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_session_gets_a_cookie_and_returns_to_who_served_it() {
    let [a, b, c] = three().await;
    let persistence = "{sessionName: seat, absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}";
    let running = start(&sticky(&[&a, &b, &c], persistence));
    let address = running.address();
    let rounds = tokio::task::spawn_blocking(move || {
        for _ in 0..8 {
            let first = ask(address, "");
            let told = first.header("set-cookie").unwrap().to_owned();
            assert!(told.ends_with("; path=/; httponly; samesite=lax; max-age=3600"), "{told}");
            let cookie = told.split(';').next().unwrap();
            for _ in 0..5 {
                let next = ask(address, &format!("Cookie: other=1; {cookie}\r\n"));
                assert_eq!((served_by(&next), next.header("set-cookie")), (served_by(&first), None));
            }
        }
    });
    rounds.await.unwrap();
    let cookies = a.journal().requests.iter().filter(|request| request.header("cookie").is_some()).count();
    assert_eq!(cookies, 0, "the provider has no business with it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_hold_across_weighted_static_backends_too() {
    let [a, b, _] = three().await;
    let reference = |name: &str| format!("{{name: {name}, group: agentgateway.dev, kind: AgentgatewayBackend}}");
    let backend = |mock: &MockProvider| {
        let (name, port) = (mock.name(), mock.addr().port());
        let spec = format!("{{static: {{host: 127.0.0.1, port: {port}}}}}");
        format!("\n---\nkind: AgentgatewayBackend\nmetadata: {{name: {name}}}\nspec: {spec}")
    };
    let manifests = sticky(&[&a], "{type: Header, sessionName: x-session}");
    let manifests = manifests.replace(&reference("pool"), &format!("{}, {}", reference("a"), reference("b")));
    let running = start(&format!("{manifests}{}{}", backend(&a), backend(&b)));
    let address = running.address();
    let rounds = tokio::task::spawn_blocking(move || {
        for _ in 0..8 {
            let first = ask(address, "");
            let session = format!("X-Session: {}\r\n", first.header("x-session").unwrap());
            assert!((0..5).all(|_| served_by(&ask(address, &session)) == served_by(&first)));
        }
    });
    rounds.await.unwrap();
}
