//! `windtunnel list`: scenarios, saboteurs, capabilities, profiles or options, for people or as JSON.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Error, print};
use crate::capability::{CAPABILITIES, OPTIONS, PROFILES};
use crate::cli::ListArgs;
use crate::load::{self, Loaded, SelectError, Selection};
use crate::saboteur::Saboteur;
use crate::scenario::At;

/// One thing of a list.
struct Row {
    line: String,
    data: Value,
}

pub(super) fn list(args: &ListArgs) -> Result<ExitCode, Error> {
    let rows: Vec<Row> = if args.saboteurs {
        Saboteur::ALL.iter().map(saboteur).collect()
    } else if args.capabilities {
        CAPABILITIES.iter().map(|one| named(one.name, one.summary)).collect()
    } else if args.profiles {
        PROFILES
            .iter()
            .map(|profile| Row {
                line: format!("{:11} {:9} {}", profile.name, profile.groups.join(" "), profile.summary),
                data: json!({"name": profile.name, "groups": profile.groups, "summary": profile.summary}),
            })
            .collect()
    } else if args.options {
        OPTIONS.iter().map(option).collect()
    } else {
        let root = load::find_root(args.scenarios.as_deref());
        match load::select(root.as_deref(), &Selection::default()) {
            Ok(scenarios) => scenarios.iter().map(scenario).collect(),
            Err(error @ SelectError::NoScenarios) => {
                eprintln!("error: {error}");
                return Ok(ExitCode::from(3));
            }
            Err(error) => return Err(Error::Input(error.to_string())),
        }
    };
    print(&text(&rows, args.json))?;
    Ok(ExitCode::SUCCESS)
}

fn text(rows: &[Row], json: bool) -> String {
    if json {
        let all: Value = rows.iter().map(|row| row.data.clone()).collect();
        return format!("{all:#}\n");
    }
    rows.iter().map(|row| format!("{}\n", row.line)).collect()
}

fn named(name: &str, summary: &str) -> Row {
    Row { line: format!("{name:31} {summary}"), data: json!({"name": name, "summary": summary}) }
}

fn saboteur(saboteur: &Saboteur) -> Row {
    let (name, seam, summary) = (saboteur.name(), saboteur.seam().to_string(), saboteur.summary());
    let classes: Vec<String> = saboteur.classes().iter().map(ToString::to_string).collect();
    Row {
        line: format!("{name:28} {seam:14} {:12} {summary}", classes.join(" ")),
        data: json!({"name": name, "seam": seam, "classes": classes, "summary": summary}),
    }
}

fn option(option: &crate::capability::Choice) -> Row {
    let usual: Value = serde_json::from_str(option.usual).unwrap_or_default();
    Row {
        line: format!("{:22} {:18} {}", option.name, option.usual, option.summary),
        data: json!({"name": option.name, "usual": usual, "summary": option.summary}),
    }
}

fn scenario(loaded: &Loaded) -> Row {
    let scenario = &loaded.scenario;
    let values = |list: &[At<String>]| -> Vec<String> { list.iter().map(|one| one.value.clone()).collect() };
    let level = scenario.level.to_string();
    let long = if scenario.long { " (long)" } else { "" };
    Row {
        line: format!("{:6} {level:6} {:11} {}{long}", loaded.id(), scenario.profile.value, scenario.title),
        data: json!({
            "id": loaded.id(),
            "title": scenario.title,
            "level": level,
            "profile": scenario.profile.value,
            "needs": values(&scenario.needs),
            "sabotage": values(&scenario.sabotage),
            "anchors": scenario.anchors,
            "evidence": scenario.evidence,
            "long": scenario.long,
            "timing": scenario.timing,
            "file": loaded.source.path.display().to_string(),
        }),
    }
}
