//! The entries, driven by random bytes in every run of the tests.

use proptest::prelude::*;

use super::*;

/// JSON of any shape, with members that operations look at.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    const NAMES: [&str; 40] = [
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "input",
        "prompt",
        "stream",
        "stream_options",
        "n",
        "include_usage",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "stop",
        "stop_sequences",
        "tools",
        "tool_choice",
        "function",
        "name",
        "parameters",
        "input_schema",
        "properties",
        "items",
        "enum",
        "anyOf",
        "response_format",
        "json_schema",
        "schema",
        "dimensions",
        "encoding_format",
        "thinking",
        "system",
        "previous_response_id",
        "store",
        "background",
        "reasoning",
        "logprobs",
        "top_logprobs",
    ];
    const WORDS: [&str; 24] = [
        "",
        "gpt-4o",
        "o3",
        "text-embedding-3-small",
        "user",
        "assistant",
        "tool",
        "system",
        "function",
        "object",
        "string",
        "integer",
        "array",
        "json_schema",
        "json_object",
        "auto",
        "required",
        "any",
        "base64",
        "é\u{1f300}\0",
        "message",
        "function_call",
        "tool_use",
        "tool_result",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        proptest::sample::select(vec![json!(0), json!(1), json!(-1), json!(2.5), json!(1e300), json!(u64::MAX)]),
        proptest::sample::select(&WORDS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 8, |inner| {
        let name = proptest::sample::select(&NAMES[..]).prop_map(str::to_owned);
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => proptest::collection::vec((name, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A request that is nearly right: random members laid over one that is.
fn request() -> impl Strategy<Value = Vec<u8>> {
    const USUAL: &str = r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "input": "a",
        "prompt": "b", "max_tokens": 7, "store": true}"#;
    json().prop_map(|members| {
        let mut body: serde_json::Value = serde_json::from_str(USUAL).expect("JSON");
        match members {
            serde_json::Value::Object(members) => {
                members.into_iter().for_each(|(name, value)| body[name] = value);
                body.to_string().into_bytes()
            }
            other => other.to_string().into_bytes(),
        }
    })
}

/// A head with lines that framing looks at.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    const LINES: [&str; 14] = [
        "GET /v1/models?key=a HTTP/1.1",
        "POST /v1/messages HTTP/1.0",
        "Host: a",
        "host:",
        "Content-Length: 3",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Connection: close, keep-alive",
        "Expect: 100-continue",
        " folded",
        "Authorization: Bearer k",
        "x-\u{e9}: \u{e9}",
        "",
    ];
    let lines = proptest::collection::vec(proptest::sample::select(&LINES[..]), 0..9);
    (lines, any::<bool>()).prop_map(|(lines, whole)| {
        let mut text = lines.join("\r\n");
        text.push_str(if whole { "\r\n\r\n" } else { "\r" });
        text.into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_gets_an_answer_that_is_well_formed(path in proptest::sample::select(&PATHS[..]), bytes in request()) {
        body(path, &bytes);
    }

    #[test]
    fn any_bytes_are_a_body(path in proptest::sample::select(&PATHS[..]), bytes: Vec<u8>) {
        body(path, &bytes);
    }

    #[test]
    fn any_bytes_are_read_as_a_head(noise: Vec<u8>, lines in lines()) {
        head(&noise);
        head(&lines);
    }

    #[test]
    fn any_script_is_read_and_answers(choices in proptest::collection::vec(any::<u16>(), 0..120)) {
        script(&vocabulary::config(&choices));
    }
}

#[test]
fn most_random_scripts_are_well_formed() {
    let refused = |seed: &u64| {
        let mut random = crate::digest::Random::new(&[*seed]);
        let choices: Vec<u16> = (0..100).map(|_| random.next() as u16).collect();
        let text = vocabulary::config(&choices);
        Document::read(&text).err().map(|error| format!("{text}\n{error}"))
    };
    let refused: Vec<String> = (0..400).filter_map(|seed| refused(&seed)).collect();
    assert!(refused.len() < 100, "{} of 400:\n{}", refused.len(), refused.join("\n\n"));
}
