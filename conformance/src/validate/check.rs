//! What a check is: its requirement, what it asks, and how the answers are judged. The checks themselves are in
//! `checks`. Refuses sockets: whoever asks hands the answers in.

use std::fmt;
use std::sync::Arc;

use super::answer::Answer;
use super::ask::Ask;
use super::facts::Facts;
use super::finding::Finding;

/// How much a backend that claims to be compatible must have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Clients break without it.
    Required,
    /// Some clients break without it.
    Recommended,
    /// A feature that a backend may leave out, if it says so.
    Optional,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Required => "required",
            Level::Recommended => "recommended",
            Level::Optional => "optional",
        })
    }
}

/// One check, as data.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its id, which never changes: `STR-06`.
    pub id: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The requirement in one sentence.
    pub title: &'static str,
    /// Where the requirement stands.
    pub anchor: &'static str,
    /// The known deviations it can tell, by their quirk.
    pub recognises: &'static [&'static str],
    /// What it asks, or why it cannot.
    pub asks: fn(&Facts) -> Result<Vec<Ask>, String>,
    /// What the answers mean.
    pub judge: fn(&Case<'_>, &mut Finding),
}

impl Check {
    /// The group of its id: `STR`.
    pub fn area(&self) -> &'static str {
        self.id.split_once('-').map_or(self.id, |(area, _)| area)
    }
}

/// What a check has got.
#[derive(Debug)]
pub struct Case<'c> {
    /// What is known of the backend.
    pub facts: &'c Facts,
    /// The answers to each of its asks, in order.
    pub answers: &'c [Arc<Vec<Answer>>],
}

impl Case<'_> {
    /// The only answer to this ask.
    pub fn answer(&self, ask: usize) -> &Answer {
        self.all(ask).first().expect("each ask has an answer, or its check is not judged")
    }

    /// All answers to this ask.
    pub fn all(&self, ask: usize) -> &[Answer] {
        &self.answers[ask]
    }
}
