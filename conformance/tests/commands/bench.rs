//! `windtunnel bench` as its users meet it: real processes, tiny windows. No test looks at how fast anything is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{code, told};

/// As little as can be measured.
const TINY: [&str; 4] = ["--rounds=2", "--window=150ms", "--warmup=50ms", "--rate=40"];

fn bench(arguments: &[&str]) -> (i32, String) {
    code(&[&["bench"], TINY.as_slice(), arguments].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a report")).expect("JSON")
}

/// A decoy that answers everything with the same words; it ends with this value.
struct Yes {
    child: Child,
    address: String,
}

impl Yes {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
        command.args(["decoy", "yes", "--listen=127.0.0.1:0", "--until-stdin-ends"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a decoy");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening address=").expect("its address").to_owned();
        Self { child, address }
    }

    fn target(&self, name: &str) -> String {
        format!("--target={name}=http://{}", self.address)
    }
}

impl Drop for Yes {
    fn drop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }
}

/// An address that nobody listens on.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").to_string()
}

#[test]
fn without_targets_the_gateway_is_measured_beside_the_floor() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, page) = (folder.path().join("run.json"), folder.path().join("run.html"));
    let report = format!("--report=json={},html={}", run.display(), page.display());
    let (status, text) = bench(&["--stream", "--pace=2ms", "--events=4", "--prompt=1k,2k", &report]);
    assert_eq!(status, 0, "{text}");
    let run = json(&run);
    let schema = conformance::schema::Kind::Bench.schema();
    jsonschema::draft202012::new(&schema).expect("a schema").validate(&run).expect("the report fits its schema");
    assert_eq!(run["cases"].as_array().map(Vec::len), Some(2));
    for case in run["cases"].as_array().expect("cases") {
        let [floor, gateway] = case["lanes"].as_array().expect("lanes").as_slice() else { panic!("{case}") };
        assert_eq!((&floor["name"], &gateway["name"]), (&"floor".into(), &"gateway".into()));
        for metric in ["latency_p50", "first_event_p50", "event_lag_p99", "cpu", "resident", "throughput"] {
            let of = |lane: &Value| lane["figures"].as_array()?.iter().find(|one| one["metric"] == metric).cloned();
            assert!(of(floor).is_some(), "no {metric} of the floor");
            assert!(of(gateway).expect(metric)["added"]["coverage"] == 0.5, "{metric} has no interval");
        }
    }
    assert!(std::fs::read_to_string(page).expect("a page").contains("<svg"));
}

#[test]
fn a_target_that_fails_is_void_and_another_one_counts() {
    let (yes, nobody) = (Yes::start(), nobody());
    let (status, text) = bench(&[&yes.target("good"), &format!("--target=bad=http://{nobody}")]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("bad: ") && text.contains("no connection") && text.contains("VOID"), "{text}");
    let (status, text) = bench(&[&format!("--target=bad=http://{nobody}")]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("no window without a failure"), "{text}");
    let (status, text) = bench(&[&yes.target("good"), &format!("--floor=http://{nobody}")]);
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("the floor has no window without a failure"), "{text}");
}

/// A server that answers every request in this way, if at all.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|got| got > 0) && stream.write_all(answer.as_bytes()).is_ok()
                {
                }
            });
        }
    });
    address
}

#[test]
fn whoever_gives_no_good_answer_is_told_by_what_was_wrong() {
    for (answer, fault) in [
        ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", "status 500"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>", "an answer without text"),
        ("SSH-2.0-something\r\n\r\n", "not HTTP/1.1"),
        ("", "timed out"),
    ] {
        let (status, text) = bench(&[&format!("--target=bad=http://{}", server(answer)), "--timeout=300ms"]);
        assert_eq!(status, 1, "{fault}: {text}");
        assert!(text.contains(&format!("× {fault})")), "{fault}: {text}");
    }
}

#[test]
fn as_many_files_are_opened_as_may_be() {
    let stalls = server("");
    let run = |limits: &str| {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{limits}; exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_windtunnel"));
        command.arg("bench").args(TINY).arg("--timeout=300ms");
        let output = command.arg(format!("--target=bad=http://{stalls}")).output().expect("it runs");
        (output.status.code(), told(&output))
    };
    let (status, text) = run("ulimit -n 200");
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("72 connections of each lane at most, and not 1024") && text.contains("timed out"), "{text}");
    let (status, text) = run("ulimit -Hn 2000; ulimit -Sn 200");
    assert_eq!(status, Some(1), "{text}");
    assert!(!text.contains("connections of each lane at most") && text.contains("timed out"), "{text}");
}

#[test]
fn a_run_that_ends_in_an_error_leaves_no_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, page) = (folder.path().join("run.json"), folder.path().join("run.html"));
    let report = format!("--report=json={},html={}", run.display(), page.display());
    let (status, text) = code(&["bench", "--rate=900000", &format!("--target=mine=http://{}", nobody()), &report]);
    assert_eq!(status, 2, "{text}");
    assert!(!run.exists() && !page.exists());
}

#[test]
fn a_run_that_is_stopped_tells_what_was_measured_by_then() {
    let (yes, folder) = (Yes::start(), tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("run.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
    command.args(["bench", "--rate=40", "--window=150ms", "--warmup=50ms", "--rounds=1000", &yes.target("mine")]);
    command.arg(format!("--report=json={}", path.display())).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("round 2/1000")), "it ended before two rounds");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it can be told");
    let last = lines.last().expect("a word at the end");
    assert_eq!(child.wait().expect("it has ended").code(), Some(130), "{last}");
    assert!(last.contains("stopped by a signal"), "{last}");
    let run = json(&path);
    let windows = run["cases"][0]["lanes"][0]["windows"].as_array().expect("windows").len();
    assert!((2..1000).contains(&windows), "{windows}");
    assert!(run["notes"].to_string().contains(&format!("when {windows} of 1000 windows were measured")), "{run}");
}

