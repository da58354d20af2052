//! `POST /moderations`.
//!
//! Owns the shape of a verdict for each input. Refuses to judge: scores are seeded and low, and only a text that says
//! `mock-flag:violence` (or another category) is flagged, for that.

use serde_json::{Map, Value, json};

use super::{ApiError, Reading, parameters};
use crate::answer::Context;
use crate::digest::{BASE62, Random, hash};
use crate::plan::Answer;
use crate::request::Request;

const DEFAULT_MODEL: &str = "omni-moderation-latest";
/// Before the category that a text asks to be flagged for.
const FLAG: &str = "mock-flag:";
/// All categories, and whether images are judged by them.
const CATEGORIES: &[(&str, bool)] = &[
    ("harassment", false),
    ("harassment/threatening", false),
    ("hate", false),
    ("hate/threatening", false),
    ("illicit", false),
    ("illicit/violent", false),
    ("self-harm", true),
    ("self-harm/instructions", true),
    ("self-harm/intent", true),
    ("sexual", true),
    ("sexual/minors", false),
    ("violence", true),
    ("violence/graphic", true),
];

/// Something to be judged.
#[derive(Default)]
struct Input<'v> {
    texts: Vec<&'v str>,
    images: Vec<&'v str>,
}

/// Answers a moderation request.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let body = parameters::object(request)?;
    let reading = Reading::of(context.provider);
    let model = parameters::given(body, "model").map_or(Ok(DEFAULT_MODEL), |_| parameters::model(body));
    let model = reading.or_else(model, || DEFAULT_MODEL)?;
    let inputs = body.get("input").ok_or_else(|| ApiError::missing("input")).and_then(inputs);
    let inputs = reading.or_else(inputs, || vec![Input::default()])?;
    let id = || format!("modr-{}", context.ids.branch("id").word(29, BASE62));
    let seeds = [context.seed, hash(model.as_bytes())];
    let results: Vec<Value> = inputs.iter().map(|input| input.verdict(&seeds)).collect();
    let body = json!({
        "id": context.respond.id.clone().unwrap_or_else(id),
        "model": context.respond.model.as_deref().unwrap_or(model),
        "results": results,
    });
    Ok(Answer::json(200, body.to_string(), None))
}

/// A string, strings, or parts that are judged together.
fn inputs(input: &Value) -> Result<Vec<Input<'_>>, ApiError> {
    let one = |text| Input { texts: vec![text], images: Vec::new() };
    match input {
        Value::String(text) => Ok(vec![one(text)]),
        Value::Array(items) if items.is_empty() => Err(ApiError::wrong_value("input", "it must not be empty")),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Ok(items.iter().filter_map(Value::as_str).map(one).collect())
        }
        Value::Array(items) => parts(items).map(|input| vec![input]),
        _ => Err(ApiError::wrong_type("input", "a string, an array of strings, or an array of parts")),
    }
}

fn parts(items: &[Value]) -> Result<Input<'_>, ApiError> {
    let mut input = Input::default();
    for (index, part) in items.iter().enumerate() {
        let param = format!("input[{index}]");
        if !part.is_object() {
            return Err(ApiError::wrong_type(&param, "an object, as its neighbours"));
        }
        match part.get("type").and_then(Value::as_str) {
            Some("text") => {
                let text = part.get("text").and_then(Value::as_str);
                input.texts.push(text.ok_or_else(|| ApiError::missing(&format!("{param}.text")))?);
            }
            Some("image_url") => {
                let url = part.get("image_url").and_then(|image| image.get("url")?.as_str());
                input.images.push(url.ok_or_else(|| ApiError::missing(&format!("{param}.image_url.url")))?);
            }
            _ => return Err(ApiError::wrong_value(&format!("{param}.type"), "it is neither text nor image_url")),
        }
    }
    Ok(input)
}

impl Input<'_> {
    fn verdict(&self, seeds: &[u64; 2]) -> Value {
        let key =
            self.texts.iter().chain(&self.images).fold(0, |key: u64, part| key.rotate_left(1) ^ hash(part.as_bytes()));
        let random = Random::new(&[seeds[0], seeds[1], key]);
        let (mut categories, mut scores, mut types) = (Map::new(), Map::new(), Map::new());
        let mut flagged = false;
        for (category, takes_images) in CATEGORIES {
            let flag = self.asks_for(category);
            flagged |= flag;
            categories.insert((*category).to_owned(), flag.into());
            scores.insert((*category).to_owned(), score(&mut random.branch(category), flag).into());
            let mut applied = Vec::new();
            applied.extend((!self.texts.is_empty()).then_some("text"));
            applied.extend((*takes_images && !self.images.is_empty()).then_some("image"));
            types.insert((*category).to_owned(), applied.into());
        }
        json!({
            "flagged": flagged,
            "categories": categories,
            "category_scores": scores,
            "category_applied_input_types": types,
        })
    }

    /// Whether a text has the flag of this category, and not of a longer one.
    fn asks_for(&self, category: &str) -> bool {
        let is_word = |c: char| c.is_ascii_alphabetic() || c == '/' || c == '-';
        let asked =
            |text: &str| text.split(FLAG).skip(1).any(|rest| rest.split(|c| !is_word(c)).next() == Some(category));
        self.texts.iter().any(|text| asked(text))
    }
}

/// Below 0.01, or above 0.9 when flagged.
fn score(random: &mut Random, flag: bool) -> f64 {
    let unit = (random.next() >> 11) as f64 / (1u64 << 53) as f64;
    if flag { 0.9 + unit * 0.099 } else { 1e-6 + unit.powi(4) * 0.009 }
}
