use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::cel::Uses;
use crate::cost::{Catalog, Catalogs};
use crate::metrics::write::Format;
use crate::record::{Attempt, End};
use crate::trace::Trace;
use crate::usage::Usage;
use crate::yaml::Source;

fn trace(flags: u8) -> Trace {
    Trace { flags, ..Trace::begin(&http::HeaderMap::new(), || 7) }
}

/// A stream that one provider has answered well.
fn record() -> Record {
    let attempt = Attempt {
        provider: "a".into(),
        endpoint: "a:80".into(),
        standing: None,
        status: Some(200),
        error: None,
        good: true,
        started: Duration::from_micros(60),
        duration: Duration::from_millis(200),
        span_id: 1,
        connect: None,
        error_type: None,
        system: None,
        model: None,
    };
    Record {
        gateway: Some("ns/gw".into()),
        listener: Some("http".into()),
        route: Some("ns/r".into()),
        backend: Some("ns/b".into()),
        operation: Some("chat"),
        system: Some("openai"),
        upstream_model: Some("m-1".into()),
        response_model: Some("m-1".into()),
        usage: Some(Usage { input: 11, output: 7, cached: 4, ..Usage::default() }),
        attempts: vec![attempt],
        status: 200,
        first_token: Some(Duration::from_millis(300)),
        duration: Duration::from_millis(1000),
        response_bytes: 100,
        end: End::Complete,
        trace: trace(0),
        method: http::Method::POST,
        port: 80,
        ..Record::empty()
    }
}

fn text(metrics: &Metrics, format: Format) -> String {
    let mut text = Text::new(format);
    let counted = metrics.counted();
    counted.write_first(&mut text);
    counted.write_rest(&mut text);
    text.finish()
}

/// The value of the only sample of a family whose line holds this.
fn value(text: &str, name: &str, label: &str) -> f64 {
    let ours = |line: &&str| line.starts_with(&format!("agentgateway_{name}{{")) && line.contains(label);
    let found: Vec<_> = text.lines().filter(ours).collect();
    assert_eq!(found.len(), 1, "{name} {label}: {found:?}\n{text}");
    found[0].rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn junk_model_names_do_not_mint_series_for_ever() {
    let mut metrics = Metrics::default();
    assert_eq!(metrics.model(Some("refused"), false, false), "unknown");
    assert_eq!(metrics.model(Some("served"), true, false), "served");
    assert_eq!(metrics.model(Some("served"), false, false), "served");
    let names: HashSet<String> =
        (0..10_000).map(|n| metrics.model(Some(&format!("junk-{n}")), true, false).to_owned()).collect();
    assert_eq!(names.len(), MAX_MODELS);
    assert_eq!(metrics.model(Some("configured"), false, true), "configured");
}

#[test]
fn the_page_about_telemetry_has_every_family_as_it_is() {
    let page = include_str!("../../TELEMETRY.md");
    for family in family::ALL {
        let (kind, suffix) = match family.kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
            Kind::Histogram(_) => ("histogram", ""),
            Kind::Info => ("info", "_info"),
        };
        let row = format!("| `{}{suffix}` | {kind} | {} | {} |", family.name, family.labels, family.help);
        assert!(page.lines().any(|line| line == row), "TELEMETRY.md lacks: {row}");
    }
    assert_eq!(page.matches("| `agentgateway_").count(), family::ALL.len());
}

#[test]
fn label_values_are_escaped() {
    assert_eq!(labels::escaped("a\"b\\c\nd\re"), "a\\\"b\\\\c\\nd\u{fffd}e");
}

#[test]
fn an_exchange_is_counted_once_in_each_family_that_it_belongs_to() {
    let catalog = "providers: {openai: {models: {m-1: {rates: {input: 1, output: 2, cacheRead: '0.5'}}}}}";
    let catalogs = Catalogs::new(Some(Catalog::read(&Source::new("c", catalog)).unwrap()), &Default::default());
    let (mut metrics, mut record) = (Metrics::default(), record());
    catalogs.price(&mut record);
    metrics.count(&record);
    metrics.count(&record);
    let text = text(&metrics, Format::Prometheus);
    assert!((value(&text, "requests_total", "status=\"200\"") - 2.0).abs() < 1e-9);
    assert!((value(&text, "tokens_total", "type=\"input\"") - 22.0).abs() < 1e-9);
    assert!((value(&text, "gen_ai_client_token_usage_sum", "input_cache_read") - 8.0).abs() < 1e-9);
    assert!((value(&text, "gen_ai_server_time_to_first_token_sum", "") - 0.6).abs() < 1e-9);
    // the time after the first event over all output tokens
    assert!((value(&text, "gen_ai_server_time_per_output_token_sum", "") - 0.2).abs() < 1e-9);
    assert!((value(&text, "upstream_call_duration_seconds_count", "subtype=\"Llm\"") - 2.0).abs() < 1e-9);
    assert!((value(&text, "request_processing_seconds_bucket", "le=\"0.0001\"") - 2.0).abs() < 1e-9);
    assert!((value(&text, "cost_catalog_lookups_total", "status=\"Exact\"") - 2.0).abs() < 1e-9);
    assert!(text.contains("} 0.000046\n"), "{text}");
    assert!(!text.contains("agentgateway_retries_total{"), "{text}");
}

