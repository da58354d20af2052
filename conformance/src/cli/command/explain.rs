//! `windtunnel explain`: what a scenario demands and why, and the file itself.

use std::process::ExitCode;

use super::{Error, print};
use crate::cli::ExplainArgs;
use crate::load::{self, Loaded, SelectError, Selection};
use crate::saboteur::Saboteur;

pub(super) fn explain(args: &ExplainArgs) -> Result<ExitCode, Error> {
    let root = load::find_root(args.scenarios.as_deref());
    let selection = Selection { names: args.names.clone(), profiles: Vec::new() };
    match load::select(root.as_deref(), &selection) {
        Ok(scenarios) => {
            let all: Vec<String> = scenarios.iter().map(text).collect();
            print(&all.join("\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ (SelectError::NoScenarios | SelectError::NothingMatches { .. })) => {
            eprintln!("error: {error}");
            Ok(ExitCode::from(3))
        }
        Err(error) => Err(Error::Input(error.to_string())),
    }
}

fn text(loaded: &Loaded) -> String {
    let scenario = &loaded.scenario;
    let mut text = format!("{}  {}\n", loaded.id(), scenario.title);
    if let Some(description) = &scenario.description {
        text.push_str(&format!("\n{}\n", description.trim_end()));
    }
    let needs: Vec<&str> = scenario.needs.iter().map(|need| need.value.as_str()).collect();
    text.push_str(&format!("\nlevel     {}\nprofile   {}\n", scenario.level, scenario.profile.value));
    let rows = [
        ("needs", needs.join(", ")),
        ("anchors", scenario.anchors.join(", ")),
        ("evidence", scenario.evidence.join(", ")),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{name:9} {value}\n"));
    }
    for name in &scenario.sabotage {
        let summary = Saboteur::named(&name.value).map(Saboteur::summary).unwrap_or_default();
        text.push_str(&format!("sabotage  {}: {summary}\n", name.value));
    }
    text.push_str(&format!("file      {}\n\n", loaded.source.path.display()));
    for line in loaded.source.text.lines() {
        text.push_str(&format!("    {line}\n"));
    }
    text
}
