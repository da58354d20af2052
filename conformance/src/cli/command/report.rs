//! `windtunnel report`: compares reports that were kept as JSON.

use std::process::ExitCode;

use super::{Error, print};
use crate::cli::{ReportArgs, ReportCommand};
use crate::report::diff::Diff;
use crate::report::{matrix, read};

pub(super) fn report(args: &ReportArgs) -> Result<ExitCode, Error> {
    let read = |path| read::file(path).map_err(|error| Error::Input(error.to_string()));
    match &args.command {
        ReportCommand::Diff { old, new, json } => {
            let (old, new) = (read(old)?, read(new)?);
            let diff = Diff::of(&old, &new);
            print(&if *json { json_text(&diff) } else { diff.text() })?;
            Ok(ExitCode::from(u8::from(diff.worse)))
        }
        ReportCommand::Matrix { reports } => {
            let reports = reports.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
            print(&matrix::text(&reports))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn json_text(diff: &Diff<'_>) -> String {
    // Strings, numbers and lists only.
    serde_json::to_string_pretty(diff).expect("a diff can always be written as JSON") + "\n"
}
