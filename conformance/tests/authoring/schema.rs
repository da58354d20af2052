//! Schema and strict reader know the same keys, at every place where a map may stand.

use std::collections::BTreeSet;

use conformance::scenario::Scenario;
use conformance::schema::Kind;
use conformance::target::TargetFile;
use mock_providers::script::Config;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serde_saphyr::Error;

use super::{repository, windtunnel};

/// What the strict reader says to a key that no file has.
enum Said {
    /// The keys that it knows instead.
    Fields(BTreeSet<String>),
    /// The words that it knows instead.
    Variants(BTreeSet<String>),
    Nothing(String),
}

fn said<T: DeserializeOwned>(document: &Value) -> Said {
    let names = |expected: &[&str]| expected.iter().map(|name| (*name).to_owned()).collect();
    match serde_saphyr::from_str::<T>(&document.to_string()) {
        Ok(_) => Said::Nothing("it was read".to_owned()),
        Err(error) => match error.without_snippet() {
            Error::SerdeUnknownField { field, expected, .. } if field == "zzz" => Said::Fields(names(expected)),
            Error::SerdeUnknownVariant { variant, expected, .. } if variant == "zzz" => Said::Variants(names(expected)),
            other => Said::Nothing(other.to_string()),
        },
    }
}

/// Goes through a schema and asks the reader at each place.
struct Walk {
    schema: Value,
    reader: fn(&Value) -> Said,
    /// Shapes that this reader keeps as data.
    opaque: &'static [&'static str],
    seen: BTreeSet<String>,
    asked: usize,
}

impl Walk {
    fn new<T: DeserializeOwned>(kind: Kind, opaque: &'static [&'static str]) -> Walk {
        Walk { schema: kind.schema(), reader: said::<T>, opaque, seen: BTreeSet::new(), asked: 0 }
    }

    fn whole(mut self) -> usize {
        let schema = self.schema.clone();
        self.at(&schema, &[]);
        self.asked
    }

    /// `path` holds keys, and `[]` for the first of a list.
    fn at(&mut self, schema: &Value, path: &[&str]) {
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
            if !self.opaque.contains(&name) && self.seen.insert(name.to_owned()) {
                let target = self.schema["$defs"][name].clone();
                self.at(&target, path);
            }
            return;
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            for one in schema[key].as_array().into_iter().flatten() {
                self.at(one, path);
            }
        }
        if schema["items"].is_object() {
            self.at(&schema["items"], &[path, &["[]"]].concat());
        }
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], json!(false), "{path:?} lets typing slips pass");
            self.asks(properties.keys().cloned().collect(), path);
            for (key, inner) in properties {
                self.at(inner, &[path, &[key.as_str()]].concat());
            }
        }
        let free = schema["patternProperties"].as_object().and_then(|all| all.values().next());
        for inner in [Some(&schema["additionalProperties"]), free].into_iter().flatten().filter(|one| one.is_object()) {
            let fits = |key: &&str| !matches!((self.reader)(&unknown(&[path, &[key]].concat())), Said::Nothing(_));
            let key = ["name", "1", "$.name"].into_iter().find(fits).unwrap_or("name");
            self.at(inner, &[path, &[key]].concat());
        }
    }

    fn asks(&mut self, keys: BTreeSet<String>, path: &[&str]) {
        self.asked += 1;
        match (self.reader)(&unknown(path)) {
            Said::Fields(known) => assert_eq!(known, keys, "the reader's keys and the schema's at {path:?}"),
            Said::Variants(known) => assert!(known.is_superset(&keys), "{keys:?} of {known:?} at {path:?}"),
            Said::Nothing(error) => panic!("at {path:?} the reader does not refuse an unknown key: {error}"),
        }
    }
}

/// A document with nothing but an unknown key at this place.
fn unknown(path: &[&str]) -> Value {
    path.iter().rev().fold(json!({"zzz": 1}), |inner, key| match *key {
        "[]" => json!([inner]),
        key => json!({key: inner}),
    })
}

#[test]
fn schema_and_reader_of_scenarios_know_the_same_keys() {
    // Scripts and manifests are kept as data until their references are filled in.
    assert!(Walk::new::<Scenario>(Kind::Scenario, &["Provider", "Manifest"]).whole() > 30);
}

#[test]
fn schema_and_reader_of_mock_scripts_know_the_same_keys() {
    assert!(Walk::new::<Config>(Kind::Mock, &[]).whole() > 20);
}

