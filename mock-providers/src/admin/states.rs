//! The state machines as they are now, and sending them elsewhere.

use serde_json::{Map, Value, json};

use super::Desk;
use super::call::Call;
use super::reply::{Refusal, Reply};
use crate::states::StateError;

pub(super) async fn list(desk: &Desk, _: Call<'_>) -> Result<Reply, Refusal> {
    let running = desk.fleet.running();
    let machines = &running.document().config().states;
    let shown = |(machine, state): (String, String)| {
        let known: Vec<&String> = machines[&machine].states.keys().collect();
        let shown = json!({"state": state, "states": known});
        (machine, shown)
    };
    let states: Map<String, Value> = running.states().all().into_iter().map(shown).collect();
    Ok(Reply::json(&json!({"elapsed": running.states().elapsed().as_secs_f64() * 1e3, "machines": states})))
}

pub(super) async fn put(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    let machine = &call.parameters[0];
    let body: Value = call.read()?;
    let wanted = match &body {
        Value::Object(fields) if fields.len() == 1 => fields.get("state").and_then(Value::as_str),
        other => other.as_str(),
    };
    let state =
        wanted.ok_or_else(|| Refusal::bad("the body names no state").hint("such as `{\"state\": \"down\"}`"))?;
    desk.fleet.running().states().set(machine, state).map_err(|error| match error {
        StateError::UnknownMachine { .. } => Refusal::missing(error.to_string()),
        StateError::UnknownState { .. } => Refusal::bad(error.to_string()),
    })?;
    Ok(Reply::json(&json!({"machine": machine, "state": state})))
}
