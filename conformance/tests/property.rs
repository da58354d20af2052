//! The property at system level: whatever the providers say and whatever is asked, the reference gateway invents
//! nothing, loses nothing and tells nothing twice. That the property can fail is shown by saboteurs: it finds them,
//! makes the case smaller and writes a scenario that is red under them and green without.
//!
//! `WINDTUNNEL_PROPERTY_CASES` (or `PROPTEST_CASES`) and `WINDTUNNEL_PROPERTY_SEED` say what is tried,
//! `WINDTUNNEL_PROPERTY_OUT` where scenarios go, `WINDTUNNEL_PROPERTY_SABOTEURS=all` that every saboteur is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conformance::fuzz::{self, Fault, Plan};
use conformance::load;
use conformance::outcome::Verdict;
use conformance::render::{self, Style};
use conformance::run::{self, Setting};
use conformance::saboteur::Saboteur;
use conformance::target::Target;

/// Cases in the gate.
const CASES: usize = 240;
/// Cases within which a saboteur must be found.
const CASES_SABOTAGED: usize = 300;
/// Saboteurs that the property finds; the first of them in the gate.
const SABOTEURS: &[Saboteur] = &[
    Saboteur::DoneInvented,
    Saboteur::BodyReserialised,
    Saboteur::FinishInvented,
    Saboteur::LastEventDropped,
    Saboteur::Utf8Mangled,
    Saboteur::BodyLostOnRetry,
    Saboteur::TokensDoubled,
    Saboteur::TokensInvented,
    Saboteur::LogLost,
    Saboteur::LogDoubled,
    Saboteur::RequestsUncounted,
    Saboteur::ClientKeyForwarded,
    Saboteur::UsageChunkShown,
    Saboteur::NumbersRounded,
    Saboteur::StreamReplayed,
    Saboteur::CrlfBroken,
    Saboteur::CommentAsData,
    Saboteur::AnswerMixed,
    Saboteur::ErrorFlattenedTo200,
    Saboteur::StallNeverEnds,
];
const IN_GATE: usize = 2;

fn setting() -> Setting {
    let target = Target::reference(Path::new(env!("CARGO_BIN_EXE_windtunnel"))).expect("its own file is right");
    Setting::of(Arc::new(target))
}

fn number(names: &[&str]) -> Option<u64> {
    let given = names.iter().find_map(|name| Some((name, std::env::var(name).ok()?)));
    given.map(|(name, text)| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

fn plan(setting: Setting, cases: usize, shrink: Duration) -> Plan {
    let seed = number(&["WINDTUNNEL_PROPERTY_SEED"]).unwrap_or_else(fuzz::any_seed);
    let usual = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("property");
    let out = std::env::var_os("WINDTUNNEL_PROPERTY_OUT").map_or(usual, PathBuf::from);
    Plan { setting, cases, seed, jobs: 8, faults: 1, shrink, out }
}

/// What a person needs to see of a fault.
fn told(fault: &Fault, saboteur: Option<Saboteur>, seed: u64) -> String {
    let text = render::failure(&fault.outcome, saboteur.map(Saboteur::name), Style::default());
    format!("{text}\ncase {} of seed {seed} is {}\n", fault.case, fault.file.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_scripts_and_random_requests_keep_the_invariants() {
    let cases = number(&["WINDTUNNEL_PROPERTY_CASES", "PROPTEST_CASES"]).map_or(CASES, |cases| cases as usize);
    let plan = plan(setting(), cases, Duration::from_secs(60));
    println!("WINDTUNNEL_PROPERTY_SEED={}", plan.seed);
    let found = fuzz::run(&plan, |_, _| {}).await.expect("cases are scenarios");
    if let Some(fault) = found.faults.first() {
        panic!("{}", told(fault, None, plan.seed));
    }
    assert_eq!((found.ran, found.unsupported), (cases, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_defect_is_found_made_smaller_and_written_as_a_scenario_that_shows_it() {
    let all = std::env::var("WINDTUNNEL_PROPERTY_SABOTEURS").is_ok_and(|which| which == "all");
    for saboteur in &SABOTEURS[..if all { SABOTEURS.len() } else { IN_GATE }] {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = plan(setting().under(*saboteur), CASES_SABOTAGED, Duration::from_secs(5));
        let plan = Plan { out: folder.path().to_owned(), ..plan };
        let found = fuzz::run(&plan, |_, _| {}).await.expect("cases are scenarios");
        let fault = found.faults.iter().find(|fault| fault.always);
        let fault = fault.unwrap_or_else(|| panic!("{} is not found, seed {}", saboteur.name(), plan.seed));
        let shown = told(fault, Some(*saboteur), plan.seed);
        assert!(fault.steps > 0, "not made smaller: {shown}");
        let loaded = load::read_files(folder.path(), std::slice::from_ref(&fault.file)).expect("a scenario").remove(0);
        let red = run::scenario(&loaded, &plan.setting).await;
        assert_eq!(red.verdict, Verdict::Fail, "{}: {shown}", saboteur.name());
        let green = run::scenario(&loaded, &setting()).await;
        let text = render::failure(&green, None, Style::default());
        assert_eq!(green.verdict, Verdict::Pass, "{}: {text}", saboteur.name());
        assert!(shown.contains(&format!("--sabotage {}", saboteur.name())) && shown.contains("transcript"), "{shown}");
    }
}
