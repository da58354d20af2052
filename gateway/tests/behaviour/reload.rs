//! Every kind of object can be edited under load: the edit holds for the next request, and nobody else notices.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use mock_providers::MockProvider;
use socket2::{Domain, Socket, Type};

use crate::http2;
use crate::https;
use crate::support::{Answer, Running, pool, provider, raw, read, start_with};

const PORTS: [u16; 5] = [8080, 8081, 8082, 8083, 8443];

/// An address that nobody else is given, and that a gateway can listen on again and again.
pub(crate) fn reserved() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// One gateway with everything in it that is edited, and addresses of its own.
struct World {
    running: Running,
    addresses: [(u16, SocketAddr); PORTS.len()],
    a: MockProvider,
    slow: MockProvider,
    _reserved: Vec<Socket>,
}

impl World {
    fn at(&self, port: u16) -> SocketAddr {
        self.addresses.iter().find(|(of, _)| *of == port).unwrap().1
    }

    fn ask(&self, port: u16, host: &str, model: &str) -> Answer {
        raw(self.at(port), &chat(host, model, false))
    }

    /// Who answers on the plain port.
    fn by(&self, host: &str) -> String {
        let answer = self.ask(8080, host, "any");
        if answer.status == 200 { answer.json()["choices"][0]["message"]["content"].to_string() } else { answer.text() }
    }

    /// Streams that have been begun.
    fn begun(&self) -> usize {
        self.slow.journal().requests.len()
    }

    fn refuses(&self, port: u16) -> bool {
        TcpStream::connect(self.at(port)).is_err()
    }

    fn serves(&self, port: u16) -> bool {
        !self.refuses(port) && self.ask(port, "steady.test", "any").status == 200
    }
}

fn chat(host: &str, model: &str, stream: bool) -> Vec<u8> {
    let body = format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let length = body.len();
    format!("POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Begins a stream that lasts longer than an edit.
fn stream(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(&chat("slow.test", "any", true)).unwrap();
    stream
}

/// Who the base is served by, with `a` and `b` for providers and `c1` and `c2` for certificates.
fn base(a: &MockProvider, b: &MockProvider, slow: &MockProvider, certificate: &str) -> String {
    let text = "
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: agentgateway
  listeners:
    - {name: http, port: 8080, protocol: HTTP}
    - {name: named, port: 8080, protocol: HTTP, hostname: named.test}
    - {name: second, port: 8081, protocol: HTTP}
    - {name: tls, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: certificate}]}}
---
kind: HTTPRoute
metadata: {name: steady}
spec: {parentRefs: [{name: gateway}], hostnames: [steady.test], rules: [{backendRefs: [{name: a, group: agentgateway.dev, kind: AgentgatewayBackend}]}]}
---
kind: HTTPRoute
metadata: {name: slow}
spec: {parentRefs: [{name: gateway}], hostnames: [slow.test], rules: [{backendRefs: [{name: slow, group: agentgateway.dev, kind: AgentgatewayBackend}]}]}
---
kind: HTTPRoute
metadata: {name: named}
spec: {parentRefs: [{name: gateway, sectionName: named}], rules: [{backendRefs: [{name: a, group: agentgateway.dev, kind: AgentgatewayBackend}]}]}
---
kind: HTTPRoute
metadata: {name: edited}
spec: {parentRefs: [{name: gateway}], hostnames: [edited.test], rules: [{backendRefs: [{name: a, group: agentgateway.dev, kind: AgentgatewayBackend}]}]}
---
kind: AIRoute
metadata: {name: ai}
spec: {parentRefs: [{name: gateway}], hostnames: [ai.test], rules: [{backendRefs: [{name: a}]}]}
---
kind: HTTPRoute
metadata: {name: closed}
spec: {parentRefs: [{name: gateway}], hostnames: [closed.test], rules: [{backendRefs: [{name: a, group: agentgateway.dev, kind: AgentgatewayBackend}]}]}
---
kind: AgentgatewayPolicy
metadata: {name: closed}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: closed}]
  traffic: {apiKeyAuthentication: {mode: Strict, secretRef: {name: clients}}}
