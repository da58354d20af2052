//! A chat completion as one JSON body.
//!
//! Owns its exact bytes, written straight into one buffer in the order of OpenAI's own answers, and the small writers
//! that streams share. Refuses trees of values: they would cost more than all the rest of an answer.

use super::completion::{Choice, Completion, Part};
use super::logprobs::Spoken;
use super::pieces::Pieces;
use super::usage;

/// The JSON body of a chat completion.
pub(super) fn json(completion: &Completion<'_>) -> Vec<u8> {
    let texts: usize = completion.choices.iter().flat_map(|choice| &choice.parts).map(Part::length).sum();
    let mut out = Vec::with_capacity(640 + 256 * completion.choices.len() + texts + texts / 8);
    raw(&mut out, "{\"id\":");
    completion.write_id(&mut out, "chatcmpl-");
    raw(&mut out, ",\"object\":\"chat.completion\",\"created\":");
    number(&mut out, completion.created);
    raw(&mut out, ",\"model\":");
    text(&mut out, &completion.model);
    raw(&mut out, ",\"choices\":[");
    for (index, own) in completion.choices.iter().enumerate() {
        raw(&mut out, if index == 0 { "{\"index\":" } else { ",{\"index\":" });
        number(&mut out, index as u64);
        choice(&mut out, own, completion);
    }
    raw(&mut out, "]");
    if let Some(used) = &completion.usage {
        raw(&mut out, ",\"usage\":");
        usage::write_chat(&mut out, used);
    }
    raw(&mut out, ",\"service_tier\":");
    text(&mut out, completion.service_tier);
    raw(&mut out, ",\"system_fingerprint\":");
    text(&mut out, &completion.fingerprint);
    raw(&mut out, "}");
    out
}

fn choice(out: &mut Vec<u8>, choice: &Choice<'_>, completion: &Completion<'_>) {
    raw(out, ",\"message\":{\"role\":\"assistant\"");
    if let Some(field) = completion.reasoning_field.filter(|_| choice.thoughts().next().is_some()) {
        raw(out, ",\"");
        raw(out, field);
        raw(out, "\":");
        joined(out, choice.thoughts());
    }
    raw(out, ",\"content\":");
    match choice.has_content() {
        true => joined(out, choice.texts()),
        false => raw(out, "null"),
    }
    calls(out, choice, completion.legacy_calls);
    raw(out, ",\"refusal\":");
    match choice.refusals().next() {
        Some(_) => joined(out, choice.refusals()),
        None => raw(out, "null"),
    }
    raw(out, ",\"annotations\":[]},\"logprobs\":");
    logprobs(out, choice);
    raw(out, ",\"finish_reason\":");
    text(out, &choice.finish);
    raw(out, "}");
}

fn calls(out: &mut Vec<u8>, choice: &Choice<'_>, legacy: bool) {
    let mut count = 0;
    for part in &choice.parts {
        let Part::Call { id, name, arguments, custom } = part else { continue };
        if legacy {
            raw(out, ",\"function_call\":");
            return function(out, name, arguments, "arguments");
        }
        raw(out, if count == 0 { ",\"tool_calls\":[{\"id\":" } else { ",{\"id\":" });
        count += 1;
        text(out, id);
        let (kind, input) = if *custom { ("custom", "input") } else { ("function", "arguments") };
        raw(out, ",\"type\":\"");
        raw(out, kind);
        raw(out, "\",\"");
        raw(out, kind);
        raw(out, "\":");
        function(out, name, arguments, input);
        raw(out, "}");
    }
    if count > 0 {
        raw(out, "]");
    }
}

fn function(out: &mut Vec<u8>, name: &str, arguments: &Pieces<'_>, input: &str) {
    raw(out, "{\"name\":");
    text(out, name);
    raw(out, ",\"");
    raw(out, input);
    raw(out, "\":");
    text(out, arguments.text());
    raw(out, "}");
}

/// The log probabilities of the text, or of the refusal where there is no text.
fn logprobs(out: &mut Vec<u8>, choice: &Choice<'_>) {
    let spoken = choice.parts.iter().enumerate().filter_map(|(part, own)| match own {
        Part::Text(pieces) => Some(Spoken::all(part, pieces, false)),
        Part::Refusal(pieces) => Some(Spoken::all(part, pieces, true)),
        _ => None,
    });
    let spoken: Vec<Spoken<'_>> = if choice.logprobs.is_some() { spoken.collect() } else { Vec::new() };
    match &choice.logprobs {
        Some(logprobs) if !spoken.is_empty() => {
            let content: Vec<Spoken<'_>> = spoken.iter().filter(|own| !own.refusal).cloned().collect();
            logprobs.write(out, if content.is_empty() { &spoken } else { &content });
        }
        _ => raw(out, "null"),
    }
}

impl<'a> Choice<'a> {
    fn texts(&self) -> impl Iterator<Item = &Pieces<'a>> {
        self.parts.iter().filter_map(|part| if let Part::Text(pieces) = part { Some(pieces) } else { None })
    }

    fn refusals(&self) -> impl Iterator<Item = &Pieces<'a>> {
        self.parts.iter().filter_map(|part| if let Part::Refusal(pieces) = part { Some(pieces) } else { None })
    }

    fn thoughts(&self) -> impl Iterator<Item = &Pieces<'a>> {
        self.parts.iter().filter_map(|part| if let Part::Reasoning(pieces) = part { Some(pieces) } else { None })
    }

    /// Whether its content is a text, if only an empty one.
    fn has_content(&self) -> bool {
        let silent = |part: &Part<'_>| matches!(part, Part::Call { .. } | Part::Refusal(_));
        self.texts().next().is_some() || !self.parts.iter().any(silent)
    }
}

impl Part<'_> {
    fn length(&self) -> usize {
        match self {
            Part::Text(pieces) | Part::Refusal(pieces) | Part::Reasoning(pieces) => pieces.text().len(),
            Part::Call { arguments, .. } => 128 + arguments.text().len(),
        }
    }
}

/// Several texts as one JSON string.
fn joined<'p>(out: &mut Vec<u8>, mut texts: impl Iterator<Item = &'p Pieces<'p>>) {
    let (Some(first), second) = (texts.next(), texts.next()) else { return text(out, "") };
    match second {
        None => text(out, first.text()),
        Some(second) => text(out, &[first, second].into_iter().chain(texts).map(Pieces::text).collect::<String>()),
    }
}

/// A text as a JSON string.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    let is_plain = |plain: bool, byte: &u8| plain & (*byte >= b' ') & (*byte != b'"') & (*byte != b'\\');
    // All of it, without an early end: that is a few instructions for each sixteen bytes.
    if text.as_bytes().iter().fold(true, is_plain) {
        raw(out, "\"");
        raw(out, text);
        return raw(out, "\"");
    }
    serde_json::to_writer(out, text).expect("a write into memory succeeds");
}

/// A number.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    raw(out, itoa::Buffer::new().format(number));
}

/// Bytes as they are.
pub(super) fn raw(out: &mut Vec<u8>, bytes: &str) {
    out.extend_from_slice(bytes.as_bytes());
}
