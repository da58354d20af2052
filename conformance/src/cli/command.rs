//! The commands, one file each. Every command returns its exit code or an [`Error`] that means 2.

mod decoy;
mod explain;
mod gateway;
mod list;
mod mock;
mod run;

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

use super::{Cli, Command};

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
        Command::List(args) => list::list(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Gateway(args) => gateway::gateway(*args),
        Command::Mock(args) => mock::mock(&args),
        Command::Decoy(args) => decoy::decoy(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "windtunnel", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
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
