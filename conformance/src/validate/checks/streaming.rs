//! STR-01 to STR-05, STR-11 to STR-13, STR-15, STR-17: how a stream comes, and what its chunks are.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::ask::Way;
use super::super::check::{Case, Check, Level};
use super::super::chunks::{self, first};
use super::super::facts::{Facts, by};
use super::super::finding::Finding;
use super::super::shape::CHUNK;
use super::super::stream::Oddity;
use super::{asks, pace, refused};

const API: &str = "OpenAI API, chat completion chunks";
const SSE: &str = "WHATWG HTML, server-sent events";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "STR-01",
        level: Level::Required,
        title: "A stream is `text/event-stream`, and comes as it is made",
        anchor: SSE,
        recognises: &[],
        asks: |facts| asks([long(facts)]),
        judge: pace::incremental,
    },
    Check {
        id: "STR-02",
        level: Level::Required,
        title: "Every frame is data, and every data is JSON or `[DONE]`",
        anchor: SSE,
        recognises: &["comments_as_data"],
        asks: |facts| asks([facts.stream()]),
        judge: frames,
    },
    Check {
        id: "STR-03",
        level: Level::Required,
        title: "A stream ends with `[DONE]` and a blank line",
        anchor: API,
        recognises: &["missing_done"],
        asks: |facts| asks([facts.stream()]),
        judge: done,
    },
    Check {
        id: "STR-04",
        level: Level::Required,
        title: "All chunks are of the API's type, with one id, time and model",
        anchor: API,
        recognises: &["choices_empty_first"],
        asks: |facts| asks([facts.stream()]),
        judge: one_of_each,
    },
    Check {
        id: "STR-05",
        level: Level::Recommended,
        title: "The first delta has the role, and some delta says something",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([facts.stream()]),
        judge: role,
    },
    Check {
        id: "STR-11",
        level: Level::Recommended,
        title: "Without `include_usage` there is no usage, and no chunk without choices",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([facts.stream()]),
        judge: no_usage,
    },
    Check {
        id: "STR-12",
        level: Level::Required,
        title: "Streamed characters of several bytes come whole",
        anchor: SSE,
        recognises: &[],
        asks: |facts| asks([facts.chat("Repeat exactly: 你好世界🙂🙂", json!({"stream": true}))]),
        judge: characters,
    },
    Check {
        id: "STR-13",
        level: Level::Recommended,
        title: "What keeps a stream alive does not break a client",
        anchor: SSE,
        recognises: &["comments_before_content", "comments_as_data"],
        asks: |facts| asks([facts.stream(), facts.stream_with_usage()]),
        judge: keep_alive,
    },
    Check {
        id: "STR-15",
        level: Level::Recommended,
        title: "After clients that left early the backend still answers",
        anchor: "RFC 9112, 9.5",
        recognises: &[],
        asks: |facts| asks([by(Way::Left { times: 3, events: 3 }, facts.stream())]),
        judge: still_there,
    },
    Check {
        id: "STR-17",
        level: Level::Recommended,
        title: "A streamed prompt that is too long is refused before the stream begins",
        anchor: "OpenAI API, error codes",
        recognises: &[
            "overflow_in_stream",
            "overflow_empty_stream",
            "failure_hidden",
            "overflow_exceed_context_size",
            "overflow_500",
        ],
        asks: |facts| Ok(vec![facts.too_long(json!({"stream": true}))?]),
        judge: too_long,
    },
];

/// A stream with enough tokens to see whether they come one by one.
pub(super) fn long(facts: &Facts) -> super::super::ask::Request {
    facts.chat("Count from one to thirty in words.", json!({"stream": true, facts.limit: 48}))
}

/// Whether the answer is a stream; says what it is otherwise.
pub(super) fn streamed(answer: &Answer, finding: &mut Finding) -> bool {
    finding.accepted(answer)
        && finding.expect(!answer.stream().chunks.is_empty(), || match answer.json() {
            Some(_) => "`stream: true` is answered with plain JSON".to_owned(),
            None => "the stream has no chunk that is JSON".to_owned(),
        })
}

fn frames(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !streamed(answer, finding) {
        return;
    }
    for problem in &answer.stream().problems {
        match problem.oddity {
            Oddity::CommentAsData => finding.deviates("comments_as_data", problem.to_string()),
            // The end is STR-03's.
            Oddity::Unended => {}
            _ => finding.fail(problem.to_string()),
        }
    }
}

fn done(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !streamed(answer, finding) {
        return;
    }
    let stream = answer.stream();
    if stream.done == 0 {
        finding.deviates("missing_done", "the stream ends without `data: [DONE]`");
    }
    for problem in stream.problems.iter().filter(|problem| problem.oddity == Oddity::Unended) {
        finding.fail(problem.to_string());
    }
    finding.expect(stream.after_done == 0, || {
        format!("{} more events follow `[DONE]`; the SDKs ignore them", stream.after_done)
    });
}

/// Whether this is the chunk with which Azure begins.
fn is_prompt_filter(value: &Value) -> bool {
    value["choices"].as_array().is_some_and(Vec::is_empty) && value.get("prompt_filter_results").is_some()
}

