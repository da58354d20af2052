//! What it costs to count one finished exchange, to scrape while it goes on, and to put a price on it: all of it on the
//! telemetry thread. The series are the ones of a busy gateway: 40 routes, 5 models.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gateway::cost::{Catalog, Catalogs};
use gateway::metrics::Metrics;
use gateway::metrics::write::{Format, Text};
use gateway::record::{Attempt, End, Record};
use gateway::trace::Trace;
use gateway::usage::Usage;
use gateway::yaml::Source;

fn records() -> Vec<Record> {
    let records = (0..200).map(|n: usize| {
        let attempt = Attempt {
            provider: "openai-eu".into(),
            endpoint: "api.openai.com:443".into(),
            standing: None,
            status: Some(200),
            error: None,
            good: true,
            started: Duration::from_micros(80),
            duration: Duration::from_millis(210),
            span_id: 1,
            connect: None,
            error_type: None,
            system: None,
            model: None,
        };
        let model: Arc<str> = format!("m-large-{}", n % 5).into();
        Record {
            gateway: Some("agentgateway-system/agentgateway-proxy".into()),
            listener: Some("http".into()),
            route: Some(format!("tenant-{}/openai", n % 40).into()),
            backend: Some("agentgateway-system/openai".into()),
            operation: Some("chat"),
            system: Some("openai"),
            response_model: Some((*model).into()),
            upstream_model: Some(model),
            usage: Some(Usage { input: 1200, output: 300, cached: 1000, ..Usage::default() }),
            attempts: vec![attempt],
            status: 200,
            first_token: Some(Duration::from_millis(300)),
            duration: Duration::from_millis(1900),
            response_bytes: 9000,
            end: End::Complete,
            trace: Trace::begin(&http::HeaderMap::new(), || 7),
            method: http::Method::POST,
            port: 8080,
            ..Record::empty()
        }
    });
    records.collect()
}

fn metrics_record(criterion: &mut Criterion) {
    let (mut metrics, mut records) = (Metrics::default(), records());
    let mut at = 0;
    let mut next = move || {
        at = (at + 1) % 200;
        at
    };
    let mut group = criterion.benchmark_group("metrics_record");
    group.bench_function("count", |bencher| bencher.iter(|| metrics.count(black_box(&records[next()]))));
    let catalog = "providers: {openai: {models: {m-large-1: {rates: {input: '2.5', output: 10, cacheRead: '0.25'}}}}}";
    let catalog = Catalog::read(&Source::new("prices", catalog)).expect("the catalog is right");
    let catalogs = Catalogs::new(Some(catalog), &Default::default());
    group.bench_function("price", |bencher| bencher.iter(|| catalogs.price(black_box(&mut records[1]))));
    group.bench_function("copy_for_a_scrape", |bencher| bencher.iter(|| metrics.counted()));
    group.bench_function("scrape", |bencher| {
        bencher.iter(|| {
            let mut text = Text::new(Format::OpenMetrics);
            let counted = metrics.counted();
            counted.write_first(&mut text);
            counted.write_rest(&mut text);
            text.finish()
        });
    });
    group.finish();
}

criterion_group!(benches, metrics_record);
criterion_main!(benches);
