//! One export request, over gRPC or HTTP, and what its answer means: taken, to be tried again, or lost (OTLP
//! specification, "Failures"). Decides nothing about when.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use super::Dropped;
use super::wire::{Field, find};
use crate::send;
use crate::tracing::{Collector, Protocol};
use crate::upstream::{Connection, Pool, UpstreamBody};

/// Longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;
/// Longest part of a collector's own words that is told.
const MAX_WORDS: usize = 200;

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) struct Trouble {
    /// For the counter.
    pub(super) dropped: Dropped,
    /// For the notice.
    pub(super) why: String,
    /// The same batch may be taken later.
    pub(super) again: bool,
    /// When the collector wants it again.
    pub(super) pause: Option<Duration>,
}

fn unreachable(why: String) -> Trouble {
    Trouble { dropped: Dropped::Unreachable, why, again: true, pause: None }
}

/// Sends one batch; how many of its spans the collector refused.
///
/// # Errors
/// When the batch was not taken.
pub(super) async fn export(pool: &Pool, collector: &Collector, message: &Bytes) -> Result<u64, Trouble> {
    let answered = tokio::time::timeout(collector.timeout, ask(pool, collector, message)).await;
    let (status, headers, body) =
        answered.map_err(|_| unreachable(format!("no answer within {:?}", collector.timeout)))??;
    match collector.protocol {
        Protocol::Http => judge_http(status, &headers, &body),
        Protocol::Grpc => judge_grpc(status, &headers, &body),
    }
}

/// The answer: status, headers with the trailers among them, and body.
async fn ask(
    pool: &Pool,
    collector: &Collector,
    message: &Bytes,
) -> Result<(StatusCode, HeaderMap, BytesMut), Trouble> {
    let sent = send::attempt(pool, &collector.endpoint, request(collector, message), None, None).await;
    let (response, mut connection) = sent.map_err(|error| unreachable(error.rejection("it").message))?;
    let (mut head, ()) = response.into_parts();
    let (bytes, trailers) = read(&mut connection).await?;
    pool.give_back(connection);
    head.headers.extend(trailers);
    Ok((head.status, head.headers, bytes))
}

