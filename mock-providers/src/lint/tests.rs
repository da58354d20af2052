//! What is found, and that nothing is accused wrongly.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::implies::{excludes, implies, impossible};
use super::*;
use crate::request::{Head, Request, RequestHead};
use crate::rules::{Dice, Facts, Live, Scene};
use crate::script::{Clock, Determinism, Dialect, When};
use crate::states::States;

fn found(config: &Value) -> Vec<Finding> {
    lint(&serde_json::from_value(config.clone()).expect("a well-formed configuration"))
}

/// The findings about the provider `a`, each as its place below it and what it says.
fn about(provider: Value) -> Vec<(String, String)> {
    let machines = json!({"outage": {"initial": "up", "states": {"up": {}, "down": {}}}});
    let found = found(&json!({"providers": {"a": provider}, "states": machines}));
    found.into_iter().map(|each| (each.place.trim_start_matches("providers.a").to_owned(), each.what)).collect()
}

#[test]
fn a_sound_configuration_has_no_findings() {
    let rules = json!([
        {"name": "one", "when": {"model": "gpt-4*", "nth": [2]}, "respond": {"text": "x"}},
        {"name": "two", "when": {"model": "gpt-4*"}, "times": 1, "to_state": {"outage": "down"}},
        {"name": "three", "when": {"model": "gpt-*", "stream": true}, "fault": {"missing_done": true, "every": 2}},
        {"name": "four", "when": {"model": "gpt-4*"}},
    ]);
    let faults = json!([
        {"probability": 0.5, "status": 503},
        {"probability": 0.5, "status": 429},
        {"state": {"outage": "down"}, "first": 3, "status": 500},
    ]);
    let half = json!([{"probability": 0.5, "status": 503}, {"probability": 0.4, "status": 429}]);
    assert_eq!(about(json!({"rules": rules, "faults": half, "respond": {"text": "y"}})), []);
    assert_eq!(about(json!({"faults": faults})).len(), 1, "the third comes behind a sum of 1");
}

#[test]
fn rules_that_nothing_reaches_are_found() {
    let cases = [
        (json!([{}, {"when": {"model": "a"}}]), ".rules[1]", "never reached"),
        (json!([{"when": {"model": "gpt-*"}}, {"when": {"model": "gpt-4o*", "stream": true}}]), ".rules[1]", "never"),
        (json!([{"when": {"stream": true}}, {"priority": 1}]), ".rules[0]", "never reached"),
        (json!([{"sequence": [{}, {}]}, {"when": {"turn": 3}}]), ".rules[1]", "never reached"),
        (json!([{"times": 0}]), ".rules[0].times", "never answers"),
        (json!([{"when": {"nth": 0}}]), ".rules[0].when.nth", "never answers"),
        (json!([{"when": {"last_user": {"equals": "a", "contains": "b"}}}]), ".rules[0].when", "no request"),
        (json!([{"when": {"stream": true, "not": {"stream": true}}}]), ".rules[0].when", "no request"),
        (json!([{"when": {"state": {"outrage": "up"}}}]), ".rules[0].when", "unknown state machine `outrage`"),
        (json!([{"to_state": {"outage": "dwn"}}]), ".rules[0].to_state", "unknown state `dwn`"),
        (json!([{"name": "x", "times": 1}, {"name": "x"}]), ".rules[1]", "is that of rules[0] too"),
        (json!([{"respond": {"text": "x"}, "sequence": [{}]}]), ".rules[0]", "never used"),
        (json!([{"fault": {"slow_accept": "1s", "status": 503}}]), ".rules[0].fault", "`slow_accept` never happens"),
        (json!([{"sequence": [{"fault": {"read_slowly": "1kB"}}]}]), ".rules[0].sequence[0].fault", "`read_slowly`"),
    ];
    for (rules, place, what) in cases {
        let found = about(json!({ "rules": rules }));
        assert!(found.iter().any(|(at, said)| at == place && said.contains(what)), "{rules}: {found:?}");
    }
}

