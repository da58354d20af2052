//! Usage as Anthropic counts it.
//!
//! Owns the difference: `input_tokens` leave out what came from a cache, which other dialects count in. Refuses to
//! count: `prompt` and `message` do.

use serde_json::{Value, json};

use crate::answer::Context;
use crate::journal::Usage;
use crate::script::UsageSpec;

/// What is reported, if anything is; the thoughts are part of the completion.
pub(super) fn of(context: &Context<'_>, prompt: u64, completion: u64, thoughts: u64) -> Option<Usage> {
    let cached_tokens = context.tempo.cached(prompt);
    let counted =
        Usage { prompt_tokens: prompt, completion_tokens: completion, reasoning_tokens: thoughts, cached_tokens };
    match &context.respond.usage {
        UsageSpec::None => None,
        UsageSpec::Auto => Some(counted),
        UsageSpec::Literal(numbers) => Some(Usage {
            prompt_tokens: numbers.prompt_tokens.unwrap_or(prompt),
            completion_tokens: numbers.completion_tokens.unwrap_or(completion),
            cached_tokens: numbers.cached_tokens,
            reasoning_tokens: numbers.reasoning_tokens,
        }),
    }
}

/// As it stands in a message, and without the tier in the events after it.
pub(super) fn json(usage: &Usage, tier: Option<&str>) -> Value {
    let mut counts = json!({
        "input_tokens": usage.prompt_tokens.saturating_sub(usage.cached_tokens),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    });
    if usage.reasoning_tokens > 0 {
        counts["output_tokens_details"] = json!({ "thinking_tokens": usage.reasoning_tokens });
    }
    if let Some(tier) = tier {
        counts["service_tier"] = tier.into();
    }
    counts
}

/// The usage in a literal message or event; events after the first may leave out what went before.
pub(crate) fn reported(value: &Value, before: Option<Usage>) -> Option<Usage> {
    let usage = value.get("usage").or_else(|| value.get("message")?.get("usage"))?;
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let before = before.unwrap_or_default();
    let cached = count("cache_read_input_tokens").unwrap_or(before.cached_tokens);
    let created = count("cache_creation_input_tokens").unwrap_or(0);
    let thoughts = usage.get("output_tokens_details").and_then(|details| details.get("thinking_tokens")?.as_u64());
    Some(Usage {
        prompt_tokens: count("input_tokens").map_or(before.prompt_tokens, |input| {
            // What is scripted may be as large as it likes.
            input.saturating_add(cached).saturating_add(created)
        }),
        completion_tokens: count("output_tokens").unwrap_or(before.completion_tokens),
        cached_tokens: cached,
        reasoning_tokens: thoughts.unwrap_or(before.reasoning_tokens),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_completes_the_usage_of_the_first() {
        let first =
            json!({"message": {"usage": {"input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 1}}});
        let first = reported(&first, None);
        let last = reported(&json!({"usage": {"output_tokens": 9}}), first).expect("usage");
        assert_eq!((last.prompt_tokens, last.cached_tokens, last.completion_tokens), (8, 5, 9));
        assert_eq!(json(&last, None)["input_tokens"], 3);
        assert_eq!(reported(&json!({"type": "ping"}), first), None);
    }
}
