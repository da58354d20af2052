//! `windtunnel lint` as its users meet it: exit codes, formats, standard input, folders.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{code, told};

/// Trips L1 (an error), D10 (a warning), D5 and L3 (notes).
const POOL: &str = "\
kind: AgentgatewayBackend
metadata: {name: pool}
spec:
  ai:
    groups:
    - providers: [{name: a, openai: {}}, {name: b, openai: {}}]
  policies: {auth: {secretRef: {name: keys, kye: apiKey}}}
";

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("text").to_owned()
}

#[test]
fn the_exit_code_follows_the_worst_finding_and_what_is_denied() {
    let folder = tempfile::tempdir().expect("a folder");
    let warned = file(folder.path(), "warned.yaml", &POOL.replace(", kye: apiKey", ""));
    let broken = file(folder.path(), "broken.yaml", POOL);
    for (arguments, expected) in [
        (["lint", &warned].as_slice(), 0),
        (&["lint", &broken], 1),
        (&["lint", &warned, "--deny", "warning"], 1),
        (&["lint", &warned, "--deny", "warning", "--level", "error"], 1),
        (&["lint", &warned, "--deny=warning", "--allow=D10,L3"], 0),
        (&["lint", &warned, "--deny=info", "--allow=D10,L3,D5,L20"], 0),
        (&["lint", &warned, "--deny=info", "--allow=D10,L3"], 1),
    ] {
        let (status, text) = code(arguments);
        assert_eq!(status, expected, "{arguments:?}: {text}");
    }
}

#[test]
fn input_that_cannot_be_linted_exits_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    let values = file(folder.path(), "values.yaml", "replicas: 3\n");
    let deployment =
        file(folder.path(), "deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n");
    for arguments in [
        ["lint"].as_slice(),
        &["lint", "no/such/file.yaml"],
        &["lint", path],
        &["lint", &values, &deployment],
        &["lint", "--explain", "D99"],
        &["lint", &values, "--allow", "X1"],
        &["lint", &values, "--list"],
    ] {
        let (status, text) = code(arguments);
        assert_eq!(status, 2, "{arguments:?}: {text}");
    }
}

#[test]
fn a_folder_is_read_with_its_folders_and_hidden_files_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("apps/.git")).expect("folders");
    file(folder.path(), "apps/pool.yml", POOL);
    file(folder.path(), ".hidden.yaml", "not: [yaml");
    file(folder.path(), "apps/.git/x.yaml", "not: [yaml");
    file(folder.path(), "notes.txt", "not: [yaml");
    let (status, text) = code(&["lint", folder.path().to_str().expect("text")]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("apps/pool.yml:7:45") && text.contains("did you mean `key`?"), "{text}");
    assert!(!text.contains("D13"), "{text}");
}

#[test]
fn standard_input_is_linted_and_formats_are_for_machines() {
    let lint = |format: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
        command
            .args(["lint", "-", "--format", format])
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("windtunnel runs");
        child.stdin.take().expect("piped").write_all(POOL.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(1));
        told(&output)
    };
    let text = lint("text");
    assert!(text.contains("--> <stdin>:7:") && !text.contains('\x1b'), "no terminal, no colours: {text}");
    let json: serde_json::Value = serde_json::from_str(&lint("json")).expect("JSON");
    assert_eq!((&json["schema"], &json["summary"]["error"]), (&"windtunnel.lint/v1".into(), &1.into()));
    let github = lint("github");
    assert!(github.lines().any(|line| line.starts_with("::warning file=<stdin>,line=5,col=5,")), "{github}");
}

#[test]
fn rules_are_listed_and_explained() {
    let (status, list) = code(&["lint", "--list"]);
    assert!(status == 0 && list.contains("D7   info     the log is text"), "{list}");
    let (status, text) = code(&["lint", "--explain", "d10"]);
    assert!(status == 0 && text.contains("failover can never happen") && text.contains("apiVersion:"), "{text}");
}
