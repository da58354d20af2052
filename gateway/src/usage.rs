//! Token counts and what an answer says of itself, read from JSON answers and stream events.
//! Reads what it needs and ignores the rest: a provider's payload is never refused here.

mod answer;
mod glance;

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::json::scan_object;

pub use answer::AnswerScan;
pub use glance::glance;

/// Tokens as the provider billed them. `cached` and `cache_written` are parts of `input`, `reasoning` of `output`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// OpenAI `prompt_tokens` or `input_tokens`; of Anthropic, which tells them apart, with what the cache read and wrote.
    pub input: u64,
    /// OpenAI `completion_tokens` or `output_tokens`.
    pub output: u64,
    /// `*_tokens_details.cached_tokens`
    pub cached: u64,
    /// `*_tokens_details.reasoning_tokens`
    pub reasoning: u64,
    /// `*_tokens_details.cache_write_tokens` or `cache_creation_tokens`
    pub cache_written: u64,
}

impl Usage {
    /// Reads a `usage` value, in any spelling; `None` when it is no object, or counts nothing. A value of an unexpected
    /// type counts as not told.
    fn read(text: &str) -> Option<Self> {
        let (mut input, mut output) = (None, None);
        // Anthropic's are not part of its `input_tokens`
        let (mut read_apart, mut written_apart) = (0, 0);
        let [mut of_prompt, mut of_input, mut of_completion, mut of_output] = [Details::default(); 4];
        let read = scan_object(text.as_bytes(), |name, member| {
            let value = &text[member.value];
            match name {
                "prompt_tokens" => input = number(value).or(input),
                "input_tokens" => input = input.or_else(|| number(value)),
                "completion_tokens" => output = number(value).or(output),
                "output_tokens" => output = output.or_else(|| number(value)),
                "prompt_tokens_details" => of_prompt.read(value),
                "input_tokens_details" => of_input.read(value),
                "completion_tokens_details" => of_completion.read(value),
                "output_tokens_details" => of_output.read(value),
                "cache_read_input_tokens" => read_apart = number(value).unwrap_or(0),
                "cache_creation_input_tokens" => written_apart = number(value).unwrap_or(0),
                _ => (),
            }
        });
        read.ok().filter(|_| input.is_some() || output.is_some())?;
        Some(Self {
            input: input.unwrap_or(0).saturating_add(read_apart).saturating_add(written_apart),
            output: output.unwrap_or(0),
            cached: of_prompt.cached.or(of_input.cached).unwrap_or(0).saturating_add(read_apart),
            reasoning: of_completion.reasoning.or(of_output.reasoning).unwrap_or(0),
            cache_written: of_prompt.written().or(of_input.written()).unwrap_or(0).saturating_add(written_apart),
        })
    }

    /// What is known when another event of the same stream has told more: counts only grow, and what an event leaves
    /// out stands (Anthropic tells the input first and the output last).
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        Self {
            input: self.input.max(later.input),
            output: self.output.max(later.output),
            cached: self.cached.max(later.cached),
            reasoning: self.reasoning.max(later.reasoning),
            cache_written: self.cache_written.max(later.cache_written),
        }
    }
}

/// What a `*_tokens_details` object tells.
#[derive(Clone, Copy, Default)]
struct Details {
    cached: Option<u64>,
    reasoning: Option<u64>,
    cache_write: Option<u64>,
    cache_creation: Option<u64>,
}

impl Details {
    fn read(&mut self, text: &str) {
        // what is no object tells nothing
        let _read = scan_object(text.as_bytes(), |name, member| {
            let told = match name {
                "cached_tokens" => &mut self.cached,
                "reasoning_tokens" => &mut self.reasoning,
                "cache_write_tokens" => &mut self.cache_write,
                "cache_creation_tokens" => &mut self.cache_creation,
                _ => return,
            };
            *told = number(&text[member.value]);
        });
    }

    fn written(&self) -> Option<u64> {
        self.cache_write.or(self.cache_creation)
    }
}

/// A count, also one that is spelt as a float; nobody counts beyond what a float holds exactly.
fn number(text: &str) -> Option<u64> {
    const MOST: u64 = 1 << 53;
    let count = text.parse().ok().or_else(|| {
        let float = text.parse::<f64>().ok().filter(|float| *float >= 0.0)?;
        Some(float as u64)
    });
    count.filter(|count| *count <= MOST)
}

