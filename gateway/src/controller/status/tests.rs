use super::*;

const BEFORE: &str = "2026-01-01T00:00:00Z";
const NOW: &str = "2026-02-02T00:00:00Z";

fn object(kind: Kind, generation: i64) -> ObjectStatus {
    ObjectStatus {
        kind,
        namespace: "team".to_owned(),
        name: "object".to_owned(),
        generation: Some(generation),
        conditions: Vec::new(),
        parents: Vec::new(),
        listeners: Vec::new(),
        notes: Vec::new(),
    }
}

fn missing(status: &ObjectStatus, there: &Value) -> Option<Value> {
    Told { status, addresses: &[], now: NOW }.missing(there)
}

fn gateway(name: &str, section: Option<&str>, port: Option<u16>) -> ObjectReference {
    let section_name = section.map(str::to_owned);
    ObjectReference { name: name.to_owned(), section_name, port, ..ObjectReference::default() }
}

fn route(generation: i64, parents: &[(ObjectReference, Condition)]) -> ObjectStatus {
    let told = |(parent, condition): &(ObjectReference, Condition)| ParentStatus {
        parent: parent.clone(),
        conditions: vec![condition.clone()],
    };
    ObjectStatus { parents: parents.iter().map(told).collect(), ..object(Kind::HTTPRoute, generation) }
}

#[test]
fn what_was_written_is_not_missing_any_more() {
    let yes = Condition::yes("Accepted", "Accepted", "fine");
    let route = route(1, &[(gateway("a", Some("http"), Some(80)), yes.clone())]);
    let mut class = object(Kind::GatewayClass, 1);
    class.conditions.push(yes);
    for status in [route, class] {
        let written = missing(&status, &json!({})).unwrap();
        assert_eq!(missing(&status, &written), None);
    }
    // nothing to say where nothing stands
    assert_eq!(missing(&object(Kind::HTTPRoute, 1), &Value::Null), None);
    assert_eq!(missing(&object(Kind::Gateway, 1), &json!({"conditions": []})), None);
}

#[test]
fn a_parent_is_named_as_the_route_names_it_with_section_and_port() {
    let yes = Condition::yes("Accepted", "Accepted", "fine");
    let written = missing(&route(7, &[(gateway("a", Some("http"), Some(80)), yes)]), &Value::Null).unwrap();
    let reference = json!({"group": GATEWAY_API, "kind": "Gateway", "name": "a", "sectionName": "http", "port": 80});
    assert_eq!(written["parents"][0]["parentRef"], reference);
    assert_eq!(written["parents"][0]["controllerName"], CONTROLLER);
    assert_eq!(written["parents"][0]["conditions"][0]["observedGeneration"], 7);
}

#[test]
fn a_time_moves_with_the_status_of_its_condition_and_with_nothing_else() {
    let parent = || gateway("a", None, None);
    let first = route(1, &[(parent(), Condition::yes("Accepted", "Accepted", "fine"))]);
    let there = Told { status: &first, addresses: &[], now: BEFORE }.missing(&Value::Null).unwrap();
    let time = |status: &ObjectStatus| missing(status, &there).unwrap()["parents"][0]["conditions"][0].clone();
    let reworded = time(&route(2, &[(parent(), Condition::yes("Accepted", "Other", "also fine"))]));
    assert_eq!((&reworded["lastTransitionTime"], &reworded["observedGeneration"]), (&json!(BEFORE), &json!(2)));
    let refused = time(&route(2, &[(parent(), Condition::no("Accepted", "Other", "not fine"))]));
    assert_eq!(refused["lastTransitionTime"], NOW);
}

#[test]
fn entries_of_others_stay_and_ours_for_parents_that_are_gone_go() {
    let yes = || Condition::yes("Accepted", "Accepted", "fine");
    let both = route(1, &[(gateway("a", None, None), yes()), (gateway("b", None, None), yes())]);
    let mut there = missing(&both, &Value::Null).unwrap();
    let foreign = json!({"controllerName": "example.com/other", "parentRef": {"name": "a"}, "conditions": []});
    there["parents"].as_array_mut().unwrap().insert(0, foreign.clone());
    let one = missing(&route(1, &[(gateway("b", None, None), yes())]), &there).unwrap();
    assert_eq!(one["parents"], json!([foreign, there["parents"][2]]));
    let none = missing(&route(1, &[]), &there).unwrap();
    assert_eq!(none["parents"], json!([foreign]));
}

#[test]
fn conditions_of_types_that_others_write_stay_and_ours_that_are_not_told_go() {
    let mut status = object(Kind::Gateway, 3);
    status.conditions.push(Condition::yes("Accepted", "Accepted", "fine"));
    let there =
        json!({"conditions": [{"type": "ResolvedRefs", "status": "True"}, {"type": "Billed", "status": "True"}]});
    let written = missing(&status, &there).unwrap();
    let types: Vec<_> = written["conditions"].as_array().unwrap().iter().map(|each| &each["type"]).collect();
    assert_eq!(types, ["Accepted", "Billed"]);
}

#[test]
fn a_long_message_is_cut_between_characters() {
    assert_eq!(cut("añb", 2), "a");
    assert_eq!(cut("añb", 3), "añ");
    assert_eq!(cut("a", 3), "a");
}
