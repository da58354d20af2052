//! The admin page: what its views tell, to whom, live, and that no secret is among it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use mock_providers::MockProvider;
use serde_json::Value;

use crate::support::{Answer, Running, chat, pool, provider, raw, read, start_with};

const ASK: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"canary-prompt"}]}"#;
const VIEWS: [&str; 6] = ["overview", "listeners", "routes", "backends", "configuration", "exchanges"];

/// A gateway with an admin page, and where that is.
fn paged(manifests: &str) -> (Running, SocketAddr) {
    priced(manifests, None)
}

/// The same with a model catalog.
fn priced(manifests: &str, catalog: Option<PathBuf>) -> (Running, SocketAddr) {
    let running = start_with(manifests, |options| {
        options.admin = Some("127.0.0.1:0".parse().unwrap());
        options.model_catalog = catalog;
    });
    let address = running.notice("admin address=").rsplit_once('=').unwrap().1.parse().unwrap();
    (running, address)
}

fn get(admin: SocketAddr, path: &str) -> Answer {
    raw(admin, format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n\r\n").as_bytes())
}

fn view(admin: SocketAddr, path: &str) -> Value {
    let answer = get(admin, path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// The exchanges, once there are so many.
fn exchanges(admin: SocketAddr, count: usize) -> Vec<Value> {
    loop {
        let told = view(admin, "/api/exchanges");
        let all = told["exchanges"].as_array().unwrap();
        if all.len() >= count {
            return all.clone();
        }
        std::thread::yield_now();
    }
}

/// The first provider is out of order, the second one answers.
async fn failing_over() -> (MockProvider, MockProvider, String) {
    let out = provider("out", "{respond: {status: 503, json: {}}}").await;
    let good = provider("good", "{respond: {text: canary-answer}}").await;
    let manifests = pool(&[&out, &good], "  policies: {auth: {key: canary-provider-key}}\n");
    (out, good, manifests)
}

/// What is another value in each run: replaced by its kind.
fn settled(value: Value, key: &str) -> Value {
    const RUN: [&str; 14] = [
        "time",
        "since",
        "request_id",
        "trace_id",
        "span_id",
        "address",
        "endpoint",
        "upstream_request_id",
        "score",
        "returns_in_ms",
        "requests_per_second",
        "tokens_per_second",
        "host",
        "latency_ms",
    ];
    match value {
        Value::Array(all) if key == "series" => Value::from(vec![format!("{} buckets", all.len())]),
        Value::Array(all) => all.into_iter().map(|one| settled(one, key)).collect(),
        Value::Object(map) if key == "endpoint" => Value::from(format!("{:?}", map.keys().collect::<Vec<_>>())),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key.clone(), settled(value, &key))).collect(),
        Value::String(_) if RUN.contains(&key) => "text".into(),
        Value::Number(_) if RUN.contains(&key) || key.ends_with("_ms") => "number".into(),
        other => other,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_has_a_twin_in_json() {
    let (_out, _good, manifests) = failing_over().await;
    let (running, admin) = paged(&manifests);
    tokio::task::spawn_blocking(move || {
        assert_eq!(chat(running.address(), ASK).status, 200);
        exchanges(admin, 1);
        for name in VIEWS.iter().map(|name| (*name).to_owned()).chain(["exchanges/1".to_owned()]) {
            let told = settled(view(admin, &format!("/api/{name}")), "");
            insta::assert_snapshot!(name.replace('/', "_"), serde_json::to_string_pretty(&told).unwrap());
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_and_the_last_minutes_have_the_price_of_the_catalog() {
    let mock = provider("a", "{respond: {text: ok, usage: {prompt_tokens: 1000, completion_tokens: 10}}}").await;
    let folder = tempfile::tempdir().unwrap();
    let catalog = folder.path().join("prices.yaml");
    let rates = "providers: {openai: {models: {m-1: {rates: {input: '2.5', output: '10'}}}}}";
    std::fs::write(&catalog, rates).unwrap();
    let (running, admin) = priced(&pool(&[&mock], ""), Some(catalog));
    tokio::task::spawn_blocking(move || {
        chat(running.address(), ASK);
        assert_eq!(exchanges(admin, 1)[0]["cost"], 0.0026);
        let overview = view(admin, "/api/overview");
        for told in [&overview["last_minute"], &overview["routes"][0], &overview["models"][0]] {
            assert_eq!(told["cost"], 0.0026, "{overview}");
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_waterfall_of_an_exchange_is_in_order() {
    let (_out, _good, manifests) = failing_over().await;
    let (running, admin) = paged(&manifests);
    tokio::task::spawn_blocking(move || {
        chat(running.address(), ASK);
        let exchange = exchanges(admin, 1).remove(0);
        let attempts = exchange["attempts"].as_array().unwrap();
        let times =
            attempts.iter().flat_map(|one| [one["start_ms"].as_f64().unwrap(), one["head_ms"].as_f64().unwrap()]);
        let times: Vec<f64> = times.chain([exchange["duration_ms"].as_f64().unwrap()]).collect();
        assert!(times.len() == 5 && times[0] > 0.0 && times.is_sorted(), "{times:?}");
        let connects =
            attempts.iter().map(|one| one["start_ms"].as_f64().unwrap() + one["connect_ms"].as_f64().unwrap());
        assert!(connects.zip([times[1], times[3]]).all(|(connected, head)| connected < head), "{attempts:?}");
        assert_eq!((&attempts[0]["good"], &attempts[1]["good"]), (&Value::from(false), &Value::from(true)));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_view_tells_a_secret_or_a_word_of_a_body() {
    let (_out, _good, manifests) = failing_over().await;
    let matched = "rules:\n    - matches: [{headers: [{name: x-api-key, value: canary-header}], queryParams: [{name: api_key, value: canary-query}]}]\n      backendRefs: [{name: pool, group: agentgateway.dev, kind: AgentgatewayBackend}]\n";
    let (running, admin) = paged(&manifests.replacen("rules:\n", matched, 1));
    tokio::task::spawn_blocking(move || {
        let secret = format!(
            "POST /v1/chat/completions?key=canary-client HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer canary-client\r\nContent-Length: {}\r\n\r\n{ASK}",
            ASK.len()
        );
        assert_eq!(raw(running.address(), secret.as_bytes()).status, 200);
        exchanges(admin, 1);
        running.apply("kind: Secret\nmetadata: {name: s}\nstringData: {apiKey: [canary-broken]}\n");
        let pages = VIEWS.iter().map(|name| format!("/api/{name}"));
        for path in pages.chain(["/api/exchanges/1", "/status", "/config", "/metrics"].map(str::to_owned)) {
            let text = get(admin, &path).text();
            assert!(text.len() > 20 && !text.contains("canary"), "{path}: {text}");
        }
        let live = Live::open(admin, 0).until(|text| text.contains("\"number\":1"));
        assert!(!live.contains("canary"), "{live}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_local_names_may_ask_and_nothing_can_be_changed() {
    let (_out, _good, manifests) = failing_over().await;
    let (_running, admin) = paged(&manifests);
    tokio::task::spawn_blocking(move || {
        let ask = |method: &str, host: &str| {
            raw(admin, format!("{method} /api/routes HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n").as_bytes())
        };
        for host in ["Host: localhost\r\n", "Host: 127.0.0.1:15000\r\n", "Host: [::1]:15000\r\n"] {
            assert_eq!(ask("GET", host).status, 200, "{host}");
        }
        for host in
            ["Host: evil.example\r\n", "Host: localhost.evil.example:15000\r\n", "", "Host: a\r\nHost: localhost\r\n"]
        {
            let refused = ask("GET", host);
            assert!(matches!(refused.status, 400 | 421) && !refused.text().contains("pool"), "{host}: {refused:?}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            assert_eq!(ask(method, "Host: localhost\r\n").status, 405, "{method}");
        }
        for path in ["/", "/page.js", "/api/overview", "/nowhere"] {
            let answer = get(admin, path);
            assert!(
                answer.header("content-security-policy").unwrap().starts_with("default-src 'none'; script-src 'self'")
            );
            assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_is_filtered_and_a_wrong_filter_is_refused() {
    let (_out, _good, manifests) = failing_over().await;
    let (running, admin) = paged(&manifests);
    tokio::task::spawn_blocking(move || {
        chat(running.address(), ASK);
        chat(running.address(), "{");
        exchanges(admin, 2);
        let count =
            |query: &str| view(admin, &format!("/api/exchanges?{query}"))["exchanges"].as_array().unwrap().len();
        assert_eq!((count(""), count("status=200"), count("status=4xx"), count("status=5xx")), (2, 1, 1, 0));
        assert_eq!((count("model=gpt-4o"), count("model=m-1"), count("model=other")), (1, 1, 0));
        assert_eq!((count("route=default%2Fpool"), count("text=GOOD"), count("text=good&status=400")), (2, 1, 0));
        assert_eq!(get(admin, "/api/exchanges?modell=a").status, 400);
        assert_eq!(get(admin, "/api/exchanges/99").status, 404);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_new_comes_live_and_once() {
    let (_out, _good, manifests) = failing_over().await;
    let (running, admin) = paged(&manifests);
    tokio::task::spawn_blocking(move || {
        let mut live = Live::open(admin, 0);
        let first = live.until(|text| text.contains("\n\n"));
        assert!(first.contains("text/event-stream") && !first.contains("\"number\":1"), "{first}");
        chat(running.address(), ASK);
        assert!(live.until(|text| text.contains("\"number\":1")).contains("id: 1\nevent: update\n"));
        let later = Live::open(admin, 1).until(|text| text.contains("\n\n"));
        assert!(!later.contains("\"number\":1") && later.contains("\"last\":1"), "{later}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_readers_are_bounded_and_a_seat_is_free_again_when_one_leaves() {
    let (_out, _good, manifests) = failing_over().await;
    let (_running, admin) = paged(&manifests);
    tokio::task::spawn_blocking(move || {
        let begun = |text: &str| text.contains("\r\n\r\n");
        let mut readers: Vec<Live> = (0..16).map(|_| Live::open(admin, 0)).collect();
        assert!(readers.iter_mut().all(|reader| reader.until(begun).contains(" 200 ")));
        assert!(Live::open(admin, 0).until(begun).contains(" 503 "));
        readers.pop();
        // the gateway learns of it when it writes
        while !Live::open(admin, 0).until(begun).contains(" 200 ") {
            std::thread::yield_now();
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_500_exchanges_are_kept_and_long_names_are_cut() {
    let (_out, _good, manifests) = failing_over().await;
    let (running, admin) = paged(&manifests);
    tokio::task::spawn_blocking(move || {
        let mut client = TcpStream::connect(running.address()).unwrap();
        for _ in 0..510 {
            client.write_all(b"GET /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            assert_eq!(read(&mut client).status, 405);
        }
        chat(running.address(), &format!("{{\"model\":\"{}\",\"messages\":[]}}", "m".repeat(100_000)));
        let told = loop {
            let told = view(admin, "/api/exchanges");
            if told["last"] == 511 {
                break told;
            }
            std::thread::yield_now();
        };
        assert_eq!((&told["kept"], told["exchanges"].as_array().unwrap().len()), (&Value::from(500), 500));
        assert!(told["exchanges"][0]["requested_model"].as_str().unwrap().len() < 600);
        assert_eq!(told["exchanges"][499]["number"], 12);
        assert_eq!((get(admin, "/api/exchanges/11").status, get(admin, "/api/exchanges/12").status), (404, 200));
        let live = Live::open(admin, 0).until(|text| text.contains("\n\n"));
        assert!(live.contains("\"missed\":461") && live.contains("\"number\":462") && !live.contains("\"number\":461"));
    })
    .await
    .unwrap();
}

/// A reader of `/api/live`.
struct Live(TcpStream);

impl Live {
    fn open(admin: SocketAddr, since: u64) -> Self {
        let mut stream = TcpStream::connect(admin).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let request = format!("GET /api/live?since={since} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        Self(stream)
    }

    /// Reads until what came since the last time is as wanted.
    fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
        loop {
            let count = self.0.read(&mut chunk).unwrap();
            assert!(count > 0, "the events ended: {}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if wanted(&text) {
                return text;
            }
        }
    }
}
