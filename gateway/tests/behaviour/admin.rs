//! What the administrator's address tells: every object's status, of the configuration in use and of no other.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{Running, pool, provider, raw, start_with};

fn address(running: &Running, what: &str) -> SocketAddr {
    running.notice(&format!("{what} address=")).rsplit_once('=').unwrap().1.parse().unwrap()
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = raw(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    (answer.status, answer.text())
}

/// Status of the route `pool` by condition type, with the generation that it is about.
fn route(address: SocketAddr) -> Vec<(String, String, i64)> {
    let (status, text) = get(address, "/status");
    assert_eq!(status, 200);
    let list: Value = serde_json::from_str(&text).unwrap();
    let items = list["items"].as_array().unwrap();
    let route = items.iter().find(|item| item["kind"] == "HTTPRoute" && item["metadata"]["name"] == "pool").unwrap();
    let conditions = route["status"]["parents"][0]["conditions"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    conditions
        .iter()
        .map(|c| (text(&c["type"]), text(&c["status"]), c["observedGeneration"].as_i64().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_address_tells_the_status_of_the_configuration_in_use() {
    let mock = provider("a", "{}").await;
    let first = pool(&[&mock], "").replace("metadata: {name: pool}", "metadata: {name: pool, generation: 1}");
    let running = start_with(&first, |options| options.admin = Some("127.0.0.1:0".parse().unwrap()));
    tokio::task::spawn_blocking(move || {
        let admin = address(&running, "admin");
        assert!(route(admin).contains(&("ResolvedRefs".to_owned(), "True".to_owned(), 1)), "{:?}", route(admin));
        let second = first.replace("generation: 1", "generation: 2");
        let second = second.replace("{name: pool, group", "{name: nobody, group");
        assert!(running.apply(&second).starts_with("reloaded"));
        assert!(route(admin).contains(&("ResolvedRefs".to_owned(), "False".to_owned(), 2)), "{:?}", route(admin));
        assert!(running.apply("kind: Gateway\nmetadata: {nmae: x}\n").starts_with("reload refused"));
        assert!(route(admin).contains(&("ResolvedRefs".to_owned(), "False".to_owned(), 2)), "{:?}", route(admin));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_admin_address_tells_status() {
    let mock = provider("a", "{}").await;
    let running = start_with(&pool(&[&mock], ""), |options| options.admin = Some("127.0.0.1:0".parse().unwrap()));
    tokio::task::spawn_blocking(move || {
        for public in ["metrics", "ready"] {
            let (status, text) = get(address(&running, public), "/status");
            assert_eq!(status, 404, "{public}: {text}");
            assert!(!text.contains("pool"), "{text}");
        }
    })
    .await
    .unwrap();
}
