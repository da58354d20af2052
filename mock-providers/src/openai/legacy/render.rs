//! A legacy completion as one JSON body, and as server-sent events.
//!
//! Owns the exact bytes of both.

use std::time::Duration;

use super::Asked;
use crate::journal::Usage;
use crate::openai::completion::{Choice, Completion, Part};
use crate::openai::deltas::{Delta, Turn, turns};
use crate::openai::logprobs::Spoken;
use crate::openai::render::{number, raw, text};
use crate::openai::stream::DONE;
use crate::openai::usage;
use crate::pace::Pace;
use crate::plan::{Events, Kind, Piece};

/// The JSON body of a completion.
pub(super) fn json(completion: &Completion<'_>, asked: &Asked<'_>) -> Vec<u8> {
    let mut out = head(completion);
    for (index, own) in completion.choices.iter().enumerate() {
        if index > 0 {
            raw(&mut out, ",");
        }
        let texts: String = pieces_of(own).map(|(_, pieces)| pieces.text()).collect();
        let spoken: Vec<Spoken<'_>> = pieces_of(own).map(|(part, pieces)| Spoken::all(part, pieces, false)).collect();
        choice(&mut out, index, &texts, Some(&own.finish), |out| logprobs(out, own, asked, index, spoken, 0));
    }
    raw(&mut out, "]");
    if let Some(used) = &completion.usage {
        raw(&mut out, ",\"usage\":");
        usage::write_chat(&mut out, used);
    }
    raw(&mut out, "}");
    out
}

/// The events of a completion, with the gaps between them.
pub(super) fn pieces(
    completion: &Completion<'_>,
    asked: &Asked<'_>,
    include_usage: bool,
    mut pace: Pace,
) -> Vec<Piece> {
    let used = completion.usage.filter(|_| include_usage);
    let after = if used.is_some() { "],\"usage\":null}\n\n" } else { "]}\n\n" };
    let mut before = b"data: ".to_vec();
    before.append(&mut head(completion));
    let count = completion.choices.iter().map(|choice| 1 + choice.delta_count()).sum::<usize>() + 2;
    let mut events = Events::with_capacity((before.len() + 96) * count, count);
    // Where the next token of each choice lies in its text.
    let mut offsets = vec![0; completion.choices.len()];
    for Turn { choice: index, delta } in turns(&completion.choices, false) {
        let own = &completion.choices[index];
        let (Delta::Text { part, pieces, step } | Delta::Refusal { part, pieces, step }) = delta else { continue };
        events.push(Kind::Content, pace.next(), |out| {
            out.extend_from_slice(&before);
            let tokens = pieces.tokens_of(step);
            let length: usize = tokens.clone().map(|token| pieces.token(token).chars().count()).sum();
            let spoken = vec![Spoken { tokens, ..Spoken::all(part, pieces, false) }];
            choice(out, index, delta.said(), None, |out| logprobs(out, own, asked, index, spoken, offsets[index]));
            offsets[index] += length;
            raw(out, after);
        });
    }
    for (index, own) in completion.choices.iter().enumerate() {
        events.push(Kind::Finish, pace.next(), |out| {
            out.extend_from_slice(&before);
            choice(out, index, "", Some(&own.finish), |out| raw(out, "null"));
            raw(out, after);
        });
    }
    end(&mut events, &before, used);
    events.finish()
}

fn end(events: &mut Events, before: &[u8], used: Option<Usage>) {
    if let Some(used) = used {
        events.push(Kind::Usage, Duration::ZERO, |out| {
            out.extend_from_slice(before);
            raw(out, "],\"usage\":");
            usage::write_chat(out, &used);
            raw(out, "}\n\n");
        });
        events.reports(Some(used));
    }
    events.push(Kind::Done, Duration::ZERO, |out| raw(out, DONE));
}

/// What the body and all chunks begin with.
fn head(completion: &Completion<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    raw(&mut out, "{\"id\":");
    completion.write_id(&mut out, "cmpl-");
    raw(&mut out, ",\"object\":\"text_completion\",\"created\":");
    number(&mut out, completion.created);
    raw(&mut out, ",\"model\":");
    text(&mut out, &completion.model);
    raw(&mut out, ",\"system_fingerprint\":");
    text(&mut out, &completion.fingerprint);
    raw(&mut out, ",\"choices\":[");
    out
}

fn choice(out: &mut Vec<u8>, index: usize, said: &str, finish: Option<&str>, logprobs: impl FnOnce(&mut Vec<u8>)) {
    raw(out, "{\"text\":");
    text(out, said);
    raw(out, ",\"index\":");
    number(out, index as u64);
    raw(out, ",\"logprobs\":");
    logprobs(out);
    raw(out, ",\"finish_reason\":");
    match finish {
        Some(finish) => text(out, finish),
        None => raw(out, "null"),
    }
    raw(out, "}");
}

/// The log probabilities of some tokens; `offset` is where they lie in the choice's text.
fn logprobs(
    out: &mut Vec<u8>,
    choice: &Choice<'_>,
    asked: &Asked<'_>,
    index: usize,
    mut spoken: Vec<Spoken<'_>>,
    offset: usize,
) {
    let Some(logprobs) = &choice.logprobs else { return raw(out, "null") };
    for own in &mut spoken {
        own.prompt = asked.echo && own.part == 0;
    }
    // Offsets count from the prompt's beginning, whether it is repeated or not.
    let before = if asked.echo { 0 } else { asked.prompt_of(index).chars().count() };
    logprobs.write_legacy(out, &spoken, before + offset);
}

/// The texts of a choice, with their places among its parts.
fn pieces_of<'c>(choice: &'c Choice<'_>) -> impl Iterator<Item = (usize, &'c crate::openai::pieces::Pieces<'c>)> {
    choice.parts.iter().enumerate().filter_map(|(part, own)| match own {
        Part::Text(pieces) | Part::Refusal(pieces) => Some((part, pieces)),
        _ => None,
    })
}
