//! `POST /embeddings`.
//!
//! Owns its validation and its vectors: of unit length, and a function of seed, model and text, so that equal texts are
//! equally embedded; a shortened vector is the long one's beginning, made unit length again. Refuses meaning.

use std::borrow::Cow;
use std::io::Write;

use base64::Engine;
use serde_json::{Map, Value, json};

use super::{ApiError, Reading, parameters, usage};
use crate::answer::Context;
use crate::digest::{Random, hash};
use crate::journal::Usage;
use crate::plan::Answer;
use crate::request::Request;
use crate::script::{Embedding, Tokenizer};

const MAX_INPUTS: usize = 2048;
/// Of one input, unless the script gives the model a `context_window`.
const MAX_TOKENS: u64 = 8192;
/// Of all inputs together.
const MAX_TOKENS_TOGETHER: u64 = 300_000;
/// Of models whose size we do not know.
const MAX_DIMENSIONS: u64 = 8192;
const IN_MEMORY: &str = "a write into memory succeeds";

/// Answers an embeddings request.
pub(super) fn answer(request: &Request<'_>, context: &Context<'_>) -> Result<Answer, ApiError> {
    let body = parameters::object(request)?;
    let reading = Reading::of(context.provider);
    let model = reading.settle(parameters::model(body))?;
    let tokenizer = context.tokenizer;
    let inputs = body.get("input").ok_or_else(|| ApiError::missing("input")).and_then(|input| inputs(input, tokenizer));
    let inputs = reading.or_else(inputs, || vec![Input::text("", tokenizer)])?;
    let known = context.provider.model(model);
    let tokens = counted(&inputs, known.and_then(|known| known.context_window).unwrap_or(MAX_TOKENS))?;
    let (literal, usual) = match &context.respond.embedding {
        Some(Embedding::Literal(vector)) => (Some(vector.as_slice()), None),
        Some(Embedding::Made(size)) => (None, Some(usize::from(size.dims.get()))),
        None => (None, None),
    };
    let asked = dimensions(parameters::given(body, "dimensions"), model);
    let usual = usual.unwrap_or(if model.contains("large") { 3072 } else { 1536 });
    let dimensions = reading.settle(asked)?.unwrap_or(usual);
    let base64 = reading.settle(base64(body))?;
    let named = context.respond.model.as_deref().unwrap_or(model);
    // Embeddings report nothing but the prompt, whatever the script counts besides.
    let used =
        usage::of(context, tokens, 0).map(|used| Usage { prompt_tokens: used.prompt_tokens, ..Usage::default() });
    let of = |input: &Input| match literal {
        Some(vector) => Cow::Borrowed(vector),
        None => vector(&mut Random::new(&[context.seed, hash(model.as_bytes()), input.key]), dimensions).into(),
    };
    let vectors = inputs.iter().map(of);
    let size = literal.map_or(dimensions, <[f32]>::len) * if base64 { 6 } else { 14 } + 64;
    let mut out = Vec::with_capacity(inputs.len() * size + 128);
    write_list(&mut out, vectors, base64);
    write!(out, ",\"model\":{}", json!(named)).expect(IN_MEMORY);
    if let Some(used) = &used {
        let tokens = used.prompt_tokens;
        write!(out, ",\"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens}}}").expect(IN_MEMORY);
    }
    out.push(b'}');
    Ok(Answer::json(200, out, used))
}

/// The body up to its `data`.
fn write_list<'v>(out: &mut Vec<u8>, vectors: impl Iterator<Item = Cow<'v, [f32]>>, base64: bool) {
    out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
    for (index, vector) in vectors.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(out, "{comma}{{\"object\":\"embedding\",\"index\":{index},\"embedding\":").expect(IN_MEMORY);
        if base64 {
            // Little-endian floats.
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            write!(out, "\"{}\"", base64::engine::general_purpose::STANDARD.encode(bytes)).expect(IN_MEMORY);
        } else {
            // The shortest decimals that read back as the same floats.
            serde_json::to_writer(&mut *out, &*vector).expect(IN_MEMORY);
        }
        out.push(b'}');
    }
    out.push(b']');
}

/// The tokens of all inputs, when neither one nor all are too many.
fn counted(inputs: &[Input], limit: u64) -> Result<u64, ApiError> {
    if let Some(index) = inputs.iter().position(|input| input.tokens > limit) {
        return Err(ApiError::too_many_tokens(&format!("input[{index}]"), inputs[index].tokens, limit));
    }
    match inputs.iter().map(|input| input.tokens).sum() {
        together if together > MAX_TOKENS_TOGETHER => {
            Err(ApiError::too_many_tokens_together(together, MAX_TOKENS_TOGETHER))
        }
        together => Ok(together),
    }
}

struct Input {
    key: u64,
    tokens: u64,
}

impl Input {
    fn text(text: &str, tokenizer: Tokenizer) -> Self {
        Self { key: hash(text.as_bytes()), tokens: tokenizer.count(text).max(1) }
    }

    fn tokens(tokens: &[Value]) -> Self {
        Self { key: hash(json!(tokens).to_string().as_bytes()), tokens: tokens.len() as u64 }
    }
}

/// A string, strings, tokens or lists of tokens; none of them empty.
fn inputs(input: &Value, tokenizer: Tokenizer) -> Result<Vec<Input>, ApiError> {
    let items = match input {
        Value::Array(items) if items.is_empty() => return Err(empty("input")),
        Value::Array(items) if !items.iter().all(Value::is_u64) => items,
        other => return one(other, "input", tokenizer).map(|input| vec![input]),
    };
    if items.len() > MAX_INPUTS {
        return Err(ApiError::wrong_value("input", "it has more than 2048 items"));
    }
    let place = |index: usize| format!("input[{index}]");
    items.iter().enumerate().map(|(index, item)| one(item, &place(index), tokenizer)).collect()
}

fn one(item: &Value, param: &str, tokenizer: Tokenizer) -> Result<Input, ApiError> {
    match item {
        Value::String(text) if text.is_empty() => Err(empty(param)),
        Value::String(text) => Ok(Input::text(text, tokenizer)),
        Value::Array(tokens) if tokens.is_empty() => Err(empty(param)),
        Value::Array(tokens) if tokens.iter().all(Value::is_u64) => Ok(Input::tokens(tokens)),
        _ => Err(ApiError::wrong_type(param, "a string or an array of tokens")),
    }
}

fn empty(param: &str) -> ApiError {
    ApiError::wrong_value(param, "it must not be empty")
}

/// Whether vectors are wanted as bytes.
fn base64(body: &Map<String, Value>) -> Result<bool, ApiError> {
    match parameters::given(body, "encoding_format").map(Value::as_str) {
        None | Some(Some("float")) => Ok(false),
        Some(Some("base64")) => Ok(true),
        Some(_) => Err(ApiError::wrong_value("encoding_format", "it is neither float nor base64")),
    }
}

/// The size that is asked for, if one is.
fn dimensions(asked: Option<&Value>, model: &str) -> Result<Option<usize>, ApiError> {
    let Some(asked) = asked else { return Ok(None) };
    if !asked.is_number() {
        return Err(ApiError::wrong_type("dimensions", "an integer"));
    }
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
    fitting
        .map(Some)
        .ok_or_else(|| ApiError::wrong_value("dimensions", &format!("it is not a number from 1 to {most}")))
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
