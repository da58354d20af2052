//! The wire types: what clients rely on of each answer, and no more.

use super::Shape::{Any, Bool, Count, List, Name, Nullable, Number, Object, Text, Word};
use super::{Shape, may, must};

/// Why a choice ends.
pub const FINISHES: &[&str] = &["stop", "length", "tool_calls", "content_filter", "function_call"];

const TOOL_CALL: Shape = Object(&[
    must("id", Name),
    may("type", Word(&["function", "custom"])),
    may("function", Object(&[must("name", Name), must("arguments", Text)])),
]);

const MESSAGE: Shape = Object(&[
    must("role", Word(&["assistant"])),
    must("content", Nullable(&Text)),
    may("refusal", Nullable(&Text)),
    may("tool_calls", Nullable(&List(&TOOL_CALL))),
]);

/// `usage` of chat and completions.
pub const USAGE: Shape = Object(&[
    must("prompt_tokens", Count),
    must("completion_tokens", Count),
    must("total_tokens", Count),
    may("prompt_tokens_details", Nullable(&Object(&[may("cached_tokens", Nullable(&Count))]))),
    may("completion_tokens_details", Nullable(&Object(&[may("reasoning_tokens", Nullable(&Count))]))),
]);

/// A chat completion; what its finish reason says is judged by itself.
pub const CHAT: Shape = Object(&[
    must("id", Text),
    must("object", Word(&["chat.completion"])),
    must("created", Count),
    must("model", Text),
    must(
        "choices",
        List(&Object(&[
            must("index", Count),
            must("message", MESSAGE),
            may("finish_reason", Nullable(&Text)),
            may("logprobs", Nullable(&Object(&[]))),
        ])),
    ),
    may("system_fingerprint", Nullable(&Text)),
]);

/// One chunk of a chat completion; `index` of tool deltas and finish reasons are judged by themselves.
pub const CHUNK: Shape = Object(&[
    must("id", Text),
    must("object", Word(&["chat.completion.chunk"])),
    must("created", Count),
    must("model", Text),
    must(
        "choices",
        List(&Object(&[
            must("index", Count),
            must(
                "delta",
                Object(&[
                    may("role", Nullable(&Word(&["assistant"]))),
                    may("content", Nullable(&Text)),
                    may("refusal", Nullable(&Text)),
                    may("tool_calls", Nullable(&List(&Object(&[])))),
                ]),
            ),
            may("logprobs", Nullable(&Object(&[]))),
        ])),
    ),
]);

/// A model.
pub const MODEL: Shape =
    Object(&[must("id", Name), must("object", Word(&["model"])), must("created", Count), must("owned_by", Text)]);

/// The list of models.
pub const MODELS: Shape = Object(&[must("object", Word(&["list"])), must("data", List(&MODEL))]);

/// An error as OpenAI writes it.
pub const ERROR: Shape = Object(&[must(
    "error",
    Object(&[
        must("message", Name),
        must("type", Nullable(&Text)),
        must("param", Nullable(&Text)),
        must("code", Nullable(&Text)),
    ]),
)]);

/// A list of embeddings; what they are is judged by the format that was asked for.
pub const EMBEDDINGS: Shape = Object(&[
    must("object", Word(&["list"])),
    must("data", List(&Object(&[must("object", Word(&["embedding"])), must("index", Count), must("embedding", Any)]))),
    must("model", Text),
    may("usage", Nullable(&Object(&[must("prompt_tokens", Count), must("total_tokens", Count)]))),
]);

/// A completion of the old kind, and each of its chunks.
pub const COMPLETION: Shape = Object(&[
    must("id", Text),
    must("object", Word(&["text_completion"])),
    must("created", Count),
    must("model", Text),
    must("choices", List(&Object(&[must("index", Count), must("text", Text), may("finish_reason", Nullable(&Text))]))),
]);

/// The log probabilities of a choice.
pub const LOGPROBS: Shape = Object(&[must(
    "content",
    Nullable(&List(&Object(&[
        must("token", Text),
        must("logprob", Number),
        must("bytes", Nullable(&List(&Count))),
        must("top_logprobs", List(&Object(&[must("token", Text), must("logprob", Number)]))),
    ]))),
)]);

/// A response.
pub const RESPONSE: Shape = Object(&[
    must("id", Name),
    must("object", Word(&["response"])),
    must("created_at", Number),
    must("model", Text),
    must("status", Word(&["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"])),
    must("output", List(&Object(&[must("type", Name)]))),
    may("error", Nullable(&Object(&[]))),
    may("incomplete_details", Nullable(&Object(&[]))),
    may("parallel_tool_calls", Nullable(&Bool)),
    may("tools", List(&Object(&[]))),
]);

/// `usage` of a response.
pub const RESPONSE_USAGE: Shape =
    Object(&[must("input_tokens", Count), must("output_tokens", Count), must("total_tokens", Count)]);

/// A message of a response.
pub const OUTPUT_MESSAGE: Shape = Object(&[
    must("id", Name),
    must("type", Word(&["message"])),
    must("role", Word(&["assistant"])),
    must("status", Word(&["completed", "in_progress", "incomplete"])),
    must("content", List(&Object(&[must("type", Word(&["output_text", "refusal"]))]))),
]);

/// What moderations are about.
pub const CATEGORIES: &[&str] = &[
    "hate",
    "hate/threatening",
    "harassment",
    "harassment/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// A moderation.
pub const MODERATION: Shape = Object(&[
    must("id", Text),
    must("model", Text),
    must(
        "results",
        List(&Object(&[must("flagged", Bool), must("categories", Object(&[])), must("category_scores", Object(&[]))])),
    ),
]);
