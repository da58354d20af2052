//! CON: connections, sizes, versions, and paths that are not there.

use serde_json::json;

use super::super::answer::Answer;
use super::super::ask::{Request, Way};
use super::super::check::{Case, Check, Level};
use super::super::facts::{CHAT, Facts, by};
use super::super::finding::Finding;
use super::{asks, refused};
use crate::client::End;

const HTTP: &str = "RFC 9110, RFC 9112";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "CON-01",
        level: Level::Required,
        title: "GET /models is answered with JSON",
        anchor: HTTP,
        recognises: &[],
        asks: |facts| asks([facts.models()]),
        judge: json_answer,
    },
    Check {
        id: "CON-02",
        level: Level::Recommended,
        title: "A connection serves a second request",
        anchor: "RFC 9112, 9.3",
        recognises: &[],
        asks: |facts| asks([by(Way::Twice, facts.models())]),
        judge: kept_alive,
    },
    Check {
        id: "CON-03",
        level: Level::Recommended,
        title: "A message of 1 MiB is answered or refused with a JSON error",
        anchor: HTTP,
        recognises: &["overflow_500"],
        asks: |facts| asks([by(Way::Last, large(facts))]),
        judge: large_message,
    },
    Check {
        id: "CON-04",
        level: Level::Optional,
        title: "HTTP/2 works where it is offered",
        anchor: "RFC 9113",
        recognises: &[],
        asks: |facts| asks([by(Way::Http2, facts.models())]),
        judge: http2,
    },
    Check {
        id: "CON-05",
        level: Level::Recommended,
        title: "A path that does not exist is a 404 with a JSON error",
        anchor: "OpenAI API, error codes",
        recognises: &["unknown_path_200"],
        asks: |_| asks([Request::get("/does-not-exist")]),
        judge: unknown_path,
    },
    Check {
        id: "CON-06",
        level: Level::Recommended,
        title: "GET on /chat/completions is a 404 or 405 with a JSON error",
        anchor: "OpenAI API, error codes",
        recognises: &[],
        asks: |_| asks([Request::get(CHAT)]),
        judge: |case, finding| {
            refused(finding, case.answer(0), &[404, 405]);
        },
    },
];

/// A mebibyte that is few tokens: blanks run together in every tokenizer that is used.
fn large(facts: &Facts) -> Request {
    let blanks = " ".repeat(1024 * 1024);
    facts.chat(&format!("Say hello.{blanks}"), json!({facts.limit: 1}))
}

fn json_answer(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if finding.accepted(answer) {
        finding.expect(answer.json().is_some(), || format!("the body is not JSON: {}", answer.refusal()));
        let kind = answer.media_type();
        finding.expect(kind == "application/json", || format!("content-type: expected application/json, got `{kind}`"));
    }
}

fn kept_alive(case: &Case<'_>, finding: &mut Finding) {
    let answers = case.all(0);
    if !finding.accepted(&answers[0]) {
        return;
    }
    let connection =
        |value: &str| answers[0].header("connection").is_some_and(|given| given.eq_ignore_ascii_case(value));
    let old = answers[0].head.as_ref().is_some_and(|head| head.start.starts_with("HTTP/1.0 "));
    if connection("close") || (old && !connection("keep-alive")) {
        finding.fail("the connection is closed after each answer: every request pays for a handshake");
    } else if answers.get(1).is_none_or(|answer| answer.end != End::Clean || answer.status() != Some(200)) {
        let why = answers.get(1).map(Answer::refusal).unwrap_or_default();
        finding.fail(format!("the second request on a connection that was left open failed: {why}"));
    }
}

fn large_message(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    match answer.status() {
        Some(200) => {}
        Some(status @ 400..=499) => {
            refused(finding, answer, &[status]);
        }
        Some(500..=599) if names_context(answer) => finding.deviates("overflow_500", answer.refusal()),
        _ => finding.fail(format!("expected 200, or a 4xx with a JSON error; {}", answer.refusal())),
    }
}

/// Whether an error is about the length of the prompt.
fn names_context(answer: &Answer) -> bool {
    let message = answer.error_message().unwrap_or_default().to_ascii_lowercase();
    ["context", "token", "too long"].iter().any(|word| message.contains(word))
}

fn http2(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    match &answer.end {
        End::Clean => {
            finding.accepted(answer);
        }
        End::StreamReset(why) => finding.fail(format!("HTTP/2 is spoken, and fails: {why}")),
        _ => finding.unsupported("HTTP/1.1 only"),
    }
}

fn unknown_path(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if answer.status() == Some(200) {
        finding.deviates("unknown_path_200", answer.refusal());
    } else {
        refused(finding, answer, &[404]);
    }
}
