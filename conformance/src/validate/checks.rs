//! The 84 checks, by area. Each file has its rows and the judges that they name; what areas share stands here.

mod auth;
mod chat;
mod chat_requests;
mod completions;
mod connection;
mod embeddings;
mod errors;
mod formats;
mod headers;
mod load;
mod models;
mod pace;
mod reasoning;
mod responses;
mod sdk;
mod stream_ends;
mod streaming;
mod tool_streams;
mod tools;

use serde_json::Value;

use super::answer::Answer;
use super::ask::Ask;
use super::check::Check;
use super::finding::Finding;
use super::shape::Shape;

const TABLES: &[&[Check]] = &[
    connection::CHECKS,
    auth::CHECKS,
    models::CHECKS,
    chat::CHECKS,
    chat_requests::CHECKS,
    streaming::CHECKS,
    stream_ends::CHECKS,
    tools::CHECKS,
    tool_streams::CHECKS,
    formats::CHECKS,
    reasoning::CHECKS,
    errors::CHECKS,
    headers::CHECKS,
    embeddings::CHECKS,
    completions::CHECKS,
    responses::CHECKS,
    load::CHECKS,
    sdk::CHECKS,
];

/// The areas, in the order in which they are told.
pub const AREAS: &[(&str, &str)] = &[
    ("CON", "connection"),
    ("AUT", "authentication"),
    ("MOD", "models"),
    ("CHT", "chat"),
    ("STR", "streaming"),
    ("TOL", "tools"),
    ("JSN", "structured output"),
    ("LGP", "log probabilities"),
    ("RSN", "reasoning"),
    ("ERR", "errors"),
    ("HDR", "headers"),
    ("EMB", "embeddings"),
    ("CMP", "completions"),
    ("RSP", "responses"),
    ("MDR", "moderations"),
    ("LOD", "load"),
    ("SDK", "official SDKs"),
];

/// All checks, by area and number.
pub fn all() -> Vec<&'static Check> {
    let mut all: Vec<&Check> = TABLES.iter().flat_map(|table| table.iter()).collect();
    let place = |check: &Check| AREAS.iter().position(|(area, _)| *area == check.area());
    all.sort_by_key(|check| (place(check), check.id));
    all
}

/// What asks are made of.
type Asks = Result<Vec<Ask>, String>;

/// These asks, always.
fn asks<const N: usize>(asks: [impl Into<Ask>; N]) -> Asks {
    Ok(asks.into_iter().map(Into::into).collect())
}

/// A 200 whose JSON has this shape; says whether it is worth a closer look.
fn shaped(finding: &mut Finding, answer: &Answer, shape: &Shape) -> bool {
    if !finding.accepted(answer) {
        return false;
    }
    let misfits = shape.misfits(answer.value());
    // A wrong member in each of many items is one mistake.
    for misfit in misfits.iter().take(4) {
        finding.fail(misfit);
    }
    misfits.is_empty()
}

/// An error that a client can show, with one of these statuses; says whether it is one.
fn refused(finding: &mut Finding, answer: &Answer, statuses: &[u16]) -> bool {
    let wanted = statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ");
    let status = answer.status().unwrap_or(0);
    let shows = answer.error_message().is_some();
    finding.expect(statuses.contains(&status) && shows, || {
        format!("expected {wanted} with a JSON error; {}", answer.refusal())
    })
}

/// The texts of a completion's choices, in order.
fn texts(answer: &Answer) -> Vec<String> {
    let choices = answer.value()["choices"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |choice: &Value| choice["message"]["content"].as_str().unwrap_or_default().to_owned();
    choices.iter().map(text).collect()
}

/// The first choice's text.
fn text(answer: &Answer) -> String {
    texts(answer).into_iter().next().unwrap_or_default()
}

/// Why the first choice ended.
fn finish(answer: &Answer) -> &str {
    answer.value()["choices"][0]["finish_reason"].as_str().unwrap_or_default()
}

/// The calls of the first choice.
fn calls(answer: &Answer) -> &[Value] {
    answer.value()["choices"][0]["message"]["tool_calls"].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mock_providers::quirks;

    use super::*;
    use crate::validate::check::Level;
    use crate::validate::deviation::Deviation;

    #[test]
    fn there_are_84_checks_of_which_23_are_required_and_31_recommended() {
        let ids: BTreeSet<_> = all().iter().map(|check| check.id).collect();
        assert_eq!((all().len(), ids.len()), (84, 84));
        let count = |level| all().iter().filter(|check| check.level == level).count();
        assert_eq!([Level::Required, Level::Recommended, Level::Optional].map(count), [23, 31, 30]);
        assert!(all().iter().all(|check| AREAS.iter().any(|(area, _)| *area == check.area())));
    }

    #[test]
    fn every_known_quirk_is_recognised_by_a_check_and_has_its_meaning() {
        let recognised: BTreeSet<_> = all().iter().flat_map(|check| check.recognises).copied().collect();
        let known: BTreeSet<_> = quirks::all().iter().map(|quirk| quirk.name).collect();
        assert_eq!(known.difference(&recognised).collect::<Vec<_>>(), [&""; 0]);
        assert_eq!(recognised.difference(&known).collect::<Vec<_>>(), [&""; 0]);
        for name in known {
            let deviation = Deviation::of(name).unwrap_or_else(|| panic!("{name} has no meaning"));
            assert!(!deviation.ids().is_empty() && !deviation.workaround.is_empty(), "{name}");
        }
    }
}
