//! The steps of a request that do no input or output, one by one: matching a route among 1 to 10,000, picking a provider
//! of 1 to 128, filtering headers, finding the events of a stream and reading them, and writing a line of the log; and
//! what it costs to compile 1,000 routes, from nothing and again after a change.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gateway::config::{self, Manifests};
use gateway::record::{Attempt, End, PlaceText, Record};
use gateway::snapshot::{Snapshot, Target};
use gateway::usage::{Usage, read_event};
use gateway::yaml::Source;
use gateway::{headers, route, select, sse};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

const GATEWAY: &str = "
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}
";

/// The most that a group takes; beyond it there is a second group, which serves when the first cannot.
const GROUP: usize = 16;

/// A Gateway, so many routes with a path each, and a backend with so many providers.
fn texts(routes: usize, providers: usize) -> Vec<Source> {
    let route = |n: usize| {
        let text = format!(
            "
kind: HTTPRoute
metadata: {{name: route-{n}}}
spec:
  parentRefs: [{{name: gateway}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /tenants/{n}/openai}}}}]
      backendRefs: [{{name: pool, group: agentgateway.dev, kind: AgentgatewayBackend}}]
"
        );
        Source::new(format!("route-{n}.yaml"), text)
    };
    let providers: Vec<_> =
        (0..providers).map(|n| format!("{{name: p{n}, host: 127.0.0.1, port: 9, openai: {{}}}}")).collect();
    let groups: Vec<_> =
        providers.chunks(GROUP).map(|group| format!("{{providers: [{}]}}", group.join(", "))).collect();
    let backend = format!(
        "
kind: AgentgatewayBackend
metadata: {{name: pool}}
spec: {{ai: {{groups: [{}]}}}}
",
        groups.join(", ")
    );
    let shared = [Source::new("gateway.yaml", GATEWAY), Source::new("pool.yaml", backend)];
    shared.into_iter().chain((0..routes).map(route)).collect()
}

fn manifests(texts: &[Source]) -> Manifests {
    config::from_sources(texts).expect("the manifests are right")
}

fn snapshot(routes: usize, providers: usize) -> Snapshot {
    config::compile(&manifests(&texts(routes, providers)), None).snapshot
}

fn match_route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("match_route");
    for routes in [1, 100, 10_000] {
        let snapshot = snapshot(routes, 1);
        let path = format!("/tenants/{}/openai/v1/chat/completions", routes / 2);
        let (head, ()) = Request::post(&path).body(()).expect("a request").into_parts();
        let asked = || route::Asked {
            method: &head.method,
            path: head.uri.path(),
            lenient: None,
            host: "localhost",
            head: &head,
        };
        assert!(route::find(&snapshot.binds[0], asked()).is_ok(), "the path is served");
        group.bench_function(BenchmarkId::from_parameter(routes), |bencher| {
            bencher.iter(|| route::find(&snapshot.binds[0], black_box(asked())).is_ok());
        });
    }
    group.finish();
}

fn pick_provider(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick_provider");
    for providers in [1, 2, 8, 16, 64, 128] {
        let snapshot = snapshot(1, providers);
        let Target::Ai(backend) = &snapshot.binds[0].listeners[0].routes[0].rule.backends[0].target else {
            panic!("the route has an AI backend");
        };
        let (now, mut random) = (Instant::now(), 1_u64);
        group.bench_function(BenchmarkId::from_parameter(providers), |bencher| {
            bencher.iter(|| {
                random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                select::choose(backend, &[], None, now, random.rotate_left(29)).is_some()
            });
        });
    }
    group.finish();
}

