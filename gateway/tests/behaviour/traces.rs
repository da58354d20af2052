//! Spans as a collector gets them, who is traced, and that no collector holds up a request.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use gateway::otel::Environment;
use serde_json::json;

use crate::collector::{Collector, Say, Span, collector, hex};
use crate::support::{Running, ask, get, pool, post, provider, raw, start, start_with};

const ASK: &str = r#"{"model":"asked","messages":[{"role":"user","content":"hi"}]}"#;
const PARENT: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";

/// A policy that traces, with more fields.
fn policy(collector: &Collector, more: &str) -> String {
    let port = collector.port;
    format!(
        "---\nkind: AgentgatewayPolicy\nmetadata: {{name: tracing}}\nspec:\n  \
         targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gateway}}]\n  \
         frontend: {{tracing: {{url: 'http://127.0.0.1:{port}'{more}}}}}\n"
    )
}

fn environment(variables: &[(&str, String)]) -> Environment {
    let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
    Environment::read(get).unwrap()
}

/// A gateway that its environment tells to trace.
fn started(manifests: &str, collector: &Collector, more: &[(&str, &str)]) -> Running {
    let mut all = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", collector.port))];
    all.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    start_with(manifests, |options| options.otel = environment(&all))
}

fn with_head(request: Vec<u8>, more: &str) -> Vec<u8> {
    String::from_utf8(request).unwrap().replacen("\r\n", &format!("\r\n{more}"), 1).into_bytes()
}

/// Stops the gateway, from a test that runs on a runtime; what it still had is delivered then.
async fn stop(running: Running) -> Vec<serde_json::Value> {
    tokio::task::spawn_blocking(|| running.stop()).await.unwrap()
}

fn of_kind(spans: &[Span], kind: i32) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind == kind).collect()
}

