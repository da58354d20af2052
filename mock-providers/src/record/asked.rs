//! What a request asked for, as the conditions of the rule that answers it again.
//!
//! Owns the rule's name and its `when`: what it always names, and what else tells requests apart. All of it is made of
//! the request without its credentials. Refuses to look at answers.

use serde_json::{Map, Value, json};

use crate::credentials::{MASK, is_credential_parameter, redact_all};
use crate::metrics::Operation;
use crate::request::{Head, Request};
use crate::rules::{Facts, canonicalise, query, short};
use crate::script::Dialect;

/// The keys of `when` that every rule of a recording has, where the request says something about them.
pub(super) const ALWAYS: [&str; 5] = ["path", "method", "model", "stream", "last_user"];

/// Where a conversation stands: compared last, because nobody likes to read it in a `when`.
const PROMPTS: [&str; 3] = ["messages", "input", "prompt"];
/// Fields of the body that other keys are about.
const COVERED: [&str; 7] = ["model", "stream", "tools", "system", "messages", "input", "prompt"];

/// Something by which requests differ; in the order in which it is tried.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Query(String),
    Tools,
    System,
    Turn,
    Field(String),
    Prompt(String),
}

/// A request without its credentials.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) dialect: Dialect,
    /// The `when` of its rule, as far as other requests do not ask for more.
    pub(super) always: Map<String, Value>,
    /// None where a credential keeps it from being a condition.
    telling: Vec<(Key, Option<Value>)>,
}

impl Asked {
    pub(super) fn of(head: &Head, body: &[u8], secrets: &[String]) -> Self {
        let sent = Request::new(head, body);
        let mut masked = Request::new(head, body);
        masked.json.iter_mut().for_each(|json| mask(json, secrets));
        let facts = Facts::new(&masked);
        let path = redact_all(head.path(), secrets);
        let mut always = Map::new();
        always.insert("path".to_owned(), path.replace(MASK, "*").into());
        always.insert("method".to_owned(), head.method().into());
        if masked.json.is_some() {
            always.insert("model".to_owned(), masked.model().map_or_else(absent, model));
            always.insert("stream".to_owned(), masked.stream().into());
            always.insert("last_user".to_owned(), facts.last_user().map_or_else(absent, text));
        } else if !matches!(head.method(), "GET" | "HEAD") {
            // Or it would take the requests that have JSON, too.
            always.insert("body".to_owned(), json!({ "$": absent() }));
        }
        let mut telling = parameters(head, secrets);
        telling.extend(conversation(&facts, &Facts::new(&sent)));
        let fields = masked.json.as_ref().and_then(Value::as_object).into_iter().flatten();
        telling.extend(fields.filter_map(field));
        telling.sort_by(|a, b| a.0.cmp(&b.0));
        let name = name(head, &masked, body, &path, secrets);
        let dialect = dialect(head);
        Self { name, dialect, always, telling }
    }

    /// What it has for a key; what it lacks is a condition, too.
    pub(super) fn telling(&self, key: &Key) -> Option<Value> {
        let own = self.telling.iter().find(|(known, _)| known == key);
        own.map_or_else(|| Some(absent()), |(_, value)| value.clone())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.telling.iter().map(|(key, _)| key)
    }

    /// The whole `when`, with these keys beside those that it always has.
    pub(super) fn when<'k>(&self, keys: impl IntoIterator<Item = &'k Key>) -> Value {
        let mut when = self.always.clone();
        for key in keys {
            let Some(value) = self.telling(key) else { continue };
            let lacking = value == absent();
            let (group, name) = match key {
                Key::Query(name) => ("query", name.as_str()),
                Key::Tools if lacking => ("body", "$.tools"),
                Key::System if lacking => ("", "system"),
                Key::Tools => ("", "tools_hash"),
                Key::System => ("", "system_hash"),
                Key::Turn => ("", "turn"),
                Key::Field(path) | Key::Prompt(path) => ("body", path.as_str()),
            };
            let place = if group.is_empty() {
                &mut when
            } else {
                let group = when.entry(group).or_insert_with(|| json!({}));
                group.as_object_mut().expect("it was put there as a map")
            };
            place.insert(name.to_owned(), value);
        }
        Value::Object(when)
    }
}

