//! `windtunnel trust`: the suite on trial, scenario by scenario and saboteur by saboteur.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use super::stop::{Ended, unless_stopped};
use super::{Error, print};
use crate::cli::TrustArgs;
use crate::load::{self, SelectError, Selection};
use crate::render::Style;
use crate::report::Kind;
use crate::run::Setting;
use crate::saboteur::Saboteur;
use crate::target::Target;
use crate::trust::probe::{self, Plan, Told};
use crate::trust::{self, Said, Trust};

pub(super) fn trust(args: &TrustArgs) -> Result<ExitCode, Error> {
    let exe = std::env::current_exe().map_err(Error::io("the path of this program is unknown"))?;
    let target = Target::reference(&exe).map_err(|problems| Error::Input(problems.to_string()))?;
    let plan = plan(args, Arc::new(target))?;
    if let Some(sink) = args.report.iter().find(|sink| sink.kind != Kind::Json) {
        return Err(Error::Input(format!("trust is told as json only, not as in {}", sink.path.display())));
    }
    let root = load::find_root(args.scenarios.as_deref());
    let selection = Selection { names: args.names.clone(), ..Selection::default() };
    let mut scenarios = match load::select(root.as_deref(), &selection) {
        Ok(scenarios) => scenarios,
        Err(error @ (SelectError::NothingMatches { .. } | SelectError::NoScenarios)) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(3));
        }
        Err(error) => return Err(Error::Input(error.to_string())),
    };
    load::fill(&mut scenarios, &[]).map_err(|error| Error::Input(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::io("no runtime"))?;
    let ended = runtime.block_on(unless_stopped(probe::run(scenarios, &plan, progress)));
    // Whatever still runs is dropped here, and with it gateways and temporary folders.
    drop(runtime);
    clear_progress();
    match ended? {
        Ended::Done(found) => {
            tell(args, &found)?;
            Ok(ExitCode::from(found.exit_code(args.min_score)))
        }
        Ended::Stopped(code) => {
            eprintln!("error: stopped by a signal");
            Ok(ExitCode::from(code))
        }
    }
}

fn plan(args: &TrustArgs, target: Arc<Target>) -> Result<Plan, Error> {
    let saboteurs: Result<Vec<Saboteur>, Error> = args.saboteur.iter().map(|name| super::saboteur(name)).collect();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let jobs = args.jobs.and_then(|jobs| usize::try_from(jobs).ok());
    Ok(Plan {
        setting: Setting::of(target),
        jobs: jobs.unwrap_or(4 * cores),
        saboteurs: saboteurs?,
        whole: args.names.is_empty(),
        full: args.full,
        long: args.long,
    })
}

/// One line that is overwritten, on a terminal only.
fn progress(told: &Told<'_>) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let under = told.saboteur.map(|saboteur| format!(" under {}", saboteur.name())).unwrap_or_default();
        let said = match told.said {
            Said::Red(_) => "red",
            Said::Green => "green",
            Said::Unclear(_) => "error",
        };
        let _ = write!(out, "\r\x1b[2K[{}/{}] {}{under}: {said}", told.done, told.of, told.id);
        let _ = out.flush();
    }
}

fn clear_progress() {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[2K");
    }
}

fn tell(args: &TrustArgs, found: &Trust) -> Result<(), Error> {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style { colour: !plain && std::io::stdout().is_terminal() };
    print(&trust::text::text(found, style))?;
    for sink in &args.report {
        let written = std::fs::write(&sink.path, trust::json::text(found));
        written.map_err(Error::io(format!("cannot write {}", sink.path.display())))?;
    }
    Ok(())
}