async fn failed_over(grpc: bool) {
    let bad = provider("bad", "{respond: {status: 503, text: no}}").await;
    let good = provider("good", "{respond: {text: fine, usage: {prompt_tokens: 11, completion_tokens: 7}}}").await;
    let to = collector(grpc, &[]).await;
    let protocol = if grpc { "GRPC" } else { "HTTP" };
    let running = start(&(pool(&[&bad, &good], "") + &policy(&to, &format!(", protocol: {protocol}"))));
    let state = "tracestate: zeta=1 , tenant@kept=2\r\ntracestate: alpha=3\r\n";
    let request = with_head(post("/v1/chat/completions", ASK), &format!("{PARENT}{state}"));
    assert_eq!(ask(&running, request).await.status, 200);
    let log = stop(running).await;

    let received = to.requests(1).await;
    let (grpc_path, http_path) = ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", "/v1/traces");
    assert_eq!(received[0].path, if grpc { grpc_path } else { http_path });
    assert_eq!(received[0].headers["content-type"], if grpc { "application/grpc" } else { "application/x-protobuf" });
    assert_eq!(received[0].resource["service.name"], "gateway");
    let spans = to.spans();
    assert!(spans.iter().all(|span| hex(&span.trace_id) == "0af7651916cd43dd8448eb211c80319c"));
    assert!(spans.iter().all(|span| span.trace_state == "zeta=1,tenant@kept=2,alpha=3"), "{spans:?}");
    let (servers, clients) = (of_kind(&spans, 2), of_kind(&spans, 3));
    let [server] = servers[..] else { panic!("{spans:?}") };
    let [first, second] = clients[..] else { panic!("{spans:?}") };
    assert_eq!(
        (server.name.as_str(), server.parent().as_str(), server.failed()),
        ("POST /*", "b7ad6b7169203331", false)
    );
    assert_eq!((&json!(server.id()), server.flags), (&log[0]["span.id"], 0x301));
    assert_eq!((first.parent(), second.parent()), (server.id(), server.id()));
    assert_eq!((first.get("http.status"), first.get("error.type"), first.failed()), (json!(503), json!("503"), true));
    assert_eq!(
        (second.get("http.status"), second.get("retry.attempt"), second.failed()),
        (json!(200), json!(1), false)
    );
    assert!(server.start <= first.start && first.start <= first.end && first.end <= second.start);
    assert_eq!(second.end, server.end, "the answer's bytes are part of the attempt that gave it");
    for (name, value) in [
        ("gen_ai.usage.input_tokens", json!(11)),
        ("gen_ai.usage.output_tokens", json!(7)),
        ("gen_ai.system", json!("openai")),
        ("gen_ai.request.model", json!("m-1")),
        ("http.method", json!("POST")),
        ("http.status", json!(200)),
        ("attempts", json!(2)),
        ("provider", json!("good")),
    ] {
        assert_eq!(server.get(name), value, "{name}");
    }
    for (mock, span) in [(&bad, first), (&good, second)] {
        let journal = mock.journal();
        let told = journal.requests[0].header("traceparent").unwrap().to_owned();
        assert_eq!(told, format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", span.id()));
        assert_eq!(journal.requests[0].header("tracestate"), Some("zeta=1,tenant@kept=2,alpha=3"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_grpc_a_collector_gets_the_server_span_and_one_for_each_attempt() {
    failed_over(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_a_collector_gets_the_server_span_and_one_for_each_attempt() {
    failed_over(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_conventions_name_the_attempt_after_operation_and_model() {
    let mock = provider("a", "{respond: {text: fine, usage: {prompt_tokens: 11, completion_tokens: 7}}}").await;
    let to = collector(true, &[]).await;
    let opt_in = [
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-scope=tenant%201"),
        ("OTEL_SERVICE_NAME", "edge"),
    ];
    let running = started(&pool(&[&mock], ""), &to, &opt_in);
    assert_eq!(ask(&running, post("/v1/chat/completions", ASK)).await.status, 200);
    stop(running).await;
    let received = to.requests(1).await;
    assert_eq!(
        (&received[0].headers["x-scope"], &received[0].resource["service.name"]),
        (&"tenant 1".parse().unwrap(), &json!("edge"))
    );
    let spans = to.spans();
    let (server, client) = (of_kind(&spans, 2)[0], of_kind(&spans, 3)[0]);
    assert_eq!((client.name.as_str(), server.parent().as_str()), ("chat m-1", ""));
    for (name, value) in [
        ("gen_ai.provider.name", json!("openai")),
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.usage.input_tokens", json!(11)),
        ("http.response.status_code", json!(200)),
        ("server.address", json!("127.0.0.1")),
        ("server.port", json!(mock.addr().port())),
    ] {
        assert_eq!(client.get(name), value, "{name}");
    }
    let names = server.attributes();
    assert!(!names.keys().any(|name| name.starts_with("gen_ai.")), "told once: {names:?}");
    assert_eq!(names["http.route"], "/*");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_and_cancelled_exchanges_are_traced_as_well() {
    let mock = provider("a", "{fault: {hang_before_head: true}}").await;
    let to = collector(true, &[]).await;
    let running = started(&pool(&[&mock], ""), &to, &[]);
    assert_eq!(ask(&running, get("/v1/files", "")).await.status, 404);
    assert_eq!(ask(&running, get("/%zz", "")).await.status, 400);
    let mut client = TcpStream::connect(running.address()).unwrap();
    client.write_all(&post("/v1/chat/completions", ASK)).unwrap();
    mock.wait_until(|journal| journal.requests.len() == 1).await;
    client.shutdown(Shutdown::Both).unwrap();
    drop(client);
    let left =
        |journal: &mock_providers::Journal| matches!(journal.requests[0].end, mock_providers::End::ClientClosed { .. });
    mock.wait_until(left).await;
    let log = stop(running).await;
    to.requests(1).await;
    let spans = to.spans();
    let servers = of_kind(&spans, 2);
    assert_eq!(servers.len(), log.len(), "one server span for each line of the log");
    let of = |status: u64| servers.iter().find(|span| span.get("http.status") == json!(status)).unwrap();
    assert_eq!((of(400).name.as_str(), of(400).failed()), ("GET", false), "the client's fault is not the gateway's");
    assert_eq!((of(404).get("end"), of(404).failed()), (json!("rejected"), false));
    let clients = of_kind(&spans, 3);
    let [cancelled] = clients[..] else { panic!("{spans:?}") };
    assert_eq!((cancelled.parent(), cancelled.end), (of(499).id(), of(499).end));
    assert_eq!((of(499).get("end"), cancelled.get("http.status")), (json!("client_closed"), json!(null)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_fails_says_so_in_its_spans() {
    let mock = provider("a", "{fault: {rst_before_head: true}}").await;
    let to = collector(true, &[]).await;
    let running = started(&pool(&[&mock], ""), &to, &[]);
    assert_eq!(ask(&running, post("/v1/chat/completions", ASK)).await.status, 502);
    stop(running).await;
    to.requests(1).await;
    let spans = to.spans();
    let (server, client) = (of_kind(&spans, 2)[0], of_kind(&spans, 3)[0]);
    assert_eq!((server.get("error.type"), server.failed()), (json!("UpstreamFailure"), true));
    assert_eq!((client.get("error.type"), client.failed()), (json!("upstream_broken"), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_sampled_is_not_exported() {
    let mock = provider("a", "{respond: {text: fine}}").await;
    let to = collector(true, &[]).await;
    let running = start(&(pool(&[&mock], "") + &policy(&to, "")));
    let unsampled = PARENT.replace("-01\r\n", "-00\r\n");
    for head in ["", &unsampled, PARENT] {
        assert_eq!(ask(&running, with_head(post("/v1/chat/completions", ASK), head)).await.status, 200);
    }
    let log = stop(running).await;
    to.requests(1).await;
    let spans = to.spans();
    let servers = of_kind(&spans, 2);
    assert_eq!(servers.iter().map(|span| json!(span.id())).collect::<Vec<_>>(), [log[2]["span.id"].clone()]);
    let journal = mock.journal();
    let told: Vec<_> = journal.requests.iter().map(|request| request.header("traceparent").unwrap()).collect();
    let own = log[1]["span.id"].as_str().unwrap();
    assert!(told[0].ends_with("-00"), "{told:?}");
    assert_eq!(told[1], format!("00-0af7651916cd43dd8448eb211c80319c-{own}-00"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_that_the_policy_does_not_take_goes_on_as_it_came() {
    let mock = provider("a", "{respond: {text: fine}}").await;
    let to = collector(true, &[]).await;
    let sampling = ", clientSampling: \"request.headers['x-tier'] == 'gold'\", randomSampling: 'true'";
    let running = start(&(pool(&[&mock], "") + &policy(&to, sampling)));
    for tier in ["x-tier: gold\r\n", "x-tier: tin\r\n"] {
        let head = format!("{PARENT}{tier}");
        assert_eq!(ask(&running, with_head(post("/v1/chat/completions", ASK), &head)).await.status, 200);
    }
    assert_eq!(ask(&running, post("/v1/chat/completions", ASK)).await.status, 200);
    let log = stop(running).await;
    to.requests(1).await;
    let spans = to.spans();
    let ids: Vec<_> = of_kind(&spans, 2).iter().map(|span| json!(span.id())).collect();
    assert_eq!(ids, [log[0]["span.id"].clone(), log[2]["span.id"].clone()]);
    let journal = mock.journal();
    let told = |at: usize| journal.requests[at].header("traceparent").unwrap();
    assert_ne!(format!("traceparent: {}\r\n", told(0)), PARENT);
    assert_eq!(format!("traceparent: {}\r\n", told(1)), PARENT);
    assert!(told(2).ends_with("-01"), "{}", told(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_adds_and_removes_attributes_and_filters_what_is_told() {
    let mock = provider("a", "{respond: {text: fine}}").await;
    let to = collector(true, &[]).await;
    let more = ", randomSampling: 'true', filter: 'response.code < 400', \
        attributes: {add: [{name: tier, expression: \"request.headers['x-tier']\"}, {name: asked, expression: request.body}, \
        {name: span.name, expression: \"'call of ' + llm.requestModel\"}], remove: [http.path, gen_ai.system]}, \
        resources: [{name: service.name, expression: \"'edge'\"}]";
    let running = start(&(pool(&[&mock], "") + &policy(&to, more)));
    assert_eq!(ask(&running, with_head(post("/v1/chat/completions", ASK), "x-tier: gold\r\n")).await.status, 200);
    assert_eq!(ask(&running, get("/v1/files", "")).await.status, 404);
    let log = stop(running).await;
    let received = to.requests(1).await;
    assert_eq!(received[0].resource["service.name"], "edge");
    let spans = to.spans();
    let servers = of_kind(&spans, 2);
    let [server] = servers[..] else { panic!("{spans:?}") };
    assert_eq!(
        (server.name.as_str(), server.get("tier"), server.get("asked")),
        ("call of asked", json!("gold"), json!(ASK))
    );
    assert_eq!((server.get("http.path"), server.get("gen_ai.system")), (json!(null), json!(null)));
    assert!(log[0].get("request.body").is_none(), "kept for the span, and not told in the log: {}", log[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_comes_and_goes_switches_tracing_without_a_restart() {
    let mock = provider("a", "{respond: {text: fine}}").await;
    let to = collector(false, &[]).await;
    let plain = pool(&[&mock], "");
    let mut running = start(&plain);
    for (traced, manifests) in
        [(1, plain.clone() + &policy(&to, ", protocol: HTTP, randomSampling: '1'")), (0, plain.clone())]
    {
        running = tokio::task::spawn_blocking(move || {
            running.apply(&manifests);
            running
        })
        .await
        .unwrap();
        assert_eq!(ask(&running, post("/v1/chat/completions", ASK)).await.status, 200);
        assert_eq!(
            mock.journal().requests.last().unwrap().header("traceparent").unwrap().ends_with("-01"),
            traced == 1
        );
    }
    stop(running).await;
    to.requests(1).await;
    assert_eq!(of_kind(&to.spans(), 2).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_may_be_taken_later_is_sent_again() {
    let mock = provider("a", "{respond: {text: fine}}").await;
    for (grpc, script) in
        [(false, Say::Http(503, &[("retry-after", "0")])), (false, Say::Http(429, &[])), (true, Say::Grpc(14))]
    {
        let to = collector(grpc, &[script]).await;
        let protocol = if grpc { "grpc" } else { "http/protobuf" };
        let running = started(&pool(&[&mock], ""), &to, &[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]);
        assert_eq!(ask(&running, post("/v1/chat/completions", ASK)).await.status, 200);
        let received = to.requests(2).await;
        assert_eq!(received[0].spans, received[1].spans);
        let running = tokio::task::spawn_blocking(move || {
            wait_for(&running, "agentgateway_spans_exported_total 2");
            running
        });
        stop(running.await.unwrap()).await;
    }
}

fn wait_for(running: &Running, line: &str) -> String {
    loop {
        let text = running.metrics(1);
        if text.lines().any(|told| told == line) {
            return text;
        }
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_refused_is_dropped_counted_and_told_without_the_secret() {
    let mock = provider("a", "{respond: {text: fine}}").await;
    let refusals = vec![Say::Http(401, &[]); 9];
    let to = collector(false, &refusals).await;
    let more =
        [("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=sk-secret")];
    let running = started(&pool(&[&mock], ""), &to, &more);
    assert_eq!(ask(&running, post("/v1/chat/completions", ASK)).await.status, 200);
    assert_eq!(to.requests(1).await[0].headers["authorization"], "sk-secret");
    let (running, told) = tokio::task::spawn_blocking(move || {
        running.metrics(1);
        let told = running.notice("warning: traces");
        let text = wait_for(&running, "agentgateway_spans_dropped_total{reason=\"refused\"} 2");
        assert!(text.contains("agentgateway_spans_exported_total 0"));
        (running, told)
    })
    .await
    .unwrap();
    assert!(told.contains("gets no spans: it answered 401") && !told.contains("sk-secret"), "{told}");
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_served_while_the_collector_is_dead() {
    let mock = provider("a", "{respond: {text: fine}}").await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{closed}"));
    let running = start_with(&pool(&[&mock], ""), |options| options.otel = environment(&[endpoint]));
    let address = running.address();
    let (running, told) = tokio::task::spawn_blocking(move || {
        for _ in 0..20 {
            assert_eq!(raw(address, &post("/v1/chat/completions", ASK)).status, 200);
        }
        let told = running.notice("warning: traces");
        assert_eq!(raw(address, &post("/v1/chat/completions", ASK)).status, 200);
        (running, told)
    })
    .await
    .unwrap();
    assert!(told.contains("cannot be reached"), "{told}");
    assert_eq!(stop(running).await.len(), 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answers_id_and_why_it_ended_are_told_of_streams_too_and_only_in_spans() {
    let mock = provider("a", "{respond: {text: fine, finish_reason: length}}").await;
    let to = collector(true, &[]).await;
    for (opt_in, kind) in [("", 2), ("gen_ai_latest_experimental", 3)] {
        let running = started(&pool(&[&mock], ""), &to, &[("OTEL_SEMCONV_STABILITY_OPT_IN", opt_in)]);
        for stream in [false, true] {
            let body =
                json!({"model": "asked", "n": 2, "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
            assert_eq!(ask(&running, post("/v1/chat/completions", &body.to_string())).await.status, 200);
        }
        let log = stop(running).await;
        assert!(log.iter().all(|line| line.get("gen_ai.response.id").is_none()), "{log:?}");
        let spans = to.spans();
        let told: Vec<_> = of_kind(&spans, kind).into_iter().rev().take(2).collect();
        for (span, other) in [(told[0], told[1]), (told[1], told[0])] {
            let id = span.get("gen_ai.response.id");
            assert!(id.as_str().is_some_and(|id| id.starts_with("chatcmpl-")), "{span:?}");
            assert_ne!(id, other.get("gen_ai.response.id"));
            assert_eq!(span.get("gen_ai.response.finish_reasons"), json!(["length", "length"]));
            assert_eq!(span.get("gen_ai.request.choice.count"), json!(2));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_is_invalid_or_of_no_trace_ends_here() {
    let mock = provider("a", "{respond: {text: fine}}").await;
    let to = collector(true, &[]).await;
    let running = started(&pool(&[&mock], ""), &to, &[]);
    let many: Vec<_> = (0..33).map(|n| format!("k{n}=1")).collect();
    let no_parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01\r\ntracestate: a=1\r\n";
    let heads = [
        format!("{PARENT}tracestate: A=1\r\n"),
        format!("{PARENT}tracestate: {}\r\n", many.join(",")),
        no_parent.to_owned(),
        format!(
            "{PARENT}tracestate: kept=1\r\ntracestate: big={}\r\ntracestate: last={}\r\n",
            "x".repeat(240),
            "y".repeat(256)
        ),
    ];
    for head in &heads {
        assert_eq!(ask(&running, with_head(post("/v1/chat/completions", ASK), head)).await.status, 200);
    }
    stop(running).await;
    let (journal, spans) = (mock.journal(), to.spans());
    let sent: Vec<_> = journal.requests.iter().map(|request| request.header("tracestate")).collect();
    let kept = format!("kept=1,big={}", "x".repeat(240));
    assert_eq!(sent, [None, None, None, Some(&*kept)]);
    let told: Vec<_> = of_kind(&spans, 2).iter().map(|span| span.trace_state.as_str()).collect();
    assert_eq!(told, ["", "", "", &*kept]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn talks_are_told_as_messages_where_the_environment_asks_for_them() {
    let mock = provider("a", "{respond: {text: fine}}").await;
    let to = collector(true, &[]).await;
    let latest = ("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental");
    let content = ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true");
    for variables in [&[latest][..], &[latest, content]] {
        let running = started(&pool(&[&mock], ""), &to, variables);
        for stream in [false, true] {
            let body = json!({"model": "asked", "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
            assert_eq!(ask(&running, post("/v1/chat/completions", &body.to_string())).await.status, 200);
        }
        stop(running).await;
    }
    let spans = to.spans();
    let clients = of_kind(&spans, 3);
    let read = |span: &Span, name: &str| match span.get(name) {
        serde_json::Value::String(text) => serde_json::from_str(&text).unwrap(),
        other => other,
    };
    for (at, client) in clients.iter().enumerate() {
        let (asked, answered) = (read(client, "gen_ai.input.messages"), read(client, "gen_ai.output.messages"));
        if at < 2 {
            assert_eq!((asked, answered), (json!(null), json!(null)), "off unless somebody switched it on");
            continue;
        }
        assert_eq!(asked, json!([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]));
        let parts = json!([{"type": "text", "content": "fine"}]);
        assert_eq!(answered, json!([{"role": "assistant", "parts": parts, "finish_reason": "stop"}]));
    }
    assert_eq!(clients.len(), 4);
}
