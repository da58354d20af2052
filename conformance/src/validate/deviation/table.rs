//! What each known deviation means, and what to do. A catalogue: flat, in the order of the mock's table of quirks.

/// The quirk, what it means to clients, and what works around it.
pub(super) const MEANINGS: &[(&str, &str, &str)] = &[
    (
        "flat_error",
        "the SDKs show the whole body instead of its message, and `code` is lost",
        "upgrade vLLM to 0.10.1 or later; in the gateway, errors of this kind are shown as they are",
    ),
    (
        "integer_error_code",
        "code that compares `error.code` with words such as `model_not_found` never matches",
        "tell errors apart by status, not by code",
    ),
    (
        "cut_call_says_tool_calls",
        "an agent runs a tool with arguments that were cut",
        "parse the arguments before use, and raise max_tokens for calls",
    ),
    (
        "named_call_says_tool_calls",
        "code that waits for one finish reason misses calls",
        "look for tool_calls in the message, not at finish_reason",
    ),
    (
        "failure_hidden",
        "an error looks like an empty answer, and nobody retries",
        "treat a stream without content as failed; ask without stream to see the error",
    ),
    (
        "finish_on_content_chunk",
        "clients that stop at finish_reason before reading the delta lose the last token",
        "read the delta before the finish_reason; official SDKs do",
    ),
    (
        "finish_key_missing",
        "typed clients that need the key refuse the chunk",
        "none needed for the official SDKs; others must take the member as optional",
    ),
    (
        "vllm_fields",
        "nothing to official SDKs; strict decoders refuse unknown members",
        "let the decoder ignore members that it does not know",
    ),
    (
        "reasoning_renamed",
        "thoughts do not show in clients that look for `reasoning_content`",
        "read both names; vLLM before 0.16 has the old one",
    ),
    (
        "cut_call_errors",
        "a stream breaks off with an error where `length` was due",
        "raise max_tokens for requests with tools, or ask without stream",
    ),
    (
        "developer_role_rejected",
        "clients for newer models, which send `developer`, get a 400",
        "send `system` instead, or serve a chat template that knows `developer`",
    ),
    (
        "openai_error_on_messages",
        "Anthropic's SDK does not find the error's type",
        "use the OpenAI paths of this backend",
    ),
    (
        "include_usage_ignored",
        "token counts of streams are unknown: no billing, no token limits",
        "count tokens in the client, or ask without stream where counts matter",
    ),
    (
        "usage_on_finish_chunk",
        "clients that look for usage in a chunk without choices do not find it",
        "take usage from whatever chunk has it; the gateway does",
    ),
    (
        "overflow_in_stream",
        "a retry policy sees a 200, and the error only shows while reading",
        "read errors inside streams; limit prompts before they are sent",
    ),
    (
        "overflow_exceed_context_size",
        "clients that shorten the prompt on `context_length_exceeded` do not",
        "match on the type `exceed_context_size_error` as well",
    ),
    (
        "timings",
        "nothing to official SDKs; strict decoders refuse unknown members",
        "let the decoder ignore members that it does not know",
    ),
    (
        "developer_role_500",
        "clients for newer models get a 500, and retry in vain",
        "send `system` instead, or serve a chat template that knows `developer`",
    ),
    (
        "base64_unsupported",
        "both SDKs ask for base64 when nothing else is said, and get a 400",
        "set encoding_format to float in the client",
    ),
    (
        "overflow_500",
        "routers take it for an outage: they retry, and evict a healthy backend",
        "keep 500 out of the codes that are retried for this backend, and limit prompts",
    ),
    (
        "index_missing",
        "both official SDKs break on the stream helper",
        "ask for calls without stream, or join deltas by id in your own code",
    ),
    (
        "index_always_zero",
        "both official SDKs glue parallel calls into one with broken arguments",
        "set parallel_tool_calls to false, or ask for calls without stream",
    ),
    ("whole_calls", "arguments do not show while they are made", "none needed: the joined call is right"),
    (
        "max_completion_tokens_ignored",
        "answers are as long as the backend likes, and cost accordingly",
        "send max_tokens as well; the gateway's `policies.ai.defaults` can add it",
    ),
    (
        "encoding_format_ignored",
        "old openai-node versions read a quarter of the numbers from an array they take for bytes",
        "set encoding_format to float in the client",
    ),
    (
        "dimensions_ignored",
        "vectors do not fit an index that was made for fewer dimensions",
        "cut and normalise them in the client, or make the index for their full size",
    ),
    ("n_ignored", "one choice comes where several were asked for", "ask several times"),
    (
        "unlisted_fields_ignored",
        "a tool that was required is not called, and nobody is told",
        "check for the call in the client, and ask again",
    ),
    (
        "api_key_ignored",
        "whoever reaches the port may use the backend",
        "let no one but the gateway reach it, and check keys there",
    ),
    (
        "overflow_200",
        "a retry policy and metrics see success; the SDKs return an object without choices",
        "look for `error` in the body of a 200; limit prompts before they are sent",
    ),
    (
        "overflow_empty_stream",
        "an answer to a prompt that is too long is empty, and no error says why",
        "limit prompts before they are sent; treat an empty stream as failed",
    ),
    ("untyped_error", "code that looks at `error.type` finds nothing", "tell errors apart by status"),
    (
        "unknown_path_200",
        "a mistyped base URL looks like a working one until an answer is read",
        "check the base URL's path; probe with /models",
    ),
    (
        "model_without_created",
        "typed clients that need `created` refuse the list",
        "name the model in the configuration, so that the list is not read",
    ),
    (
        "finish_empty",
        "clients that test for null take the first chunk for the end",
        "treat an empty finish_reason as null",
    ),
    ("missing_finish", "whether an answer was cut cannot be told", "treat `[DONE]` as the end, and check lengths"),
    (
        "finish_last_choice_only",
        "with `n` above 1, all choices but the last look unfinished",
        "ask for one choice at a time",
    ),
    (
        "double_finish",
        "code that acts when a choice ends does so twice",
        "act on the first finish_reason of each index",
    ),
    (
        "matched_stop",
        "nothing to official SDKs; strict decoders refuse unknown members",
        "let the decoder ignore members that it does not know",
    ),
    (
        "missing_done",
        "clients that wait for `[DONE]` report a broken stream; official SDKs do not",
        "treat the end of the body after a finish_reason as the end",
    ),
    (
        "eos_token",
        "typed clients refuse the finish reason, others take the answer for cut",
        "read `eos_token` as `stop`",
    ),
    ("string_error", "the SDKs show a generic message, and type and code are missing", "tell errors apart by status"),
    ("usage_null_missing", "nothing to official SDKs", "none needed: take a missing usage for null"),
    (
        "tool_call_singular",
        "agents that wait for `tool_calls` do not run the tool",
        "look for tool_calls in the message, not at finish_reason",
    ),
    (
        "streamed_call_says_stop",
        "agents that wait for `tool_calls` do not run the tool when streaming",
        "look for calls in the deltas, not at finish_reason",
    ),
    (
        "thought_signature",
        "a conversation with calls is refused unless their signatures come back",
        "send assistant messages back as they came, with all their members",
    ),
    ("array_error", "the SDKs do not find the message, type and code", "take the first item of an array as the error"),
    (
        "usage_on_content_chunk",
        "clients that look for usage in a chunk without choices do not find it",
        "take usage from whatever chunk has it; the gateway does",
    ),
    ("finish_camel_case", "no official SDK sees why an answer ended", "read `finishReason` as well"),
    (
        "choices_empty_first",
        "clients that take choices[0] of every chunk break at once",
        "skip chunks without choices; official SDKs pass them on",
    ),
    (
        "unknown_fields_422",
        "clients that send newer members get a 422 that no SDK can explain",
        "leave those members out for this backend",
    ),
    (
        "comments_before_content",
        "line readers that take every line for data break; official SDKs skip comments",
        "skip lines that begin with a colon",
    ),
    (
        "comments_as_data",
        "openai-python raises JSONDecodeError, openai-node SyntaxError",
        "put something before it that drops such events",
    ),
    ("one_choice_only", "requests for several choices are a 400", "ask several times"),
    (
        "response_format_ignored",
        "code that parses the answer as JSON breaks now and then",
        "validate the answer, or force one tool whose parameters are the schema",
    ),
    (
        "logprobs_ignored",
        "log probabilities are null where code expects a list",
        "check for null, or use a backend that has them",
    ),
    (
        "sampling_ignored",
        "seeds and penalties may have no effect: those out of range are no error",
        "do not rely on them with this backend",
    ),
    (
        "temperature_capped",
        "a temperature out of range is no error: it may be used, capped or ignored",
        "keep it between 0 and 1",
    ),
    ("dimensions_refused", "requests with `dimensions` or `user` are a 400", "leave both out for this backend"),
    ("usage_omitted", "token counts are unknown: no billing, no token limits", "count tokens in the client"),
];
