//! The texts of failing and of broken scenarios, word by word: a failure must teach.
//! What differs from run to run is redacted; transcripts are checked for their lanes and for secrets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use conformance::load::{self, Loaded};
use conformance::outcome::{Outcome, Verdict};
use conformance::render::{self, Style};
use conformance::run::{self, Setting};
use conformance::target::Target;
use regex::Regex;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

fn load(name: &str) -> Result<Vec<Loaded>, load::Problems> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    load::read_files(&root, &[case(name)])
}

fn outcome(name: &str) -> Outcome {
    let loaded = load(name).expect("a scenario").remove(0);
    let target = Target::reference(Path::new(env!("CARGO_BIN_EXE_windtunnel"))).expect("its own file is right");
    let setting = Setting::of(Arc::new(target));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run::scenario(&loaded, &setting))
}

/// The text before the transcript, and the transcript.
fn failure(name: &str) -> (String, String) {
    let outcome = outcome(name);
    assert_eq!(outcome.verdict, Verdict::Fail, "{:?}", outcome.why);
    let text = render::failure(&outcome, None, Style::default());
    let (told, transcript) = text.split_once("\ntranscript").expect("a transcript");
    (redacted(told), transcript.to_owned())
}

fn redacted(text: &str) -> String {
    let text = text.replace(&format!("{}/", env!("CARGO_MANIFEST_DIR")), "");
    let rules = [(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"), (r"\d+\.\d+ms", "TIME"), (r"[0-9a-f]{16,32}", "HEX")];
    rules.iter().fold(text, |text, (pattern, with)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *with).into_owned()
    })
}

#[test]
fn a_wrong_answer_shows_each_expectation_with_its_place() {
    let (told, transcript) = failure("failing/STATUS-01.yaml");
    insta::assert_snapshot!("wrong_answer", told);
    for part in [
        "client",
        "upstream",
        "telemetry",
        "POST /v1/chat/completions",
        "no such thing",
        "run only this one: windtunnel run tests/cases/failing/STATUS-01.yaml",
    ] {
        assert!(transcript.contains(part), "no {part} in {transcript}");
    }
    assert!(!transcript.contains("Bearer wt-") && !transcript.contains("wt-"), "a secret in {transcript}");
}

#[test]
fn a_broken_stream_is_described_by_what_came() {
    let (told, transcript) = failure("failing/STREAM-01.yaml");
    insta::assert_snapshot!("broken_stream", told);
    assert!(transcript.contains("cut by the script"), "{transcript}");
}

#[test]
fn providers_telemetry_and_canaries_are_judged_at_the_end() {
    let (told, _) = failure("failing/END-01.yaml");
    insta::assert_snapshot!("at_the_end", told);
}

#[test]
fn a_good_scenario_passes() {
    let outcome = outcome("passing/PASS-01.yaml");
    assert_eq!(outcome.verdict, Verdict::Pass, "{}", render::failure(&outcome, None, Style::default()));
}

fn problems(name: &str) -> String {
    redacted(&load(name).expect_err("a broken scenario").to_string())
}

#[test]
fn a_misspelt_key_is_refused_with_its_place_and_a_guess() {
    insta::assert_snapshot!("misspelt_key", problems("broken/misspelt.yaml"));
    insta::assert_snapshot!("misspelt_script", problems("broken/misspelt-script.yaml"));
    insta::assert_snapshot!("misspelt_matcher", problems("broken/matcher.yaml"));
}

#[test]
fn all_unknown_names_are_told_at_once() {
    insta::assert_snapshot!("unknown_names", problems("broken/names.yaml"));
}

#[test]
fn expectations_on_status_that_can_never_hold_are_refused() {
    insta::assert_snapshot!("status", problems("broken/status.yaml"));
}
