//! MOD: the models.

use super::super::ask::Request;
use super::super::check::{Case, Check, Level};
use super::super::finding::Finding;
use super::super::shape::{MODEL, MODELS, Shape};
use super::{asks, refused};

const API: &str = "OpenAI API, /models";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "MOD-01",
        level: Level::Required,
        title: "The list of models has the types of the API",
        anchor: API,
        recognises: &["model_without_created"],
        asks: |facts| asks([facts.models()]),
        judge: list,
    },
    Check {
        id: "MOD-02",
        level: Level::Required,
        title: "The model that answers is in the list",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([facts.models()]),
        judge: listed,
    },
    Check {
        id: "MOD-03",
        level: Level::Recommended,
        title: "A model can be asked for by its id, percent-encoded",
        anchor: API,
        recognises: &["model_without_created"],
        asks: |facts| asks([Request::get(format!("/models/{}", encoded(&facts.model)))]),
        judge: retrieved,
    },
    Check {
        id: "MOD-04",
        level: Level::Recommended,
        title: "A model that does not exist is a 404 with `model_not_found`",
        anchor: API,
        recognises: &[],
        asks: |facts| asks([Request::get(format!("/models/{}", facts.missing))]),
        judge: unknown,
    },
];

fn encoded(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte);
    id.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn list(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !finding.accepted(answer) {
        return;
    }
    judged(&MODELS, case, finding);
    let none = answer.value()["data"].as_array().is_some_and(Vec::is_empty);
    finding.expect(!none, || "$.data: is empty".to_owned());
}

/// A missing `created` is known from elsewhere.
fn judged(shape: &Shape, case: &Case<'_>, finding: &mut Finding) {
    for misfit in shape.misfits(case.answer(0).value()).into_iter().take(4) {
        if misfit.ends_with("created: expected integer, is missing") {
            finding.deviates("model_without_created", misfit);
        } else {
            finding.fail(misfit);
        }
    }
}

fn listed(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if finding.accepted(answer) {
        let models = answer.value()["data"].as_array().map_or(&[][..], Vec::as_slice);
        let model = &case.facts.model;
        let there = models.iter().any(|one| one["id"] == model.as_str());
        finding.expect(there, || format!("`{model}` is not among the {} models listed", models.len()));
    }
}

fn retrieved(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if finding.accepted(answer) {
        let object = &answer.value()["object"];
        if !finding.expect(object == "model", || format!("$.object: expected \"model\", got {object}; it is no model"))
        {
            return;
        }
        judged(&MODEL, case, finding);
        let id = &answer.value()["id"];
        finding
            .expect(*id == case.facts.model.as_str(), || format!("$.id: expected \"{}\", got {id}", case.facts.model));
    }
}

fn unknown(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if refused(finding, answer, &[404]) && answer.error_code().as_deref() != Some("model_not_found") {
        finding.note(format!("the code is `{}`, not `model_not_found`", answer.error_code().unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_of_an_id_are_encoded() {
        assert_eq!(encoded("org/m 1:free"), "org%2Fm%201:free");
    }
}