fn one_of_each(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !streamed(answer, finding) {
        return;
    }
    let (filters, chunks): (Vec<&Value>, Vec<&Value>) =
        answer.stream().chunks.iter().map(|chunk| &chunk.value).partition(|value| is_prompt_filter(value));
    if !filters.is_empty() {
        finding.deviates("choices_empty_first", "the first chunk has `choices: []` and `prompt_filter_results`");
    }
    for (index, chunk) in chunks.iter().enumerate() {
        for misfit in CHUNK.misfits(chunk).into_iter().take(2) {
            finding.fail(format!("chunk {}: {misfit}", index + 1));
        }
        if finding.failures.len() > 3 {
            return;
        }
    }
    for name in ["id", "created", "model"] {
        let other = chunks.iter().find(|chunk| chunk[name] != chunks[0][name]);
        if let Some(other) = other {
            finding.fail(format!("$.{name}: {} in the first chunk, {} later", chunks[0][name], other[name]));
        }
    }
}

fn role(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !streamed(answer, finding) {
        return;
    }
    let one = first(answer.stream());
    finding.expect(one.role, || "$.choices[0].delta.role: is missing in the first delta".to_owned());
    let said = !(one.text.is_empty() && one.thoughts.is_empty() && one.deltas.is_empty());
    finding.expect(said, || "no delta has content or a tool call".to_owned());
}

fn no_usage(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !streamed(answer, finding) {
        return;
    }
    for chunk in &answer.stream().chunks {
        let value = &chunk.value;
        finding.expect(value["usage"].is_null(), || {
            "a chunk has `usage`, though `include_usage` was not asked".to_owned()
        });
        finding.expect(!value["choices"].is_null(), || "$.choices: is null or missing in a chunk".to_owned());
        let empty = value["choices"].as_array().is_some_and(Vec::is_empty) && !is_prompt_filter(value);
        finding.expect(!empty, || "a chunk has no choices; clients that take choices[0] break".to_owned());
    }
}

fn characters(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !streamed(answer, finding) {
        return;
    }
    let broken = answer.stream().problems.iter().find(|problem| problem.oddity == Oddity::NotUtf8);
    if let Some(problem) = broken {
        finding.fail(problem.to_string());
        return;
    }
    let one = first(answer.stream());
    // A token limit may cut a character of which only a part was made.
    let end = if one.finish() == "length" { one.text.trim_end_matches('\u{fffd}') } else { &one.text };
    finding.expect(!end.contains('\u{fffd}'), || format!("characters were cut between chunks: {:?}", one.text));
    if !one.text.contains("你好") {
        finding.note("the model did not repeat the characters, so that only their encoding was looked at");
    }
}

fn keep_alive(case: &Case<'_>, finding: &mut Finding) {
    for ask in 0..2 {
        let answer = case.answer(ask);
        if !streamed(answer, finding) {
            return;
        }
        let stream = answer.stream();
        if let Some(comment) = stream.comments.first() {
            finding.deviates("comments_before_content", format!("the stream has the comment `{comment}`"));
        }
        for problem in &stream.problems {
            match problem.oddity {
                Oddity::CommentAsData => finding.deviates("comments_as_data", problem.to_string()),
                Oddity::AfterId | Oddity::Retry | Oddity::EventOnly | Oddity::EmptyData => {
                    finding.fail(problem.to_string());
                }
                _ => {}
            }
        }
    }
}

fn still_there(case: &Case<'_>, finding: &mut Finding) {
    let Some(last) = case.all(0).last() else { return };
    if let Some(trouble) = last.trouble() {
        finding.fail(format!("after 3 streams that were left early: {trouble}"));
    } else if streamed(last, finding) {
        let one = first(last.stream());
        let ended = !one.finishes.is_empty() || last.stream().done > 0;
        finding.expect(ended, || "after 3 streams that were left early the next one has no end".to_owned());
    }
}

fn too_long(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    let stream = answer.stream();
    match answer.status() {
        Some(200) if stream.error().is_some() || answer.value().get("error").is_some() => {
            finding.deviates("overflow_in_stream", "HTTP 200, and the error inside the stream");
        }
        Some(200) if stream.chunks.is_empty() && stream.done > 0 => {
            finding.deviates("failure_hidden", "HTTP 200 and nothing but `[DONE]`");
        }
        Some(200) if chunks::first(stream).text.is_empty() && chunks::first(stream).thoughts.is_empty() => {
            finding.deviates("overflow_empty_stream", "HTTP 200 and a stream without content");
        }
        Some(200) => finding.fail("the prompt was cut without a word: 200 for more tokens than the window has"),
        Some(500..=599) => finding.deviates("overflow_500", answer.refusal()),
        _ if answer.error_code().as_deref() == Some("400")
            && answer.value()["error"]["type"] == "exceed_context_size_error" =>
        {
            finding.deviates("overflow_exceed_context_size", answer.refusal());
        }
        _ => {
            refused(finding, answer, &[400, 413]);
        }
    }
}
