//! STR-06 to STR-10, STR-14, STR-16: how a stream ends, and what it reports then.

use serde_json::{Value, json};

use super::super::check::{Case, Check, Level};
use super::super::chunks::{choices, first, joined};
use super::super::finding::Finding;
use super::super::shape::kind;
use super::super::stream::{Chunk, Stream};
use super::chat::{adds_up, finish_known};
use super::chat_requests::several;
use super::streaming::streamed;
use super::{asks, finish, text};

const API: &str = "OpenAI API, chat completion chunks";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "STR-06",
        level: Level::Required,
        title: "A choice ends in exactly one chunk, and `finish_reason` is null before",
        anchor: API,
        recognises: &[
            "finish_key_missing",
            "finish_empty",
            "finish_camel_case",
            "missing_finish",
            "double_finish",
            "eos_token",
            "tool_call_singular",
        ],
        asks: |facts| asks([facts.stream()]),
        judge: one_end,
    },
    Check {
        id: "STR-07",
        level: Level::Recommended,
        title: "The chunk that ends a choice has an empty delta",
        anchor: API,
        recognises: &["finish_on_content_chunk"],
        asks: |facts| asks([facts.stream()]),
        judge: empty_end,
    },
    Check {
        id: "STR-08",
        level: Level::Required,
        title: "Streamed or not, the same answer ends for the same reason",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([facts.plain(), facts.stream()]),
        judge: same,
    },
    Check {
        id: "STR-09",
        level: Level::Required,
        title: "With `include_usage` the last chunk has the usage, and no choices",
        anchor: API,
        recognises: &["include_usage_ignored", "usage_on_finish_chunk", "usage_on_content_chunk"],
        asks: |facts| asks([facts.stream_with_usage()]),
        judge: usage_last,
    },
    Check {
        id: "STR-10",
        level: Level::Recommended,
        title: "With `include_usage` every other chunk says `usage: null`",
        anchor: API,
        recognises: &["usage_null_missing"],
        asks: |facts| asks([facts.stream_with_usage()]),
        judge: usage_null,
    },
    Check {
        id: "STR-14",
        level: Level::Recommended,
        title: "Streamed or not, a prompt has the same number of tokens",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([facts.plain(), facts.stream_with_usage()]),
        judge: same_prompt,
    },
    Check {
        id: "STR-16",
        level: Level::Optional,
        title: "`n: 2` streams two choices, each with an end",
        anchor: API,
        recognises: &["finish_last_choice_only", "n_ignored", "one_choice_only"],
        asks: |facts| asks([facts.chat("Say hello.", json!({"n": 2, "stream": true, facts.limit: 8}))]),
        judge: two_ends,
    },
];

/// Whether a choice ends here.
fn ends(choice: &Value) -> bool {
    let given = |name: &str| choice[name].as_str().is_some_and(|word| !word.is_empty());
    given("finish_reason") || given("finishReason")
}

fn one_end(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !streamed(answer, finding) {
        return;
    }
    let stream = answer.stream();
    let all: Vec<(u64, &Value)> = choices(&stream.chunks).collect();
    let unsaid = |(_, choice): &&(u64, &Value)| choice.get("finish_reason").is_none();
    let missing = all.iter().filter(unsaid).count();
    if missing > 0 {
        let seen = format!("$.choices[0].finish_reason: is missing in {missing} of {} chunks, not null", all.len());
        finding.deviates("finish_key_missing", seen);
    }
    if all.iter().any(|(_, choice)| choice["finish_reason"] == "") {
        finding.deviates("finish_empty", "$.choices[0].finish_reason is \"\" before the end");
    }
    let ended: Vec<&Value> = all.iter().filter(|(_, choice)| ends(choice)).map(|(_, choice)| *choice).collect();
    match ended[..] {
        [] => finding.deviates("missing_finish", "no chunk has a finish_reason"),
        [one] => finish_known(one, finding),
        _ => finding.deviates("double_finish", format!("{} chunks end the same choice", ended.len())),
    }
    let last = all.iter().rposition(|(_, choice)| says(choice));
    let end = all.iter().position(|(_, choice)| ends(choice));
    if let (Some(last), Some(end)) = (last, end) {
        finding.expect(last <= end, || "content follows the chunk that ended its choice".to_owned());
    }
}

