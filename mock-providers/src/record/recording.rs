//! The recording: a mock configuration that grows by a rule with every new request.
//!
//! Owns the file: what it says, that it is whole at every moment, and how large it may become. Refuses to hold anything
//! that could not be read back.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::asked::{ALWAYS, Asked, Key};
use super::{Existing, RecordError, yaml};
use crate::fleet::{self, Document};
use crate::script::{Dialect, Rule};

/// What the provider of a recording is called.
const PROVIDER: &str = "recorded";
/// A recording has no more exchanges.
const MAX_EXCHANGES: usize = 2000;
/// Nor more bytes of answers.
const MAX_BYTES: usize = 16 << 20;

/// Why an exchange is not in the recording.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    #[error("the recording is full (2000 exchanges or 16 MiB): go on in another file")]
    Full,
    #[error("no rule that can be read back gives this answer: {0}")]
    Unreadable(String),
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
}

/// A request and what it was answered, each time.
struct Entry {
    asked: Asked,
    steps: Vec<Value>,
}

/// Everything that was recorded so far.
pub(super) struct Recording {
    path: PathBuf,
    title: String,
    /// The whole configuration, as it was found or begun; its rules are `rules`.
    config: Map<String, Value>,
    /// Those that were there before.
    rules: Vec<Value>,
    /// It was begun, not found: its dialect is that of what is recorded.
    own: bool,
    entries: Vec<Entry>,
    exchanges: usize,
    bytes: usize,
}

impl Recording {
    /// Begins the file, or goes on with it.
    pub(super) fn open(
        path: &Path,
        existing: Existing,
        title: String,
        listen: SocketAddr,
    ) -> Result<Self, RecordError> {
        let mut config = Map::new();
        let (mut rules, mut own) = (Vec::new(), true);
        if path.exists() {
            match existing {
                Existing::Refuse => return Err(RecordError::Exists(path.to_owned())),
                Existing::Append => {
                    (config, rules) = found(path)?;
                    own = false;
                }
                Existing::Replace => {}
            }
        }
        if own {
            let mut provider = json!({"dialect": "openai", "unmatched": "error"});
            if listen.port() != 0 {
                provider["listen"] = listen.to_string().into();
            }
            config.insert("providers".to_owned(), json!({ PROVIDER: provider }));
        }
        let (path, entries) = (path.to_owned(), Vec::new());
        let recording = Self { path, title, config, rules, own, entries, exchanges: 0, bytes: 0 };
        recording.write().map_err(|source| RecordError::Write { path: recording.path.clone(), source })?;
        Ok(recording)
    }

    /// Adds an exchange, and writes the file anew; the rule's name.
    pub(super) fn keep(&mut self, asked: Asked, step: Value) -> Result<String, NotKept> {
        let size = yaml::text(&step).len();
        if self.exchanges >= MAX_EXCHANGES || self.bytes + size > MAX_BYTES {
            return Err(NotKept::Full);
        }
        readable(&asked, &step)?;
        let name = asked.name.clone();
        if let Some(rule) = self.rules.iter_mut().find(|rule| rule["name"] == name.as_str()) {
            prolong(rule, step);
        } else if let Some(entry) = self.entries.iter_mut().find(|entry| entry.asked.name == name) {
            entry.steps.push(step);
        } else {
            self.entries.push(Entry { asked, steps: vec![step] });
        }
        self.exchanges += 1;
        self.bytes += size;
        self.write().map_err(|source| NotKept::Write { path: self.path.clone(), source })?;
        Ok(name)
    }

