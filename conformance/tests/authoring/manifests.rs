//! Every manifest of the repository, with something in place of what scenarios fill in.

use std::path::{Path, PathBuf};

use gateway::yaml;
use serde_json::{Value, json};

/// The folders with manifests: alone, or in scenarios.
const FOLDERS: [&str; 3] = ["scenarios", "gateway/tests/config", "gateway/src/fuzzing"];

/// Each object that has a spec, with its file.
pub(crate) fn all() -> Vec<(String, Value)> {
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut found = Vec::new();
    for path in FOLDERS.iter().flat_map(|folder| yaml_files(&repository.join(folder))) {
        // what the tutorial means
        let text = std::fs::read_to_string(&path).expect("a file");
        let text = text.replace("openai: {}\n        model", "openai:\n        model");
        let file = path.strip_prefix(repository).expect("below").display().to_string();
        let source = yaml::Source::new(file.clone(), text);
        for document in yaml::documents(&source) {
            let document: Value = yaml::read(&source, &document).unwrap_or_else(|problem| panic!("{problem}"));
            objects_in(&document, &mut |object| found.push((file.clone(), filled(object))));
        }
    }
    found
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let yaml = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    yaml.chain(folders.iter().flat_map(|folder| yaml_files(folder))).collect()
}

/// Every whole object, wherever it stands.
fn objects_in(value: &Value, found: &mut dyn FnMut(&Value)) {
    if value["kind"].is_string() && value["spec"].is_object() {
        found(value);
    }
    match value {
        Value::Object(map) => map.values().for_each(|inner| objects_in(inner, found)),
        Value::Array(items) => items.iter().for_each(|inner| objects_in(inner, found)),
        _ => {}
    }
}

fn filled(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("${") && text.ends_with("port}") => json!(8080),
        Value::Object(map) => map.iter().map(|(key, inner)| (key.clone(), filled(inner))).collect(),
        Value::Array(items) => items.iter().map(filled).collect(),
        other => other.clone(),
    }
}
