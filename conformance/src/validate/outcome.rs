//! What a run has found: every check with its verdict, and from them the exit code. `windtunnel.validation/v1` when
//! written as JSON. Owns counting and what counts as known; refuses all markup.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::{Check, Level};
use super::checks::all;
use super::deviation::{Deviation, Expected};
use super::finding::{Finding, Verdict};
use super::fingerprint::Fingerprint;
use super::through::Observation;
use crate::mask::Masks;
use crate::report::tamed;

/// The name of the JSON form.
pub const SCHEMA: &str = "windtunnel.validation/v1";

/// A known deviation that was seen, with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviating {
    /// Its ids in the catalogue.
    pub ids: Vec<String>,
    /// The name that `--quirks` takes.
    pub quirk: String,
    /// What is different.
    pub text: String,
    /// Where it showed.
    pub evidence: String,
    /// What it means to clients.
    pub means: String,
    /// What works around it.
    pub workaround: String,
    /// Whether it was announced.
    pub known: bool,
}

/// One check, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Its id.
    pub id: String,
    /// How much it matters.
    pub level: Level,
    /// Its requirement.
    pub title: String,
    /// Where that stands.
    pub anchor: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Whether it counts against the backend at the level that was asked for.
    pub fails: bool,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// What is wrong in a known way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<Deviating>,
    /// What else was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why there is no verdict on the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Requests and answers, of checks that did not pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transcript: Vec<String>,
    /// Whether it was skipped, though another run could tell.
    #[serde(skip)]
    pub due: bool,
    /// Whether that leaves the verdict open at the level that was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// Whether it decides nothing at the level that was asked for.
    #[serde(skip)]
    pub beyond: bool,
    /// What the answers looked like, without what differs from run to run.
    #[serde(skip)]
    pub observation: Vec<Observation>,
}

impl Checked {
    /// Of what a check found.
    pub fn of(check: &Check, finding: Finding, transcript: Vec<String>) -> Checked {
        let verdict = finding.verdict();
        let deviations = finding.deviations.iter().filter_map(|seen| {
            let deviation = Deviation::of(seen.quirk)?;
            Some(Deviating {
                ids: deviation.quirk.deviations.iter().map(|id| (*id).to_owned()).collect(),
                quirk: seen.quirk.to_owned(),
                text: deviation.quirk.text.to_owned(),
                evidence: seen.evidence.clone(),
                means: deviation.means.to_owned(),
                workaround: deviation.workaround.to_owned(),
                known: false,
            })
        });
        let judged = matches!(verdict, Verdict::Fail | Verdict::Deviation);
        Checked {
            id: check.id.to_owned(),
            level: check.level,
            title: check.title.to_owned(),
            anchor: check.anchor.to_owned(),
            verdict,
            fails: false,
            deviations: deviations.collect(),
            failures: finding.failures,
            notes: finding.notes,
            why: finding.aside.filter(|_| !judged).map(|(_, why)| why),
            transcript: if judged { transcript } else { Vec::new() },
            due: finding.due && verdict == Verdict::Skipped,
            open: false,
            beyond: false,
            observation: Vec::new(),
        }
    }

    /// Of a check that would have been asked, had the run come so far.
    pub fn unasked(check: &Check, why: &str) -> Checked {
        Checked { due: true, ..Checked::skipped(check, why) }
    }

    /// Of a check that cannot be asked.
    pub fn skipped(check: &Check, why: &str) -> Checked {
        let aside = Some((Verdict::Skipped, why.to_owned()));
        Checked::of(check, Finding { aside, ..Finding::default() }, Vec::new())
    }

    /// Whether the backend was asked, and has answered so that it can be judged or left out.
    pub fn is_asked(&self) -> bool {
        !self.due && !self.observation.is_empty()
    }

    /// Whether all that is wrong was announced.
    pub fn is_known(&self) -> bool {
        self.verdict == Verdict::Deviation && self.deviations.iter().all(|one| one.known)
    }
}

/// A whole run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The base URL.
    pub url: String,
    /// The gateway in between, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// The chat model.
    pub model: String,
    /// The embeddings model.
    pub embeddings_model: Option<String>,
    /// What the backend seems to be.
    pub fingerprint: Option<Fingerprint>,
    /// How many requests were sent.
    pub requests: usize,
    /// How many tokens they could take at most.
    pub tokens: u64,
    /// How long it took, in seconds.
    #[serde(with = "secs")]
    pub took: Duration,
    /// Why the backend was given up before everything was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Quirks that were announced and not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_seen: Vec<String>,
    /// The checks.
    pub checks: Vec<Checked>,
}