    /// The file changes in one moment: nobody sees half of it.
    fn write(&self) -> io::Result<()> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(format!(".{}.tmp", std::process::id()));
        let beside = PathBuf::from(beside);
        fs::write(&beside, self.text())?;
        fs::rename(&beside, &self.path).inspect_err(|_| drop(fs::remove_file(&beside)))
    }

    fn text(&self) -> String {
        let mut config = self.config.clone();
        let provider = &mut config["providers"][PROVIDER];
        if self.own {
            provider["dialect"] = self.dialect().into();
        }
        provider["rules"] = self.rules.iter().cloned().chain(self.added()).collect();
        format!("# {}\n{}", self.title, yaml::text(&Value::Object(config)))
    }

    /// The dialect that all requests were made in, else the one that understands most of them.
    fn dialect(&self) -> &'static str {
        let all = |dialect| !self.entries.is_empty() && self.entries.iter().all(|entry| entry.asked.dialect == dialect);
        match () {
            () if all(Dialect::Azure) => "azure",
            () if all(Dialect::Anthropic) => "anthropic",
            () => "openai",
        }
    }

    /// The rules of what was recorded; requests that no key tells apart share one.
    fn added(&self) -> Vec<Value> {
        let mut rules: Vec<(Value, Vec<Value>, &str, bool)> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let clashes = self.clashes(entry);
            let when = if clashes { entry.asked.when(entry.asked.keys()) } else { entry.asked.when(&self.told(index)) };
            match rules.iter_mut().find(|(known, ..)| *known == when) {
                Some((_, steps, ..)) => steps.extend(entry.steps.iter().cloned()),
                None => rules.push((when, entry.steps.clone(), &entry.asked.name, clashes)),
            }
        }
        rules.into_iter().map(|(when, steps, name, first)| rule(name, first, when, steps)).collect()
    }

    /// Whether a rule that was there before may take its requests.
    fn clashes(&self, entry: &Entry) -> bool {
        let own = &entry.asked.always;
        self.rules.iter().any(|rule| ALWAYS.iter().all(|key| rule["when"].get(key) == own.get(*key)))
    }

    /// As few keys as tell this request from all others that are alike otherwise, where any do.
    fn told(&self, index: usize) -> BTreeSet<Key> {
        let always = &self.entries[index].asked.always;
        let alike: Vec<&Asked> =
            self.entries.iter().map(|entry| &entry.asked).filter(|asked| asked.always == *always).collect();
        let candidates: BTreeSet<&Key> = alike.iter().flat_map(|asked| asked.keys()).collect();
        let (mut told, mut classes) = (BTreeSet::new(), vec![alike]);
        for key in candidates {
            let mut finer: Vec<Vec<&Asked>> = Vec::new();
            for class in &classes {
                let start = finer.len();
                for asked in class {
                    match finer[start..].iter_mut().find(|other| other[0].telling(key) == asked.telling(key)) {
                        Some(other) => other.push(asked),
                        None => finer.push(vec![asked]),
                    }
                }
            }
            if finer.len() > classes.len() {
                told.insert(key.clone());
                classes = finer;
            }
        }
        told
    }
}

/// A rule that answers so, each time.
fn rule(name: &str, first: bool, when: Value, mut steps: Vec<Value>) -> Value {
    let mut rule = Map::from_iter([("name".to_owned(), name.into())]);
    if first {
        // Before the rules that were there, which ask for less.
        rule.insert("priority".to_owned(), 4.into());
    }
    rule.insert("when".to_owned(), when);
    match (steps.pop(), steps.is_empty()) {
        (Some(Value::Object(only)), true) => rule.extend(only),
        (last, _) => {
            steps.extend(last);
            rule.insert("sequence".to_owned(), steps.into());
        }
    }
    Value::Object(rule)
}

/// Lets an older rule go on with one more answer.
fn prolong(rule: &mut Value, step: Value) {
    if let Some(steps) = rule["sequence"].as_array_mut() {
        return steps.push(step);
    }
    let Some(rule) = rule.as_object_mut() else { return };
    let first: Map<String, Value> =
        ["respond", "fault"].iter().filter_map(|key| rule.shift_remove_entry(*key)).collect();
    rule.insert("sequence".to_owned(), vec![Value::Object(first), step].into());
}

/// Whether the rule is one, when it has all the conditions that it may need.
fn readable(asked: &Asked, step: &Value) -> Result<(), NotKept> {
    let rule = rule(&asked.name, false, asked.when(asked.keys()), vec![step.clone()]);
    let read = fleet::read::<Rule>(&yaml::text(&rule));
    read.map(drop).map_err(|error| NotKept::Unreadable(error.reason))
}

/// An older recording: its configuration, and the rules of its provider.
fn found(path: &Path) -> Result<(Map<String, Value>, Vec<Value>), RecordError> {
    let bad = |reason: String| RecordError::NotARecording { path: path.to_owned(), reason };
    let text = fs::read_to_string(path).map_err(|source| RecordError::Read { path: path.to_owned(), source })?;
    let document = Document::read(&text).map_err(|error| bad(error.to_string()))?;
    let Value::Object(mut config) = document.value else { return Err(bad("it is no map".to_owned())) };
    let Some(provider) = config["providers"].get_mut(PROVIDER).and_then(Value::as_object_mut) else {
        return Err(bad(format!("it has no provider `{PROVIDER}`")));
    };
    let rules = match provider.shift_remove("rules") {
        Some(Value::Array(rules)) => rules,
        _ => Vec::new(),
    };
    Ok((config, rules))
}
