//! Reloads act on the next request, bad ones change nothing, and a drain loses nothing.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{chat, get, pool, post, provider, raw, read, start, start_draining};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_acts_on_the_next_request_and_a_bad_one_changes_nothing() {
    let (a, b) = (provider("a", "{respond: {text: from a}}").await, provider("b", "{respond: {text: from b}}").await);
    let running = start(&pool(&[&a], ""));
    let address = running.address();
    let second = pool(&[&b], "");
    tokio::task::spawn_blocking(move || {
        assert!(chat(address, ASK).text().contains("from a"));
        assert!(running.apply("kind: Gateway\nmetadata: {nmae: x}\n").contains("reload refused"));
        assert!(chat(address, ASK).text().contains("from a"));
        assert!(running.apply(&second).contains("reloaded"));
        assert!(chat(address, ASK).text().contains("from b"));
        running.apply("kind: Namespace\nmetadata: {name: empty}\n");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_rapid_edits_end_in_the_last_state() {
    let mock = provider("a", "{respond: {echo: true}}").await;
    let running = start(&pool(&[&mock], ""));
    let address = running.address();
    let last = pool(&[&mock], "").replace("model: m-1", "model: m-20");
    let edits: Vec<String> = (1..20).map(|n| last.replace("model: m-20", &format!("model: m-{n}"))).collect();
    tokio::task::spawn_blocking(move || {
        let path = running.folder.path().join("all.yaml");
        for edit in &edits {
            // a write in place: the gateway may see a half of it
            std::fs::write(&path, edit).unwrap();
        }
        std::fs::write(&path, &last).unwrap();
        while chat(address, ASK).json()["model"] != "m-20" {
            running.notice("reload");
        }
    })
    .await
    .unwrap();
    assert!(mock.journal().requests.last().unwrap().body.ends_with(b"\"model\":\"m-20\"}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_fail_no_request_and_rotate_the_key() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let with_key = |n: u32| {
        let secret = format!("---\nkind: Secret\nmetadata: {{name: key}}\nstringData: {{apiKey: sk-{n}}}\n");
        pool(&[&mock], "  policies: {auth: {secretRef: {name: key}}}\n") + &secret
    };
    let running = start(&with_key(0));
    let (address, over) = (running.address(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let over = over.clone();
            std::thread::spawn(move || {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    assert_eq!(chat(address, ASK).status, 200);
                }
            })
        })
        .collect();
    let edits: Vec<_> = (1..=10).map(with_key).collect();
    tokio::task::spawn_blocking(move || {
        for edit in &edits {
            assert!(running.apply(edit).starts_with("reloaded"));
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        // nobody else asks any more: this one is the last in the journal
        assert_eq!(chat(address, ASK).status, 200);
    })
    .await
    .unwrap();
    let seen = mock.journal().requests;
    assert_eq!(seen.last().unwrap().header("authorization"), Some("Bearer sk-10"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_not_ended_when_the_drain_is_over_is_recorded_all_the_same() {
    let mock = provider("a", "{fault: {hang_before_head: true}}").await;
    let mut running = start(&pool(&[&mock], ""));
    let mut client = TcpStream::connect(running.address()).unwrap();
    client.write_all(&post("/v1/chat/completions", ASK)).unwrap();
    mock.wait_until(|journal| journal.requests.len() == 1).await;
    let gateway = running.gateway.take().unwrap();
    tokio::task::spawn_blocking(move || gateway.stop()).await.unwrap();
    assert_eq!(running.log.records().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_manifests_count_in_a_folder() {
    let mock = provider("a", "{respond: {echo: true}}").await;
    let running = start(&pool(&[&mock], ""));
    let next = pool(&[&mock], "").replace("model: m-1", "model: m-2");
    tokio::task::spawn_blocking(move || {
        std::fs::write(running.folder.path().join(".gitkeep"), "").unwrap();
        std::fs::write(running.folder.path().join("notes.txt"), "").unwrap();
        assert!(running.apply(&next).starts_with("reloaded"));
        assert_eq!(chat(running.address(), ASK).json()["model"], "m-2");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_another_gateway_has_is_refused() {
    let mock = provider("a", "{}").await;
    let first = start(&pool(&[&mock], ""));
    let options = gateway::Options {
        config: first.folder.path().to_owned(),
        listen: vec![(8080, first.address())],
        metrics: None,
        ready: None,
        ..gateway::Options::default()
    };
    let second = gateway::Gateway::start(options, Box::new(std::io::sink()), std::sync::Arc::new(|_: &str| ()));
    assert!(matches!(second, Err(gateway::Error::Listen { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_request_head_does_not_hold_up_a_stop() {
    let mock = provider("a", "{}").await;
    let mut running = start_draining(&pool(&[&mock], ""), Duration::from_secs(120));
    let mut client = TcpStream::connect(running.address()).unwrap();
    client.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHo").unwrap();
    let gateway = running.gateway.take().unwrap();
    let stopping = tokio::task::spawn_blocking(move || gateway.stop());
    let stopped = tokio::time::timeout(Duration::from_secs(60), stopping).await;
    assert!(stopped.is_ok(), "the drain time of two minutes is being used up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_a_stream_end() {
    let mock = provider("a", "{respond: {chunks: [one, two, three]}, latency: {itl: 100ms}}").await;
    let mut running = start(&pool(&[&mock], ""));
    let address = running.address();
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let ask = r#"{"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    client.write_all(&post("/v1/chat/completions", ask)).unwrap();
    while mock.journal().requests.is_empty() {
        mock.changed().await;
    }
    let gateway = running.gateway.take().unwrap();
    let stopping = tokio::task::spawn_blocking(move || gateway.stop());
    let answer = tokio::task::spawn_blocking(move || read(&mut client)).await.unwrap();
    assert!(answer.complete && answer.text().ends_with("data: [DONE]\n\n"), "{answer:?}");
    stopping.await.unwrap();
    assert_eq!(running.log.records()[0]["end"], "complete");
    assert!(TcpStream::connect(address).is_err(), "nothing listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_request_after_each_of_fifty_starts_is_served() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let manifests = pool(&[&mock], "");
    tokio::task::spawn_blocking(move || {
        for n in 0..50 {
            let running = start(&manifests);
            let ready = running.notice("ready address=").replace("ready address=", "").parse().unwrap();
            assert_eq!(raw(ready, &get("/healthz/ready", "")).status, 200, "start {n}");
            assert_eq!(chat(running.address(), ASK).status, 200, "start {n}");
            running.stop();
        }
    })
    .await
    .unwrap();
}

fn refused(adjust: impl FnOnce(&mut gateway::Options)) -> gateway::Error {
    let mut options = gateway::Options { metrics: None, ready: None, ..gateway::Options::default() };
    adjust(&mut options);
    gateway::Gateway::start(options, Box::new(std::io::sink()), std::sync::Arc::new(|_: &str| ())).unwrap_err()
}

#[test]
fn a_start_that_cannot_be_names_every_reason() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "kind: Gatway\n---\nkind: Secret\nmetadata: {nmae: x}\n").unwrap();
    std::fs::write(folder.path().join("b.yaml"), "kind: Gateway\nmetadata: {na").unwrap();
    let error = refused(|options| options.config = folder.path().to_owned()).to_string();
    for part in ["a.yaml:1", "Gatway", "a.yaml:4", "nmae", "b.yaml:2"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "kind: Namespace\nmetadata: {name: x}\n").unwrap();
    std::fs::remove_file(folder.path().join("b.yaml")).unwrap();
    let error = refused(|options| {
        options.config = folder.path().to_owned();
        options.metrics = Some(address);
    });
    let error = error.to_string();
    assert!(error.starts_with(&format!("cannot listen on {address} for metrics: ")), "{error}");
    assert!(error.contains("--metrics ADDR:PORT"), "{error}");
}