mod secs {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64((time.as_secs_f64() * 1000.0).round() / 1000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

impl Outcome {
    /// Decides what counts against the backend.
    pub fn settle(&mut self, expected: &Expected, level: Level) {
        for check in &mut self.checks {
            for deviation in &mut check.deviations {
                deviation.known = expected.knows(&deviation.quirk);
            }
            let wrong = matches!(check.verdict, Verdict::Fail | Verdict::Deviation) && !check.is_known();
            check.beyond = check.level > level;
            check.fails = wrong && !check.beyond;
            check.open = check.due && !check.beyond;
        }
        let unseen = expected.names.iter().filter(|quirk| self.lacks(quirk));
        self.not_seen = unseen.map(|quirk| (*quirk).to_owned()).collect();
    }

    /// Whether each check that can tell this quirk had its turn, one of them an answer, and none has seen it.
    fn lacks(&self, quirk: &str) -> bool {
        let can_tell = || all().into_iter().filter(|check| check.recognises.contains(&quirk));
        let any = |id: &str, fits: fn(&Checked) -> bool| self.checks.iter().any(|check| check.id == id && fits(check));
        can_tell().all(|check| any(check.id, |checked| !checked.due))
            && can_tell().any(|check| any(check.id, Checked::is_asked))
            && !self.deviations().any(|deviation| deviation.quirk == quirk)
    }

    /// All deviations that were seen, in the order of the checks.
    pub fn deviations(&self) -> impl Iterator<Item = &Deviating> {
        self.checks.iter().flat_map(|check| &check.deviations)
    }

    /// How many checks ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    /// How many count against the backend.
    pub fn failing(&self) -> usize {
        self.checks.iter().filter(|check| check.fails).count()
    }

    /// How many count, and were not asked, or not answered.
    pub fn open(&self) -> usize {
        self.checks.iter().filter(|check| check.open).count()
    }

    /// How many were asked.
    pub fn asked(&self) -> usize {
        self.checks.iter().filter(|check| check.is_asked()).count()
    }

    /// 0 good, 1 the backend failed, 3 nothing that counts was checked, or not all of it.
    pub fn exit_code(&self) -> u8 {
        let judged = |check: &&Checked| !matches!(check.verdict, Verdict::Skipped | Verdict::Unsupported);
        if self.stopped.is_some() || self.failing() > 0 {
            1
        } else if self.open() > 0 || !self.checks.iter().any(|check| !check.beyond && judged(&check)) {
            3
        } else {
            0
        }
    }

    /// What must be said of a run that did not ask all that counts, lest it be taken for a pass.
    pub fn unsaid(&self) -> Option<String> {
        let (asked, all, open) = (self.asked(), self.checks.len(), self.open());
        if open > 0 {
            return Some(format!(
                "{asked} of {all} checks asked; no verdict on the rest, {open} of which count at this level"
            ));
        }
        let none = self.checks.iter().all(|check| check.beyond);
        none.then(|| "none of these checks counts at this level; --level says which do".to_owned())
    }

    /// Without the secrets, wherever a backend may have repeated them.
    pub fn hide(&mut self, masks: &Masks) {
        self.change(|text| masks.hide(text));
    }

    /// Without what would do something to a terminal or break out of its line: a backend may say anything.
    pub fn tame(&mut self) {
        self.change(tamed);
    }

    /// Changes every text that may have words of a backend in it; of transcripts, line by line.
    fn change(&mut self, changed: impl Fn(&str) -> String) {
        let change = |text: &mut String| *text = changed(text);
        let by_line = |text: &mut String| *text = text.split('\n').map(&changed).collect::<Vec<_>>().join("\n");
        change(&mut self.model);
        self.embeddings_model.iter_mut().chain(&mut self.stopped).for_each(change);
        self.fingerprint.iter_mut().flat_map(|print| &mut print.evidence).for_each(change);
        for check in &mut self.checks {
            check.failures.iter_mut().chain(&mut check.notes).chain(&mut check.why).for_each(change);
            check.deviations.iter_mut().for_each(|deviation| change(&mut deviation.evidence));
            check.observation.iter_mut().flatten().for_each(change);
            check.transcript.iter_mut().for_each(by_line);
        }
    }
}