---
kind: Secret
metadata: {name: clients}
stringData: {alice: ck-alice}
---
kind: HTTPRoute
metadata: {name: keyed}
spec: {parentRefs: [{name: gateway}], hostnames: [keyed.test], rules: [{backendRefs: [{name: keyed, group: agentgateway.dev, kind: AgentgatewayBackend}]}]}
---
kind: AgentgatewayBackend
metadata: {name: keyed}
spec:
  ai: {provider: {host: 127.0.0.1, port: PORT-A, openai: {model: m-1}}}
  policies: {auth: {secretRef: {name: key}}}
---
kind: Secret
metadata: {name: key}
stringData: {apiKey: sk-one}
---
kind: HTTPRoute
metadata: {name: service}
spec: {parentRefs: [{name: gateway}], hostnames: [service.test], rules: [{backendRefs: [{name: service, port: 80}]}]}
---
kind: Service
metadata: {name: service}
spec: {ports: [{name: first, port: 80}, {name: other, port: 81}]}
---
kind: EndpointSlice
metadata: {name: service-1, labels: {kubernetes.io/service-name: service}}
addressType: IPv4
ports: [{name: first, port: PORT-A}, {name: other, port: PORT-B}]
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
---
kind: HTTPRoute
metadata: {name: foreign}
spec: {parentRefs: [{name: gateway}], hostnames: [foreign.test], rules: [{backendRefs: [{name: foreign, namespace: far, group: agentgateway.dev, kind: AgentgatewayBackend}]}]}
---
kind: AgentgatewayBackend
metadata: {name: foreign, namespace: far}
spec: {ai: {provider: {host: 127.0.0.1, port: PORT-A, openai: {}}}}
---
kind: ReferenceGrant
metadata: {name: foreign, namespace: far}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}]
  to: [{group: agentgateway.dev, kind: AgentgatewayBackend}]
---
kind: AgentgatewayModel
metadata: {name: by-model}
spec: {parentRefs: [{name: gateway, sectionName: second}], match: {model: model-one}, provider: OpenAI, baseURL: 'http://127.0.0.1:PORT-A/v1'}
---
kind: AgentgatewayBackend
metadata: {name: a}
spec: {ai: {provider: {host: 127.0.0.1, port: PORT-A, openai: {}}}}
---
kind: AgentgatewayBackend
metadata: {name: b}
spec: {ai: {provider: {host: 127.0.0.1, port: PORT-B, openai: {}}}}
---
kind: AgentgatewayBackend
metadata: {name: slow}
spec: {ai: {provider: {host: 127.0.0.1, port: PORT-SLOW, openai: {}}}}
";
    let port = |text: String, name: &str, mock: &MockProvider| text.replace(name, &mock.addr().port().to_string());
    let text = port(port(port(text.to_owned(), "PORT-A", a), "PORT-B", b), "PORT-SLOW", slow);
    text + certificate
}

