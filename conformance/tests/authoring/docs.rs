//! The documentation of the formats: its examples run, and it names every key.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use conformance::schema::Kind;
use serde_json::Value;

use super::{repository, windtunnel};

fn text(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).expect("a document")
}

/// The code blocks of a language, in order.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("\n```{language}\n");
    let parts = document.split(&fence).skip(1);
    parts.map(|part| format!("{}\n", part.split("\n```").next().expect("a block"))).collect()
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file");
}

fn program(folder: &Path, name: &str, text: &str) {
    write(folder, name, text);
    std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o755)).expect("a mode");
}

#[test]
fn the_annotated_scenario_passes_fits_the_schema_and_turns_red_under_each_saboteur() {
    let examples = blocks(&text("scenarios/README.md"), "yaml");
    let [example] = examples.as_slice() else { panic!("one example, not {}", examples.len()) };
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "FO-01.yaml", example);
    let (status, told) = windtunnel(folder.path(), &["run", "./FO-01.yaml"], &[]);
    assert_eq!(status, 0, "{told}");
    let value: Value = serde_saphyr::from_str(example).expect("YAML");
    let validator = jsonschema::draft202012::new(&Kind::Scenario.schema()).expect("a schema");
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let (status, told) = windtunnel(folder.path(), &["trust", "./FO-01.yaml"], &[]);
    assert_eq!(status, 0, "{told}");
}

/// Every key of a schema, those of scripts and of free shapes left out.
fn keys(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            found.extend(
                map.get("properties").and_then(Value::as_object).into_iter().flat_map(|all| all.keys().cloned()),
            );
            map.iter().filter(|(key, _)| *key != "$defs").for_each(|(_, inner)| keys(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| keys(inner, found)),
        _ => {}
    }
}

/// What can be reached from the root without going through these shapes.
fn keys_without(kind: Kind, left_out: &[&str]) -> BTreeSet<String> {
    let schema = kind.schema();
    let mut found = BTreeSet::new();
    keys(&schema, &mut found);
    let (mut open, mut seen) = (references(&schema), BTreeSet::new());
    while let Some(name) = open.pop() {
        if !left_out.contains(&name.as_str()) && seen.insert(name.clone()) {
            let shape = &schema["$defs"][&name];
            keys(shape, &mut found);
            open.extend(references(shape));
        }
    }
    found
}

/// The names of all shapes that a schema refers to, its own list of them left out.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
            let inner = map.iter().filter(|(key, _)| *key != "$defs").flat_map(|(_, inner)| references(inner));
            own.map(str::to_owned).into_iter().chain(inner).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// The words of a document that stand in code.
fn words(document: &str) -> BTreeSet<&str> {
    let code = document.split('`').skip(1).step_by(2).chain(document.split("**").skip(1).step_by(2));
    code.flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_')).collect()
}

#[test]
fn every_key_of_a_scenario_is_documented() {
    let document = text("scenarios/README.md");
    let (words, keys) = (words(&document), keys_without(Kind::Scenario, &["Provider", "Manifest"]));
    assert!(keys.len() > 120, "{keys:?}");
    let missing: Vec<&String> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "not in scenarios/README.md: {missing:?}");
}

#[test]
fn every_key_of_a_target_file_is_documented() {
    let document = text("targets/README.md");
    let (words, keys) = (words(&document), keys_without(Kind::Target, &["Options"]));
    assert!(keys.len() > 40, "{keys:?}");
    let missing: Vec<&String> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "not in targets/README.md: {missing:?}");
}

/// A gateway by the name of the examples, with the flags that they give it.
fn my_gateway(folder: &Path) -> String {
    let windtunnel = env!("CARGO_BIN_EXE_windtunnel");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo my-gateway 1.2.3; exit; fi\n\
         for a in \"$@\"; do shift; case \"$a\" in --listen=*) a=\"--listen=8080=${{a#--listen=}}\";; esac; set -- \"$@\" \"$a\"; done\n\
         case \"$*\" in *--metrics*) ;; *) set -- \"$@\" --metrics=127.0.0.1:0;; esac\n\
         case \"$*\" in *--ready*) ;; *) set -- \"$@\" --ready=127.0.0.1:0;; esac\n\
         exec {windtunnel} gateway --workers=1 --grace=300ms --drain=3s --until-stdin-ends \"$@\"\n"
    );
    program(folder, "my-gateway", &script);
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default())
}

