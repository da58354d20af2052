//! `windtunnel explain`: what a scenario demands, why, what shows that it can fail, and how to run it.

use std::process::ExitCode;

use super::{Error, print};
use crate::capability::CAPABILITIES;
use crate::cli::ExplainArgs;
use crate::link;
use crate::load::{self, Loaded, SelectError, Selection};
use crate::saboteur::Saboteur;

pub(super) fn explain(args: &ExplainArgs) -> Result<ExitCode, Error> {
    let root = load::find_root(args.scenarios.as_deref());
    let selection = Selection { names: args.names.clone(), profiles: Vec::new() };
    match load::select(root.as_deref(), &selection) {
        Ok(scenarios) => {
            let one = |loaded: &Loaded| if args.yaml { loaded.source.text.clone() } else { text(loaded) };
            let all: Vec<String> = scenarios.iter().map(one).collect();
            print(&all.join(if args.yaml { "---\n" } else { "\n" }))?;
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
    text.push('\n');
    for (name, value) in rows(loaded) {
        text.push_str(&format!("{name:9} {value}\n"));
    }
    text
}

/// Name and value of every row; the name stands at the first of several.
fn rows(loaded: &Loaded) -> Vec<(&'static str, String)> {
    let scenario = &loaded.scenario;
    let mut rows = vec![("level", scenario.level.to_string()), ("profile", scenario.profile.value.clone())];
    let summary = |name: &str| CAPABILITIES.iter().find(|one| one.name == name).map(|one| one.summary);
    let needs = scenario.needs.iter().map(|need| with(&need.value, summary(&need.value)));
    rows.extend(list("needs", needs));
    rows.extend(list("anchors", scenario.anchors.iter().map(|one| linked(one, link::anchor(one)))));
    rows.extend(list("evidence", scenario.evidence.iter().map(|one| linked(one, link::evidence(one)))));
    let defect = |name: &str| Saboteur::named(name).map(Saboteur::summary);
    let sabotage = scenario.sabotage.iter().map(|name| with(&name.value, defect(&name.value)));
    rows.extend(list("sabotage", sabotage));
    if scenario.timing {
        rows.push(("timing", "its verdict rests on time; a must is run three times".to_owned()));
    }
    if scenario.long {
        rows.push(("long", "not in the quick set; runs with --long, or when it is named".to_owned()));
    }
    rows.push(("file", loaded.source.path.display().to_string()));
    rows.push(("run", format!("windtunnel run {}", loaded.argument())));
    if let Some(name) = scenario.sabotage.first() {
        rows.push(("", format!("windtunnel run {} --sabotage {}", loaded.argument(), name.value)));
    }
    rows
}

fn list(name: &'static str, values: impl Iterator<Item = String>) -> Vec<(&'static str, String)> {
    values.enumerate().map(|(index, value)| (if index == 0 { name } else { "" }, value)).collect()
}

fn with(name: &str, summary: Option<&str>) -> String {
    summary.map_or_else(|| name.to_owned(), |summary| format!("{name}: {summary}"))
}

fn linked(reference: &str, address: Option<String>) -> String {
    match address {
        Some(address) if address != reference => format!("{reference} <{address}>"),
        _ => reference.to_owned(),
    }
}
