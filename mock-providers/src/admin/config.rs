//! Reading and changing the configuration, whole or in parts.
//!
//! Owns entity tags, merge patches, and that secrets go out as marks and marks come in as secrets.

use serde_json::{Map, Value, json};

use super::Desk;
use super::call::Call;
use super::reply::{Refusal, Reply};
use crate::fleet::{Document, FleetError, Running};
use crate::script::Rule;

pub(super) async fn get(desk: &Desk, _: Call<'_>) -> Result<Reply, Refusal> {
    Ok(desk.shown(&desk.fleet.running()))
}

pub(super) async fn put(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    // First as it came, so that a position is one of the text that was sent.
    Document::read(call.text()?)?;
    let mut value: Value = call.read()?;
    desk.secrets.unmask(&mut value).map_err(Refusal::bad)?;
    let running = desk.fleet.change(tag(&call), |_| Ok(Document::of(value)?)).await?;
    Ok(desk.shown(&running))
}

pub(super) async fn patch(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    let patch: Value = call.read()?;
    let edit = |before: &Value| {
        let mut value = desk.secrets.mask(before);
        merge(&mut value, patch);
        desk.secrets.unmask(&mut value).map_err(FleetError::Edit)?;
        Ok(Document::of(value)?)
    };
    let running = desk.fleet.change(tag(&call), edit).await?;
    Ok(desk.shown(&running))
}

pub(super) async fn add_rule(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    let rule: Rule = call.read()?;
    let mut value: Value = call.read()?;
    let provider = desk.provider(&call)?;
    let mut name = rule.name.unwrap_or_default();
    let edit = |before: &Value| {
        let mut document = before.clone();
        let rules = rules(&mut document, &provider)?;
        let taken = |name: &str| rules.iter().any(|rule| rule["name"] == name);
        if name.is_empty() {
            let free = (1..).map(|n| format!("posted-{n}")).find(|name| !taken(name));
            name = free.expect("there is no last number");
            value["name"] = name.as_str().into();
        } else if taken(&name) {
            return Err(FleetError::Edit(format!("`{provider}` has a rule `{name}` already; delete it first")));
        }
        rules.insert(0, value);
        desk.unmasked(document)
    };
    let running = desk.fleet.change(tag(&call), edit).await?;
    let named = json!({"provider": provider, "name": name});
    Ok(Reply::json(&named).status(201).with("etag", running.tag()))
}

pub(super) async fn remove_rule(desk: &Desk, call: Call<'_>) -> Result<Reply, Refusal> {
    let (provider, name) = (desk.provider(&call)?, &call.parameters[0]);
    let edit = |before: &Value| {
        let mut document = before.clone();
        let rules = rules(&mut document, &provider)?;
        let place = rules.iter().position(|rule| rule["name"] == name.as_str());
        rules.remove(place.ok_or(FleetError::NoRule(provider.clone(), name.clone()))?);
        Ok(Document::of(document)?)
    };
    let running = desk.fleet.change(tag(&call), edit).await?;
    Ok(Reply::json(&json!({"provider": provider, "name": name})).with("etag", running.tag()))
}

impl Desk {
    fn shown(&self, running: &Running) -> Reply {
        Reply::json(&self.secrets.mask(&running.document().value)).with("etag", running.tag())
    }

    fn unmasked(&self, mut value: Value) -> Result<Document, FleetError> {
        self.secrets.unmask(&mut value).map_err(FleetError::Edit)?;
        Ok(Document::of(value)?)
    }

    /// The provider that a call names, or the only one.
    pub(super) fn provider(&self, call: &Call<'_>) -> Result<String, Refusal> {
        let running = self.fleet.running();
        let names: Vec<&str> = running.members().map(|member| member.provider().name()).collect();
        let known = format!("there are {}", names.join(", "));
        match (call.query("provider"), names.as_slice()) {
            (Some(name), names) if names.contains(&name) => Ok(name.to_owned()),
            (Some(name), _) => Err(Refusal::missing(format!("there is no provider `{name}`")).hint(known)),
            (None, [only]) => Ok((*only).to_owned()),
            (None, _) => Err(Refusal::bad("say `?provider=`, for there are several").hint(known)),
        }
    }
}

fn tag<'c>(call: &'c Call<'_>) -> Option<&'c str> {
    call.header("if-match").map(str::trim).filter(|tag| *tag != "*")
}

fn rules<'d>(document: &'d mut Value, provider: &str) -> Result<&'d mut Vec<Value>, FleetError> {
    let gone = || FleetError::Edit(format!("there is no provider `{provider}` any more"));
    let provider = document.get_mut("providers").and_then(|all| all.get_mut(provider)).ok_or_else(gone)?;
    if provider.is_null() {
        *provider = json!({});
    }
    let rules = provider.as_object_mut().map(|provider| provider.entry("rules").or_insert(Value::Null));
    let rules = rules.expect("a provider is a mapping");
    if rules.is_null() {
        *rules = json!([]);
    }
    Ok(rules.as_array_mut().expect("rules are a list"))
}

/// RFC 7396: objects are merged, null removes, anything else replaces.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let fields = target.as_object_mut().expect("it is one now");
    for (name, change) in patch {
        if change.is_null() {
            fields.shift_remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_does_what_the_examples_of_its_standard_say() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target;
            merge(&mut merged, patch);
            assert_eq!(merged, result);
        }
    }
}
