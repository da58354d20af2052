//! One name for each fact of a span, whichever semantic conventions its target follows.
//! Pure data and its use: what a target calls otherwise still, its target file says.

use serde_json::Value;

use super::field;
use crate::target::Telemetry;

/// Our name of a fact and its other names: older and newer OpenTelemetry conventions, OpenLLMetry, OpenInference.
const ALSO_CALLED: &[(&str, &[&str])] = &[
    ("gen_ai.operation.name", &["llm.request.type"]),
    ("gen_ai.provider.name", &["gen_ai.system", "llm.provider", "llm.system"]),
    ("gen_ai.request.model", &["llm.request.model", "llm.model_name"]),
    ("gen_ai.response.model", &["llm.response.model"]),
    ("gen_ai.usage.input_tokens", &["gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens", "llm.token_count.prompt"]),
    (
        "gen_ai.usage.output_tokens",
        &["gen_ai.usage.completion_tokens", "llm.usage.completion_tokens", "llm.token_count.completion"],
    ),
    ("http.status", &["http.response.status_code", "http.status_code"]),
    ("error.type", &["exception.type"]),
];

/// Gives the facts of spans our names, and each span `parent.kind`: the kind of its parent where that came too, `remote`
/// where it did not, and nothing for a root.
pub fn neutral(spans: &mut [Value], telemetry: &Telemetry) {
    for span in spans.iter_mut() {
        let own = telemetry.attributes.iter().map(|(ours, theirs)| (ours.as_str(), theirs.as_str()));
        let usual = ALSO_CALLED.iter().flat_map(|(ours, others)| others.iter().map(move |other| (*ours, *other)));
        for (ours, theirs) in own.chain(usual) {
            if let Some(value) = field(span, theirs).filter(|_| field(span, ours).is_none()).cloned() {
                span[ours] = value;
            }
        }
    }
    let kinds: Vec<(Value, Value)> =
        spans.iter().map(|span| (span["span.id"].clone(), span["span.kind"].clone())).collect();
    for span in spans {
        if let Some(parent) = span.get("parent.id") {
            let known = kinds.iter().find(|(id, _)| id == parent).map(|(_, kind)| kind.clone());
            span["parent.kind"] = known.unwrap_or_else(|| "remote".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_have_our_names_and_parents_their_kind() {
        let mut spans = vec![
            json!({"span.id": "02", "parent.id": "01", "span.kind": "client", "gen_ai.usage.prompt_tokens": 3}),
            json!({"span.id": "01", "parent.id": "ff", "span.kind": "server", "theirs": "chat", "gen_ai.system": "old", "gen_ai.provider.name": "new"}),
            json!({"span.id": "03", "span.kind": "server"}),
        ];
        let attributes = [("gen_ai.operation.name".to_owned(), "theirs".to_owned())].into();
        neutral(&mut spans, &Telemetry { attributes, ..Telemetry::default() });
        assert_eq!((&spans[0]["parent.kind"], &spans[0]["gen_ai.usage.input_tokens"]), (&json!("server"), &json!(3)));
        assert_eq!((&spans[1]["parent.kind"], &spans[1]["gen_ai.operation.name"]), (&json!("remote"), &json!("chat")));
        assert_eq!((&spans[1]["gen_ai.provider.name"], spans[2].get("parent.kind")), (&json!("new"), None));
    }
}