#[test]
fn what_still_answers_sometimes_is_left_alone() {
    for rules in [
        json!([{"times": 2}, {"when": {"model": "a"}}]),
        json!([{"when": {"nth": 1}}, {}]),
        json!([{"sequence": {"steps": [{}], "on_exhausted": "fall_through"}}, {}]),
        json!([{"when": {"model": "gpt-4"}}, {"when": {"model": "gpt-4*"}}]),
        json!([{"when": {"any_of": [{"stream": true}, {"turn": 1}]}}, {"when": {"turn": 2}}]),
    ] {
        assert_eq!(about(json!({ "rules": rules })), [], "{rules}");
    }
}

#[test]
fn faults_that_never_happen_are_found() {
    let cases = [
        (json!([{"status": 503}, {"status": 500}]), "[1]", "never happens"),
        (json!([{"probability": 0.7, "status": 503}, {"probability": 0.7, "status": 500}]), "[1]", "less often"),
        (json!([{"when": {"model": "g*"}, "status": 503}, {"when": {"model": "gpt"}, "status": 500}]), "[1]", "never"),
        (json!([{"nth": [0], "status": 503}]), "[0]", "never happens"),
        (json!([{"first": 2, "after": 2, "status": 503}]), "[0]", "never happens"),
        (json!([{"first": 5, "every": 6, "status": 503}]), "[0]", "never happens"),
        (json!([{"times": 0, "status": 503}]), "[0]", "never happens"),
        (json!([{"probability": 0.0, "status": 503}]), "[0]", "never happens"),
        (json!([{"state": {"outage": "sideways"}, "status": 503}]), "[0]", "unknown state `sideways`"),
        (json!([{"every": 2}]), "[0]", "does nothing"),
        (json!([{"when": {"path": "/v1/embeddings"}, "missing_done": true}]), "[0]", "nothing to change"),
        (json!([{"when": {"stream": false}, "missing_done": true}]), "[0]", "nothing to change"),
    ];
    for (faults, place, what) in cases {
        let found = about(json!({ "faults": faults }));
        let at = format!(".faults{place}");
        assert!(found.iter().any(|(place, said)| *place == at && said.contains(what)), "{faults}: {found:?}");
    }
}

#[test]
fn every_key_that_is_said_to_change_nothing_is_a_key() {
    let known = |name: &&str| crate::script::Fault::CATALOGUE.iter().any(|(known, _)| known == name);
    assert!(fault::OF_STREAMS.iter().chain(fault::OF_MODELS).all(known));
}

#[test]
fn machines_are_looked_at_too() {
    let schedule = json!([{"at": "90s", "to": "up"}, {"at": "60s", "to": "down"}]);
    let states = json!({"up": {}, "down": {"faults": [{"times": 0, "status": 503}]} });
    let machine = json!({"initial": "up", "states": states, "schedule": schedule});
    let found = found(&json!({"states": {"outage": machine}}));
    let places: Vec<&str> = found.iter().map(|each| each.place.as_str()).collect();
    assert_eq!(places, ["states.outage.states.down.faults[0]", "states.outage.schedule[1]"]);
    let shown = serde_json::to_value(&found[0]).expect("JSON");
    assert_eq!((&shown["where"], &shown["severity"]), (&json!(places[0]), &json!("error")));
}

fn one_of(values: Value) -> BoxedStrategy<Value> {
    proptest::sample::select(values.as_array().expect("a list").clone()).boxed()
}

fn members(weight: f64, keys: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let member = |(key, value): (&'static str, BoxedStrategy<Value>)| {
        proptest::option::weighted(weight, value.prop_map(move |value| (key.to_owned(), value)))
    };
    let members: Vec<_> = keys.into_iter().map(member).collect();
    members.prop_map(|all| all.into_iter().flatten().collect::<Map<_, _>>().into()).boxed()
}

/// Few words, so that rules overlap and requests hit them.
fn text() -> BoxedStrategy<Value> {
    let texts = json!(["", "a", "ab", "abc", "b", "ba", {"contains": "a"}, {"contains": "ab"}, {"prefix": "a"},
        {"prefix": "ab"}, {"matches": "^a"}, {"regex": "b$"}, {"present": true}, {"present": false},
        {"equals": "ab", "prefix": "b"}, {"contains": "b", "prefix": "a"}]);
    one_of(texts)
}