#[test]
fn an_answer_with_another_text_than_the_floors_is_a_failure() {
    let yes = Yes::start();
    let mock = windtunnel_mock();
    let floor = format!("--floor=http://{}", yes.address);
    let (status, text) = bench(&[&mock.target("mine"), &floor]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("characters instead of 3;"), "{text}");
    assert_eq!(bench(&[&mock.target("mine"), &floor, "--varies"]).0, 0);
}

/// A mock provider in place of a decoy.
fn windtunnel_mock() -> Yes {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
    command.args(["mock", "--listen=127.0.0.1:0", "--until-stdin-ends"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a mock");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("a line");
    let address = line.trim().rsplit_once("http://").expect("its address").1.to_owned();
    Yes { child, address }
}

#[test]
fn a_run_is_compared_with_an_older_one() {
    let (yes, folder) = (Yes::start(), tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("run.json");
    let file = path.to_str().expect("text");
    let target = yes.target("mine");
    // as many windows as make an interval
    let bench = |arguments: &[&str]| code(&[&["bench", "--rounds=5"], &TINY[1..], arguments].concat());
    assert_eq!(bench(&[&target, &format!("--report=json={file}")]).0, 0);
    // An older run that was a thousand times as fast.
    let mut old = json(&path);
    for figure in old["cases"][0]["lanes"][0]["figures"].as_array_mut().expect("figures") {
        for end in ["median", "low", "high"] {
            let value = figure["value"][end].as_f64().expect("a number");
            figure["value"][end] = (value / 1000.0).into();
        }
    }
    std::fs::write(&path, old.to_string()).expect("a file");
    let (status, text) = bench(&[&target, "--compare", file]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("compared with the older run") && text.contains("WORSE"), "{text}");
    assert_eq!(bench(&[&target, "--compare", file, "--fail-on-regression=50"]).0, 1);
    let (status, text) =
        code(&[&["bench"], TINY.as_slice(), &[&target, "--compare", file, "--fail-on-regression=50"]].concat());
    assert_eq!(status, 3, "two windows are no interval: {text}");
    assert!(text.contains("--rounds 5 or more"), "{text}");
    std::fs::write(&path, "{\"schema\": \"windtunnel.report/v1\"}").expect("a file");
    let (status, text) = bench(&[&target, "--compare", file]);
    assert_eq!(status, 2);
    assert!(text.contains("it is a `windtunnel.report/v1`"), "{text}");
}

#[test]
fn keys_and_headers_are_shown_nowhere() {
    let (yes, folder) = (Yes::start(), tempfile::tempdir().expect("a folder"));
    let report = folder.path().join("run.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
    command.arg("bench").args(TINY).arg(yes.target("mine")).arg(format!("--report=json={}", report.display()));
    command.args(["--api-key-env=BENCH_KEY", "--header", "x-more: hush-hush"]).env("BENCH_KEY", "sk-very-secret");
    let output = command.output().expect("it runs");
    let shown = told(&output) + &std::fs::read_to_string(report).expect("a report");
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(!shown.contains("very-secret") && !shown.contains("hush-hush") && shown.contains("x-more: …"), "{shown}");
}

#[test]
fn what_cannot_be_measured_says_what_to_write() {
    let nobody = nobody();
    let target = format!("--target=mine=http://{nobody}");
    for (arguments, part) in [
        (["--target=mine"].as_slice(), "NAME=URL"),
        (&["--target=floor=http://127.0.0.1:1"], "no name of a target"),
        (&["--target=mine=https://127.0.0.1:1"], "TLS is not measured"),
        (&[&target, &target], "two targets are called `mine`"),
        (&[&target, "--floor=builtin"], "--provider URL"),
        (&[&target, "--pid=other=1"], "which is no target"),
        (&[&target, "--pid=mine=999999999"], "no process 999999999"),
        (&[&target, "--api-key-env=NOT_THERE_AT_ALL"], "NOT_THERE_AT_ALL"),
        (&[&target, "--connections=4"], "cannot be used with"),
        (&[&target, "--report=junit=x"], "html or json"),
        (&[&target, "--report=json=x,html=./x"], "two reports go to"),
        (&[&target, "--compare=no-such-file.json"], "no-such-file.json: cannot be read"),
        (&["--floor=http://127.0.0.1:1"], "--target"),
        (&["--prompt=big"], "is no size"),
        (&["--pace=10ms"], "--stream"),
        (&["--timeout=0s"], "a time from 1ms"),
        (&["--slo=0ms"], "a time from 1ms"),
        (&["--stream", "--pace=0ms"], "a time from 1us"),
        (&["--stream", "--pace=1s"], "takes 64s at this --pace"),
        (&["--prompt=1k,1024"], "asked for twice"),
        (&[&target, "--pid=mine=0"], "write NAME=PID"),
    ] {
        let (status, text) = bench(arguments);
        assert_eq!(status, 2, "{arguments:?}: {text}");
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
    for nonsense in
        ["--rate=fast", "--rate=0", "--rate=NaN", "--rounds=0", "--connections=0", "--window=0s", "--window=2h"]
    {
        assert_eq!(code(&["bench", nonsense]).0, 2, "{nonsense}");
    }
    let (status, text) = code(&["bench", "--rate=900000", "--target", &format!("mine=http://{nobody}")]);
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("lower --rate"), "{text}");
}
