//! Finds scenario files, reads them and refuses what is wrong with them, all at once, each with its place.
//! Owns no meaning beyond names: what a scenario does is `run`.

mod check;
mod fill;
mod find;
mod manifests;
pub(crate) mod names;
mod select;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::yaml::{self, Problem, Source};
use mock_providers::script::Provider;
use serde::Deserialize;

use crate::scenario::Scenario;

pub(crate) use fill::unset;
pub use fill::{FillError, fill};
pub use find::{Roots, find_root};
pub use select::{SelectError, Selection, left_out, select};

/// A scenario together with the file it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The scenario.
    pub scenario: Scenario,
    /// Its file, with the path as shown to people.
    pub source: Arc<Source>,
    /// Where `use:` paths are looked for.
    pub root: Arc<Roots>,
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

impl Problems {
    fn unreadable(folder: &Path, error: &std::io::Error) -> Problems {
        Problems(vec![Problem::of_file(folder, format!("the scenario folder cannot be read: {error}"))])
    }
}

/// Reads the whole suite below `root`.
pub fn suite(root: &Path) -> Result<Vec<Loaded>, Problems> {
    suite_in(Some(root))
}

/// Reads the suite of a folder, or else the one in this program.
fn suite_in(root: Option<&Path>) -> Result<Vec<Loaded>, Problems> {
    match root {
        Some(root) => read_files(root, &find::files(root).map_err(|error| Problems::unreadable(root, &error))?),
        None => checked(find::built_in().map(|source| read(Roots::default(), source))),
    }
}

/// Reads these files; `use:` paths are relative to each file's own folder, else to `root`.
pub fn read_files(root: &Path, files: &[PathBuf]) -> Result<Vec<Loaded>, Problems> {
    read_files_in(Some(root), files)
}

fn read_files_in(root: Option<&Path>, files: &[PathBuf]) -> Result<Vec<Loaded>, Problems> {
    checked(files.iter().map(|file| {
        let shown = find::shown(file);
        let text = std::fs::read_to_string(file)
            .map_err(|error| Problem::of_file(&shown, format!("the file cannot be read: {error}")))?;
        read(Roots::new(Some(file), root), Source::new(shown, text))
    }))
}

fn checked(read: impl Iterator<Item = Result<Loaded, Problem>>) -> Result<Vec<Loaded>, Problems> {
    let mut problems = Vec::new();
    let mut all: Vec<Loaded> = Vec::new();
    for one in read {
        match one {
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

fn read(root: Roots, source: Source) -> Result<Loaded, Problem> {
    let documents = yaml::documents(&source);
    let [document] = documents.as_slice() else {
        return Err(
            Problem::of_file(&source.path, "a scenario file holds one document").with_hint("one file, one scenario")
        );
    };
    let scenario: Scenario = yaml::read(&source, document).map_err(|problem| with_line(&source, problem))?;
    yaml::read::<Scripts>(&source, document).map_err(|problem| with_line(&source, problem))?;
    Ok(Loaded { scenario, source: Arc::new(source), root: Arc::new(root), in_suite: false, named: false })
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
