//! CHT-06, CHT-07, CHT-11 to CHT-18: what a chat completion takes.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::ask::Way;
use super::super::check::{Case, Check, Level};
use super::super::facts::by;
use super::super::finding::Finding;
use super::{Asks, asks, finish, refused, text, texts};

const API: &str = "OpenAI API, /chat/completions";
/// One pixel.
const PIXEL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// Long enough that its tokens are told from those of a template.
const SENTENCE: &str = "The quick brown fox jumps over the lazy dog while seven wizards quietly box up the last jars of liquid quartz near the old mill.";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "CHT-06",
        level: Level::Recommended,
        title: "The role `developer` is taken",
        anchor: API,
        recognises: &["developer_role_rejected", "developer_role_500"],
        asks: |facts| {
            let messages =
                json!([{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello."}]);
            asks([facts.chat_of(messages, json!({}))])
        },
        judge: developer,
    },
    Check {
        id: "CHT-07",
        level: Level::Recommended,
        title: "Content may be an array of text parts, all of which are read",
        anchor: API,
        recognises: &[],
        asks: |facts| {
            let (first, second) = SENTENCE.split_at(64);
            let parts = json!([{"type": "text", "text": first}, {"type": "text", "text": second}]);
            let parts = facts.chat_of(json!([{"role": "user", "content": parts}]), json!({facts.limit: 4}));
            asks([parts, facts.chat(SENTENCE, json!({facts.limit: 4}))])
        },
        judge: parts,
    },
    Check {
        id: "CHT-11",
        level: Level::Recommended,
        title: "Four stop strings are taken",
        anchor: API,
        recognises: &[],
        asks: |facts| {
            let four = facts.chat("Say hello.", json!({"stop": ["§1", "§2", "§3", "§4"], facts.limit: 4}));
            let five = facts.chat("Say hello.", json!({"stop": ["§1", "§2", "§3", "§4", "§5"], facts.limit: 4}));
            asks([four, five])
        },
        judge: stops,
    },
    Check {
        id: "CHT-12",
        level: Level::Optional,
        title: "`n: 2` gives two choices",
        anchor: API,
        recognises: &["n_ignored", "one_choice_only"],
        asks: |facts| asks([facts.chat("Say hello.", json!({"n": 2, facts.limit: 8}))]),
        judge: two_choices,
    },
    Check {
        id: "CHT-13",
        level: Level::Optional,
        title: "A seed is taken, and the answer repeats itself",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([by(Way::Together(2), facts.chat("Pick a colour.", json!({"seed": 7, facts.limit: 8})))]),
        judge: seeded,
    },
    Check {
        id: "CHT-14",
        level: Level::Recommended,
        title: "A temperature or penalty out of range is a 400",
        anchor: API,
        recognises: &["temperature_capped", "sampling_ignored"],
        asks: |facts| {
            let hot = facts.chat("Hello.", json!({"temperature": 3, facts.limit: 1}));
            asks([hot, facts.chat("Hello.", json!({"presence_penalty": 3, facts.limit: 1}))])
        },
        judge: out_of_range,
    },
    Check {
        id: "CHT-15",
        level: Level::Recommended,
        title: "A member that nobody knows is ignored, or refused with a JSON error",
        anchor: API,
        recognises: &["unknown_fields_422"],
        asks: |facts| asks([facts.chat("Hello.", json!({"x_windtunnel": 1, facts.limit: 1}))]),
        judge: |case, finding| {
            let answer = case.answer(0);
            if answer.status() != Some(200) {
                refused(finding, answer, &[400]);
            }
        },
    },
    Check {
        id: "CHT-16",
        level: Level::Recommended,
        title: "Characters of three and four bytes come back whole",
        anchor: "RFC 8259, 8.1",
        recognises: &[],
        asks: |facts| asks([facts.chat("Repeat exactly: 你好🙂", json!({}))]),
        judge: characters,
    },
    Check {
        id: "CHT-17",
        level: Level::Optional,
        title: "An image is taken, or refused with a JSON error",
        anchor: API,
        recognises: &[],
        asks: image,
        judge: |case, finding| {
            finding.offered(case.answer(0));
        },
    },
    Check {
        id: "CHT-18",
        level: Level::Recommended,
        title: "`user`, `metadata`, `store: false` and `service_tier: auto` are taken",
        anchor: API,
        recognises: &["dimensions_refused", "unknown_fields_422"],
        asks: |facts| {
            let more =
                json!({"user": "u-1", "metadata": {"k": "v"}, "store": false, "service_tier": "auto", facts.limit: 4});
            asks([facts.chat("Hello.", more)])
        },
        judge: labels,
    },
];

fn image(facts: &super::super::facts::Facts) -> Asks {
    let parts = json!([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]);
    asks([facts.chat_of(json!([{"role": "user", "content": parts}]), json!({facts.limit: 4}))])
}

fn developer(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    match answer.status() {
        Some(400) => finding.deviates("developer_role_rejected", answer.refusal()),
        Some(500) => finding.deviates("developer_role_500", answer.refusal()),
        _ => {
            finding.accepted(answer);
        }
    }
}

fn parts(case: &Case<'_>, finding: &mut Finding) {
    let (parts, whole) = (case.answer(0), case.answer(1));
    if !(finding.accepted(parts) && finding.accepted(whole)) {
        return;
    }
    let prompt = |answer: &Answer| answer.value()["usage"]["prompt_tokens"].as_u64();
    if let (Some(of_parts), Some(of_whole)) = (prompt(parts), prompt(whole)) {
        // Half of the sentence is more than what a separator could be.
        finding.expect(of_parts.saturating_add(8) >= of_whole, || {
            format!("the same text has {of_whole} prompt tokens as a string, {of_parts} as two parts: not all is read")
        });
    }
}

fn stops(case: &Case<'_>, finding: &mut Finding) {
    finding.accepted(case.answer(0));
    if case.answer(1).status() == Some(200) {
        finding.note("five stop strings are taken too; OpenAI takes four");
    }
}

/// Judges what became of `n: 2`; says whether the answer is one to look at.
pub(super) fn several(answer: &Answer, finding: &mut Finding) -> bool {
    if answer.status() == Some(400) {
        finding.deviates("one_choice_only", answer.refusal());
        return false;
    }
    finding.accepted(answer)
}

fn two_choices(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !several(answer, finding) {
        return;
    }
    let choices = answer.value()["choices"].as_array().map_or(&[][..], Vec::as_slice);
    let indexes: Vec<&Value> = choices.iter().map(|choice| &choice["index"]).collect();
    if indexes.len() == 1 {
        finding.deviates("n_ignored", "n: 2 is answered with one choice");
    } else {
        finding.expect(indexes == [&json!(0), &json!(1)], || {
            format!("$.choices[*].index: expected 0 and 1, got {indexes:?}")
        });
    }
}

fn seeded(case: &Case<'_>, finding: &mut Finding) {
    let answers = case.all(0);
    for answer in answers {
        if !finding.offered(answer) {
            return;
        }
    }
    let said: Vec<_> = answers.iter().flat_map(texts).collect();
    if said.windows(2).any(|two| two[0] != two[1]) {
        finding.note("two answers with the same seed and temperature 0 differ");
    }
}

fn out_of_range(case: &Case<'_>, finding: &mut Finding) {
    let rows = [("temperature", "temperature_capped"), ("presence_penalty", "sampling_ignored")];
    for (ask, (name, quirk)) in rows.into_iter().enumerate() {
        let answer = case.answer(ask);
        if answer.status() == Some(200) {
            finding
                .deviates(quirk, format!("{name}: 3 is taken: whether it is used, capped or ignored, nobody is told"));
        } else {
            refused(finding, answer, &[400, 422]);
        }
    }
}

fn characters(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    finding.expect(std::str::from_utf8(&answer.body).is_ok(), || "the body is not UTF-8".to_owned());
    if !finding.accepted(answer) {
        return;
    }
    let said = text(answer);
    let cut = finish(answer) == "length";
    let broken = said.trim_end_matches('\u{fffd}').contains('\u{fffd}') || (said.contains('\u{fffd}') && !cut);
    finding.expect(!broken, || format!("characters were broken on their way: {said:?}"));
    if !said.contains("你好🙂") {
        finding.note("the model did not repeat the characters, so that only their encoding was looked at");
    }
}

fn labels(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    let names_user = answer.error_message().is_some_and(|message| message.contains("user"));
    if answer.status() == Some(400) && names_user {
        finding.deviates("dimensions_refused", answer.refusal());
    } else {
        finding.accepted(answer);
    }
}
