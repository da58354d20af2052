use std::path::Path;

use super::*;
use crate::load;

fn outcome(level: Level, verdict: Verdict) -> Outcome {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here.join("tests/cases/passing/PLAIN-01.yaml");
    let loaded = load::read_files(&here.join("../scenarios"), &[file]).expect("a scenario").remove(0);
    Outcome { level, ..Outcome::new(&loaded, verdict, Duration::ZERO) }
}

fn of(outcomes: &[(Level, Verdict)]) -> ProfileResult {
    let outcomes: Vec<Outcome> = outcomes.iter().map(|(level, verdict)| outcome(*level, *verdict)).collect();
    result(outcomes.iter())
}

#[test]
fn a_profile_succeeds_when_every_must_was_run_and_holds() {
    assert_eq!(of(&[(Level::Must, Verdict::Pass)]), ProfileResult::Success);
    assert_eq!(of(&[(Level::Must, Verdict::Pass), (Level::Should, Verdict::Fail)]), ProfileResult::Success);
    assert_eq!(of(&[(Level::Must, Verdict::Pass), (Level::Must, Verdict::Fail)]), ProfileResult::Failure);
    assert_eq!(of(&[(Level::Must, Verdict::Flaky)]), ProfileResult::Failure);
}

#[test]
fn what_was_left_out_or_could_not_be_judged_makes_it_partial() {
    assert_eq!(of(&[(Level::Must, Verdict::Pass), (Level::Should, Verdict::Skipped)]), ProfileResult::Partial);
    assert_eq!(of(&[(Level::Must, Verdict::Pass), (Level::Must, Verdict::Error)]), ProfileResult::Partial);
    assert_eq!(of(&[]), ProfileResult::None);
}

#[test]
fn not_claimed_is_allowed_but_claimed_and_not_run_is_partial() {
    let passed = outcome(Level::Must, Verdict::Pass);
    let claimed = outcome(Level::Must, Verdict::Unsupported);
    let not_claimed = Outcome { claimed: false, ..claimed.clone() };
    assert_eq!(result([&passed, &not_claimed].into_iter()), ProfileResult::Success);
    assert_eq!(result([&passed, &claimed].into_iter()), ProfileResult::Partial);
    assert_eq!(result([&not_claimed].into_iter()), ProfileResult::None);
}

#[test]
fn mixed_repeats_are_flaky_and_an_error_hides_no_failure() {
    let flaky = outcome(Level::Must, Verdict::Pass).repeated(outcome(Level::Must, Verdict::Fail));
    assert_eq!((flaky.verdict, flaky.repeats.len()), (Verdict::Flaky, 2));
    let still = flaky.repeated(outcome(Level::Must, Verdict::Error));
    assert_eq!(still.verdict, Verdict::Flaky);
    let failed = outcome(Level::Must, Verdict::Error).repeated(outcome(Level::Must, Verdict::Fail));
    assert_eq!(failed.verdict, Verdict::Fail);
    let error = outcome(Level::Must, Verdict::Pass).repeated(outcome(Level::Must, Verdict::Error));
    assert_eq!(error.verdict, Verdict::Error);
}

#[test]
fn a_known_failure_is_excused_until_its_day() {
    let excuse = |expired| Some(Excuse { issue: "a/b#1".into(), until: "2026-01-01".into(), expired });
    let failed = outcome(Level::Must, Verdict::Fail);
    assert!(failed.counts_as_failure());
    assert!(!Outcome { expected_failure: excuse(false), ..failed.clone() }.counts_as_failure());
    assert!(Outcome { expected_failure: excuse(true), ..failed }.counts_as_failure());
    let passed = outcome(Level::Must, Verdict::Pass);
    assert!(Outcome { expected_failure: excuse(false), ..passed }.passed_unexpectedly());
}

#[test]
fn what_nobody_asked_for_makes_its_profile_and_its_level_partial() {
    let passed = outcome(Level::Must, Verdict::Pass);
    let left_out = LeftOut::from([(("auth".to_owned(), Level::Should), 2)]);
    let run = Run {
        outcomes: Vec::new(),
        duration: Duration::ZERO,
        started: 0,
        seed: None,
        repeat: 1,
        sabotage: None,
        stopped: false,
        left_out,
        target: About::default(),
        noise: Lateness::default(),
    };
    assert_eq!(run.result_of("auth", None, &[&passed]), ProfileResult::Partial);
    assert_eq!(run.result_of("auth", Some(Level::Must), &[&passed]), ProfileResult::Success);
    assert_eq!(run.result_of("core", None, &[&passed]), ProfileResult::Success);
}