/// What one stream event means for the exchange.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `data: [DONE]`, or the final event of a Responses or Messages stream.
    pub done: bool,
    /// Content, a tool call or a finish: from here on the answer is committed.
    pub commits: bool,
    /// A finish reason.
    pub finished: bool,
    /// An error told inside the stream.
    pub error: bool,
    /// `choices: []` with usage: the chunk that only a client that asked for it may see.
    pub usage_only: bool,
    /// A `usage: null` member that only stands there because the gateway asked.
    pub usage_null: bool,
    /// Tokens, when told.
    pub usage: Option<Usage>,
    /// The answering model, when told.
    pub model: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<IgnoredAny>,
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
    /// Of `message_start`.
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    finish_reason: Option<IgnoredAny>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Cow<'a, str>>,
    #[serde(default)]
    refusal: Option<IgnoredAny>,
    #[serde(default)]
    tool_calls: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    function_call: Option<IgnoredAny>,
}

impl Delta<'_> {
    fn says_something(&self) -> bool {
        let text = |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|text| !text.is_empty());
        text(&self.content)
            || text(&self.reasoning_content)
            || self.refusal.is_some()
            || self.function_call.is_some()
            || self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
    }
}

/// Reads the data of one stream event. An event that is not understood commits and means nothing else.
#[must_use]
pub fn read_event(data: &[u8]) -> Seen {
    if data == b"[DONE]" {
        return Seen { done: true, commits: true, ..Seen::default() };
    }
    // checked once, not text by text; half a character in a member that nobody reads spoils nothing else
    let text = String::from_utf8_lossy(data);
    let Ok(event) = serde_json::from_str::<Event<'_>>(&text) else {
        // an event in a form of its own may still tell its usage
        let told = serde_json::from_str::<Response<'_>>(&text).ok();
        let usage = told.as_ref().and_then(|told| told.usage).and_then(|raw| Usage::read(raw.get()));
        let model = told.and_then(|told| told.model).map(Into::into);
        return Seen { commits: true, usage, model, ..Seen::default() };
    };
    let kind = event.r#type.as_deref().unwrap_or_default();
    let ended = matches!(kind, "response.completed" | "response.incomplete" | "message_stop");
    let message = event.message.filter(|_| kind == "message_start");
    let message = message.and_then(|raw| serde_json::from_str::<Response<'_>>(raw.get()).ok());
    let (model, usage) = match event.response.or(message) {
        Some(response) => (response.model, response.usage),
        None => (event.model, event.usage),
    };
    let usage_null = usage.is_some_and(|raw| raw.get() == "null") || (usage.is_none() && has_usage_key(data));
    let counts = usage.is_some_and(|raw| raw.get().starts_with('{'));
    let usage = usage.and_then(|raw| Usage::read(raw.get()));
    let choices = event.choices.as_deref();
    let finished = choices.is_some_and(|all| all.iter().any(|choice| choice.finish_reason.is_some()));
    let content = choices.is_some_and(|all| {
        all.iter().any(|choice| {
            choice.delta.as_ref().is_some_and(Delta::says_something)
                || choice.text.as_ref().is_some_and(|text| !text.is_empty())
        })
    });
    let prelude = matches!(
        kind,
        "response.created"
            | "response.in_progress"
            | "response.queued"
            | "message_start"
            | "ping"
            | "content_block_start"
    );
    let usage_only = choices.is_some_and(<[_]>::is_empty) && counts;
    Seen {
        done: ended,
        error: event.error.is_some() || kind == "error" || kind == "response.failed",
        commits: finished || content || usage_only || (choices.is_none() && !prelude),
        finished: finished || ended,
        usage_only,
        usage_null,
        usage,
        model: model.map(Into::into),
    }
}

fn has_usage_key(data: &[u8]) -> bool {
    memchr::memmem::find(data, b"\"usage\"").is_some()
}

