//! Faults that come over those of the scripts, one at a time: put there, listed, taken away.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use super::Desk;
use super::call::Call;
use super::reply::{Refusal, Reply};
use crate::fleet;
use crate::rules::Injected;
use crate::script::Fault;

pub(super) async fn add(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    // First as it came, so that a position is one of the text that was sent.
    call.read::<Fault>()?;
    let mut written: Value = call.read()?;
    desk.secrets.unmask(&mut written).map_err(Refusal::bad)?;
    let fault: Fault = fleet::read(&written.to_string())?;
    let provider = desk.provider(&call)?;
    let id = format!("fault-{}", desk.injected.fetch_add(1, Relaxed) + 1);
    desk.fleet.inject(&provider, id.clone(), fault, written).await?;
    Ok(Reply::json(&json!({"provider": provider, "id": id})).status(201))
}

pub(super) async fn list(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    let only = call.query("provider").map(|_| desk.provider(&call)).transpose()?;
    let mut injected = desk.fleet.injected();
    injected.retain(|(provider, _)| only.as_ref().is_none_or(|only| provider == only));
    let shown = |(provider, injected): &(String, Injected)| {
        let fault = desk.secrets.mask(&injected.written);
        json!({"id": *injected.id, "provider": provider, "fired": injected.fired(), "fault": fault})
    };
    Ok(Reply::json(&json!({"faults": injected.iter().map(shown).collect::<Vec<_>>()})))
}

pub(super) async fn remove(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    let id = &call.parameters[0];
    if desk.fleet.withdraw(|injected| *injected.id == **id).await == 0 {
        let known: Vec<String> = desk.fleet.injected().iter().map(|(_, injected)| injected.id.to_string()).collect();
        let hint = match known.is_empty() {
            true => "there is none; those of the script are part of the configuration".to_owned(),
            false => format!("there are {}", known.join(", ")),
        };
        return Err(Refusal::missing(format!("no fault `{id}` was put over a script")).hint(hint));
    }
    Ok(Reply::json(&json!({"done": [id]})))
}
