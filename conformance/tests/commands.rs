//! The command line as its users meet it: exit codes, messages, reports. Drives the real binary.

#[path = "commands/bench.rs"]
mod bench;
#[path = "commands/lint.rs"]
mod lint;
#[path = "commands/mock.rs"]
mod mock;
#[path = "commands/status.rs"]
mod status;
#[path = "commands/validate.rs"]
mod validate;

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn windtunnel(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
    command.args(arguments).env("NO_COLOR", "1").current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().expect("windtunnel runs")
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn code(arguments: &[&str]) -> (i32, String) {
    let output = windtunnel(arguments);
    (output.status.code().expect("an exit code"), told(&output))
}

#[test]
fn a_name_that_matches_nothing_exits_3_and_guesses() {
    assert_eq!(code(&["run", "NO-SUCH-*"]).0, 3);
    let (status, text) = code(&["run", "RT-1"]);
    assert_eq!(status, 3);
    assert!(text.contains("did you mean `RT-"), "{text}");
}

#[test]
fn an_empty_folder_is_no_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, text) = code(&["run", "--scenarios", folder.path().to_str().expect("text")]);
    assert_eq!(status, 3, "{text}");
}

#[test]
fn bad_input_exits_2() {
    for arguments in [
        ["run", "--profile=no-such"].as_slice(),
        &["run", "--sabotage=no-such"],
        &["run", "tests/cases/broken/misspelt.yaml"],
        &["run", "--report=pdf=x"],
        &["run", "--no-such-flag"],
        &["gateway", "--config", "no/such/folder"],
        &["gateway", "--config", "no/such/folder", "--check"],
        &["run", "tests/cases/passing/PASS-01.yaml", "--report=json=no/such/folder/run.json"],
        &["run", "tests/cases/passing/PASS-01.yaml", "--report=json=twice.out,junit=./twice.out"],
        &["mock", "--config", "no-such-file.yaml"],
        &["mock", "--config", "tests/cases/broken/no-providers.yaml"],
        &["mock", "--watch"],
        &["mock", "--threads", "0"],
    ] {
        let (status, text) = code(arguments);
        assert_eq!(status, 2, "{arguments:?}: {text}");
    }
}

#[test]
fn a_misspelt_key_shows_where_and_what_was_meant() {
    let (_, text) = code(&["run", "tests/cases/broken/misspelt.yaml"]);
    for part in ["tests/cases/broken/misspelt.yaml:10:7", "^^^^^^", "did you mean `status`?"] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
}

#[test]
fn one_file_that_passes_exits_0_and_one_that_fails_exits_1() {
    let (status, text) = code(&["run", "tests/cases/passing/PASS-01.yaml"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("1 scenarios, 1 passed"), "{text}");
    let (status, text) = code(&["run", "tests/cases/failing/STATUS-01.yaml"]);
    assert_eq!(status, 1, "{text}");
}

#[test]
fn a_saboteur_turns_a_good_scenario_red() {
    let (status, text) = code(&["run", "tests/cases/passing/PASS-01.yaml", "--sabotage", "model-not-rewritten"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("sabotaged by model-not-rewritten"), "{text}");
}

#[test]
fn a_misspelt_key_in_a_manifest_is_found_before_anything_runs() {
    let (status, text) = code(&["run", "tests/cases/broken/manifest.yaml"]);
    assert_eq!(status, 2, "{text}");
    for part in ["tests/cases/broken/manifest.yaml:13:39", " ^^^^\n", "unknown field `prot`", "did you mean `port`?"] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
}

#[test]
fn the_nearest_names_are_proposed() {
    let text = code(&["run", "RT-99"]).1;
    assert!(text.contains("did you mean `RT-"), "{text}");
    let text = code(&["run", "--profile=strem"]).1;
    assert!(text.contains("did you mean `streaming`?"), "{text}");
}

#[test]
fn an_id_of_the_suite_is_refused_in_another_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.yaml");
    let text = std::fs::read_to_string("tests/cases/passing/PASS-01.yaml").expect("a scenario");
    std::fs::write(&file, text.replace("PASS-01", "RT-01")).expect("a file");
    let (status, text) = code(&["run", file.to_str().expect("text"), "RT-01"]);
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("the id `RT-01` is taken by") && text.contains("mine.yaml"), "{text}");
}

#[test]
fn a_failure_outside_the_suite_says_which_file_to_run() {
    let text = code(&["run", "tests/cases/failing/STATUS-01.yaml"]).1;
    assert!(text.contains("windtunnel run tests/cases/failing/STATUS-01.yaml\n"), "{text}");
}

