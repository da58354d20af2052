//! AUT: what becomes of callers without a key, or with a wrong one.

use super::super::answer::Answer;
use super::super::ask::{Key, WRONG_KEY};
use super::super::check::{Case, Check, Level};
use super::super::finding::Finding;
use super::{asks, refused};

const KEYS: &str = "OpenAI API, authentication";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "AUT-01",
        level: Level::Required,
        title: "A request without credentials is a 401",
        anchor: KEYS,
        recognises: &["api_key_ignored"],
        asks: |facts| match facts.key {
            true => asks([facts.plain().keyed(Key::None)]),
            false => Err("no key is configured; tell where it is with --api-key-env".to_owned()),
        },
        judge: missing,
    },
    Check {
        id: "AUT-02",
        level: Level::Required,
        title: "A wrong key is a 401 that does not repeat it",
        anchor: KEYS,
        recognises: &["api_key_ignored"],
        asks: |facts| asks([facts.wrong_key()]),
        judge: wrong,
    },
];

fn missing(case: &Case<'_>, finding: &mut Finding) {
    denied(case.answer(0), finding);
}

fn wrong(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if answer.status() == Some(200) && !case.facts.key {
        finding.skipped("the backend is open: it takes any key, and none was configured");
        return;
    }
    if denied(answer, finding) && answer.error_code().as_deref() != Some("invalid_api_key") {
        finding.note(format!("the code is `{}`, not `invalid_api_key`", answer.error_code().unwrap_or_default()));
    }
    let shown = String::from_utf8_lossy(&answer.body).contains(WRONG_KEY);
    finding.expect(!shown, || "the error repeats the key unmasked, and with it goes into every log".to_owned());
}

fn denied(answer: &Answer, finding: &mut Finding) -> bool {
    if answer.status() == Some(200) {
        finding.deviates("api_key_ignored", format!("{} is answered 200 without a good key", answer.request.path));
        return false;
    }
    refused(finding, answer, &[401])
}
