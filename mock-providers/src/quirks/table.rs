//! The quirks and the profiles.
//!
//! A catalogue: flat, and complete for the known deviations D01 to D45.

use super::{Profile, Quirk};

/// Every quirk, by the id of its first deviation.
pub fn all() -> &'static [Quirk] {
    QUIRKS
}

/// Every profile.
pub fn profiles() -> &'static [Profile] {
    PROFILES
}

macro_rules! quirks {
    ($($name:ident [$($id:ident)+] $(implies [$($other:ident)+])? $keys:literal $text:literal;)*) => {
        const QUIRKS: &[Quirk] = &[$(Quirk {
            name: stringify!($name),
            deviations: &[$(stringify!($id)),+],
            keys: $keys,
            implies: &[$($(stringify!($other)),+)?],
            text: $text,
        }),*];
    };
}

quirks! {
    flat_error [D01] r#"{"flat_error":true}"#
        "Errors have no `error` around them.";
    integer_error_code [D02] r#"{"integer_error_code":true}"#
        "Errors have the status as code and a Python class as type.";
    cut_call_says_tool_calls [D03] r#"{"stream_call_finish":{"length":"tool_calls"}}"#
        "A streamed call that the limit cuts ends with `tool_calls`.";
    named_call_says_tool_calls [D04] r#"{"stream_call_finish":{"stop":"tool_calls"},"required_call_finish":"stop"}"#
        "A streamed call of a named tool ends with `tool_calls`, a required one in JSON with `stop`.";
    failure_hidden [D05] r#"{"failure_hidden":true}"#
        "A stream that fails before its first token is nothing but `[DONE]`.";
    finish_on_content_chunk [D06] r#"{"finish_on_content_chunk":true}"#
        "The last content and the finish reason share a chunk.";
    finish_key_missing [D07] r#"{"finish_key_missing":true}"#
        "Chunks before the end have no `finish_reason` at all.";
    vllm_fields [D08]
        r#"{"choice_fields":{"stop_reason":null},"chunk_fields":{"prompt_logprobs":null,"kv_transfer_params":null}}"#
        "Choices have a `stop_reason`, answers `prompt_logprobs` and `kv_transfer_params`.";
    reasoning_renamed [D09] r#"{"reasoning_as":"reasoning"}"#
        "Reasoning is in `reasoning`, not in `reasoning_content`.";
    cut_call_errors [D10] implies [D02] r#"{"cut_call_errors":true}"#
        "A stream fails in the middle when the limit cuts a call.";
    developer_role_rejected [D11] r#"{"developer_role_rejected":true}"#
        "The role `developer` is a 400.";
    openai_error_on_messages [D12] r#"{"openai_error":true}"#
        "`/v1/messages` answers errors in OpenAI's envelope.";
    include_usage_ignored [D13] r#"{"ignored_fields":["stream_options"]}"#
        "`include_usage` is ignored.";
    usage_on_finish_chunk [D14] r#"{"usage_on_finish_chunk":true}"#
        "Usage comes with the finish reason, not in a chunk of its own.";
    overflow_in_stream [D15] r#"{"overflow_as":"in_stream"}"#
        "Of a stream, a prompt that is too long is a 200 with the error inside.";
    overflow_exceed_context_size [D16] r#"{"overflow_as":"exceed_context_size"}"#
        "A prompt that is too long is `exceed_context_size_error`, with an integer code.";
    timings [D17] r#"{"chunk_fields":{"timings":{"prompt_n":1,"predicted_n":1,"predicted_ms":1.5}}}"#
        "Answers and chunks have `timings`.";
    developer_role_500 [D18] r#"{"developer_role_500":true}"#
        "The role `developer` is a 500.";
    base64_unsupported [D19] r#"{"base64_unsupported":true}"#
        "Embeddings in base64 are a 400.";
    overflow_500 [D20] r#"{"overflow_as":"server_error"}"#
        "A prompt that is too long is a 500.";
    index_missing [D21 D39] r#"{"index_missing":true}"#
        "Deltas of calls have no index.";
    index_always_zero [D22] r#"{"index_always_zero":true}"#
        "Deltas of all calls have the index 0.";
    whole_calls [D23] r#"{"whole_calls":true}"#
        "A call comes whole, in one delta.";
    max_completion_tokens_ignored [D24] r#"{"ignored_fields":["max_completion_tokens"]}"#
        "`max_completion_tokens` is ignored.";
    encoding_format_ignored [D25 D31] r#"{"ignored_fields":["encoding_format"]}"#
        "Embeddings are never in base64.";
    dimensions_ignored [D25] r#"{"ignored_fields":["dimensions"]}"#
        "Embeddings have their full size, whatever is asked for.";
    n_ignored [D26] r#"{"ignore_n":true,"ignored_fields":["n"]}"#
        "There is one choice, whatever is asked for.";
    unlisted_fields_ignored [D26] implies [D45]
        r#"{"ignored_fields":["logit_bias","user","logprobs","top_logprobs","tool_choice"]}"#
        "Fields that Ollama does not list are ignored.";
    api_key_ignored [D26] r#"{"api_key_ignored":true}"#
        "No credential is looked at.";
    overflow_200 [D27] implies [D15] r#"{"overflow_as":"success"}"#
        "A prompt that is too long is a 200 with the error inside.";
    overflow_empty_stream [D28] r#"{"overflow_as":"empty_stream"}"#
        "Of a stream, a prompt that is too long is a 200 without content.";
    untyped_error [D29] r#"{"untyped_error":true}"#
        "Errors have no type, and their message twice.";
    unknown_path_200 [D30] r#"{"unknown_path_200":true}"#
        "Unknown paths are answered 200.";
    model_without_created [D32] r#"{"missing_field":{"path":"$.data[?@.object=='model'].created"}}"#
        "The models listed have no `created`.";
    finish_empty [D33] r#"{"finish_empty":true}"#
        "Before the end, `finish_reason` is an empty string.";
    missing_finish [D34] r#"{"missing_finish":true}"#
        "No finish reason ever comes.";
    finish_last_choice_only [D34] r#"{"finish_last_choice_only":true}"#
        "Of several choices, only the last gets a finish reason.";
    double_finish [D34 D44] r#"{"double_finish":true}"#
        "Every choice ends twice.";
    matched_stop [D34] r#"{"choice_fields":{"matched_stop":null}}"#
        "Choices have a `matched_stop`.";
    missing_done [D35] r#"{"missing_done":true}"#
        "Streams end without `[DONE]`.";
    eos_token [D35] r#"{"finish_names":{"stop":"eos_token"}}"#
        "The finish reason of a natural end is `eos_token`.";
    string_error [D35] r#"{"string_error":true}"#
        "Errors are a text.";
    usage_null_missing [D36] r#"{"usage_null_missing":true}"#
        "Chunks before the usage do not say `usage: null`.";
    tool_call_singular [D37] r#"{"finish_names":{"tool_calls":"tool_call"}}"#
        "The finish reason of a call is `tool_call`.";
    streamed_call_says_stop [D38] r#"{"stream_call_finish":{"tool_calls":"stop"}}"#
        "A streamed call ends with `stop`.";
    thought_signature [D39] r#"{"thought_signature":true,"thought_signature_required":true}"#
        "Calls carry a `thought_signature`, and must come back with it.";
    array_error [D40] r#"{"array_error":true}"#
        "Errors are an array of one.";
    usage_on_content_chunk [D41] r#"{"usage_on_content_chunk":true}"#
        "Usage comes with the last content.";
    finish_camel_case [D41] implies [D07] r#"{"finish_camel_case":true}"#
        "The finish reason is only in `finishReason`.";
    choices_empty_first [D42] implies [D36] r#"{"choices_empty_first":true}"#
        "The first chunk has no choices, but `prompt_filter_results`.";
    unknown_fields_422 [D43] r#"{"unknown_fields_422":true}"#
        "Fields that Mistral does not know are a 422 with `detail`.";
    comments_before_content [D44] r#"{"comment_keepalive":{"text":"OPENROUTER PROCESSING"}}"#
        "A comment keeps the stream alive before the first token.";
    comments_as_data [D44] r#"{"data_keepalive":{}}"#
        "`data: : keepalive` keeps the stream alive.";
    one_choice_only [D45] r#"{"one_choice_only":true}"#
        "`n` above 1 is a 400.";
    response_format_ignored [D45] r#"{"ignored_fields":["response_format"]}"#
        "`response_format` is ignored.";
    logprobs_ignored [D45] r#"{"ignored_fields":["logprobs","top_logprobs"]}"#
        "`logprobs` is ignored.";
    sampling_ignored [D45] r#"{"ignored_fields":["seed","presence_penalty","frequency_penalty"]}"#
        "Seed and penalties are ignored.";
    temperature_capped [D45] r#"{"ignored_fields":["temperature"]}"#
        "Any temperature is taken; above 1 it counts as 1.";
    dimensions_refused [D45] r#"{"refused_fields":["dimensions","user"]}"#
        "`dimensions` and `user` are a 400.";
    usage_omitted [D45] implies [D13] r#"{"missing_usage":true}"#
        "No usage is reported.";
}