/// What is edited, the text before and after, and how one sees that the edit holds.
type Case = (&'static str, String, String, Box<dyn Fn(&World) -> bool + Send>);

fn case(name: &'static str, from: &str, to: &str, holds: impl Fn(&World) -> bool + Send + 'static) -> Case {
    (name, from.to_owned(), to.to_owned(), Box::new(holds))
}

fn cases(b: &MockProvider) -> Vec<Case> {
    let second = "    - {name: second, port: 8081, protocol: HTTP}\n";
    let added = "    - {name: added, port: 8082, protocol: HTTP}\n";
    let secured = "    - {name: second, port: 8081, protocol: HTTPS, tls: {certificateRefs: [{name: certificate}]}}\n";
    let (model, by_b) = ("{model: model-one}", |w: &World, host| w.by(host).contains("by b"));
    let to_b = b.addr().port();
    let with_key = |w: &World, key: &str| {
        assert_eq!(w.ask(8080, "keyed.test", "any").status, 200);
        let seen = w.a.journal().requests;
        let mut keys = seen.iter().rev().filter_map(|request| request.header("authorization"));
        keys.next() == Some(key)
    };
    #[rustfmt::skip]
    let cases = vec![
        case("Gateway: a listener more", second, &format!("{second}{added}"), |w| w.serves(8082)),
        case("Gateway: a listener less", second, "", |w| w.refuses(8081) && w.serves(8080)),
        case("Gateway: another port", "port: 8081", "port: 8083", |w| w.refuses(8081) && w.serves(8083)),
        case("Gateway: another hostname", "hostname: named.test", "hostname: new.test", |w| {
            w.by("new.test").contains("by a") && w.ask(8080, "named.test", "any").status == 404
        }),
        case("Gateway: another protocol", second, secured, |w| https::connect(w.at(8081), "steady.test").is_some()),
        case("HTTPRoute", "[edited.test], rules: [{backendRefs: [{name: a,", "[edited.test], rules: [{backendRefs: [{name: b,", move |w| by_b(w, "edited.test")),
        case("HTTPRoute: another host", "hostnames: [edited.test]", "hostnames: [new.test]", |w| w.ask(8080, "edited.test", "any").status == 404),
        case("AIRoute", "hostnames: [ai.test], rules: [{backendRefs: [{name: a}", "hostnames: [ai.test], rules: [{backendRefs: [{name: b}", move |w| by_b(w, "ai.test")),
        case("AIRoute: removed", "kind: AIRoute\nmetadata: {name: ai}\nspec: {parentRefs: [{name: gateway}]", "kind: AIRoute\nmetadata: {name: ai}\nspec: {parentRefs: [{name: nobody}]", |w| w.ask(8080, "ai.test", "any").status == 404),
        case("AgentgatewayBackend", "openai: {model: m-1}", "openai: {model: m-2}", |w| w.ask(8080, "keyed.test", "any").json()["model"] == "m-2"),
        case("AgentgatewayPolicy", "mode: Strict", "mode: Optional", |w| w.ask(8080, "closed.test", "any").status == 200),
        case("AgentgatewayModel", model, "{model: model-two}", |w| w.ask(8081, "any.test", "model-two").status == 200 && w.ask(8081, "any.test", "model-one").status == 404),
        case("Secret", "sk-one", "sk-two", move |w| with_key(w, "Bearer sk-two")),
        case("Service", "{name: first, port: 80}, {name: other, port: 81}", "{name: first, port: 81}, {name: other, port: 80}", move |w| by_b(w, "service.test")),
        case("EndpointSlice", "ready: true", "ready: false", |w| w.ask(8080, "service.test", "any").status == 503),
        case("EndpointSlice: elsewhere", "IPv4\nports: [{name: first,", &format!("IPv4\nports: [{{name: first, port: {to_b}}}, {{name: unused,"), move |w| by_b(w, "service.test")),
        case("ReferenceGrant", "namespace: default}]", "namespace: nobody}]", |w| w.ask(8080, "foreign.test", "any").status == 500),
    ];
    cases
}

/// Asks for what is not edited, on a connection that is kept as long as it may be, until it is over; how often.
fn call_until(over: &AtomicBool, address: SocketAddr) -> usize {
    let connect = || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    };
    let (mut stream, mut count, mut again) = (connect(), 0, 0);
    while !over.load(Relaxed) {
        stream.write_all(&chat("steady.test", "any", false)).unwrap();
        let answer = read(&mut stream);
        assert!(answer.status == 200 && answer.complete, "request {count}: {answer:?}");
        // a core with too much to do
        if answer.header("connection") == Some("close") {
            (stream, again) = (connect(), again + 1);
        }
        count += 1;
    }
    assert!(again * 10 <= count, "{again} of {count} connections ended");
    count
}

/// The same as requests of one HTTP/2 connection.
async fn call_by_http2_until(over: Arc<AtomicBool>, address: SocketAddr) -> usize {
    let (mut sender, mut connection) = http2::connect(address).await;
    let mut count = 0;
    while !over.load(Relaxed) {
        // a core with too much to do
        if connection.is_finished() || sender.clone().ready().await.is_err() {
            (sender, connection) = http2::connect(address).await;
        }
        let body = r#"{"model":"any","messages":[{"role":"user","content":"hi"}]}"#;
        let (response, _body) = http2::send_to(&mut sender, "steady.test", body).await;
        let (status, text) = http2::whole(response).await;
        assert_eq!(status, 200, "request {count}: {text}");
        count += 1;
    }
    count
}

