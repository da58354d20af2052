//! Targets that tell their status by a command, as on a cluster.

use std::path::Path;

use super::code;

const SCENARIO: &str = r#"
id: STATUS-01
title: A route is accepted
level: may
profile: kubernetes
needs: [chat, k8s.status]
providers:
  a: {respond: {text: hello}}
gateway:
  - use: fixtures/gateway.yaml
  - kind: AgentgatewayBackend
    metadata: {name: pool}
    spec: {ai: {provider: {host: "${a.host}", port: "${a.port}", openai: {}}}}
  - use: fixtures/route-to-pool.yaml
steps:
  - wait_until: {within: 200ms, status: [{kind: HTTPRoute, name: pool, parent: gateway, conditions: {Accepted: {status: true}}}]}
"#;

/// A run against the reference gateway, whose status is what this shell script prints.
fn run(script: &str) -> (i32, String) {
    run_with(&format!(
        "status: {{command: [sh, -c, {script:?}, sh, \"${{object.kind}}\", \"${{object.group}}\", \"${{object.namespace}}\", \"${{object.name}}\"]}}\n"
    ))
}

fn run_with(status: &str) -> (i32, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/target/reference.yaml");
    let target = std::fs::read_to_string(reference).expect("the reference target");
    write("target.yaml", &target.replace("status: {http: /status}\n", status));
    write("STATUS-01.yaml", SCENARIO);
    let path = |name: &str| folder.path().join(name).display().to_string();
    code(&["run", &path("STATUS-01.yaml"), "--target", &path("target.yaml")])
}

/// A route of generation 7 with a condition about that, or another one.
fn route(observed: u8) -> String {
    format!(
        r#"printf '{{"kind": "%s", "metadata": {{"namespace": "%s", "name": "%s", "generation": 7}}, "status": {{"parents": [{{"parentRef": {{"name": "gateway"}}, "conditions": [{{"type": "Accepted", "status": "True", "observedGeneration": {observed}}}]}}]}}}}' "$1" "$3" "$4"; test "$2" = gateway.networking.k8s.io"#
    )
}

#[test]
fn a_command_is_told_which_object_and_its_generation_counts() {
    let (status, text) = run(&route(7));
    assert_eq!(status, 0, "{text}");
    let (status, text) = run(&route(6));
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("present generation, 7") && text.contains("observedGeneration: 6"), "{text}");
}

#[test]
fn a_command_that_fails_is_told_with_what_it_said() {
    let (status, text) = run("echo not found >&2; exit 3");
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("the status of HTTPRoute default/pool") && text.contains("exit status: 3: not found"),
        "{text}"
    );
    let (status, text) = run("echo {}");
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("it says nothing about this object"), "{text}");
}

#[test]
fn a_command_that_is_not_there_is_no_fault_of_the_target() {
    let (status, text) = run_with("status: {command: [no-such-program]}\n");
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("no-such-program"), "{text}");
}

#[test]
fn a_target_without_status_is_not_asked_and_one_with_two_ways_is_refused() {
    let (status, text) = run_with("");
    assert_eq!(status, 3, "{text}");
    assert!(text.contains("does not say how status is read"), "{text}");
    let (status, text) = run_with("status: {http: /status, command: [true]}\n");
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("exactly one of `http` and `command`"), "{text}");
}
