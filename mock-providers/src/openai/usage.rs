//! Token usage: estimated, scripted, and as JSON.
//!
//! Owns the estimate of a prompt: its words, three for each message and three more. Refuses to be exact.

use serde_json::{Value, json};

use super::render::{number, raw};
use crate::answer::Context;
use crate::journal::Usage;
use crate::request::{Request, member, text_of};
use crate::script::{Tokenizer, UsageSpec};

/// What is reported, if anything is.
pub(super) fn of(context: &Context<'_>, prompt: u64, completion: u64) -> Option<Usage> {
    match &context.respond.usage {
        UsageSpec::None => None,
        UsageSpec::Auto => Some(Usage {
            prompt_tokens: prompt,
            completion_tokens: completion,
            cached_tokens: context.tempo.cached(prompt),
            reasoning_tokens: 0,
        }),
        UsageSpec::Literal(numbers) => Some(Usage {
            prompt_tokens: numbers.prompt_tokens.unwrap_or(prompt),
            completion_tokens: numbers.completion_tokens.unwrap_or(completion),
            cached_tokens: numbers.cached_tokens,
            reasoning_tokens: numbers.reasoning_tokens,
        }),
    }
}

/// The estimated tokens of a prompt: messages, or else `instructions`, `input` and `prompt`.
pub(crate) fn prompt(request: &Request<'_>, tokenizer: Tokenizer) -> u64 {
    if let Some(messages) = request.field("messages").and_then(Value::as_array) {
        let contents = messages.iter().filter_map(|message| member(message.as_object()?, "content"));
        return contents.map(|content| said(content, tokenizer)).sum::<u64>() + 3 * messages.len() as u64 + 3;
    }
    ["instructions", "input", "prompt"]
        .iter()
        .filter_map(|name| request.field(name))
        .map(|value| loose(value, tokenizer))
        .sum()
}

fn said(content: &Value, tokenizer: Tokenizer) -> u64 {
    content.as_str().map_or_else(|| tokenizer.count(&text_of(content)), |text| tokenizer.count(text))
}

/// The estimated tokens of texts, tokens or items with content, alone or in lists.
fn loose(value: &Value, tokenizer: Tokenizer) -> u64 {
    match value {
        Value::String(text) => tokenizer.count(text),
        Value::Number(_) => 1,
        Value::Array(items) => items.iter().map(|item| loose(item, tokenizer)).sum(),
        Value::Object(item) => item.get("content").map_or(0, |content| said(content, tokenizer)),
        _ => 0,
    }
}

/// The usage in a literal body or event.
pub(crate) fn reported(value: &Value) -> Option<Usage> {
    // The last event of the responses API has it one level further down.
    let usage = value.get("usage").or_else(|| value.get("response")?.get("usage"))?.as_object()?;
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let detail = |group: &str, name: &str| usage.get(group).and_then(|details| details.get(name)?.as_u64());
    let either = |one, other, name| detail(one, name).or(detail(other, name)).unwrap_or(0);
    Some(Usage {
        prompt_tokens: count("prompt_tokens").or(count("input_tokens")).unwrap_or(0),
        completion_tokens: count("completion_tokens").or(count("output_tokens")).unwrap_or(0),
        cached_tokens: either("prompt_tokens_details", "input_tokens_details", "cached_tokens"),
        reasoning_tokens: either("completion_tokens_details", "output_tokens_details", "reasoning_tokens"),
    })
}

/// As chat completions report it.
pub(super) fn write_chat(out: &mut Vec<u8>, usage: &Usage) {
    let members = [
        ("{\"prompt_tokens\":", usage.prompt_tokens),
        (",\"completion_tokens\":", usage.completion_tokens),
        (",\"total_tokens\":", usage.total_tokens()),
        (",\"prompt_tokens_details\":{\"cached_tokens\":", usage.cached_tokens),
        (",\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":", usage.reasoning_tokens),
    ];
    for (name, count) in members {
        raw(out, name);
        number(out, count);
    }
    raw(out, ",\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}");
}

/// As the responses API reports it.
pub(super) fn responses_json(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": { "cached_tokens": usage.cached_tokens },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning_tokens },
        "total_tokens": usage.total_tokens(),
    })
}
