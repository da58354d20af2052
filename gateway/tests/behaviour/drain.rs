//! SIGTERM: not ready any more, but serving until the grace period is over; what is in flight ends, if it ever does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use mock_providers::MockProvider;

use crate::process::Process;
use crate::support::{chat, get, pool, post, provider, raw, read, start_draining, start_with};
use crate::{http2, https, websocket};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const ENDLESS: &str = "{respond: {tokens: 100000}, latency: {itl: 20ms}}";

/// Begins a stream, and waits until the provider has been asked.
async fn begin(mock: &MockProvider, address: SocketAddr) -> TcpStream {
    let before = mock.journal().requests.len();
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(&post("/v1/chat/completions", STREAM)).unwrap();
    mock.wait_until(|journal| journal.requests.len() > before).await;
    client
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_to_go_serves_on_and_asks_its_clients_to_go_elsewhere() {
    let mock = provider("a", "{respond: {chunks: [one, two, three, four]}, latency: {itl: 100ms}}").await;
    let manifests = pool(&[&mock], "");
    let process = blocking(move || Process::start(&manifests, 2, 60)).await;
    let (address, ready) = (process.address, process.ready);
    let readiness = move || raw(ready, &get("/healthz/ready", "")).status;
    let mut stream = begin(&mock, address).await;
    let (mut old, old_connection) = http2::connect(address).await;
    assert_eq!(http2::whole(http2::send_to(&mut old, "gateway", ASK).await.0).await.0, 200);
    let process = blocking(move || {
        assert_eq!(readiness(), 200);
        process.terminate();
        process.notice("draining");
        assert_eq!(readiness(), 503);
        let answer = chat(address, ASK);
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        process
    });
    let mut process = process.await;
    for _ in 0..10 {
        let (mut new, connection) = http2::connect(address).await;
        let (status, _) = http2::whole(http2::send_to(&mut new, "gateway", ASK).await.0).await;
        assert_eq!(status, 200, "one that comes now has its first request served");
        assert!(connection.await.unwrap().is_ok(), "and is sent away by GOAWAY");
    }
    assert!(old_connection.await.unwrap().is_ok(), "an old one is sent away at once");
    blocking(move || {
        let answer = read(&mut stream);
        assert!(answer.complete && answer.text().ends_with("data: [DONE]\n\n"), "{answer:?}");
        process.notice("stopped");
        assert_eq!(process.ended().code(), Some(0));
        assert!(TcpStream::connect(address).is_err() && TcpStream::connect(ready).is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_come_at_once_are_served_to_the_end_on_all_cores() {
    let mock = provider("a", "{respond: {chunks: [one, two, three, four]}, latency: {itl: 100ms}}").await;
    let running = start_with(&pool(&[&mock], ""), |options| options.workers = Some(3));
    let address = running.address();
    // more than one core is given before it is known what they do
    let connect = move || (0..200).map(|_| TcpStream::connect(address).unwrap()).collect::<Vec<_>>();
    let mut clients = blocking(connect).await;
    let clients = blocking(move || {
        for client in &mut clients {
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            client.write_all(&post("/v1/chat/completions", STREAM)).unwrap();
        }
        clients
    });
    let clients = clients.await;
    mock.wait_until(|journal| journal.requests.len() == 200).await;
    blocking(move || {
        let stopped = std::thread::spawn(move || running.stop());
        for mut client in clients {
            let answer = read(&mut client);
            assert!(answer.complete && answer.text().ends_with("data: [DONE]\n\n"), "{answer:?}");
        }
        stopped.join().unwrap();
        assert!(TcpStream::connect(address).is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_ends_is_cut_when_the_time_is_up_and_the_exit_is_a_good_one() {
    let mock = provider("a", ENDLESS).await;
    let manifests = pool(&[&mock], "");
    let mut process = blocking(move || Process::start(&manifests, 0, 1)).await;
    let mut stream = begin(&mock, process.address).await;
    blocking(move || {
        process.terminate();
        let answer = read(&mut stream);
        assert!(answer.status == 200 && !answer.complete && !answer.text().contains("[DONE]"), "cut, visibly");
        assert_eq!(process.ended().code(), Some(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let mock = provider("a", ENDLESS).await;
    for grace in [600, 0] {
        let manifests = pool(&[&mock], "");
        let mut process = blocking(move || Process::start(&manifests, grace, 600)).await;
        let mut stream = begin(&mock, process.address).await;
        blocking(move || {
            process.terminate();
            process.notice("draining");
            process.terminate();
            assert!(!read(&mut stream).complete);
            assert_eq!(process.ended().code(), Some(0));
        })
        .await;
    }
}

#[test]
fn a_tunnel_does_not_hold_up_a_stop_for_longer_than_the_drain_time() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut running = websocket::gateway(backend.local_addr().unwrap().port(), "");
    let mut client = websocket::open(running.address(), websocket::ASK);
    let (mut upstream, _) = websocket::accept(&backend, websocket::AGREED);
    websocket::read_until(&mut client, "\r\n\r\n");
    let gateway = running.gateway.take().unwrap();
    let stopping = std::thread::spawn(move || gateway.stop());
    upstream.write_all(b"still here").unwrap();
    websocket::read_until(&mut client, "still here");
    // its silence of ten minutes is not waited for
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    stopping.join().unwrap();
    assert_eq!(running.log.records()[0]["http.status"], 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_been_let_in_by_the_kernel_is_served_before_a_stop() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    for _ in 0..20 {
        let mut running = start_draining(&pool(&[&mock], ""), Duration::from_secs(20));
        let address = running.address();
        let mut clients: Vec<_> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
        let gateway = running.gateway.take().unwrap();
        blocking(move || {
            for client in &mut clients {
                client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                client.write_all(&post("/v1/chat/completions", ASK)).unwrap();
            }
            let stopping = std::thread::spawn(move || gateway.stop());
            for client in &mut clients {
                assert_eq!(read(client).status, 200);
            }
            stopping.join().unwrap();
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_has_only_shaken_hands_is_served_before_a_stop() {
    let mock = provider("a", "{respond: {text: ok}}").await;
    let secured = "protocol: HTTPS, tls: {certificateRefs: [{name: certificate}]}}";
    let secret = https::secret("certificate", "tls.test").manifest;
    let manifests = pool(&[&mock], "").replace("protocol: HTTP}", secured) + &secret;
    for _ in 0..10 {
        let mut running = start_draining(&manifests, Duration::from_secs(20));
        blocking(move || {
            let address = running.address();
            let mut clients: Vec<_> = (0..8).map(|_| https::connect(address, "tls.test").unwrap()).collect();
            let gateway = running.gateway.take().unwrap();
            let stopping = std::thread::spawn(move || gateway.stop());
            for client in &mut clients {
                client.write_all(&post("/v1/chat/completions", ASK)).unwrap();
                let mut status = [0; 12];
                client.read_exact(&mut status).unwrap();
                assert_eq!(&status, b"HTTP/1.1 200");
            }
            drop(clients);
            stopping.join().unwrap();
        })
        .await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_many_edits_no_listener_is_left_over_and_the_last_state_holds() {
    let mock = provider("a", "{respond: {echo: true}}").await;
    let less = pool(&[&mock], "");
    let more = less.replace("protocol: HTTP}]", "protocol: HTTP}, {name: more, port: 8081, protocol: HTTP}]");
    let process = {
        let less = less.clone();
        blocking(move || Process::start(&less, 0, 5)).await
    };
    blocking(move || {
        let last = |n: u32| less.replace("model: m-1", &format!("model: m-{n}"));
        let until = |n: u32| {
            while chat(process.address, ASK).json()["model"] != format!("m-{n}") {
                std::thread::yield_now();
            }
        };
        let file = process.folder.path().join("all.yaml");
        std::fs::write(&file, last(2)).unwrap();
        until(2);
        let before = process.open_files();
        for n in 3..23 {
            std::fs::write(&file, more.replace("model: m-1", &format!("model: m-{n}"))).unwrap();
            std::fs::write(&file, last(n)).unwrap();
        }
        until(22);
        for n in 23..43 {
            std::fs::write(&file, more.replace("model: m-1", &format!("model: m-{n}"))).unwrap();
            until(n);
        }
        std::fs::write(&file, last(43)).unwrap();
        until(43);
        // upstream connections that are kept, and client connections that are not closed yet: not two for each edit
        let open = process.open_files();
        assert!(open < before + 10, "{before} open files became {open}");
    })
    .await;
}
