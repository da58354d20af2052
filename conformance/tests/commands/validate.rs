//! `windtunnel validate` as its users meet it: exit codes, and what is said when there is nothing to check.

use std::net::TcpListener;

use super::code;

/// An address where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}/v1", listener.local_addr().expect("an address"))
}

#[test]
fn bad_input_exits_2_and_says_what_to_write() {
    for (arguments, told) in [
        (["--base-url=127.0.0.1:8090"].as_slice(), "does not start with http://"),
        (&[], "--base-url"),
        (&["--base-url=http://h", "--api-key-env=WINDTUNNEL_NO_SUCH_KEY"], "WINDTUNNEL_NO_SUCH_KEY is not set"),
        (&["--base-url=http://h", "--quirks=vlm"], "did you mean `vllm`?"),
        (&["--base-url=http://h", "--header=nonsense"], "--header"),
        (&["--base-url=http://h", "--report=pdf=x"], "json, junit, html, md"),
        (&["--base-url=http://h", "--report=json=no/such/folder/x.json"], "cannot write no/such/folder/x.json"),
    ] {
        let (status, text) = code(&[&["validate"], arguments].concat());
        assert_eq!(status, 2, "{arguments:?}: {text}");
        assert!(text.contains(told), "{arguments:?}: {text}");
    }
}

#[test]
fn a_backend_that_is_not_there_exits_1_and_a_check_that_is_not_exits_3() {
    let (status, text) = code(&["validate", "--base-url", &nowhere(), "--only=MOD"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("cannot reach http://127.0.0.1:"), "{text}");
    let (status, text) = code(&["validate", "--base-url", &nowhere(), "--only=MDO"]);
    assert_eq!(status, 3, "{text}");
    assert!(text.contains("did you mean `MOD`?"), "{text}");
}

#[test]
fn the_catalogue_can_be_read() {
    let (status, text) = code(&["validate", "--list"]);
    assert_eq!(status, 0, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("  ")).count(), 84);
    let (status, text) = code(&["validate", "--explain", "tol-05"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("D21 D39 index_missing"), "{text}");
}
