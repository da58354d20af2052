use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Sample {
    model: String,
    port: Option<u16>,
    #[serde(default)]
    names: Vec<String>,
}

fn failure(text: &str) -> Problem {
    let source = Source::new("file.yaml", text);
    let documents = documents(&source);
    read::<Sample>(&source, &documents[0]).expect_err("the text is wrong")
}

#[test]
fn documents_are_split_at_marker_lines_and_keep_their_line() {
    let source = Source::new("a", "# only a comment\n---\na: 1\n---\n---  # empty\n--- \nb: |\n  ---\n  x\n---x\n");
    let found: Vec<_> = documents(&source).iter().map(|d| (d.first_line, d.text)).collect();
    assert_eq!(found, [(2, "---\na: 1\n"), (6, "--- \nb: |\n  ---\n  x\n---x\n")]);
}

#[test]
fn a_slip_of_the_finger_is_named_with_its_place() {
    let problem = failure("# header\n---\nmodle: x\n");
    assert_eq!(
        problem.to_string(),
        "error: unknown field `modle`\n --> file.yaml:3:1\n  |\n3 | modle: x\n  | ^^^^^\n  = help: did you mean `model`?"
    );
}

#[test]
fn a_wrong_value_is_described_by_kind_and_never_repeated() {
    let problem = failure("model: x\nport: hunter2\n");
    assert!(!problem.message.contains("hunter2"), "{problem}");
    assert_eq!((problem.line, problem.column), (2, 7));
}

#[test]
fn null_lists_are_empty_lists_and_yes_is_a_word() {
    let source = Source::new("a", "model: yes\nnames: null\n");
    let sample: Sample = read(&source, &documents(&source)[0]).expect("valid");
    assert_eq!((sample.model.as_str(), sample.names.len()), ("yes", 0));
}

#[test]
fn a_key_given_twice_is_an_error() {
    assert!(failure("model: x\nmodel: y\n").message.contains("twice"));
}

#[test]
fn lines_that_may_hold_a_secret_are_not_shown() {
    assert_eq!(failure("key: abc\n").source_line, None);
    assert_eq!(failure("kind: Secret\nstringData: {a: b}\n").source_line, None);
    assert_eq!(failure("apikeyy: sk-1234\n").source_line, None);
    assert!(failure("monkey: x\n").source_line.is_some());
}

#[test]
fn a_secret_hides_its_own_document_and_no_other() {
    let source = Source::new("a", "kind: Secret\nstringData: {a: b}\n---\nkind: Gateway\n");
    assert_eq!(source.problem_at(2, 1, "x").source_line, None);
    assert_eq!(source.problem_at(4, 1, "x").source_line.as_deref(), Some("kind: Gateway"));
}

#[test]
fn suggestions_are_close_or_absent() {
    assert_eq!(did_you_mean("modle", ["mode", "model"]), Some("model"));
    assert_eq!(did_you_mean("httproute", ["HTTPRoute", "Gateway"]), Some("HTTPRoute"));
    assert_eq!(did_you_mean("banana", ["model", "host"]), None);
}
