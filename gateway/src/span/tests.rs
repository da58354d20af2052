//! What both dialects say of the same exchange: one that moved from a provider without an answer to another.

use std::fmt::Write;
use std::sync::Arc;

use super::dialect::{LATEST, TODAY};
use super::*;
use crate::asked::Asked;
use crate::cost::Cost;
use crate::edit::Prompt;
use crate::error::Reason;
use crate::particulars::Particulars;
use crate::trace::Trace;
use crate::tracing::{Chance, Collector, GRPC_PATH, Protocol, Sampling, Tracing};
use crate::usage::Usage;

fn tracing(content: bool) -> Arc<Tracing> {
    let (endpoint, _) = crate::otel::locate("http://127.0.0.1:4317", Protocol::Grpc).unwrap();
    let (timeout, path) = (Duration::from_secs(1), GRPC_PATH.into());
    let protocol = Protocol::Grpc;
    let collector = Collector { endpoint, protocol, path, headers: Vec::new(), timeout, resource: Vec::new() };
    let sampling = Sampling { root: None, client: Chance::share(1.0), heed_flag: true };
    let (collector, filter, add, remove) = (Arc::new(collector), None, Vec::new(), Vec::new());
    Arc::new(Tracing { collector, sampling, filter, add, remove, content })
}

pub(crate) fn attempt(provider: &str, span_id: u64, started: u64) -> Attempt {
    Attempt {
        provider: provider.into(),
        endpoint: format!("{provider}.example.com:443").into(),
        standing: None,
        status: None,
        error: None,
        good: false,
        started: Duration::from_millis(started),
        connect: None,
        duration: Duration::from_millis(30),
        error_type: None,
        system: Some("openai"),
        model: None,
        span_id,
    }
}

fn particulars() -> Particulars {
    let mut told = Particulars::default();
    told.read(br#"{"id":"chatcmpl-1","choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}"#);
    told.audio_input = 3;
    told
}

fn record() -> Record {
    let lost = Attempt {
        error: Some("provider cannot be reached".into()),
        error_type: Some("upstream_unreachable"),
        model: Some("gpt-old".into()),
        ..attempt("first", 0xa, 1)
    };
    let good = Attempt {
        status: Some(200),
        standing: Some("probe"),
        model: Some("gpt-new".into()),
        ..attempt("second", 0xb, 40)
    };
    Record {
        request_id: "r-1".into(),
        trace: Trace { trace_id: 0xfeed, span_id: 0x5, parent_id: 0x3, flags: 1, passes: false },
        tracing: Some(tracing(false)),
        method: http::Method::POST,
        host: "api.example.com".into(),
        path: "/openai/v1/chat/completions".into(),
        port: 8080,
        gateway: Some("default/gateway".into()),
        listener: Some("http".into()),
        route: Some("default/pool".into()),
        matched: Some("/openai/*".into()),
        backend: Some("default/pool".into()),
        operation: Some("chat"),
        system: Some("openai"),
        requested_model: Some("asked".into()),
        upstream_model: Some("gpt-new".into()),
        response_model: Some("gpt-new-1".into()),
        stream: true,
        asked: Prompt::read("{\"temperature\":0.2,\"max_tokens\":64,\"encoding_format\":\"float\"}".into())
            .unwrap()
            .asked,
        asked_aside: Asked::aside(br#"{"n":2,"response_format":{"type":"json_object"}}"#),
        particulars: Some(Box::new(particulars())),
        usage: Some(Usage { input: 11, output: 7, cached: 5, cache_written: 1, reasoning: 2 }),
        cost: Some(Cost {
            input: Usd(12_500_000),
            output: Usd(50_000_000),
            cache_read: Usd(1_250_000),
            cache_write: Usd(3_000_000),
            reasoning: Usd(24_000_000),
        }),
        attempts: vec![lost, good],
        status: 200,
        first_token: Some(Duration::from_millis(90)),
        duration: Duration::from_millis(200),
        end: End::Complete,
        request_body: Some("{\"model\":\"asked\"}".into()),
        ..Record::empty()
    }
}

fn shown(spans: &[Span]) -> String {
    let mut text = String::new();
    for span in spans {
        let Span { side, id, parent, name, started, ended, attributes, failed } = span;
        let _infallible =
            writeln!(text, "{side:?} {id:x} of {parent:x}: {name} {started:?}–{ended:?} failed: {failed:?}");
        for (name, value) in attributes {
            let _infallible = writeln!(text, "  {name} = {value:?}");
        }
    }
    text
}

#[test]
fn todays_names_are_those_of_the_access_log() {
    insta::assert_snapshot!(shown(&of(&record(), &TODAY)));
}

#[test]
fn the_newest_names_are_opentelemetrys() {
    insta::assert_snapshot!(shown(&of(&record(), &LATEST)));
}

#[test]
fn a_kind_of_tokens_that_was_not_used_has_no_cost_and_what_was_free_costs_0() {
    let usage = Some(Usage { input: 11, output: 7, ..Usage::default() });
    let told = |cost| {
        let spans = of(&Record { usage, cost, ..record() }, &TODAY);
        let costs = spans[0]
            .attributes
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("agw.ai.usage.cost.")?.to_owned(), value.clone())));
        costs.collect::<Vec<_>>()
    };
    let free = ["total", "input", "output"].map(|part| (part.to_owned(), Value::from("0")));
    assert_eq!(told(Some(Cost::default())), free);
    assert_eq!(told(None), []);
}

