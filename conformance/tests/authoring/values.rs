//! Values that scenarios take from the command line and from the environment.

use super::windtunnel;

const SCENARIO: &str = r#"id: MY-01
title: Values come from outside
level: may
profile: core
secrets: {provider: {env: MY_PROVIDER_KEY}}
variables: {model: m-1, tries: 2, tenant: "${env.MY_TENANT}"}
providers:
  a: {respond: {text: "served by a for ${tenant}"}}
gateway:
  - use: fixtures/gateway.yaml
  - use: fixtures/provider-key.yaml
  - kind: AgentgatewayBackend
    metadata: {name: pool}
    spec:
      ai: {provider: {host: "${a.host}", port: "${a.port}", openai: {model: "${model}"}}}
      policies: {auth: {secretRef: {name: provider-key}}}
  - use: fixtures/route-to-pool.yaml
steps:
  - request: {post: /v1/chat/completions, headers: {x-tenant: "${env.MY_TENANT}"}, json: {model: any, messages: [{role: user, content: hi}]}}
    expect: {status: 200, json: {"$.choices[0].message.content": served by a for acme}}
expect:
  providers:
    a:
      count: {in: [1, "${tries}"]}
      requests:
        - json: {"$.model": "m-2"}
          headers: {authorization: {exactly_once: "Bearer ${secrets.provider}"}, x-tenant: acme}
"#;

const KEY: (&str, &str) = ("MY_PROVIDER_KEY", "sk-do-not-show-me-anywhere");
const TENANT: (&str, &str) = ("MY_TENANT", "acme");

/// The scenario in a folder of its own, run.
fn run(text: &str, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("MY-01.yaml"), text).expect("a file");
    let reports = "--report=json=r.json,html=r.html,junit=r.xml,tap=r.tap,yaml=r.yaml";
    let (status, mut told) =
        windtunnel(folder.path(), &[&["run", "MY-01.yaml", reports], arguments].concat(), environment);
    for report in ["r.json", "r.html", "r.xml", "r.tap", "r.yaml"] {
        told.push_str(&std::fs::read_to_string(folder.path().join(report)).unwrap_or_default());
    }
    (status, told)
}

#[test]
fn variables_and_the_environment_are_filled_in() {
    let (status, told) = run(SCENARIO, &["--var", "model=m-2", "--var=tries=3"], &[KEY, TENANT]);
    assert_eq!(status, 0, "{told}");
}

#[test]
fn a_secret_of_the_environment_is_shown_nowhere() {
    // The model is not replaced: it fails, and everything that was seen is told.
    let (status, told) = run(SCENARIO, &[], &[KEY, TENANT]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("m-2") && !told.contains(KEY.1) && !told.contains("do-not-show-me"), "{told}");
}

#[test]
fn what_is_not_set_is_told_with_its_place_before_anything_runs() {
    let (status, told) = run(SCENARIO, &["--var=model=m-2"], &[KEY]);
    assert_eq!(status, 2, "{told}");
    for part in ["MY-01.yaml:6:", "MY-01.yaml:19:", "the environment variable `MY_TENANT` is not set"] {
        assert!(told.contains(part), "no {part} in {told}");
    }
    let (status, told) = run(SCENARIO, &["--var=model=m-2"], &[TENANT]);
    assert_eq!(status, 2, "{told}");
    assert!(told.contains("MY-01.yaml:5:27") && told.contains("`MY_PROVIDER_KEY` is not set"), "{told}");
    let (status, told) = run(SCENARIO, &[], &[TENANT, ("MY_PROVIDER_KEY", "short")]);
    assert!(status == 2 && told.contains("too short") && !told.contains("short`"), "{told}");
}

#[test]
fn a_comment_asks_for_nothing() {
    let text = SCENARIO.replace("level: may", "level: may # ${env.MY_NOTHING}");
    assert_eq!(run(&text, &["--var=model=m-2"], &[KEY, TENANT]).0, 0);
    let quoted = SCENARIO.replace("x-tenant: \"${", "x-hash: \"a # ${env.MY_NOTHING}\", x-tenant: \"${");
    let (status, told) = run(&quoted, &["--var=model=m-2"], &[KEY, TENANT]);
    assert!(status == 2 && told.contains("`MY_NOTHING` is not set"), "{told}");
}

#[test]
fn a_variable_that_no_scenario_has_is_refused_with_what_was_meant() {
    let all = [KEY, TENANT];
    let (status, told) = run(SCENARIO, &["--var=modle=m-2"], &all);
    assert!(status == 2 && told.contains("did you mean `model`?"), "{told}");
    let (status, told) = run(SCENARIO, &["--var=model"], &all);
    assert!(status == 2 && told.contains("is not NAME=VALUE"), "{told}");
    let (status, told) = run(SCENARIO, &["--var=tries=many"], &all);
    assert!(status == 2 && told.contains("MY-01 has 2 there"), "{told}");
}

#[test]
fn a_variable_is_made_of_early_values_only() {
    let text = SCENARIO.replace("tenant: \"${env.MY_TENANT}\"", "tenant: \"${a.port}\"");
    let (status, told) = run(&text, &[], &[KEY, TENANT]);
    assert!(status == 2 && told.contains("MY-01.yaml:6:") && told.contains("cannot be made of `${a.port}`"), "{told}");
}