fn filter_headers(criterion: &mut Criterion) {
    let fields = [
        ("host", "api.example.com"),
        ("content-type", "application/json"),
        ("content-length", "1200"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate"),
        ("authorization", "Bearer sk-0123456789"),
        ("connection", "keep-alive"),
        ("user-agent", "OpenAI/Python 2.8.1"),
        ("x-stainless-lang", "python"),
        ("x-stainless-runtime", "CPython"),
    ];
    let fields = fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let from: HeaderMap = fields.into_iter().collect();
    let mut group = criterion.benchmark_group("filter_headers");
    group.bench_function("request", |bencher| bencher.iter(|| headers::forwarded(black_box(&from), true)));
    group.bench_function("answer", |bencher| {
        bencher.iter_batched_ref(|| from.clone(), headers::strip_hop_by_hop, BatchSize::SmallInput);
    });
    group.finish();
}

/// 64 events of a chat.
fn stream() -> Bytes {
    let event = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m-1","choices":[{"index":0,"delta":{"content":"token "},"finish_reason":null}]}"#;
    format!("data: {event}\n\n").repeat(64).into()
}

fn scan_stream(criterion: &mut Criterion) {
    let stream = stream();
    let mut group = criterion.benchmark_group("scan_stream");
    group.throughput(Throughput::Elements(64));
    group.bench_function("find_events", |bencher| {
        bencher.iter(|| {
            let mut reader = sse::Reader::default();
            reader.push(black_box(stream.clone()));
            std::iter::from_fn(|| reader.next()).count()
        });
    });
    let event = stream.slice(..stream.len() / 64);
    group.throughput(Throughput::Elements(1));
    group.bench_function("data_of_event", |bencher| {
        bencher.iter(|| sse::data(black_box(&event)).map(|data| data.len()))
    });
    let data = sse::data(&event).expect("the event has data");
    group.bench_function("read_event", |bencher| bencher.iter(|| read_event(black_box(&data))));
    group.bench_function("glance", |bencher| bencher.iter(|| gateway::usage::glance(black_box(&data))));
    group.finish();
}

fn encode_line(criterion: &mut Criterion) {
    let attempt = Attempt {
        provider: "openai-eu".into(),
        endpoint: "api.openai.com:443".into(),
        standing: None,
        status: Some(200),
        error: None,
        good: true,
        started: Duration::from_micros(80),
        connect: None,
        duration: Duration::from_millis(210),
        error_type: None,
        system: Some("openai"),
        model: None,
        span_id: 1,
    };
    let record = Record {
        request_id: "0123456789abcdef0123456789abcdef".into(),
        host: "api.example.com".into(),
        path: "/v1/chat/completions".into(),
        gateway: Some("default/gateway".into()),
        listener: Some("http".into()),
        route: Some("default/chat".into()),
        backend: Some("default/pool".into()),
        operation: Some("chat"),
        system: Some("openai"),
        requested_model: Some("gpt-4o-mini".into()),
        response_model: Some("gpt-4o-mini-2024-07-18".into()),
        usage: Some(Usage { input: 1200, output: 300, ..Usage::default() }),
        attempts: vec![attempt],
        status: 200,
        duration: Duration::from_millis(212),
        end: End::Complete,
        method: http::Method::POST,
        ..Record::empty()
    };
    // of two places in turn: nothing of a line is kept for the next
    let other = Record { route: Some("default/other".into()), ..record.clone() };
    let mut records = [record, other].into_iter().cycle();
    let (mut place, mut line) = (PlaceText::default(), Vec::with_capacity(4096));
    criterion.bench_function("encode_line", |bencher| {
        bencher.iter_batched_ref(
            || records.next().expect("they come again and again"),
            |record| {
                line.clear();
                black_box(record).write(&mut place, &mut line);
                line.len()
            },
            BatchSize::SmallInput,
        );
    });
}

fn compile(criterion: &mut Criterion) {
    let texts = texts(1000, 4);
    let read = manifests(&texts);
    let served = config::compile(&read, None).snapshot;
    let mut group = criterion.benchmark_group("compile_1000_routes");
    group.sample_size(10);
    group.bench_function("read", |bencher| bencher.iter(|| manifests(black_box(&texts))));
    group.bench_function("compile", |bencher| bencher.iter(|| config::compile(black_box(&read), None)));
    group.bench_function("compile_again", |bencher| bencher.iter(|| config::compile(black_box(&read), Some(&served))));
    group.finish();
}

criterion_group!(benches, match_route, pick_provider, filter_headers, scan_stream, encode_line, compile);
criterion_main!(benches);
