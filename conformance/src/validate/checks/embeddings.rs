//! EMB: embeddings, and MDR: moderations.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::ask::Request;
use super::super::check::{Case, Check, Level};
use super::super::finding::Finding;
use super::super::shape::{CATEGORIES, EMBEDDINGS, MODERATION};
use super::{asks, refused, shaped};

const API: &str = "OpenAI API, /embeddings";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "EMB-01",
        level: Level::Optional,
        title: "Two inputs have two embeddings of the same size",
        anchor: API,
        recognises: &["usage_omitted"],
        asks: |facts| asks([facts.embeddings(json!(["hello", "world"]), json!({"encoding_format": "float"}))?]),
        judge: two,
    },
    Check {
        id: "EMB-02",
        level: Level::Optional,
        title: "`encoding_format: base64` gives the same numbers as bytes",
        anchor: API,
        recognises: &["base64_unsupported", "encoding_format_ignored"],
        asks: |facts| {
            let floats = facts.embeddings(json!(["hello", "world"]), json!({"encoding_format": "float"}))?;
            asks([facts.embeddings(json!(["hello", "world"]), json!({"encoding_format": "base64"}))?, floats])
        },
        judge: base64,
    },
    Check {
        id: "EMB-03",
        level: Level::Optional,
        title: "`dimensions: 64` gives 64 numbers, or a 400",
        anchor: API,
        recognises: &["dimensions_ignored"],
        asks: |facts| asks([facts.embeddings(json!("hello"), json!({"encoding_format": "float", "dimensions": 64}))?]),
        judge: dimensions,
    },
    Check {
        id: "EMB-04",
        level: Level::Optional,
        title: "Tokens are taken as input or refused, and an empty input is a 400",
        anchor: API,
        recognises: &[],
        asks: |facts| {
            let tokens = facts.embeddings(json!([[1, 2, 3]]), json!({}))?;
            asks([facts.embeddings(json!("hello"), json!({}))?, tokens, facts.embeddings(json!([]), json!({}))?])
        },
        judge: inputs,
    },
    Check {
        id: "MDR-01",
        level: Level::Optional,
        title: "A moderation has a verdict and 13 categories",
        anchor: "OpenAI API, /moderations",
        recognises: &[],
        asks: |_| asks([Request::post("/moderations", &json!({"input": "hello"}))]),
        judge: moderation,
    },
];

fn items(answer: &Answer) -> &[Value] {
    answer.value()["data"].as_array().map_or(&[], Vec::as_slice)
}

fn floats(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(Value::as_f64).collect()
}

fn two(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.offered(answer) {
        return;
    }
    if answer.value()["usage"].is_null() {
        finding.deviates("usage_omitted", "$.usage is missing");
    }
    if !shaped(finding, answer, &EMBEDDINGS) {
        return;
    }
    let indexes: Vec<&Value> = items(answer).iter().map(|item| &item["index"]).collect();
    finding.expect(indexes == [&json!(0), &json!(1)], || format!("$.data[*].index: expected 0 and 1, got {indexes:?}"));
    let sizes: Vec<_> = items(answer).iter().map(|item| floats(&item["embedding"]).map(|all| all.len())).collect();
    let good = sizes.iter().all(|size| size.is_some_and(|size| size > 0) && *size == sizes[0]);
    finding.expect(good, || format!("$.data[*].embedding: expected arrays of numbers of one size, got {sizes:?}"));
}

fn base64(case: &Case<'_>, finding: &mut Finding) {
    let (packed, plain) = (case.answer(0), case.answer(1));
    if !finding.offered(plain) {
        return;
    }
    if packed.status() == Some(400) {
        finding.deviates("base64_unsupported", packed.refusal());
        return;
    }
    if !finding.accepted(packed) {
        return;
    }
    for (packed, plain) in items(packed).iter().zip(items(plain)) {
        let Some(text) = packed["embedding"].as_str() else {
            finding.deviates("encoding_format_ignored", "base64 is asked for, and an array comes");
            return;
        };
        let Some(expected) = floats(&plain["embedding"]) else { return };
        finding.expect(same(text, &expected), || {
            "$.data[0].embedding: the bytes are not the numbers of the float answer".to_owned()
        });
    }
}

/// Whether base64 of little-endian floats are these numbers, but for rounding.
fn same(text: &str, expected: &[f64]) -> bool {
    let Ok(bytes) = STANDARD.decode(text) else { return false };
    let (given, rest) = bytes.as_chunks::<4>();
    let close = |(bytes, expected): (&[u8; 4], &f64)| (f64::from(f32::from_le_bytes(*bytes)) - expected).abs() < 1e-3;
    rest.is_empty() && given.len() == expected.len() && given.iter().zip(expected).all(close)
}

fn dimensions(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if answer.status() == Some(400) {
        refused(finding, answer, &[400]);
        return;
    }
    if !finding.offered(answer) {
        return;
    }
    let size = items(answer).first().and_then(|item| floats(&item["embedding"])).map_or(0, |all| all.len());
    if size != 64 {
        finding.deviates("dimensions_ignored", format!("64 dimensions are asked for, and {size} come"));
    }
}

fn inputs(case: &Case<'_>, finding: &mut Finding) {
    if !finding.offered(case.answer(0)) {
        return;
    }
    let tokens = case.answer(1);
    if tokens.status() != Some(200) {
        refused(finding, tokens, &[400, 422]);
    }
    refused(finding, case.answer(2), &[400, 422]);
}

fn moderation(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.offered(answer) || !shaped(finding, answer, &MODERATION) {
        return;
    }
    let categories = &answer.value()["results"][0]["categories"];
    let missing: Vec<&str> = CATEGORIES.iter().copied().filter(|name| !categories[*name].is_boolean()).collect();
    finding.expect(missing.is_empty(), || format!("$.results[0].categories: {} are missing", missing.join(", ")));
}
