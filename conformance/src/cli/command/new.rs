//! `windtunnel new`: writes a scenario that passes as it is, and says what to do with it.
//! Refuses to write over anything, and ids and profiles that cannot be.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gateway::yaml::did_you_mean;

use super::{Error, print};
use crate::capability::{self, PROFILES};
use crate::cli::NewArgs;
use crate::load::{self, Selection, names};
use crate::schema::Kind;

/// Skeletons by profile; the first stands for all others.
const SKELETONS: &[(&str, &str, &str)] = &[
    ("core", include_str!("new/plain.yaml"), "The configured model replaces the client's"),
    ("failover", include_str!("new/failover.yaml"), "A provider that answers 503 is replaced within the same request"),
    ("streaming", include_str!("new/streaming.yaml"), "A stream that breaks off does not look complete"),
];

/// The schema's file, beside the scenarios.
const SCHEMA: &str = "schema.json";

pub(super) fn new(args: &NewArgs) -> Result<ExitCode, Error> {
    let group = group(&args.id)?;
    let profile = profile(args.profile.as_deref(), group)?;
    free(&args.id)?;
    let place = Place::of(args, group);
    std::fs::create_dir_all(&place.folder).map_err(Error::io(place.folder.display().to_string()))?;
    let file = place.folder.join(format!("{}.yaml", args.id));
    write_new(&file, &skeleton(args, profile, &place.modeline))?;
    let made = if place.schema.exists() { None } else { Some(place.schema) };
    if let Some(schema) = &made {
        write_new(schema, &Kind::Scenario.text())?;
    }
    print(&next(&file, made.as_deref(), profile, args))?;
    Ok(ExitCode::SUCCESS)
}

/// The letters before the number.
fn group(id: &str) -> Result<&str, Error> {
    let message = || format!("`{id}` is no id: a group in capital letters and a number, such as MY-01");
    id.split_once('-').filter(|_| names::is_id(id)).map(|(group, _)| group).ok_or_else(|| Error::Input(message()))
}

/// As told, else that of the group, else `core`.
fn profile(told: Option<&str>, group: &str) -> Result<&'static str, Error> {
    let Some(told) = told else {
        let of_group = PROFILES.iter().find(|profile| profile.groups.contains(&group));
        return Ok(of_group.map_or(PROFILES[0].name, |profile| profile.name));
    };
    capability::profile(told).map(|profile| profile.name).ok_or_else(|| {
        let names = PROFILES.iter().map(|profile| profile.name);
        let hint = match did_you_mean(told, names.clone()) {
            Some(close) => format!("; did you mean `{close}`?"),
            None => format!("; there are {}", names.collect::<Vec<_>>().join(", ")),
        };
        Error::Input(format!("no profile is called `{told}`{hint}"))
    })
}

/// An id of the suite means one scenario for ever.
fn free(id: &str) -> Result<(), Error> {
    let root = load::find_root(None);
    let suite = load::select(root.as_deref(), &Selection { names: vec![id.to_owned()], ..Selection::default() });
    match suite.ok().and_then(|found| found.into_iter().next()) {
        Some(taken) => {
            let message = format!("the id `{id}` is taken by {}", taken.source.path.display());
            Err(Error::Input(message))
        }
        None => Ok(()),
    }
}

/// Where a scenario goes, and the schema for editors.
struct Place {
    folder: PathBuf,
    schema: PathBuf,
    /// The schema, as the scenario names it.
    modeline: String,
}

impl Place {
    fn of(args: &NewArgs, group: &str) -> Place {
        let beside = |folder: &Path| Place {
            folder: folder.to_owned(),
            schema: folder.join(SCHEMA),
            modeline: SCHEMA.to_owned(),
        };
        match (&args.dir, load::find_root(None)) {
            (Some(dir), _) => beside(dir),
            (None, Some(root)) => Place {
                folder: shown(&root.join(group.to_lowercase())),
                schema: shown(&root.join(SCHEMA)),
                modeline: format!("../{SCHEMA}"),
            },
            (None, None) => beside(Path::new(".")),
        }
    }
}

/// Below the current folder as seen from there.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).to_owned()
}

fn skeleton(args: &NewArgs, profile: &str, schema: &str) -> String {
    let found = SKELETONS.iter().find(|(of, ..)| *of == profile).unwrap_or(&SKELETONS[0]);
    let (_, text, usual) = found;
    let title = args.title.as_deref().unwrap_or(usual);
    let title = serde_json::to_string(title).expect("a text is JSON");
    text.replace("@SCHEMA@", schema).replace("@ID@", &args.id).replace("@PROFILE@", profile).replace("@TITLE@", &title)
}

fn write_new(file: &Path, text: &str) -> Result<(), Error> {
    let mut opened = OpenOptions::new().write(true).create_new(true).open(file).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            Error::Input(format!("{} is there already; nothing was written", file.display()))
        } else {
            Error::Io(format!("cannot write {}", file.display()), error)
        }
    })?;
    opened.write_all(text.as_bytes()).map_err(Error::io(format!("cannot write {}", file.display())))
}

fn next(file: &Path, schema: Option<&Path>, profile: &str, args: &NewArgs) -> String {
    let shown = file.display();
    let mut text = format!("wrote {shown} (profile {profile})\n");
    if args.profile.is_none() {
        text.push_str("      another one: --profile NAME\n");
    }
    if let Some(schema) = schema {
        text.push_str(&format!("wrote {} (for editors)\n", schema.display()));
    }
    text.push_str(&format!(
        "next  edit it, then\n\
         \x20     windtunnel run {shown}        it must pass\n\
         \x20     windtunnel trust {shown}      and turn red under the saboteurs that it names\n\
         \x20     windtunnel explain {shown}    what it says to others\n"
    ));
    text
}
