//! Scenarios without steps: what the check of manifests says, and how a start with them ends.

use std::time::Duration;

use super::Setting;
use crate::expect::{Failure, Judge};
use crate::load::Loaded;
use crate::mask::Secrets;
use crate::saboteur::Saboteur;
use crate::scenario::{At, CheckExpect, StartExpect};
use crate::target::{Checked, LaunchError, Started};
use crate::vars::Vars;
use crate::world::WorldError;

/// A scenario about the check of manifests.
pub(super) async fn check(
    loaded: &Loaded,
    expect: &At<CheckExpect>,
    setting: &Setting,
    secrets: &Secrets,
) -> Result<Vec<Failure>, WorldError> {
    let checked = crate::world::check(loaded, &setting.target, secrets).await?;
    let checked = match setting.saboteur {
        Some(Saboteur::CheckSilent) => Checked { code: Some(0), output: String::new() },
        Some(Saboteur::CheckPlaceless) => Checked { code: Some(1), output: "error".to_owned() },
        _ => checked,
    };
    let vars = Vars::default();
    let mut judge = Judge::new(&vars, "check");
    let fails = &expect.value.fails;
    if checked.code != Some(i32::from(fails.value)) {
        let actual = checked.code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit code {code}"));
        let actual = format!("{actual}\n{}", checked.output);
        judge.fail(".fails", fails, format!("exit code {}", i32::from(fails.value)), actual);
    }
    if let Some(place) = &expect.value.at
        && !checked.output.contains(&format!(":{}", place.value))
    {
        judge.fail(".at", place, format!("a message about {}", place.value), checked.output.clone());
    }
    judge.maybe(".message", expect.value.message.as_ref(), || crate::matcher::Seen::one(checked.output.clone()));
    Ok(judge.failures)
}

/// How a process ended, in words; an adapter that says what it cannot do has not refused anything.
fn ended(code: Option<i32>, output: String) -> Result<String, WorldError> {
    let status = code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit code {code}"));
    if output.lines().any(|line| super::unable(line).is_some()) {
        return Err(WorldError::Launch(LaunchError::Ended { status, output }));
    }
    Ok(format!("{status}\n{output}"))
}

/// A scenario about a start with these manifests.
pub(super) async fn start(
    loaded: &Loaded,
    expect: &At<StartExpect>,
    setting: &Setting,
    secrets: &Secrets,
) -> Result<Vec<Failure>, WorldError> {
    let declared = setting.target.file.start.as_ref().and_then(|start| start.value.within).unwrap_or_default();
    let within = expect.value.within.unwrap_or(Duration::from_secs(3)).max(declared);
    let vars = Vars::default();
    let mut judge = Judge::new(&vars, "start");
    if let Some(place) = expect.value.control.first() {
        let mut good = loaded.clone();
        good.scenario.gateway.clone_from(&expect.value.control);
        good.scenario.gateway_text = None;
        let usual = Duration::from_secs(10).max(declared);
        let told = match crate::world::start_only(&good, &setting.target, usual, secrets).await? {
            Started::Serving(mut instance) => {
                instance.kill().await;
                None
            }
            Started::Ended(code, output) => Some(ended(code, output)?),
            Started::Silent(output) => Some(format!("it was never ready\n{output}")),
        };
        if let Some(told) = told {
            // Whoever never starts refuses nothing.
            judge.fail(".control", place, "it serves with these manifests", told.trim_end());
            return Ok(judge.failures);
        }
    }
    let started = crate::world::start_only(loaded, &setting.target, within, secrets).await?;
    let sabotaged = setting.saboteur == Some(Saboteur::StartsWhenBroken);
    let (failed, actual, output) = match started {
        Started::Ended(_, output) | Started::Silent(output) if sabotaged => (false, "it serves".to_owned(), output),
        Started::Serving(mut instance) => {
            instance.kill().await;
            let output = instance.output.text(0);
            (false, format!("it serves\n{output}"), output)
        }
        Started::Ended(code, output) => (code != Some(0), ended(code, output.clone())?, output),
        Started::Silent(output) => (true, "it was never ready".to_owned(), output),
    };
    let fails = &expect.value.fails;
    if failed != fails.value {
        let expected = if fails.value { "an exit code that is not 0, or never ready" } else { "it serves" };
        judge.fail(".fails", fails, expected, actual.trim_end());
    }
    judge.maybe(".message", expect.value.message.as_ref(), || crate::matcher::Seen::one(output.clone()));
    Ok(judge.failures)
}
