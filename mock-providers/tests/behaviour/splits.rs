//! Whatever way the bytes of an answer take: put together they are the same, and say the same.

use std::io::Read;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::event_stream::{Decoder, decode};
use crate::properties::cases;
use crate::support::{Client, Response};

/// Requests for streams, with what is scripted for them.
fn asked() -> impl Strategy<Value = (&'static str, Value)> {
    let messages = json!([{"role": "user", "content": "h\u{e9} \u{1f300}"}]);
    let bodies = vec![
        ("/v1/chat/completions", json!({"model": "m", "stream": true, "messages": messages, "n": 2})),
        ("/v1/completions", json!({"model": "m", "stream": true, "prompt": "x"})),
        ("/v1/responses", json!({"model": "m", "stream": true, "input": "x"})),
        ("/v1/messages", json!({"model": "m", "stream": true, "max_tokens": 99, "messages": messages})),
        ("/v1/chat/completions", json!({"model": "m", "messages": messages})),
    ];
    proptest::sample::select(bodies)
}

fn respond() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ -~\u{e9}\u{4f60}\u{1f300}\r\n]{0,60}".prop_map(|text| json!({ "text": text })),
        Just(json!({"echo": true})),
        Just(json!({"tokens": 40, "size": "70KiB"})),
        Just(
            json!({"blocks": [{"text": "h\u{e9}"}, {"tool_call": {"name": "f", "arguments": {"\u{e9}": "\u{1f300}"}}}]})
        ),
        proptest::collection::vec(".{0,9}", 0..5).prop_map(|data| {
            let events = data.into_iter().map(|data| json!({ "data": data }));
            let events: Vec<Value> =
                events.chain([json!({"raw": ": c\r\ndata: a\rdata\r\n\r\n"}), json!("done")]).collect();
            json!({ "sse": events })
        }),
    ]
}

/// Ways of writing that change no byte of the body, once its content coding is taken off.
fn transport() -> impl Strategy<Value = (Value, Option<&'static str>)> {
    let split =
        (0usize..9, proptest::collection::vec(0usize..900, 0..6), any::<bool>()).prop_map(|(every, at, inside)| {
            let every = if every == 0 { Value::Null } else { every.into() };
            json!({"split": {"every": every, "at": at, "inside_utf8": inside, "gap": "0ms"}})
        });
    let dribble = (1usize..90).prop_map(|bytes| json!({"dribble": {"bytes": bytes, "gap": "0ms"}}));
    let encoding = proptest::sample::select(vec![None, None, Some("gzip"), Some("deflate"), Some("br"), Some("zstd")]);
    (prop_oneof![Just(json!({})), split, dribble], encoding)
}

/// The answer, and what every read brought of its body.
async fn answer(script: &Value, path: &str, body: &Value) -> Response {
    let script = serde_json::from_value(script.clone()).expect("a well-formed script");
    let mock = mock_providers::start("a", script, mock_providers::Options::default()).await.expect("a free port");
    let mut client = Client::connect(&mock).await;
    client.post_with(path, "anthropic-version: 2023-06-01\r\n", &body.to_string()).await;
    client.response().await
}

fn decoded(response: &Response) -> Vec<u8> {
    let (bytes, mut out) = (response.body.as_slice(), Vec::new());
    match response.header("content-encoding") {
        None => out.extend_from_slice(bytes),
        Some("gzip") => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).expect("gzip")),
        Some("deflate") => drop(flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out).expect("deflate")),
        Some("br") => drop(brotli_decompressor::Decompressor::new(bytes, 4096).read_to_end(&mut out).expect("br")),
        Some(_) => {
            let mut decoder = ruzstd::decoding::StreamingDecoder::new(bytes).expect("zstd");
            decoder.read_to_end(&mut out).expect("zstd");
        }
    }
    out
}

proptest! {
    #![proptest_config(cases(160))]

    #[test]
    fn however_a_body_is_cut_and_coded_its_bytes_and_events_are_the_same(
        (path, body) in asked(),
        respond in respond(),
        (fault, encoding) in transport(),
        cuts in proptest::collection::vec(1usize..40, 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let plain = json!({"respond": respond});
        let mut other = json!({"respond": respond, "fault": fault});
        if let Some(encoding) = encoding {
            other["respond"]["encoding"] = encoding.into();
        }
        let (plain, other) = runtime.block_on(async { (answer(&plain, path, &body).await, answer(&other, path, &body).await) });
        let whole = decoded(&other);
        prop_assert_eq!(String::from_utf8_lossy(&plain.body), String::from_utf8_lossy(&whole));
        prop_assert_eq!(other.header("content-encoding"), encoding);

        let mut decoder = Decoder::default();
        let (mut rest, mut cuts) = (whole.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*cuts.next().expect("a cycle has no end")));
            decoder.feed(piece);
            rest = after;
        }
        prop_assert_eq!(decoder.events, decode(&plain.body));
    }
}