/// Makes each edit and takes it back, with streams in flight over both.
fn edit(world: &World, base: &str, cases: &[Case]) {
    for (name, from, to, holds) in cases {
        let edited = base.replacen(from, to, 1);
        assert_ne!(edited, *base, "{name} edits nothing");
        assert!(!holds(world), "{name} holds before the edit");
        let begun = world.begun();
        let streams = [8080, 8081].map(|port| stream(world.at(port)));
        while world.begun() < begun + streams.len() {
            std::thread::yield_now();
        }
        for (text, expected) in [(edited.as_str(), true), (base, false)] {
            let said = world.running.apply(text);
            assert!(said.starts_with("reloaded"), "{name}: {said}");
            assert_eq!(holds(world), expected, "{name}, after the word that it is taken");
        }
        for mut stream in streams {
            let answer = read(&mut stream);
            assert!(answer.complete && answer.text().ends_with("data: [DONE]\n\n"), "{name}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_edited_under_load_without_a_failed_request() {
    let a = provider("a", "{respond: {text: by a}}").await;
    let b = provider("b", "{respond: {text: by b}}").await;
    let slow = provider("slow", "{respond: {chunks: [one, two, three, four]}, latency: {itl: 100ms}}").await;
    let (one, two) = (https::secret("certificate", "tls.test"), https::secret("certificate", "tls.test"));
    let base = base(&a, &b, &slow, &one.manifest);
    let mut cases = cases(&b);
    let shown = two.der.clone();
    cases.push(case("Secret: a certificate", &one.manifest, &two.manifest, move |w| {
        https::shown(&https::connect(w.at(8443), "tls.test").unwrap()) == shown
    }));
    let (held, addresses): (Vec<_>, Vec<_>) = PORTS.iter().map(|_| reserved()).unzip();
    let addresses: [_; PORTS.len()] = std::array::from_fn(|n| (PORTS[n], addresses[n]));
    let running = start_with(&base, |options| options.listen = addresses.to_vec());
    let world = World { running, addresses, a, slow, _reserved: held };
    let (address, over) = (world.at(8080), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let over = over.clone();
            std::thread::spawn(move || call_until(&over, address))
        })
        .collect();
    let by_http2 = tokio::spawn(call_by_http2_until(over.clone(), address));
    let edits = tokio::task::spawn_blocking(move || {
        edit(&world, &base, &cases);
        over.store(true, Relaxed);
        for caller in callers {
            assert!(caller.join().unwrap() > cases.len(), "there was load");
        }
        world
    });
    // a request may still be on its way
    let _world = edits.await.unwrap();
    assert!(by_http2.await.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_word_of_another_protocol_whoever_comes_is_served_by_it() {
    let a = provider("a", "{respond: {text: by a}}").await;
    let plain = pool(&[&a], "");
    let secret = https::secret("certificate", "tls.test");
    let secured = "protocol: HTTPS, tls: {certificateRefs: [{name: certificate}]}}";
    let secured = plain.replace("protocol: HTTP}", secured) + &secret.manifest;
    let running = start_with(&plain, |options| options.workers = Some(4));
    tokio::task::spawn_blocking(move || {
        for round in 0..20 {
            assert!(running.apply(&secured).starts_with("reloaded"));
            for client in 0..8 {
                let mut stream = https::connect(running.address(), "tls.test").expect("a handshake");
                stream.write_all(&chat("any.test", "any", false)).unwrap();
                let mut status = [0; 12];
                stream
                    .read_exact(&mut status)
                    .unwrap_or_else(|error| panic!("round {round}, client {client}: {error}"));
                assert_eq!(&status, b"HTTP/1.1 200");
            }
            assert!(running.apply(&plain).starts_with("reloaded"));
            for client in 0..8 {
                let answer = raw(running.address(), &chat("any.test", "any", false));
                assert_eq!(answer.status, 200, "round {round}, client {client}: {answer:?}");
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_being_served_while_a_port_is_renewed_is_told_that_the_connection_ends() {
    let a = provider("a", "{respond: {text: by a}}").await;
    let plain = pool(&[&a], "");
    let secret = https::secret("certificate", "tls.test");
    let secured = "protocol: HTTPS, tls: {certificateRefs: [{name: certificate}]}}";
    let secured = plain.replace("protocol: HTTP}", secured) + &secret.manifest;
    let running = start_with(&plain, |_| ());
    let answer = tokio::task::spawn_blocking(move || {
        let whole = chat("any.test", "any", false);
        let (begun, rest) = whole.split_at(whole.len() - 5);
        let mut client = TcpStream::connect(running.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(begun).unwrap();
        assert!(running.apply(&secured).starts_with("reloaded"));
        client.write_all(rest).unwrap();
        read(&mut client)
    });
    let answer = answer.await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
}
