//! What reading and editing a prompt costs, beside one copy of the same bytes. The edit neither parses into a tree
//! nor copies: it validates in one pass and sends slices.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gateway::edit::Prompt;
use gateway::snapshot::Model;

fn prompt(size: usize) -> Bytes {
    let text = "The quick brown fox says \\\"hello\\\" to the lazy dog.\\n".repeat(size / 52 + 1);
    let content = &text[..text[..size].rfind(' ').unwrap_or(size)];
    Bytes::from(format!(
        "{{\"model\":\"gpt-4o-mini\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"{content}\"}}]}}"
    ))
}

fn body_edit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("body_edit");
    let model = Model::from("m-large-01");
    for size in [1 << 10, 10 << 10, 100 << 10, 1 << 20] {
        let body = prompt(size);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("read_and_splice", size), &body, |bencher, body| {
            bencher.iter(|| {
                let prompt = Prompt::read(black_box(body.clone())).expect("the prompt is JSON");
                prompt.pieces(Some(&model), true)
            });
        });
        group.bench_with_input(BenchmarkId::new("one_copy", size), &body, |bencher, body| {
            bencher.iter(|| {
                let mut copy = BytesMut::with_capacity(body.len());
                copy.extend_from_slice(black_box(body));
                copy.freeze()
            });
        });
        group.bench_with_input(BenchmarkId::new("tree_and_back", size), &body, |bencher, body| {
            bencher.iter(|| {
                let mut tree: serde_json::Value = serde_json::from_slice(black_box(body)).expect("the prompt is JSON");
                tree["model"] = "m-large-01".into();
                serde_json::to_vec(&tree).expect("a tree can be written")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, body_edit);
criterion_main!(benches);