#[test]
fn schema_and_reader_of_target_files_know_the_same_keys() {
    // A version is a text or a map, its reader names neither; the names of options are checked against their table.
    assert!(Walk::new::<TargetFile>(Kind::Target, &["Version", "Options"]).whole() > 5);
}

fn validator(kind: Kind) -> jsonschema::Validator {
    jsonschema::draft202012::new(&kind.schema()).expect("a schema")
}

fn yaml(path: &std::path::Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a file");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_scenario_fits_the_schema() {
    let validator = validator(Kind::Scenario);
    let suite = conformance::load::suite(&repository().join("scenarios")).expect("the suite");
    let cases = ["passing/PASS-01", "passing/PLAIN-01", "failing/END-01", "failing/STATUS-01", "failing/STREAM-01"];
    let cases = cases.iter().map(|case| repository().join(format!("conformance/tests/cases/{case}.yaml")));
    for path in suite.iter().map(|one| one.source.path.clone()).chain(cases) {
        let errors: Vec<String> =
            validator.iter_errors(&yaml(&path)).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

#[test]
fn what_the_reader_refuses_the_schema_refuses() {
    let scenarios = validator(Kind::Scenario);
    for case in ["matcher", "misspelt-script", "misspelt", "names"] {
        let path = repository().join(format!("conformance/tests/cases/broken/{case}.yaml"));
        assert!(!scenarios.is_valid(&yaml(&path)), "{case} fits");
    }
    let mocks = validator(Kind::Mock);
    assert!(mocks.is_valid(&json!({"providers": {"a": {"respond": {"status": 503, "delay_head": "50ms"}}}})));
    for wrong in [
        json!({"providers": {"a": {"respond": {"staus": 503}}}}),
        json!({"providers": {"a": {"respond": {"delay_head": "50"}}}}),
        json!({"providers": {"a": {"accept": "refused"}}}),
        json!({"providers": {"a": {"fault": {"stall": {"after": 3}}}}}),
    ] {
        assert!(!mocks.is_valid(&wrong), "{wrong} fits");
    }
}

#[test]
fn the_reference_target_fits_the_schema() {
    let validator = validator(Kind::Target);
    let reference = yaml(&repository().join("conformance/src/target/reference.yaml"));
    assert!(validator.is_valid(&reference), "{:?}", validator.iter_errors(&reference).collect::<Vec<_>>());
    for wrong in [
        json!({"name": "x", "supports": ["chatt"], "start": {"command": ["x"]}}),
        json!({"name": "x", "supports": "some", "start": {"command": ["x"]}}),
        json!({"name": "x", "supports": "all", "options": {"timeout": [504]}}),
        json!({"name": "x", "supports": "all", "start": {"comand": ["x"]}}),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong} fits");
    }
}

#[test]
fn a_report_fits_its_schema_and_has_no_key_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = repository().join("conformance/tests/cases");
    let case = |name: &str| cases.join(name).display().to_string();
    let (passing, failing) = (case("passing/PASS-01.yaml"), case("failing/STATUS-01.yaml"));
    windtunnel(folder.path(), &["run", &passing, &failing, "--report=json=run.json"], &[]);
    let report: Value = serde_json::from_slice(&std::fs::read(folder.path().join("run.json")).expect("a report"))
        .expect("a report is JSON");
    let mut schema = Kind::Report.schema();
    closed(&mut schema);
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Lets no further keys in, wherever a schema lists some.
fn closed(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            map.values_mut().for_each(closed);
        }
        Value::Array(items) => items.iter_mut().for_each(closed),
        _ => {}
    }
}

#[test]
fn the_committed_schema_is_that_of_this_program() {
    let committed = std::fs::read_to_string(repository().join("scenarios/schema.json")).unwrap_or_default();
    let (status, printed) = windtunnel(repository(), &["schema"], &[]);
    assert_eq!(status, 0);
    assert!(committed == printed, "renew it: cargo run -- schema > scenarios/schema.json");
}

#[test]
fn each_kind_of_file_has_a_schema() {
    for kind in ["scenario", "mock", "target", "report", "bench"] {
        let (status, text) = windtunnel(repository(), &["schema", kind], &[]);
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(status, 0);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
    assert_eq!(windtunnel(repository(), &["schema", "nothing"], &[]).0, 2);
}
