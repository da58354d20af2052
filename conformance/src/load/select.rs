//! What the command line names: ids, globs, files, folders and profiles, turned into loaded scenarios.
//! Every name must match something; what a name that matches nothing was meant to be, `names` says.

use std::path::{Path, PathBuf};

use crate::outcome::LeftOut;

use super::{Loaded, Problems, duplicate, find, find_root, names, read_files_in, suite_in};

/// What the command line named.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Ids, globs and files; none means all.
    pub names: Vec<String>,
    /// Profiles; none means all.
    pub profiles: Vec<String>,
}

/// Why nothing could be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// Bad input.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// No such profile.
    #[error("no profile is called `{name}`{}", hint(.close))]
    Profile {
        /// As given.
        name: String,
        /// The closest one.
        close: Option<String>,
    },
    /// Nothing matched a name.
    #[error("no scenario matches `{name}`{}", hints(.close))]
    NothingMatches {
        /// As given.
        name: String,
        /// The closest ids.
        close: Vec<String>,
    },
    /// There are no scenarios at all.
    #[error("no scenarios found; name their folder with --scenarios DIR")]
    NoScenarios,
}

fn hint(close: &Option<String>) -> String {
    close.as_ref().map(|close| format!("; did you mean `{close}`?")).unwrap_or_default()
}

fn hints(close: &[String]) -> String {
    match close {
        [] => String::new(),
        _ => format!("; did you mean `{}`?", close.join("`, `")),
    }
}

/// Loads what was selected. Every name must match something.
pub fn select(root: Option<&Path>, selection: &Selection) -> Result<Vec<Loaded>, SelectError> {
    known_profiles(&selection.profiles)?;
    let (named, ids): (Vec<&String>, Vec<&String>) = selection.names.iter().partition(|name| is_file(name));
    let mut files = Vec::new();
    for name in &named {
        files.extend(below(name)?);
    }
    let mut chosen = read_files_in(root, &files)?;
    if named.is_empty() || !ids.is_empty() {
        let all = suite_in(root)?;
        if all.is_empty() {
            return Err(SelectError::NoScenarios);
        }
        for name in &ids {
            if !all.iter().any(|one| names::glob(name, one.id())) {
                let file = format!("./{name}.yaml");
                let beside = Path::new(&file).is_file();
                let close = if beside { vec![file] } else { names::closest_ids(name, all.iter().map(Loaded::id)) };
                return Err(SelectError::NothingMatches { name: (*name).clone(), close });
            }
        }
        let named = all.into_iter().filter(|one| ids.is_empty() || ids.iter().any(|name| names::glob(name, one.id())));
        merge(&mut chosen, named)?;
    }
    let profiles = &selection.profiles;
    chosen.retain(|one| profiles.is_empty() || profiles.contains(&one.scenario.profile.value));
    let usual = find_root(None).and_then(|root| root.canonicalize().ok());
    for one in &mut chosen {
        let file = one.source.path.canonicalize();
        let by_file = file
            .as_ref()
            .is_ok_and(|file| files.iter().any(|path| path.canonicalize().is_ok_and(|path| path == *file)));
        one.named = ids.iter().any(|name| name.eq_ignore_ascii_case(one.id())) || by_file;
        one.in_suite = match &usual {
            Some(usual) => file.is_ok_and(|file| file.starts_with(usual)),
            None => file.is_err(),
        };
    }
    Ok(chosen)
}

/// How many scenarios of the suite are not among the chosen ones, by profile and level.
pub fn left_out(root: Option<&Path>, chosen: &[Loaded]) -> LeftOut {
    let mut left_out = LeftOut::new();
    for one in suite_in(root).unwrap_or_default() {
        if !chosen.iter().any(|chosen| chosen.id() == one.id()) {
            *left_out.entry((one.scenario.profile.value, one.scenario.level)).or_default() += 1;
        }
    }
    left_out
}

/// Adds scenarios of the suite to files of the command line: the same file counts once, the same id twice is refused.
fn merge(chosen: &mut Vec<Loaded>, suite: impl Iterator<Item = Loaded>) -> Result<(), Problems> {
    let files = chosen.len();
    let mut problems = Vec::new();
    for new in suite {
        let same = |one: &Loaded| one.source.path.canonicalize().ok() == new.source.path.canonicalize().ok();
        if chosen[..files].iter().any(|one| one.id() == new.id() && same(one)) {
            continue;
        }
        problems.extend(duplicate(&chosen[..files], &new));
        chosen.push(new);
    }
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

fn known_profiles(names: &[String]) -> Result<(), SelectError> {
    let known = || crate::capability::PROFILES.iter().map(|profile| profile.name);
    match names.iter().find(|name| !known().any(|profile| profile == *name)) {
        Some(name) => {
            let close = names::closest(name, known()).map(str::to_owned);
            Err(SelectError::Profile { name: name.clone(), close })
        }
        None => Ok(()),
    }
}

fn is_file(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml") || name.contains('/') || Path::new(name).is_dir()
}

/// The file of this name, or all scenario files of the folder.
fn below(name: &str) -> Result<Vec<PathBuf>, SelectError> {
    let path = std::path::absolute(name).unwrap_or_else(|_| PathBuf::from(name));
    if !path.is_dir() {
        return Ok(vec![path]);
    }
    let files = find::files(&path).map_err(|error| Problems::unreadable(&path, &error))?;
    if files.is_empty() {
        return Err(SelectError::NothingMatches { name: name.to_owned(), close: Vec::new() });
    }
    Ok(files)
}
