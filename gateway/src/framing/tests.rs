use super::*;
use hyper::body::Body;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn ambiguous(stream: &str, step: usize) -> bool {
    let framing = Framing::default();
    let mut watcher = Watcher::new(framing.clone());
    stream.as_bytes().chunks(step).for_each(|part| watcher.see(part));
    framing.ambiguous()
}

#[test]
fn a_length_told_twice_is_seen_in_any_order_and_any_split() {
    let good = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    for step in [1, 2, 7, 1000] {
        for bad in [
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 3\r\n\r\n",
            "POST / HTTP/1.1\ntransfer-encoding:chunked\ncontent-length:3\n\n",
        ] {
            assert!(ambiguous(bad, step) && ambiguous(&format!("{good}{bad}"), step));
        }
        assert!(!ambiguous(&good.repeat(3), step));
        let padded = format!("POST / HTTP/1.1\r\nContent-Length:{}3\r\n\r\nabc", " ".repeat(60));
        assert!(ambiguous(&padded, step));
        assert!(!ambiguous(
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\ncontent-length: 3\r\n\r\n",
            step
        ));
        let inside = "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n";
        assert!(!ambiguous(&format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{inside}", inside.len()), step));
    }
}

const HEADS: [&str; 4] = [
    "POST /a HTTP/1.1\r\nHost: a\r\n",
    "GET /b HTTP/1.1\r\nHost: a\r\n",
    "POST /c HTTP/1.0\r\n",
    "POST /d HTTP/1.1\nHost: a\n",
];
const LENGTHS: [&str; 12] = [
    "Content-Length: 3\r\n",
    "content-length: 13\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 5\n",
    "Content-Length: +3\r\n",
    "Content-Length: 3, 3\r\n",
    "Content-Length : 3\r\n",
    " Content-Length: 3\r\n",
    "Content-Length:\t3 \r\n",
    "Content-Length: 0x3\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Content-Length\r\n",
];
const CODINGS: [&str; 8] = [
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding:chunked\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: chunked, x\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer-Encoding: xchunked\r\n",
];
const OTHERS: [&str; 8] = [
    "X: y\r\n",
    "X:\r\n\tContent-Length: 4\r\n",
    "X: y\rContent-Length: 4\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: h2c\r\n",
    "Host: b\r\n",
    "\0",
];
const BODIES: [&str; 10] = [
    "",
    "abc",
    "abcde",
    "3\r\nabc\r\n0\r\n\r\n",
    "3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
    "3\nabc\n0\n\n",
    "0\r\n\r\n",
    "-1\r\nabc\r\n",
    "fffffffffffffffff\r\n",
    "3 \r\nabc\r\n0\r\n\r\n",
];

/// Requests with fields and bodies that need not fit together, and here and there something that fits nowhere.
pub(crate) fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let one = |of: &'static [&'static str]| prop::sample::select(of).prop_map(|text| text.as_bytes().to_vec());
    let field = prop_oneof![3 => one(&LENGTHS), 2 => one(&CODINGS), 2 => one(&OTHERS)];
    let plain = prop_oneof![one(&LENGTHS[..4]), one(&CODINGS[..2])];
    let fields = prop_oneof![prop::collection::vec(field, 0..4), prop::collection::vec(plain, 0..3)];
    let end =
        prop::sample::select(vec!["\r\n", "\r\n", "\n", "\r\n\r\n", "\r"]).prop_map(|text| text.as_bytes().to_vec());
    let noise = prop_oneof![9 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 0..20)];
    let request = (one(&HEADS), fields, end, one(&BODIES), noise)
        .prop_map(|(head, fields, end, body, noise)| [head, fields.concat(), end, body, noise].concat());
    prop::collection::vec(request, 1..4).prop_map(|requests| requests.concat())
}

/// What a request is known by: its path and its body.
pub(crate) type Told = (String, Vec<u8>);

