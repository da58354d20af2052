//! What Azure's content filter adds to chat and text completions.
//!
//! Owns its results on prompts, choices and chunks, and the inner error of a refused prompt. Refuses to judge: what is
//! filtered, the script decides.

use serde_json::{Map, Value, json};

use crate::plan::{Answer, Kind, Piece};

const CATEGORIES: &[&str] = &["hate", "self_harm", "sexual", "violence"];
/// The category that a scripted filter finds.
const FOUND: &str = "violence";

/// Adds the results to every choice, and those of the prompt to the body, or as the first event of a stream.
pub(super) fn annotate(answer: &mut Answer) {
    let stream = answer.content_type.starts_with("text/event-stream");
    for piece in &mut answer.pieces {
        annotate_piece(piece, stream);
    }
    if stream {
        let first = json!({
            "choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": of_prompt(),
        });
        answer.pieces.insert(0, Piece { bytes: format!("data: {first}\n\n").into(), ..Piece::default() });
    }
}

fn annotate_piece(piece: &mut Piece, stream: bool) {
    let json = if stream { piece.bytes.strip_prefix(b"data: ").unwrap_or_default() } else { &piece.bytes };
    // `[DONE]` stays as it is.
    let Ok(mut body) = serde_json::from_slice::<Value>(json) else { return };
    for choice in body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
        let bare = stream && piece.kind != Kind::Content;
        let filtered = choice["finish_reason"] == "content_filter";
        choice["content_filter_results"] = if bare && !filtered { json!({}) } else { results(filtered) };
    }
    if stream {
        piece.bytes = format!("data: {body}\n\n").into();
    } else {
        body["prompt_filter_results"] = of_prompt();
        piece.bytes = body.to_string().into();
    }
}

fn of_prompt() -> Value {
    let mut results = results(false);
    results["jailbreak"] = json!({ "filtered": false, "detected": false });
    json!([{ "prompt_index": 0, "content_filter_results": results }])
}

/// A result for each category; of a filtered text, one is found.
fn results(filtered: bool) -> Value {
    let result = |category: &str| {
        let found = filtered && category == FOUND;
        json!({ "filtered": found, "severity": if found { "high" } else { "safe" } })
    };
    Value::Object(CATEGORIES.iter().map(|&category| (category.to_owned(), result(category))).collect::<Map<_, _>>())
}

/// Why a prompt was refused.
pub(crate) fn innererror() -> Value {
    json!({ "code": "ResponsibleAIPolicyViolation", "content_filter_result": results(true) })
}