#[test]
fn labels_of_ones_own_are_texts_that_fit_and_everything_else_is_unknown() {
    let mut metrics = Metrics::default();
    let expression = |text: &str| {
        let uses = crate::cel::Uses { request_headers: true, ..Default::default() };
        crate::cel::Expression::new(::cel::Program::compile(text).unwrap(), uses)
    };
    let labels = vec![
        ("team".into(), expression("request.headers['x-team']")),
        ("number".into(), expression("1 + 1")),
        ("away".into(), expression("request.headers['x-none']")),
    ];
    let telling = crate::access_log::Telling { log: None, labels: Some(Arc::new(crate::access_log::Labels(labels))) };
    let telling = Arc::new(telling);
    let long = "x".repeat(129);
    for team in ["red", "blue", "red", "a\u{1}", &long, &long.replace('x', "y")] {
        let mut kept = crate::access_log::Kept::new(telling.clone(), Uses::default(), false);
        let value = http::HeaderValue::from_bytes(team.replace('\u{1}', "\t").as_bytes()).unwrap();
        kept.keep_request(&[(http::HeaderName::from_static("x-team"), value)].into_iter().collect());
        metrics.count(&Record { kept: Some(Box::new(kept)), ..record() });
    }
    let text = text(&metrics, Format::Prometheus);
    for (team, count) in [("red", 2.0), ("blue", 1.0), ("unknown", 3.0)] {
        let labels = format!("team=\"{team}\",number=\"unknown\",away=\"unknown\"");
        assert!((value(&text, "requests_total", &labels) - count).abs() < 1e-9);
        assert!((value(&text, "gen_ai_server_request_duration_count", &labels) - count).abs() < 1e-9);
    }
}

#[test]
fn what_has_no_price_has_no_cost() {
    let (mut metrics, mut record) = (Metrics::default(), record());
    Catalogs::default().price(&mut record);
    metrics.count(&record);
    let text = text(&metrics, Format::Prometheus);
    assert!(text.contains("lookups_total{status=\"NoCatalog\"") && !text.contains("cost_usd_total{"), "{text}");
}

#[test]
fn sampled_exchanges_are_pointed_at_in_open_metrics_alone() {
    let mut metrics = Metrics::default();
    metrics.count(&record());
    assert!(!text(&metrics, Format::OpenMetrics).contains("trace_id"));
    metrics.count(&Record { trace: trace(1), ..record() });
    let open = text(&metrics, Format::OpenMetrics);
    let pointer = format!("# {{trace_id=\"{:032x}\"}}", trace(1).trace_id);
    let lines: Vec<_> = open.lines().filter(|line| line.contains(&pointer)).collect();
    let pointed = |start: &str| lines.iter().filter(|line| line.starts_with(&format!("agentgateway_{start}"))).count();
    let named = ["requests_total{", "tokens_total{", "request_duration_seconds_bucket{"].map(pointed);
    assert_eq!(named, [1, 2, 1], "{lines:?}");
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE agentgateway_requests counter\n"));
    assert!(open.contains("le=\"1.0\"") && !open.contains("le=\"1\""));
    let plain = text(&metrics, Format::Prometheus);
    assert!(!plain.contains("trace_id") && !plain.contains("EOF"));
    assert!(plain.contains("# TYPE agentgateway_requests_total counter\n") && plain.contains("le=\"1\""));
}

#[test]
fn requests_and_tokens_are_both_among_the_first_lines_when_one_of_them_has_many_series() {
    for (rules, providers) in [(50, 1), (1, 50), (1, 1)] {
        let mut metrics = Metrics::default();
        for n in 0..rules.max(providers) {
            let mut record =
                Record { usage: (n < 2).then_some(Usage { input: 1, output: 1, ..Usage::default() }), ..record() };
            if rules > 1 {
                record.rule = Some(format!("r-{n}").into());
            } else {
                record.usage = Some(Usage { input: 1, output: 1, ..Usage::default() });
                record.attempts[0].provider = format!("p-{n}").into();
            }
            metrics.count(&record);
        }
        let text = text(&metrics, Format::Prometheus);
        let first: Vec<_> = text
            .lines()
            .filter(|line| line.contains("agentgateway_request") || line.contains("agentgateway_token"))
            .take(20)
            .collect();
        let has = |start: &str| first.iter().any(|line| line.starts_with(start));
        assert!(has("agentgateway_requests_total{") && has("agentgateway_tokens_total{"), "{first:#?}");
    }
}

