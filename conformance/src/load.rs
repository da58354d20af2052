//! Finds scenario files, reads them and refuses what is wrong with them, all at once, each with its place.
//! Owns no meaning beyond names: what a scenario does is `run`.

mod check;
mod manifests;
mod names;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::yaml::{self, Problem, Source};
use mock_providers::script::Provider;
use serde::Deserialize;

use crate::scenario::Scenario;

/// A scenario together with the file it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The scenario.
    pub scenario: Scenario,
    /// Its file, with the path as shown to people.
    pub source: Arc<Source>,
    /// The folder that `use:` paths are relative to.
    pub root: Arc<PathBuf>,
    /// Whether its id finds it without further words: it lies in the suite that a run from here takes.
    pub in_suite: bool,
    /// Whether it was named by its id or file, not only by a pattern or a profile.
    pub named: bool,
}

impl Loaded {
    /// The id.
    pub fn id(&self) -> &str {
        &self.scenario.id.value
    }

    /// What `run` must be told to run it alone.
    pub fn argument(&self) -> String {
        if self.in_suite { self.id().to_owned() } else { self.source.path.display().to_string() }
    }
}

/// Everything wrong with the input.
#[derive(Debug, thiserror::Error)]
#[error("{}", join(.0))]
pub struct Problems(pub Vec<Problem>);

fn join(problems: &[Problem]) -> String {
    let all: Vec<String> = problems.iter().map(Problem::to_string).collect();
    all.join("\n\n")
}

/// The scenario folder: as told, else the nearest `scenarios` from the current folder upward,
/// else the one this binary was built beside.
pub fn find_root(told: Option<&Path>) -> Option<PathBuf> {
    if let Some(told) = told {
        return told.is_dir().then(|| told.to_owned());
    }
    let here = std::env::current_dir().ok()?;
    let built = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios"));
    here.ancestors()
        .map(|folder| folder.join("scenarios"))
        .find(|folder| folder.is_dir())
        .or_else(|| built.canonicalize().ok())
}

/// Reads the whole suite below `root`.
pub fn suite(root: &Path) -> Result<Vec<Loaded>, Problems> {
    let mut files = Vec::new();
    collect(root, root, &mut files).map_err(|error| {
        Problems(vec![Problem::of_file(root, format!("the scenario folder cannot be read: {error}"))])
    })?;
    files.sort();
    read_files(root, &files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path != root.join("fixtures") {
                collect(root, &path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    Ok(())
}

/// Reads these files; `use:` paths are relative to `root`.
pub fn read_files(root: &Path, files: &[PathBuf]) -> Result<Vec<Loaded>, Problems> {
    let root = Arc::new(root.to_owned());
    let mut problems = Vec::new();
    let mut all: Vec<Loaded> = Vec::new();
    for file in files {
        match read_file(&root, file) {
            Ok(loaded) => {
                problems.extend(check::scenario(&loaded));
                problems.extend(duplicate(&all, &loaded));
                all.push(loaded);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(Problems(problems)) }
}

fn duplicate(all: &[Loaded], new: &Loaded) -> Option<Problem> {
    let first = all.iter().find(|one| one.id() == new.id())?;
    let message = format!("the id `{}` is taken by {}", new.id(), first.source.path.display());
    Some(at(&new.source, &new.scenario.id, message))
}

/// Only the provider scripts, so that their mistakes have places too.
#[derive(Deserialize)]
struct Scripts {
    #[serde(default)]
    #[expect(dead_code, reason = "read for its errors only: references are filled in later")]
    providers: BTreeMap<String, Provider>,
}

fn read_file(root: &Arc<PathBuf>, file: &Path) -> Result<Loaded, Problem> {
    let shown = shown(file);
    let text = std::fs::read_to_string(file)
        .map_err(|error| Problem::of_file(&shown, format!("the file cannot be read: {error}")))?;
    let source = Source::new(shown, text);
    let documents = yaml::documents(&source);
    let [document] = documents.as_slice() else {
        return Err(
            Problem::of_file(&source.path, "a scenario file holds one document").with_hint("one file, one scenario")
        );
    };
    let scenario: Scenario = yaml::read(&source, document).map_err(|problem| with_line(&source, problem))?;
    yaml::read::<Scripts>(&source, document).map_err(|problem| with_line(&source, problem))?;
    Ok(Loaded { scenario, source: Arc::new(source), root: Arc::clone(root), in_suite: false, named: false })
}

/// The path relative to the current folder where it lies below it.
fn shown(file: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let inside = here.as_ref().and_then(|here| file.strip_prefix(here).ok());
    inside.unwrap_or(file).to_owned()
}

/// Scenario files hold no secrets of anybody: the line may be shown always.
fn with_line(source: &Source, mut problem: Problem) -> Problem {
    if problem.source_line.is_none() && problem.line > 0 {
        problem.source_line = source.text.lines().nth(problem.line - 1).map(|line| line.trim_end().to_owned());
        problem.caret_len = problem.caret_len.max(1);
    }
    problem
}

/// A problem at a value.
pub(crate) fn at<T>(source: &Source, value: &crate::scenario::At<T>, message: impl Into<String>) -> Problem {
    let line = usize::try_from(value.referenced.line()).unwrap_or(0);
    let column = usize::try_from(value.referenced.column()).unwrap_or(0);
    let width = usize::try_from(value.referenced.span().len()).unwrap_or(1);
    place(source, line, column, width, message)
}

/// A problem at a place, with its line and carets.
pub(crate) fn place(source: &Source, line: usize, column: usize, width: usize, message: impl Into<String>) -> Problem {
    let mut problem = source.problem(line, message);
    problem.column = column;
    let text = source.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim_end();
    let left = text.chars().count().saturating_sub(column.saturating_sub(1));
    problem.caret_len = width.clamp(1, left.max(1));
    problem.source_line = Some(text.to_owned());
    problem
}

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
    #[error("no scenarios found; run inside the project or name the folder with --scenarios DIR")]
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
    let (files, ids): (Vec<&String>, Vec<&String>) = selection.names.iter().partition(|name| is_file(name));
    let mut chosen = Vec::new();
    if !files.is_empty() {
        let paths: Vec<PathBuf> = files.iter().map(|file| absolute(file)).collect();
        let base = root.map_or_else(|| paths[0].parent().unwrap_or(Path::new(".")).to_owned(), Path::to_owned);
        chosen.extend(read_files(&base, &paths)?);
    }
    if files.is_empty() || !ids.is_empty() {
        let all = suite(root.ok_or(SelectError::NoScenarios)?)?;
        if all.is_empty() {
            return Err(SelectError::NoScenarios);
        }
        for name in &ids {
            if !all.iter().any(|one| names::glob(name, one.id())) {
                let close = names::closest_ids(name, all.iter().map(Loaded::id));
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
        one.named = ids.iter().any(|name| name.eq_ignore_ascii_case(one.id())) || !ids_only(&files, &one.source.path);
        one.in_suite = usual.as_ref().is_some_and(|root| file.is_ok_and(|file| file.starts_with(root)));
    }
    Ok(chosen)
}

/// Whether no file of the command line is this one.
fn ids_only(files: &[&String], path: &Path) -> bool {
    !files.iter().any(|file| absolute(file).canonicalize().ok() == path.canonicalize().ok())
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
    name.ends_with(".yaml") || name.ends_with(".yml") || name.contains('/')
}

fn absolute(file: &str) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| PathBuf::from(file))
}