/// A `docker` whose containers are plain processes.
const CONTAINERLESS: &str = r#"#!/bin/sh
case "$*" in "image inspect registry.example/my-gateway:1.2") exit 0;; esac
[ "$1" = run ] || { echo "no such image" >&2; exit 1; }
while [ "${1#--entrypoint=/}" = "$1" ]; do shift; done
program=${1#--entrypoint=/}
shift 2
exec "$program" "$@"
"#;

#[test]
fn the_target_files_of_the_documentation_work() {
    let document = text("targets/README.md");
    let folder = tempfile::tempdir().expect("a folder");
    let path = my_gateway(folder.path());
    let validator = jsonschema::draft202012::new(&Kind::Target.schema()).expect("a schema");
    let examples = blocks(&document, "yaml");
    for (index, example) in examples.iter().enumerate() {
        let value: Value = serde_saphyr::from_str(example).expect("YAML");
        let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "example {index}: {errors:?}");
        write(folder.path(), &format!("{index}.yaml"), example);
    }
    program(folder.path(), "other-gateway.sh", &blocks(&document, "sh")[0]);
    let run = |index: usize, scenarios: &[&str]| {
        let file = format!("--target={index}.yaml");
        windtunnel(folder.path(), &[&["run", file.as_str()], scenarios].concat(), &[("PATH", path.as_str())])
    };
    windtunnel(folder.path(), &["new", "MY-01"], &[]);
    let whole = std::fs::read_to_string(folder.path().join("MY-01.yaml")).expect("a scenario");
    let without =
        whole.replace(", telemetry.requests", "").replace("  telemetry:\n    requests: {delta: 1, status: 200}\n", "");
    write(folder.path(), "MY-02.yaml", &without.replace("MY-01", "MY-02"));
    let (status, told) = run(0, &["./MY-01.yaml", "./MY-02.yaml"]);
    assert!(status == 0 && told.contains("1 passed, 1 unsupported"), "{told}");
    let (status, told) = run(1, &["RT-01", "FO-01", "TE-02"]);
    assert!(status == 0 && told.contains("3 passed"), "{told}");
    let (status, told) = run(2, &["./MY-02.yaml"]);
    assert!(status == 0 && told.contains("1 passed"), "{told}");
    program(folder.path(), "docker", CONTAINERLESS);
    let (status, told) = run(4, &["./MY-02.yaml"]);
    assert!(status == 0 && told.contains("1 passed"), "{told}");
    let (status, told) = run(5, &["CL-11"]);
    assert!(status == 3 && told.contains("1 unsupported"), "{told}");
    assert_eq!(examples.len(), 7, "the one on a cluster is only read");
}

#[test]
fn an_image_that_is_not_to_be_had_is_told_once_and_not_for_each_scenario() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = my_gateway(folder.path());
    program(folder.path(), "docker", CONTAINERLESS);
    let variables = [("PATH", path.as_str()), ("WINDTUNNEL_IMAGE", "mine:9")];
    let (status, told) = windtunnel(folder.path(), &["run", "--target=docker", "RT-01", "RT-02"], &variables);
    assert_eq!(status, 2, "{told}");
    assert_eq!(told.matches("the image mine:9 is neither here nor to be had: no such image").count(), 1, "{told}");
    assert!(!told.contains("RT-0"), "{told}");
}

#[test]
fn a_wrapper_says_what_it_cannot_do() {
    let document = text("targets/README.md");
    let folder = tempfile::tempdir().expect("a folder");
    let path = my_gateway(folder.path());
    let target =
        blocks(&document, "yaml")[2].replace("supports: [chat, model_override, key_injection]", "supports: all");
    write(folder.path(), "other.yaml", &target);
    program(folder.path(), "other-gateway.sh", &blocks(&document, "sh")[0]);
    let scenario = blocks(&text("scenarios/README.md"), "yaml")[0]

        .replace("traps: [evil]", "")
        .replace("  - use: fixtures/route-to-pool.yaml", "  - use: fixtures/route-to-pool.yaml\n  - {kind: AIRoute, metadata: {name: x}, spec: {parentRefs: [{name: gateway}], rules: [{backendRefs: [{name: pool}]}]}}");
    write(folder.path(), "mine.yaml", &scenario);
    let arguments = ["run", "./mine.yaml", "--target=other.yaml", "--report=json=run.json"];
    let (_, told) = windtunnel(folder.path(), &arguments, &[("PATH", path.as_str())]);
    let report: Value = serde_json::from_slice(&std::fs::read(folder.path().join("run.json")).expect("a report"))
        .expect("a report is JSON");
    assert_eq!(report["scenarios"][0]["verdict"], "unsupported", "{told}");
    assert_eq!(report["scenarios"][0]["why"], "route.airoute: other-gateway has no such routes", "{told}");
}