/// Whether a delta says anything.
fn says(choice: &Value) -> bool {
    let delta = &choice["delta"];
    delta["content"].as_str().is_some_and(|text| !text.is_empty()) || delta["tool_calls"].is_array()
}

fn empty_end(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if streamed(answer, finding) && choices(&answer.stream().chunks).any(|(_, choice)| ends(choice) && says(choice)) {
        finding.deviates("finish_on_content_chunk", "the chunk with the finish_reason has content as well");
    }
}

fn same(case: &Case<'_>, finding: &mut Finding) {
    let (plain, stream) = (case.answer(0), case.answer(1));
    if !(finding.accepted(plain) && streamed(stream, finding)) {
        return;
    }
    let one = first(stream.stream());
    if finish(plain).is_empty() || one.finishes.is_empty() {
        // No reason at all is CHT-02's and STR-06's.
        finding.skipped("there are no two reasons to compare");
        return;
    }
    if text(plain) != one.text {
        finding.note("the texts differ, although the temperature is 0");
        // Another text may well end for another reason.
        return;
    }
    finding.expect(finish(plain) == one.finish(), || {
        format!("finish_reason: \"{}\" in JSON, \"{}\" streamed, of the same text", finish(plain), one.finish())
    });
}

/// The chunks that report usage.
fn reports(stream: &Stream) -> impl Iterator<Item = &Chunk> {
    stream.chunks.iter().filter(|chunk| chunk.value["usage"].is_object())
}

fn usage_last(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !streamed(answer, finding) {
        return;
    }
    let stream = answer.stream();
    let Some(report) = reports(stream).last() else {
        finding.deviates("include_usage_ignored", "no chunk has a usage");
        return;
    };
    match report.value["choices"].as_array().map(Vec::as_slice) {
        Some([]) => {
            let last = stream.chunks.last().is_some_and(|last| last == report);
            finding.expect(last, || "chunks follow the one with the usage".to_owned());
        }
        Some([choice, ..]) if ends(choice) && !says(choice) => {
            finding.deviates("usage_on_finish_chunk", "the usage is in the chunk that ends the choice");
        }
        Some(_) => finding.deviates("usage_on_content_chunk", "the usage is in a chunk with content"),
        None => finding.fail("$.choices: is not an array in the chunk with the usage"),
    }
    let object = &report.value["object"];
    finding.expect(object == "chat.completion.chunk", || {
        format!("$.object: expected \"chat.completion.chunk\" in the chunk with the usage, got {}", kind(object))
    });
    adds_up(&report.value["usage"], finding);
}

fn usage_null(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !streamed(answer, finding) {
        return;
    }
    let stream = answer.stream();
    if reports(stream).next().is_none() {
        finding.skipped("no chunk has a usage; see STR-09");
        return;
    }
    let others = stream.chunks.iter().filter(|chunk| chunk.value.get("usage").is_none()).count();
    if others > 0 {
        let seen = format!("$.usage: is missing in {others} of {} chunks, not null", stream.chunks.len());
        finding.deviates("usage_null_missing", seen);
    }
}

fn same_prompt(case: &Case<'_>, finding: &mut Finding) {
    let (plain, stream) = (case.answer(0), case.answer(1));
    if !(finding.accepted(plain) && streamed(stream, finding)) {
        return;
    }
    let reported = reports(stream.stream()).last().map(|chunk| &chunk.value["usage"]["prompt_tokens"]);
    let whole = &plain.value()["usage"]["prompt_tokens"];
    match reported {
        Some(reported) if whole.is_u64() => {
            finding.expect(reported == whole, || format!("prompt_tokens: {whole} in JSON, {reported} streamed"));
        }
        _ => finding.skipped("one of the two reports no usage; see CHT-03 and STR-09"),
    }
}

fn two_ends(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !several(answer, finding) || !streamed(answer, finding) {
        return;
    }
    let all = joined(answer.stream());
    if all.len() == 1 {
        finding.deviates("n_ignored", "n: 2 is answered with one choice");
        return;
    }
    finding.expect(all.keys().eq([&0, &1]), || format!("indexes: expected 0 and 1, got {:?}", all.keys()));
    let ended: Vec<u64> = all.iter().filter(|(_, one)| !one.finishes.is_empty()).map(|(index, _)| *index).collect();
    if ended.len() == 1 && all.len() == 2 {
        finding.deviates("finish_last_choice_only", format!("only choice {} has a finish_reason", ended[0]));
    }
}