fn request(collector: &Collector, message: &Bytes) -> Request<UpstreamBody> {
    let mut body = VecDeque::from([message.clone()]);
    let kind = match collector.protocol {
        Protocol::Http => "application/x-protobuf",
        Protocol::Grpc => {
            let mut prefix = BytesMut::with_capacity(5);
            prefix.put_u8(0); // not compressed
            prefix.put_u32(u32::try_from(message.len()).expect("a batch is bounded far below 4 GiB"));
            body.push_front(prefix.freeze());
            "application/grpc"
        }
    };
    let mut request = Request::new(UpstreamBody::Pieces(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = collector.path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.extend(collector.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("windtunnel-otlp/", env!("CARGO_PKG_VERSION"))));
    if collector.protocol == Protocol::Grpc {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Ok(host) = HeaderValue::from_str(&collector.endpoint.authority) {
        headers.insert(HOST, host);
    }
    request
}

async fn read(connection: &mut Connection) -> Result<(BytesMut, HeaderMap), Trouble> {
    let (mut bytes, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while let Some(frame) = poll_fn(|cx| connection.poll_frame(cx)).await {
        let frame = frame.map_err(|error| unreachable(format!("it broke off its answer: {error}")))?;
        match frame.into_data() {
            Ok(data) => {
                let room = MAX_ANSWER.saturating_sub(bytes.len()).min(data.len());
                bytes.extend_from_slice(&data[..room]);
            }
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok((bytes, trailers))
}

fn judge_http(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<u64, Trouble> {
    if status.is_success() {
        return Ok(refused_spans(body));
    }
    // a google.rpc.Status, where the collector follows the specification
    let words = match find(body, 2) {
        Some(Field::Bytes(words)) => quoted(words),
        _ => String::new(),
    };
    Err(Trouble {
        dropped: Dropped::Refused,
        why: format!("it answered {status}{words}"),
        again: retryable(status),
        pause: headers.get(RETRY_AFTER).and_then(|value| pause(value.to_str().ok()?)),
    })
}

fn retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// `Retry-After` in either form.
fn pause(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse().map(Duration::from_secs).ok();
    seconds.or_else(|| httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok())
}

fn judge_grpc(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<u64, Trouble> {
    let code = headers.get("grpc-status").and_then(|code| code.to_str().ok()?.parse::<u8>().ok());
    let words = headers.get("grpc-message").map_or(String::new(), |words| quoted(words.as_bytes()));
    let (why, again) = match code {
        Some(0) => return Ok(refused_spans(body.get(5..).unwrap_or_default())),
        // cancelled, deadline exceeded, aborted, out of range, unavailable, data loss
        Some(code @ (1 | 4 | 10 | 11 | 14 | 15)) => (format!("gRPC status {code}{words}"), true),
        // resource exhausted: only where the collector says that it may recover
        Some(code @ 8) => (format!("gRPC status {code}{words}"), headers.contains_key("grpc-status-details-bin")),
        Some(code) => (format!("gRPC status {code}{words}"), false),
        None => (format!("it answered {status} without a gRPC status"), retryable(status)),
    };
    Err(Trouble { dropped: Dropped::Refused, why, again, pause: None })
}

/// The collector's words as they may be told.
fn quoted(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let shown: String = text.chars().filter(|character| !character.is_control()).take(MAX_WORDS).collect();
    format!(": {shown}")
}

/// `ExportTraceServiceResponse.partial_success.rejected_spans`
fn refused_spans(response: &[u8]) -> u64 {
    let Some(Field::Bytes(partial)) = find(response, 1) else { return 0 };
    match find(partial, 1) {
        Some(Field::Number(refused)) if refused < i64::MAX as u64 => refused,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn http_answers_mean_what_the_specification_says() {
        let status = |code| StatusCode::from_u16(code).unwrap();
        assert_eq!(judge_http(status(200), &HeaderMap::new(), b"").unwrap(), 0);
        // partial_success { rejected_spans: 3, error_message: "x" }
        assert_eq!(judge_http(status(200), &HeaderMap::new(), b"\x0a\x05\x08\x03\x12\x01x").unwrap(), 3);
        for (code, again) in
            [(400, false), (401, false), (404, false), (429, true), (500, false), (502, true), (503, true), (504, true)]
        {
            assert_eq!(judge_http(status(code), &HeaderMap::new(), b"").unwrap_err().again, again, "{code}");
        }
        let told = judge_http(status(429), &headers(&[("retry-after", "7")]), b"\x12\x04full").unwrap_err();
        assert_eq!(
            (told.pause, told.why.as_str()),
            (Some(Duration::from_secs(7)), "it answered 429 Too Many Requests: full")
        );
    }

    #[test]
    fn grpc_answers_mean_what_the_specification_says() {
        let ok = |all: &[(&'static str, &'static str)]| {
            judge_grpc(StatusCode::OK, &headers(all), b"\0\0\0\0\x04\x0a\x02\x08\x02")
        };
        assert_eq!(ok(&[("grpc-status", "0")]).unwrap(), 2);
        for (code, again) in
            [("1", true), ("3", false), ("4", true), ("7", false), ("8", false), ("14", true), ("16", false)]
        {
            assert_eq!(ok(&[("grpc-status", code)]).unwrap_err().again, again, "{code}");
        }
        assert!(ok(&[("grpc-status", "8"), ("grpc-status-details-bin", "AA")]).unwrap_err().again);
        assert!(judge_grpc(StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"").unwrap_err().again);
        assert!(!judge_grpc(StatusCode::NOT_FOUND, &HeaderMap::new(), b"").unwrap_err().again);
    }
}
