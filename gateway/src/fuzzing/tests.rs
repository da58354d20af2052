//! The entries, driven by random bytes in every run of the tests.

use proptest::prelude::*;

use super::*;

/// What a good client says.
fn chat(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("\0POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

#[test]
fn a_good_request_comes_as_far_as_the_provider() {
    assert_eq!(connection(&chat("{}")), [500]);
    assert_eq!(connection(&[chat("{}"), chat("[]")[1..].to_vec()].concat()), [500, 400]);
}

#[test]
fn every_way_through_the_stages_is_open_to_a_connection() {
    let table = [
        ("POST /old/chat/completions?v=1", "", 500),
        ("POST /old/chat/completions", "", 404),
        ("GET /moved/x", "", 302),
        ("GET /re/abc", "X-Tier: gold\r\n", 500),
        ("GET /static", "", 500),
        ("POST /v1/chat/completions", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", 400),
        ("OPTIONS /browser/x", "Origin: https://a.example.com\r\nAccess-Control-Request-Method: POST\r\n", 200),
    ];
    for (line, headers, status) in table {
        let body = if line.starts_with("POST") { "{}" } else { "" };
        let length = if headers.is_empty() { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        let said = format!("\x05{line} HTTP/1.1\r\nHost: a\r\n{headers}{length}\r\n{body}");
        assert_eq!(connection(said.as_bytes()).first(), Some(&status), "{line}");
    }
}

#[test]
fn a_length_that_is_told_twice_is_refused_also_where_one_of_them_would_do() {
    assert_eq!(connection(include_bytes!("../../fuzz/corpus/connection/twice")), [400]);
}

#[test]
fn the_corpus_of_the_fuzz_targets_holds() {
    let of = |target: &str| {
        let folder = format!("{}/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>()
    };
    assert!(of("body").iter().filter(|bytes| body(bytes)).count() >= 5);
    assert!(of("stream").iter().filter(|bytes| stream(bytes) > 0).count() >= 5);
    assert!(of("connection").iter().filter(|bytes| !connection(bytes).is_empty()).count() >= 10);
    assert!(of("manifests").iter().all(|bytes| manifests(std::str::from_utf8(bytes).unwrap())));
}

/// Texts that are JSON or nearly so, with the names that the editor looks for in several spellings, some twice.
fn objects() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "model",
        "mod\\u0065l",
        "stream",
        "stream_options",
        "include_usage",
        "store",
        "a",
        "\u{e9}",
        "\\ud83d\\ude00",
        "\\ud800",
        "",
    ]);
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "false",
            "\"m\"",
            "\"\\u006d\"",
            "\"\\udc00\"",
            "-0.0",
            "1e400",
            "0.10",
            "123456789012345678901234567890",
            "{}",
            "[]",
            "\"}\"",
            "\"\\\"{\"",
            "[[[[[[]]]]]]",
            "01",
            "tru",
        ])
        .prop_map(str::to_owned),
        Just(format!("{}1{}", "[".repeat(1100), "]".repeat(1100))),
        Just(format!("{}1{}", "{\"model\":".repeat(200), "}".repeat(200))),
    ];
    let space = prop::sample::select(vec!["", "", " ", "\r\n\t"]);
    let value = leaf.prop_recursive(3, 16, 4, move |inner| {
        let members = prop::collection::vec((name.clone(), space.clone(), inner), 0..5);
        members.prop_map(|members| {
            let members: Vec<_> =
                members.iter().map(|(name, space, value)| format!("{space}\"{name}\"{space}:{space}{value}")).collect();
            format!("{{{}}}", members.join(","))
        })
    });
    let around = prop::sample::select(vec![("", ""), ("", ""), ("", " \n"), ("\t", ""), ("\u{feff}", ""), ("", "x")]);
    (around, value).prop_map(|((before, after), value)| format!("{before}{value}{after}"))
}

proptest! {
    #[test]
    fn of_any_text_only_the_declared_bytes_change(text in objects(), at in any::<usize>(), byte in any::<Option<u8>>()) {
        body(text.as_bytes());
        let mut changed = text.into_bytes();
        if let Some(byte) = byte {
            let at = at % changed.len();
            changed[at] = byte;
            body(&changed);
        }
    }

    #[test]
    fn a_stream_is_read_alike_in_any_split(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}", "data: {\"usage\":null,\"choices\":[{}]}",
                "data:{\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":null}", "data", "data: [DONE]", ": c",
                "event: e", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "id", "\u{fffd}", "data: {\"error\":{}}", "{", "\"",
            ]),
            0..24,
        ),
        split in any::<[u8; 2]>(),
    ) {
        stream(&[&split[..], parts.concat().as_bytes()].concat());
    }

    #[test]
    fn any_bytes_on_a_connection_get_whole_answers_or_none(
        requests in prop::collection::vec(
            (
                prop::sample::select(vec!["GET /v1/models", "POST /v1/chat/completions", "OPTIONS /browser/x", "HEAD /", "GET /static"]),
                prop::sample::subsequence(
                    vec![
                        "Host: a", "Content-Length: 2", "Transfer-Encoding: chunked", "Expect: 100-continue", "Connection: close",
                        "Upgrade: websocket", "Connection: upgrade", "Origin: https://a.example.com",
                    ],
                    0..=4,
                ),
                prop::sample::select(vec!["", "{}", "2\r\n{}\r\n0\r\n\r\n", "\0\0\0\u{4}\0\0\0\0\0"]),
            ),
            1..4,
        ),
        spoilt in prop::option::of((any::<prop::sample::Index>(), 0..4usize, prop::collection::vec(any::<u8>(), 0..9))),
        size in any::<u8>(),
    ) {
        let mut said = vec![size];
        for (line, headers, body) in &requests {
            let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
            said.extend_from_slice(format!("{line} HTTP/1.1\r\n{headers}\r\n{body}").as_bytes());
        }
        if let Some((at, replaced, with)) = spoilt {
            let at = at.index(said.len());
            let end = said.len().min(at + replaced);
            said.splice(at..end, with);
        }
        connection(&said);
    }

    #[test]
    fn a_manifest_with_a_changed_line_is_refused_or_served(
        file in 0usize..5, line in any::<usize>(), other in any::<usize>(), how in 0..3,
    ) {
        const FILES: [&str; 5] = [
            include_str!("../../../docs/tutorials/000.yaml"),
            include_str!("../../../docs/tutorials/002.yaml"),
            include_str!("../../../docs/tutorials/003.yaml"),
            include_str!("../../../docs/tutorials/004.yaml"),
            include_str!("connection.yaml"),
        ];
        let mut lines: Vec<&str> = FILES[file].lines().collect();
        let (line, other) = (line % lines.len(), other % lines.len());
        match how {
            0 => drop(lines.remove(line)),
            1 => lines.swap(line, other),
            _ => lines.insert(line, lines[other]),
        }
        manifests(&lines.join("\n"));
    }
}
