//! `POST /embeddings`.
//!
//! Owns its validation and its vectors: of unit length, and a function of seed, model, text and size, so that equal
//! texts are equally embedded. Refuses meaning.

use base64::Engine;
use serde_json::{Value, json};

use super::{ApiError, parameters, usage};
use crate::answer::Context;
use crate::digest::{Random, hash};
use crate::journal::Usage;
use crate::plan::Answer;
use crate::request::Request;
use crate::tokens;

const MAX_INPUTS: usize = 2048;
/// Of models whose size we do not know.
const MAX_DIMENSIONS: u64 = 8192;

/// Answers an embeddings request.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let body = parameters::object(request)?;
    let model = parameters::model(body)?;
    let inputs = inputs(body.get("input").ok_or_else(|| ApiError::missing("input"))?)?;
    let dimensions = dimensions(body.get("dimensions"), model)?;
    let base64 = match body.get("encoding_format").map(Value::as_str) {
        None | Some(Some("float")) => false,
        Some(Some("base64")) => true,
        Some(_) => return Err(ApiError::wrong_value("encoding_format", "it is neither float nor base64")),
    };
    let named = context.respond.model.as_deref().unwrap_or(model);
    let tokens = inputs.iter().map(|input| input.tokens).sum();
    // Embeddings report nothing but the prompt, whatever the script counts besides.
    let used =
        usage::of(context, tokens, 0).map(|used| Usage { prompt_tokens: used.prompt_tokens, ..Usage::default() });
    let mut out = String::from("{\"object\":\"list\",\"data\":[");
    for (index, input) in inputs.iter().enumerate() {
        let vector = vector(&mut Random::new(&[context.seed, hash(model.as_bytes()), input.key]), dimensions);
        let comma = if index > 0 { "," } else { "" };
        let embedding = if base64 { encoded(&vector) } else { listed(&vector) };
        out += &format!("{comma}{{\"object\":\"embedding\",\"index\":{index},\"embedding\":{embedding}}}");
    }
    out += &format!("],\"model\":{}", json!(named));
    if let Some(used) = &used {
        let tokens = used.prompt_tokens;
        out += &format!(",\"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens}}}");
    }
    out.push('}');
    Ok(Answer::json(200, out, used))
}

struct Input {
    key: u64,
    tokens: u64,
}

impl Input {
    fn text(text: &str) -> Self {
        Self { key: hash(text.as_bytes()), tokens: tokens::words(text).max(1) }
    }

    fn tokens(tokens: &[Value]) -> Self {
        Self { key: hash(json!(tokens).to_string().as_bytes()), tokens: tokens.len() as u64 }
    }
}

/// A string, strings, tokens or lists of tokens; none of them empty.
fn inputs(input: &Value) -> Result<Vec<Input>, ApiError> {
    let empty = || ApiError::wrong_value("input", "it must not be empty");
    let wrong = || ApiError::wrong_type("input", "a string, an array of strings, or arrays of tokens");
    let items = match input {
        Value::String(text) if text.is_empty() => return Err(empty()),
        Value::String(text) => return Ok(vec![Input::text(text)]),
        Value::Array(items) if items.is_empty() => return Err(empty()),
        Value::Array(items) if items.iter().all(Value::is_u64) => return Ok(vec![Input::tokens(items)]),
        Value::Array(items) => items,
        _ => return Err(wrong()),
    };
    if items.len() > MAX_INPUTS {
        return Err(ApiError::wrong_value("input", "it has more than 2048 items"));
    }
    let one = |item: &Value| match item {
        Value::String(text) if text.is_empty() => Err(empty()),
        Value::String(text) => Ok(Input::text(text)),
        Value::Array(tokens) if !tokens.is_empty() && tokens.iter().all(Value::is_u64) => Ok(Input::tokens(tokens)),
        _ => Err(wrong()),
    };
    items.iter().map(one).collect()
}

fn dimensions(asked: Option<&Value>, model: &str) -> Result<usize, ApiError> {
    let asked = match asked {
        None | Some(Value::Null) => return Ok(if model.contains("large") { 3072 } else { 1536 }),
        Some(asked) => asked,
    };
    let most = match model {
        "text-embedding-ada-002" => {
            return Err(ApiError::wrong_value("dimensions", "this model does not support it"));
        }
        "text-embedding-3-small" => 1536,
        "text-embedding-3-large" => 3072,
        _ => MAX_DIMENSIONS,
    };
    let fitting = asked.as_u64().filter(|dimensions| (1..=most).contains(dimensions));
    let fitting = fitting.and_then(|dimensions| usize::try_from(dimensions).ok());
    fitting.ok_or_else(|| ApiError::wrong_value("dimensions", &format!("it is not a number from 1 to {most}")))
}

fn vector(random: &mut Random, dimensions: usize) -> Vec<f32> {
    let mut vector: Vec<f32> = (0..dimensions).map(|_| random.signed()).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    } else {
        vector[0] = 1.0;
    }
    vector
}

/// Little-endian floats.
fn encoded(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    format!("\"{}\"", base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// The shortest decimals that read back as the same floats.
fn listed(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}
