//! Where the configuration comes from: a file, or flags alone.

use std::path::{Path, PathBuf};

use gateway::yaml::{self, Problem, Source};
use mock_providers::credentials;
use mock_providers::fleet::Document;
use mock_providers::script::Config;
use serde_json::json;

use super::super::Error;
use super::DEFAULT;
use crate::cli::MockArgs;

/// What to read, and anew after a change.
pub(super) enum Configuration {
    /// A file.
    File(PathBuf),
    /// One provider without a script, at this address.
    Flags(String),
}

impl Configuration {
    pub(super) fn of(args: &MockArgs) -> Self {
        match &args.config {
            Some(path) => Self::File(path.clone()),
            None => {
                let listen = args.listen.unwrap_or(DEFAULT);
                Self::Flags(json!({"providers": {"openai": {"listen": listen}}}).to_string())
            }
        }
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Flags(_) => None,
        }
    }

    /// Where files that it names are looked for.
    pub(super) fn folder(&self) -> PathBuf {
        self.path().and_then(Path::parent).unwrap_or(Path::new("")).to_owned()
    }

    /// The text, with the name that messages give it.
    pub(super) fn source(&self) -> Result<Source, Error> {
        match self {
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(Error::io(path.display().to_string()))?;
                Ok(Source::new(path, text))
            }
            Self::Flags(text) => Ok(Source::new("flags", text.as_str())),
        }
    }

    pub(super) fn read(&self) -> Result<Document, Error> {
        let source = self.source()?;
        check(&source).map_err(|problem| Error::Input(problem.to_string()))?;
        // What the first reading lets pass, the second can hardly refuse.
        Document::read(&source.text).map_err(|error| Error::Input(format!("{}: {error}", source.path.display())))
    }
}

/// Reads for the sake of what is wrong, shown with its place.
pub(super) fn check(source: &Source) -> Result<Config, Problem> {
    let [one] = yaml::documents(source)[..] else {
        return Err(Problem::of_file(&source.path, "a mock configuration is one document"));
    };
    let config = yaml::read::<Config>(source, &one).map_err(discreet)?;
    if config.providers.is_empty() {
        let problem = Problem::of_file(&source.path, "there are no `providers`");
        return Err(problem.with_hint("such as `providers: {a: {}}`"));
    }
    Ok(config)
}

/// Without its line, if that has a key whose value may be a secret.
pub(super) fn discreet(problem: Problem) -> Problem {
    let secret = |word: &str| {
        word == "keys" || credentials::is_credential_header(word) || credentials::is_credential_parameter(word)
    };
    let mut words = problem.source_line.iter().flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '-'));
    if words.any(secret) { Problem { source_line: None, ..problem } } else { problem }
}