/// The keys that a condition may have, each with a few values.
fn keys() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    vec![
        ("path", one_of(json!(["/v1/chat/completions", "*/completions", "/v1/*", "*", "/v1/c*s"]))),
        ("method", one_of(json!(["POST", "post", "GET"]))),
        ("model", one_of(json!(["a", "a*", "*b", "ab*", {"prefix": "a"}, {"equals": "ab"}, {"matches": "b"}]))),
        ("stream", one_of(json!([true, false]))),
        ("header", one_of(json!([{"x-t": "a"}, {"X-T": {"contains": "a"}}, {"x-t": {"present": false}}]))),
        ("query", one_of(json!([{"q": "a"}, {"q": {"prefix": "a"}}]))),
        ("body", one_of(json!([{"$.user": "a"}, {"$.user": {"contains": "a"}}, {"$.user": {"present": false}}]))),
        ("last_user", text()),
        ("system", text()),
        ("any_message", text()),
        ("turn", one_of(json!([0, 1, {"min": 1}, {"max": 1}, {"min": 1, "max": 2}]))),
        ("has_tool_result", one_of(json!([true, false]))),
        ("tool_result", text()),
        ("tools_include", one_of(json!(["f", ["f", "g"], []]))),
        ("n_gt", one_of(json!([0, 1, 2]))),
        ("max_tokens_lt", one_of(json!([1, 5, 10]))),
        ("state", one_of(json!([{"m": "x"}, {"m": "y"}]))),
    ]
}

/// Conditions over two of the keys, so that they often have to do with each other.
fn theme() -> BoxedStrategy<Vec<usize>> {
    proptest::collection::vec(0..keys().len(), 2).boxed()
}

fn when(theme: Vec<usize>) -> BoxedStrategy<Value> {
    let leaf = move || {
        let chosen = keys().into_iter().enumerate().filter(|(index, _)| theme.contains(index));
        members(0.5, chosen.map(|(_, key)| key).collect())
    };
    let nested = (leaf(), proptest::option::weighted(0.3, proptest::collection::vec(leaf(), 1..3)));
    (nested, proptest::option::weighted(0.3, leaf()))
        .prop_map(|((mut when, any_of), not)| {
            any_of.into_iter().for_each(|all| when["any_of"] = all.into());
            not.into_iter().for_each(|never| when["not"] = never);
            when
        })
        .boxed()
}

fn rule(theme: Vec<usize>) -> BoxedStrategy<Value> {
    let rest = members(
        0.15,
        vec![
            ("priority", one_of(json!([1, 5, 9]))),
            ("times", one_of(json!([0, 1]))),
            (
                "sequence",
                one_of(json!([[{}, {}], {"steps": [{}], "on_exhausted": "fall_through"},
            {"steps": [{}, {"times": 0}], "on_exhausted": "cycle"}, {"steps": [{}], "on_exhausted": "error"}])),
            ),
            ("to_state", one_of(json!([{"m": "x"}, {"m": "y"}]))),
            ("fault", one_of(json!([{"times": 1, "status": 500}, {"probability": 0.5, "missing_done": true}]))),
        ],
    );
    let nth = proptest::option::weighted(0.15, one_of(json!([0, 1, [1, 3]])));
    (when(theme), rest, nth)
        .prop_map(|(mut when, mut rule, nth)| {
            nth.into_iter().for_each(|nth| when["nth"] = nth);
            rule["when"] = when;
            rule
        })
        .boxed()
}

