//! What the target says about an object against what it should say. Reads the shape in which the Kubernetes API shows
//! objects: conditions of the object itself, of its listeners, or of each of its parents or ancestors.

use serde_json::Value;

use super::Judge;
use crate::matcher::Seen;
use crate::scenario::At;
use crate::scenario::expect::{ConditionExpect, StatusExpect};

/// One object as it was read; `Err` says why there is none.
pub type Reading = Result<Value, String>;

/// Judges what was read of an object; `generation` is its present one, where that is known.
pub fn judge(judge: &mut Judge<'_>, expect: &At<StatusExpect>, reading: &Reading, generation: Option<i64>) {
    let wanted = &expect.value;
    let what = format!("the status of {} {}/{}", wanted.kind.value, wanted.namespace(), wanted.name);
    let object = match reading {
        Ok(object) => object,
        Err(why) => return judge.fail("", expect, what, why.as_str()),
    };
    let groups = groups(&object["status"], wanted);
    if groups.is_empty() {
        let about = match (&wanted.listener, &wanted.parent) {
            (Some(listener), _) => format!("{what} about its listener {listener}"),
            (None, Some(parent)) => format!("{what} about its parent {parent}"),
            (None, None) => what,
        };
        return judge.fail("", expect, about, object["status"].to_string());
    }
    for conditions in groups {
        for (kind, wanted) in &wanted.conditions {
            let condition = conditions.iter().find(|condition| condition["type"] == *kind);
            judge.below(&format!(".conditions.{kind}"), |judge| one(judge, wanted, condition, generation));
        }
    }
}

/// The lists of conditions that are meant: one of a listener or of the object itself, or one for each parent.
fn groups<'s>(status: &'s Value, wanted: &StatusExpect) -> Vec<&'s Vec<Value>> {
    let entries = |name: &str| status[name].as_array().into_iter().flatten();
    if let Some(listener) = &wanted.listener {
        let own = entries("listeners").filter(|entry| entry["name"] == *listener);
        return own.filter_map(|entry| entry["conditions"].as_array()).collect();
    }
    let of_parents =
        [("parents", "parentRef"), ("ancestors", "ancestorRef")].into_iter().flat_map(|(list, reference)| {
            let meant =
                move |entry: &&Value| wanted.parent.as_ref().is_none_or(|parent| entry[reference]["name"] == *parent);
            entries(list).filter(meant)
        });
    let own = Some(status).filter(|_| wanted.parent.is_none());
    own.into_iter().chain(of_parents).filter_map(|entry| entry["conditions"].as_array()).collect()
}

fn one(judge: &mut Judge<'_>, wanted: &At<ConditionExpect>, condition: Option<&Value>, generation: Option<i64>) {
    let text = |key: &str| condition.and_then(|condition| condition[key].as_str()).map(str::to_owned);
    let status = text("status").map(|status| match status.as_str() {
        "True" => Value::from(true),
        "False" => Value::from(false),
        _ => Value::from(status),
    });
    let before = judge.failures.len();
    judge.check(".status", &wanted.value.status, &Seen::maybe(status));
    judge.maybe(".reason", wanted.value.reason.as_ref(), || Seen::maybe(text("reason")));
    judge.maybe(".message", wanted.value.message.as_ref(), || Seen::maybe(text("message")));
    let (Some(condition), Some(generation)) = (condition, generation) else { return };
    let observed = &condition["observedGeneration"];
    if judge.failures.len() == before && *observed != generation {
        let actual = format!("observedGeneration: {observed}");
        judge.fail("", wanted, format!("a condition about the present generation, {generation}"), actual);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::vars::Vars;

    fn failures(expect: &str, object: &Value, generation: Option<i64>) -> Vec<String> {
        let expect: At<StatusExpect> = serde_saphyr::from_str(expect).expect("an expectation");
        let vars = Vars::default();
        let mut all = Judge::new(&vars, "status");
        judge(&mut all, &expect, &Ok(object.clone()), generation);
        all.failures.into_iter().map(|failure| format!("{}: {}", failure.path, failure.actual)).collect()
    }

    fn condition(kind: &str, status: &str, reason: &str, observed: i64) -> Value {
        json!({"type": kind, "status": status, "reason": reason, "observedGeneration": observed})
    }

    fn route() -> Value {
        let parent = |name: &str, status: &str| json!({"parentRef": {"name": name}, "conditions": [condition("Accepted", status, "Accepted", 2)]});
        json!({"status": {"parents": [parent("one", "True"), parent("two", "False")]}})
    }

    #[test]
    fn a_condition_counts_by_status_reason_and_generation() {
        let expect =
            "{kind: HTTPRoute, name: r, parent: one, conditions: {Accepted: {status: true, reason: Accepted}}}";
        assert_eq!(failures(expect, &route(), Some(2)), Vec::<String>::new());
        assert_eq!(failures(expect, &route(), None), Vec::<String>::new());
        assert_eq!(failures(expect, &route(), Some(3)), ["status.conditions.Accepted: observedGeneration: 2"]);
        let other = expect.replace("reason: Accepted", "reason: {in: [NoMatchingParent]}");
        assert_eq!(failures(&other, &route(), Some(2)), ["status.conditions.Accepted.reason: \"Accepted\""]);
    }

    #[test]
    fn without_a_name_every_parent_must_say_it() {
        let expect = "{kind: HTTPRoute, name: r, conditions: {Accepted: {status: true}}}";
        assert_eq!(failures(expect, &route(), Some(2)), ["status.conditions.Accepted.status: false"]);
        assert_eq!(failures(expect, &json!({"status": {"parents": []}}), None).len(), 1);
        assert_eq!(failures(expect, &json!({}), None).len(), 1);
        let unknown = expect.replace("name: r,", "name: r, parent: three,");
        assert_eq!(failures(&unknown, &route(), Some(2)).len(), 1);
    }

    #[test]
    fn a_condition_may_have_to_be_absent_and_a_listener_has_its_own() {
        let gateway = json!({"status": {
            "conditions": [condition("Accepted", "True", "Accepted", 1)],
            "listeners": [{"name": "http", "conditions": [condition("Programmed", "True", "Programmed", 1)]}],
        }});
        let expect = "{kind: Gateway, name: g, listener: http, conditions: {Programmed: {status: true}, Conflicted: {status: {not: true}}}}";
        assert_eq!(failures(expect, &gateway, Some(1)), Vec::<String>::new());
        let own = "{kind: Gateway, name: g, conditions: {Accepted: {status: true}, Programmed: {status: true}}}";
        assert_eq!(failures(own, &gateway, Some(1)), ["status.conditions.Programmed.status: absent"]);
    }
}
