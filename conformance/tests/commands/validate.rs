//! `windtunnel validate` as its users meet it: exit codes, and what is said when there is nothing to check.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use super::mock::Mock;
use super::{code, told};

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
        (&["--base-url=http://h", "--timeout=0s"], "a request takes from 1ms to 24h"),
        (&["--base-url=http://h", "--timeout=99999h"], "a request takes from 1ms to 24h"),
        (&["--base-url=http://h", "--timeout=-1s"], "a duration has a unit"),
        (&["--base-url=http://h", "--timeout=5"], "a duration has a unit"),
        (&["--base-url=http://h", "--max-requests=0"], "0 is not in 1.."),
        (&["--base-url=http://h", "--concurrency=0"], "0 is not in 1.."),
        (&["--base-url=http://h", "--concurrency=100000"], "100000 is not in 1..=256"),
        (&["--base-url=http://h", "--burst=0"], "0 is not in 1.."),
        (&["--base-url=http://h", "--context-window=0"], "0 is not in 1.."),
        (&["--base-url=http://h", "--model="], "--model"),
        (&["--base-url=https://h", "--ca=no/such/file.pem"], "cannot read no/such/file.pem"),
        (&["--base-url=https://h", "--ca=Cargo.toml"], "--ca holds no certificate"),
        (&["--base-url=http://h", "--through=gateway:80"], "does not start with http://"),
        (&["--base-url=http://h", "--report=pdf=x"], "no report is called `pdf`; there are json, junit, html, md"),
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

/// Validates with all reports in a folder; their texts.
fn reported(arguments: &[&str]) -> (i32, String, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let files = ["json", "junit", "html", "md"].map(|kind| (kind, folder.path().join(kind)));
    let sinks = files.each_ref().map(|(kind, path)| format!("{kind}={}", path.display())).join(",");
    let (status, text) = code(&[&["validate", "--report", &sinks], arguments].concat());
    let reports = files.map(|(_, path)| std::fs::read_to_string(path).unwrap_or_default());
    (status, text, reports.to_vec())
}

/// Where the mock listens.
fn address(mock: &mut Mock) -> String {
    let said = mock.said();
    said.trim().split_once("address=").map(|(_, url)| format!("{url}/v1")).expect("an address")
}

#[test]
fn a_mock_without_a_configuration_passes_as_it_is() {
    let mut mock = Mock::start(&["--listen", "127.0.0.1:0"]);
    let url = address(&mut mock);
    let (status, text, reports) = reported(&["--base-url", &url, "--level", "optional"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("the backend passes at this level") && !text.contains("fail "), "{text}");
    assert!(reports[0].contains("\"fail\": 0") && reports[0].contains("\"deviation\": 0"), "{}", reports[0]);
    let by_name = url.replace("127.0.0.1", "localhost");
    assert_eq!(code(&["validate", "--base-url", &by_name, "--only", "MOD"]).0, 0, "localhost may be two addresses");
}

#[test]
fn a_gateway_that_is_not_there_is_told_and_reported() {
    let mut mock = Mock::start(&["--listen", "127.0.0.1:0"]);
    let (url, gateway) = (address(&mut mock), nowhere());
    for gateway in [gateway.as_str(), "http://gateway.invalid/v1"] {
        let (status, text, reports) = reported(&["--base-url", &url, "--only", "MOD,CHT", "--through", gateway]);
        assert_eq!(status, 1, "{text}");
        assert!(text.contains("answers directly, and not through the gateway"), "{text}");
        assert!(text.contains("stopped: cannot "), "{text}");
        assert!(reports.iter().all(|report| report.contains("cannot ")), "{text}");
        assert!(reports[0].contains(gateway) && reports[2].contains(gateway) && reports[3].contains(gateway), "{text}");
    }
}

#[test]
fn a_backend_that_is_not_there_is_reported_too() {
    for url in [nowhere().as_str(), "http://backend.invalid/v1"] {
        for through in [&[][..], &["--through", "http://127.0.0.1:9/v1"]] {
            let (status, text, reports) = reported(&[&["--base-url", url, "--only", "MOD"], through].concat());
            assert_eq!(status, 1, "{text}");
            assert!(reports.iter().all(|report| report.contains("cannot ")), "{text}");
            assert!(reports[1].contains("failures=\"0\" errors=\"4\""), "no pass for CI: {}", reports[1]);
        }
    }
}

#[test]
fn a_budget_that_is_too_small_to_look_sends_nothing_and_exits_3() {
    let (status, text) = code(&["validate", "--base-url", &nowhere(), "--max-requests=2", "--only=MOD"]);
    assert_eq!(status, 3, "{text}");
    assert!(text.contains("the first look takes 3 requests, and --max-requests is 2"), "{text}");
    assert!(text.contains("0 of 4 checks asked; no verdict on the rest, 2 of which count"), "{text}");
    let through = ["--through", "http://127.0.0.1:9/v1", "--max-requests=5"];
    let (status, text) = code(&[&["validate", "--base-url", &nowhere(), "--only=MOD"], &through[..]].concat());
    assert_eq!(status, 3, "{text}");
    assert!(text.contains("--max-requests is 5 (half of them each way)"), "{text}");
}

/// A mock of this provider, and where it listens.
fn mock_of(folder: &tempfile::TempDir, name: &str, provider: &str) -> (Mock, String) {
    let file = folder.path().join(name);
    std::fs::write(&file, format!("providers: {{a: {provider}}}\n")).expect("a file");
    let mut mock = Mock::start(&["--config", file.to_str().expect("text")]);
    let url = address(&mut mock);
    (mock, url)
}

#[test]
fn what_a_gateway_makes_worse_is_asked_again_and_what_was_announced_does_not_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_plain, url) = mock_of(&folder, "plain.yaml", "{respond: {text: hi}}");
    let (_worse, gateway) = mock_of(&folder, "worse.yaml", "{respond: {text: hi}, quirks: [n_ignored]}");
    let both = ["validate", "--base-url", &url, "--through", &gateway, "--only", "CHT-12", "--level", "optional"];
    let (status, text) = code(&both);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("asked once more both ways: CHT-12") && text.contains("1 for the worse"), "{text}");
    let (status, text) = code(&[&both[..], &["--quirks", "n_ignored"]].concat());
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("1 changed by the gateway, 0 for the worse") && !text.contains("once more"), "{text}");
}

