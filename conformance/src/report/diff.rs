//! What changed from one report to another, scenario by scenario and profile by profile, and whether it got worse.

use std::collections::BTreeMap;

use serde::Serialize;

use super::date;
use super::model::{Report, Scenario};
use crate::outcome::Verdict;
use crate::scenario::Level;

/// How a scenario changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It did not fail before, and does now.
    Broken,
    /// Another verdict, such as skipped instead of passed, but neither broken nor fixed.
    Changed,
    /// It is not in the new report.
    Gone,
    /// It was not in the old report.
    New,
    /// It failed before, and passes now.
    Fixed,
}

impl Change {
    const fn name(self) -> &'static str {
        match self {
            Change::Broken => "broken",
            Change::Changed => "changed",
            Change::Gone => "gone",
            Change::New => "new",
            Change::Fixed => "fixed",
        }
    }
}

/// One scenario that is not as it was.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioChange<'r> {
    /// Its id.
    pub id: &'r str,
    /// The requirement, as the newer report has it.
    pub title: &'r str,
    /// The level, as the newer report has it.
    pub level: Level,
    /// What happened.
    pub change: Change,
    /// The verdict in the old report.
    pub was: Option<Verdict>,
    /// The verdict in the new report.
    pub now: Option<Verdict>,
    /// Whether this is a step back.
    pub worse: bool,
}

/// One profile whose result is not what it was.
#[derive(Debug, Clone, Serialize)]
pub struct ProfileChange<'r> {
    /// Its name.
    pub name: &'r str,
    /// The result in the old report.
    pub was: Option<&'r str>,
    /// The result in the new report.
    pub now: Option<&'r str>,
    /// Whether this is a step back.
    pub worse: bool,
}

/// Everything that changed.
#[derive(Debug, Clone, Serialize)]
pub struct Diff<'r> {
    /// `windtunnel.report-diff/v1`
    pub schema: &'static str,
    /// The older run.
    pub old: String,
    /// The newer run.
    pub new: String,
    /// Whether anything is a step back.
    pub worse: bool,
    /// Whether the scenarios' texts are the same in both.
    pub same_suite: bool,
    /// Scenarios that are as they were.
    pub unchanged: usize,
    /// The others, the worst first.
    pub scenarios: Vec<ScenarioChange<'r>>,
    /// Profiles with another result.
    pub profiles: Vec<ProfileChange<'r>>,
}

impl<'r> Diff<'r> {
    /// From `old` to `new`.
    pub fn of(old: &'r Report, new: &'r Report) -> Diff<'r> {
        let (was, now) = (by_id(old), by_id(new));
        let mut scenarios: Vec<ScenarioChange<'_>> = was
            .iter()
            .filter_map(|(id, old)| scenario(Some(old), now.get(id).copied()))
            .chain(now.iter().filter(|(id, _)| !was.contains_key(*id)).filter_map(|(_, new)| scenario(None, Some(new))))
            .collect();
        scenarios.sort_by_key(|one| (!one.worse, one.change, one.id));
        let unchanged = was.len() - scenarios.iter().filter(|one| one.was.is_some()).count();
        let profiles = profiles(old, new);
        Diff {
            schema: "windtunnel.report-diff/v1",
            old: about(old),
            new: about(new),
            worse: scenarios.iter().any(|one| one.worse) || profiles.iter().any(|one| one.worse),
            same_suite: old.suite.scenarios_digest == new.suite.scenarios_digest,
            unchanged,
            scenarios,
            profiles,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("old  {}\nnew  {}\n", self.old, self.new);
        if !self.same_suite {
            text.push_str("     the scenarios are not the same in both\n");
        }
        if !self.scenarios.is_empty() {
            text.push_str(&format!(
                "\n{:8} {:8} {:6} {:13} {:13} requirement\n",
                "change", "scenario", "level", "was", "now"
            ));
        }
        for one in &self.scenarios {
            let verdict =
                |verdict: Option<Verdict>| verdict.map_or_else(|| "-".to_owned(), |verdict| verdict.to_string());
            let (change, was, now) = (one.change.name(), verdict(one.was), verdict(one.now));
            let title: String = one.title.split(char::is_control).collect();
            text.push_str(&format!("{change:8} {:8} {:6} {was:13} {now:13} {title}\n", one.id, one.level));
        }
        if !self.profiles.is_empty() {
            text.push_str(&format!("\n{:12} {:10} now\n", "profile", "was"));
        }
        for one in &self.profiles {
            let (was, now) = (one.was.unwrap_or("-"), one.now.unwrap_or("-"));
            let step = if one.worse { "worse" } else { "" };
            text.push_str(format!("{:12} {was:10} {now:10} {step}", one.name).trim_end());
            text.push('\n');
        }
        text.push_str(&format!("\n{}\n", self.last_line()));
        text
    }