#[test]
fn an_attempt_that_was_cancelled_ends_with_the_exchange() {
    let cancelled = Attempt { duration: Duration::ZERO, ..attempt("a", 9, 20) };
    let record = Record { attempts: vec![cancelled], status: 499, end: End::ClientClosed, ..record() };
    let spans = of(&record, &TODAY);
    assert_eq!((spans[1].ended, &spans[1].failed, &spans[0].failed), (record.duration, &None, &None));
}

#[test]
fn a_server_span_fails_with_the_gateway_and_not_with_the_client() {
    let failed = |status, reason, end| {
        let spans = of(&Record { status, reason, end, attempts: Vec::new(), ..record() }, &TODAY);
        let kind = spans[0].attributes.iter().find(|(name, _)| name == "error.type").map(|(_, value)| value.clone());
        (spans[0].failed.is_some(), kind)
    };
    let text = |text: &str| Some(Value::from(text));
    assert_eq!(failed(404, Some(Reason::NotFound), End::Rejected), (false, None));
    assert_eq!(failed(429, None, End::Complete), (false, None));
    assert_eq!(failed(504, Some(Reason::Timeout), End::TimedOut), (true, text("Timeout")));
    assert_eq!(failed(500, None, End::Complete), (true, text("500")));
    assert_eq!(failed(200, None, End::UpstreamFailed), (true, text("upstream_failed")), "a stream broke off");
}

#[test]
fn prompts_and_answers_are_told_only_where_asked_and_cut() {
    let long = Record { response_body: Some(vec![b'a'; MAX_TEXT + 1]), ..record() };
    let told = |record: &Record| {
        let spans = of(record, &TODAY);
        let body = spans[0].attributes.iter().find(|(name, _)| name == "response.body").map(|(_, value)| value.clone());
        body.map(|body| matches!(body, Value::Text(text) if text.len() == MAX_TEXT))
    };
    assert_eq!(told(&long), None);
    assert_eq!(told(&Record { tracing: Some(tracing(true)), ..long }), Some(true));
}

#[test]
fn the_newest_names_tell_talks_as_messages_and_only_where_asked() {
    let request = r#"{"instructions":"be brief","messages":[{"role":"user","content":"hi"}]}"#;
    let answer = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}]}"#;
    let talk = Record { request_body: Some(request.into()), response_body: Some(answer.into()), ..record() };
    let told = |record: &Record, index: usize| {
        let spans = of(record, &LATEST);
        let names = ["gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"];
        names.map(|name| match spans[index].attributes.iter().find(|(told, _)| told == name) {
            Some((_, Value::Text(text))) => text.clone(),
            other => format!("{other:?}"),
        })
    };
    assert_eq!(told(&talk, 2), ["None"; 3]);
    let told_on = Record { tracing: Some(tracing(true)), ..talk };
    let text = |text: &str| format!(r#"[{{"type":"text","content":"{text}"}}]"#);
    let (asked, answered) = (text("hi"), text("hello"));
    let input = format!(r#"[{{"role":"user","parts":{asked}}}]"#);
    let output = format!(r#"[{{"role":"assistant","parts":{answered},"finish_reason":"stop"}}]"#);
    assert_eq!(told(&told_on, 2), [text("be brief"), input.clone(), output]);
    assert_eq!(told(&told_on, 1), [text("be brief"), input, "None".to_owned()], "a failed attempt has no answer");
    assert_eq!(told(&Record { operation: Some("embeddings"), ..told_on }, 2), ["None"; 3]);
}

#[test]
fn the_page_about_telemetry_has_every_name_of_both_dialects() {
    let page = include_str!("../../TELEMETRY.md");
    let spans = page.split("## Spans").nth(1).unwrap();
    for (_, name) in [&TODAY, &LATEST].into_iter().flat_map(|dialect| dialect.server.iter().chain(dialect.client)) {
        assert!(spans.contains(&format!("`{name}`")), "TELEMETRY.md lacks `{name}` among the spans");
    }
}