/// Anything that a client, a provider or a change of the configuration can put into a record.
fn any_record() -> impl Strategy<Value = Record> {
    let name = "[a-c]{1,4}|\\PC{0,200}";
    let model = "[a-c]{1,2}|[\\x00-\\x1fa]{1,3}|.{0,200}";
    let names = (prop::array::uniform5(prop::option::of(name)), prop::array::uniform3(prop::option::of(model)));
    let counts = prop::option::of(prop::array::uniform4(any::<u64>()));
    (names, any::<u16>(), 0u16..2000, any::<bool>(), counts, 0usize..4, "[A-Z]{1,9}", any::<u8>()).prop_map(
        |(names, port, status, llm, counts, attempts, method, flags)| {
            let [gateway, listener, route, rule, backend] = names.0.map(|name| name.map(Arc::<str>::from));
            let [upstream, requested, answered] = names.1.map(|name| name.map(Arc::<str>::from));
            let mut record = record();
            record.attempts = vec![record.attempts[0].clone(); attempts];
            Record {
                gateway,
                listener,
                route,
                rule,
                backend,
                upstream_model: upstream.filter(|_| flags & 2 == 2),
                requested_model: requested.map(|name| (*name).into()),
                response_model: answered.map(|name| (*name).into()),
                operation: llm.then_some("chat"),
                usage: counts.map(|[input, output, cached, reasoning]| Usage {
                    input,
                    output,
                    cached,
                    reasoning,
                    cache_written: input,
                }),
                status,
                port,
                method: method.parse().unwrap(),
                trace: trace(flags),
                ..record
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn no_stream_of_records_makes_more_series_than_the_bound(records in prop::collection::vec(any_record(), 2300)) {
        let mut metrics = Metrics::default();
        for record in &records {
            metrics.count(record);
        }
        let counted = metrics.counted();
        for rows in [counted.http.len(), counted.gen_ai.len(), counted.tokens.len(), counted.processing.len()] {
            prop_assert!(rows <= table::MOST_ROWS);
        }
        let requests: u64 = counted.http.iter().map(|row| row.value.requests.sum).sum();
        prop_assert_eq!(requests, records.len() as u64);
        let text = text(&metrics, Format::Prometheus);
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0);
        let mut seen = HashSet::new();
        for sample in samples {
            prop_assert!(seen.insert(sample), "{} stands there twice", sample);
        }
    }
}

/// Records that differ from one another in one thing, some of them in nothing.
fn variants() -> Vec<Record> {
    let base = record();
    // the names of a place are shared, as they are by what a configuration has made
    let same = || base.clone();
    let mut other_provider = same();
    other_provider.attempts[0].provider = "b".into();
    let mut unanswered = same();
    unanswered.attempts[0].status = None;
    let kept = || Some(Box::new(crate::access_log::Kept::new(Arc::default(), Uses::default(), false)));
    vec![
        same(),
        Record { response_bytes: 7, duration: Duration::from_secs(9), trace: trace(1), ..same() },
        Record { port: 81, ..same() },
        Record { status: 429, ..same() },
        Record { method: http::Method::PUT, ..same() },
        Record { operation: Some("embeddings"), ..same() },
        Record { operation: None, ..same() },
        Record { system: Some("azure"), ..same() },
        Record { system: None, ..same() },
        Record { end: End::ClientClosed, ..same() },
        Record { reason: Some(crate::error::Reason::Timeout), ..same() },
        Record { upstream_model: Some("m-2".into()), ..same() },
        Record { upstream_model: None, requested_model: Some("m-1".into()), ..same() },
        Record { upstream_model: None, requested_model: Some("m-3".into()), status: 500, ..same() },
        Record { response_model: Some("m-2".into()), ..same() },
        Record { response_model: None, ..same() },
        Record { response_model: Some("unknown".into()), ..same() },
        Record { usage: None, ..same() },
        Record { gateway: Some("ns/other".into()), ..same() },
        Record { rule: Some("r".into()), ..same() },
        Record { backend: None, ..same() },
        Record { attempts: Vec::new(), ..same() },
        Record { kept: kept(), ..same() },
        other_provider,
        unanswered,
    ]
}

proptest! {
    #[test]
    fn a_record_counts_where_it_belongs_whatever_came_before(
        // each several times in a row
        order in prop::collection::vec((0usize..25, 1usize..4), 1..30),
    ) {
        let variants = variants();
        prop_assert_eq!(variants.len(), 25);
        let (mut metrics, mut forgetful) = (Metrics::default(), Metrics::default());
        for record in order.into_iter().flat_map(|(at, times)| std::iter::repeat_n(&variants[at], times)) {
            metrics.count(record);
            forgetful.like = None;
            forgetful.count(record);
        }
        prop_assert_eq!(text(&metrics, Format::OpenMetrics), text(&forgetful, Format::OpenMetrics));
    }
}

#[test]
fn the_row_of_the_rest_counts_what_it_folds_each_time() {
    let mut metrics = Metrics::default();
    for n in 0..table::MOST_ROWS {
        metrics.count(&Record { rule: Some(format!("r-{n}").into()), ..record() });
    }
    let last = Record { rule: Some("last".into()), ..record() };
    let before = metrics.http.folded();
    for _ in 0..3 {
        metrics.count(&last);
    }
    assert!(metrics.like.is_some());
    assert_eq!((metrics.http.folded(), metrics.tokens.folded()), (before + 3, before + 3));
}
