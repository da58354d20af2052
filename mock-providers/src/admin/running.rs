//! What runs at this moment: health, addresses, numbers, counts, the pause.

use serde_json::{Map, Value, json};

use super::Desk;
use super::call::Call;
use super::reply::{Refusal, Reply};
use crate::provider::MockProvider;

/// What can be reset.
const PARTS: [&str; 5] = ["journal", "rules", "faults", "limits", "states"];

pub(super) async fn health(_: &Desk, _: Call<'_>) -> Result<Reply, Refusal> {
    Ok(Reply::json(&json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})))
}

pub(super) async fn ready(desk: &Desk, _: Call<'_>) -> Result<Reply, Refusal> {
    let running = desk.fleet.running();
    let providers: Map<String, Value> =
        running.members().map(|member| (member.provider().name().to_owned(), json!({"url": member.url()}))).collect();
    Ok(Reply::json(&json!({
        "ready": true,
        "paused": desk.fleet.is_paused(),
        "saturated": desk.fleet.saturated(),
        "config": running.version,
        "now": desk.fleet.origin().elapsed().as_secs_f64() * 1e3,
        "providers": providers,
        "states": running.states().all(),
    })))
}

pub(super) async fn metrics(desk: &Desk, _: Call<'_>) -> Result<Reply, Refusal> {
    Ok(Reply::text("text/plain; version=0.0.4; charset=utf-8", desk.fleet.metrics()))
}

pub(super) async fn reset(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    let wanted = call.query("what").unwrap_or("all");
    let parts: Vec<&str> = if wanted == "all" { PARTS.to_vec() } else { wanted.split(',').map(str::trim).collect() };
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        let hint = format!("`what` is a list of {}, or `all`", PARTS.join(", "));
        return Err(Refusal::bad(format!("`{unknown}` is nothing that can be reset")).hint(hint));
    }
    let running = desk.fleet.running();
    for part in &parts {
        let providers = running.members().map(|member| member.provider());
        match *part {
            "journal" => providers.for_each(MockProvider::clear_journal),
            "rules" => providers.for_each(MockProvider::reset_counts),
            "limits" => providers.for_each(MockProvider::reset_limits),
            "states" => running.states().reset(),
            _ => _ = desk.fleet.withdraw(|_| true).await,
        }
    }
    Ok(Reply::json(&json!({"done": parts})))
}

pub(super) async fn pause(desk: &Desk, _: Call<'_>) -> Result<Reply, Refusal> {
    desk.fleet.pause();
    Ok(Reply::json(&json!({"done": ["pause"]})))
}

pub(super) async fn resume(desk: &Desk, _: Call<'_>) -> Result<Reply, Refusal> {
    desk.fleet.resume();
    Ok(Reply::json(&json!({"done": ["resume"]})))
}
