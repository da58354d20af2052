//! What a gateway changes: the same checks directly and through it, and only the differences told.
//! Owns what of an answer is the same from run to run. Refuses to say who is right.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::answer::Answer;
use super::finding::Verdict;
use super::outcome::{Checked, Outcome};

/// What answers look like, without ids, times, texts and numbers.
pub type Observation = Vec<String>;

/// Headers that clients rely on.
const HEADERS: &[&str] = &["content-type", "x-request-id", "retry-after", "x-ratelimit-remaining-requests"];
/// Strings that are words of the API and not of a model.
const WORDS: &[&str] = &["object", "type", "role", "finish_reason", "code", "status", "event"];

/// A check that a gateway changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The check, as it is directly.
    pub direct: Checked,
    /// The check, as it is through the gateway.
    pub through: Checked,
    /// What looks different, as `-` directly and `+` through the gateway.
    pub differences: Vec<String>,
}

impl Change {
    /// Whether more is wrong or missing through the gateway than directly.
    pub fn is_worse(&self) -> bool {
        match (self.direct.verdict, self.through.verdict) {
            (Verdict::Pass, after) => matches!(after, Verdict::Fail | Verdict::Deviation | Verdict::Unsupported),
            (Verdict::Deviation, Verdict::Fail) => true,
            (Verdict::Deviation, Verdict::Deviation) => !quirks(&self.through).is_subset(&quirks(&self.direct)),
            _ => false,
        }
    }
}

/// The checks whose verdict or observation differs.
pub fn changes(direct: &Outcome, through: &Outcome) -> Vec<Change> {
    let pairs =
        direct.checks.iter().filter_map(|one| Some((one, through.checks.iter().find(|other| other.id == one.id)?)));
    let changed = pairs.filter_map(|(direct, through)| {
        let differences = differences(direct, through);
        let same = direct.verdict == through.verdict && quirks(direct) == quirks(through) && differences.is_empty();
        (!same).then(|| Change { direct: direct.clone(), through: through.clone(), differences })
    });
    changed.collect()
}

fn quirks(check: &Checked) -> BTreeSet<&str> {
    check.deviations.iter().map(|deviation| deviation.quirk.as_str()).collect()
}

fn differences(direct: &Checked, through: &Checked) -> Vec<String> {
    let mut lines = Vec::new();
    for (before, after) in direct.observation.iter().zip(&through.observation) {
        let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
        let come = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
        lines.extend(gone.chain(come));
    }
    lines.sort();
    lines.dedup();
    lines
}

/// What the answers to one ask look like: each line once, in order.
pub fn observed(answers: &[Answer]) -> Observation {
    let mut lines: Vec<String> = Vec::new();
    for answer in answers {
        lines.push(format!(
            "status {}",
            answer.status().map_or_else(|| answer.end.to_string(), |status| status.to_string())
        ));
        for name in HEADERS {
            if answer.header(name).is_some() {
                let value = if *name == "content-type" { answer.media_type() } else { "(some)".to_owned() };
                lines.push(format!("{name}: {value}"));
            }
        }
        match answer.json() {
            Some(value) => lines.push(skeleton("", value).to_string()),
            None => lines.extend(frames(answer)),
        }
    }
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

fn frames(answer: &Answer) -> Vec<String> {
    let stream = answer.stream();
    let mut lines: Vec<String> = stream.chunks.iter().map(|chunk| skeleton("", &chunk.value).to_string()).collect();
    lines.extend((stream.done > 0).then(|| "[DONE]".to_owned()));
    lines.extend((!stream.comments.is_empty()).then(|| "comments".to_owned()));
    lines
}

/// A value whose strings and numbers are replaced by what they are.
fn skeleton(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            Map::from_iter(names.into_iter().map(|name| (name.clone(), skeleton(name, &fields[name])))).into()
        }
        Value::Array(items) => {
            let mut kinds: Vec<Value> = items.iter().map(|item| skeleton(name, item)).collect();
            kinds.dedup();
            kinds.into()
        }
        Value::String(_) if WORDS.contains(&name) => value.clone(),
        Value::String(_) => "string".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Null => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_left_out_of_a_skeleton() {
        let one = json!({"id": "c-1", "choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}], "created": 1});
        let other =
            json!({"created": 2, "id": "c-2", "choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]});
        let third =
            json!({"created": 2, "id": "c-2", "choices": [{"delta": {"content": "b"}, "finish_reason": "length"}]});
        assert_eq!(skeleton("", &one).to_string(), skeleton("", &other).to_string());
        assert_ne!(skeleton("", &one), skeleton("", &third));
    }
}