fn absent() -> Value {
    json!({"present": false})
}

/// Takes credentials out of every text, names of members included.
fn mask(json: &mut Value, secrets: &[String]) {
    match json {
        Value::String(text) => *text = redact_all(text, secrets).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, secrets)),
        Value::Object(members) => {
            let old = std::mem::take(members);
            members.extend(old.into_iter().map(|(name, mut value)| {
                mask(&mut value, secrets);
                (redact_all(&name, secrets).into_owned(), value)
            }));
        }
        _ => {}
    }
}

/// A matcher of a text; where a credential stood, anything may stand.
fn text(text: &str) -> Value {
    if !text.contains(MASK) {
        return text.into();
    }
    let parts: Vec<String> = text.split(MASK).map(regex::escape).collect();
    json!({"matches": format!("(?s)^{}$", parts.join(".*"))})
}

/// The same of a model, where a bare text is a glob.
fn model(name: &str) -> Value {
    if name.contains('*') { json!({"equals": name}) } else { text(name) }
}

fn parameters(head: &Head, secrets: &[String]) -> Vec<(Key, Option<Value>)> {
    let shown = query(head.query().unwrap_or_default());
    let shown = shown.filter(|(name, _)| !name.is_empty() && !is_credential_parameter(name));
    shown
        .map(|(name, value)| {
            let key = Key::Query(redact_all(&name, secrets).into_owned());
            (key, Some(text(&redact_all(&value, secrets))))
        })
        .collect()
}

/// Hashes and place of the conversation; a hash over a credential would be of no use to another caller.
fn conversation(masked: &Facts<'_>, sent: &Facts<'_>) -> Vec<(Key, Option<Value>)> {
    let same = |masked: Option<String>, sent: Option<String>| {
        masked.map(|hash| Some(&hash).filter(|hash| Some(*hash) == sent.as_ref()).map(|hash| hash.as_str().into()))
    };
    let tools = same(masked.tools_hash(), sent.tools_hash()).map(|hash| (Key::Tools, hash));
    let system = same(masked.system_hash(), sent.system_hash()).map(|hash| (Key::System, hash));
    let turn = (Key::Turn, Some(masked.turn().into()));
    [tools, system, Some(turn)].into_iter().flatten().collect()
}

/// A field of the body as a condition, where no other key is about it.
fn field((name, value): (&String, &Value)) -> Option<(Key, Option<Value>)> {
    let path = match name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty() {
        true => format!("$.{name}"),
        false => format!("$[{}]", Value::from(name.as_str())),
    };
    let key = match () {
        () if PROMPTS.contains(&name.as_str()) => Key::Prompt(path),
        () if COVERED.contains(&name.as_str()) => return None,
        () => Key::Field(path),
    };
    let masked = name.contains(MASK) || value.to_string().contains(MASK);
    let condition = match value {
        Value::String(own) if masked => Some(text(own)),
        _ if masked => None,
        // A map would be read as a matcher.
        Value::Object(_) => Some(json!({ "equals": value })),
        other => Some(other.clone()),
    };
    Some((key, condition))
}

/// Operation, model and a hash of all that was asked: the same for the same request, in every recording.
fn name(head: &Head, masked: &Request<'_>, body: &[u8], path: &str, secrets: &[String]) -> String {
    let mut whole = format!("{} {path}", head.method());
    for (name, value) in query(head.query().unwrap_or_default()).filter(|(name, _)| !is_credential_parameter(name)) {
        whole.push_str(&redact_all(&format!(" {name}={value}"), secrets));
    }
    whole.push('\n');
    match &masked.json {
        Some(json) => canonicalise(json, &mut whole),
        None => whole.push_str(&redact_all(&String::from_utf8_lossy(body), secrets)),
    }
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let model: String = masked.model().unwrap_or_default().chars().take(60).map(fits).collect();
    let parts = [Operation::of(path).name(), model.trim_matches('-'), &short(&whole)].map(str::to_owned);
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn dialect(head: &Head) -> Dialect {
    match Dialect::Openai.of(head) {
        Dialect::Anthropic => Dialect::Anthropic,
        _ => Dialect::Openai.of_key(head),
    }
}
