use mock_providers::script::Provider;
use serde_json::json;

use crate::support::{chat, provider};

const LONG: &str = r#"{"model":"m","messages":[{"role":"user","content":"internationalization of text"}]}"#;

#[tokio::test]
async fn prompt_and_answer_are_counted_in_the_same_way() {
    let mock = provider("{respond: {echo: true}}").await;
    let usage = chat(&mock, LONG).await.json()["usage"].clone();
    // Twenty characters are two pieces; a message costs three, and the answer's beginning three.
    assert_eq!((&usage["completion_tokens"], &usage["prompt_tokens"]), (&json!(4), &json!(4 + 3 + 3)));
}

#[test]
fn an_unknown_tokenizer_is_refused_with_those_there_are() {
    let error = serde_saphyr::from_str::<Provider>("{tokenizer: words}").expect_err("refused").to_string();
    assert!(error.contains("words") && error.contains("estimate") && error.contains("o200k"), "{error}");
}

#[cfg(not(feature = "bpe"))]
#[test]
fn a_tokenizer_that_the_build_lacks_is_refused_with_its_feature() {
    let error = serde_saphyr::from_str::<Provider>("{tokenizer: o200k}").expect_err("refused").to_string();
    assert!(error.contains("`bpe`") && error.contains("estimate"), "{error}");
}

#[cfg(feature = "bpe")]
#[tokio::test]
async fn a_real_encoding_counts_and_cuts_as_it_does() {
    for (tokenizer, tokens) in [("cl100k", 9), ("o200k", 8)] {
        let script = format!("{{dialect: anthropic, tokenizer: {tokenizer}, respond: {{text: お誕生日おめでとう}}}}");
        let mock = provider(&script).await;
        let answer = crate::anthropic::message(&mock, crate::anthropic::HELLO).await;
        assert_eq!(answer.json()["usage"]["output_tokens"], tokens);
        mock.set_script(crate::support::script(&script.replace("お誕生日おめでとう", "hello world")));
        let answer = crate::anthropic::message(&mock, crate::anthropic::HELLO).await;
        assert_eq!(answer.json()["usage"]["output_tokens"], 2);
    }
}

#[cfg(feature = "bpe")]
#[tokio::test]
async fn the_deltas_of_a_stream_are_tokens_with_whole_characters() {
    let script = "{dialect: anthropic, tokenizer: o200k, respond: {text: tiktoken is great! 🙂🦜}}";
    let mock = provider(script).await;
    let events = crate::anthropic::events(&crate::anthropic::message(&mock, crate::anthropic::HELLO_STREAM).await);
    let deltas: Vec<&str> = events.iter().filter_map(|(_, data)| data["delta"]["text"].as_str()).collect();
    assert_eq!(deltas[..6], ["t", "ikt", "oken", " is", " great", "!"]);
    assert_eq!(deltas.concat(), "tiktoken is great! 🙂🦜");
}
