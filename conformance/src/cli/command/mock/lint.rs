//! `windtunnel mock --lint`: what is wrong with a configuration, without starting it.
//!
//! Owns how findings are shown: like all other errors, each with its line. Refuses to find: the reader and
//! `mock_providers::lint` do.

use std::process::ExitCode;

use gateway::yaml::{Problem, Source};
use mock_providers::script::Config;
use mock_providers::{Finding, Severity};

use super::super::{Error, print};
use super::place::{self, Place};
use super::source::{Configuration, check, discreet};

pub(super) fn lint(configuration: &Configuration) -> Result<ExitCode, Error> {
    let source = configuration.source()?;
    let read = check(&source).and_then(|mut config| {
        let resolved = config.resolve(&configuration.folder());
        resolved.map_err(|error| Problem::of_file(&source.path, error.to_string()))?;
        Ok(config)
    });
    let (text, sound) = match read {
        Ok(config) => findings(&source, &config),
        Err(problem) => (format!("{problem}\n"), false),
    };
    print(&text)?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is found, in words, and whether there is no error among it.
fn findings(source: &Source, config: &Config) -> (String, bool) {
    let found = mock_providers::lint(config);
    let count = |severity| found.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let mut placed: Vec<_> = found.iter().map(|finding| (place::find(source, &finding.place), finding)).collect();
    placed.sort_by_key(|(place, _)| *place);
    let mut text: String = placed.into_iter().map(|(place, finding)| shown(source, place, finding) + "\n\n").collect();
    text += &match (errors, warnings) {
        (0, 0) => format!("{}: fine\n", source.path.display()),
        _ => format!("{}: {}, {}\n", source.path.display(), counted(errors, "error"), counted(warnings, "warning")),
    };
    (text, errors == 0)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn shown(source: &Source, place: Option<Place>, finding: &Finding) -> String {
    let Finding { severity, place: path, what, why, hint } = finding;
    let message = format!("{what}: {why}");
    let problem = match place {
        Some((line, column)) => discreet(source.problem_at(line, column, message)),
        None => Problem::of_file(&source.path, format!("{path}: {message}")),
    };
    let text = problem.with_hint(hint).to_string();
    match (severity, text.strip_prefix("error")) {
        (Severity::Warning, Some(rest)) => format!("warning{rest}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that is shown of a text, and whether it is sound.
    fn linted(text: &str) -> (String, bool) {
        let source = Source::new("mocks.yaml", text);
        let config = check(&source).unwrap_or_else(|problem| panic!("{problem}"));
        findings(&source, &config)
    }

    #[test]
    fn findings_show_their_lines_and_what_to_try() {
        let (text, sound) = linted(
            "version: 1\n\
             states:\n  outage: {initial: up, states: {up: {}, down: {}}}\n\
             providers:\n\
             \x20 a:\n\
             \x20   rules:\n\
             \x20     - respond: {text: everything}\n\
             \x20     - name: never\n\
             \x20       when: {model: gpt-4o}\n\
             \x20       to_state: {outage: dwn}\n\
             \x20     - {fault: {slow_accept: 2s, missing_done: true}}\n\
             \x20   faults:\n\
             \x20     - {probability: 0.7, status: 503}\n\
             \x20     - {probability: 0.7, status: 429}\n",
        );
        assert!(!sound);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn warnings_alone_are_no_failure_and_lines_with_secrets_stay_hidden() {
        let (text, sound) = linted(
            "providers:\n  a:\n    rules:\n      - {when: {header: {x-api-key: canary}}, fault: {slow_accept: 2s}}\n",
        );
        assert!(sound && text.contains("mocks.yaml:4:") && text.ends_with("0 errors, 1 warning\n"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn nothing_to_find_is_said() {
        assert_eq!(linted("providers: {a: {}}\n"), ("mocks.yaml: fine\n".to_owned(), true));
    }
}
