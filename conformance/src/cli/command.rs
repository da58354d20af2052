//! The commands, one file each. Every command returns its exit code or an [`Error`] that means 2.

mod bench;
mod controller;
mod decoy;
mod explain;
mod fuzz;
mod gateway;
mod lint;
mod list;
mod mock;
mod new;
mod ready;
mod report;
mod run;
mod stop;
mod trust;
mod validate;

use std::io::Write;
use std::process::ExitCode;

use ::gateway::yaml::did_you_mean;
use clap::CommandFactory;

use super::{Cli, Command};
use crate::saboteur::Saboteur;

/// Bad input, or a mistake of ours: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Scenarios or names.
    #[error("{0}")]
    Input(String),
    /// Files, sockets, runtimes.
    #[error("{0}: {1}")]
    Io(String, #[source] std::io::Error),
}

impl Error {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io(what, source)
    }
}

/// Does what the command line says.
pub fn dispatch(cli: Cli) -> Result<ExitCode, Error> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Trust(args) => trust::trust(&args),
        Command::Fuzz(args) => fuzz::fuzz(&args),
        Command::List(args) => list::list(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::New(args) => new::new(&args),
        Command::Schema { kind } => print(&kind.text()).map(|()| ExitCode::SUCCESS),
        Command::Report(args) => report::report(&args),
        Command::Lint(args) => lint::lint(&args),
        Command::Validate(args) => validate::validate(&args),
        Command::Gateway(args) => gateway::gateway(*args),
        Command::Controller(args) => controller::controller(args),
        Command::Ready(args) => ready::ready(&args),
        Command::Mock(args) => mock::mock(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Decoy(args) => decoy::decoy(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "windtunnel", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The saboteur of this name, or who was meant.
fn saboteur(name: &str) -> Result<Saboteur, Error> {
    let names = Saboteur::ALL.iter().map(|saboteur| saboteur.name());
    Saboteur::named(name).ok_or_else(|| {
        Error::Input(match did_you_mean(name, names) {
            Some(close) => format!("no saboteur is called `{name}`; did you mean `{close}`?"),
            None => format!("no saboteur is called `{name}`; see `windtunnel list --saboteurs`"),
        })
    })
}

/// Writes to standard output; a reader that has gone is no error.
fn print(text: &str) -> Result<(), Error> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Io("cannot print".to_owned(), error))
        }
        _ => Ok(()),
    }
}
