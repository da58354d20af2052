//! What a gateway changes: the same checks directly and through it, and only the differences told.
//! Owns what of an answer is the same from run to run. Refuses to say who is right.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::answer::Answer;
use super::check::Level;
use super::finding::Verdict;
use super::outcome::{Checked, Outcome};

/// What answers look like, without ids, times, texts and numbers.
pub type Observation = Vec<String>;

/// Headers that clients rely on.
const HEADERS: &[&str] = &["content-type", "x-request-id", "retry-after", "x-ratelimit-remaining-requests"];
/// Lines that are kept of the answers to one ask.
const LINES: usize = 200;
/// Strings that are words of the API and not of a model.
const WORDS: &[&str] = &["object", "type", "role", "finish_reason", "code", "status", "event"];

/// What is said of a check that was worse once.
const AGAIN: &str = "asked again, both ways, it was not worse: not counted";

/// A check that a gateway changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The check, as it is directly.
    pub direct: Checked,
    /// The check, as it is through the gateway.
    pub through: Checked,
    /// What looks different, as `-` directly and `+` through the gateway.
    pub differences: Vec<String>,
    /// Whether it was worse once, and when it was asked again no more.
    pub unsteady: bool,
}

impl Change {
    /// Whether more is wrong or missing through the gateway than directly, in a way that was not announced.
    pub fn is_worse(&self) -> bool {
        use Verdict::{Deviation, Fail, Pass, Unsupported};
        let news = || {
            let before = quirks(&self.direct);
            self.through.deviations.iter().any(|one| !one.known && !before.contains(one.quirk.as_str()))
        };
        !self.unsteady
            && match (self.direct.verdict, self.through.verdict) {
                (Pass, Unsupported) | (Pass | Unsupported | Deviation, Fail) => true,
                (Pass | Unsupported | Deviation, Deviation) => news(),
                _ => false,
            }
    }
}

/// What is different through the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Headers that it adds or takes away nearly everywhere, as `+` or `-`, with the number of checks that saw it.
    pub everywhere: Vec<(String, usize)>,
    /// The checks that it changes beyond that.
    pub checks: Vec<Change>,
}

impl Changes {
    /// The checks that are worse through the gateway.
    pub fn worse(&self) -> impl Iterator<Item = &str> {
        self.checks.iter().filter(|change| change.is_worse()).map(|change| change.direct.id.as_str())
    }

    /// What is worse counts only where it was worse again, or where it could not be asked again.
    pub fn confirm(&mut self, direct: &Outcome, through: &Outcome) {
        let again = changes(direct, through);
        let asked = |outcome: &Outcome, id: &str| outcome.checks.iter().any(|check| check.id == id && check.is_asked());
        for change in &mut self.checks {
            let id = change.direct.id.as_str();
            let steady = !asked(direct, id) || !asked(through, id) || again.worse().any(|worse| worse == id);
            if change.is_worse() && !steady {
                change.unsteady = true;
                change.through.notes.push(AGAIN.to_owned());
            }
        }
    }

    /// Makes what was found through the gateway count: what it made worse, and not what the backend does by itself;
    /// what was not asked directly is compared with nothing.
    pub fn settle(&self, direct: &Outcome, through: &mut Outcome, level: Level) {
        for check in &mut through.checks {
            let Some(alone) = direct.checks.iter().find(|alone| alone.id == check.id) else { continue };
            if let Some(change) = self.checks.iter().find(|change| change.direct.id == check.id) {
                check.fails = check.level <= level && change.is_worse();
                check.notes.clone_from(&change.through.notes);
            } else {
                check.fails = false;
            }
            if alone.due && !check.due {
                check.clone_from(alone);
            }
        }
    }
}

/// The checks whose verdict or observation differs; a header that is another nearly everywhere is told once.
pub fn changes(direct: &Outcome, through: &Outcome) -> Changes {
    let pairs =
        direct.checks.iter().filter_map(|one| Some((one, through.checks.iter().find(|other| other.id == one.id)?)));
    // Where nothing was asked there is nothing to compare.
    let unasked = |check: &Checked| check.due && check.observation.is_empty();
    let mut all: Vec<Change> = pairs
        .filter(|(direct, through)| !unasked(direct) && !unasked(through))
        .map(|(direct, through)| Change {
            direct: direct.clone(),
            through: through.clone(),
            differences: differences(direct, through),
            unsteady: false,
        })
        .collect();
    let everywhere = everywhere(&all);
    for change in &mut all {
        change.differences.retain(|line| !everywhere.iter().any(|(header, _)| header == line));
    }
    all.retain(|Change { direct, through, differences, .. }| {
        direct.verdict != through.verdict || quirks(direct) != quirks(through) || !differences.is_empty()
    });
    Changes { everywhere, checks: all }
}

/// The differences in headers that more than half of the checks with answers have.
fn everywhere(all: &[Change]) -> Vec<(String, usize)> {
    let answered = all.iter().filter(|change| !change.through.observation.is_empty()).count();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in all.iter().flat_map(|change| &change.differences) {
        if line.get(2..).and_then(|line| line.split_once(':')).is_some_and(|(name, _)| HEADERS.contains(&name)) {
            *counts.entry(line).or_default() += 1;
        }
    }
    let most = |(_, count): &(&str, usize)| *count > 1 && *count > answered / 2;
    counts.into_iter().filter(most).map(|(line, count)| (line.to_owned(), count)).collect()
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

/// What the answers to one ask look like: each line once, in order, the first ones of many.
pub fn observed(answers: &[Answer]) -> Observation {
    let mut seen = BTreeSet::new();
    answers.iter().flat_map(looks).filter(|line| seen.insert(line.clone())).take(LINES).collect()
}

fn looks(answer: &Answer) -> impl Iterator<Item = String> {
    let status = answer.status().map_or_else(|| answer.end.to_string(), |status| status.to_string());
    let headers = HEADERS.iter().filter(|name| answer.header(name).is_some()).map(|name| {
        let value = if *name == "content-type" { answer.media_type() } else { "(some)".to_owned() };
        format!("{name}: {value}")
    });
    // What did not end is cut anywhere.
    let trouble = answer.trouble().is_some().then(|| answer.end.to_string());
    let whole = Some(answer).filter(|_| trouble.is_none());
    let json = whole.and_then(Answer::json).map(|value| skeleton("", value).to_string());
    let streamed = whole.filter(|_| json.is_none()).into_iter().flat_map(frames);
    [format!("status {status}")].into_iter().chain(headers).chain(trouble).chain(json).chain(streamed)
}

fn frames(answer: &Answer) -> impl Iterator<Item = String> {
    let stream = answer.stream();
    let chunks = stream.chunks.iter().map(|chunk| skeleton("", &chunk.value).to_string());
    let done = (stream.done > 0).then(|| "[DONE]".to_owned());
    chunks.chain(done).chain((!stream.comments.is_empty()).then(|| "comments".to_owned()))
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
