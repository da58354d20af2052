//! What a run adds to scenarios: values of variables from the command line, and what the environment must hold.
//! Owns that nothing stays unfilled in silence; reading and filling texts is `vars`.

use serde_json::Value;

use gateway::yaml::{Problem, Source, did_you_mean};

use super::{Loaded, Problems, at, check};
use crate::vars;

/// A shorter secret would be found by accident in every report, and masked there.
const SHORTEST: usize = 8;

/// Why values do not fit.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// Not written as it should be.
    #[error("`--var {0}` is not NAME=VALUE")]
    Form(String),
    /// No scenario asks for it.
    #[error("no scenario of this run has a variable `{name}`{hint}")]
    Unknown {
        /// As given.
        name: String,
        /// What was meant, or what there is.
        hint: String,
    },
    /// Another type than in the file.
    #[error("`--var {name}={value}`: {id} has {own} there, which is no text; give a value of that type")]
    Type {
        /// The variable.
        name: String,
        /// As given.
        value: String,
        /// The scenario.
        id: String,
        /// The value in its file.
        own: String,
    },
    /// Scenarios that are wrong with these values, or miss something in the environment.
    #[error(transparent)]
    Problems(#[from] Problems),
}

/// Puts `NAME=VALUE` settings in the place of the scenarios' own values, and looks for what the environment must hold.
pub fn fill(scenarios: &mut [Loaded], settings: &[String]) -> Result<(), FillError> {
    for setting in settings {
        let (name, value) = setting.split_once('=').ok_or_else(|| FillError::Form(setting.clone()))?;
        set(scenarios, name, value)?;
    }
    let changed = |loaded: &Loaded| if settings.is_empty() { Vec::new() } else { check::scenario(loaded) };
    let problems: Vec<Problem> =
        scenarios.iter().flat_map(|loaded| changed(loaded).into_iter().chain(unset(loaded))).collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems).into()) }
}

fn set(scenarios: &mut [Loaded], name: &str, value: &str) -> Result<(), FillError> {
    let mut found = false;
    for loaded in scenarios.iter_mut() {
        let id = loaded.id().to_owned();
        let Some(own) = loaded.scenario.variables.get_mut(name) else { continue };
        found = true;
        *own = typed(own, value).ok_or_else(|| FillError::Type {
            name: name.to_owned(),
            value: value.to_owned(),
            id,
            own: own.to_string(),
        })?;
    }
    if found { Ok(()) } else { Err(unknown(scenarios, name)) }
}

/// A text stays a text; anything else must stay of its type.
fn typed(own: &Value, text: &str) -> Option<Value> {
    if own.is_string() || own.is_null() {
        return Some(Value::from(text));
    }
    let value: Value = serde_json::from_str(text).ok()?;
    (std::mem::discriminant(own) == std::mem::discriminant(&value)).then_some(value)
}

fn unknown(scenarios: &[Loaded], name: &str) -> FillError {
    let names: Vec<&str> =
        scenarios.iter().flat_map(|loaded| loaded.scenario.variables.keys().map(String::as_str)).collect();
    let hint = match (did_you_mean(name, names.iter().copied()), names.as_slice()) {
        (Some(close), _) => format!("; did you mean `{close}`?"),
        (None, []) => "; none has any".to_owned(),
        (None, names) => format!("; there are {}", names.join(", ")),
    };
    FillError::Unknown { name: name.to_owned(), hint }
}

/// What a scenario and its fixtures take from the environment, and is not there.
pub(crate) fn unset(loaded: &Loaded) -> Vec<Problem> {
    let mut problems = of_references(&loaded.source);
    let changes = loaded.scenario.all_steps().filter_map(|step| step.change.as_ref());
    let entries = loaded.scenario.gateway.iter().chain(changes.flat_map(|change| &change.apply));
    let used = entries.filter_map(|entry| loaded.root.read(entry.value.get("use")?.as_str()?).ok());
    problems.extend(used.flat_map(|fixture| of_references(&fixture)));
    for secret in loaded.scenario.secrets.values() {
        let Some(variable) = &secret.env else { continue };
        let message = match std::env::var(&variable.value) {
            Err(_) => format!("the environment variable `{}` is not set", variable.value),
            Ok(value) if value.len() < SHORTEST => {
                format!("the secret in `{}` is too short to be kept out of reports", variable.value)
            }
            Ok(_) => continue,
        };
        problems.push(at(&loaded.source, variable, message).with_hint(hint(&variable.value)));
    }
    problems
}

fn of_references(source: &Source) -> Vec<Problem> {
    let asked = vars::references(&source.text).into_iter().filter_map(|(start, name)| {
        let variable = name.strip_prefix("env.")?;
        (!check::in_comment(source, start) && std::env::var_os(variable).is_none()).then_some((start, name, variable))
    });
    asked
        .map(|(start, name, variable)| {
            let message = format!("the environment variable `{variable}` is not set");
            check::offset(source, start, name.len() + 3, message).with_hint(hint(variable))
        })
        .collect()
}

fn hint(variable: &str) -> String {
    format!("set it for the run: `export {variable}=…`, at least {SHORTEST} characters when it is a secret")
}