/// The requests that pass, as `listen` and `proxy` let them pass: hyper reads, this module watches, and a chunked
/// request is the last of its connection.
async fn passed(stream: &[u8], step: usize) -> Vec<Told> {
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let (watched, framing) = Watched::new(server);
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let told = seen.clone();
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (framing, told) = (framing.clone(), told.clone());
        async move {
            let refused = framing.ambiguous();
            let close = refused || request.headers().contains_key(http::header::TRANSFER_ENCODING);
            let (path, mut body, mut bytes) = (request.uri().path().to_owned(), request.into_body(), Vec::new());
            while let (false, Some(frame)) =
                (refused, std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await)
            {
                bytes.extend_from_slice(&frame?.into_data().unwrap_or_default());
            }
            if !refused {
                told.borrow_mut().push((path, bytes));
            }
            let mut response = http::Response::new(String::new());
            if close {
                response.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
            }
            Ok::<_, hyper::Error>(response)
        }
    });
    let writing = async {
        for part in stream.chunks(step) {
            client.write_all(part).await?;
        }
        client.shutdown().await?;
        client.read_to_end(&mut Vec::new()).await
    };
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(watched), service);
    let _ended = tokio::join!(writing, served);
    seen.take()
}

/// The same connection as a strict reader has it, up to the first doubt.
fn strict(mut bytes: &[u8]) -> Vec<Told> {
    let mut all = Vec::new();
    while let Some((request, rest, last)) = strict_request(bytes) {
        all.push(request);
        if last {
            break;
        }
        bytes = rest;
    }
    all
}

fn line<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = &bytes[..end];
    *bytes = &bytes[end + 1..];
    std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()
}

pub(crate) fn strict_request(mut bytes: &[u8]) -> Option<(Told, &[u8], bool)> {
    let mut first = line(&mut bytes)?;
    while first.is_empty() {
        first = line(&mut bytes)?;
    }
    let mut words = first.split(' ');
    let (_method, path, version) = (words.next()?, words.next()?, words.next()?);
    let (mut lengths, mut codings) = (Vec::new(), Vec::new());
    let mut last = version == "HTTP/1.0";
    loop {
        let field = line(&mut bytes)?;
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(value.trim().to_owned()),
            "transfer-encoding" => codings.push(value.trim().to_owned()),
            "connection" => last = true,
            _ => (),
        }
    }
    let mut body = Vec::new();
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => (),
        ([length, others @ ..], []) if others.iter().all(|other| other == length) => {
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            let length: usize = length.parse().ok().filter(|_| digits)?;
            body.extend_from_slice(bytes.get(..length)?);
            bytes = &bytes[length..];
        }
        ([], codings) if codings.last().is_some_and(|last| last.ends_with("chunked")) => {
            last = true;
            loop {
                let size = line(&mut bytes)?;
                let size = size.split(';').next()?.trim();
                let size = usize::from_str_radix(size, 16).ok()?;
                if size == 0 {
                    while !line(&mut bytes)?.is_empty() {}
                    break;
                }
                body.extend_from_slice(bytes.get(..size)?);
                bytes = &bytes[size..];
                line(&mut bytes)?.is_empty().then_some(())?;
            }
        }
        _ => return None,
    }
    Some(((path.to_owned(), body), bytes, last))
}

#[tokio::test]
async fn both_readers_see_what_is_plain() {
    let stream = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\nPOST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
    let told =
        [("/a", "abc"), ("/b", ""), ("/c", "de")].map(|(path, body)| (path.to_owned(), body.as_bytes().to_vec()));
    for step in [1, 7, 1000] {
        assert_eq!(passed(stream.as_bytes(), step).await, told);
    }
    assert_eq!(strict(stream.as_bytes()), told);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_passes_is_what_a_strict_reader_sees(stream in pieces(), step in 1usize..200) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let passed = runtime.block_on(passed(&stream, step));
        let strict = strict(&stream);
        let same = passed.iter().zip(&strict).all(|(one, other)| one == other);
        prop_assert!(same && passed.len() <= strict.len(), "{passed:?}\n{strict:?}\n{:?}", String::from_utf8_lossy(&stream));
    }
}
