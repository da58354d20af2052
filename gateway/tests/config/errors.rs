//! What is said about text that cannot be read: the place, the slip, the next step, no secret.

use gateway::config;
use gateway::yaml::Source;
use proptest::prelude::*;

use super::{parse, render};

fn failure(text: &str) -> String {
    render(&parse(text).expect_err("the text is wrong"))
}

#[test]
fn the_typo_of_a_tutorial_is_shown_with_line_and_column() {
    insta::assert_snapshot!(failure(include_str!("../../../docs/tutorials/001.yaml")));
}

#[test]
fn a_manifest_cut_off_by_an_editor_is_shown_with_line_and_column() {
    let text = include_str!("../../../docs/tutorials/001.yaml");
    let cut = text.find("        - name: openai-all-models").expect("in the tutorial") + 12;
    insta::assert_snapshot!(failure(&text[..cut]));
}

#[test]
fn a_misspelt_key_is_answered_with_the_right_one() {
    let text = include_str!("../../../docs/tutorials/004.yaml").replacen("model:", "modle:", 1);
    insta::assert_snapshot!(failure(&text));
}

#[test]
fn all_errors_of_all_documents_are_listed_at_once() {
    insta::assert_snapshot!(failure(
        "kind: Gatway
metadata: {name: a}
---
apiVersion: v1
kind: HTTPRoute
metadata: {name: b}
---
kind: HTTPRoute
metadata: {name: c}
spec:
  rules:
  - matches: [{path: {type: Prefix, value: /}}]
---
metadata: {name: d}
---
kind: Gateway
metadata: {name: e}
spec:
  gatewayClassName: agentgateway
  listeners: [{name: http, port: 99999, protocol: HTTP}]
---
kind: ConfigMap
metadata: {name: f, name: g}
"
    ));
}

#[test]
fn an_object_written_twice_names_both_places() {
    let sources = [
        Source::new("a.yaml", "kind: Namespace\nmetadata: {name: x}\n"),
        Source::new("b.yaml", "# again\n---\nkind: Namespace\nmetadata: {name: x}\n"),
    ];
    insta::assert_snapshot!(render(&config::from_sources(&sources).expect_err("twice")));
}

#[test]
fn a_bad_item_of_a_list_is_found_in_its_line() {
    insta::assert_snapshot!(failure(
        "apiVersion: v1
kind: List
metadata: {resourceVersion: ''}
items:
- kind: Namespace
  metadata: {name: x}
- kind: HTTPRoute
  metadata: {name: y}
  spec:
    parentRef: []
"
    ));
}

#[test]
fn no_error_ever_shows_a_secret() {
    let cases = [
        "kind: Secret\nmetadata: {name: s}\nstringData:\n  apiKey: {hunter2: hunter2}\n",
        "kind: Secret\nmetadata: {name: s}\ndata:\n  apiKey: hunter2\n",
        "kind: Secret\nmetadata: {name: s}\nstringDta: {apiKey: hunter2}\ndata: {}\n",
        "kind: Secret\nmetadata: {name: s}\nstringData:\n  apiKey: hunter2\n  apiKey: hunter2\n",
        "kind: Secret\nmetadata: {name: s}\nimmutable: hunter2\nstringData: {}\n",
        "kind: Secret\nmetadata: {name: s}\nstringData: hunter2\n",
        "kind: Secret\nmetadata: {name: s}\nstringData:\n  apiKey: \"hunter2\n",
        "kind: Secret\nmetadata: {name: s}\nstringData:\n  apiKey: hunter2: hunter2\n",
        "kind: List\nitems:\n- kind: Secret\n  metadata: {name: s}\n  stringData: {apiKey: [hunter2]}\n",
        "kind: AgentgatewayBackend\nmetadata: {name: b}\nspec: {policies: {auth: {key: hunter2, secrtRef: {}}}}\n",
        "{\"kind\": \"Secret\", \"metadata\": {\"name\": \"s\"}, \"stringData\": {\"apiKey\": [\"hunter2\"]}}",
    ];
    for case in cases {
        let shown = failure(case);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("kind: ConfigMap\nmetadata: {name: x}\ndata:\n  a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, of) in ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip(["a", "b", "c", "d", "e", "f", "g", "h"]) {
        text.push_str(&format!("  {name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(", ")));
    }
    assert!(parse(&text).is_err());
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics_the_loader(text in ".{0,400}") {
        let _ = parse(&text);
    }

    #[test]
    fn arbitrary_yaml_like_text_never_panics_the_loader(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "kind", ": ", "\n", "  ", "- ", "---\n", "Gateway", "Secret", "metadata", "name", "spec", "{", "}", "[",
                "]", "&a ", "*a", "|", ">", "\"", "'", "items", "List", "HTTPRoute", "rules", "data", "#", "!!str ", "é",
                "\t", "\r\n", "null", "1", "?", "<<",
            ]),
            0..60,
        )
    ) {
        if let Ok(manifests) = parse(&words.concat()) {
            config::compile(&manifests, None);
        }
    }

    #[test]
    fn a_manifest_cut_anywhere_never_panics(at in 0usize..1200) {
        let text = include_str!("../../../docs/tutorials/004.yaml");
        if let Ok(manifests) = parse(text.get(..at).unwrap_or(text)) {
            config::compile(&manifests, None);
        }
    }
}
