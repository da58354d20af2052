//! What does one exchange cost through the gateway, and what through the floor?
//!
//! One client on one connection, against the same constant provider: a plain answer, a stream of 20 events, and
//! a prompt of 1 MiB, which shows whether a body is copied once or many times. Compare `gateway` with `floor`;
//! the absolute numbers are mostly the loopback's. Latency under load and CPU time need paired windows instead.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use benches::constant::Constant;
use benches::wire::{Connection, chat_request, expect_ok};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use gateway::{Gateway, Options};
use tokio::runtime::Runtime;

const EVENTS: usize = 20;
/// The listener port of the manifests; the system chooses the real one.
const PORT: u16 = 8080;

/// What a client asks for.
struct Case {
    name: &'static str,
    stream: bool,
    prompt_len: usize,
}

const CASES: [Case; 3] = [
    Case { name: "plain", stream: false, prompt_len: 64 },
    Case { name: "stream-20-events", stream: true, prompt_len: 64 },
    Case { name: "prompt-1-mib", stream: false, prompt_len: 1 << 20 },
];

fn round_trip(criterion: &mut Criterion) {
    let provider = Constant::start(EVENTS).expect("the provider starts").address();
    let floor = start_floor(provider).expect("the floor starts");
    let folder = tempfile::tempdir().expect("a folder for the manifests");
    let gateway = start_gateway(folder.path(), provider);
    let address = gateway.address(PORT).expect("the manifests have this port");
    for case in CASES {
        let mut group = criterion.benchmark_group(format!("round_trip/{}", case.name));
        for (name, address) in [("direct", provider), ("floor", floor), ("gateway", address)] {
            measure(&mut group, name, address, &case);
        }
        group.finish();
    }
    gateway.stop();
}

fn measure(
    group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    address: SocketAddr,
    case: &Case,
) {
    let runtime = client_runtime();
    let request = chat_request(address, case.stream, case.prompt_len);
    let mut connection = runtime.block_on(Connection::open(address)).expect("it accepts");
    let length = u64::try_from(request.len()).expect("a request's length fits");
    group.throughput(Throughput::Bytes(length));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let answer = runtime.block_on(connection.round_trip(&request)).expect("it answers");
            expect_ok(answer).expect("only good answers are timed");
            answer.len()
        });
    });
}

fn client_runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime for the client")
}

/// The floor on threads of its own, until the process ends.
fn start_floor(upstream: SocketAddr) -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || benches::floor::run(listener, upstream));
    Ok(address)
}

/// The gateway on threads of its own, with one AI backend; its access log is written, and thrown away.
fn start_gateway(folder: &Path, upstream: SocketAddr) -> Gateway {
    let config = folder.join("gateway.yaml");
    std::fs::write(&config, manifests(upstream)).expect("the folder can be written");
    let free: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let options =
        Options { config, listen: vec![(PORT, free)], metrics: None, ready: None, admin: None, ..Options::default() };
    let notices = Arc::new(|line: &str| eprintln!("gateway: {line}"));
    Gateway::start(options, Box::new(io::sink()), notices).expect("the gateway starts")
}

fn manifests(upstream: SocketAddr) -> String {
    let (host, port) = (upstream.ip(), upstream.port());
    format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gateway}}
spec:
  gatewayClassName: agentgateway
  listeners: [{{name: http, port: {PORT}, protocol: HTTP}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: pool}}
spec:
  parentRefs: [{{name: gateway}}]
  rules:
    - backendRefs: [{{name: pool, group: agentgateway.dev, kind: AgentgatewayBackend}}]
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayBackend
metadata: {{name: pool}}
spec:
  ai: {{provider: {{host: {host}, port: {port}, openai: {{model: m-2}}}}}}
"
    )
}

criterion_group!(benches, round_trip);
criterion_main!(benches);
