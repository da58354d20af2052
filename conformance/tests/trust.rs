//! `windtunnel trust` as its users meet it. Drives the real binary over scenarios of which one is blind on purpose.

use std::path::Path;
use std::process::{Command, Output};

fn trust(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
    command.arg("trust").args(arguments).arg("--scenarios").arg(folder).env("NO_COLOR", "1").current_dir(folder);
    let Output { status, stdout, stderr } = command.output().expect("windtunnel runs");
    (status.code().expect("an exit code"), [stdout, stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat())
}

/// A suite of these scenarios, with the fixtures of the real one.
fn suite(scenarios: &[(&str, &str, &str)]) -> tempfile::TempDir {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/fixtures");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("fixtures")).expect("a folder");
    for fixture in ["gateway.yaml", "route-to-pool.yaml"] {
        std::fs::copy(real.join(fixture), folder.path().join("fixtures").join(fixture)).expect("a fixture");
    }
    for (id, expect, sabotage) in scenarios {
        let text = SCENARIO.replace("ID", id).replace("EXPECT", expect).replace("SABOTAGE", sabotage);
        std::fs::write(folder.path().join(format!("{id}.yaml")), text).expect("a scenario");
    }
    folder
}

const SCENARIO: &str = r#"
id: ID
title: A request is answered
level: may
profile: core
needs: [chat, telemetry.access_log]
providers:
  a: {respond: {text: hello}}
gateway:
  - use: fixtures/gateway.yaml
  - kind: AgentgatewayBackend
    metadata: {name: pool}
    spec:
      ai:
        provider: {host: "${a.host}", port: "${a.port}", openai: {model: m-1}}
  - use: fixtures/route-to-pool.yaml
steps:
  - request: {post: /v1/chat/completions, json: {model: any, messages: [{role: user, content: hi}]}}
    expect: {status: 200}
expect: EXPECT
sabotage: [SABOTAGE]
"#;

const SEES_MODELS: &str = "{providers: {a: {count: 1, every_request: {json: {$.model: m-1}}}}}";
const SEES_LOGS: &str = "{telemetry: {log_count: 1, settle: 500ms}}";
const SEES_TRACES: &str = "{telemetry: {log_every: {trace.id: {present: true}}, settle: 500ms}}";
const BLIND: &str = "{}";

#[test]
fn pairs_that_are_all_red_exit_0() {
    let folder = suite(&[("MODEL-01", SEES_MODELS, "model-not-rewritten"), ("LOG-01", SEES_LOGS, "log-lost")]);
    let (status, text) = trust(folder.path(), &["*"]);
    assert_eq!((status, text.as_str()), (0, "trust: 2 of 2 pairs red, 2 of 2 saboteurs caught, 0 pairs alike\n"));
}

#[test]
fn a_blind_scenario_is_named_and_exits_1() {
    let folder = suite(&[("MODEL-01", SEES_MODELS, "model-not-rewritten"), ("BLIND-01", BLIND, "log-lost")]);
    let (status, text) = trust(folder.path(), &["*"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("BLIND-01 log-lost"), "{text}");
    assert!(text.contains("no scenario that names it turns red"), "{text}");
    assert!(text.contains("trust: 1 of 2 pairs red, 1 of 2 saboteurs caught"), "{text}");
}

#[test]
fn a_saboteur_that_no_scenario_names_is_uncaught() {
    let folder = suite(&[("MODEL-01", SEES_MODELS, "model-not-rewritten")]);
    let (status, text) = trust(folder.path(), &[]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("no scenario names it"), "{text}");
    assert_eq!(trust(folder.path(), &["--saboteur", "model-not-rewritten"]).0, 0);
}

#[test]
fn saboteurs_that_look_the_same_are_told() {
    let folder = suite(&[("TRACE-01", SEES_TRACES, "log-lost, trace-id-lost")]);
    let (status, text) = trust(folder.path(), &["*"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("cannot tell apart (1)\n  log-lost                     trace-id-lost"), "{text}");
}

#[test]
fn a_scenario_that_is_red_anyway_proves_nothing() {
    let folder = suite(&[("WRONG-01", "{telemetry: {log_count: 7, settle: 100ms}}", "log-lost")]);
    let (status, text) = trust(folder.path(), &["*"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("without a saboteur the verdict is fail"), "{text}");
    assert!(text.contains("trust: 0 of 1 pairs red"), "{text}");
}

#[test]
fn everything_under_everything_is_a_matrix() {
    let folder = suite(&[("MODEL-01", SEES_MODELS, "model-not-rewritten"), ("LOG-01", SEES_LOGS, "log-lost")]);
    let report = folder.path().join("trust.json");
    let sink = format!("json={}", report.display());
    let only = ["--saboteur", "log-lost", "--saboteur", "model-not-rewritten"];
    let (status, text) = trust(folder.path(), &[&["--full", "--report", sink.as_str()], only.as_slice()].concat());
    assert_eq!(status, 0, "{text}");
    let report = std::fs::read_to_string(report).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("json");
    assert_eq!(report["schema"], "windtunnel.trust/v1");
    assert_eq!(report["matrix"]["LOG-01"]["log-lost"]["verdict"], "red");
    assert_eq!(report["matrix"]["LOG-01"]["model-not-rewritten"]["verdict"], "green");
}

#[test]
fn nothing_to_try_exits_3_and_a_wrong_name_2() {
    let folder = suite(&[("LOG-01", SEES_LOGS, "log-lost")]);
    assert_eq!(trust(folder.path(), &["NO-*"]).0, 3);
    assert_eq!(trust(folder.path(), &["--saboteur", "secret-in-log"]).0, 3);
    let (status, text) = trust(folder.path(), &["--saboteur", "log-los"]);
    assert_eq!(status, 2);
    assert!(text.contains("did you mean `log-lost`?"), "{text}");
}
