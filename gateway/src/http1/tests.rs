use proptest::prelude::*;

use super::*;
use crate::framing::tests::{pieces, strict_request};
use crate::fuzzing::{connection, heard};

fn path(ordinary: &request::Ordinary) -> &str {
    ordinary.head.uri().path()
}

#[test]
fn what_is_ordinary_is_told_with_its_body_as_far_as_it_has_come() {
    let all = b"POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\nX: 1\r\nx: 2\r\n\r\nabcdeGET /b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let head = all.len() - b"abcdeGET /b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".len();
    let first = request::read(all).unwrap();
    assert_eq!((path(&first), first.left, first.size, first.closes), ("/a", 0, head + 5, false));
    assert_eq!(first.arrived, "abcde");
    assert_eq!(first.head.headers().get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
    let next = request::read(&all[first.size..]).unwrap();
    assert_eq!((path(&next), next.left, next.closes), ("/b", 0, true));
    let begun = request::read(&all[..head + 2]).unwrap();
    assert_eq!((&begun.arrived[..], begun.left, begun.size), (&b"ab"[..], 3, head + 2));
    assert!(request::read(&all[..head - 1]).is_none(), "a head in parts");
}

#[test]
fn a_body_is_the_same_whatever_its_size() {
    for size in [0, 1, 4096, 4097, 60_000] {
        let body = "x".repeat(size);
        let said = format!("PUT /a HTTP/1.1\r\nHost: a\r\nX:\r\nContent-Length: {size}\r\n\r\n{body}GET");
        let ordinary = request::read(said.as_bytes()).unwrap();
        assert_eq!((&ordinary.arrived[..], ordinary.left), (body.as_bytes(), 0));
        assert_eq!(ordinary.size, said.len() - 3);
        assert_eq!(ordinary.head.headers()["x"], "");
    }
}

#[test]
fn whatever_has_rules_of_its_own_is_not_ordinary() {
    let ordinary = |line: &str, fields: &str| {
        let bytes = format!("{line}\r\nHost: a\r\n{fields}\r\n");
        request::read(bytes.as_bytes()).is_some()
    };
    assert!(ordinary("GET / HTTP/1.1", ""));
    for line in [
        "GET / HTTP/1.0",
        "HEAD / HTTP/1.1",
        "CONNECT a:1 HTTP/1.1",
        "get / HTTP/1.1",
        "GET http://a/ HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET a HTTP/1.1",
        "GET / HTTP/2.0",
        "GET  / HTTP/1.1",
        "GET /",
        " GET / HTTP/1.1",
    ] {
        assert!(!ordinary(line, ""), "{line}");
    }
    for fields in [
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding:\r\n",
        "Expect: 100-continue\r\n",
        "Upgrade: websocket\r\n",
        "TE: trailers\r\n",
        "Trailer: x\r\n",
        "Connection: upgrade\r\n",
        "Connection: close, x\r\n",
        "Connection:\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: 1 1\r\n",
        "Content-Length:\r\n",
        "Content-Length: 1000000000000000\r\n",
        "Content-Length : 1\r\n",
        "X\r\n",
        "X: a\r\n b\r\n",
        "X: a\rb\r\n",
        "X: \u{0}\r\n",
    ] {
        assert!(!ordinary("POST / HTTP/1.1", fields), "{fields:?}");
    }
    let many = "X: y\r\n".repeat(crate::listen::HEAD_FIELDS - 1);
    assert!(ordinary("GET / HTTP/1.1", &many) && !ordinary("GET / HTTP/1.1", &format!("{many}X: y\r\n")));
}

#[test]
fn requests_behind_one_another_are_served_in_order_and_what_is_odd_is_the_layers_from_there_on() {
    let chat = |body: &str, fields: &str| {
        let length = body.len();
        format!("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
    };
    let (good, odd) = (chat("{}", ""), "GET /moved/x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
    let said = format!("\0{good}{good}{odd}{good}{}{good}", chat("[]", "Connection: close\r\n"));
    assert_eq!(connection(said.as_bytes()), [500, 500, 302, 500, 400]);
    let closed = format!("\0{good}{}{good}", chat("[]", "Connection: close\r\n"));
    assert_eq!(connection(closed.as_bytes()), [500, 400]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// What is taken for ordinary is what a strict reader sees, to the byte.
    #[test]
    fn an_ordinary_request_is_the_same_to_a_strict_reader(stream in pieces()) {
        let stream = [b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n", &stream[..]].concat();
        prop_assert!(request::read(&stream).is_some());
        let mut rest = &stream[..];
        while let Some(ordinary) = request::read(rest) {
            if ordinary.left > 0 {
                prop_assert!(strict_request(rest).is_none());
                break;
            }
            let ((path, body), behind, _) = strict_request(rest).expect("a strict reader sees it");
            prop_assert_eq!(path, ordinary.head.uri().path());
            prop_assert_eq!(body, &ordinary.arrived[..]);
            prop_assert_eq!(behind, &rest[ordinary.size..]);
            rest = behind;
        }
    }
}

proptest! {
    /// Said at once it is served here, said byte by byte by the HTTP layer: the answers are the same.
    #[test]
    fn it_makes_no_difference_who_serves(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n[]",
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n",
            "PUT /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
            "GET /moved/x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /moved/x HTTP/1.1\r\n\r\n",
            "GET /moved/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET /moved/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "POST /moved/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS /browser/x HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example.com\r\nAccess-Control-Request-Method: POST\r\n\r\n",
            "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
            "GARBAGE\r\n\r\n",
        ]), 1..5),
    ) {
        let said = |size: &str| {
            let bytes = format!("{size}{}", pieces.concat());
            (connection(bytes.as_bytes()), heads(&heard(bytes.as_bytes())))
        };
        let here = said("\0");
        prop_assert_eq!(&here, &said("\x01"));
        // heads that come whole, and bodies that do not
        prop_assert_eq!(&here, &said("\x78"));
    }
}

/// The lines of all heads, each head's in order of the alphabet, without what is never the same twice.
fn heads(heard: &[u8]) -> Vec<Vec<String>> {
    let text = String::from_utf8_lossy(heard).into_owned();
    let heads = text.split("HTTP/1.1 ").skip(1).map(|answer| answer.split("\r\n\r\n").next().unwrap_or_default());
    let fixed = |line: &&str| !["date: ", "x-request-id: "].iter().any(|name| line.starts_with(name));
    let mut heads: Vec<Vec<String>> =
        heads.map(|head| head.split("\r\n").filter(fixed).map(str::to_owned).collect()).collect();
    heads.iter_mut().for_each(|head| head.sort());
    heads
}
