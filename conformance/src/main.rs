//! The command line: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use conformance::cli::{Cli, command};

fn main() -> ExitCode {
    match command::dispatch(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let text = error.to_string();
            let prefix = if text.starts_with("error") { "" } else { "error: " };
            eprintln!("{prefix}{text}");
            ExitCode::from(2)
        }
    }
}
