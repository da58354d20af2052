//! `windtunnel run`: selects, runs, tells, and turns the result into an exit code.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use gateway::yaml::did_you_mean;

use super::stop::{Ended, unless_stopped};
use super::{Error, print, saboteur};
use crate::cli::RunArgs;
use crate::load::{self, Loaded, SelectError, Selection};
use crate::outcome::{LeftOut, Outcome, Run};
use crate::render::Style;
use crate::report::{self, Report, quoted};
use crate::run::Setting;
use crate::run::suite::{self, Plan};
use crate::target::Target;

pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::io("no runtime"))?;
    let target = runtime.block_on(ready(&args.target))?;
    let mut plan = plan(args, target)?;
    let mut scenarios = match select(args) {
        Ok(scenarios) if scenarios.is_empty() => {
            eprintln!("error: no scenario fits both the names and the profiles");
            return Ok(ExitCode::from(3));
        }
        Ok(scenarios) => scenarios,
        Err(error @ (SelectError::NothingMatches { .. } | SelectError::NoScenarios)) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(3));
        }
        Err(error) => return Err(Error::Input(error.to_string())),
    };
    load::fill(&mut scenarios, &args.variables).map_err(|error| Error::Input(error.to_string()))?;
    report::file::check_all(&args.report).map_err(Error::Input)?;
    if args.names.is_empty() && args.profiles.is_empty() {
        known_failures(&plan.setting.target, &scenarios)?;
    } else if !args.names.is_empty() {
        plan.left_out = load::left_out(load::find_root(args.scenarios.as_deref()).as_deref(), &scenarios);
    }
    let total = scenarios.len();
    let all = suite::run(scenarios, &plan, |outcome, left| progress(outcome, total - left, total));
    let ended = runtime.block_on(unless_stopped(all));
    // Whatever still runs is dropped here, and with it gateways and temporary folders.
    drop(runtime);
    clear_progress();
    match ended? {
        Ended::Done(run) => {
            tell(args, &run)?;
            Ok(ExitCode::from(run.exit_code()))
        }
        Ended::Stopped(code) => {
            eprintln!("error: stopped by a signal");
            Ok(ExitCode::from(code))
        }
    }
}

fn plan(args: &RunArgs, target: Arc<Target>) -> Result<Plan, Error> {
    let saboteur = args.sabotage.as_deref().map(saboteur).transpose()?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let jobs = args.jobs.and_then(|jobs| usize::try_from(jobs).ok());
    Ok(Plan {
        setting: Setting { saboteur, ..Setting::of(target) },
        jobs: jobs.unwrap_or(4 * cores),
        repeat: usize::try_from(args.repeat).unwrap_or(1),
        shuffle: args.shuffle,
        fail_fast: args.fail_fast,
        long: args.long,
        left_out: LeftOut::new(),
    })
}

/// An excuse for a scenario that does not exist excuses nothing.
fn known_failures(target: &Target, scenarios: &[Loaded]) -> Result<(), Error> {
    let ids = || scenarios.iter().map(Loaded::id);
    let failures = target.file.expected_failures.iter().map(|failure| &failure.value.id);
    match failures.into_iter().find(|id| !ids().any(|known| known == *id)) {
        None => Ok(()),
        Some(id) => {
            let close = did_you_mean(id, ids()).map(|close| format!("; did you mean `{close}`?")).unwrap_or_default();
            Err(Error::Input(format!("expected_failures: no scenario is called `{id}`{close}")))
        }
    }
}

/// The target of this name, with its cluster and its version.
pub(super) async fn ready(name: &str) -> Result<Arc<Target>, Error> {
    let target = target(name)?.with_image().map_err(|error| Error::Input(error.to_string()))?;
    let reached = target.reached().await;
    Ok(reached.map_err(|error| Error::Input(error.to_string()))?.identified().await)
}

/// The target of this name.
fn target(name: &str) -> Result<Target, Error> {
    let exe = std::env::current_exe().map_err(Error::io("the path of this program is unknown"))?;
    let target = match name {
        "reference" => Target::reference(&exe),
        "kubernetes" => Target::kubernetes(&exe),
        "docker" => Target::docker(&exe),
        file => Target::load(std::path::Path::new(file), &exe),
    };
    target.map_err(|problems| Error::Input(problems.to_string()))
}

fn select(args: &RunArgs) -> Result<Vec<Loaded>, SelectError> {
    let root = load::find_root(args.scenarios.as_deref());
    load::select(root.as_deref(), &Selection { names: args.names.clone(), profiles: args.profiles.clone() })
}

/// One line that is overwritten, on a terminal only.
fn progress(outcome: &Outcome, done: usize, total: usize) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[2K[{done}/{total}] {} {}", outcome.id, outcome.verdict);
        let _ = out.flush();
    }
}

fn clear_progress() {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[2K");
    }
}

fn tell(args: &RunArgs, run: &Run) -> Result<(), Error> {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style { colour: !plain && std::io::stdout().is_terminal() };
    print(&report::terminal::text(run, style))?;
    if args.report.is_empty() {
        return Ok(());
    }
    let mut report = Report::of(run);
    report.target.adapter.name = Path::new(&args.target).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    report.run.command.push_str(&selection(args));
    for sink in &args.report {
        let text = sink.kind.text(&report);
        std::fs::write(&sink.path, text).map_err(Error::io(format!("cannot write {}", sink.path.display())))?;
    }
    Ok(())
}

/// The part of the command line that selects scenarios.
fn selection(args: &RunArgs) -> String {
    let target = Some(&args.target).filter(|target| *target != "reference");
    let target = target.map(|target| format!(" --target {}", quoted(target)));
    let long = args.long.then(|| " --long".to_owned());
    let profiles = args.profiles.iter().map(|profile| format!(" --profile {}", quoted(profile)));
    let names = args.names.iter().map(|name| format!(" {}", quoted(name)));
    target.into_iter().chain(long).chain(profiles).chain(names).collect()
}