macro_rules! profiles {
    ($($name:literal: [$($quirk:ident)*];)*) => {
        const PROFILES: &[Profile] = &[$(Profile { name: $name, quirks: &[$(stringify!($quirk)),*] }),*];
    };
}

profiles! {
    "openai": [];
    "azure": [choices_empty_first];
    "vllm-old": [flat_error integer_error_code finish_key_missing vllm_fields cut_call_says_tool_calls
        named_call_says_tool_calls failure_hidden developer_role_rejected];
    "vllm": [integer_error_code finish_on_content_chunk vllm_fields reasoning_renamed cut_call_says_tool_calls
        openai_error_on_messages];
    "llamacpp": [usage_on_finish_chunk overflow_exceed_context_size timings base64_unsupported developer_role_500];
    "ollama": [index_always_zero whole_calls max_completion_tokens_ignored encoding_format_ignored dimensions_ignored
        n_ignored unlisted_fields_ignored api_key_ignored];
    "ollama-old": [index_missing whole_calls max_completion_tokens_ignored encoding_format_ignored dimensions_ignored
        n_ignored unlisted_fields_ignored api_key_ignored];
    "lmstudio": [overflow_200 untyped_error unknown_path_200 encoding_format_ignored model_without_created];
    "tgi": [missing_done eos_token string_error usage_null_missing];
    "sglang-old": [finish_empty finish_last_choice_only matched_stop];
    "gemini-openai": [streamed_call_says_stop index_missing thought_signature array_error usage_on_content_chunk];
    "mistral": [unknown_fields_422];
    "openrouter": [comments_before_content double_finish];
    "deepseek": [comments_before_content];
    "together": [dimensions_refused usage_omitted];
    "anthropic-openai": [one_choice_only response_format_ignored logprobs_ignored sampling_ignored temperature_capped];
}
