//! Reads a scenario's manifests as the gateway will, before anything runs, and says where in the scenario (or in the
//! fixture it uses) a mistake stands. Refuses what the strict reader refuses; what objects mean together is not judged.

use gateway::yaml::{self, Problem, Source};
use serde_json::Value;

use super::{Loaded, at, place};
use crate::capability::CAPABILITIES;
use crate::manifest::{self, Manifests};
use crate::scenario::At;
use crate::vars::Vars;
use crate::world;

/// All problems of the manifests; those that are meant to be refused need only be manifests.
pub(super) fn problems(loaded: &Loaded) -> Vec<Problem> {
    let scenario = &loaded.scenario;
    let vars = world::placeholders(scenario);
    let refused = scenario.check.as_ref().is_some_and(|check| check.value.fails.value);
    let mut problems = Vec::new();
    problems.extend(scenario.gateway.iter().flat_map(|entry| of_entry(loaded, entry, &vars, refused)));
    for change in scenario.all_steps().filter_map(|step| step.change.as_ref()) {
        let refused = change.refused.is_some();
        problems.extend(change.apply.iter().flat_map(|entry| of_entry(loaded, entry, &vars, refused)));
    }
    problems
}

fn of_entry(loaded: &Loaded, entry: &At<Value>, vars: &Vars, refused: bool) -> Vec<Problem> {
    if let Some(name) = manifest::need(&entry.value)
        && !CAPABILITIES.iter().any(|capability| capability.name == name)
    {
        let close = yaml::did_you_mean(name, CAPABILITIES.iter().map(|capability| capability.name));
        let problem = at(&loaded.source, entry, format!("no capability is called `{name}`"));
        return vec![match close {
            Some(close) => problem.with_hint(format!("did you mean `{close}`?")),
            None => problem,
        }];
    }
    let documents = match manifest::documents(&entry.value, &loaded.root) {
        Ok(_) if refused => return Vec::new(),
        Ok(documents) => documents,
        Err(message) => return vec![at(&loaded.source, entry, message)],
    };
    let fixture = entry.value.get("use").and_then(Value::as_str).and_then(|used| loaded.root.read(used).ok());
    let source = fixture.as_ref().unwrap_or(&loaded.source);
    let starts: Vec<usize> = match &fixture {
        Some(fixture) => yaml::documents(fixture).iter().map(|one| line_start(&fixture.text, one.first_line)).collect(),
        None => vec![start(&loaded.source, entry)],
    };
    let each = documents.iter().zip(starts);
    each.flat_map(|(document, start)| of_document(source, start, vars.value(document))).collect()
}

fn of_document(source: &Source, start: usize, document: Value) -> Vec<Problem> {
    let printed = Source::new(&source.path, Manifests::new(vec![document]).print());
    match gateway::config::from_sources(std::slice::from_ref(&printed)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| moved(source, start, &printed.text, problem)).collect(),
    }
}

/// The same problem where the author wrote it, else at the start of the manifest.
fn moved(source: &Source, start: usize, printed: &str, problem: Problem) -> Problem {
    let (offset, width) = twin(&source.text[start..], printed, &problem).unwrap_or((0, 1));
    let before = &source.text[..start + offset];
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let line = before.matches('\n').count() + 1;
    Problem { hint: problem.hint, ..place(source, line, column, width, problem.message) }
}

/// The word that a problem points to in the printed text, found again in what was written: the same occurrence of it.
fn twin(written: &str, printed: &str, problem: &Problem) -> Option<(usize, usize)> {
    let line = printed.lines().nth(problem.line.checked_sub(1)?)?;
    let inside = line.char_indices().nth(problem.column.checked_sub(1)?)?.0;
    let word: &str = line[inside..].split(|c| !is_word(c)).next().filter(|word| !word.is_empty())?;
    let at = line_start(printed, problem.line) + inside;
    let is_key = follows_as_key(&printed[at + word.len()..]);
    let nth = occurrences(printed, word, is_key).take_while(|found| *found < at).count();
    let found: Vec<usize> = occurrences(written, word, is_key).take(nth + 1).collect();
    Some((found.get(nth).or(found.first()).copied()?, word.chars().count()))
}

fn occurrences<'t>(text: &'t str, word: &'t str, is_key: bool) -> impl Iterator<Item = usize> + 't {
    let whole = move |at: &usize| {
        let (before, after) = (&text[..*at], &text[at + word.len()..]);
        !before.ends_with(is_word) && !after.starts_with(is_word) && (!is_key || follows_as_key(after))
    };
    text.match_indices(word).map(|(at, _)| at).filter(whole)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}

fn follows_as_key(after: &str) -> bool {
    after.trim_start_matches(['"', '\'', ' ']).starts_with(':')
}

/// The byte at which a value of a scenario begins.
fn start(source: &Source, entry: &At<Value>) -> usize {
    let line = usize::try_from(entry.referenced.line()).unwrap_or(1);
    let column = usize::try_from(entry.referenced.column()).unwrap_or(1);
    let start = line_start(&source.text, line);
    let more = source.text[start..].char_indices().nth(column.saturating_sub(1));
    start + more.map_or(0, |(at, _)| at)
}

/// The byte at which a line (from 1) begins.
fn line_start(text: &str, line: usize) -> usize {
    text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum()
}
