//! What a target is, and what came out of a profile.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{Outcome, Verdict};
use crate::scenario::Level;
use crate::target::{Quirk, Target};

/// What a target is, for reports.
#[derive(Debug, Clone, Default, Serialize)]
pub struct About {
    /// The project's name.
    pub project: String,
    /// Who makes it.
    pub organization: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Where it lives.
    pub url: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// `process` or `attach`.
    pub mode: String,
    /// What it claims.
    pub supports: Vec<String>,
    /// Its declared choices.
    pub options: BTreeMap<String, Value>,
    /// Allowed differences.
    pub quirks: Vec<Quirk>,
}

impl About {
    /// A target.
    pub fn of(target: &Target) -> About {
        let file = &target.file;
        About {
            project: file.name.clone(),
            organization: file.organization.clone(),
            version: target.version.clone(),
            url: file.url.clone(),
            contact: file.contact.clone(),
            mode: if file.start.is_some() { "process" } else { "attach" }.to_owned(),
            supports: target.supported().into_iter().map(str::to_owned).collect(),
            options: target.options(),
            quirks: file.quirks.clone(),
        }
    }
}

/// What came out of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileResult {
    /// Every `must` that the target claims was run and holds, and nothing it claims was left out.
    Success,
    /// Something that it claims was not run, or could not be judged.
    Partial,
    /// A `must` failed.
    Failure,
    /// Nothing of it is claimed.
    None,
}

impl fmt::Display for ProfileResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ProfileResult::Success => "success",
            ProfileResult::Partial => "partial",
            ProfileResult::Failure => "failure",
            ProfileResult::None => "none",
        })
    }
}

/// The result of the scenarios of one profile, or of one level of it.
pub fn result<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> ProfileResult {
    let (mut held, mut musts, mut partial, mut failed) = (false, false, false, false);
    for outcome in outcomes {
        match outcome.verdict {
            Verdict::Fail | Verdict::Flaky if outcome.level == Level::Must => return ProfileResult::Failure,
            Verdict::Pass => {
                held = true;
                musts |= outcome.level == Level::Must;
            }
            Verdict::Fail | Verdict::Flaky => failed = true,
            Verdict::Error | Verdict::Skipped => partial = true,
            // Not claimed is allowed; claimed and yet not run is not.
            Verdict::Unsupported => partial |= outcome.claimed,
            Verdict::Informational => {}
        }
    }
    match (held, failed) {
        _ if partial => ProfileResult::Partial,
        // Without a single MUST, a failed SHOULD is all that is known.
        (_, true) if !musts => ProfileResult::Partial,
        (true, _) => ProfileResult::Success,
        (false, _) => ProfileResult::None,
    }
}
