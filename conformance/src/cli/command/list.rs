//! `windtunnel list`: scenarios, saboteurs, capabilities or profiles.

use std::process::ExitCode;

use super::{Error, print};
use crate::capability::{CAPABILITIES, PROFILES};
use crate::cli::ListArgs;
use crate::load::{self, SelectError, Selection};
use crate::saboteur::Saboteur;

pub(super) fn list(args: &ListArgs) -> Result<ExitCode, Error> {
    let text: String = if args.saboteurs {
        let line = |s: &Saboteur| {
            let classes = s.classes().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            format!("{:28} {:14} {classes:12} {}\n", s.name(), s.seam(), s.summary())
        };
        Saboteur::ALL.iter().map(line).collect()
    } else if args.capabilities {
        CAPABILITIES.iter().map(|capability| format!("{:26} {}\n", capability.name, capability.summary)).collect()
    } else if args.profiles {
        PROFILES
            .iter()
            .map(|profile| format!("{:11} {:9} {}\n", profile.name, profile.groups.join(" "), profile.summary))
            .collect()
    } else {
        let root = load::find_root(args.scenarios.as_deref());
        match load::select(root.as_deref(), &Selection::default()) {
            Ok(scenarios) => scenarios
                .iter()
                .map(|one| {
                    let scenario = &one.scenario;
                    format!("{:6} {:6} {:11} {}\n", one.id(), scenario.level, scenario.profile.value, scenario.title)
                })
                .collect(),
            Err(error @ SelectError::NoScenarios) => {
                eprintln!("error: {error}");
                return Ok(ExitCode::from(3));
            }
            Err(error) => return Err(Error::Input(error.to_string())),
        }
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
