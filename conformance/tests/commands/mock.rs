//! `windtunnel mock`: what it says, what it follows, and what it never shows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::code;

#[test]
fn the_mock_tells_its_address_and_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mock.yaml");
    std::fs::write(&file, "providers: {a: {respond: {text: served by a}}}\n").expect("a file");
    let mut child = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .args(["mock", "--config", file.to_str().expect("text")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("windtunnel runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("listening provider=a address=http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("a connection");
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("served by a"), "{answer}");
    child.kill().expect("it ends");
    child.wait().expect("it ended");
}

#[test]
fn ready_says_whether_somebody_is() {
    let mut mock = Mock::start(&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    mock.said();
    let said = mock.said();
    let address = said.trim().strip_prefix("listening admin=http://").and_then(|url| url.split('/').next());
    let address = address.expect("an address").to_owned();
    assert_eq!(code(&["ready", &address, "--path", "/__mock/ready"]).0, 0);
    let everywhere = address.replace("127.0.0.1", "0.0.0.0");
    assert_eq!(code(&["ready", &everywhere, "--path", "/__mock/ready"]).0, 0);
    let (status, text) = code(&["ready", &address]);
    assert!(status == 1 && text.contains("status 404"), "{status}: {text}");
    drop(mock);
    let (status, text) = code(&["ready", &address]);
    assert!(status == 1 && text.contains("no answer"), "{status}: {text}");
}

#[test]
fn a_mock_that_is_to_end_with_its_standard_input_does() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .args(["mock", "--listen", "127.0.0.1:0", "--until-stdin-ends"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("windtunnel runs");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    assert!(line(&mut out).starts_with("listening provider="));
    assert!(child.try_wait().expect("its state").is_none(), "it ends while its input is open");
    drop(child.stdin.take());
    assert_eq!(child.wait().expect("it ended").code(), Some(1));
}

/// A running mock whose lines are read as they come.
pub(crate) struct Mock {
    child: std::process::Child,
    out: BufReader<std::process::ChildStdout>,
    err: BufReader<std::process::ChildStderr>,
}

impl Mock {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
        command.arg("mock").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("windtunnel runs");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let err = BufReader::new(child.stderr.take().expect("its errors"));
        Self { child, out, err }
    }

    pub(crate) fn said(&mut self) -> String {
        line(&mut self.out)
    }

    fn complained(&mut self) -> String {
        line(&mut self.err)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.child.kill().expect("it ends");
        self.child.wait().expect("it ended");
    }
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

#[test]
fn the_mock_follows_its_file_and_keeps_what_it_has_when_that_is_broken() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mock.yaml");
    std::fs::write(&file, "providers: {a: {}}\n").expect("a file");
    let mut mock = Mock::start(&["--config", file.to_str().expect("text"), "--admin", "127.0.0.1:0", "--threads", "1"]);
    assert!(mock.said().starts_with("listening provider=a address=http://127.0.0.1:"));
    let admin = mock.said();
    let address = admin.strip_prefix("listening admin=http://").and_then(|rest| rest.split('/').next());
    let mut stream = TcpStream::connect(address.expect("an address")).expect("a connection");
    write!(stream, "GET /__mock/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"ok\""), "{answer}");
    std::fs::write(&file, "providers: {a: {}, b: {respond: {text: new}}}\n").expect("a file");
    assert_eq!(mock.complained(), "configuration 2 taken");
    std::fs::write(&file, "providers:\n  a: {rulez: []}\n").expect("a file");
    let told: Vec<String> = (0..6).map(|_| mock.complained()).collect();
    assert_eq!(told[0], "error: unknown field `rulez`");
    assert!(told[1].ends_with("mock.yaml:2:7"), "{told:?}");
    assert!(told.contains(&"  = help: did you mean `rules`?".to_owned()), "{told:?}");
    assert_eq!(mock.complained(), "keeping configuration 2");
}

#[test]
fn a_provider_is_recorded_and_no_key_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (script, out) = (folder.path().join("mock.yaml"), folder.path().join("recording.yaml"));
    std::fs::write(&script, "providers: {a: {respond: {status: 401, text: 'no key is canary-0123456789'}}}\n")
        .expect("a file");
    let mut mock = Mock::start(&["--config", script.to_str().expect("text"), "--threads", "1"]);
    let upstream = mock.said().rsplit_once("address=").expect("an address").1.to_owned();
    let out = out.to_str().expect("text");
    let arguments = ["record", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", out];
    let mut recorder = Mock::start(&arguments);
    let listening = recorder.said();
    let address = listening.strip_prefix("listening recorder=http://").and_then(|rest| rest.split(' ').next());
    let mut stream = TcpStream::connect(address.expect("an address")).expect("a connection");
    let key = "authorization: Bearer canary-0123456789\r\n";
    write!(stream, "GET /v1/models HTTP/1.1\r\nhost: a\r\n{key}connection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("no key is canary"), "{answer}");
    let told = recorder.said();
    assert!(told.starts_with("recorded models-h") && told.ends_with(" status=401"), "{told}");
    let text = std::fs::read_to_string(out).expect("a file");
    assert!(!text.contains("canary") && text.contains("no key is [redacted]"), "{text}");
    let (status, told) = code(&["mock", "--config", out, "--lint"]);
    assert_eq!(status, 0, "{told}");
    let (status, told) = code(&["mock", "record", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", out]);
    assert!(status == 2 && told.contains("--append goes on with it"), "{told}");
    let (status, told) = code(&["mock", "record", "--upstream", "https://me:canary@a"]);
    assert!(status == 2 && !told.contains("canary"), "{told}");
}

#[test]
fn the_mock_lints_without_starting() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mock.yaml");
    let lint = |text: &str| {
        std::fs::write(&file, text).expect("a file");
        code(&["mock", "--config", file.to_str().expect("text"), "--lint"])
    };
    assert_eq!(lint("providers: {a: {}}\n").0, 0);
    let (status, text) = lint("providers:\n  a:\n    rulez: []\n");
    assert_eq!(status, 1);
    assert!(text.contains("mock.yaml:3:5") && text.contains("^^^^^"), "{text}");
    let (status, text) = lint("providers: {a: {rules: [{}, {when: {model: m}}]}}\n");
    assert_eq!(status, 1);
    assert!(text.contains("error: the rule is never reached") && text.contains("1 error, 0 warnings"), "{text}");
    let (status, text) = lint("providers: {a: {rules: [{fault: {slow_accept: 1s}}]}}\n");
    assert_eq!(status, 0);
    assert!(text.starts_with("warning: `slow_accept` never happens here"), "{text}");
    let (status, text) = lint("version: 2\nproviders: {a: {}}\n");
    assert_eq!(status, 1);
    assert!(text.contains("reads version 1"), "{text}");
}

#[test]
fn the_mock_prints_no_secret_of_its_configuration_or_its_callers() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mock.yaml");
    let path = file.to_str().expect("text");
    std::fs::write(&file, "providers: {a: {auth: {keys: [canary-key]}}}\n").expect("a file");
    let mut mock = Mock::start(&["--config", path]);
    let mut told = vec![mock.said()];
    let address = told[0].strip_prefix("listening provider=a address=http://").expect("an address").to_owned();
    for key in ["canary-key", "canary-of-a-stranger"] {
        let mut stream = TcpStream::connect(&address).expect("a connection");
        let head = format!("GET /v1/models?api-key={key} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n");
        write!(stream, "{head}connection: close\r\n\r\n").expect("sent");
        stream.read_to_string(&mut String::new()).expect("an answer");
    }
    for broken in [
        "providers: {a: {auth: {keys: [canary-key], kyes: canary-other}}}\n",
        "providers: {a: {auth: {keys: canary-key}}}\n",
        "providers:\n  a:\n    rules:\n      - when: {header: {x-api-key: {equal: canary-key}}}\n",
        "providers: {a: {rules: [{when: {key: {equals: canary-key}, header: {cookie: canary-sid}}}, {when: {kay: x}}]}}\n",
    ] {
        std::fs::write(&file, broken).expect("a file");
        while told.last().is_none_or(|line| line != "keeping configuration 1") {
            told.push(mock.complained());
        }
        told.push(code(&["mock", "--config", path, "--lint"]).1);
    }
    assert!(told.len() > 16 && told.iter().all(|line| !line.contains("canary")), "{told:#?}");
}