const HANGING: &str = r#"
id: HANG-01
title: A provider that is the test itself never answers
level: may
profile: core
gateway:
  - use: fixtures/gateway.yaml
  - kind: AgentgatewayBackend
    metadata: {name: pool}
    spec: {ai: {provider: {host: 127.0.0.1, port: PORT, openai: {model: m-1}}}}
  - use: fixtures/route-to-pool.yaml
steps:
  - request: {post: /v1/chat/completions, json: {model: any, messages: [{role: user, content: hi}]}, deadline: 60s}
    expect: {status: 200}
"#;

/// Sends a signal to a run whose gateway waits for an answer, and waits for the end of both; returns the exit code
/// and how many temporary folders are left.
fn stopped_by(signal: &str) -> (Option<i32>, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let provider = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = provider.local_addr().expect("an address").port();
    let file = folder.path().join("hang.yaml");
    std::fs::write(&file, HANGING.replace("PORT", &port.to_string())).expect("a file");
    let temporary = folder.path().join("temporary");
    std::fs::create_dir(&temporary).expect("a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .arg("run")
        .arg(&file)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TMPDIR", &temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("windtunnel runs");
    let mut request = provider.accept().expect("the gateway's connection").0;
    let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    let code = child.wait().expect("it ended").code();
    // Ends only with the gateway, whose own patience is longer than this.
    request.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
    let ended = request.read_to_end(&mut Vec::new());
    assert!(!ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "the gateway lives");
    (code, std::fs::read_dir(&temporary).expect("the folder").count())
}

#[test]
fn a_run_that_is_told_to_stop_leaves_no_gateway_and_no_folder() {
    assert_eq!(stopped_by("-TERM"), (Some(143), 0));
    assert_eq!(stopped_by("-INT"), (Some(130), 0));
}

#[test]
fn a_run_that_is_killed_leaves_no_gateway() {
    assert_eq!(stopped_by("-KILL").0, None);
}

#[test]
fn reports_are_written_for_machines() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let report = format!("--report=json={},junit={}", path("r.json").display(), path("r.xml").display());
    let (status, text) =
        code(&["run", "tests/cases/passing/PASS-01.yaml", "tests/cases/failing/STREAM-01.yaml", &report, "--repeat=2"]);
    assert_eq!(status, 1, "{text}");
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path("r.json")).expect("a report")).expect("JSON");
    assert_eq!(json["schema"], "windtunnel.report/v1");
    assert_eq!(json["summary"]["passed"], 1);
    assert_eq!(json["scenarios"][1]["verdict"], "fail");
    assert_eq!(json["scenarios"][1]["repeats"].as_array().map(Vec::len), Some(2));
    let xml = std::fs::read_to_string(path("r.xml")).expect("a report");
    assert_eq!(well_formed(&xml).iter().filter(|tag| *tag == "testcase").count(), 2);
    assert!(xml.contains("<failure message="), "{xml}");
}

/// Names of all elements; panics when tags do not close in order or a character is not escaped.
fn well_formed(xml: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    let mut rest = xml.split_once("?>").expect("a declaration").1;
    while let Some((text, after)) = rest.split_once('<') {
        assert!(!text.contains('>'), "unescaped: {text}");
        let (tag, next) = after.split_once('>').expect("a closed tag");
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in {tag}");
        rest = next;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let name = tag.split([' ', '/']).next().expect("a name").to_owned();
        all.push(name.clone());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    all
}

#[test]
fn lists_and_explanations_name_what_there_is() {
    assert!(code(&["list"]).1.contains("RT-01"));
    assert!(code(&["list", "--saboteurs"]).1.contains("done-invented"));
    assert!(code(&["list", "--capabilities"]).1.contains("failover.per_request"));
    assert!(code(&["list", "--profiles"]).1.contains("streaming"));
    let (status, text) = code(&["explain", "RT-01"]);
    assert!(status == 0 && text.contains("level     must"), "{text}");
    assert_eq!(code(&["explain", "NO-SUCH"]).0, 3);
    assert!(code(&["completions", "bash"]).1.contains("windtunnel"));
}

#[test]
fn the_gateway_can_be_checked_without_serving() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.yaml");
    let check = |text: &str| {
        std::fs::write(&file, text).expect("a file");
        code(&["gateway", "--config", file.to_str().expect("text"), "--check"])
    };
    let good = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec:\n  gatewayClassName: agentgateway\n  listeners: [{name: http, port: 80, protocol: HTTP}]\n";
    assert_eq!(check(good).0, 0);
    let (status, text) = check("apiVersion: v1\nkind: Secret\n metadata: x\n");
    assert_eq!(status, 1);
    assert!(text.contains("m.yaml:"), "{text}");
}

#[test]
fn help_names_only_commands_that_exist() {
    let (status, text) = code(&["--help"]);
    assert_eq!(status, 0);
    assert!(!text.contains("  simulate"), "{text}");
}