fn request() -> BoxedStrategy<(String, Value)> {
    let word = || one_of(json!(["", "a", "ab", "abc", "b", "ba", null]));
    let messages = proptest::collection::vec((one_of(json!(["system", "user", "assistant", "tool"])), word()), 0..4)
        .prop_map(|all| all.into_iter().map(|(role, text)| json!({"role": role, "content": text})).collect::<Value>());
    let body = members(
        0.6,
        vec![
            ("model", word()),
            ("stream", one_of(json!([true, false]))),
            ("user", word()),
            ("messages", messages.boxed()),
            ("n", one_of(json!([1, 2, 3]))),
            ("max_tokens", one_of(json!([0, 3, 7, 30]))),
            ("tools", one_of(json!([[{"name": "f"}], [{"name": "f"}, {"name": "g"}]]))),
        ],
    );
    let target = proptest::sample::select(vec!["/v1/chat/completions", "/v1/completions?q=ab", "/x?q=a", "/v1/cs?q=b"]);
    let head = (proptest::sample::select(vec!["POST", "GET"]), target, proptest::sample::select(vec!["a", "ba", "-"]));
    (head.prop_map(|(method, target, header)| format!("{method} {target} {header}")), body).boxed()
}

fn head(line: &str) -> Head {
    let parts: Vec<&str> = line.split(' ').collect();
    let headers = [("X-t", parts[2])].into_iter().filter(|(_, value)| *value != "-");
    Head { lines: RequestHead::new(parts[0], parts[1], headers), ..Head::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_called_implied_excluded_or_impossible_is_so_for_every_request(
        (a, b) in theme().prop_flat_map(|theme| (when(theme.clone()), when(theme))),
        requests in proptest::collection::vec(request(), 12),
    ) {
        let read = |when: &Value| serde_json::from_value::<When>(when.clone()).expect("well-formed");
        let (first, second) = (read(&a), read(&b));
        let (implied, excluded) = (implies(&first, &second), excludes(&first, &second));
        let machine = json!({"initial": "x", "states": {"x": {}, "y": {}}});
        let states = States::new(&serde_json::from_value(json!({"m": machine})).expect("well-formed"));
        for (line, body) in &requests {
            let head = head(line);
            let request = Request::new(&head, body.to_string().as_bytes());
            let scene = Scene { facts: Facts::new(&request), dialect: Dialect::Openai, moment: states.moment() };
            let (fits, other) = (scene.fits(&first), scene.fits(&second));
            let wrong = fits && (implied && !other || excluded && other || impossible(&first));
            prop_assert!(!wrong, "{a} and {b}: implied {implied}, excluded {excluded}, but {line} {body} is {fits} {other}");
        }
    }

    #[test]
    fn some_rule_or_the_default_answers_and_never_one_that_is_called_unreachable(
        rules in theme().prop_flat_map(|theme| proptest::collection::vec(rule(theme), 1..6)),
        requests in proptest::collection::vec(request(), 1..12),
    ) {
        let named: Value = rules.into_iter().enumerate().map(|(index, mut rule)| {
            rule["name"] = format!("{index}").into();
            rule
        }).collect();
        let machine = json!({"initial": "x", "states": {"x": {"faults": [{"every": 2, "status": 503}]}, "y": {}}});
        let config: Config = serde_json::from_value(
            json!({"providers": {"a": {"rules": named}}, "states": {"m": machine}})
        ).expect("a well-formed configuration");
        let never = ["never reached", "never answers", "no request satisfies"];
        let accused: Vec<String> = lint(&config).into_iter()
            .filter(|found| never.iter().any(|words| found.what.contains(words)))
            .filter_map(|found| found.place.split(['[', ']']).nth(1).map(str::to_owned))
            .collect();
        let states = Arc::new(States::new(&config.states));
        let live = Live::new(config.providers["a"].clone(), &states);
        let dice = Dice::new("a", 1, Determinism::PerRequest, Clock::default());
        for (line, body) in &requests {
            let (head, body) = (head(line), body.to_string());
            let request = Request::new(&head, body.as_bytes());
            let rule = live.select(&dice, &request, body.as_bytes(), true, None).account.rule().to_owned();
            let known = rule == "default" || rule.parse::<usize>().is_ok_and(|index| index < live.rule_count());
            prop_assert!(known && !accused.contains(&rule), "rule {} answered {} {}", rule, line, body);
        }
    }
}
