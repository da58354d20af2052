//! What a check found: failures, known deviations, remarks, and from them the verdict.

use std::fmt;

use super::answer::Answer;

/// What is told of one check: more of the same teaches nothing.
const FAILURES: usize = 16;
const LAST: usize = FAILURES - 1;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As the API says.
    Pass,
    /// Not so, in no way that is known.
    Fail,
    /// Not so, in a way that is known from elsewhere.
    Deviation,
    /// The backend says that it does not have it.
    Unsupported,
    /// Not asked, or not told by the answer.
    Skipped,
}

impl Verdict {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Verdict; 5] =
        [Verdict::Pass, Verdict::Fail, Verdict::Deviation, Verdict::Unsupported, Verdict::Skipped];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Deviation => "deviation",
            Verdict::Unsupported => "unsupported",
            Verdict::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A known deviation that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The quirk that it is.
    pub quirk: &'static str,
    /// Where it showed.
    pub evidence: String,
}

/// What a check found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub failures: Vec<String>,
    /// What is wrong in a known way.
    pub deviations: Vec<Seen>,
    /// What is worth telling, and wrong in no way.
    pub notes: Vec<String>,
    /// Why there is no verdict on the backend.
    pub aside: Option<(Verdict, String)>,
    /// Whether there would be one, had the backend been asked, or answered.
    pub due: bool,
}

impl Finding {
    /// Something is wrong.
    pub fn fail(&mut self, what: impl Into<String>) {
        let what = match self.failures.len() {
            FAILURES.. => return,
            LAST => "… and more".to_owned(),
            _ => what.into(),
        };
        if !self.failures.contains(&what) {
            self.failures.push(what);
        }
    }

    /// Something is wrong unless this holds; says whether it does.
    pub fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) -> bool {
        if !holds {
            self.fail(what());
        }
        holds
    }

    /// Something is wrong as it is known from elsewhere.
    pub fn deviates(&mut self, quirk: &'static str, evidence: impl Into<String>) {
        if !self.deviations.iter().any(|seen| seen.quirk == quirk) {
            self.deviations.push(Seen { quirk, evidence: evidence.into() });
        }
    }

    /// Worth telling.
    pub fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    /// The backend does not have it, and says so.
    pub fn unsupported(&mut self, why: impl Into<String>) {
        self.aside.get_or_insert((Verdict::Unsupported, why.into()));
    }

    /// The answer does not tell.
    pub fn skipped(&mut self, why: impl Into<String>) {
        self.aside.get_or_insert((Verdict::Skipped, why.into()));
    }

    /// Another run may tell.
    pub fn undecided(&mut self, why: impl Into<String>) {
        self.skipped(why);
        self.due = true;
    }

    /// Only a 200 with JSON, or the stream that was asked for, will do; says whether it is one.
    pub fn accepted(&mut self, answer: &Answer) -> bool {
        let readable = answer.request.streams() || answer.json().is_some();
        self.expect(answer.status() == Some(200) && readable, || answer.refusal())
    }

    /// As [`accepted`](Self::accepted), for what a backend may leave out if it says so.
    pub fn offered(&mut self, answer: &Answer) -> bool {
        if answer.says_no() {
            self.unsupported(answer.refusal());
            return false;
        }
        self.accepted(answer)
    }

    /// What follows from it all.
    pub fn verdict(&self) -> Verdict {
        match &self.aside {
            _ if !self.failures.is_empty() => Verdict::Fail,
            _ if !self.deviations.is_empty() => Verdict::Deviation,
            Some((verdict, _)) => *verdict,
            None => Verdict::Pass,
        }
    }
}
