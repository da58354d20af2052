//! What saboteurs do to what the target says about its objects, after it was read and before anyone judges it.

use serde_json::Value;

use super::Context;
use crate::saboteur::Saboteur;

/// A reason that says nothing.
const NO_REASON: &str = "Invalid";
/// Conditions that are bad when they hold.
const BAD: &[&str] = &["PartiallyInvalid", "Conflicted", "OverlappingTLSConfig"];

/// Changes one object as it was read.
pub(crate) fn spoil(context: &Context, object: &mut Value) {
    let generation = object["metadata"]["generation"].clone();
    match context.saboteur {
        Saboteur::StatusAlwaysGood => each(&mut object["status"], &mut |all| {
            all.retain(|condition| !BAD.iter().any(|bad| condition["type"] == *bad));
            for condition in all.iter_mut().filter(|condition| condition["status"] != "True") {
                condition["status"] = Value::from("True");
                condition["reason"] = condition["type"].clone();
            }
        }),
        Saboteur::StatusPartsHidden => each(&mut object["status"], &mut |all| {
            all.retain(|condition| condition["type"] != "PartiallyInvalid");
            for condition in all.iter_mut().filter(|condition| condition["reason"] == "PartiallyValid") {
                condition["reason"] = condition["type"].clone();
            }
        }),
        Saboteur::StatusReasonLost => set(&mut object["status"], "reason", &Value::from(NO_REASON)),
        Saboteur::StatusGenerationStuck => set(&mut object["status"], "observedGeneration", &Value::from(1)),
        Saboteur::StatusStale => {
            let key = format!("{} {}/{}", object["kind"], object["metadata"]["namespace"], object["metadata"]["name"]);
            object["status"] = context.first_status(&key, &object["status"]);
            set(&mut object["status"], "observedGeneration", &generation);
        }
        _ => {}
    }
}

/// Changes every list of conditions, wherever it is.
fn each(value: &mut Value, change: &mut impl FnMut(&mut Vec<Value>)) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                match inner {
                    Value::Array(conditions) if key == "conditions" => change(conditions),
                    inner => each(inner, change),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, change)),
        _ => {}
    }
}

fn set(status: &mut Value, key: &str, to: &Value) {
    each(status, &mut |all| all.iter_mut().for_each(|condition| condition[key] = to.clone()));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route(status: &str, reason: &str, generation: i64) -> Value {
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": reason, "observedGeneration": generation});
        let conditions = json!([condition("ResolvedRefs", status), condition("PartiallyInvalid", "True")]);
        json!({
            "kind": "HTTPRoute", "metadata": {"name": "r", "generation": generation},
            "status": {"parents": [{"conditions": conditions}]},
        })
    }

    fn spoilt(saboteur: Saboteur, objects: impl IntoIterator<Item = Value>) -> Value {
        let context = Context::new(saboteur, String::new());
        let spoil_one = |mut object: Value| {
            spoil(&context, &mut object);
            object["status"]["parents"][0]["conditions"].clone()
        };
        objects.into_iter().map(spoil_one).last().expect("an object")
    }

    #[test]
    fn each_tells_one_lie() {
        let bad = || [route("False", "BackendNotFound", 2)];
        let good = spoilt(Saboteur::StatusAlwaysGood, bad());
        assert_eq!(good.as_array().map(Vec::len), Some(1));
        assert_eq!((&good[0]["status"], &good[0]["observedGeneration"]), (&json!("True"), &json!(2)));
        assert_eq!(spoilt(Saboteur::StatusPartsHidden, bad()).as_array().map(Vec::len), Some(1));
        assert_eq!(spoilt(Saboteur::StatusReasonLost, bad())[0]["reason"], NO_REASON);
        assert_eq!(spoilt(Saboteur::StatusGenerationStuck, bad())[0]["observedGeneration"], 1);
        let mended = [route("False", "BackendNotFound", 1), route("True", "ResolvedRefs", 2)];
        let stale = spoilt(Saboteur::StatusStale, mended);
        assert_eq!((&stale[0]["status"], &stale[0]["observedGeneration"]), (&json!("False"), &json!(2)));
    }
}
