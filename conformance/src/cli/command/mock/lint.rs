//! `windtunnel mock --lint`: what is wrong with a configuration, without starting it.

use std::process::ExitCode;

use gateway::yaml::Problem;

use super::super::{Error, print};
use super::source::{Configuration, check};

pub(super) fn lint(configuration: &Configuration) -> Result<ExitCode, Error> {
    let source = configuration.source()?;
    let resolved = check(&source).and_then(|mut config| {
        let resolved = config.resolve(&configuration.folder());
        resolved.map_err(|error| Problem::of_file(&source.path, error.to_string()))
    });
    match resolved {
        Ok(()) => {
            print(&format!("{}: fine\n", source.path.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => {
            print(&format!("{problem}\n"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}
