//! Actual against expected: each expectation that does not hold becomes a [`Failure`] with its place in the file.
//! One module per kind of evidence. Nothing here waits; `run` polls.

mod as_sent;
pub mod canary;
pub mod distribution;
pub mod exchange;
pub mod providers;
pub mod status;
pub mod stream;
pub mod telemetry;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::matcher::{Matcher, Seen};
use crate::scenario::At;
use crate::scenario::expect::JsonMatchers;
use crate::vars::Vars;

/// One expectation that did not hold.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Where in the scenario, such as `steps[0].expect.status`.
    pub path: String,
    /// Line in the file; 0 for the file as a whole.
    pub line: usize,
    /// Column in the file.
    pub column: usize,
    /// How many characters the expectation takes.
    #[serde(skip)]
    pub width: usize,
    /// The line itself, without secrets; filled in once they are known.
    #[serde(skip)]
    pub excerpt: String,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub actual: String,
    /// Something came too late: on a noisy host that may be the host's fault.
    #[serde(skip)]
    pub late: bool,
}

/// Collects failures under a path.
#[derive(Debug)]
pub struct Judge<'v> {
    vars: &'v Vars,
    path: String,
    /// What the host's unpunctuality adds to upper bounds on time.
    slack: Duration,
    /// What did not hold so far.
    pub failures: Vec<Failure>,
}

impl<'v> Judge<'v> {
    /// For expectations below `path`.
    pub fn new(vars: &'v Vars, path: impl Into<String>) -> Judge<'v> {
        Judge { vars, path: path.into(), slack: Duration::ZERO, failures: Vec::new() }
    }

    /// With upper bounds on time widened.
    pub fn lenient(self, slack: Duration) -> Judge<'v> {
        Judge { slack, ..self }
    }

    /// The values for `${…}`.
    pub fn vars(&self) -> &'v Vars {
        self.vars
    }

    /// Collects on its own, under a longer path.
    pub fn inner(&self, part: &str) -> Judge<'v> {
        Judge { slack: self.slack, ..Judge::new(self.vars, format!("{}{part}", self.path)) }
    }

    /// Judges with a longer path.
    pub fn below(&mut self, part: &str, judge: impl FnOnce(&mut Judge<'v>)) {
        let mut inner = self.inner(part);
        judge(&mut inner);
        self.failures.append(&mut inner.failures);
    }

    /// One matcher.
    pub fn check(&mut self, part: &str, matcher: &At<Matcher>, seen: &Seen) {
        let filled = self.vars.matcher(&matcher.value);
        if !filled.holds(seen) {
            self.fail(part, matcher, filled.to_string(), seen.describe());
        }
    }

    /// A matcher that may not be given.
    pub fn maybe(&mut self, part: &str, matcher: Option<&At<Matcher>>, seen: impl FnOnce() -> Seen) {
        if let Some(matcher) = matcher {
            self.check(part, matcher, &seen());
        }
    }

    /// Matchers on parts of a JSON document; `Err` says why there is none.
    pub fn json(&mut self, part: &str, matchers: &JsonMatchers, document: Result<&Value, String>) {
        for (path, matcher) in &matchers.0 {
            let name = format!("{part}[{}]", path.text);
            match &document {
                Ok(document) => {
                    let nodes = path.path.query(document).all().into_iter().cloned().collect();
                    self.check(&name, matcher, &Seen::Values(nodes));
                }
                Err(why) => {
                    let filled = self.vars.matcher(&matcher.value);
                    self.fail(&name, matcher, filled.to_string(), why.clone());
                }
            }
        }
    }

    /// An expectation that does not hold.
    pub fn fail<T>(&mut self, part: &str, place: &At<T>, expected: impl Into<String>, actual: impl Into<String>) {
        let number = |value: u64| usize::try_from(value).unwrap_or(0);
        self.failures.push(Failure {
            path: format!("{}{part}", self.path),
            line: number(place.referenced.line()),
            column: number(place.referenced.column()),
            width: usize::try_from(place.referenced.span().len()).unwrap_or(1),
            excerpt: String::new(),
            expected: expected.into(),
            actual: actual.into(),
            late: false,
        });
    }

    /// Something that came too late.
    pub fn late<T>(&mut self, part: &str, place: &At<T>, expected: impl Into<String>, actual: impl Into<String>) {
        self.fail(part, place, expected, actual);
        if let Some(failure) = self.failures.last_mut() {
            failure.late = true;
        }
    }
}

/// A body as JSON, or the reason why it is none.
pub fn parse(body: &[u8]) -> Result<Value, String> {
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(_) if body.is_empty() => Err("an empty body".to_owned()),
        Err(error) => Err(format!("not JSON ({error}): {}", Seen::Bytes(body.to_vec()).describe())),
    }
}

/// Headers as the client keeps them, borrowed.
pub fn pairs(headers: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Header values by name, letter case aside.
pub fn header<'h>(headers: impl Iterator<Item = (&'h str, &'h str)>, name: &str) -> Seen {
    let values = headers.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    Seen::Values(values.map(|(_, value)| Value::from(value)).collect())
}