    fn last_line(&self) -> String {
        let kinds = [Change::Broken, Change::Fixed, Change::New, Change::Gone, Change::Changed];
        let counts = kinds.map(|kind| (self.scenarios.iter().filter(|one| one.change == kind).count(), kind.name()));
        let mut parts: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
        parts.push(format!("{} as before", self.unchanged));
        format!("{}: {}", parts.join(", "), if self.worse { "something got worse" } else { "nothing got worse" })
    }
}

fn by_id(report: &Report) -> BTreeMap<&str, &Scenario> {
    report.scenarios.iter().map(|scenario| (scenario.id.as_str(), scenario)).collect()
}

fn about(report: &Report) -> String {
    let target = &report.target;
    let facts = format!("{} {}, suite {}", target.project, target.version, report.suite.version);
    let sabotage = report.run.sabotage.as_ref().map(|name| format!(", sabotaged by {name}")).unwrap_or_default();
    format!("{facts}, {}, {} scenarios{sabotage}", date::timestamp(report.run.started), report.scenarios.len())
}

fn scenario<'r>(old: Option<&'r Scenario>, new: Option<&'r Scenario>) -> Option<ScenarioChange<'r>> {
    let shown = new.or(old)?;
    let (was, now) = (old.map(|one| one.verdict), new.map(|one| one.verdict));
    if was == now {
        return None;
    }
    let (change, worse) = match (was, now) {
        (Some(was), Some(now)) if badness(was) < FAILED && badness(now) >= FAILED => (Change::Broken, true),
        (Some(was), Some(now)) if badness(was) >= FAILED && badness(now) == 0 => (Change::Fixed, false),
        (Some(was), Some(now)) => (Change::Changed, badness(now) > badness(was)),
        // What passed and is not looked at any more may be broken.
        (Some(was), None) => (Change::Gone, was == Verdict::Pass),
        (None, now) => (Change::New, now.is_some_and(|now| badness(now) >= FAILED)),
    };
    Some(ScenarioChange { id: &shown.id, title: &shown.title, level: shown.level, change, was, now, worse })
}

/// From here on it is a failure.
const FAILED: u8 = 2;

fn badness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass | Verdict::Informational => 0,
        Verdict::Skipped | Verdict::Unsupported => 1,
        Verdict::Flaky => FAILED,
        Verdict::Fail | Verdict::Error => FAILED + 1,
    }
}

fn profiles<'r>(old: &'r Report, new: &'r Report) -> Vec<ProfileChange<'r>> {
    let results = |report: &'r Report| -> BTreeMap<&'r str, &'r str> {
        report.profiles.iter().map(|profile| (profile.name.as_str(), profile.result.as_str())).collect()
    };
    let (was, now) = (results(old), results(new));
    let mut names: Vec<&str> = was.keys().chain(now.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    let change = |name: &'r str| {
        let (was, now) = (was.get(name).copied(), now.get(name).copied());
        let worse = match (was, now) {
            (Some(was), Some(now)) => rank(now) > rank(was),
            // Their scenarios are told one by one.
            _ => false,
        };
        (was != now).then_some(ProfileChange { name, was, now, worse })
    };
    names.into_iter().filter_map(change).collect()
}

fn rank(result: &str) -> u8 {
    match result {
        "success" => 0,
        "failure" => 2,
        _ => 1,
    }
}
