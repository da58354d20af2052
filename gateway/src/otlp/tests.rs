//! The exporter against collectors that do not do their part: what waits is bounded, what is lost is counted, and the
//! end does not wait for them.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::record::Record;
use crate::tracing::{Chance, GRPC_PATH, Protocol, Sampling, Tracing};

fn exporter() -> Exporter {
    Exporter::start(Setup::default()).unwrap()
}

/// A traced record with an answer of this size in its span.
pub(crate) fn record(port: u16, timeout: Duration, body: usize) -> Record {
    let (endpoint, _) = crate::otel::locate(&format!("http://127.0.0.1:{port}"), Protocol::Grpc).unwrap();
    let (protocol, path) = (Protocol::Grpc, GRPC_PATH.into());
    let collector = Collector { endpoint, protocol, path, headers: Vec::new(), timeout, resource: Vec::new() };
    let tracing = Tracing {
        collector: Arc::new(collector),
        sampling: Sampling { root: None, client: Chance::share(1.0), heed_flag: true },
        filter: None,
        add: Vec::new(),
        remove: Vec::new(),
        content: true,
    };
    let response_body = Some(vec![b'a'; body]);
    Record { tracing: Some(Arc::new(tracing)), operation: Some("chat"), response_body, ..Record::empty() }
}

fn dropped(counts: &Counts) -> Vec<u64> {
    counts.read().1.map(|(_, count)| count).collect()
}

#[test]
fn spans_for_a_dead_collector_are_dropped_and_counted_at_the_end() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut exporter = exporter();
    let counts = exporter.counts();
    exporter.export(&record(closed, Duration::from_secs(10), 0));
    exporter.finish();
    assert_eq!((counts.read().0, dropped(&counts)), (0, vec![0, 1, 0]));
}

#[test]
fn a_collector_that_never_answers_costs_spans_and_nothing_else() {
    // the system lets clients in, nobody ever reads
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut exporter = exporter();
    let counts = exporter.counts();
    let record = record(port, Duration::from_millis(50), 16 * 1024);
    let sent = 2 * MOST_WAITING / (16 * 1024);
    for _ in 0..sent {
        exporter.export(&record);
        let waiting = exporter.to[0].waiting.load(Relaxed);
        assert!(waiting <= MOST_WAITING, "{waiting}");
    }
    assert!(dropped(&counts)[0] > 0, "what does not fit is dropped at once");
    exporter.finish();
    assert_eq!(counts.read().0, 0);
}

#[test]
fn a_reloaded_policy_goes_on_with_the_queue_of_the_same_collector() {
    let mut exporter = exporter();
    for port in [9, 9, 10] {
        exporter.export(&record(port, Duration::from_millis(50), 0));
    }
    assert_eq!(exporter.to.len(), 2);
    exporter.finish();
}

#[test]
fn what_is_not_traced_makes_no_spans() {
    let mut exporter = exporter();
    exporter.export(&Record::empty());
    assert!(exporter.to.is_empty());
    exporter.finish();
}