#[test]
fn a_backend_that_is_lost_on_the_way_is_not_told_as_one_that_never_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let hangs = "{respond: {text: hi}, faults: [{hang_before_head: true, when: {body: {$.tools: {present: true}}}}]}";
    let (_mock, url) = mock_of(&folder, "hangs.yaml", hangs);
    let both = ["validate", "--base-url", &url, "--through", &url, "--timeout", "500ms"];
    let (status, text) = code(&both);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("the backend was given up before it was asked through the gateway"), "{text}");
    assert!(!text.contains("the backend itself does not answer"), "{text}");
    let (_plain, good) = mock_of(&folder, "plain.yaml", "{respond: {text: hi}}");
    let (status, text) = code(&["validate", "--base-url", &good, "--through", &url, "--timeout", "500ms"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("for the worse\nstopped: 5 requests had no end"), "{text}");
    // which of them were lost is a matter of who was first: four ask at once
    assert!(text.contains("\nTOL-") && !text.contains("there is nothing to compare"), "{text}");
}

#[test]
fn a_key_that_a_backend_tells_as_the_name_of_its_model_is_shown_nowhere() {
    const KEY: &str = "sk-canary-0123456789";
    let folder = tempfile::tempdir().expect("a folder");
    let (_mock, url) = mock_of(&folder, "echo.yaml", &format!("{{models: [{{id: {KEY}}}], respond: {{text: hi}}}}"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
    command.args(["validate", "--base-url", &url, "--only", "MOD", "--api-key-env", "WINDTUNNEL_TEST_KEY"]);
    let output = command.env("WINDTUNNEL_TEST_KEY", KEY).output().expect("windtunnel runs");
    let text = told(&output);
    assert!(!text.contains(KEY), "{text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("[secret]: "), "{text}");
}

#[test]
fn through_a_gateway_both_ways_together_keep_to_the_budget() {
    let mut mock = Mock::start(&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let url = address(&mut mock);
    let (status, text) = code(&["validate", "--base-url", &url, "--through", &url, "--max-requests", "15"]);
    assert_eq!(status, 3, "{text}");
    let seen = requests(&mut mock);
    assert!((10..=15).contains(&seen), "{seen} requests");
}

/// How many requests a mock with an admin address has seen.
fn requests(mock: &mut Mock) -> usize {
    let said = mock.said();
    let admin = said.trim().strip_prefix("listening admin=http://").and_then(|url| url.split('/').next());
    let mut stream = TcpStream::connect(admin.expect("an address")).expect("a connection");
    write!(stream, "GET /__mock/journal HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
    let mut journal = String::new();
    stream.read_to_string(&mut journal).expect("an answer");
    journal.matches("\"path\":").count()
}

#[test]
fn what_was_worse_once_is_asked_again_within_the_budget_and_counts_when_it_is_worse_again() {
    let folder = tempfile::tempdir().expect("a folder");
    for (nth, most, worse, told) in [
        ("2", "100", 0, "asked again, both ways, it was not worse"),
        ("[2, 4]", "100", 1, "asked once more both ways: CHT-12"),
        // Enough for both ways, and not for both again.
        ("2", "16", 1, "1 for the worse"),
    ] {
        let fault = format!("{{status: 500, nth: {nth}, when: {{body: {{$.n: {{present: true}}}}}}}}");
        let file = folder.path().join("unsteady.yaml");
        std::fs::write(&file, format!("providers: {{a: {{respond: {{text: hi}}, faults: [{fault}]}}}}"))
            .expect("a file");
        let mut mock = Mock::start(&["--config", file.to_str().expect("text"), "--admin", "127.0.0.1:0"]);
        let url = address(&mut mock);
        let both = ["--base-url", &url, "--through", &url, "--only", "CHT-12", "--level", "optional"];
        let (status, text) = code(&[&["validate", "--max-requests", most], &both[..]].concat());
        assert_eq!(status, worse, "{nth} of {most}: {text}");
        assert!(text.contains(told) && text.contains(&format!("{worse} for the worse")), "{nth} of {most}: {text}");
        let seen = requests(&mut mock);
        assert!(seen <= most.parse().expect("a number"), "{seen} of {most}");
    }
}
