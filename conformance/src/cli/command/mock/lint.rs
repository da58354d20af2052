//! `windtunnel mock --lint`: what is wrong with a configuration, without starting it.

use std::process::ExitCode;

use super::super::{Error, print};
use super::source::{Configuration, check};

pub(super) fn lint(configuration: &Configuration) -> Result<ExitCode, Error> {
    let source = configuration.source()?;
    match check(&source) {
        Ok(_) => {
            print(&format!("{}: fine\n", source.path.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => {
            print(&format!("{problem}\n"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}
