//! The suite as tests: `conformance::FO-01` for each scenario, `saboteurs::FO-01::failover-dropped` for each of its
//! negative controls. A scenario that no saboteur can turn red proves nothing.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use conformance::load::{self, Loaded};
use conformance::outcome::{Outcome, Verdict};
use conformance::render::{self, Style};
use conformance::run::{self, Setting};
use conformance::saboteur::Saboteur;
use conformance::target::Target;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

static TARGET: LazyLock<Arc<Target>> = LazyLock::new(|| {
    let target = Target::reference(Path::new(env!("CARGO_BIN_EXE_windtunnel"))).expect("its own file is right");
    Arc::new(target)
});

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Scenarios mostly wait for sockets: more of them at once than there are cores.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    arguments.test_threads = arguments.test_threads.or(Some(4 * cores));
    let root = load::find_root(Some(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios"))));
    let scenarios = match load::suite(&root.expect("the scenario folder")) {
        Ok(scenarios) => scenarios,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::FAILURE;
        }
    };
    if scenarios.is_empty() {
        eprintln!("error: there are no scenarios; a suite that runs nothing proves nothing");
        return ExitCode::FAILURE;
    }
    let (scenarios, unclaimed): (Vec<Loaded>, Vec<Loaded>) =
        scenarios.into_iter().partition(|loaded| TARGET.lacks(&loaded.scenario.needs).is_none());
    if !unclaimed.is_empty() && !arguments.list {
        let ids: Vec<&str> = unclaimed.iter().map(Loaded::id).collect();
        eprintln!("not claimed by the reference gateway, not run: {}", ids.join(", "));
    }
    let trials = scenarios.into_iter().map(Arc::new).flat_map(trials).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(loaded: Arc<Loaded>) -> Vec<Trial> {
    let id = loaded.id().to_owned();
    let green = Arc::clone(&loaded);
    // What takes minutes is run with `cargo test conformance -- --include-ignored`.
    let ignored = loaded.scenario.long;
    let mut trials = vec![Trial::test(format!("conformance::{id}"), move || holds(&green)).with_ignored_flag(ignored)];
    for name in &loaded.scenario.sabotage {
        let (red, name) = (Arc::clone(&loaded), name.value.clone());
        let trial = Trial::test(format!("saboteurs::{id}::{name}"), move || is_noticed(&red, &name));
        trials.push(trial.with_ignored_flag(ignored));
    }
    trials
}

fn outcome(loaded: &Loaded, saboteur: Option<Saboteur>) -> Outcome {
    let setting = Setting { saboteur, ..Setting::of(Arc::clone(&TARGET)) };
    RUNTIME.block_on(run::scenario(loaded, &setting))
}

fn holds(loaded: &Loaded) -> Result<(), Failed> {
    let outcome = outcome(loaded, None);
    match outcome.verdict {
        Verdict::Pass => Ok(()),
        _ => Err(render::failure(&outcome, None, Style::default()).into()),
    }
}

fn is_noticed(loaded: &Loaded, name: &str) -> Result<(), Failed> {
    let outcome = outcome(loaded, Saboteur::named(name));
    match outcome.verdict {
        Verdict::Fail => Ok(()),
        Verdict::Pass => Err(format!("{} passes although {name} is at work", loaded.id()).into()),
        _ => Err(render::failure(&outcome, Some(name), Style::default()).into()),
    }
}
