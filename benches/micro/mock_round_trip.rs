//! What does one exchange with the scripted provider cost, beside a bare hyper server with the very same bytes?
//!
//! One client on one connection, so the numbers are mostly the loopback's: compare the two. CPU time under load, paced
//! streams and memory are `mock_speed`'s.

#[allow(dead_code, reason = "the process that `mock_speed` makes of it is not needed here")]
#[path = "mock_speed/floor.rs"]
mod floor;

use std::net::SocketAddr;

use benches::wire::{Connection, chat_request, expect_ok};
use criterion::{Criterion, criterion_group, criterion_main};
use mock_providers::script::{Provider, Respond};
use mock_providers::{MockProvider, Options, Workers};
use tokio::runtime::{Builder, Runtime};

fn round_trip(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime for the client");
    let mock = runtime.block_on(start());
    let answers = [false, true].map(|stream| body(&runtime, mock.addr(), stream));
    let floor = floor::spawn(&answers[0], &answers[1]).expect("the floor starts");
    for (name, stream) in [("json", false), ("stream-21-frames", true)] {
        let mut group = criterion.benchmark_group(format!("mock_round_trip/{name}"));
        for (name, address) in [("floor", floor), ("mock", mock.addr())] {
            let request = chat_request(address, stream, 64);
            let mut connection = runtime.block_on(Connection::open(address)).expect("it accepts");
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let answer = runtime.block_on(connection.round_trip(&request)).expect("it answers");
                    expect_ok(answer).expect("only good answers are timed");
                });
            });
        }
        group.finish();
    }
}

/// The provider on a thread of its own.
async fn start() -> MockProvider {
    let respond = Respond { tokens: Some(18.into()), ..Respond::default() };
    let script = Provider { respond: Some(respond), ..Provider::default() };
    let workers = Workers::start(1).expect("a thread");
    let options = Options { workers: Some(workers), journal: 1000, ..Options::default() };
    mock_providers::start("bench", script, options).await.expect("the provider starts")
}

fn body(runtime: &Runtime, address: SocketAddr, stream: bool) -> Vec<u8> {
    let answer = runtime.block_on(async {
        let mut connection = Connection::open(address).await?;
        connection.round_trip(&chat_request(address, stream, 64)).await.map(<[u8]>::to_vec)
    });
    floor::payload(&answer.expect("it answers"), stream)
}

criterion_group!(benches, round_trip);
criterion_main!(benches);