/// Removes a top-level `"usage":null` from an event, byte for byte, with the comma that belonged to it.
#[must_use]
pub fn without_null_usage(event: &bytes::Bytes) -> bytes::Bytes {
    let Some(start) = memchr::memchr(b'{', event) else { return event.clone() };
    let Some(end) = memchr::memrchr(b'}', event) else { return event.clone() };
    let text = &event[start..=end];
    let mut span = None;
    let mut previous_end = None;
    let scanned = crate::json::scan_object(text, |name, member| {
        if name == "usage" && member.kind == crate::json::Kind::Null {
            span = Some((previous_end, member.key.start, member.value.end));
        }
        previous_end = Some(member.value.end);
    });
    let (Ok(_), Some((before, key, value_end))) = (scanned, span) else { return event.clone() };
    let cut = match before {
        Some(before) => before..value_end,
        None => {
            let comma = memchr::memchr(b',', &text[value_end..]).map_or(value_end, |at| value_end + at + 1);
            key..comma
        }
    };
    let mut kept = bytes::BytesMut::with_capacity(event.len());
    kept.extend_from_slice(&event[..start + cut.start]);
    kept.extend_from_slice(&event[start + cut.end..]);
    kept.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_event_commits_with_its_first_content() {
        let seen = |text: &str| read_event(text.as_bytes());
        assert!(
            !seen(r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#)
                .commits
        );
        assert!(seen(r#"{"choices":[{"delta":{"content":"a"}}]}"#).commits);
        assert!(seen(r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#).commits);
        assert!(seen(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#).finished);
        assert!(seen(r#"{"error":{"message":"x"}}"#).error);
        assert!(seen("[DONE]").done);
        let half = b"{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"logprobs\":{\"token\":\"\xe4\xbd\"}}]}";
        assert!(read_event(half).finished);
        let last = seen(r#"{"model":"m","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}"#);
        assert!(last.usage_only);
        assert_eq!(last.usage, Some(Usage { input: 11, output: 7, ..Usage::default() }));
        assert_eq!(last.model.as_deref(), Some("m"));
    }

    #[test]
    fn what_anthropic_tells_apart_and_in_two_events_is_put_together() {
        let whole =
            r#"{"input_tokens":25,"cache_read_input_tokens":1000,"cache_creation_input_tokens":5,"output_tokens":15}"#;
        let expected = Usage { input: 1030, output: 15, cached: 1000, reasoning: 0, cache_written: 5 };
        assert_eq!(Usage::read(whole), Some(expected));
        let begun = read_event(
            br#"{"type":"message_start","message":{"model":"claude","usage":{"input_tokens":25,"output_tokens":1}}}"#,
        );
        assert_eq!((begun.model.as_deref(), begun.commits), (Some("claude"), false));
        let ended = read_event(br#"{"type":"message_delta","delta":{},"usage":{"output_tokens":15}}"#);
        let all = begun.usage.unwrap().and(ended.usage.unwrap());
        assert_eq!(all, Usage { input: 25, output: 15, ..Usage::default() });
    }

    #[test]
    fn a_usage_that_counts_nothing_is_none_and_no_count_is_out_of_this_world() {
        for nothing in ["{}", r#"{"total_tokens":120}"#, r#"{"prompt_tokens":-1}"#, r#"{"prompt_tokens":1e30}"#] {
            assert_eq!(Usage::read(nothing), None, "{nothing}");
        }
        assert!(read_event(br#"{"choices":[],"usage":{}}"#).usage_only);
    }

    #[test]
    fn of_two_spellings_the_same_one_counts_in_any_order() {
        let members = [
            r#""input_tokens_details":{"cached_tokens":0}"#,
            r#""prompt_tokens_details":{"cached_tokens":5,"cache_creation_tokens":0,"cache_write_tokens":7}"#,
            r#""input_tokens":1"#,
            r#""prompt_tokens":9"#,
        ];
        let expected = Usage { input: 9, cached: 5, cache_written: 7, ..Usage::default() };
        let backwards: Vec<_> = members.iter().rev().copied().collect();
        for text in [members.join(","), backwards.join(",")] {
            assert_eq!(Usage::read(&format!("{{{text}}}")), Some(expected), "{text}");
        }
    }

    #[test]
    fn usage_is_read_in_every_spelling() {
        let expected = Usage { input: 11, output: 7, cached: 3, reasoning: 2, cache_written: 0 };
        for usage in [
            r#"{"prompt_tokens":11,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}"#,
            r#"{"input_tokens":11,"output_tokens":7,"input_tokens_details":{"cached_tokens":3},"output_tokens_details":{"reasoning_tokens":2}}"#,
            r#"{"prompt_tokens":11.0,"input_tokens":11,"completion_tokens":7,"output_tokens":7,"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2},"x":[]}"#,
        ] {
            assert_eq!(Usage::read(usage), Some(expected), "{usage}");
            let seen = read_event(format!("{{\"choices\":[],\"usage\":{usage}}}").as_bytes());
            assert!(seen.usage_only && seen.usage == Some(expected));
            let odd =
                read_event(format!("{{\"choices\":[{{\"delta\":{{\"content\":[1]}}}}],\"usage\":{usage}}}").as_bytes());
            assert!(odd.commits && odd.usage == Some(expected));
        }
    }

    #[test]
    fn a_null_usage_leaves_no_trace() {
        for (event, expected) in [
            ("data: {\"id\":1,\"usage\":null}\n\n", "data: {\"id\":1}\n\n"),
            ("data: {\"usage\":null,\"id\":1}\n\n", "data: {\"id\":1}\n\n"),
            ("data: {\"id\":1,\"usage\": null ,\"x\":2}\n\n", "data: {\"id\":1 ,\"x\":2}\n\n"),
            ("data: {\"usage\":null}\n\n", "data: {}\n\n"),
            ("data: {\"a\":{\"usage\":null}}\n\n", "data: {\"a\":{\"usage\":null}}\n\n"),
        ] {
            let stripped = without_null_usage(&bytes::Bytes::copy_from_slice(event.as_bytes()));
            assert_eq!(std::str::from_utf8(&stripped).unwrap(), expected);
        }
    }
}
